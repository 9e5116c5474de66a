/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of the machine's unit tests. */
#ifndef AEROSTAT_TESTS_MACHINE_SUITES_H
#define AEROSTAT_TESTS_MACHINE_SUITES_H

#include "tests/support/check_main.h"

Suite *bus_suite(void);
Suite *gate_suite(void);

#endif
