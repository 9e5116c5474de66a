/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AEROSTAT_TESTS_REGISTRY_SUITES_H
#define AEROSTAT_TESTS_REGISTRY_SUITES_H

#include <check.h>

Suite *claim_suite(void);
Suite *dir_suite(void);
Suite *hostile_suite(void);
Suite *killed_suite(void);
Suite *list_suite(void);

#endif
