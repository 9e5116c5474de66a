/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on ranges of guest-physical addresses. Nothing here touches memory; any thread. */
#ifndef AEROSTAT_MEMORY_RANGE_H
#define AEROSTAT_MEMORY_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* [start, start + len_bytes). A range that would pass 2^64 is invalid; one of length 0 is empty. */
struct gm_range {
    uint64_t start;
    uint64_t len_bytes;
};

/*
 * True and *out_end = start + len_bytes (the first address behind it); false if that does not fit
 * in 64 bits.
 */
bool gm_range_end(struct gm_range r, uint64_t *out_end);

/* True if the two share at least one byte. False when either is empty or invalid. */
bool gm_range_overlaps(struct gm_range a, struct gm_range b);

/*
 * True if inner is valid and lies wholly in outer. An empty inner does when its start is in, or at
 * the end of, outer.
 */
bool gm_range_contains(struct gm_range outer, struct gm_range inner);

/* True and *out = the common part; false when there is none or either is invalid. */
bool gm_range_clip(struct gm_range r, struct gm_range bounds, struct gm_range *out);

/*
 * The largest range in r whose start and length are multiples of align_bytes (a power of two).
 * False when no whole unit lies in r, or r is invalid.
 */
bool gm_range_align_inward(struct gm_range r, uint64_t align_bytes, struct gm_range *out);

/* Sorts by start. In place, no allocation, and at most 8 passes over the ranges whatever their
 * order. */
void gm_ranges_sort(struct gm_range *ranges, size_t n);

/*
 * Sorts, drops empty and invalid ranges, and joins those that touch or overlap. In place. Returns
 * how many remain: ascending, disjoint, with a gap between neighbours.
 */
size_t gm_ranges_merge(struct gm_range *ranges, size_t n);

/* Sum of the lengths, saturating at UINT64_MAX. */
uint64_t gm_ranges_total(const struct gm_range *ranges, size_t n);

#endif
