/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time. */
#include "vmm/base/clock.h"

#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_mono_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}
