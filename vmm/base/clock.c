/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time and the age of this process. */
#include "vmm/base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"

#define NS_PER_S UINT64_C(1000000000)

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts = {0};
    (void)clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/* Field 22 of /proc/self/stat, in clock ticks since boot; 0 if it cannot be read (proc(5)). */
static uint64_t start_ticks(void)
{
    AUTO_FD int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    char text[1024];
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    /* The name in field 2 may hold spaces: fields are counted from its closing parenthesis. */
    const char *p = strrchr(text, ')');
    for (int field = 2; p != NULL && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p == NULL ? 0 : strtoull(p, NULL, 10);
}

uint64_t clock_process_age_ns(void)
{
    uint64_t ticks = start_ticks();
    long hz = sysconf(_SC_CLK_TCK);
    if (ticks == 0 || hz <= 0)
        return 0;
    uint64_t start = ticks * (NS_PER_S / (uint64_t)hz);
    uint64_t now = clock_ns(CLOCK_BOOTTIME);
    return now > start ? now - start : 0;
}
