/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time, and processor time. */
#ifndef AEROSTAT_BASE_CLOCK_H
#define AEROSTAT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC. Any thread; never fails. */
uint64_t clock_mono_ns(void);

/* Nanoseconds of another clock, of a thread's or the process's processor time; 0 where there is no
 * such clock (any more). Any thread. */
uint64_t clock_ns(clockid_t clock);

#endif
