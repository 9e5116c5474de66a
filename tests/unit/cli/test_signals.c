/* SPDX-License-Identifier: Apache-2.0 */
/* Signals from outside: each that would end the process is received instead, and job control stops
 * and continues it. */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/cli/suites.h"
#include "vmm/base/num.h"
#include "vmm/cli/signals.h"

#define NS_PER_MS UINT64_C(1000000)

static struct ev_loop *loop;
static struct signals signals = {.fd = -1};
static int ended_by;
static unsigned suspended;
static unsigned resumed;

static void on_end(void *arg, int signo)
{
    (void)arg;
    ended_by = signo;
    ev_loop_stop(loop);
}

static void on_suspend(void *arg)
{
    (void)arg;
    suspended++;
}

/* Where a job says that it is ready, and that it goes on. */
static int job_pipe[2] = {-1, -1};

static void tell(void)
{
    if (job_pipe[1] >= 0 && write(job_pipe[1], "!", 1) != 1)
        _exit(98);
}

static void on_resume(void *arg)
{
    (void)arg;
    resumed++;
    tell();
}

static const struct signal_ops ops = {.end = on_end, .suspend = on_suspend, .resume = on_resume};

static void catch (void)
{
    struct err err = {0};
    ck_assert_int_eq(ev_loop_create(&loop), 0);
    ck_assert_msg(signals_catch(&signals, &err) == 0, "%s", err.text);
    ck_assert_int_eq(signals_watch(&signals, loop, &ops, NULL), 0);
}

static void finish(void)
{
    signals_finish(&signals);
    signals_finish(&signals);
    ev_loop_destroy(loop);
}

static void stop(void *arg)
{
    (void)arg;
    ev_loop_stop(loop);
}

static void run_for(unsigned ms)
{
    struct ev_source *timer = NULL;
    ck_assert_int_eq(ev_timer_add(loop, stop, NULL, &timer), 0);
    ck_assert_int_eq(ev_timer_arm(timer, ms * NS_PER_MS, 0), 0);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ev_source_remove(timer);
}

/* The rows of the table in signal(7) with the action Term, but for SIGKILL, SIGPIPE and those that
 * are no more than other names; and the Core ones that a user or a limit sends. */
static const int deadly[] = {SIGHUP,  SIGINT,    SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,  SIGALRM,
                             SIGPROF, SIGVTALRM, SIGIO,   SIGPWR,  SIGXCPU, SIGSTKFLT};

START_TEST(a_signal_that_would_end_the_process_is_received)
{
    catch ();
    ck_assert_int_eq(kill(getpid(), deadly[_i]), 0);
    run_for(5000);
    ck_assert_int_eq(ended_by, deadly[_i]);
    finish();
}
END_TEST

START_TEST(a_signal_that_was_ignored_stays_ignored)
{
    (void)signal(deadly[_i], SIG_IGN);
    catch ();
    ck_assert_int_eq(kill(getpid(), deadly[_i]), 0);
    run_for(20);
    ck_assert_int_eq(ended_by, 0);
    finish();
}
END_TEST

START_TEST(an_error_of_a_call_ends_nothing)
{
    static const int signos[] = {SIGPIPE, SIGXFSZ, SIGTTIN, SIGTTOU};
    catch ();
    for (size_t i = 0; i < ARRAY_LEN(signos); i++)
        ck_assert_int_eq(kill(getpid(), signos[i]), 0);
    run_for(20);
    ck_assert_int_eq(ended_by, 0);
    finish();
}
END_TEST

START_TEST(released_signals_do_what_they_did)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        catch ();
        signals_release(&signals);
        (void)raise(SIGUSR1);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}
END_TEST

/* Exits 0 when it was suspended as often as it should and is resumed and ended. */
static void serve_job(unsigned suspensions)
{
    catch ();
    tell();
    run_for(20000);
    _exit(ended_by == SIGTERM && suspended == suspensions && resumed >= 1 ? 0 : 1);
}

static void await_job(void)
{
    char c;
    ck_assert_int_eq(read(job_pipe[0], &c, 1), 1);
}

START_TEST(a_job_stops_and_goes_on)
{
    static const int stops[] = {SIGTSTP, SIGSTOP};
    int status = 0;
    ck_assert_int_eq(pipe(job_pipe), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        /* Of the same session as its parent: no orphaned process group. */
        if (setpgid(0, 0) < 0)
            _exit(99);
        serve_job(_i == 0 ? 1 : 0);
    }
    await_job();
    ck_assert_int_eq(kill(pid, stops[_i]), 0);
    ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
    ck_assert(WIFSTOPPED(status));
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    await_job();
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_session_of_its_own_that_nobody_would_continue_does_not_stop)
{
    int status = 0;
    ck_assert_int_eq(pipe(job_pipe), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (setsid() < 0)
            _exit(99);
        serve_job(1);
    }
    await_job();
    ck_assert_int_eq(kill(pid, SIGTSTP), 0);
    await_job();
    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

Suite *signals_suite(void)
{
    Suite *suite = suite_create("signals");
    TCase *tc = tcase_create("signals");
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, a_signal_that_would_end_the_process_is_received, 0,
                        (int)ARRAY_LEN(deadly));
    tcase_add_loop_test(tc, a_signal_that_was_ignored_stays_ignored, 0, (int)ARRAY_LEN(deadly));
    tcase_add_test(tc, an_error_of_a_call_ends_nothing);
    tcase_add_test(tc, released_signals_do_what_they_did);
    tcase_add_loop_test(tc, a_job_stops_and_goes_on, 0, 2);
    tcase_add_test(tc, a_session_of_its_own_that_nobody_would_continue_does_not_stop);
    suite_add_tcase(suite, tc);
    return suite;
}
