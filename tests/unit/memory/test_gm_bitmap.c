/* SPDX-License-Identifier: Apache-2.0 */
/* The bitmap of guest pages, against a model of one byte a page. */
#include <stdlib.h>
#include <string.h>

#include "memory/gm_bitmap.h"
#include "tests/unit/memory/suites.h"
#include "vmm/base/num.h"

#define PAGE GM_PAGE_SIZE

/* A region that ends in the middle of a word, one that follows at once, one behind a gap. */
#define A_START UINT64_C(0x100000)
#define A_PAGES 150u
#define B_START (A_START + A_PAGES * PAGE)
#define B_PAGES 64u
#define C_START UINT64_C(0x100000000)
#define C_PAGES 5u
#define PAGES   (A_PAGES + B_PAGES + C_PAGES)

static struct gm *gm;
static struct gm_bitmap *bitmap;
static bool model[PAGES];

static void setup(void)
{
    struct gm_range r[] = {
        {A_START, A_PAGES * PAGE}, {B_START, B_PAGES * PAGE}, {C_START, C_PAGES * PAGE}};
    ck_assert_int_eq(gm_create(r, ARRAY_LEN(r), GM_BACKING_4K, &gm, NULL), 0);
    ck_assert_int_eq(gm_bitmap_create(gm, &bitmap), 0);
    memset(model, 0, sizeof(model));
}

static void teardown(void)
{
    gm_bitmap_destroy(bitmap);
    gm_destroy(gm);
}

static uint64_t page_at(size_t i)
{
    return i < A_PAGES + B_PAGES ? A_START + i * PAGE : C_START + (i - A_PAGES - B_PAGES) * PAGE;
}

static struct gm_range page(size_t i)
{
    return (struct gm_range){page_at(i), PAGE};
}

static void equals_model(void)
{
    uint64_t count = 0;
    for (size_t i = 0; i < PAGES; i++) {
        ck_assert_msg(gm_bitmap_all(bitmap, page(i)) == model[i], "page %zu", i);
        count += model[i];
    }
    ck_assert_uint_eq(gm_bitmap_count(bitmap), count);
}

START_TEST(any_sequence_of_changes_is_what_a_model_says)
{
    srand(4711);
    for (unsigned round = 0; round < 3000; round++) {
        bool value = rand() % 2;
        size_t first = (size_t)rand() % PAGES;
        size_t n = 1 + (size_t)rand() % (round % 3 == 0 ? PAGES : 4);
        struct gm_range range = {page_at(first), n * PAGE};
        uint64_t changed = 0;
        for (size_t i = 0; i < PAGES; i++) {
            if (!gm_range_contains(range, page(i)))
                continue;
            changed += model[i] != value;
            model[i] = value;
        }
        uint64_t got = value ? gm_bitmap_set(bitmap, range) : gm_bitmap_clear(bitmap, range);
        ck_assert_uint_eq(got, changed);
        if (round % 64 == 0)
            equals_model();
    }
    equals_model();
    gm_bitmap_reset(bitmap);
    memset(model, 0, sizeof(model));
    equals_model();
}
END_TEST

START_TEST(runs_are_found_from_the_front_and_cut_to_the_range)
{
    struct gm_range run;
    const struct gm_range all = {0, C_START + C_PAGES * PAGE};
    ck_assert(!gm_bitmap_find(bitmap, all, true, &run));
    ck_assert(gm_bitmap_find(bitmap, all, false, &run));
    ck_assert_uint_eq(run.start, A_START);
    ck_assert_uint_eq(run.len_bytes, A_PAGES * PAGE);

    ck_assert_uint_eq(gm_bitmap_set(bitmap, (struct gm_range){page_at(60), 70 * PAGE}), 70);
    ck_assert(gm_bitmap_find(bitmap, all, true, &run));
    ck_assert_uint_eq(run.start, page_at(60));
    ck_assert_uint_eq(run.len_bytes, 70 * PAGE);
    ck_assert(gm_bitmap_find(bitmap, (struct gm_range){page_at(64), 3 * PAGE}, true, &run));
    ck_assert_uint_eq(run.start, page_at(64));
    ck_assert_uint_eq(run.len_bytes, 3 * PAGE);
    ck_assert(gm_bitmap_find(bitmap, (struct gm_range){page_at(100), 100 * PAGE}, false, &run));
    ck_assert_uint_eq(run.start, page_at(130));
    ck_assert_uint_eq(run.len_bytes, 20 * PAGE);

    ck_assert_uint_eq(gm_bitmap_set(bitmap, page(PAGES - 1)), 1);
    ck_assert(gm_bitmap_find(bitmap, (struct gm_range){C_START, C_PAGES * PAGE}, true, &run));
    ck_assert_uint_eq(run.start, page_at(PAGES - 1));
    ck_assert_uint_eq(run.len_bytes, PAGE);
}
END_TEST

START_TEST(all_means_every_page_that_is_touched_and_no_hole)
{
    (void)gm_bitmap_set(bitmap, (struct gm_range){0, UINT64_MAX});
    ck_assert(gm_bitmap_all(bitmap, (struct gm_range){A_START, (A_PAGES + B_PAGES) * PAGE}));
    ck_assert(gm_bitmap_all(bitmap, (struct gm_range){A_START + 1, 1}));
    ck_assert(gm_bitmap_all(bitmap, (struct gm_range){C_START, C_PAGES * PAGE}));
    const struct gm_range not [] = {{A_START - PAGE, 2 * PAGE},
                                    {A_START, (A_PAGES + B_PAGES + 1) * PAGE},
                                    {A_START, C_START - A_START + PAGE},
                                    {C_START, (C_PAGES + 1) * PAGE},
                                    {0, PAGE},
                                    {A_START, 0},
                                    {UINT64_MAX - PAGE + 1, PAGE},
                                    {UINT64_MAX, 1}};
    for (size_t i = 0; i < ARRAY_LEN(not ); i++)
        ck_assert_msg(!gm_bitmap_all(bitmap, not [i]), "case %zu", i);
    (void)gm_bitmap_clear(bitmap, page(149));
    ck_assert(!gm_bitmap_all(bitmap, (struct gm_range){page_at(149) + PAGE - 1, 2}));
    ck_assert(gm_bitmap_all(bitmap, (struct gm_range){page_at(150), PAGE}));
}
END_TEST

START_TEST(parts_of_pages_and_what_is_no_ram_are_left_out)
{
    ck_assert_uint_eq(gm_bitmap_set(bitmap, (struct gm_range){A_START + 1, 2 * PAGE}), 1);
    ck_assert(gm_bitmap_all(bitmap, page(1)));
    ck_assert_uint_eq(gm_bitmap_set(bitmap, (struct gm_range){0, A_START + PAGE}), 1);
    ck_assert_uint_eq(gm_bitmap_set(bitmap, (struct gm_range){UINT64_MAX - 5, 100}), 0);
    ck_assert_uint_eq(gm_bitmap_set(bitmap, (struct gm_range){C_START + C_PAGES * PAGE, PAGE}), 0);
    ck_assert_uint_eq(gm_bitmap_count(bitmap), 2);
}
END_TEST

START_TEST(words_are_added_to_their_region_and_not_beyond_its_end)
{
    const uint64_t words[3] = {UINT64_C(1) << 63, 1, UINT64_MAX};
    ck_assert_uint_eq(gm_bitmap_region_words(bitmap, 0), 3);
    ck_assert_uint_eq(gm_bitmap_region_words(bitmap, 1), 1);
    ck_assert_uint_eq(gm_bitmap_region_words(bitmap, 2), 1);
    gm_bitmap_add_words(bitmap, 0, words, 3);
    model[63] = model[64] = true;
    for (size_t i = 128; i < A_PAGES; i++)
        model[i] = true;
    equals_model();
    const uint64_t last = UINT64_MAX;
    gm_bitmap_add_words(bitmap, 2, &last, 1);
    for (size_t i = A_PAGES + B_PAGES; i < PAGES; i++)
        model[i] = true;
    equals_model();
}
END_TEST

Suite *gm_bitmap_suite(void)
{
    Suite *suite = suite_create("memory: bitmap");
    TCase *tc = tcase_create("bitmap");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, any_sequence_of_changes_is_what_a_model_says);
    tcase_add_test(tc, runs_are_found_from_the_front_and_cut_to_the_range);
    tcase_add_test(tc, all_means_every_page_that_is_touched_and_no_hole);
    tcase_add_test(tc, parts_of_pages_and_what_is_no_ram_are_left_out);
    tcase_add_test(tc, words_are_added_to_their_region_and_not_beyond_its_end);
    suite_add_tcase(suite, tc);
    return suite;
}
