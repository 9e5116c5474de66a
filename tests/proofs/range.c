/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs about ranges, for all 64-bit values where no other bound is stated. No sum overflows
 * unnoticed (CBMC's own checks), and no result has a byte that its inputs have not: shown by one
 * byte that stands for any.
 */
#include "tests/proofs/nondet.h"

/* The number of ranges that are sorted and merged: 0 to this. */
#ifndef MERGED
#define MERGED 4
#endif

void clip_is_the_common_part(void)
{
    struct gm_range r = nondet_range();
    struct gm_range bounds = nondet_range();
    struct gm_range out;
    uint64_t byte = nondet_u64();

    bool common = gm_range_clip(r, bounds, &out);

    assert(!common || out.len_bytes > 0);
    bool in_both = holds_byte(r, byte) && holds_byte(bounds, byte);
    assert(in_both == (common && holds_byte(out, byte)));
    assert(gm_range_overlaps(r, bounds) == common);
    reached(common && in_both);
    reached(common && !in_both);
    reached(!common && r.len_bytes > 0 && bounds.len_bytes > 0);
}

void contained_is_every_byte(void)
{
    struct gm_range outer = nondet_range();
    struct gm_range inner = nondet_range();
    uint64_t byte = nondet_u64();
    uint64_t end;
    uint64_t outer_end;

    bool contained = gm_range_contains(outer, inner);

    assert(!contained || !holds_byte(inner, byte) || holds_byte(outer, byte));
    assert(!contained || (gm_range_end(inner, &end) && gm_range_end(outer, &outer_end)));
    /* Of a valid and not empty range, the first and the last byte decide. */
    bool whole = inner.len_bytes > 0 && gm_range_end(inner, &end) &&
                 holds_byte(outer, inner.start) && holds_byte(outer, end - 1);
    assert(!whole || contained);
    reached(contained && inner.len_bytes > 0);
    reached(contained && inner.len_bytes == 0);
    reached(!contained && holds_byte(outer, byte) && holds_byte(inner, byte));
}

void aligned_inward_are_the_whole_units(void)
{
    struct gm_range r = nondet_range();
    uint8_t shift = nondet_u8();
    assume(shift < 64);
    uint64_t align = UINT64_C(1) << shift;
    uint64_t byte = nondet_u64();
    struct gm_range out;

    bool some = gm_range_align_inward(r, align, &out);

    assert(!some || (out.len_bytes > 0 && out.start % align == 0 && out.len_bytes % align == 0));
    assert(!some || !holds_byte(out, byte) || holds_byte(r, byte));
    /* Every byte whose whole unit is in r is in the result. */
    uint64_t first = byte & ~(align - 1);
    bool unit_in_r = holds_byte(r, first) && holds_byte(r, first + (align - 1));
    assert(!unit_in_r || (some && holds_byte(out, byte)));
    reached(some && shift == 0);
    reached(some && shift == 63);
    reached(!some && shift == 12 && r.len_bytes > 4096);
}

/* For every number of ranges that is shown, since loops with a known bound are cheaper to prove. */
static void sort(size_t n)
{
    struct gm_range in[MERGED];
    struct gm_range out[MERGED];
    struct gm_range any = nondet_range();
    for (size_t i = 0; i < n; i++)
        in[i] = out[i] = nondet_range();

    gm_ranges_sort(out, n);

    size_t before = 0;
    size_t after = 0;
    for (size_t i = 0; i < n; i++) {
        assert(i == 0 || out[i - 1].start <= out[i].start);
        before += in[i].start == any.start && in[i].len_bytes == any.len_bytes;
        after += out[i].start == any.start && out[i].len_bytes == any.len_bytes;
    }
    assert(before == after);
    reached(n == MERGED && before == 1);
    reached(n == MERGED && before == MERGED);
}

void sorted_ascend_and_are_the_same(void)
{
    size_t chosen = nondet_u8();
    for (size_t n = 0; n <= MERGED; n++) {
        if (n == chosen)
            sort(n);
    }
}

/*
 * Stands for gm_ranges_sort() where merging is proven, as sorted_ascend_and_are_the_same() shows it
 * to be: what was not sorted before is another run's input.
 */
void already_sorted(struct gm_range *ranges, size_t n)
{
    for (size_t i = 1; i < n; i++)
        assume(ranges[i - 1].start <= ranges[i].start);
}

#ifdef COARSE
/* 0 to 15 above a multiple of 2^60: every order of so few numbers, each sum that overflows. */
static uint64_t any_number(void)
{
    uint64_t v = nondet_u8();
    return (v >> 4) << 60 | (v & 15);
}
#else
static uint64_t any_number(void)
{
    return nondet_u64();
}
#endif

static void merge(size_t n)
{
    struct gm_range in[MERGED];
    struct gm_range out[MERGED];
    uint64_t byte = any_number();
    bool before = false;
    bool after = false;
    for (size_t i = 0; i < n; i++) {
        in[i] = out[i] = (struct gm_range){any_number(), any_number()};
        before |= holds_byte(in[i], byte);
    }

    size_t kept = gm_ranges_merge(out, n);

    assert(kept <= n);
    uint64_t end = 0;
    for (size_t i = 0; i < n && i < kept; i++) {
        assert(i == 0 || out[i].start > end);
        assert(out[i].len_bytes > 0);
        bool valid = gm_range_end(out[i], &end);
        assert(valid);
        after |= byte >= out[i].start && byte < end;
    }
    assert(before == after);
    reached(n == MERGED && kept == MERGED && before);
    reached(n == MERGED && kept == 1 && !before);
    reached(n == MERGED && kept == 0);
}

void merged_is_the_union_with_gaps(void)
{
    size_t chosen = nondet_u8();
    for (size_t n = 0; n <= MERGED; n++) {
        if (n == chosen)
            merge(n);
    }
}

void total_saturates(void)
{
    struct gm_range r[MERGED];
    unsigned __int128 sum = 0;
    for (size_t i = 0; i < MERGED; i++) {
        r[i] = nondet_range();
        sum += r[i].len_bytes;
    }
    uint64_t total = gm_ranges_total(r, MERGED);
    assert(total == (sum > UINT64_MAX ? UINT64_MAX : sum));
    reached(total == UINT64_MAX && sum > UINT64_MAX);
    reached(total == 3);
}
