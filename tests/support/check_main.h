/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the suites of one unit test executable; CK_RUN_SUITE, CK_FORK and the like apply as Check
 * documents them.
 */
#ifndef AEROSTAT_TESTS_CHECK_MAIN_H
#define AEROSTAT_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stddef.h>
#include <stdlib.h>

/*
 * Runs n (at least one) suites in one runner, which owns them. Returns the exit status for main():
 * EXIT_FAILURE when a test failed, and when none ran at all.
 *
 *     int main(void)
 *     {
 *         Suite *(*const suites[])(void) = {range_suite, gm_suite};
 *         return check_run(suites, sizeof(suites) / sizeof(suites[0]));
 *     }
 */
static inline int check_run(Suite *(*const suites[])(void), size_t n)
{
    /* Check's own 4 s are less than a machine with other work may take; a test that hangs is found
     * all the same. */
    (void)setenv("CK_DEFAULT_TIMEOUT", "60", 0);
    SRunner *runner = srunner_create(suites[0]());
    for (size_t i = 1; i < n; i++)
        srunner_add_suite(runner, suites[i]());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    int ran = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
