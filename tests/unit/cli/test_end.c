/* SPDX-License-Identifier: Apache-2.0 */
/* Exit statuses. */
#include <check.h>
#include <signal.h>

#include "tests/unit/cli/suites.h"
#include "vmm/base/num.h"
#include "vmm/cli/end.h"

static const struct {
    enum machine_end why;
    int signo;
    int status;
    enum log_level level;
} ends[] = {
    {MACHINE_END_POWEROFF, 0, 0, LOG_INFO},
    {MACHINE_END_RESET, 0, 0, LOG_INFO},
    {MACHINE_END_TRIPLE_FAULT, 0, 0, LOG_WARN},
    {MACHINE_END_REQUESTED, 0, 0, LOG_INFO},
    {MACHINE_END_REQUESTED, SIGINT, 130, LOG_INFO},
    {MACHINE_END_REQUESTED, SIGTERM, 143, LOG_INFO},
    {MACHINE_END_REQUESTED, SIGHUP, 129, LOG_INFO},
    {MACHINE_END_ERROR, 0, 1, LOG_ERROR},
    {MACHINE_END_NONE, 0, 1, LOG_ERROR},
    /* The guest was faster than the signal. */
    {MACHINE_END_POWEROFF, SIGTERM, 0, LOG_INFO},
    {MACHINE_END_ERROR, SIGTERM, 1, LOG_ERROR},
};

START_TEST(each_end_has_its_status_and_level)
{
    enum log_level level = LOG_DEBUG;
    const char *text = NULL;
    ck_assert_int_eq(end_status(ends[_i].why, ends[_i].signo, &level, &text), ends[_i].status);
    ck_assert_int_eq(level, ends[_i].level);
    ck_assert_ptr_nonnull(text);
}
END_TEST

Suite *end_suite(void)
{
    Suite *suite = suite_create("end");
    TCase *tc = tcase_create("end");
    tcase_add_loop_test(tc, each_end_has_its_status_and_level, 0, (int)ARRAY_LEN(ends));
    suite_add_tcase(suite, tc);
    return suite;
}
