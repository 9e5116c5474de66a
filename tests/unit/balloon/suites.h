/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of the balloon's tests. */
#ifndef AEROSTAT_TESTS_BALLOON_SUITES_H
#define AEROSTAT_TESTS_BALLOON_SUITES_H

#include <check.h>

/* Each returns a new suite, which the runner owns. */
Suite *change_suite(void);
Suite *config_suite(void);
Suite *hint_suite(void);
Suite *hostile_race_suite(void);
Suite *hostile_reset_suite(void);
Suite *pfn_suite(void);
Suite *pieces_suite(void);
Suite *queues_suite(void);
Suite *report_suite(void);
Suite *sg_suite(void);
Suite *stats_suite(void);
Suite *turns_suite(void);

#endif
