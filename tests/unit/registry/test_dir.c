/* SPDX-License-Identifier: Apache-2.0 */
/* Which runtime directory is taken, and which is refused; the names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/registry/fixture.h"
#include "tests/unit/registry/suites.h"

static int reopen(bool create)
{
    registry_close(fx.registry);
    fx.registry = NULL;
    return registry_open(create, &fx.registry, &fx.err);
}

START_TEST(the_directory_is_made_for_its_owner_alone)
{
    struct stat st;
    ck_assert_int_eq(stat(fx.dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    ck_assert_str_eq(registry_dir(fx.registry), fx.dir);
}
END_TEST

START_TEST(the_users_runtime_directory_is_the_second_choice)
{
    char expected[128];
    (void)snprintf(expected, sizeof(expected), "%s/aerostat", fx.top);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", "", 1), 0);
    ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", fx.top, 1), 0);
    ck_assert_int_eq(reopen(false), -ENOENT);
    ck_assert_int_eq(reopen(true), 0);
    ck_assert_str_eq(registry_dir(fx.registry), expected);
}
END_TEST

START_TEST(without_both_it_depends_on_the_user)
{
    char expected[64] = "/run/aerostat";
    if (geteuid() != 0)
        (void)snprintf(expected, sizeof(expected), "/tmp/aerostat-%u", (unsigned)geteuid());
    ck_assert_int_eq(unsetenv("AEROSTAT_RUNTIME_DIR"), 0);
    ck_assert_int_eq(unsetenv("XDG_RUNTIME_DIR"), 0);
    /* Not made: it is the real one. */
    int rc = reopen(false);
    if (rc == 0)
        ck_assert_str_eq(registry_dir(fx.registry), expected);
    else
        ck_assert_ptr_nonnull(strstr(fx.err.text, expected));
}
END_TEST

START_TEST(a_relative_path_is_made_absolute)
{
    ck_assert_int_eq(chdir(fx.top), 0);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", "run//", 1), 0);
    ck_assert_int_eq(reopen(true), 0);
    ck_assert_str_eq(registry_dir(fx.registry), fx.dir);
}
END_TEST

START_TEST(a_link_a_file_and_what_others_may_write_are_refused)
{
    char link[128];
    (void)snprintf(link, sizeof(link), "%s/link/", fx.top);
    link[strlen(link) - 1] = '\0';
    ck_assert_int_eq(symlink(fx.dir, link), 0);
    strcat(link, "/");
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", link, 1), 0);
    ck_assert_int_eq(reopen(true), -ENOTDIR);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "is not a directory"));

    const char *file = fixture_path("file");
    fixture_write(file, "");
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", file, 1), 0);
    ck_assert_int_eq(reopen(true), -ENOTDIR);

    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", fx.dir, 1), 0);
    ck_assert_int_eq(chmod(fx.dir, 0770), 0);
    ck_assert_int_eq(reopen(true), -EPERM);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "mode 0770"));
    ck_assert_int_eq(chmod(fx.dir, 0755), 0);
    ck_assert_int_eq(reopen(true), 0);
}
END_TEST

START_TEST(what_belongs_to_another_user_is_refused)
{
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(chown(fx.dir, 65534, 65534), 0);
    ck_assert_int_eq(reopen(true), -EPERM);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "belongs to user 65534"));
}
END_TEST

START_TEST(a_directory_that_stays_locked_is_given_up)
{
    struct registry_claim *claim = NULL;
    int fd = open(fx.dir, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    ck_assert_int_eq(registry_claim(fx.registry, "a", &claim, &fx.err), -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "has it locked"));
    close(fd);
    registry_release(fixture_claim("a"));
}
END_TEST

static const struct {
    const char *name;
    bool good;
} names[] = {
    {"a", true},
    {"vm1", true},
    {"A-b_c.9", true},
    {"0", true},
    {"_", true},
    {"1234567890123456789012345678901234567890123456789012345678901234", true},
    {"12345678901234567890123456789012345678901234567890123456789012345", false},
    {"", false},
    {".", false},
    {"..", false},
    {".hidden", false},
    {"-v", false},
    {"a/b", false},
    {"a b", false},
    {"a\n", false},
    {"\xc3\xa4", false},
};

START_TEST(names_are_short_and_plain)
{
    struct err err = {0};
    int rc = registry_check_name(names[_i].name, &err);
    ck_assert_msg((rc == 0) == names[_i].good, "\"%s\": %s", names[_i].name, err.text);
    ck_assert_int_eq(rc == 0, err.text[0] == '\0');
}
END_TEST

START_TEST(paths_that_sockets_cannot_have_are_refused)
{
    char path[REGISTRY_PATH_MAX];
    char deep[256];
    struct registry_claim *claim = NULL;
    ck_assert_int_eq(registry_path(fx.registry, "vm1", REGISTRY_API_SOCK, path), 0);
    ck_assert_str_eq(path, fixture_path("vm1/api.sock"));
    ck_assert_int_eq(registry_path(fx.registry, "../vm1", REGISTRY_API_SOCK, path), -EINVAL);

    (void)snprintf(deep, sizeof(deep), "%s/%090d", fx.dir, 0);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", deep, 1), 0);
    ck_assert_int_eq(reopen(true), 0);
    ck_assert_int_eq(registry_path(fx.registry, "vm1", REGISTRY_API_SOCK, path), -ENAMETOOLONG);
    ck_assert_int_eq(registry_claim(fx.registry, "vm1", &claim, &fx.err), -ENAMETOOLONG);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "AEROSTAT_RUNTIME_DIR"));
    ck_assert_uint_eq(fixture_count(deep), 0);
}
END_TEST

Suite *dir_suite(void)
{
    Suite *suite = suite_create("registry: directory");
    TCase *tcase = tcase_create("directory");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
    tcase_add_test(tcase, the_directory_is_made_for_its_owner_alone);
    tcase_add_test(tcase, the_users_runtime_directory_is_the_second_choice);
    tcase_add_test(tcase, without_both_it_depends_on_the_user);
    tcase_add_test(tcase, a_relative_path_is_made_absolute);
    tcase_add_test(tcase, a_link_a_file_and_what_others_may_write_are_refused);
    tcase_add_test(tcase, what_belongs_to_another_user_is_refused);
    tcase_add_test(tcase, a_directory_that_stays_locked_is_given_up);
    tcase_add_loop_test(tcase, names_are_short_and_plain, 0,
                        (int)(sizeof(names) / sizeof(names[0])));
    tcase_add_test(tcase, paths_that_sockets_cannot_have_are_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
