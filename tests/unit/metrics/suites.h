/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of the metrics' tests. */
#ifndef AEROSTAT_TESTS_METRICS_SUITES_H
#define AEROSTAT_TESTS_METRICS_SUITES_H

#include <check.h>

/* Each returns a new suite, which the runner owns. */
Suite *docs_suite(void);
Suite *json_suite(void);
Suite *openmetrics_suite(void);
Suite *sink_suite(void);

#endif
