/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of 2 MiB, against a model of one byte a page. */
#include <stdlib.h>
#include <string.h>

#include "memory/gm_pieces.h"
#include "tests/unit/memory/suites.h"
#include "vmm/base/num.h"

#define PAGE   GM_PAGE_SIZE
#define HUGE   GM_HUGE_SIZE
#define IN_ONE ((size_t)(HUGE / PAGE))

/* Four huge pages, and half of one at the end. */
#define START UINT64_C(0x40000000)
#define PAGES (4 * IN_ONE + IN_ONE / 2)

static struct gm *gm;
static struct gm_pieces *pieces;
static bool given[PAGES];
static bool waiting[PAGES];

static void setup(void)
{
    struct gm_range r = {START, PAGES * PAGE};
    ck_assert_int_eq(gm_create(&r, 1, GM_BACKING_THP, &gm, NULL), 0);
    ck_assert_int_eq(gm_pieces_create(gm, &pieces), 0);
    memset(given, 0, sizeof(given));
    memset(waiting, 0, sizeof(waiting));
}

static void teardown(void)
{
    gm_pieces_destroy(pieces);
    gm_destroy(gm);
}

static struct gm_range pages(size_t first, size_t n)
{
    return (struct gm_range){START + first * PAGE, n * PAGE};
}

static bool whole(size_t huge)
{
    for (size_t i = huge * IN_ONE; i < (huge + 1) * IN_ONE; i++) {
        if (i >= PAGES || !given[i])
            return false;
    }
    return true;
}

/* What the model says gm_pieces_give() leaves of [first, first + n): whole huge pages touched. */
static void give(size_t first, size_t n)
{
    struct gm_range range = pages(first, n);
    bool expect[PAGES] = {false};
    for (size_t i = first; i < first + n; i++)
        given[i] = waiting[i] = true;
    for (size_t huge = first / IN_ONE; huge * IN_ONE < first + n; huge++) {
        for (size_t i = huge * IN_ONE; whole(huge) && i < (huge + 1) * IN_ONE; i++) {
            expect[i] = true;
            waiting[i] = false;
        }
    }
    size_t left = gm_pieces_give(pieces, &range, 1);
    ck_assert_uint_le(left, 1);
    /* Check writes a note for each assertion: only what is wrong is worth one. */
    for (size_t i = 0; i < PAGES; i++) {
        if ((left == 1 && gm_range_contains(range, pages(i, 1))) != expect[i])
            ck_abort_msg("page %zu after giving %zu from %zu", i, n, first);
    }
}

static void take(size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++)
        given[i] = waiting[i] = false;
    gm_pieces_take(pieces, pages(first, n));
}

static uint64_t model_waits(void)
{
    uint64_t n = 0;
    for (size_t i = 0; i < PAGES; i++)
        n += waiting[i];
    return n * PAGE;
}

static void flush(size_t cap)
{
    struct gm_range out[8];
    size_t n;
    while ((n = gm_pieces_flush(pieces, out, cap)) > 0) {
        for (size_t r = 0; r < n; r++) {
            for (size_t i = 0; i < PAGES; i++) {
                if (!gm_range_overlaps(out[r], pages(i, 1)))
                    continue;
                if (!waiting[i])
                    ck_abort_msg("page %zu did not wait", i);
                waiting[i] = false;
            }
        }
    }
    ck_assert_uint_eq(model_waits(), 0);
}

START_TEST(any_sequence_is_what_a_model_says)
{
    srand(271828);
    for (unsigned round = 0; round < 2000; round++) {
        size_t first = (size_t)rand() % PAGES;
        size_t most = PAGES - first;
        size_t n = 1 + (size_t)rand() % (rand() % 4 == 0 ? most : min_u64(most, 300));
        int what = rand() % 16;
        if (what < 11)
            give(first, n);
        else if (what < 14)
            take(first, 1 + n / 4);
        else if (what < 15)
            flush(1 + (size_t)rand() % 8);
        ck_assert_uint_eq(gm_pieces_waiting_bytes(pieces), model_waits());
    }
}
END_TEST

START_TEST(two_ranges_that_complete_one_huge_page_name_it_once)
{
    struct gm_range two[] = {pages(0, 100), pages(101, IN_ONE - 101)};
    give(100, 1);
    ck_assert_uint_eq(gm_pieces_give(pieces, two, 2), 1);
    ck_assert_uint_eq(two[0].start, START);
    ck_assert_uint_eq(two[0].len_bytes, HUGE);
    ck_assert_uint_eq(gm_pieces_waiting_bytes(pieces), 0);
}
END_TEST

START_TEST(neighbours_that_become_whole_are_one_range)
{
    struct gm_range three[] = {pages(0, IN_ONE - 1), pages(IN_ONE, IN_ONE / 2),
                               pages(IN_ONE + IN_ONE / 2 + 1, 2 * IN_ONE)};
    give(IN_ONE - 1, 1);
    give(IN_ONE + IN_ONE / 2, 1);
    ck_assert_uint_eq(gm_pieces_give(pieces, three, 3), 1);
    ck_assert_uint_eq(three[0].start, START);
    ck_assert_uint_eq(three[0].len_bytes, 3 * HUGE);
    ck_assert_uint_eq(gm_pieces_waiting_bytes(pieces), (IN_ONE / 2 + 1) * PAGE);
}
END_TEST

START_TEST(half_a_huge_page_at_the_end_of_ram_is_never_whole)
{
    give(4 * IN_ONE, IN_ONE / 2);
    ck_assert_uint_eq(gm_pieces_waiting_bytes(pieces), HUGE / 2);
    flush(8);
}
END_TEST

START_TEST(what_is_forgotten_completes_nothing)
{
    give(0, IN_ONE - 1);
    gm_pieces_forget(pieces);
    memset(given, 0, sizeof(given));
    memset(waiting, 0, sizeof(waiting));
    ck_assert_uint_eq(gm_pieces_waiting_bytes(pieces), 0);
    give(IN_ONE - 1, 1);
    ck_assert_uint_eq(gm_pieces_waiting_bytes(pieces), PAGE);
}
END_TEST

START_TEST(ranges_that_are_none_are_left_out)
{
    struct gm_range none[] = {{START, 0}, {UINT64_MAX - 1, 2}, {UINT64_MAX, 5}};
    ck_assert_uint_eq(gm_pieces_give(pieces, none, 3), 0);
    gm_pieces_take(pieces, (struct gm_range){UINT64_MAX, 5});
    ck_assert_uint_eq(gm_pieces_waiting_bytes(pieces), 0);
}
END_TEST

Suite *gm_pieces_suite(void)
{
    Suite *suite = suite_create("memory: pieces");
    TCase *tc = tcase_create("pieces");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, any_sequence_is_what_a_model_says);
    tcase_add_test(tc, two_ranges_that_complete_one_huge_page_name_it_once);
    tcase_add_test(tc, neighbours_that_become_whole_are_one_range);
    tcase_add_test(tc, half_a_huge_page_at_the_end_of_ram_is_never_whole);
    tcase_add_test(tc, what_is_forgotten_completes_nothing);
    tcase_add_test(tc, ranges_that_are_none_are_left_out);
    suite_add_tcase(suite, tc);
    return suite;
}
