/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver sends to a balloon, and in which order: the same for each balloon it is sent to. */
#ifndef AEROSTAT_BENCH_PLAN_H
#define AEROSTAT_BENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/gm.h"

/* Where the memory begins that is inflated; rings and arrays lie below. */
#define RIG_DATA (UINT64_C(16) << 20)

/* Most chains in flight. */
#define RIG_IN_FLIGHT_MAX 64u

/* Most page numbers of an array. */
#define RIG_ARRAY_ITEMS_MAX 4096u

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

/* A plan being carried out: what of it has been sent. */
struct plan_walk {
    const struct rig_plan *plan;
    uint32_t *order;   /* of the runs */
    uint64_t n_items;  /* descriptors, or page numbers, in all */
    uint64_t sent;     /* of these */
    uint64_t n_chains; /* sent */
};

/*
 * Begins. The plan must outlive the walk. Aborts with a message when the plan is out of bounds or
 * memory is short.
 */
void plan_begin(struct plan_walk *walk, const struct rig_plan *plan);
void plan_end(struct plan_walk *walk);

/* Items of the next chain or array; 0 when all have been sent. */
uint32_t plan_next_items(const struct plan_walk *walk);

/* Addresses of the next chain's n runs. */
void plan_next_runs(const struct plan_walk *walk, uint64_t *gpas, uint32_t n);

/* Numbers of the next array's n pages. */
void plan_next_pages(const struct plan_walk *walk, uint32_t *pfns, uint32_t n);

/* The next chain or array has been sent. */
void plan_advance(struct plan_walk *walk);

/* Where in guest memory the next array of page numbers lies: its place is free. */
uint64_t plan_array_gpa(const struct plan_walk *walk);

/* Prints what was expected of the set-up and aborts, unless ok. */
void plan_require(bool ok, const char *what);

#endif
