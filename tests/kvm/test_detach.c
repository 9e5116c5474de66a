/* SPDX-License-Identifier: Apache-2.0 */
/* A detached machine: a process of its own, its console, its end. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/kvm/fleet.h"
#include "tests/kvm/kvm_main.h"

static void start(const char *name, const char *payload)
{
    aerostat("run", "--detach", "--name", name, "--kernel", payload, "--mem", "32M", "--balloon",
             "0");
    ck_assert_msg(result.status == 0, "%s", result.err);
}

/* What is typed before the guest has set its serial port up is not for it. */
static void start_echo(const char *name)
{
    struct stat log = {0};
    start(name, ECHO_GUEST);
    for (unsigned i = 0; i < 2000 && log.st_size < 3; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        ck_assert_int_eq(stat(fleet_path(name, "console.log"), &log), 0);
    }
    ck_assert_int_ge(log.st_size, 3);
}

/* Where a descriptor of the process leads. */
static const char *link_of(pid_t pid, int fd)
{
    static char target[256];
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t len = readlink(path, target, sizeof(target) - 1);
    target[len > 0 ? len : 0] = '\0';
    return target;
}

START_TEST(it_is_a_session_of_its_own_without_a_terminal)
{
    int session = 0;
    int tty = -1;
    char path[64];
    start("web", IDLE_GUEST);
    ck_assert_str_eq(result.out, "web\n");
    ck_assert_str_eq(result.err, "");
    pid_t pid = fleet_pid("web");
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *stat = fopen(path, "re");
    ck_assert_ptr_nonnull(stat);
    ck_assert_int_eq(fscanf(stat, "%*d (%*[^)]) %*c %*d %*d %d %d", &session, &tty), 2);
    fclose(stat);
    ck_assert_int_eq(session, pid);
    ck_assert_int_eq(tty, 0);
    ck_assert_str_eq(link_of(pid, 0), "/dev/null");
    ck_assert_str_eq(link_of(pid, 1), fleet_path("web", "log"));
    ck_assert_str_eq(link_of(pid, 2), fleet_path("web", "log"));
    aerostat("stop", "web", "--grace", "0");
    fleet_expect_gone(pid);
    fleet_expect_empty();
}
END_TEST

START_TEST(it_keeps_no_descriptor_of_its_caller)
{
    int fds[2];
    char byte;
    struct pollfd p;
    ck_assert_int_eq(pipe(fds), 0);
    start("web", IDLE_GUEST);
    close(fds[1]);
    p = (struct pollfd){.fd = fds[0], .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    ck_assert_int_eq(read(fds[0], &byte, 1), 0);
    close(fds[0]);
    aerostat("stop", "web", "--grace", "0");
}
END_TEST

START_TEST(what_is_wrong_is_said_before_the_caller_returns)
{
    aerostat("run", "-d", "--name", "web", "--kernel", "/nonexistent/kernel");
    ck_assert_int_eq(result.status, 1);
    ck_assert_str_eq(result.out, "");
    ck_assert_ptr_nonnull(strstr(result.err, "/nonexistent/kernel"));
    ck_assert_uint_eq(fleet_count(result.err, "\n"), 1);
    fleet_expect_empty();
    aerostat("run", "-d", "--mem", "1");
    ck_assert_int_eq(result.status, 2);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", "/proc/nonexistent", 1), 0);
    aerostat("run", "-d", "--kernel", IDLE_GUEST);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", fleet_dir, 1), 0);
    ck_assert_int_eq(result.status, 1);
    ck_assert_ptr_nonnull(strstr(result.err, "runtime directory /proc/nonexistent"));
}
END_TEST

START_TEST(a_machine_without_a_place_for_its_name_runs_all_the_same)
{
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", "/proc/nonexistent", 1), 0);
    command_run(&result, AEROSTAT_MONITOR,
                (const char *const[]){"run", "--kernel", ECHO_GUEST, "--log-level", "info", NULL},
                "q");
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", fleet_dir, 1), 0);
    ck_assert_msg(result.status == 0, "%s", result.err);
    ck_assert_ptr_nonnull(strstr(result.err, "the machine has no name: "));
}
END_TEST

START_TEST(its_console_shows_what_was_and_takes_what_is_typed)
{
    start_echo("web");
    pid_t pid = fleet_pid("web");
    command_run(&result, AEROSTAT_MONITOR, (const char *const[]){"console", "web", NULL},
                "hello, guest\nq");
    ck_assert_int_eq(result.status, 0);
    ck_assert_msg(strstr(result.out, "up\n") != NULL, "%s", result.out);
    ck_assert_msg(strstr(result.out, "hello, guest") != NULL, "%s", result.out);
    ck_assert_str_eq(result.err, "");
    fleet_expect_gone(pid);
    fleet_expect_empty();
}
END_TEST

/* Reads the terminal until text is in what has come from it. */
static void expect_on(int terminal, const char *text)
{
    static char seen[4096];
    static size_t len;
    while (strstr(seen, text) == NULL) {
        struct pollfd p = {.fd = terminal, .events = POLLIN};
        ck_assert_msg(poll(&p, 1, 20000) == 1, "no '%s' in '%s'", text, seen);
        ssize_t got = read(terminal, seen + len, sizeof(seen) - 1 - len);
        ck_assert_msg(got > 0, "no '%s' in '%s'", text, seen);
        len += (size_t)got;
        seen[len] = '\0';
    }
}

START_TEST(on_a_terminal_its_console_can_be_left)
{
    int terminal = -1;
    int status = 0;
    start_echo("web");
    pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        execl(AEROSTAT_MONITOR, AEROSTAT_MONITOR, "console", "web", (char *)NULL);
        _exit(127);
    }
    expect_on(terminal, "Ctrl-A x leaves it");
    expect_on(terminal, "up");
    ck_assert_int_eq(write(terminal, "hi\003", 3), 3);
    expect_on(terminal, "hi\003");
    ck_assert_int_eq(write(terminal, "\001x", 2), 2);
    expect_on(terminal, "aerostat: web goes on");
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    close(terminal);
    aerostat("ps", "--names");
    ck_assert_str_eq(result.out, "web\n");
    aerostat("stop", "web", "--grace", "0");
}
END_TEST

START_TEST(a_machine_on_a_terminal_has_no_console_to_connect_to)
{
    const char *const args[] = {"run",      "--name", "web", "--kernel",
                                IDLE_GUEST, "--mem",  "32M", NULL};
    pid_t pid = command_start(AEROSTAT_MONITOR, args);
    for (unsigned i = 0; i < 500 && access(fleet_path("web", "api.sock"), F_OK) < 0; i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    aerostat("console", "web");
    ck_assert_int_eq(result.status, 1);
    ck_assert_ptr_nonnull(strstr(result.err, "its console is where it was started"));
    aerostat("stop", "web", "--grace", "0");
    ck_assert_msg(result.status == 0, "%s", result.err);
    fleet_expect_gone(pid);
    fleet_expect_empty();
}
END_TEST

/* Types on the console, and hangs up. */
static void type(const char *name, const char *text)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", fleet_path(name, "console.sock"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

START_TEST(a_guest_that_floods_its_console_is_still_controlled)
{
    struct stat log = {0};
    start_echo("web");
    type("web", "f");
    for (unsigned i = 0; i < 2000 && log.st_size < 10000; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        ck_assert_int_eq(stat(fleet_path("web", "console.log"), &log), 0);
    }
    ck_assert_int_ge(log.st_size, 10000);
    struct timespec before;
    struct timespec after;
    ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &before), 0);
    aerostat("balloon", "set", "web", "8M");
    ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &after), 0);
    ck_assert_msg(result.status == 0, "%s", result.err);
    ck_assert_int_le(after.tv_sec - before.tv_sec, 2);
    aerostat("stop", "web", "--grace", "0");
    ck_assert_msg(result.status == 0, "%s", result.err);
    fleet_expect_empty();
}
END_TEST

START_TEST(stop_asks_then_insists_then_kills)
{
    start_echo("polite");
    start("deaf", IDLE_GUEST);
    start("hung", IDLE_GUEST);
    start_echo("still");
    pid_t hung = fleet_pid("hung");
    aerostat("pause", "still");
    ck_assert_int_eq(result.status, 0);
    ck_assert_int_eq(kill(hung, SIGSTOP), 0);
    aerostat("stop", "--all", "--grace", "1");
    ck_assert_msg(result.status == 0, "%s", result.err);
    ck_assert_msg(strstr(result.out, "polite: shut down after ") != NULL, "%s", result.out);
    ck_assert_msg(strstr(result.out, "still: shut down after ") != NULL, "%s", result.out);
    ck_assert_msg(strstr(result.out, "its guest could not be asked\n") != NULL, "%s", result.out);
    ck_assert_msg(strstr(result.out, "hung: killed after ") != NULL, "%s", result.out);
    fleet_expect_gone(hung);
    fleet_expect_empty();
}
END_TEST

START_TEST(a_machine_that_has_not_started_is_ended_at_once)
{
    aerostat("run", "-d", "--name", "web", "--no-start");
    ck_assert_msg(result.status == 0, "%s", result.err);
    aerostat("ps");
    ck_assert_msg(strstr(result.out, "Not started") != NULL, "%s", result.out);
    aerostat("pause", "web");
    ck_assert_int_eq(result.status, 1);
    ck_assert_msg(strncmp(result.err, "aerostat: error: web: ", 22) == 0, "%s", result.err);
    aerostat("stop", "web", "--grace", "30");
    ck_assert_msg(result.status == 0, "%s", result.err);
    ck_assert_msg(strstr(result.out, "web: ended after 0.") != NULL, "%s", result.out);
    fleet_expect_empty();
}
END_TEST

START_TEST(show_tells_state_configuration_and_files)
{
    start("web", IDLE_GUEST);
    aerostat("show", "web");
    ck_assert_int_eq(result.status, 0);
    ck_assert_ptr_nonnull(strstr(result.out, "id web\nstate Running\n"));
    ck_assert_ptr_nonnull(strstr(result.out, fleet_path("web", "console.log")));
    ck_assert_ptr_nonnull(strstr(result.out, "\nconfig\n"));
    ck_assert_ptr_nonnull(strstr(result.out, "\nmem_size_mib 32\n"));
    ck_assert_ptr_nonnull(strstr(result.out, "\nballoon\n"));
    aerostat("show", "--json", fleet_path("web", "api.sock"));
    ck_assert_int_eq(result.status, 0);
    ck_assert_ptr_nonnull(strstr(result.out, "\"mem_size_mib\": 32,"));
    ck_assert_ptr_nonnull(strstr(result.out, "\"ram_bytes\": 33554432,"));
    aerostat("balloon", "watch", "web", "--count", "1", "--interval", "20");
    ck_assert_int_eq(result.status, 0);
    ck_assert_uint_eq(fleet_count(result.out, "\n"), 2);
    ck_assert_ptr_nonnull(strstr(result.out, "RESIDENT"));
    aerostat("balloon", "show", "web", "--json");
    ck_assert_int_eq(result.status, 0);
    aerostat("stop", "web", "--grace", "0");
    ck_assert_str_ne(result.out, "");
    aerostat("show", fleet_path("web", "api.sock"));
    ck_assert_int_eq(result.status, 1);
}
END_TEST

START_TEST(a_machine_without_a_name_is_stopped_by_its_socket)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s.sock", fleet_dir);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", "/proc/nonexistent", 1), 0);
    const char *const args[] = {"run", "--kernel",   IDLE_GUEST, "--mem",
                                "32M", "--api-sock", path,       NULL};
    pid_t pid = command_start(AEROSTAT_MONITOR, args);
    for (unsigned i = 0; i < 500 && access(path, F_OK) < 0; i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    aerostat("stop", path, "--grace", "0");
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", fleet_dir, 1), 0);
    ck_assert_msg(result.status == 0, "%s", result.err);
    ck_assert_ptr_nonnull(strstr(result.out, ": ended after "));
    fleet_expect_gone(pid);
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

static Suite *detach_suite(void)
{
    Suite *suite = suite_create("detach");
    TCase *tcase = tcase_create("detach");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, fleet_setup, fleet_teardown);
    tcase_add_checked_fixture(tcase, fleet_sweep, NULL);
    tcase_add_test(tcase, it_is_a_session_of_its_own_without_a_terminal);
    tcase_add_test(tcase, it_keeps_no_descriptor_of_its_caller);
    tcase_add_test(tcase, what_is_wrong_is_said_before_the_caller_returns);
    tcase_add_test(tcase, a_machine_without_a_place_for_its_name_runs_all_the_same);
    tcase_add_test(tcase, its_console_shows_what_was_and_takes_what_is_typed);
    tcase_add_test(tcase, on_a_terminal_its_console_can_be_left);
    tcase_add_test(tcase, a_machine_on_a_terminal_has_no_console_to_connect_to);
    tcase_add_test(tcase, a_guest_that_floods_its_console_is_still_controlled);
    tcase_add_test(tcase, stop_asks_then_insists_then_kills);
    tcase_add_test(tcase, a_machine_that_has_not_started_is_ended_at_once);
    tcase_add_test(tcase, show_tells_state_configuration_and_files);
    tcase_add_test(tcase, a_machine_without_a_name_is_stopped_by_its_socket);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return kvm_check_run(detach_suite);
}
