/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time as the input has it: in the place of the clock and of the loop's timers, by the linker's
 * --wrap for clock_mono_ns, ev_timer_add, ev_timer_arm and ev_source_remove. One thread.
 */
#ifndef AEROSTAT_TESTS_FUZZ_FAKE_TIME_H
#define AEROSTAT_TESTS_FUZZ_FAKE_TIME_H

#include <stdint.h>

/* Back to the same moment, without timers. */
void fake_time_reset(void);

/* Lets ns pass, and calls each timer that expires on the way, in their order. */
void fake_time_advance(uint64_t ns);

#endif
