/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of memory/ share. No other component includes this; its own unit test may. */
#ifndef AEROSTAT_MEMORY_GM_PRIV_H
#define AEROSTAT_MEMORY_GM_PRIV_H

#include "memory/gm.h"

/*
 * Physical addresses have at most 52 bits on x86-64 and on arm64; file offsets then never overflow.
 */
#define GM_ADDRESS_LIMIT (UINT64_C(1) << 52)

/*
 * A region, and the address space reserved for it: inaccessible guards of at least 2 MiB on both
 * sides.
 */
struct gm_slot {
    struct gm_region region;
    void *reserved;
    size_t reserved_len;
};

/* Immutable once gm_create() has returned it; hence no lock. */
struct gm {
    enum gm_backing backing;
    uint64_t size_bytes;
    size_t n; /* slots in use, ascending */
    struct gm_slot slot[GM_MAX_REGIONS];
};

/*
 * The first part of r that lies in one region: its host address, and its length, which is at
 * least 1. NULL when the first byte of r is not RAM, or r is empty or invalid.
 */
void *gm_first_piece(const struct gm *gm, struct gm_range r, uint64_t *out_len);

/*
 * The text of shmem_enabled, such as "always within_size [never] deny force", to a static word if
 * the choice in brackets keeps huge pages from memfds, else to NULL.
 */
const char *gm_thp_obstacle_in(const char *text);

#endif
