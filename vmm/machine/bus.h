/* SPDX-License-Identifier: Apache-2.0 */
/* Which device answers at an address: one table for I/O ports, one for MMIO. Filled before the
 * vCPUs run, then only read. */
#ifndef AEROSTAT_MACHINE_BUS_H
#define AEROSTAT_MACHINE_BUS_H

#include <stddef.h>
#include <stdint.h>

#include "memory/range.h"

#define BUS_SLOTS_MAX 32u

/* offset is relative to the slot. vCPU threads. */
struct bus_ops {
    void (*read)(void *arg, uint64_t offset, uint8_t *data, uint32_t len);
    void (*write)(void *arg, uint64_t offset, const uint8_t *data, uint32_t len);
};

struct bus_slot {
    struct gm_range range;
    const struct bus_ops *ops;
    void *arg; /* borrowed; outlives the bus's last access */
};

/* Zero-initialise. */
struct bus {
    struct bus_slot slots[BUS_SLOTS_MAX];
    size_t count;
    _Atomic uint64_t unclaimed; /* accesses that no slot holds whole */
};

/* Returns 0; -EINVAL for an empty or wrapping range; -EEXIST if it overlaps a slot; -ENOSPC if the
 * table is full. */
int bus_add(struct bus *bus, struct gm_range range, const struct bus_ops *ops, void *arg);

/* Reads what nothing claims as ones, as a PC does. Any vCPU thread. */
void bus_read(struct bus *bus, uint64_t addr, uint8_t *data, uint32_t len);

/* Ignores and counts what nothing claims. Any vCPU thread. */
void bus_write(struct bus *bus, uint64_t addr, const uint8_t *data, uint32_t len);

#endif
