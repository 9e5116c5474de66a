/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime directory with things in it that no machine made: nothing of them is touched. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/registry/fixture.h"
#include "tests/unit/registry/suites.h"

static void expect_nothing_listed(void)
{
    struct registry_entry *entries = NULL;
    size_t count = 0;
    ck_assert_int_eq(registry_list(fx.registry, &entries, &count, &fx.err), 0);
    ck_assert_uint_eq(count, 0);
    free(entries);
}

static void expect_refused(const char *name, int error)
{
    struct registry_claim *claim = NULL;
    int rc = registry_claim(fx.registry, name, &claim, &fx.err);
    ck_assert_msg(rc == error, "%s: %d: %s", name, rc, fx.err.text);
    ck_assert_ptr_nonnull(strstr(fx.err.text, name));
}

START_TEST(a_linked_folder_is_not_entered)
{
    char victim[128];
    (void)snprintf(victim, sizeof(victim), "%s/victim", fx.top);
    ck_assert_int_eq(mkdir(victim, 0700), 0);
    char file[256];
    (void)snprintf(file, sizeof(file), "%s/lock", victim);
    fixture_write(file, "123\n");
    ck_assert_int_eq(symlink(victim, fixture_path("web")), 0);
    expect_nothing_listed();
    expect_refused("web", -EPERM);
    ck_assert_int_lt(registry_remove_stale(fx.registry, "web", &fx.err), 0);
    ck_assert(fixture_exists(file));
    ck_assert(fixture_exists(fixture_path("web")));
}
END_TEST

START_TEST(a_file_in_the_place_of_a_folder_stays)
{
    fixture_write(fixture_path("web"), "mine");
    expect_nothing_listed();
    expect_refused("web", -EPERM);
    ck_assert(fixture_exists(fixture_path("web")));
}
END_TEST

/* What may lie at NAME/lock without being a lock. */
static const char *const no_locks[] = {
    "pid 12\n", "12", "012\n", "-1\n", "99999999999\n", "12\n13\n", "123456789012345678\n"};

START_TEST(a_folder_with_a_lock_of_somebody_elses_stays)
{
    ck_assert_int_eq(mkdir(fixture_path("web"), 0755), 0);
    fixture_write(fixture_path("web/lock"), no_locks[_i]);
    fixture_write(fixture_path("web/log"), "mine");
    expect_nothing_listed();
    expect_refused("web", -ENOTEMPTY);
    ck_assert_int_lt(registry_remove_stale(fx.registry, "web", &fx.err), 0);
    struct stat st;
    ck_assert_int_eq(stat(fixture_path("web"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0755);
    ck_assert_uint_eq(fixture_count(fixture_path("web")), 2);
}
END_TEST

START_TEST(locks_that_are_no_files_are_neither_opened_nor_removed)
{
    const char *lock = fixture_path("web/lock");
    ck_assert_int_eq(mkdir(fixture_path("web"), 0700), 0);
    ck_assert_int_eq(mkfifo(lock, 0600), 0);
    expect_nothing_listed();
    expect_refused("web", -ENOTEMPTY);
    ck_assert_int_eq(unlink(lock), 0);
    ck_assert_int_eq(symlink("/etc/passwd", lock), 0);
    expect_nothing_listed();
    expect_refused("web", -ENOTEMPTY);
    ck_assert_int_eq(unlink(lock), 0);
    ck_assert_int_eq(mkdir(lock, 0700), 0);
    expect_nothing_listed();
    expect_refused("web", -ENOTEMPTY);
    ck_assert_int_eq(rmdir(lock), 0);
    registry_release(fixture_claim("web"));
}
END_TEST

START_TEST(files_of_our_names_without_a_lock_stay)
{
    ck_assert_int_eq(mkdir(fixture_path("web"), 0700), 0);
    fixture_write(fixture_path("web/log"), "mine");
    expect_nothing_listed();
    expect_refused("web", -ENOTEMPTY);
    ck_assert_int_eq(registry_remove_stale(fx.registry, "web", &fx.err), 0);
    ck_assert(fixture_exists(fixture_path("web/log")));
}
END_TEST

START_TEST(foreign_files_in_a_machines_folder_stay)
{
    fixture_kill(fixture_monitor("web"));
    fixture_write(fixture_path("web/notes"), "mine");
    struct registry_claim *claim = fixture_claim("web");
    ck_assert_uint_eq(fixture_count(fixture_path("web")), 2);
    registry_release(claim);
    ck_assert_uint_eq(fixture_count(fixture_path("web")), 1);
    registry_release(fixture_claim("web"));
    ck_assert(fixture_exists(fixture_path("web/notes")));
}
END_TEST

START_TEST(links_in_a_stale_folder_are_removed_and_not_followed)
{
    char victim[128];
    (void)snprintf(victim, sizeof(victim), "%s/victim", fx.top);
    fixture_write(victim, "mine");
    fixture_kill(fixture_monitor("web"));
    ck_assert_int_eq(unlink(fixture_path("web/console.log")), 0);
    ck_assert_int_eq(symlink(victim, fixture_path("web/console.log")), 0);
    ck_assert_int_eq(symlink(victim, fixture_path("web/lock.new")), 0);
    registry_release(fixture_claim("web"));
    ck_assert_uint_eq(fixture_count(fx.dir), 0);
    struct stat st;
    ck_assert_int_eq(stat(victim, &st), 0);
    ck_assert_int_eq(st.st_size, 4);
}
END_TEST

START_TEST(a_folder_in_the_place_of_a_file_is_named)
{
    fixture_kill(fixture_monitor("web"));
    ck_assert_int_eq(unlink(fixture_path("web/log")), 0);
    ck_assert_int_eq(mkdir(fixture_path("web/log"), 0700), 0);
    struct registry_claim *claim = NULL;
    ck_assert_int_lt(registry_claim(fx.registry, "web", &claim, &fx.err), 0);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "web/log was left behind"));
}
END_TEST

START_TEST(an_empty_lock_of_a_host_that_went_down_is_stale)
{
    ck_assert_int_eq(mkdir(fixture_path("web"), 0700), 0);
    fixture_write(fixture_path("web/lock"), "");
    fixture_write(fixture_path("web/log"), "words");
    registry_release(fixture_claim("web"));
    ck_assert_uint_eq(fixture_count(fx.dir), 0);
}
END_TEST

START_TEST(what_belongs_to_another_user_stays)
{
    if (geteuid() != 0)
        return;
    fixture_kill(fixture_monitor("web"));
    ck_assert_int_eq(chown(fixture_path("web/lock"), 65534, 65534), 0);
    expect_nothing_listed();
    expect_refused("web", -ENOTEMPTY);
    ck_assert_int_eq(chown(fixture_path("web"), 65534, 65534), 0);
    expect_nothing_listed();
    expect_refused("web", -EPERM);
    ck_assert_uint_eq(fixture_count(fixture_path("web")), REGISTRY_FILES);
}
END_TEST

Suite *hostile_suite(void)
{
    Suite *suite = suite_create("registry: hostile");
    TCase *tcase = tcase_create("hostile");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
    tcase_add_test(tcase, a_linked_folder_is_not_entered);
    tcase_add_test(tcase, a_file_in_the_place_of_a_folder_stays);
    tcase_add_loop_test(tcase, a_folder_with_a_lock_of_somebody_elses_stays, 0,
                        (int)(sizeof(no_locks) / sizeof(no_locks[0])));
    tcase_add_test(tcase, locks_that_are_no_files_are_neither_opened_nor_removed);
    tcase_add_test(tcase, files_of_our_names_without_a_lock_stay);
    tcase_add_test(tcase, foreign_files_in_a_machines_folder_stay);
    tcase_add_test(tcase, links_in_a_stale_folder_are_removed_and_not_followed);
    tcase_add_test(tcase, a_folder_in_the_place_of_a_file_is_named);
    tcase_add_test(tcase, an_empty_lock_of_a_host_that_went_down_is_stale);
    tcase_add_test(tcase, what_belongs_to_another_user_stays);
    suite_add_tcase(suite, tcase);
    return suite;
}
