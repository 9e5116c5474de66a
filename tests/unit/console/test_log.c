/* SPDX-License-Identifier: Apache-2.0 */
/* The log: two files of bounded size, whatever is in the way. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/console/fixture.h"
#include "tests/unit/console/suites.h"
#include "vmm/console/bounded_log.h"

#define LIMIT 1000u

static char dir[64];
static int dir_fd;
static struct bounded_log blog;

static void setup(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)snprintf(dir, sizeof(dir), "/tmp/aerostat-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    fx.dir_fd = dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
    blog = (struct bounded_log){
        .dir_fd = dir_fd, .name = "log", .old_name = "log.1", .limit_bytes = LIMIT};
    ck_assert_int_eq(bounded_log_open(&blog), 0);
}

static void teardown(void)
{
    char command[128];
    bounded_log_close(&blog);
    close(dir_fd);
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static size_t slurp(const char *name, uint8_t *out, size_t size)
{
    int fd = openat(dir_fd, name, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ssize_t len = read(fd, out, size);
    ck_assert_int_ge(len, 0);
    close(fd);
    return (size_t)len;
}

START_TEST(the_last_part_is_kept_in_two_files)
{
    uint8_t sent[4300];
    uint8_t got[2 * LIMIT + 1];
    fixture_pattern(sent, sizeof(sent), 0);
    for (size_t at = 0; at < sizeof(sent); at += 43)
        bounded_log_write(&blog, sent + at, 43);
    size_t len = slurp("log.1", got, sizeof(got));
    ck_assert_uint_eq(len, LIMIT);
    len += slurp("log", got + len, sizeof(got) - len);
    ck_assert_uint_eq(len, LIMIT + 300);
    ck_assert_int_eq(memcmp(got, sent + sizeof(sent) - len, len), 0);
    ck_assert_uint_eq(blog.lost_bytes, 0);
    struct stat st;
    ck_assert_int_eq(fstatat(dir_fd, "log", &st, 0), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(one_large_write_stays_within_the_bound)
{
    static uint8_t sent[100 * LIMIT + 1];
    bounded_log_write(&blog, sent, sizeof(sent));
    ck_assert_int_eq(fixture_size("log"), 1);
    ck_assert_int_eq(fixture_size("log.1"), LIMIT);
}
END_TEST

START_TEST(a_link_in_its_place_is_moved_and_not_followed)
{
    uint8_t bytes[LIMIT] = {0};
    ck_assert_int_eq(unlinkat(dir_fd, "log", 0), 0);
    ck_assert_int_eq(symlinkat("victim", dir_fd, "log"), 0);
    bounded_log_write(&blog, bytes, sizeof(bytes));
    bounded_log_write(&blog, bytes, 10);
    ck_assert_int_eq(fixture_size("victim"), -1);
    ck_assert_int_eq(fixture_size("log"), 10);
}
END_TEST

START_TEST(what_a_full_disk_does_not_take_is_counted)
{
    uint8_t bytes[LIMIT / 2] = {0};
    struct rlimit old;
    struct rlimit small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 300;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    bounded_log_write(&blog, bytes, sizeof(bytes));
    bounded_log_write(&blog, bytes, 100);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_uint_eq(blog.lost_bytes, sizeof(bytes) - 300 + 100);
    bounded_log_write(&blog, bytes, 100);
    ck_assert_int_eq(fixture_size("log"), 400);
}
END_TEST

START_TEST(a_folder_in_its_way_loses_output_and_no_more)
{
    uint8_t bytes[LIMIT] = {0};
    ck_assert_int_eq(mkdirat(dir_fd, "log.1", 0700), 0);
    bounded_log_write(&blog, bytes, sizeof(bytes));
    bounded_log_write(&blog, bytes, 10);
    ck_assert_uint_eq(blog.lost_bytes, 10);
    ck_assert_int_eq(unlinkat(dir_fd, "log.1", AT_REMOVEDIR), 0);
    bounded_log_write(&blog, bytes, 20);
    ck_assert_int_eq(fixture_size("log"), 20);
}
END_TEST

START_TEST(the_server_bounds_its_log)
{
    static uint8_t piece[FIXTURE_LOG_LIMIT];
    uint8_t last = 0;
    int fd = fixture_connect();
    for (unsigned i = 0; i < 7; i++)
        fixture_print(piece, sizeof(piece));
    fixture_print("!", 1);
    while (last != '!')
        fixture_read(fd, &last, 1);
    close(fd);
    fixture_stop();
    ck_assert_int_eq(fixture_size("console.log"), 1);
    ck_assert_int_eq(fixture_size("console.log.1"), FIXTURE_LOG_LIMIT);
    fixture_run();
}
END_TEST

static void stop_and_teardown(void)
{
    fixture_stop();
    fixture_teardown();
}

Suite *log_suite(void)
{
    Suite *suite = suite_create("console: log");
    TCase *tcase = tcase_create("log");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_last_part_is_kept_in_two_files);
    tcase_add_test(tcase, one_large_write_stays_within_the_bound);
    tcase_add_test(tcase, a_link_in_its_place_is_moved_and_not_followed);
    tcase_add_test(tcase, what_a_full_disk_does_not_take_is_counted);
    tcase_add_test(tcase, a_folder_in_its_way_loses_output_and_no_more);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("server");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, fixture_setup, stop_and_teardown);
    tcase_add_test(tcase, the_server_bounds_its_log);
    suite_add_tcase(suite, tcase);
    return suite;
}
