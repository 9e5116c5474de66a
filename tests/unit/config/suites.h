/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of this executable. */
#ifndef AEROSTAT_TESTS_CONFIG_SUITES_H
#define AEROSTAT_TESTS_CONFIG_SUITES_H

#include <check.h>

Suite *bad_input_suite(void);
Suite *round_trip_suite(void);
Suite *sections_suite(void);
Suite *values_suite(void);

#endif
