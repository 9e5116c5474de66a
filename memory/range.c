/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on ranges of guest-physical addresses, with every sum checked. */
#include "memory/range.h"

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

/* Moves the range at root down until the heap [0, n), greatest start on top, is in order again. */
static void heap_sift_down(struct gm_range *heap, size_t root, size_t n)
{
    struct gm_range moving = heap[root];
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n)
            break;
        if (child + 1 < n && heap[child + 1].start > heap[child].start)
            child++;
        if (heap[child].start <= moving.start)
            break;
        heap[root] = heap[child];
        root = child;
    }
    heap[root] = moving;
}

static bool is_sorted(const struct gm_range *ranges, size_t n)
{
    size_t i = 1;
    while (i < n && ranges[i - 1].start <= ranges[i].start)
        i++;
    return i >= n;
}

/*
 * Heapsort: the guest chooses the order, so a bad worst case would be its to use, and qsort(3) may
 * allocate.
 */
void gm_ranges_sort(struct gm_range *ranges, size_t n)
{
    if (is_sorted(ranges, n))
        return;
    for (size_t i = n / 2; i > 0; i--)
        heap_sift_down(ranges, i - 1, n);
    for (size_t last = n; last > 1; last--) {
        struct gm_range greatest = ranges[0];
        ranges[0] = ranges[last - 1];
        ranges[last - 1] = greatest;
        heap_sift_down(ranges, 0, last - 1);
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
