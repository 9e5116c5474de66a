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

#include <stdint.h>

#include "devices/balloon/balloon.h"
#include "memory/gm.h"
#include "tests/bench/calls.h"
#include "tests/bench/plan.h"

/* A moment, or what passed between two. */
struct rig_time {
    uint64_t wall_ns;
    uint64_t cpu_ns; /* of this thread, in user space and in the kernel */
};

struct rig_result {
    struct rig_time time;     /* from the first kick until all is released; nothing sleeps in it */
    struct balloon_info info; /* of a balloon that did nothing else; before the device is reset */
    uint16_t queue_size;      /* as large as the device allows, at most as planned */
    struct call_counts calls; /* of this thread in that time; 0 without a counter */
};

struct rig_time rig_now(void);
struct rig_time rig_between(struct rig_time from, struct rig_time to);

/* RAM with room for plans of this many bytes of data. NULL, with a sentence on stderr, if not. */
struct gm *rig_ram_create(uint64_t data_bytes, enum gm_backing backing);

/*
 * Carries the plan out with a new balloon, negotiating MUST_TELL_HOST where it is offered, and
 * counts its system calls with counter unless that is NULL. Aborts with a message when anything
 * cannot be set up.
 */
void rig_run(struct gm *gm, const struct rig_plan *plan, struct call_counter *counter,
             struct rig_result *out);

#endif
