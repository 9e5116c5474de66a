/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A balloon on real guest RAM with a driver that inflates it by a plan: what benchmarks time and
 * count tests count.
 *
 * Device and driver share one event loop and one thread. The driver sends as Linux does: it fills
 * the ring up to a bound of chains in flight, kicks if that is wanted, and goes on when it is
 * interrupted. What is left out is the way into the guest and back.
 */
#ifndef AEROSTAT_BENCH_RIG_H
#define AEROSTAT_BENCH_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/balloon/balloon.h"
#include "memory/gm.h"

/* Where the memory begins that is inflated; rings and arrays lie below. */
#define RIG_DATA (UINT64_C(16) << 20)

/* Most chains in flight. */
#define RIG_IN_FLIGHT_MAX 64u

/* How the driver names memory. */
struct rig_plan {
    const char *name;
    bool chains;         /* scatter-gather chains; otherwise arrays of page numbers */
    bool shuffled;       /* the runs come in no order, the same in each run of the plan */
    uint64_t size_bytes; /* in all, a multiple of run_bytes */
    uint64_t run_bytes;  /* contiguous memory: what a descriptor holds, or ascending page numbers */
    uint64_t pitch_bytes; /* from run to run: run_bytes, or more to leave gaps */
    uint32_t items;       /* descriptors of a chain, at most queue_size; page numbers of an array */
    uint32_t in_flight;   /* chains sent before one has come back, at most RIG_IN_FLIGHT_MAX */
    uint16_t queue_size;
};

/* A moment, or what passed between two. */
struct rig_time {
    uint64_t wall_ns;
    uint64_t cpu_ns; /* of this thread, in user space and in the kernel */
};

struct rig_result {
    struct rig_time time;     /* from the first kick until all is released; nothing sleeps in it */
    struct balloon_info info; /* of a balloon that did nothing else; before the device is reset */
};

struct rig_time rig_now(void);
struct rig_time rig_between(struct rig_time from, struct rig_time to);

/* RAM with room for plans of this many bytes of data. NULL, with a sentence on stderr, if not. */
struct gm *rig_ram_create(uint64_t data_bytes, enum gm_backing backing);

/*
 * Carries the plan out with a new balloon, negotiating MUST_TELL_HOST where it is offered. Aborts
 * with a message when anything cannot be set up.
 */
void rig_run(struct gm *gm, const struct rig_plan *plan, struct rig_result *out);

#endif
