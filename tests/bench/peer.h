/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's virtio balloon on our guest RAM, inflated by arrays of page numbers as Linux's driver
 * sends them: what our balloon is measured against.
 */
#ifndef AEROSTAT_BENCH_PEER_H
#define AEROSTAT_BENCH_PEER_H

#include "memory/gm.h"
#include "tests/bench/plan.h"
#include "tests/bench/rig.h"

struct peer;

struct peer_result {
    /* From the first kick to the last used array; cpu_ns is QEMU's, of all its threads. */
    struct rig_time time;
    /* What as many kicks with nothing in the queue take: that of time which is the channel's. */
    struct rig_time idle_kicks;
    uint64_t kicks;
    uint16_t queue_size;           /* as large as the device allows, at most as planned */
    uint64_t freed_bytes;          /* by how much the memfd's blocks fell */
    struct call_counts calls;      /* of QEMU in that time, the channel's among them */
    struct call_counts idle_calls; /* of QEMU in the kicks with nothing in the queue */
};

/*
 * Starts QEMU. With touch all of gm's memory becomes QEMU's as it otherwise is ours: what is
 * populated is mapped by QEMU and not by this process, so that either balloon frees memory that
 * its own process has mapped. Without, nothing is touched. Returns 0; -ENOENT where QEMU is not
 * installed; other -errno when it does not start or has no balloon, which has been said on stderr.
 */
int peer_create(struct gm *gm, bool touch, struct peer **out) __attribute__((warn_unused_result));
/* Accepts NULL. */
void peer_destroy(struct peer *p);

/*
 * Carries a plan of page numbers out. With count, system calls
 * are counted: returns 0, or -errno of calls_open() when they cannot be, with nothing done.
 */
int peer_run(struct peer *p, const struct rig_plan *plan, bool count, struct peer_result *out)
    __attribute__((warn_unused_result));

#endif
