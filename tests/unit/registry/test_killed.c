/* SPDX-License-Identifier: Apache-2.0 */
/* A process that is killed at its n-th system call, n counted up until it needs no more of them:
 * the next start under the same name succeeds, and nothing is left after that. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/registry/fixture.h"
#include "tests/unit/registry/suites.h"

/* Far more than any of these takes. */
#define CALLS_MAX 400u

static void claim_release(void)
{
    struct registry_claim *claim = NULL;
    if (registry_claim(fx.registry, "web", &claim, NULL) < 0)
        _exit(1);
    (void)mknodat(registry_claim_dir_fd(claim), "api.sock", S_IFREG | 0600, 0);
    (void)mknodat(registry_claim_dir_fd(claim), "log", S_IFREG | 0600, 0);
    registry_release(claim);
}

static void remove_stale(void)
{
    if (registry_remove_stale(fx.registry, "web", NULL) < 0)
        _exit(1);
}

/* Whether the process came to its end before its nth stop at a system call. */
static bool run_until(pid_t pid, unsigned nth)
{
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSTOPPED(status));
    for (unsigned i = 0; i < nth; i++) {
        ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            ck_assert_int_eq(WEXITSTATUS(status), 0);
            return true;
        }
        ck_assert(WIFSTOPPED(status));
    }
    fixture_kill(pid);
    return false;
}

/* Whether act() ended before it could be killed at stop nth. */
static bool killed_at(void (*act)(void), unsigned nth)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        /* Its own open files. */
        registry_close(fx.registry);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ||
            registry_open(true, &fx.registry, NULL) < 0)
            _exit(1);
        (void)raise(SIGSTOP);
        act();
        _exit(0);
    }
    return run_until(pid, nth);
}

static void expect_a_start(unsigned nth)
{
    struct registry_claim *claim = NULL;
    int rc = registry_claim(fx.registry, "web", &claim, &fx.err);
    ck_assert_msg(rc == 0, "killed at stop %u: %s", nth, fx.err.text);
    registry_release(claim);
    ck_assert_msg(fixture_count(fx.dir) == 0, "killed at stop %u: something is left", nth);
}

START_TEST(a_start_or_an_end_killed_at_any_moment_does_not_stop_the_next)
{
    unsigned nth = 1;
    while (!killed_at(claim_release, nth)) {
        expect_a_start(nth);
        ck_assert_uint_lt(++nth, CALLS_MAX);
    }
    /* Entry and exit of at least mkdir, open, lock, rename, unlink, rmdir. */
    ck_assert_uint_gt(nth, 12);
}
END_TEST

START_TEST(a_start_over_a_stale_name_killed_at_any_moment_does_not_stop_the_next)
{
    unsigned nth = 1;
    do {
        fixture_kill(fixture_monitor("web"));
        ck_assert_uint_lt(nth, CALLS_MAX);
    } while (!killed_at(claim_release, nth++) && (expect_a_start(nth), true));
    ck_assert_uint_gt(nth, 12);
}
END_TEST

START_TEST(a_removal_killed_at_any_moment_does_not_stop_the_next_start)
{
    unsigned nth = 1;
    do {
        fixture_kill(fixture_monitor("web"));
        ck_assert_uint_lt(nth, CALLS_MAX);
    } while (!killed_at(remove_stale, nth++) && (expect_a_start(nth), true));
    ck_assert_uint_gt(nth, 12);
}
END_TEST

Suite *killed_suite(void)
{
    Suite *suite = suite_create("registry: killed");
    TCase *tcase = tcase_create("killed");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
    tcase_add_test(tcase, a_start_or_an_end_killed_at_any_moment_does_not_stop_the_next);
    tcase_add_test(tcase, a_start_over_a_stale_name_killed_at_any_moment_does_not_stop_the_next);
    tcase_add_test(tcase, a_removal_killed_at_any_moment_does_not_stop_the_next_start);
    suite_add_tcase(suite, tcase);
    return suite;
}
