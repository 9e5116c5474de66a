/* SPDX-License-Identifier: Apache-2.0 */
/* Names are taken once, given back whole, and free again when their monitor was killed. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/registry/fixture.h"
#include "tests/unit/registry/suites.h"

#define STARTERS 24

START_TEST(a_claim_makes_a_folder_and_its_release_removes_it)
{
    struct stat st;
    struct registry_claim *claim = fixture_claim("web");
    ck_assert_str_eq(registry_claim_name(claim), "web");
    ck_assert_int_eq(stat(fixture_path("web"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    ck_assert_int_eq(stat(fixture_path("web/lock"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_uint_eq(fixture_count(fixture_path("web")), 1);
    fixture_write(fixture_path("web/log"), "words");
    fixture_write(fixture_path("web/console.log.1"), "words");
    registry_release(claim);
    ck_assert_uint_eq(fixture_count(fx.dir), 0);
    registry_release(NULL);
}
END_TEST

START_TEST(a_name_in_use_is_refused)
{
    struct registry_claim *claim = NULL;
    pid_t pid = fixture_monitor("web");
    char number[32];
    ck_assert_int_eq(registry_claim(fx.registry, "web", &claim, &fx.err), -EEXIST);
    (void)snprintf(number, sizeof(number), "pid %d)", (int)pid);
    ck_assert_ptr_nonnull(strstr(fx.err.text, number));
    ck_assert(fixture_exists(fixture_path("web/console.log")));
    fixture_kill(pid);
}
END_TEST

START_TEST(the_same_process_does_not_get_it_twice)
{
    struct registry_claim *second = NULL;
    struct registry_claim *claim = fixture_claim("web");
    ck_assert_int_eq(registry_claim(fx.registry, "web", &second, &fx.err), -EEXIST);
    registry_release(claim);
    registry_release(fixture_claim("web"));
}
END_TEST

START_TEST(what_a_killed_monitor_left_is_replaced)
{
    fixture_kill(fixture_monitor("web"));
    ck_assert_uint_eq(fixture_count(fixture_path("web")), REGISTRY_FILES);
    struct registry_claim *claim = fixture_claim("web");
    ck_assert_uint_eq(fixture_count(fixture_path("web")), 1);
    registry_release(claim);
    ck_assert_uint_eq(fixture_count(fx.dir), 0);
}
END_TEST

START_TEST(without_a_name_the_first_free_number_is_taken)
{
    struct registry_claim *claims[3];
    for (unsigned i = 0; i < 3; i++) {
        char expected[16];
        (void)snprintf(expected, sizeof(expected), "vm%u", i + 1);
        claims[i] = fixture_claim(NULL);
        ck_assert_str_eq(registry_claim_name(claims[i]), expected);
    }
    registry_release(claims[1]);
    claims[1] = fixture_claim(NULL);
    ck_assert_str_eq(registry_claim_name(claims[1]), "vm2");
    for (unsigned i = 0; i < 3; i++)
        registry_release(claims[i]);
}
END_TEST

START_TEST(without_a_name_a_killed_monitors_is_taken_and_foreign_ones_are_not)
{
    ck_assert_int_eq(mkdir(fixture_path("vm1"), 0700), 0);
    fixture_write(fixture_path("vm1/log"), "mine");
    fixture_write(fixture_path("vm2"), "mine");
    fixture_kill(fixture_monitor("vm3"));
    struct registry_claim *claim = fixture_claim(NULL);
    ck_assert_str_eq(registry_claim_name(claim), "vm3");
    registry_release(claim);
    ck_assert(fixture_exists(fixture_path("vm1/log")));
    ck_assert(fixture_exists(fixture_path("vm2")));
}
END_TEST

/* Waits for the start, tries, and keeps what it got until it is killed. */
static void start_one(const char *name, int start, int result)
{
    struct registry *registry = NULL;
    struct registry_claim *claim = NULL;
    char byte;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (registry_open(true, &registry, NULL) < 0 || read(start, &byte, 1) != 0)
        _exit(1);
    int rc = registry_claim(registry, name, &claim, NULL);
    byte = rc == 0 ? 'y' : rc == -EEXIST ? 'n' : '?';
    if (write(result, &byte, 1) != 1)
        _exit(1);
    for (;;)
        (void)pause();
}

/* How many of STARTERS processes got a name that all want at once. */
static unsigned race(const char *name)
{
    int start[2];
    int result[2];
    pid_t pids[STARTERS];
    char answers[STARTERS];
    unsigned winners = 0;
    ck_assert_int_eq(pipe(start), 0);
    ck_assert_int_eq(pipe(result), 0);
    for (unsigned i = 0; i < STARTERS; i++) {
        pids[i] = fork();
        ck_assert_int_ge(pids[i], 0);
        if (pids[i] == 0) {
            close(start[1]);
            start_one(name, start[0], result[1]);
        }
    }
    close(start[0]);
    close(start[1]);
    for (unsigned i = 0; i < STARTERS; i++) {
        ck_assert_int_eq(read(result[0], &answers[i], 1), 1);
        ck_assert_int_ne(answers[i], '?');
        winners += answers[i] == 'y';
    }
    close(result[0]);
    close(result[1]);
    for (unsigned i = 0; i < STARTERS; i++)
        fixture_kill(pids[i]);
    return winners;
}

START_TEST(one_of_many_starters_gets_the_name)
{
    ck_assert_uint_eq(race("web"), 1);
    /* This time over a stale one. */
    ck_assert_uint_eq(race("web"), 1);
}
END_TEST

START_TEST(starters_without_a_name_all_get_one)
{
    ck_assert_uint_eq(race(NULL), STARTERS);
    ck_assert_uint_eq(fixture_count(fx.dir), STARTERS);
}
END_TEST

/* A socket at path, left behind or listening. */
static int make_socket(const char *path, bool listening)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    if (!listening) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Connects until the server's backlog is full. */
static void connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int rc = 0;
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    for (unsigned i = 0; i < 8 && rc == 0; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
    }
    ck_assert_int_eq(rc, -1);
    ck_assert_int_eq(errno, EAGAIN);
}

/* Leaves the name "web", whose control socket is elsewhere. */
static void leave_link_to(const char *path)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct registry *registry = NULL;
        struct registry_claim *claim = NULL;
        if (registry_open(true, &registry, NULL) < 0 ||
            registry_claim(registry, "web", &claim, NULL) < 0 ||
            registry_claim_link_api(claim, path, NULL) < 0)
            _exit(1);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

START_TEST(a_killed_monitors_socket_elsewhere_is_removed_too)
{
    char path[REGISTRY_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/my.sock", fx.top);
    ck_assert_int_eq(make_socket(path, false), -1);
    ck_assert_int_eq(chdir(fx.top), 0);
    leave_link_to("my.sock");
    registry_release(fixture_claim("web"));
    ck_assert(!fixture_exists(path));
}
END_TEST

START_TEST(a_socket_elsewhere_that_somebody_serves_now_stays)
{
    char path[REGISTRY_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/my.sock", fx.top);
    int fd = make_socket(path, true);
    leave_link_to(path);
    registry_release(fixture_claim("web"));
    ck_assert(fixture_exists(path));
    /* Nor one whose server takes no further connections now. */
    ck_assert_int_eq(listen(fd, 0), 0);
    connect_to(path);
    leave_link_to(path);
    registry_release(fixture_claim("web"));
    ck_assert(fixture_exists(path));
    close(fd);
}
END_TEST

START_TEST(a_file_elsewhere_that_is_no_socket_stays)
{
    char path[REGISTRY_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/my.sock", fx.top);
    fixture_write(path, "mine");
    leave_link_to(path);
    registry_release(fixture_claim("web"));
    ck_assert(fixture_exists(path));
}
END_TEST

START_TEST(a_release_leaves_the_socket_elsewhere_to_its_server)
{
    char path[REGISTRY_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/my.sock", fx.top);
    struct registry_claim *claim = fixture_claim("web");
    ck_assert_int_eq(registry_claim_link_api(claim, path, &fx.err), 0);
    ck_assert_int_eq(make_socket(path, false), -1);
    registry_release(claim);
    ck_assert(fixture_exists(path));
    ck_assert_uint_eq(fixture_count(fx.dir), 0);
}
END_TEST

START_TEST(a_release_does_not_touch_a_folder_made_anew)
{
    struct registry_claim *claim = fixture_claim("web");
    ck_assert_int_eq(rename(fixture_path("web"), fixture_path("moved")), 0);
    struct registry_claim *other = fixture_claim("web");
    registry_release(claim);
    ck_assert(fixture_exists(fixture_path("web/lock")));
    ck_assert_uint_eq(fixture_count(fixture_path("moved")), 0);
    registry_release(other);
}
END_TEST

START_TEST(a_release_does_not_remove_another_folder_of_its_name)
{
    struct registry_claim *claim = fixture_claim("web");
    ck_assert_int_eq(rename(fixture_path("web"), fixture_path("moved")), 0);
    ck_assert_int_eq(mkdir(fixture_path("web"), 0700), 0);
    registry_release(claim);
    ck_assert(fixture_exists(fixture_path("web")));
}
END_TEST

Suite *claim_suite(void)
{
    Suite *suite = suite_create("registry: claim");
    TCase *tcase = tcase_create("claim");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
    tcase_add_test(tcase, a_claim_makes_a_folder_and_its_release_removes_it);
    tcase_add_test(tcase, a_name_in_use_is_refused);
    tcase_add_test(tcase, the_same_process_does_not_get_it_twice);
    tcase_add_test(tcase, what_a_killed_monitor_left_is_replaced);
    tcase_add_test(tcase, without_a_name_the_first_free_number_is_taken);
    tcase_add_test(tcase, without_a_name_a_killed_monitors_is_taken_and_foreign_ones_are_not);
    tcase_add_test(tcase, one_of_many_starters_gets_the_name);
    tcase_add_test(tcase, starters_without_a_name_all_get_one);
    tcase_add_test(tcase, a_killed_monitors_socket_elsewhere_is_removed_too);
    tcase_add_test(tcase, a_socket_elsewhere_that_somebody_serves_now_stays);
    tcase_add_test(tcase, a_file_elsewhere_that_is_no_socket_stays);
    tcase_add_test(tcase, a_release_leaves_the_socket_elsewhere_to_its_server);
    tcase_add_test(tcase, a_release_does_not_touch_a_folder_made_anew);
    tcase_add_test(tcase, a_release_does_not_remove_another_folder_of_its_name);
    suite_add_tcase(suite, tcase);
    return suite;
}
