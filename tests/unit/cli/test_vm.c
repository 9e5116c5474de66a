/* SPDX-License-Identifier: Apache-2.0 */
/* Machines as commands name them. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/cli/suites.h"
#include "vmm/cli/registered.h"
#include "vmm/cli/vm.h"

static char dir[64];
static struct vm_config cfg;
static struct registered mine;
static struct err err;

static void setup(void)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/aerostat-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", dir, 1), 0);
    ck_assert_int_eq(cfg_init(&cfg), 0);
    mine = (struct registered){0};
    err = (struct err){{0}};
}

static void teardown(void)
{
    registered_release(&mine);
    cfg_finish(&cfg);
    /* Nothing was left. */
    ck_assert_int_eq(rmdir(dir), 0);
}

static void claim(const char *name)
{
    int rc = registered_claim(&mine, name, true, &cfg, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

START_TEST(a_named_machine_has_its_socket_in_its_folder)
{
    char expected[128];
    struct vm_ref vm;
    claim("web");
    (void)snprintf(expected, sizeof(expected), "%s/web/api.sock", dir);
    ck_assert_str_eq(cfg.api_sock, expected);
    ck_assert_int_eq(vm_resolve("web", &vm, &err), 0);
    ck_assert_str_eq(vm.api_sock, expected);
    ck_assert_str_eq(vm_label(&vm), "web");
    ck_assert_int_eq(vm.entry.pid, getpid());
    ck_assert(!vm.entry.detached);
}
END_TEST

START_TEST(a_socket_elsewhere_is_linked)
{
    char link[160];
    char target[160] = "";
    cfg.api_sock = strdup("/some/where/vm.sock");
    claim("web");
    ck_assert_str_eq(cfg.api_sock, "/some/where/vm.sock");
    (void)snprintf(link, sizeof(link), "%s/web/api.sock", dir);
    ck_assert_int_eq(readlink(link, target, sizeof(target) - 1), 19);
    ck_assert_str_eq(target, "/some/where/vm.sock");
}
END_TEST

START_TEST(a_slash_makes_a_path)
{
    char deep[200];
    struct vm_ref vm;
    ck_assert_int_eq(vm_resolve("./web", &vm, &err), 0);
    ck_assert_str_eq(vm_label(&vm), "./web");
    ck_assert_str_eq(vm.entry.name, "");
    ck_assert_int_eq(vm_resolve("web", &vm, &err), -ENOENT);
    ck_assert_str_eq(err.text, "no machine is named web (see aerostat ps)");
    ck_assert_int_eq(vm_resolve("we b", &vm, &err), -EINVAL);
    memset(deep, '/', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    ck_assert_int_eq(vm_resolve(deep, &vm, &err), -ENAMETOOLONG);
}
END_TEST

START_TEST(who_names_none_is_told_which_there_are)
{
    ck_assert_int_eq(vm_missing("stop", &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "stop needs a machine, and none is running"));
    claim("web");
    ck_assert_int_eq(vm_missing("stop", &err), -EINVAL);
    ck_assert_str_eq(err.text, "stop needs a machine (running: web)");
}
END_TEST

START_TEST(only_a_name_that_was_asked_for_is_needed)
{
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", "/proc/nonexistent", 1), 0);
    ck_assert_int_eq(registered_claim(&mine, NULL, false, &cfg, &err), 0);
    ck_assert_ptr_null(registered_name(&mine));
    ck_assert_ptr_null(cfg.api_sock);
    ck_assert_int_lt(registered_claim(&mine, "web", false, &cfg, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "/proc/nonexistent"));
    ck_assert_int_lt(registered_claim(&mine, NULL, true, &cfg, &err), 0);
}
END_TEST

static const struct {
    uint64_t ms;
    const char *text;
} times[] = {
    {0, "0s"},           {59999, "59s"},
    {60000, "1m"},       {3599999, "59m"},
    {3600000, "1h 0m"},  {86399999, "23h 59m"},
    {86400000, "1d 0h"}, {UINT64_C(1000) * 86400000, "1000d 0h"},
};

START_TEST(ages_are_short)
{
    char text[24];
    uint64_t ms = times[_i].ms;
    vm_format_time(ms, text);
    ck_assert_str_eq(text, times[_i].text);
}
END_TEST

Suite *vm_suite(void)
{
    Suite *suite = suite_create("vm");
    TCase *tcase = tcase_create("vm");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_named_machine_has_its_socket_in_its_folder);
    tcase_add_test(tcase, a_socket_elsewhere_is_linked);
    tcase_add_test(tcase, a_slash_makes_a_path);
    tcase_add_test(tcase, who_names_none_is_told_which_there_are);
    tcase_add_test(tcase, only_a_name_that_was_asked_for_is_needed);
    tcase_add_loop_test(tcase, ages_are_short, 0, (int)(sizeof(times) / sizeof(times[0])));
    suite_add_tcase(suite, tcase);
    return suite;
}
