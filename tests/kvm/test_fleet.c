/* SPDX-License-Identifier: Apache-2.0 */
/* Many machines by the command line alone: named, detached, listed, changed, stopped; and names
 * whose monitors were killed. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/kvm/fleet.h"
#include "tests/kvm/kvm_main.h"

#define MACHINES 100
#define STARTERS 8
#define KILLS    30

START_TEST(a_hundred_machines_start_change_and_stop)
{
    static pid_t pids[MACHINES];
    char name[16];
    for (unsigned i = 0; i < MACHINES; i++) {
        (void)snprintf(name, sizeof(name), "vm%u\n", i + 1);
        aerostat("run", "--detach", "--kernel", IDLE_GUEST, "--mem", "32M", "--balloon", "0");
        ck_assert_msg(result.status == 0, "%s", result.err);
        ck_assert_str_eq(result.out, name);
        name[strlen(name) - 1] = '\0';
        pids[i] = fleet_pid(name);
    }
    aerostat("ps", "--names");
    ck_assert_uint_eq(fleet_count(result.out, "\n"), MACHINES);
    for (unsigned i = 0; i < MACHINES; i++) {
        (void)snprintf(name, sizeof(name), "vm%u", i + 1);
        aerostat("balloon", "set", name, "16M");
        ck_assert_msg(result.status == 0, "%s", result.err);
    }
    aerostat("pause", "vm7", "vm100");
    ck_assert_msg(result.status == 0, "%s", result.err);
    aerostat("ps", "--json");
    ck_assert_uint_eq(fleet_count(result.out, "\"target_bytes\": 16777216"), MACHINES);
    ck_assert_uint_eq(fleet_count(result.out, "\"state\": \"Paused\""), 2);
    aerostat("resume", "vm7");
    aerostat("ps");
    ck_assert_uint_eq(fleet_count(result.out, " Running "), MACHINES - 1);
    aerostat("stop", "--all", "--grace", "0");
    ck_assert_msg(result.status == 0, "%s", result.err);
    ck_assert_uint_eq(fleet_count(result.out, ": ended after "), MACHINES);
    for (unsigned i = 0; i < MACHINES; i++)
        fleet_expect_gone(pids[i]);
    fleet_expect_empty();
}
END_TEST

START_TEST(a_runtime_directory_that_is_no_utf8_is_shown_in_json)
{
    char dir[80];
    (void)snprintf(dir, sizeof(dir), "%s/\xff", fleet_dir);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", dir, 1), 0);
    aerostat("run", "--detach", "--name", "web", "--kernel", IDLE_GUEST, "--mem", "32M");
    ck_assert_msg(result.status == 0, "%s", result.err);
    aerostat("ps", "--json");
    ck_assert_msg(result.status == 0, "%s", result.err);
    ck_assert_ptr_nonnull(strstr(result.out, "/?/web/api.sock\""));
    aerostat("show", "--json", "web");
    ck_assert_msg(result.status == 0, "%s", result.err);
    ck_assert_ptr_nonnull(strstr(result.out, "/?/web/console.log\""));
    aerostat("stop", "--grace", "0", "web");
    ck_assert_int_eq(result.status, 0);
    ck_assert_int_eq(rmdir(dir), 0);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", fleet_dir, 1), 0);
}
END_TEST

START_TEST(one_of_several_starters_gets_the_name)
{
    pid_t pids[STARTERS];
    unsigned started = 0;
    const char *const args[] = {"run",      "-d",    "--name", "web", "--kernel",
                                IDLE_GUEST, "--mem", "32M",    NULL};
    for (unsigned i = 0; i < STARTERS; i++)
        pids[i] = command_start(AEROSTAT_MONITOR, args);
    for (unsigned i = 0; i < STARTERS; i++) {
        int status = 0;
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
        started += WEXITSTATUS(status) == 0;
    }
    ck_assert_uint_eq(started, 1);
    aerostat("run", "--name", "web", "--kernel", IDLE_GUEST);
    ck_assert_int_eq(result.status, 1);
    ck_assert_ptr_nonnull(strstr(result.err, "a running machine (pid "));
    aerostat("stop", "web", "--grace", "0");
    ck_assert_int_eq(result.status, 0);
    fleet_expect_empty();
}
END_TEST

static void sleep_up_to(unsigned us)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = (long)(random() % us) * 1000}, NULL);
}

START_TEST(a_monitor_killed_at_any_moment_does_not_stop_the_next_of_its_name)
{
    unsigned seed = (unsigned)time(NULL);
    const char *const args[] = {"run",      "--name", "web", "--kernel",
                                IDLE_GUEST, "--mem",  "32M", NULL};
    pid_t pid = 0;
    srandom(seed);
    for (unsigned i = 0; i < KILLS; i++) {
        pid = command_start(AEROSTAT_MONITOR, args);
        sleep_up_to(40000);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        aerostat("run", "-d", "--name", "web", "--kernel", IDLE_GUEST, "--mem", "32M");
        ck_assert_msg(result.status == 0, "seed %u, round %u: %s", seed, i, result.err);
        sleep_up_to(20000);
        /* The next one starts while this one is dying. */
        pid = fleet_pid("web");
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
    }
    fleet_expect_gone(pid);
    aerostat("ps", "-v");
    ck_assert_ptr_nonnull(strstr(result.err, "removing what machine web left"));
    fleet_expect_empty();
}
END_TEST

START_TEST(a_socket_elsewhere_is_free_again_too)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s.sock", fleet_dir);
    for (unsigned i = 0; i < 2; i++) {
        aerostat("run", "-d", "--name", "web", "--kernel", IDLE_GUEST, "--mem", "32M", "--api-sock",
                 path);
        ck_assert_msg(result.status == 0, "%s", result.err);
        aerostat("pause", path);
        ck_assert_msg(result.status == 0, "%s", result.err);
        pid_t pid = fleet_pid("web");
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        fleet_expect_gone(pid);
        ck_assert_int_eq(access(path, F_OK), 0);
    }
    aerostat("ps");
    ck_assert_int_eq(access(path, F_OK), -1);
    fleet_expect_empty();
}
END_TEST

/* Answers one connection after the other, until it is killed. */
static pid_t serve(const char *path, const char *answer)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char request[1024];
    ck_assert_uint_lt(strlen(path), sizeof(addr.sun_path));
    memcpy(addr.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    pid_t pid = fork();
    if (pid != 0) {
        close(fd);
        return pid;
    }
    /* Who listens is who the socket's clients see. */
    if (listen(fd, 8) != 0)
        _exit(1);
    for (;;) {
        int client = accept(fd, NULL, NULL);
        if (recv(client, request, sizeof(request), 0) > 0)
            (void)!send(client, answer, strlen(answer), MSG_NOSIGNAL);
        close(client);
    }
}

START_TEST(who_is_no_monitor_is_not_stopped)
{
    static const char *const answers[] = {
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"app_name\": \"other\"}", "220 ready\r\n"};
    char path[100];
    (void)snprintf(path, sizeof(path), "%s.other", fleet_dir);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        int status = 0;
        pid_t pid = serve(path, answers[i]);
        (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
        aerostat("stop", "--grace", "0", path);
        ck_assert_int_eq(result.status, 1);
        ck_assert_ptr_nonnull(strstr(result.err, "no monitor is known by this socket"));
        ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(unlink(path), 0);
    }
}
END_TEST

START_TEST(what_does_not_exist_is_an_error_that_says_so)
{
    static const char *const commands[] = {"show", "pause", "resume", "stop", "console"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        aerostat(commands[i], "web");
        ck_assert_int_eq(result.status, 1);
        ck_assert_ptr_nonnull(strstr(result.err, "no machine is named web (see aerostat ps)"));
        ck_assert_str_eq(result.out, "");
    }
    aerostat("ps", "--json");
    ck_assert_str_eq(result.out, "[]\n");
    aerostat("stop");
    ck_assert_int_eq(result.status, 2);
    aerostat("stop", "--all", "web");
    ck_assert_int_eq(result.status, 2);
    aerostat("stop", "--all");
    ck_assert_int_eq(result.status, 0);
    aerostat("run", "--name", "a/b", "--kernel", IDLE_GUEST);
    ck_assert_int_eq(result.status, 2);
}
END_TEST

static Suite *fleet_suite(void)
{
    Suite *suite = suite_create("fleet");
    TCase *tcase = tcase_create("fleet");
    tcase_set_timeout(tcase, 300);
    tcase_add_unchecked_fixture(tcase, fleet_setup, fleet_teardown);
    tcase_add_checked_fixture(tcase, fleet_sweep, NULL);
    tcase_add_test(tcase, a_hundred_machines_start_change_and_stop);
    tcase_add_test(tcase, a_runtime_directory_that_is_no_utf8_is_shown_in_json);
    tcase_add_test(tcase, one_of_several_starters_gets_the_name);
    tcase_add_test(tcase, a_monitor_killed_at_any_moment_does_not_stop_the_next_of_its_name);
    tcase_add_test(tcase, a_socket_elsewhere_is_free_again_too);
    tcase_add_test(tcase, who_is_no_monitor_is_not_stopped);
    tcase_add_test(tcase, what_does_not_exist_is_an_error_that_says_so);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return kvm_check_run(fleet_suite);
}
