/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of the memory component's unit test, one a file. */
#ifndef AEROSTAT_TESTS_MEMORY_SUITES_H
#define AEROSTAT_TESTS_MEMORY_SUITES_H

#include <check.h>

/* Each builds a suite for check_run(), which frees it. */
Suite *range_suite(void);
Suite *gm_map_suite(void);
Suite *gm_access_suite(void);
Suite *gm_discard_suite(void);
Suite *gm_hugetlb_suite(void);
Suite *gm_bitmap_suite(void);
Suite *gm_pieces_suite(void);

#endif
