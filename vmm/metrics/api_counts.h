/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the control socket, counted by what they are about. */
#ifndef AEROSTAT_METRICS_API_COUNTS_H
#define AEROSTAT_METRICS_API_COUNTS_H

#include <stdint.h>

enum metrics_method { METRICS_GET, METRICS_PUT, METRICS_PATCH, METRICS_METHODS };

/* What a route is about; those of devices that do not exist are counted, too, as failures. */
enum metrics_section {
    METRICS_ACTIONS,
    METRICS_BALLOON,
    METRICS_BALLOON_HINTING,
    METRICS_BALLOON_STATISTICS,
    METRICS_BOOT_SOURCE,
    METRICS_CPU_CONFIG,
    METRICS_DRIVE,
    METRICS_ENTROPY,
    METRICS_HOTPLUG_MEMORY,
    METRICS_INSTANCE, /* GET / */
    METRICS_LOGGER,
    METRICS_MACHINE_CONFIG,
    METRICS_METRICS, /* GET /metrics/prometheus, too */
    METRICS_MMDS,
    METRICS_NETWORK,
    METRICS_PMEM,
    METRICS_SERIAL,
    METRICS_SNAPSHOT,
    METRICS_VERSION,
    METRICS_VM,
    METRICS_VM_CONFIG,
    METRICS_VM_HOST,
    METRICS_VSOCK,
    METRICS_SECTIONS
};

struct metrics_api_count {
    uint64_t requests; /* good and bad */
    uint64_t fails;    /* answered with a fault */
};

/* Zero-initialise. The io loop's. */
struct metrics_api_counts {
    struct metrics_api_count by[METRICS_METHODS][METRICS_SECTIONS];
    uint64_t unknown;    /* no route took them */
    uint64_t deprecated; /* used what Firecracker calls deprecated */
};

#endif
