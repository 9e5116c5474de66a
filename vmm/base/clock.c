/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time, and processor time. */
#include "vmm/base/clock.h"

#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_ns(clockid_t clock)
{
    struct timespec ts = {0};
    if (clock_gettime(clock, &ts) < 0)
        return 0;
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}
