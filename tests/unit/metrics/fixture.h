/* SPDX-License-Identifier: Apache-2.0 */
/* A sample in which every number is another one. */
#ifndef AEROSTAT_TESTS_METRICS_FIXTURE_H
#define AEROSTAT_TESTS_METRICS_FIXTURE_H

#include "vmm/metrics/metrics.h"

/* A running machine with a balloon whose guest sent all its statistics; numbers from 1000 on. */
void fixture_fill(struct metrics_sample *out);

#endif
