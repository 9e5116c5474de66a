/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges: tables for the single operations, a bitmap model for sorting and merging. */
#include <stdlib.h>
#include <string.h>

#include "memory/range.h"
#include "tests/unit/memory/suites.h"
#include "vmm/base/num.h"

#define MAX UINT64_MAX

static const struct {
    struct gm_range r;
    bool ok;
    uint64_t end;
} end_cases[] = {
    {{0, 0}, true, 0},        {{0, MAX}, true, MAX},
    {{MAX, 0}, true, MAX},    {{MAX - 4, 4}, true, MAX},
    {{MAX - 4, 5}, false, 0}, {{MAX, 1}, false, 0},
    {{MAX, MAX}, false, 0},   {{UINT64_C(1) << 63, UINT64_C(1) << 63}, false, 0},
};

START_TEST(end_is_checked_against_wrapping)
{
    uint64_t end = 12345;
    ck_assert_int_eq(gm_range_end(end_cases[_i].r, &end), end_cases[_i].ok);
    ck_assert_uint_eq(end, end_cases[_i].ok ? end_cases[_i].end : 12345);
}
END_TEST

static const struct {
    struct gm_range a, b;
    bool overlap, a_contains_b;
} relation_cases[] = {
    {{10, 10}, {10, 10}, true, true},
    {{10, 10}, {12, 3}, true, true},
    {{10, 10}, {19, 1}, true, true},
    {{10, 10}, {19, 2}, true, false},
    {{10, 10}, {20, 1}, false, false},
    {{10, 10}, {9, 1}, false, false},
    {{10, 10}, {9, 2}, true, false},
    {{10, 10}, {0, 100}, true, false},
    {{10, 10}, {15, 0}, false, true},
    {{10, 10}, {20, 0}, false, true},
    {{10, 10}, {21, 0}, false, false},
    {{10, 0}, {10, 0}, false, true},
    {{10, 0}, {10, 1}, false, false},
    {{0, MAX}, {5, MAX - 5}, true, true},
    {{0, MAX}, {5, MAX - 4}, false, false},
    {{5, MAX}, {5, 1}, false, false},
    {{MAX - 1, 1}, {MAX - 1, 2}, false, false},
};

START_TEST(two_ranges_relate_as_sets_of_bytes_do)
{
    ck_assert_int_eq(gm_range_overlaps(relation_cases[_i].a, relation_cases[_i].b),
                     relation_cases[_i].overlap);
    ck_assert_int_eq(gm_range_overlaps(relation_cases[_i].b, relation_cases[_i].a),
                     relation_cases[_i].overlap);
    ck_assert_int_eq(gm_range_contains(relation_cases[_i].a, relation_cases[_i].b),
                     relation_cases[_i].a_contains_b);
}
END_TEST

static void assert_range(bool got, struct gm_range r, bool want, struct gm_range wanted)
{
    ck_assert_int_eq(got, want);
    if (want) {
        ck_assert_uint_eq(r.start, wanted.start);
        ck_assert_uint_eq(r.len_bytes, wanted.len_bytes);
    }
}

static const struct {
    struct gm_range r, bounds;
    bool ok;
    struct gm_range out;
} clip_cases[] = {
    {{0, 100}, {10, 10}, true, {10, 10}}, {{15, 100}, {10, 10}, true, {15, 5}},
    {{5, 6}, {10, 10}, true, {10, 1}},    {{12, 2}, {10, 10}, true, {12, 2}},
    {{5, 5}, {10, 10}, false, {0, 0}},    {{20, 5}, {10, 10}, false, {0, 0}},
    {{12, 0}, {10, 10}, false, {0, 0}},   {{12, MAX}, {10, 10}, false, {0, 0}},
    {{12, 1}, {10, MAX}, false, {0, 0}},  {{0, MAX}, {MAX - 1, 1}, true, {MAX - 1, 1}},
};

START_TEST(clipping_leaves_the_common_part)
{
    struct gm_range out;
    bool ok = gm_range_clip(clip_cases[_i].r, clip_cases[_i].bounds, &out);
    assert_range(ok, out, clip_cases[_i].ok, clip_cases[_i].out);
}
END_TEST

static const struct {
    struct gm_range r;
    uint64_t align;
    bool ok;
    struct gm_range out;
} align_cases[] = {
    {{0, 4096}, 4096, true, {0, 4096}},
    {{1, 4096}, 4096, false, {0, 0}},
    {{1, 8191}, 4096, true, {4096, 4096}},
    {{0, 4095}, 4096, false, {0, 0}},
    {{4095, 4098}, 4096, true, {4096, 4096}},
    {{8192, 0}, 4096, false, {0, 0}},
    {{0x1000, 0x400000}, 0x200000, true, {0x200000, 0x200000}},
    {{0x1ff000, 0x200000}, 0x200000, false, {0, 0}},
    {{7, 3}, 1, true, {7, 3}},
    {{MAX - 100, 99}, 4096, false, {0, 0}},
    {{MAX - 8191, 8191}, 4096, true, {MAX - 8191, 4096}},
    {{4096, MAX}, 4096, false, {0, 0}},
};

START_TEST(aligning_cuts_inward_only)
{
    struct gm_range out;
    bool ok = gm_range_align_inward(align_cases[_i].r, align_cases[_i].align, &out);
    assert_range(ok, out, align_cases[_i].ok, align_cases[_i].out);
}
END_TEST

static const struct {
    size_t n, want_n;
    struct gm_range in[5], want[5];
} merge_cases[] = {
    {0, 0, {{0, 0}}, {{0, 0}}},
    {1, 1, {{7, 1}}, {{7, 1}}},
    {1, 0, {{7, 0}}, {{0, 0}}},
    {2, 1, {{10, 5}, {0, 10}}, {{0, 15}}},
    {2, 2, {{11, 5}, {0, 10}}, {{0, 10}, {11, 5}}},
    {3, 1, {{0, 100}, {10, 5}, {20, 80}}, {{0, 100}}},
    {3, 1, {{5, 5}, {5, 5}, {5, 5}}, {{5, 5}}},
    {3, 1, {{0, 4}, {4, 0}, {4, 4}}, {{0, 8}}},
    {4, 2, {{MAX, 1}, {3, MAX}, {2, 1}, {MAX - 1, 1}}, {{2, 1}, {MAX - 1, 1}}},
    {5, 2, {{40, 1}, {8, 8}, {0, 4}, {4, 4}, {16, 1}}, {{0, 17}, {40, 1}}},
};

START_TEST(merging_joins_what_touches_and_drops_what_is_nothing)
{
    struct gm_range r[5];
    memcpy(r, merge_cases[_i].in, sizeof(r));
    ck_assert_uint_eq(gm_ranges_merge(r, merge_cases[_i].n), merge_cases[_i].want_n);
    for (size_t i = 0; i < merge_cases[_i].want_n; i++)
        assert_range(true, r[i], true, merge_cases[_i].want[i]);
}
END_TEST

START_TEST(total_saturates)
{
    struct gm_range r[] = {{0, 5}, {9, 6}, {0, MAX - 11}, {0, 1}};
    ck_assert_uint_eq(gm_ranges_total(r, 0), 0);
    ck_assert_uint_eq(gm_ranges_total(r, 2), 11);
    ck_assert_uint_eq(gm_ranges_total(r, 3), MAX);
    ck_assert_uint_eq(gm_ranges_total(r, 4), MAX);
}
END_TEST

#define MODEL_UNITS  600u
#define MODEL_RANGES 200u

/* Fills r with up to MODEL_RANGES random ranges and says in model which units they cover. */
static size_t random_ranges(unsigned int *seed, struct gm_range *r, bool *model)
{
    size_t n = (size_t)rand_r(seed) % (MODEL_RANGES + 1);
    uint64_t longest = 1 + (uint64_t)rand_r(seed) % 12;
    memset(model, 0, MODEL_UNITS * sizeof(*model));
    for (size_t i = 0; i < n; i++) {
        r[i].start = (uint64_t)rand_r(seed) % MODEL_UNITS;
        r[i].len_bytes = min_u64((uint64_t)rand_r(seed) % (longest + 1), MODEL_UNITS - r[i].start);
        for (uint64_t u = 0; u < r[i].len_bytes; u++)
            model[r[i].start + u] = true;
    }
    return n;
}

START_TEST(merging_agrees_with_a_bitmap)
{
    static struct gm_range r[MODEL_RANGES];
    static bool model[MODEL_UNITS];
    static bool covered[MODEL_UNITS];
    unsigned int seed = 20170726;
    for (int round = 0; round < 2000; round++) {
        size_t n = gm_ranges_merge(r, random_ranges(&seed, r, model));
        memset(covered, 0, sizeof(covered));
        for (size_t i = 0; i < n; i++) {
            ck_assert_uint_gt(r[i].len_bytes, 0);
            if (i > 0)
                ck_assert_uint_gt(r[i].start, r[i - 1].start + r[i - 1].len_bytes);
            for (uint64_t u = 0; u < r[i].len_bytes; u++)
                covered[r[i].start + u] = true;
        }
        ck_assert_mem_eq(covered, model, sizeof(covered));
    }
}
END_TEST

START_TEST(sorting_orders_by_start_and_keeps_every_range)
{
    static struct gm_range r[MODEL_RANGES];
    static bool model[MODEL_UNITS];
    unsigned int seed = 5;
    for (int round = 0; round < 500; round++) {
        size_t n = random_ranges(&seed, r, model);
        uint64_t total = gm_ranges_total(r, n);
        gm_ranges_sort(r, n);
        ck_assert_uint_eq(gm_ranges_total(r, n), total);
        for (size_t i = 0; i < n; i++) {
            if (i > 0)
                ck_assert_uint_ge(r[i].start, r[i - 1].start);
            for (uint64_t u = 0; u < r[i].len_bytes; u++)
                ck_assert(model[r[i].start + u]);
        }
    }
}
END_TEST

static int by_start(const void *a, const void *b)
{
    uint64_t x = ((const struct gm_range *)a)->start;
    uint64_t y = ((const struct gm_range *)b)->start;
    return (x > y) - (x < y);
}

/* Starts that differ in all of 64 bits, in few of them, high ones or low ones, or not at all. */
START_TEST(ranges_are_sorted_whatever_they_differ_in)
{
    static const uint64_t masks[] = {
        UINT64_MAX, 0xfffff000, UINT64_C(0xff) << 56, 0xff, 0x100, UINT64_C(1) << 63 | 1, 0};
    static const size_t sizes[] = {2, 24, 25, 26, 256, 257, 1000, 20000};
    static struct gm_range sorted[20000];
    static struct gm_range expected[20000];
    uint64_t state = 7;
    for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
        for (unsigned round = 0; round < 20000 / sizes[s] + 1 && round < 500; round++) {
            for (size_t i = 0; i < sizes[s]; i++) {
                state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                uint64_t start = (state ^ state >> 33) & masks[_i];
                sorted[i] = (struct gm_range){.start = start, .len_bytes = start};
            }
            memcpy(expected, sorted, sizes[s] * sizeof(expected[0]));
            qsort(expected, sizes[s], sizeof(expected[0]), by_start);
            gm_ranges_sort(sorted, sizes[s]);
            ck_assert_mem_eq(sorted, expected, sizes[s] * sizeof(expected[0]));
        }
    }
}
END_TEST

Suite *range_suite(void)
{
    Suite *suite = suite_create("range");
    TCase *tc = tcase_create("range");
    tcase_add_loop_test(tc, end_is_checked_against_wrapping, 0, ARRAY_LEN(end_cases));
    tcase_add_loop_test(tc, two_ranges_relate_as_sets_of_bytes_do, 0, ARRAY_LEN(relation_cases));
    tcase_add_loop_test(tc, clipping_leaves_the_common_part, 0, ARRAY_LEN(clip_cases));
    tcase_add_loop_test(tc, aligning_cuts_inward_only, 0, ARRAY_LEN(align_cases));
    tcase_add_loop_test(tc, merging_joins_what_touches_and_drops_what_is_nothing, 0,
                        ARRAY_LEN(merge_cases));
    tcase_add_test(tc, total_saturates);
    tcase_add_test(tc, merging_agrees_with_a_bitmap);
    tcase_add_test(tc, sorting_orders_by_start_and_keeps_every_range);
    tcase_add_loop_test(tc, ranges_are_sorted_whatever_they_differ_in, 0, 7);
    suite_add_tcase(suite, tc);
    return suite;
}
