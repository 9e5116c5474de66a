/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on ranges of guest-physical addresses, with every sum checked. */
#include "memory/range.h"

#include <string.h>

#include "vmm/base/num.h"

bool gm_range_end(struct gm_range r, uint64_t *out_end)
{
    uint64_t end;
    if (!add_u64(r.start, r.len_bytes, &end))
        return false;
    *out_end = end;
    return true;
}

bool gm_range_overlaps(struct gm_range a, struct gm_range b)
{
    struct gm_range common;
    return gm_range_clip(a, b, &common);
}

bool gm_range_contains(struct gm_range outer, struct gm_range inner)
{
    uint64_t outer_end;
    uint64_t inner_end;
    if (!gm_range_end(outer, &outer_end) || !gm_range_end(inner, &inner_end))
        return false;
    return inner.start >= outer.start && inner_end <= outer_end;
}

bool gm_range_clip(struct gm_range r, struct gm_range bounds, struct gm_range *out)
{
    uint64_t r_end;
    uint64_t bounds_end;
    if (!gm_range_end(r, &r_end) || !gm_range_end(bounds, &bounds_end))
        return false;
    uint64_t start = max_u64(r.start, bounds.start);
    uint64_t end = min_u64(r_end, bounds_end);
    if (start >= end)
        return false;
    *out = (struct gm_range){.start = start, .len_bytes = end - start};
    return true;
}

bool gm_range_align_inward(struct gm_range r, uint64_t align_bytes, struct gm_range *out)
{
    uint64_t start;
    uint64_t end;
    if (!gm_range_end(r, &end) || !align_up(r.start, align_bytes, &start))
        return false;
    end = align_down(end, align_bytes);
    if (start >= end)
        return false;
    *out = (struct gm_range){.start = start, .len_bytes = end - start};
    return true;
}

#define RADIX_BITS 8u
#define RADIX      (1u << RADIX_BITS)
/* Up to so many are put in order one by one. */
#define FEW 24u

static bool is_sorted(const struct gm_range *ranges, size_t n)
{
    size_t i = 1;
    while (i < n && ranges[i - 1].start <= ranges[i].start)
        i++;
    return i >= n;
}

static void sort_few(struct gm_range *ranges, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct gm_range moving = ranges[i];
        size_t at = i;
        for (; at > 0 && ranges[at - 1].start > moving.start; at--)
            ranges[at] = ranges[at - 1];
        ranges[at] = moving;
    }
}

/* The lowest of the bits to sort by: the highest ones in which the starts differ. */
static unsigned highest_digit(const struct gm_range *ranges, size_t n)
{
    uint64_t differ = 0;
    for (size_t i = 1; i < n; i++)
        differ |= ranges[i].start ^ ranges[0].start;
    unsigned bits = differ == 0 ? 0 : 64u - (unsigned)__builtin_clzll(differ);
    return bits > RADIX_BITS ? bits - RADIX_BITS : 0;
}

static unsigned digit(struct gm_range range, unsigned shift)
{
    return (unsigned)(range.start >> shift) % RADIX;
}

/* Brings those with the same digit together, in place and in order; ends[d] is where digit d's end.
 */
static void distribute(struct gm_range *ranges, size_t n, unsigned shift, size_t ends[RADIX])
{
    size_t next[RADIX];
    memset(ends, 0, RADIX * sizeof(ends[0]));
    for (size_t i = 0; i < n; i++)
        ends[digit(ranges[i], shift)]++;
    size_t sum = 0;
    for (unsigned d = 0; d < RADIX; d++) {
        next[d] = sum;
        sum += ends[d];
        ends[d] = sum;
    }
    for (unsigned d = 0; d < RADIX; d++) {
        while (next[d] < ends[d]) {
            unsigned to = digit(ranges[next[d]], shift);
            if (to == d) {
                next[d]++;
                continue;
            }
            struct gm_range moving = ranges[next[to]];
            ranges[next[to]++] = ranges[next[d]];
            ranges[next[d]] = moving;
        }
    }
}

/*
 * By digits, the highest first: the guest chooses the order, so a bad worst case would be its to
 * use, and qsort(3) may allocate. No deeper than a start has digits, as each level has one less to
 * differ in.
 */
void gm_ranges_sort(struct gm_range *ranges, size_t n)
{
    if (is_sorted(ranges, n))
        return;
    if (n <= FEW) {
        sort_few(ranges, n);
        return;
    }
    size_t ends[RADIX];
    size_t begin = 0;
    distribute(ranges, n, highest_digit(ranges, n), ends);
    for (unsigned d = 0; d < RADIX; d++) {
        if (ends[d] - begin > 1)
            gm_ranges_sort(&ranges[begin], ends[d] - begin);
        begin = ends[d];
    }
}

size_t gm_ranges_merge(struct gm_range *ranges, size_t n)
{
    gm_ranges_sort(ranges, n);
    size_t kept = 0;
    uint64_t kept_end = 0;
    for (size_t i = 0; i < n; i++) {
        struct gm_range r = ranges[i];
        uint64_t end;
        if (r.len_bytes == 0 || !gm_range_end(r, &end))
            continue;
        if (kept > 0 && r.start <= kept_end) {
            kept_end = max_u64(kept_end, end);
            ranges[kept - 1].len_bytes = kept_end - ranges[kept - 1].start;
            continue;
        }
        ranges[kept++] = r;
        kept_end = end;
    }
    return kept;
}

uint64_t gm_ranges_total(const struct gm_range *ranges, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (!add_u64(total, ranges[i].len_bytes, &total))
            return UINT64_MAX;
    }
    return total;
}
