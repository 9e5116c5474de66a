/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AEROSTAT_TESTS_CONSOLE_SUITES_H
#define AEROSTAT_TESTS_CONSOLE_SUITES_H

#include <check.h>

Suite *input_suite(void);
Suite *log_suite(void);
Suite *output_suite(void);

#endif
