/* SPDX-License-Identifier: Apache-2.0 */
/* Derives the memory map of the guest from its RAM regions. */
#include "vmm/boot/x86_64/memmap.h"

#include <assert.h>

#include "vmm/base/num.h"
#include "vmm/boot/x86_64/layout.h"

static void add(struct memmap *map, uint64_t start, uint64_t end, uint32_t type)
{
    assert(map->count < MEMMAP_MAX);
    map->entries[map->count++] =
        (struct memmap_entry){.start = start, .len_bytes = end - start, .type = type};
}

void memmap_build(const struct gm *gm, struct memmap *out)
{
    *out = (struct memmap){0};
    add(out, 0, LAYOUT_LOW_RAM_END, MEMMAP_RAM);
    add(out, LAYOUT_LOW_RAM_END, LAYOUT_HIGH_RAM, MEMMAP_RESERVED);
    for (size_t i = 0; i < gm_region_count(gm); i++) {
        struct gm_range r = gm_region_at(gm, i).range;
        uint64_t start = max_u64(r.start, LAYOUT_HIGH_RAM);
        add(out, start, r.start + r.len_bytes, MEMMAP_RAM);
    }
}

uint64_t memmap_low_ram_end(const struct gm *gm)
{
    if (gm_region_count(gm) == 0)
        return 0;
    struct gm_range first = gm_region_at(gm, 0).range;
    return first.start == 0 ? min_u64(first.len_bytes, LAYOUT_MMIO_GAP_START) : 0;
}
