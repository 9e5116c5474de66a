/* SPDX-License-Identifier: Apache-2.0 */
/* Machines of every kind are asked at once; and the view on a terminal leaves that as it was. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/fake_root.h"
#include "tests/unit/cli/capture.h"
#include "tests/unit/cli/fake_fleet.h"
#include "tests/unit/cli/suites.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/top_priv.h"

#define NS_PER_MS UINT64_C(1000000)

#define PATIENCE_MS 1000u

static const char *const names[] = {"bare-1", "close-1", "hang-1", "mad-1", "web"};
static struct top top;
static struct err err;

static void setup(void)
{
    fake_fleet_start(names, ARRAY_LEN(names));
    /* More than a busy machine needs for an answer. */
    top = (struct top){.root = "", .patience_ms = PATIENCE_MS};
}

static void teardown(void)
{
    top_finish(&top);
    fake_fleet_stop();
}

static void refresh(void)
{
    ck_assert_msg(top_refresh(&top, &err) == 0, "%s", err.text);
}

START_TEST(each_machine_is_asked_and_one_that_hangs_keeps_nobody_waiting)
{
    refresh();
    ck_assert_uint_eq(top.n, ARRAY_LEN(names));
    for (size_t i = 0; i < top.n; i++)
        ck_assert_str_eq(top.vms[i].name, names[i]);
    ck_assert_str_eq(top.vms[0].state, "Running");
    ck_assert(top.vms[0].has_ram && !top.vms[0].has_balloon);
    ck_assert_uint_eq(top.vms[0].resident_bytes, MIB);
    ck_assert_str_eq(top.vms[1].state, "Running");
    ck_assert(top.vms[1].has_balloon);
    ck_assert_str_eq(top.vms[2].state, "");
    ck_assert(top.vms[2].silent);
    ck_assert_str_eq(top.vms[3].state, "");
    ck_assert_uint_eq(top.vms[4].actual_bytes, 2 * MIB);
    ck_assert_uint_eq(top.vms[4].target_bytes, MIB);
    ck_assert_uint_eq(top.vms[4].returned_bytes, 4096);
    ck_assert_uint_eq(top.vms[4].resident_bytes, 2 * MIB);
    ck_assert(!top.vms[4].has_cpu);
    /* It is not waited for again. */
    uint64_t start = clock_mono_ns();
    refresh();
    ck_assert_uint_lt(clock_mono_ns() - start, PATIENCE_MS * NS_PER_MS);
    ck_assert(top.vms[4].has_cpu);
    ck_assert_str_eq(top.vms[1].state, "Running");
}
END_TEST

START_TEST(connections_are_kept)
{
    refresh();
    unsigned first = fake_fleet_connections();
    for (int i = 0; i < 10; i++)
        refresh();
    /* But for the one that closes: two a refresh. */
    ck_assert_uint_le(fake_fleet_connections() - first, 10 * 3);
    ck_assert_uint_ge(fake_fleet_connections() - first, 10);
}
END_TEST

#define MANY       100
#define REFRESHES  20
#define REFRESH_MS 2000u

/* In a fleet of its own. */
START_TEST(a_hundred_machines_cost_less_than_a_twentieth_of_a_processor)
{
    static char many[MANY][8];
    const char *list[MANY];
    struct rusage before;
    struct rusage after;
    struct top_view view = {.width = 120, .height = 50, .colour = true};
    fake_fleet_stop();
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(many[i], sizeof(many[i]), "vm%zu", i);
        list[i] = many[i];
    }
    fake_fleet_start(list, MANY);
    refresh();
    ck_assert_int_eq(getrusage(RUSAGE_THREAD, &before), 0);
    for (int i = 0; i < REFRESHES; i++) {
        FILE *null = fopen("/dev/null", "w");
        refresh();
        ck_assert_int_eq(top_draw(&top, &view, "\n", null), 0);
        fclose(null);
    }
    ck_assert_int_eq(getrusage(RUSAGE_THREAD, &after), 0);
    for (size_t i = 0; i < MANY; i++)
        ck_assert_str_eq(top.vms[i].state, "Running");
    struct timeval user;
    struct timeval kernel;
    timersub(&after.ru_utime, &before.ru_utime, &user);
    timersub(&after.ru_stime, &before.ru_stime, &kernel);
    double ms = ((double)(user.tv_sec + kernel.tv_sec) * 1e3 +
                 (double)(user.tv_usec + kernel.tv_usec) / 1e3) /
                REFRESHES;
    printf("%.2f ms a refresh of %d machines\n", ms, MANY);
    ck_assert_double_lt(ms, REFRESH_MS * 0.05);
}
END_TEST

START_TEST(machines_come_and_go)
{
    refresh();
    fake_fleet_lose(1);
    refresh();
    ck_assert_uint_eq(top.n, ARRAY_LEN(names) - 1);
    ck_assert_str_eq(top.vms[1].name, "hang-1");
    ck_assert_str_eq(top.vms[3].state, "Running");
}
END_TEST

START_TEST(without_a_runtime_directory_there_are_no_machines)
{
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", "/nonexistent/x", 1), 0);
    refresh();
    ck_assert_uint_eq(top.n, 0);
}
END_TEST

START_TEST(figures_of_the_kernel_are_those_of_the_process)
{
    char path[60];
    fake_root_create();
    top.root = fake_root;
    (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)getpid());
    fake_file(path, "0::/vms/a\n");
    fake_file("/sys/fs/cgroup/cgroup.controllers", "memory\n");
    fake_file("/sys/fs/cgroup/vms/a/memory.pressure", "some avg10=3.50 avg60=0.00 total=1\n");
    fake_file("/proc/pressure/memory", "some avg10=1.25 avg60=0.00 total=1\n");
    fake_file("/proc/meminfo", "MemTotal: 2048 kB\nMemAvailable: 1024 kB\n");
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)getpid());
    fake_file(path, "1 (a) S 1 2 3 4 5 6 7 8 9 10 100 0 0 0 20 0 1 0 5\n");
    refresh();
    fake_file(path, "1 (a) S 1 2 3 4 5 6 7 8 9 10 100 50 0 0 20 0 1 0 5\n");
    refresh();
    ck_assert(top.vms[0].has_pressure);
    ck_assert_uint_eq(top.vms[0].pressure_hundredths, 350);
    ck_assert_uint_eq(top.pressure_hundredths, 125);
    ck_assert_uint_eq(top.memory.available, MIB);
    ck_assert(top.vms[0].has_cpu);
    ck_assert_uint_gt(top.vms[0].cpu_permille, 0);
    fake_root_remove();
}
END_TEST

START_TEST(lines_and_json_go_where_no_terminal_is)
{
    char words[4][12] = {"aerostat", "top", "--count", "1"};
    char json[] = "--json";
    char *argv[] = {words[0], words[1], words[2], words[3], NULL, NULL};
    char said[8000];
    struct capture out;
    capture_begin(&out, STDOUT_FILENO);
    int status = cmd_dispatch(cli_commands, 4, argv);
    capture_end(&out, said, sizeof(said));
    ck_assert_int_eq(status, CLI_OK);
    ck_assert_ptr_nonnull(strstr(said, "\nweb"));
    ck_assert_ptr_nonnull(strstr(said, "silent"));
    ck_assert_ptr_null(strchr(said, '\033'));
    argv[4] = json;
    capture_begin(&out, STDOUT_FILENO);
    status = cmd_dispatch(cli_commands, 5, argv);
    capture_end(&out, said, sizeof(said));
    ck_assert_int_eq(status, CLI_OK);
    ck_assert_ptr_nonnull(strstr(said, "\"name\":\"web\""));
}
END_TEST

/* A terminal with `aerostat top` on it. */
static int terminal;
static pid_t child;
static char seen[65536];
static size_t seen_len;

static void start_top(void)
{
    char words[2][12] = {"aerostat", "top"};
    char *argv[] = {words[0], words[1], NULL};
    struct winsize size = {.ws_row = 20, .ws_col = 90};
    seen_len = 0;
    seen[0] = '\0';
    child = forkpty(&terminal, NULL, NULL, &size);
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)alarm(20);
        (void)signal(SIGSEGV, SIG_DFL);
        _exit(cmd_dispatch(cli_commands, 2, argv));
    }
}

/* What a shell does for `aerostat top &`, and then for `fg`. */
static void start_in_background(void)
{
    char words[2][12] = {"aerostat", "top"};
    char *argv[] = {words[0], words[1], NULL};
    int status = 0;
    seen_len = 0;
    seen[0] = '\0';
    child = forkpty(&terminal, NULL, NULL, NULL);
    ck_assert_int_ge(child, 0);
    if (child != 0)
        return;
    (void)alarm(20);
    (void)signal(SIGTTOU, SIG_IGN);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setpgid(0, 0);
        _exit(cmd_dispatch(cli_commands, 2, argv));
    }
    (void)sleep(2);
    (void)!write(STDOUT_FILENO, "prompt", 6);
    (void)tcsetpgrp(STDIN_FILENO, pid);
    (void)waitpid(pid, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

/* Reads until text is there that follows what was there at from; fails after 10 s. */
static void await(const char *text, size_t from)
{
    uint64_t deadline = clock_mono_ns() + 10000 * NS_PER_MS;
    while (strstr(seen + from, text) == NULL) {
        struct pollfd p = {.fd = terminal, .events = POLLIN};
        ck_assert_msg(clock_mono_ns() < deadline, "'%s' is not in: %s", text, seen + from);
        if (poll(&p, 1, 100) <= 0)
            continue;
        ssize_t n = read(terminal, seen + seen_len, sizeof(seen) - 1 - seen_len);
        ck_assert_msg(n > 0, "'%s' is not in: %s", text, seen + from);
        seen_len += (size_t)n;
        seen[seen_len] = '\0';
    }
}

static bool is_cooked(void)
{
    struct termios t;
    ck_assert_int_eq(tcgetattr(terminal, &t), 0);
    return (t.c_lflag & ICANON) != 0 && (t.c_lflag & ECHO) != 0;
}

START_TEST(in_the_background_the_terminal_is_left_alone)
{
    int status = 0;
    start_in_background();
    /* Before the shell has spoken the terminal is its own. */
    struct pollfd p = {.fd = terminal, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 1500), 0);
    ck_assert(is_cooked());
    await("prompt", 0);
    await("\033[?1049h", 0);
    await("web", 0);
    ck_assert(!is_cooked());
    ck_assert_int_eq(write(terminal, "q", 1), 1);
    await("\033[?1049l", 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    close(terminal);
}
END_TEST

static const struct {
    const char *keys; /* or the signal */
    int signo;
    int status; /* as waitpid(2) has it */
} ends[] = {
    {"q", 0, 0},
    {"\003", 0, 0},
    {NULL, SIGTERM, (128 + SIGTERM) << 8},
    {NULL, SIGINT, (128 + SIGINT) << 8},
    {NULL, SIGHUP, (128 + SIGHUP) << 8},
    /* Not received in order: by the handler of what goes wrong within. */
    {NULL, SIGABRT, SIGABRT},
    {NULL, SIGTRAP, SIGTRAP},
};

START_TEST(every_way_out_leaves_the_terminal_as_it_was)
{
    int status = 0;
    start_top();
    await("\033[?1049h", 0);
    await("q quit", 0);
    ck_assert(!is_cooked());
    if (ends[_i].keys != NULL)
        ck_assert_int_eq(write(terminal, ends[_i].keys, 1), 1);
    else
        ck_assert_int_eq(kill(child, ends[_i].signo), 0);
    await("\033[?1049l", 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg((status & 0xff7f) == ends[_i].status, "status 0x%x", status);
    ck_assert(is_cooked());
    close(terminal);
}
END_TEST

START_TEST(keys_and_a_new_size_are_heeded_at_once)
{
    struct winsize size = {.ws_row = 8, .ws_col = 120};
    int status = 0;
    start_top();
    await("q quit", 0);
    ck_assert_ptr_nonnull(strstr(seen, "*NAME"));
    size_t from = seen_len;
    ck_assert_int_eq(write(terminal, "h", 1), 1);
    await("*HOST", from);
    from = seen_len;
    ck_assert_int_eq(ioctl(terminal, TIOCSWINSZ, &size), 0);
    await("# host  = balloon", from);
    ck_assert_int_eq(write(terminal, "q", 1), 1);
    await("\033[?1049l", 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    close(terminal);
}
END_TEST

START_TEST(while_it_is_suspended_the_terminal_is_as_it_was)
{
    int status = 0;
    start_top();
    await("q quit", 0);
    size_t from = seen_len;
    /* Nobody would continue this process, so the kernel does not stop it: it goes on at once. */
    ck_assert_int_eq(write(terminal, "\032", 1), 1);
    await("\033[?1049l", from);
    await("\033[?1049h", from);
    await("q quit", from);
    ck_assert(!is_cooked());
    ck_assert_int_eq(write(terminal, "q", 1), 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    close(terminal);
}
END_TEST

Suite *top_ask_suite(void)
{
    Suite *suite = suite_create("top, asking");
    TCase *tc = tcase_create("asking");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_machine_is_asked_and_one_that_hangs_keeps_nobody_waiting);
    tcase_add_test(tc, connections_are_kept);
    tcase_add_test(tc, a_hundred_machines_cost_less_than_a_twentieth_of_a_processor);
    tcase_add_test(tc, machines_come_and_go);
    tcase_add_test(tc, without_a_runtime_directory_there_are_no_machines);
    tcase_add_test(tc, figures_of_the_kernel_are_those_of_the_process);
    tcase_add_test(tc, lines_and_json_go_where_no_terminal_is);
    tcase_add_loop_test(tc, every_way_out_leaves_the_terminal_as_it_was, 0, (int)ARRAY_LEN(ends));
    tcase_add_test(tc, keys_and_a_new_size_are_heeded_at_once);
    tcase_add_test(tc, in_the_background_the_terminal_is_left_alone);
    tcase_add_test(tc, while_it_is_suspended_the_terminal_is_as_it_was);
    suite_add_tcase(suite, tc);
    return suite;
}
