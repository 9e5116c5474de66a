/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: bytes on the control socket, up to what the HTTP library makes of them and back. The
 * client has said all when it has sent the input; the server must have answered or hung up soon
 * after, and serve the next one.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fuzz/fake_target.h"
#include "tests/fuzz/require.h"
#include "vmm/api/server.h"
#include "vmm/base/num.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Far above what an answer takes; a wait for statistics cannot be longer than 10 s. */
#define DEADLINE_S 20

static char dir[64];
static char path[96];
static struct fake_target fake;

static void *serve(void *arg)
{
    (void)ev_loop_run(arg);
    return NULL;
}

static void clean_up(void)
{
    (void)unlink(path);
    (void)rmdir(dir);
}

static void start_server(void)
{
    static struct ev_loop *loop;
    static struct api_server *server;
    struct api_target target = {
        .ops = &fake_target_ops, .arg = &fake, .vmm_version = "1", .id = "fuzz", .silence_s = 1};
    struct err err = {0};
    pthread_t thread;
    strcpy(dir, "/tmp/aerostat-fuzz-XXXXXX");
    require(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof(path), "%s/api.sock", dir);
    require(signal(SIGPIPE, SIG_IGN) != SIG_ERR && atexit(clean_up) == 0);
    fake_target_init(&fake, "{\"boot-source\":{\"kernel_image_path\":\"/dev/null\"},\"balloon\":{"
                            "\"amount_mib\":1,\"deflate_on_oom\":true}}");
    require(ev_loop_create(&loop) == 0);
    require(api_server_create(path, &target, loop, &server, &err) == 0);
    require(pthread_create(&thread, NULL, serve, loop) == 0);
}

static int connect_to_it(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = DEADLINE_S};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc;
    /* The fuzzer has a timer whose signal interrupts calls. */
    do
        rc = connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
    while (rc < 0 && errno == EINTR);
    require(rc == 0);
    require(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    return fd;
}

static void send_all(int fd, const void *data, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return; /* it has had enough */
        sent += n < 0 ? 0 : (size_t)n;
    }
}

/* All that comes, until the server hangs up: within the deadline. */
static void receive_all(int fd, char *text, size_t room)
{
    static char rest[65536];
    size_t used = 0;
    ssize_t got;
    do {
        bool fits = used + 1 < room;
        got = recv(fd, fits ? text + used : rest, fits ? room - 1 - used : sizeof(rest), 0);
        used += fits && got > 0 ? (size_t)got : 0;
    } while (got > 0 || (got < 0 && errno == EINTR));
    require(got == 0 || errno == ECONNRESET);
    text[used] = '\0';
}

static void require_known_status(const char *text)
{
    static const int known[] = {100, 200, 204, 400, 411, 413, 414, 431, 500, 501, 503, 505};
    int status = 0;
    if (*text == '\0')
        return;
    require(sscanf(text, "HTTP/1.%*1[01] %d ", &status) == 1);
    bool found = false;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        found = found || known[i] == status;
    require(found);
}

static void require_served(void)
{
    static const char request[] = "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char text[1024];
    int fd = connect_to_it();
    send_all(fd, request, sizeof(request) - 1);
    receive_all(fd, text, sizeof(text));
    require(strncmp(text, "HTTP/1.1 200 ", 13) == 0);
    close(fd);
}

/* An end that comes with the last bytes is noticed late by the library, after the silence that it
 * allows: waiting for that would be most of the time. */
static void end_after(int fd)
{
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    (void)poll(&answer, 1, 2);
    (void)shutdown(fd, SHUT_WR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[65536];
    static bool started;
    static unsigned n;
    if (!started)
        start_server();
    started = true;
    int fd = connect_to_it();
    send_all(fd, data, size);
    end_after(fd);
    receive_all(fd, text, sizeof(text));
    close(fd);
    require_known_status(text);
    if (n++ % 8 == 0)
        require_served();
    return 0;
}
