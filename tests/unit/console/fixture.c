/* SPDX-License-Identifier: Apache-2.0 */
/* A console server, its clients and its guest. */
#include "tests/unit/console/fixture.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 20000

struct fixture fx;

static size_t take(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    size_t step = atomic_load(&fx.step);
    size_t have = atomic_load(&fx.taken);
    size_t n = len < step ? len : step;
    ck_assert_uint_le(have + n, sizeof(fx.input));
    memcpy(fx.input + have, data, n);
    atomic_store(&fx.taken, have + n);
    return n;
}

static void *run(void *arg)
{
    ck_assert_int_eq(ev_loop_run(arg), 0);
    return NULL;
}

void fixture_setup(void)
{
    static const struct console_server_ops ops = {.input = take};
    memset(&fx, 0, sizeof(fx));
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    atomic_store(&fx.step, 16);
    (void)snprintf(fx.dir, sizeof(fx.dir), "/tmp/aerostat-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fx.dir));
    (void)snprintf(fx.sock, sizeof(fx.sock), "%s/console.sock", fx.dir);
    fx.dir_fd = open(fx.dir, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(ev_loop_create(&fx.loop), 0);
    struct console_server_spec spec = {
        .dir_fd = fx.dir_fd,
        .log_name = "console.log",
        .log_old_name = "console.log.1",
        .log_limit_bytes = FIXTURE_LOG_LIMIT,
        .sock_path = fx.sock,
        .ops = &ops,
    };
    int rc = console_server_create(&spec, fx.loop, &fx.server, &fx.err);
    ck_assert_msg(rc == 0, "%s", fx.err.text);
    fixture_run();
}

void fixture_run(void)
{
    ck_assert_int_eq(pthread_create(&fx.thread, NULL, run, fx.loop), 0);
}

void fixture_stop(void)
{
    ev_loop_stop(fx.loop);
    ck_assert_int_eq(pthread_join(fx.thread, NULL), 0);
}

void fixture_teardown(void)
{
    char command[128];
    console_server_destroy(fx.server);
    ev_loop_destroy(fx.loop);
    close(fx.dir_fd);
    (void)snprintf(command, sizeof(command), "rm -r %s", fx.dir);
    ck_assert_int_eq(system(command), 0);
}

void fixture_print(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    while (len > 0) {
        ssize_t put = write(console_server_output(fx.server), bytes, len);
        ck_assert_int_gt(put, 0);
        bytes += put;
        len -= (size_t)put;
    }
}

int fixture_connect(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = DEADLINE_MS / 1000};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", fx.sock);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
    return fd;
}

void fixture_read(int fd, void *out, size_t len)
{
    uint8_t *bytes = out;
    while (len > 0) {
        ssize_t got = read(fd, bytes, len);
        ck_assert_int_gt(got, 0);
        bytes += got;
        len -= (size_t)got;
    }
}

size_t fixture_read_all(int fd, uint8_t *out, size_t size, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t len = 0;
    while (poll(&p, 1, ms) == 1) {
        ck_assert_uint_lt(len, size);
        ssize_t got = read(fd, out + len, size - len);
        ck_assert_int_ge(got, 0);
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return len;
}

void fixture_await_input(size_t len)
{
    for (unsigned i = 0; i < DEADLINE_MS && atomic_load(&fx.taken) < len; i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    ck_assert_uint_eq(atomic_load(&fx.taken), len);
}

long long fixture_size(const char *name)
{
    struct stat st;
    return fstatat(fx.dir_fd, name, &st, 0) < 0 ? -1 : (long long)st.st_size;
}

void fixture_pattern(uint8_t *out, size_t len, uint64_t position)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t at = position + i;
        out[i] = (uint8_t)(at * 7 + at / 256 + at / 65536);
    }
}
