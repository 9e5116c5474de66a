/* SPDX-License-Identifier: Apache-2.0 */
/* The suites that main() of test_base runs. */
#ifndef AEROSTAT_TESTS_BASE_SUITES_H
#define AEROSTAT_TESTS_BASE_SUITES_H

#include <check.h>

/* A new suite, which the runner owns. */
Suite *bucket_suite(void);
Suite *log_suite(void);

#endif
