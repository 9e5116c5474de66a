/* SPDX-License-Identifier: Apache-2.0 */
/* Address to device dispatch. */
#include "vmm/machine/bus.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

int bus_add(struct bus *bus, struct gm_range range, const struct bus_ops *ops, void *arg)
{
    uint64_t end;
    if (range.len_bytes == 0 || !gm_range_end(range, &end))
        return -EINVAL;
    for (size_t i = 0; i < bus->count; i++) {
        if (gm_range_overlaps(bus->slots[i].range, range))
            return -EEXIST;
    }
    if (bus->count == BUS_SLOTS_MAX)
        return -ENOSPC;
    bus->slots[bus->count++] = (struct bus_slot){.range = range, .ops = ops, .arg = arg};
    return 0;
}

static const struct bus_slot *find(struct bus *bus, uint64_t addr, uint32_t len)
{
    struct gm_range access = {.start = addr, .len_bytes = len};
    for (size_t i = 0; i < bus->count; i++) {
        if (gm_range_contains(bus->slots[i].range, access))
            return &bus->slots[i];
    }
    atomic_fetch_add_explicit(&bus->unclaimed, 1, memory_order_relaxed);
    return NULL;
}

void bus_read(struct bus *bus, uint64_t addr, uint8_t *data, uint32_t len)
{
    const struct bus_slot *slot = find(bus, addr, len);
    if (slot == NULL)
        memset(data, 0xff, len);
    else
        slot->ops->read(slot->arg, addr - slot->range.start, data, len);
}

void bus_write(struct bus *bus, uint64_t addr, const uint8_t *data, uint32_t len)
{
    const struct bus_slot *slot = find(bus, addr, len);
    if (slot != NULL)
        slot->ops->write(slot->arg, addr - slot->range.start, data, len);
}
