/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the control socket: its mode, what it refuses to replace, and that only it is
 * removed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/api/fixture.h"

static struct err err;

static int create(const char *path)
{
    memset(&err, 0, sizeof(err));
    struct api_server *second = NULL;
    int rc = api_server_create(path, &fx.target, fx.loop, &second, &err);
    if (rc == 0)
        api_server_destroy(second);
    return rc;
}

static void expect_refused(int code, const char *sentence)
{
    char expected[400];
    snprintf(expected, sizeof(expected), "control socket %s: %s", fx.path, sentence);
    ck_assert_int_eq(create(fx.path), code);
    ck_assert_str_eq(err.text, expected);
}

START_TEST(the_socket_is_its_owners_alone_whatever_the_umask)
{
    mode_t old = umask(0);
    fixture_start();
    umask(old);
    struct stat st;
    ck_assert_int_eq(lstat(fx.path, &st), 0);
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_int_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(a_served_socket_is_in_use)
{
    fixture_start();
    expect_refused(-EADDRINUSE, "is in use by a running process");
    struct api_response r = {0};
    ck_assert_int_eq(api_request(fx.path, "GET", "/", NULL, 5000, &r, NULL), 0);
    api_response_finish(&r);
}
END_TEST

START_TEST(a_stale_socket_is_refused_and_left_alone)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, fx.path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
    expect_refused(-EADDRINUSE, "was left behind by a process that has ended; remove it");
    ck_assert_int_eq(unlink(fx.path), 0);
}
END_TEST

START_TEST(a_datagram_socket_is_in_use_but_no_control_socket)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, fx.path);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    expect_refused(-EADDRINUSE, "is in use by something that is no stream socket");
    close(fd);
    ck_assert_int_eq(unlink(fx.path), 0);
}
END_TEST

START_TEST(a_socket_of_somebody_else_is_not_called_stale)
{
    if (geteuid() != 0)
        return;
    fixture_start();
    ck_assert_int_eq(chmod(fx.dir, 0755), 0);
    ck_assert_int_eq(setresuid(-1, 65534, 0), 0);
    expect_refused(-EADDRINUSE,
                   "something is there already and cannot be examined: Permission denied");
    ck_assert_int_eq(setresuid(-1, 0, 0), 0);
}
END_TEST

START_TEST(a_server_that_cannot_start_leaves_no_socket_and_closes_nothing_twice)
{
    int spare = dup(STDIN_FILENO);
    ck_assert_int_eq(close(spare), 0);
    struct rlimit before;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (rlim_t more = 0; more < 4; more++) {
        struct rlimit few = {.rlim_cur = (rlim_t)spare + more, .rlim_max = before.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        int rc = create(fx.path);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_msg(rc < 0 || more > 1, "%lu", (unsigned long)more);
        ck_assert_int_eq(access(fx.path, F_OK), -1);
        int fd = dup(STDIN_FILENO);
        ck_assert_int_eq(fd, spare);
        close(fd);
    }
}
END_TEST

START_TEST(another_file_is_refused_and_left_alone)
{
    int fd = open(fx.path, O_CREAT | O_WRONLY, 0644);
    ck_assert_int_eq(write(fd, "mine", 4), 4);
    close(fd);
    expect_refused(-EADDRINUSE, "a file that is not a socket is there already; choose another path "
                                "or remove it");
    struct stat st;
    ck_assert_int_eq(stat(fx.path, &st), 0);
    ck_assert_int_eq(st.st_size, 4);
    ck_assert_int_eq(unlink(fx.path), 0);
}
END_TEST

START_TEST(a_dangling_link_is_refused)
{
    ck_assert_int_eq(symlink("/nonexistent/target", fx.path), 0);
    expect_refused(-EADDRINUSE, "a file that is not a socket is there already; choose another path "
                                "or remove it");
    ck_assert_int_eq(unlink(fx.path), 0);
}
END_TEST

START_TEST(a_path_that_cannot_be_is_named_with_its_bound_or_reason)
{
    char longer[109];
    memset(longer, 'a', 108);
    longer[108] = '\0';
    ck_assert_int_eq(create(longer), -ENAMETOOLONG);
    ck_assert_str_eq(err.text, "control socket: the path has 108 bytes, above the maximum of 107");
    ck_assert_int_eq(create(""), -EINVAL);
    ck_assert_str_eq(err.text, "control socket: the path is empty");
    ck_assert_int_eq(create("/nonexistent/api.sock"), -ENOENT);
    ck_assert_str_eq(err.text, "control socket /nonexistent/api.sock: cannot be created: No such "
                               "file or directory");
}
END_TEST

START_TEST(the_longest_path_works)
{
    char path[108];
    size_t dir = (size_t)snprintf(path, sizeof(path), "%s/", fx.dir);
    memset(path + dir, 'a', 107 - dir);
    path[107] = '\0';
    ck_assert_msg(create(path) == 0, "%s", err.text);
}
END_TEST

START_TEST(destroying_removes_the_socket_and_may_be_repeated)
{
    ck_assert_int_eq(create(fx.path), 0);
    ck_assert_int_eq(access(fx.path, F_OK), -1);
    ck_assert_int_eq(create(fx.path), 0);
    ck_assert_int_eq(access(fx.path, F_OK), -1);
    api_server_destroy(NULL);
}
END_TEST

START_TEST(a_socket_that_took_our_place_is_not_removed)
{
    struct api_server *server = NULL;
    ck_assert_int_eq(api_server_create(fx.path, &fx.target, fx.loop, &server, &err), 0);
    ck_assert_int_eq(unlink(fx.path), 0);
    int fd = open(fx.path, O_CREAT | O_WRONLY, 0644);
    close(fd);
    api_server_destroy(server);
    ck_assert_int_eq(access(fx.path, F_OK), 0);
    ck_assert_int_eq(unlink(fx.path), 0);
}
END_TEST

Suite *socket_suite(void)
{
    Suite *suite = suite_create("socket");
    TCase *tc = tcase_create("socket");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, the_socket_is_its_owners_alone_whatever_the_umask);
    tcase_add_test(tc, a_served_socket_is_in_use);
    tcase_add_test(tc, a_stale_socket_is_refused_and_left_alone);
    tcase_add_test(tc, another_file_is_refused_and_left_alone);
    tcase_add_test(tc, a_dangling_link_is_refused);
    tcase_add_test(tc, a_path_that_cannot_be_is_named_with_its_bound_or_reason);
    tcase_add_test(tc, the_longest_path_works);
    tcase_add_test(tc, destroying_removes_the_socket_and_may_be_repeated);
    tcase_add_test(tc, a_socket_that_took_our_place_is_not_removed);
    tcase_add_test(tc, a_datagram_socket_is_in_use_but_no_control_socket);
    tcase_add_test(tc, a_socket_of_somebody_else_is_not_called_stale);
    tcase_add_test(tc, a_server_that_cannot_start_leaves_no_socket_and_closes_nothing_twice);
    suite_add_tcase(suite, tc);
    return suite;
}
