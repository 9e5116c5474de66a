/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time. */
#ifndef AEROSTAT_BASE_CLOCK_H
#define AEROSTAT_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. Any thread; never fails. */
uint64_t clock_mono_ns(void);

#endif
