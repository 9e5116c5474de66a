/* SPDX-License-Identifier: Apache-2.0 */
/* A start by the control socket while the n-th call of the host fails, n counted up: it succeeds,
 * or is refused with a sentence, and then the next try succeeds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kvm/kvm_main.h"
#include "tests/support/vm_process.h"
#include "vmm/base/num.h"

#define CALLS_LIMIT 300
#define START       "{\"action_type\":\"InstanceStart\"}"
#define STOP        "{\"action_type\":\"Stop\"}"

static char mark[64];

static void setup(void)
{
    (void)snprintf(mark, sizeof(mark), "/tmp/aerostat-fault-XXXXXX");
    int fd = mkstemp(mark);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(unlink(mark), 0);
    /* A sanitizer's runtime would rather come first. */
    const char *options = getenv("ASAN_OPTIONS");
    char with[512];
    (void)snprintf(with, sizeof(with), "%s:verify_asan_link_order=0", options ? options : "");
    (void)setenv("ASAN_OPTIONS", with, 1);
    (void)setenv("FAULT_HIT", mark, 1);
}

static void teardown(void)
{
    (void)unlink(mark);
}

static const struct {
    const char *call;
    int error;
    int at_least; /* calls that every run is known to make */
} failures[] = {
    {"ioctl", EINVAL, 20},         {"mmap", ENOMEM, 3},          {"madvise", ENOMEM, 1},
    {"memfd_create", EMFILE, 1},   {"ftruncate", EFBIG, 1},      {"eventfd", EMFILE, 4},
    {"timerfd_create", EMFILE, 3}, {"epoll_create1", EMFILE, 2}, {"pthread_create", EAGAIN, 2},
    {"access", ENOENT, 1},         {"dlopen", ENOENT, 1},
};

static int put(const struct vmp *vm, const char *path, const char *body, char *reply, size_t size)
{
    return vmp_http(vm->sock, "PUT", path, body, reply, size);
}

/* A socket that is there may be one whose server fails to start. */
static bool is_served(const struct vmp *vm)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char reply[64] = "";
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", vm->sock);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool served = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
                  send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0 &&
                  recv(fd, reply, sizeof(reply) - 1, 0) > 0 && strstr(reply, " 200 OK") != NULL;
    close(fd);
    return served;
}

/* False if the monitor ended before it served its socket, in order: the fault came before. */
static bool await_socket(struct vmp *vm, const char *call)
{
    int status = 0;
    while (!is_served(vm)) {
        if (waitpid(vm->pid, &status, WNOHANG) == vm->pid) {
            ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%s: 0x%x", call, status);
            (void)unlink(vm->sock);
            ck_assert_int_eq(rmdir(vm->dir), 0);
            return false;
        }
        usleep(1000);
    }
    return true;
}

static void start_at_last(const struct vmp *vm, const char *call)
{
    static char reply[4096];
    int status = put(vm, "/actions", START, reply, sizeof(reply));
    if (status == 400) {
        ck_assert_msg(access(mark, F_OK) == 0, "%s: nothing failed, and %s", call, reply);
        ck_assert_int_eq(vmp_http(vm->sock, "GET", "/", NULL, reply, sizeof(reply)), 200);
        ck_assert_msg(strstr(reply, "\"Not started\"") != NULL, "%s: %s", call, reply);
        status = put(vm, "/actions", START, reply, sizeof(reply));
    }
    ck_assert_msg(status == 204, "%s: %s", call, reply);
}

static void run_once(const char *call)
{
    static const char *const args[] = {"--no-start", "--kernel", PAYLOAD,     "--mem", "64M",
                                       "--cpus",     "2",        "--balloon", "0M",    NULL};
    static char reply[4096];
    struct vmp vm;
    (void)setenv("FAULT_CALL", call, 1);
    (void)setenv("LD_PRELOAD", PRELOAD, 1);
    vmp_start(&vm, AEROSTAT_MONITOR, args);
    (void)unsetenv("LD_PRELOAD");
    if (!await_socket(&vm, call))
        return;
    start_at_last(&vm, call);
    /* A vCPU may fail later, which ends the machine. */
    char line[256];
    bool runs = vmp_read_line(&vm, line, sizeof(line));
    ck_assert_msg(!runs || strcmp(line, "at populated") == 0, "%s: the guest says %s", call, line);
    if (runs)
        ck_assert_int_eq(put(&vm, "/actions", STOP, reply, sizeof(reply)), 204);
    int status = vmp_wait(&vm);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == (runs ? 0 : 1), "%s: 0x%x", call,
                  status);
    ck_assert_msg(runs || access(mark, F_OK) == 0, "%s: no guest, and nothing failed", call);
}

START_TEST(a_start_whose_nth_call_fails_can_be_tried_again)
{
    bool hit = true;
    int n = 0;
    while (hit) {
        char call[64];
        n++;
        ck_assert_int_lt(n, CALLS_LIMIT);
        (void)snprintf(call, sizeof(call), "%s %d %d", failures[_i].call, n, failures[_i].error);
        run_once(call);
        hit = unlink(mark) == 0;
    }
    ck_assert_int_gt(n, failures[_i].at_least);
}
END_TEST

static Suite *start_suite(void)
{
    Suite *suite = suite_create("fault: the start");
    TCase *tc = tcase_create("start");
    tcase_set_timeout(tc, 590);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_start_whose_nth_call_fails_can_be_tried_again, 0,
                        ARRAY_LEN(failures));
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(start_suite);
}
