/* SPDX-License-Identifier: Apache-2.0 */
/* The physical memory map that a kernel is told, the same by the zero page and by PVH. */
#ifndef AEROSTAT_BOOT_X86_64_MEMMAP_H
#define AEROSTAT_BOOT_X86_64_MEMMAP_H

#include <stddef.h>
#include <stdint.h>

#include "memory/gm.h"

/* Address range types (ACPI 6.4, table 15.5); the same numbers in the zero page and in PVH. */
#define MEMMAP_RAM      1u
#define MEMMAP_RESERVED 2u

struct memmap_entry {
    uint64_t start;
    uint64_t len_bytes;
    uint32_t type;
};

/* Each region is one entry, but for the first: it has the reserved part below 1 MiB in it. */
#define MEMMAP_MAX (GM_MAX_REGIONS + 2u)

struct memmap {
    struct memmap_entry entries[MEMMAP_MAX];
    size_t count;
};

/* gm's first region starts at 0 and is larger than 1 MiB. Ascending and disjoint. */
void memmap_build(const struct gm *gm, struct memmap *out);

/* First address behind the RAM that starts at 0, at most LAYOUT_MMIO_GAP_START; 0 without any. */
uint64_t memmap_low_ram_end(const struct gm *gm);

#endif
