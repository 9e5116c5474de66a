/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a chain says to a balloon, read a second time and more simply than the device does: the
 * fuzz targets compare.
 */
#ifndef AEROSTAT_TESTS_FUZZ_MODEL_H
#define AEROSTAT_TESTS_FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/balloon/balloon.h"
#include "devices/virtio/queue.h"
#include "memory/gm.h"

/* The device takes so many page numbers from one chain (docs/balloon.md). */
#define MODEL_PFNS_MAX 4096u
/* The device looks at so many statistics in one buffer. */
#define MODEL_STATS_MAX 256u

/* Valid items in their order, and how many others there were. */
struct model_items {
    size_t n;
    uint64_t bytes;
    uint64_t bad;
    struct gm_range range[MODEL_PFNS_MAX];
};

struct model_stats {
    uint64_t value[BALLOON_STAT_TAGS];
    uint32_t valid;
    bool is_report; /* holds at least one entry */
};

/* Each descriptor is a range; of either direction, or only writable ones. */
void model_ranges(const struct gm *gm, const struct vq_chain *chain, bool writable_only,
                  struct model_items *out);

/* The readable descriptors carry page numbers of 32 bits. */
void model_pfns(const struct gm *gm, const struct vq_chain *chain, struct model_items *out);

/*
 * The chain of a hinting queue: writable descriptors are ranges, readable ones of four bytes
 * commands. The last command, if there is one, replaces *cmd. *current: whether the ranges count,
 * as an earlier chain left it and as this one does; a round that was expected and then ended with 0
 * does not begin again. Returns whether there is a command.
 */
bool model_hints(const struct gm *gm, const struct vq_chain *chain, uint32_t expected,
                 bool *current, struct model_items *out, uint32_t *cmd);

/* Returns how many mistakes the buffer has. */
uint64_t model_stats(const struct gm *gm, const struct vq_chain *chain, struct model_stats *out);

#endif
