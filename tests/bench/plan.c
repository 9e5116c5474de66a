/* SPDX-License-Identifier: Apache-2.0 */
/* Walks through a plan in its order. */
#include "tests/bench/plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "vmm/base/num.h"

/* Behind the rings, for which this is plenty. */
#define ARRAYS      (4 * MIB)
#define ARRAY_BYTES (RIG_ARRAY_ITEMS_MAX * sizeof(uint32_t))

_Static_assert(ARRAYS + RIG_IN_FLIGHT_MAX * ARRAY_BYTES <= RIG_DATA, "arrays lie below the data");

void plan_require(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "rig: %s\n", what);
    abort();
}

/* The same numbers each time: a generator that needs no seed from outside. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint32_t *make_order(const struct rig_plan *plan)
{
    size_t n = plan->size_bytes / plan->run_bytes;
    uint32_t *order = malloc(n * sizeof(*order));
    plan_require(order != NULL, "out of memory");
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = n; plan->shuffled && i > 1; i--) {
        size_t other = next_random(&state) % i;
        uint32_t moved = order[i - 1];
        order[i - 1] = order[other];
        order[other] = moved;
    }
    return order;
}

void plan_begin(struct plan_walk *walk, const struct rig_plan *plan)
{
    plan_require(plan->items > 0 &&
                     plan->items <= (plan->chains ? plan->queue_size : RIG_ARRAY_ITEMS_MAX) &&
                     plan->in_flight > 0 && plan->in_flight <= RIG_IN_FLIGHT_MAX &&
                     plan->size_bytes % plan->run_bytes == 0,
                 "the plan is out of bounds");
    *walk = (struct plan_walk){
        .plan = plan,
        .order = make_order(plan),
        .n_items = plan->size_bytes / (plan->chains ? plan->run_bytes : GM_PAGE_SIZE),
    };
}

void plan_end(struct plan_walk *walk)
{
    free(walk->order);
    walk->order = NULL;
}

uint32_t plan_next_items(const struct plan_walk *walk)
{
    return (uint32_t)min_u64(walk->n_items - walk->sent, walk->plan->items);
}

void plan_next_runs(const struct plan_walk *walk, uint64_t *gpas, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        gpas[i] = RIG_DATA + walk->order[walk->sent + i] * walk->plan->pitch_bytes;
}

/* Without a division for each page: that would be a part of what a balloon is seen to take. */
void plan_next_pages(const struct plan_walk *walk, uint32_t *pfns, uint32_t n)
{
    const uint64_t run_pages = walk->plan->run_bytes / GM_PAGE_SIZE;
    uint64_t run = walk->sent / run_pages;
    uint64_t page = walk->sent % run_pages;
    for (uint32_t i = 0; i < n;) {
        uint64_t first = (RIG_DATA + walk->order[run] * walk->plan->pitch_bytes) / GM_PAGE_SIZE;
        for (; i < n && page < run_pages; page++)
            pfns[i++] = (uint32_t)(first + page);
        page = 0;
        run++;
    }
}

void plan_advance(struct plan_walk *walk)
{
    walk->sent += plan_next_items(walk);
    walk->n_chains++;
}

/* Devices give chains back in order, so that the oldest array's place is free again. */
uint64_t plan_array_gpa(const struct plan_walk *walk)
{
    return ARRAYS + walk->n_chains % walk->plan->in_flight * ARRAY_BYTES;
}
