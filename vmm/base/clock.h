/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time. */
#ifndef AEROSTAT_BASE_CLOCK_H
#define AEROSTAT_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. Any thread; never fails. */
uint64_t clock_mono_ns(void);

/*
 * Nanoseconds since this process was forked, exact to one clock tick (10 ms): the kernel records no
 * more. 0 when /proc is not readable. Any thread.
 */
uint64_t clock_process_age_ns(void);

#endif
