/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of the legacy devices' tests. */
#ifndef AEROSTAT_TESTS_LEGACY_SUITES_H
#define AEROSTAT_TESTS_LEGACY_SUITES_H

#include <check.h>

/* Each returns a new suite, which the runner owns. */
Suite *serial_suite(void);
Suite *i8042_suite(void);

#endif
