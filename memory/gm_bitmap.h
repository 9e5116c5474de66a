/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bit for each page of 4096 bytes of guest RAM: which were written, which the guest has given
 * away. Takes 1/32768 of RAM at most: host pages of the bitmap that hold no set bit are not
 * populated until one is set, nor after gm_bitmap_reset().
 *
 * Not thread-safe: one owner.
 */
#ifndef AEROSTAT_MEMORY_GM_BITMAP_H
#define AEROSTAT_MEMORY_GM_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/gm.h"

struct gm_bitmap;

/* All bits clear. gm is borrowed and outlives the bitmap. Returns 0 or -errno of mmap(2). */
int gm_bitmap_create(const struct gm *gm, struct gm_bitmap **out);

/* Accepts NULL. */
void gm_bitmap_destroy(struct gm_bitmap *bitmap);

/* Clears all bits. */
void gm_bitmap_reset(struct gm_bitmap *bitmap);

/*
 * Sets or clears the bits of whole pages in range; parts that are not RAM are left out. Pages of
 * which range has only a part count as outside. Returns how many bits changed.
 */
uint64_t gm_bitmap_set(struct gm_bitmap *bitmap, struct gm_range range);
uint64_t gm_bitmap_clear(struct gm_bitmap *bitmap, struct gm_range range);

/* True if every page that range touches is RAM and set. False for an empty or invalid range. */
bool gm_bitmap_all(const struct gm_bitmap *bitmap, struct gm_range range);

/*
 * The first run of pages in range whose bits all equal value, cut to range. False when there is
 * none. Does not look beyond the end of the region in which the run starts.
 */
bool gm_bitmap_find(const struct gm_bitmap *bitmap, struct gm_range range, bool value,
                    struct gm_range *out);

/* How many bits are set. */
uint64_t gm_bitmap_count(const struct gm_bitmap *bitmap);

/*
 * Sets each page of RAM region i (see gm_region_at()) whose bit is set in words, page n in bit
 * n % 64 of words[n / 64], as KVM_GET_DIRTY_LOG has it. n_words must cover the region.
 */
void gm_bitmap_add_words(struct gm_bitmap *bitmap, size_t region, const uint64_t *words,
                         size_t n_words);

/* How many words the region's part has: one bit a page, rounded up. */
size_t gm_bitmap_region_words(const struct gm_bitmap *bitmap, size_t region);

#endif
