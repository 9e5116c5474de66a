/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal is raw while the console has it, and as it was before however the process ends. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/unit/cli/suites.h"
#include "vmm/base/num.h"
#include "vmm/cli/console.h"
#include "vmm/cli/terminal.h"

#define NS_PER_MS UINT64_C(1000000)

static int master;
static int slave;
static struct termios before;

static void setup(void)
{
    master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(slave, 0);
    ck_assert_int_eq(tcgetattr(slave, &before), 0);
}

static void teardown(void)
{
    close(slave);
    close(master);
}

static bool is_as_before(void)
{
    struct termios now;
    return tcgetattr(slave, &now) == 0 && now.c_lflag == before.c_lflag &&
           now.c_iflag == before.c_iflag && now.c_oflag == before.c_oflag;
}

static bool is_raw(void)
{
    struct termios now;
    return tcgetattr(slave, &now) == 0 && (now.c_lflag & (ICANON | ECHO | ISIG)) == 0;
}

static struct ev_loop *loop;
static size_t taken;
static char got[64];
static bool deaf;

static size_t take(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    if (deaf)
        return 0;
    size_t n = len < sizeof(got) - 1 - taken ? len : sizeof(got) - 1 - taken;
    memcpy(got + taken, data, n);
    taken += n;
    return len;
}

static void leave(void *arg)
{
    (void)arg;
    ev_loop_stop(loop);
}

static const struct console_ops ops = {.input = take, .leave = leave};

/* Runs body in a child that leads a session on the terminal. Returns its wait status. */
static int in_session(void (*body)(void))
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
            _exit(99);
        body();
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* Static: what a process that dies leaves behind is no leak. */
static struct console *console;

static void make_console(void)
{
    if (ev_loop_create(&loop) < 0 || console_create(slave, loop, &ops, NULL, &console, NULL) < 0)
        _exit(98);
}

static void raw_until_destroyed(void)
{
    make_console();
    if (!is_raw())
        _exit(1);
    console_destroy(console);
    if (!is_as_before())
        _exit(2);
}

START_TEST(a_console_has_the_terminal_raw_until_it_is_destroyed)
{
    ck_assert_int_eq(in_session(raw_until_destroyed), 0);
    ck_assert(is_as_before());
}
END_TEST

static void until_left(void)
{
    make_console();
    (void)ev_loop_run(loop);
    if (strcmp(got, "ls\r\003\001") != 0)
        _exit(1);
    console_destroy(console);
}

/* Typed once the terminal is raw: before, the line discipline would edit it. */
static void type_when_raw(const char *text, size_t len)
{
    for (int i = 0; i < 20000 && !is_raw(); i++)
        usleep(1000);
    while (len > 0) {
        ssize_t n = write(master, text, len);
        if (n <= 0)
            _exit(1);
        text += n;
        len -= (size_t)n;
    }
    _exit(0);
}

static void expect_left_after(const char *text, size_t len, void (*body)(void))
{
    pid_t typist = fork();
    ck_assert_int_ge(typist, 0);
    if (typist == 0)
        type_when_raw(text, len);
    ck_assert_int_eq(in_session(body), 0);
    int status = 0;
    ck_assert_int_eq(waitpid(typist, &status, 0), typist);
    ck_assert_int_eq(status, 0);
    ck_assert(is_as_before());
}

START_TEST(what_is_typed_reaches_the_guest_and_ctrl_a_x_leaves)
{
    expect_left_after("ls\r\003\001\001\001x", 8, until_left);
}
END_TEST

static void until_left_deaf(void)
{
    deaf = true;
    make_console();
    (void)ev_loop_run(loop);
    console_destroy(console);
}

START_TEST(ctrl_a_x_leaves_a_guest_that_never_reads_its_input)
{
    static char text[12002];
    memset(text, 'a', 12000);
    text[12000] = '\001';
    text[12001] = 'x';
    expect_left_after(text, sizeof(text), until_left_deaf);
}
END_TEST

static int fatal_signo;

static void die_by_signal(void)
{
    make_console();
    if (!is_raw())
        _exit(96);
    (void)raise(fatal_signo);
}

START_TEST(a_fatal_signal_restores_the_terminal_and_still_kills)
{
    static const int signals[] = {SIGSEGV, SIGBUS,  SIGILL, SIGFPE,
                                  SIGABRT, SIGTRAP, SIGSYS, SIGXCPU};
    fatal_signo = signals[_i];
    int status = in_session(die_by_signal);
    /* Sanitizers turn some of these into an exit status of their own; ours are 0 and from 96. */
    ck_assert(WIFSIGNALED(status) ? WTERMSIG(status) == fatal_signo
                                  : WEXITSTATUS(status) != 0 && WEXITSTATUS(status) < 96);
    ck_assert(is_as_before());
}
END_TEST

/* Deeper than any stack, with something on each page of it. */
static unsigned overflow(const volatile char *above, unsigned left)
{
    volatile char here[4096];
    here[0] = above[0];
    return left == 0 ? 0 : overflow(here, left - 1) + (unsigned)here[0];
}

static void die_by_overflow(void)
{
    const volatile char start[1] = {1};
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    make_console();
    if (!is_raw() || setrlimit(RLIMIT_STACK, &limit) < 0)
        _exit(96);
    _exit(overflow(start, 1u << 20) == 0 ? 97 : 98);
}

START_TEST(an_overflow_of_the_stack_restores_the_terminal)
{
    int status = in_session(die_by_overflow);
    ck_assert(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) < 96);
    ck_assert_int_ne(status, 0);
    ck_assert(is_as_before());
}
END_TEST

/* What the terminal showed since the last call. */
static const char *shown(void)
{
    static char text[1024];
    (void)fcntl(master, F_SETFL, O_NONBLOCK);
    ssize_t n = read(master, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

START_TEST(after_a_fatal_signal_the_prompt_has_a_line_of_its_own)
{
    fatal_signo = SIGTRAP;
    (void)in_session(die_by_signal);
    ck_assert_str_eq(shown(), "\r\r\n"); /* the line discipline adds one */
}
END_TEST

static void ask_for_help(void)
{
    int null = open("/dev/null", O_WRONLY);
    if (dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
        _exit(97);
    make_console();
    (void)ev_loop_run(loop);
    console_destroy(console);
}

START_TEST(help_goes_to_the_terminal_wherever_output_goes)
{
    expect_left_after("\001h\001x", 4, ask_for_help);
    ck_assert_ptr_nonnull(strstr(shown(), "Ctrl-A x leaves"));
}
END_TEST

static void give_and_take(void)
{
    make_console();
    console_suspend(console);
    if (!is_as_before())
        _exit(1);
    console_resume(console);
    if (!is_raw())
        _exit(2);
    /* As after SIGSTOP: a shell set its own mode meanwhile, which is not ours to keep. */
    struct termios shell = before;
    shell.c_lflag &= (tcflag_t)~ECHO;
    if (tcsetattr(slave, TCSANOW, &shell) < 0)
        _exit(3);
    console_resume(console);
    console_resume(console);
    if (!is_raw())
        _exit(4);
    console_destroy(console);
}

START_TEST(a_console_gives_the_terminal_away_and_takes_it_again)
{
    ck_assert_int_eq(in_session(give_and_take), 0);
    ck_assert(is_as_before());
    ck_assert_str_eq(shown(), "\r\r\n"); /* the line discipline adds one */
}
END_TEST

static void leave_by_exit(void)
{
    make_console();
    if (!is_raw())
        _exit(1);
    exit(7);
}

START_TEST(exit_restores_the_terminal)
{
    int status = in_session(leave_by_exit);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    ck_assert(is_as_before());
}
END_TEST

static void from_the_background(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        /* A process group of its own that is not the terminal's foreground. */
        if (setpgid(0, 0) < 0)
            _exit(97);
        make_console();
        bool touched = !is_as_before();
        console_destroy(console);
        _exit(touched ? 1 : 0);
    }
    int status = 0;
    if (waitpid(pid, &status, WUNTRACED) != pid || status != 0)
        _exit(1);
}

/* A job that the session's leader starts in the background and brings to the foreground. */
static void job(bool continued)
{
    if (signal(SIGTTOU, SIG_IGN) == SIG_ERR)
        _exit(97);
    pid_t pid = fork();
    if (pid == 0) {
        if (setpgid(0, 0) < 0)
            _exit(97);
        make_console();
        if (is_raw())
            _exit(1);
        for (int i = 0; i < 2000 && tcgetpgrp(slave) != getpid(); i++)
            usleep(1000);
        if (continued)
            console_resume(console);
        (void)ev_loop_run(loop);
        console_destroy(console);
        _exit(0);
    }
    int status = 0;
    usleep(50000);
    if (setpgid(pid, pid) < 0 || tcsetpgrp(slave, pid) < 0)
        _exit(2);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        _exit(3);
}

static void job_that_is_continued(void)
{
    job(true);
}

static void job_that_is_just_moved(void)
{
    job(false);
}

START_TEST(a_job_that_comes_to_the_foreground_takes_the_terminal)
{
    expect_left_after("\001x", 2, _i == 0 ? job_that_is_continued : job_that_is_just_moved);
}
END_TEST

/* In the background again, after it had the terminal: that is the shell's now, as the shell left
 * it. */
static void lose_the_terminal(void)
{
    make_console();
    pid_t shell = fork();
    if (shell == 0) {
        (void)signal(SIGTTOU, SIG_IGN);
        if (setpgid(0, 0) < 0 || tcsetpgrp(slave, getpid()) < 0 ||
            tcsetattr(slave, TCSANOW, &before) < 0)
            _exit(97);
        pause();
    }
    for (int i = 0; i < 2000 && !is_as_before(); i++)
        usleep(1000);
    console_resume(console);
    bool touched = !is_as_before();
    struct termios shells = before;
    shells.c_lflag &= (tcflag_t)~ECHO;
    (void)signal(SIGTTOU, SIG_IGN);
    (void)tcsetattr(slave, TCSANOW, &shells);
    console_destroy(console);
    touched = touched || is_as_before() || is_raw();
    (void)tcsetattr(slave, TCSANOW, &before);
    (void)kill(shell, SIGKILL);
    (void)waitpid(shell, NULL, 0);
    _exit(touched ? 1 : 0);
}

START_TEST(a_terminal_that_went_to_another_process_is_not_restored)
{
    ck_assert_int_eq(in_session(lose_the_terminal), 0);
}
END_TEST

START_TEST(a_process_in_the_background_leaves_the_terminal_alone)
{
    ck_assert_int_eq(in_session(from_the_background), 0);
    ck_assert(is_as_before());
}
END_TEST

START_TEST(restoring_what_was_never_raw_is_harmless)
{
    terminal_restore();
    ck_assert(is_as_before());
}
END_TEST

Suite *terminal_suite(void)
{
    Suite *suite = suite_create("terminal");
    TCase *tc = tcase_create("terminal");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_console_has_the_terminal_raw_until_it_is_destroyed);
    tcase_add_test(tc, what_is_typed_reaches_the_guest_and_ctrl_a_x_leaves);
    tcase_add_test(tc, ctrl_a_x_leaves_a_guest_that_never_reads_its_input);
    tcase_add_loop_test(tc, a_fatal_signal_restores_the_terminal_and_still_kills, 0, 8);
    tcase_add_test(tc, exit_restores_the_terminal);
    tcase_add_test(tc, a_process_in_the_background_leaves_the_terminal_alone);
    tcase_add_test(tc, restoring_what_was_never_raw_is_harmless);
    tcase_add_test(tc, an_overflow_of_the_stack_restores_the_terminal);
    tcase_add_test(tc, after_a_fatal_signal_the_prompt_has_a_line_of_its_own);
    tcase_add_test(tc, help_goes_to_the_terminal_wherever_output_goes);
    tcase_add_test(tc, a_console_gives_the_terminal_away_and_takes_it_again);
    tcase_add_loop_test(tc, a_job_that_comes_to_the_foreground_takes_the_terminal, 0, 2);
    tcase_add_test(tc, a_terminal_that_went_to_another_process_is_not_restored);
    suite_add_tcase(suite, tc);
    return suite;
}
