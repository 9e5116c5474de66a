/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, watching and ending the real monitor from a test. */
#include "tests/support/vm_process.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGS_MAX 32
#define MS_PER_S 1000

static void exec_monitor(const char *monitor, const char *const args[], const char *dir,
                         const char *sock, const int in[2], const int out[2])
{
    const char *argv[ARGS_MAX] = {monitor, "run"};
    size_t n = 2;
    for (size_t i = 0; args[i] != NULL && n < ARGS_MAX - 3; i++)
        argv[n++] = args[i];
    argv[n++] = "--api-sock";
    argv[n] = sock;
    /* A test that dies must not leave a machine behind. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Nor a name in the runtime directory: it has one in the test's folder. */
    (void)setenv("AEROSTAT_RUNTIME_DIR", dir, 1);
    (void)dup2(in[0], STDIN_FILENO);
    (void)dup2(out[1], STDOUT_FILENO);
    close(in[0]);
    close(in[1]);
    close(out[0]);
    close(out[1]);
    execv(monitor, (char *const *)argv);
    perror(monitor);
    _exit(127);
}

void vmp_start(struct vmp *vm, const char *monitor, const char *const args[])
{
    int in[2], out[2];
    *vm = (struct vmp){.pid = -1};
    (void)snprintf(vm->dir, sizeof(vm->dir), "/tmp/aerostat-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(vm->dir));
    (void)snprintf(vm->sock, sizeof(vm->sock), "%s/api.sock", vm->dir);
    ck_assert_int_eq(pipe(in), 0);
    ck_assert_int_eq(pipe(out), 0);
    vm->pid = fork();
    ck_assert_int_ge(vm->pid, 0);
    if (vm->pid == 0)
        exec_monitor(monitor, args, vm->dir, vm->sock, in, out);
    close(in[0]);
    close(out[1]);
    vm->in_fd = in[1];
    vm->out_fd = out[0];
}

/* More output into pending; false at its end. */
static bool read_more(struct vmp *vm)
{
    struct pollfd pfd = {.fd = vm->out_fd, .events = POLLIN};
    int ready = poll(&pfd, 1, VMP_DEADLINE_S * MS_PER_S);
    if (ready == 0)
        ck_abort_msg("the guest says nothing more; its last words: %.*s", (int)vm->pending_len,
                     vm->pending);
    ck_assert_uint_lt(vm->pending_len, sizeof(vm->pending));
    ssize_t got =
        read(vm->out_fd, vm->pending + vm->pending_len, sizeof(vm->pending) - vm->pending_len);
    if (got <= 0)
        return false;
    vm->pending_len += (size_t)got;
    return true;
}

bool vmp_read_line(struct vmp *vm, char *line, size_t size)
{
    char *end;
    while ((end = memchr(vm->pending, '\n', vm->pending_len)) == NULL) {
        if (!read_more(vm))
            return false;
    }
    size_t len = (size_t)(end - vm->pending);
    ck_assert_uint_lt(len, size);
    memcpy(line, vm->pending, len);
    line[len] = '\0';
    if (len > 0 && line[len - 1] == '\r')
        line[len - 1] = '\0';
    vm->pending_len -= len + 1;
    memmove(vm->pending, end + 1, vm->pending_len);
    return true;
}

void vmp_expect(struct vmp *vm, const char *text)
{
    char line[1024];
    do {
        if (!vmp_read_line(vm, line, sizeof(line)))
            ck_abort_msg("the guest ended before it said '%s'", text);
        if (strncmp(line, "fail:", 5) == 0)
            ck_abort_msg("waiting for '%s', the guest says %s", text, line);
    } while (strcmp(line, text) != 0);
}

uint64_t vmp_expect_value(struct vmp *vm, const char *name)
{
    char line[1024];
    size_t len = strlen(name);
    if (!vmp_read_line(vm, line, sizeof(line)))
        ck_abort_msg("the guest ended before it told %s", name);
    if (strncmp(line, name, len) != 0 || line[len] != '=')
        ck_abort_msg("expected %s=..., got '%s'", name, line);
    return strtoull(line + len + 1, NULL, 10);
}

void vmp_continue(struct vmp *vm)
{
    ck_assert_int_eq(write(vm->in_fd, "\n", 1), 1);
}

static int connect_to(const char *sock)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", sock);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int vmp_http(const char *sock, const char *method, const char *path, const char *body, char *reply,
             size_t size)
{
    char request[1024];
    int fd = connect_to(sock);
    if (fd < 0)
        return 0;
    int len = snprintf(request, sizeof(request),
                       "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       method, path, body == NULL ? 0 : strlen(body), body == NULL ? "" : body);
    ck_assert_int_eq(write(fd, request, (size_t)len), len);
    size_t have = 0;
    ssize_t got;
    while (have < size - 1 && (got = read(fd, reply + have, size - 1 - have)) > 0)
        have += (size_t)got;
    reply[have] = '\0';
    close(fd);
    int status = 0;
    ck_assert_int_eq(sscanf(reply, "HTTP/1.%*d %d", &status), 1);
    return status;
}

uint64_t vmp_stat(struct vmp *vm, const char *key)
{
    char reply[8192], quoted[64];
    ck_assert_int_eq(vmp_http(vm->sock, "GET", "/balloon/statistics", NULL, reply, sizeof(reply)),
                     200);
    (void)snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    const char *at = strstr(reply, quoted);
    if (at == NULL)
        ck_abort_msg("no %s in %s", quoted, reply);
    return strtoull(at + strlen(quoted), NULL, 10);
}

/* 10 ms. */
static const struct timespec step = {.tv_nsec = 10000000};

void vmp_await_stat(struct vmp *vm, const char *key, uint64_t value)
{
    for (int i = 0; i < VMP_DEADLINE_S * 100 && vmp_stat(vm, key) != value; i++)
        (void)nanosleep(&step, NULL);
    uint64_t got = vmp_stat(vm, key);
    ck_assert_msg(got == value, "%s is %lu, not %lu", key, got, value);
}

int vmp_wait(struct vmp *vm)
{
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < VMP_DEADLINE_S * 100 && ended == 0; i++) {
        ended = waitpid(vm->pid, &status, WNOHANG);
        if (ended == 0)
            (void)nanosleep(&step, NULL);
    }
    if (ended == 0) {
        (void)kill(vm->pid, SIGKILL);
        ck_abort_msg("the monitor does not end");
    }
    close(vm->in_fd);
    close(vm->out_fd);
    ck_assert_int_eq(access(vm->sock, F_OK), -1);
    ck_assert_int_eq(rmdir(vm->dir), 0);
    return status;
}
