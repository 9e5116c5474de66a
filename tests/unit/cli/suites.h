/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of this executable. */
#ifndef AEROSTAT_TESTS_CLI_SUITES_H
#define AEROSTAT_TESTS_CLI_SUITES_H

#include <check.h>

Suite *balloon_suite(void);
Suite *command_suite(void);
Suite *console_suite(void);
Suite *doctor_suite(void);
Suite *end_suite(void);
Suite *escape_suite(void);
Suite *options_suite(void);
Suite *signals_suite(void);
Suite *terminal_suite(void);
Suite *top_ask_suite(void);
Suite *top_suite(void);
Suite *vm_suite(void);

#endif
