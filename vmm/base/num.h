/* SPDX-License-Identifier: Apache-2.0 */
/* Checked arithmetic and alignment on 64-bit quantities. */
#ifndef AEROSTAT_BASE_NUM_H
#define AEROSTAT_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* True and *out = a + b, or false when the sum does not fit. */
static inline bool add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* align is a power of two. */
static inline bool is_aligned(uint64_t v, uint64_t align)
{
    return (v & (align - 1)) == 0;
}

/* align is a power of two. */
static inline uint64_t align_down(uint64_t v, uint64_t align)
{
    return v & ~(align - 1);
}

/* True and *out = v rounded up, or false when that does not fit. align is a power of two. */
static inline bool align_up(uint64_t v, uint64_t align, uint64_t *out)
{
    uint64_t sum;
    if (!add_u64(v, align - 1, &sum))
        return false;
    *out = align_down(sum, align);
    return true;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* a - b, or 0 where that would be negative. */
static inline uint64_t sub_sat_u64(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

#endif
