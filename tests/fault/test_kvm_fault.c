/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real monitor with a payload guest while the n-th call of the host fails, n counted up: it
 * works, or ends with a sentence that says why; it never crashes, hangs or ends in silence.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kvm/kvm_main.h"
#include "vmm/base/num.h"

/* Far above what a run takes on a loaded machine, and above the calls it makes of any function. */
#define DEADLINE_MS 60000
#define CALLS_LIMIT 300

struct stream {
    int fd;
    char text[8192];
    size_t len;
};

static char mark[64];

static void setup(void)
{
    (void)snprintf(mark, sizeof(mark), "/tmp/aerostat-fault-XXXXXX");
    int fd = mkstemp(mark);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void teardown(void)
{
    (void)unlink(mark);
}

static _Noreturn void exec_monitor(const int in[2], const int out[2], const int err[2])
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(in[0], STDIN_FILENO);
    (void)dup2(out[1], STDOUT_FILENO);
    (void)dup2(err[1], STDERR_FILENO);
    (void)setenv("LD_PRELOAD", PRELOAD, 1);
    /* A sanitizer's runtime would rather come first. */
    const char *options = getenv("ASAN_OPTIONS");
    char with[512];
    (void)snprintf(with, sizeof(with), "%s:verify_asan_link_order=0", options ? options : "");
    (void)setenv("ASAN_OPTIONS", with, 1);
    execl(AEROSTAT_MONITOR, AEROSTAT_MONITOR, "run", "--kernel", PAYLOAD, "--mem", "64M",
          "--balloon", "0M", "--stats-interval", "1", NULL);
    perror(AEROSTAT_MONITOR);
    _exit(127);
}

/* Whether the text holds a line that begins so. */
static bool says(const struct stream *s, const char *begin)
{
    const char *at = strstr(s->text, begin);
    return at != NULL && (at == s->text || at[-1] == '\n');
}

/* False at its end. The end of the text is dropped if there is no room. */
static bool read_some(struct stream *s)
{
    char block[1024];
    ssize_t got = read(s->fd, block, sizeof(block));
    if (got <= 0)
        return false;
    size_t keep = min_u64((uint64_t)got, sizeof(s->text) - 1 - s->len);
    memcpy(s->text + s->len, block, keep);
    s->len += keep;
    s->text[s->len] = '\0';
    return true;
}

/* The guest waits for a key at each of its checkpoints. */
static size_t checkpoints(const struct stream *s)
{
    size_t n = 0;
    for (const char *at = s->text; (at = strstr(at, "at ")) != NULL; at++)
        n += at == s->text || at[-1] == '\n';
    return n;
}

/* Until the monitor has closed both; false after the deadline. */
static bool attend(struct stream *out, struct stream *err, int in_fd)
{
    size_t typed = 0;
    struct pollfd fds[] = {{.fd = out->fd, .events = POLLIN}, {.fd = err->fd, .events = POLLIN}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, ARRAY_LEN(fds), DEADLINE_MS) <= 0)
            return false;
        if (fds[0].revents != 0 && !read_some(out))
            fds[0].fd = -1;
        if (fds[1].revents != 0 && !read_some(err))
            fds[1].fd = -1;
        for (; typed < checkpoints(out); typed++)
            (void)!write(in_fd, "\n", 1);
    }
    return true;
}

static int run_monitor(struct stream *out, struct stream *err)
{
    int in[2], to_out[2], to_err[2];
    int status = 0;
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(to_out, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(to_err, O_CLOEXEC), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        exec_monitor(in, to_out, to_err);
    close(in[0]);
    close(to_out[1]);
    close(to_err[1]);
    *out = (struct stream){.fd = to_out[0]};
    *err = (struct stream){.fd = to_err[0]};
    bool ended = attend(out, err, in[1]);
    if (!ended)
        kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    close(in[1]);
    close(to_out[0]);
    close(to_err[0]);
    return ended ? status : -1;
}

static const struct {
    const char *call;
    int error;
    int step;     /* from one n to the next */
    int at_least; /* calls that every run is known to make */
} failures[] = {
    {"ioctl", EINVAL, 1, 20},
    {"mmap", ENOMEM, 1, 3},
    {"madvise", ENOMEM, 1, 1},
    {"memfd_create", EMFILE, 1, 1},
    {"ftruncate", EFBIG, 1, 1},
    {"fallocate", ENOSPC, 25, 100},
    {"fstat", EIO, 1, 2},
    {"eventfd", EMFILE, 1, 4},
    {"timerfd_create", EMFILE, 1, 3},
    {"timerfd_settime", EPERM, 1, 1},
    {"epoll_create1", EMFILE, 1, 2},
    {"epoll_ctl", ENOMEM, 1, 4},
    {"pthread_create", EAGAIN, 1, 2},
};

static void expect_it_works_or_says_why(const char *call, bool hit, int status,
                                        const struct stream *out, const struct stream *err)
{
    ck_assert_msg(status != -1, "%s: hangs; it said: %s", call, err->text);
    ck_assert_msg(WIFEXITED(status), "%s: ended by signal %d; it said: %s", call, WTERMSIG(status),
                  err->text);
    bool works = WEXITSTATUS(status) == 0 && says(out, "done");
    bool told = WEXITSTATUS(status) <= 1 && says(err, "aerostat: ");
    ck_assert_msg(works || (hit && told), "%s: status %d; the guest said: %s; it said: %s", call,
                  WEXITSTATUS(status), out->text, err->text);
    ck_assert_msg(strstr(err->text, "Sanitizer") == NULL &&
                      strstr(err->text, "runtime error") == NULL,
                  "%s: %s", call, err->text);
}

START_TEST(a_monitor_whose_nth_call_fails_works_or_says_why)
{
    static struct stream out, err;
    bool hit = true;
    int n = 1 - failures[_i].step;
    while (hit) {
        char call[64];
        n += failures[_i].step;
        ck_assert_int_lt(n, CALLS_LIMIT);
        (void)snprintf(call, sizeof(call), "%s %d %d", failures[_i].call, n, failures[_i].error);
        ck_assert_int_eq(unlink(mark), 0);
        (void)setenv("FAULT_CALL", call, 1);
        (void)setenv("FAULT_HIT", mark, 1);
        int status = run_monitor(&out, &err);
        hit = access(mark, F_OK) == 0;
        expect_it_works_or_says_why(call, hit, status, &out, &err);
        if (!hit)
            ck_assert_int_eq(close(open(mark, O_CREAT | O_CLOEXEC | O_WRONLY, 0600)), 0);
    }
    ck_assert_int_gt(n, failures[_i].at_least);
}
END_TEST

static Suite *fault_suite(void)
{
    Suite *suite = suite_create("fault: the monitor");
    TCase *tc = tcase_create("monitor");
    tcase_set_timeout(tc, 590);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_monitor_whose_nth_call_fails_works_or_says_why, 0,
                        ARRAY_LEN(failures));
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(fault_suite);
}
