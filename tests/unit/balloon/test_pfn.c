/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of page numbers, as a stock driver sends them, and as none should. */
#include <check.h>

#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/suites.h"

START_TEST(the_pages_named_are_freed_and_no_others)
{
    const uint32_t pfns[] = {pfn_of(DATA), pfn_of(DATA + 2 * PAGE), pfn_of(HIGH_START + 5 * PAGE)};
    fake_ram_fill(fx.gm, DATA, 4 * PAGE, 0xaa);
    fake_ram_fill(fx.gm, HIGH_START, 8 * PAGE, 0xbb);
    fx_put_pfns(pfns, ARRAY_LEN(pfns));
    uint64_t before = fake_ram_allocated(fx.gm);
    fx_send_pfns(INFLATE, pfns, ARRAY_LEN(pfns));

    ck_assert_uint_eq(before - fake_ram_allocated(fx.gm), 3 * PAGE);
    ck_assert(fake_ram_all(fx.gm, DATA, PAGE, 0));
    ck_assert(fake_ram_all(fx.gm, DATA + PAGE, PAGE, 0xaa));
    ck_assert(fake_ram_all(fx.gm, DATA + 2 * PAGE, PAGE, 0));
    ck_assert(fake_ram_all(fx.gm, DATA + 3 * PAGE, PAGE, 0xaa));
    ck_assert(fake_ram_all(fx.gm, HIGH_START, 5 * PAGE, 0xbb));
    ck_assert(fake_ram_all(fx.gm, HIGH_START + 5 * PAGE, PAGE, 0));
    ck_assert(fake_ram_all(fx.gm, HIGH_START + 6 * PAGE, 2 * PAGE, 0xbb));

    struct balloon_info info = fx_info();
    ck_assert_int_eq(info.form, BALLOON_FORM_PFN);
    ck_assert_uint_eq(info.inflate.notifications, 1);
    ck_assert_uint_eq(info.inflate.chains, 1);
    ck_assert_uint_eq(info.inflate.descriptors, 1);
    ck_assert_uint_eq(info.inflate.bytes, 3 * PAGE);
    ck_assert_uint_eq(info.punch_calls, 3);
    ck_assert_uint_eq(info.punched_bytes, 3 * PAGE);
    ck_assert_uint_eq(info.freed_bytes, 3 * PAGE);
    ck_assert_uint_eq(info.ranges_merged, 0);
    ck_assert_uint_eq(info.bad_request, 0);
}
END_TEST

START_TEST(neighbours_in_any_order_become_one_call)
{
    uint32_t pfns[256];
    for (size_t i = 0; i < ARRAY_LEN(pfns); i++)
        pfns[i] = pfn_of(DATA) + (uint32_t)(i * 97 % ARRAY_LEN(pfns));
    fake_ram_fill(fx.gm, DATA, sizeof(pfns) / 4 * PAGE, 1);
    fx_send_pfns(INFLATE, pfns, ARRAY_LEN(pfns));
    struct balloon_info info = fx_info();
    ck_assert_uint_eq(info.punch_calls, 1);
    ck_assert_uint_eq(info.ranges_merged, 255);
    ck_assert_uint_eq(info.freed_bytes, 256 * PAGE);
}
END_TEST

START_TEST(a_page_named_twice_is_offered_twice_and_punched_once)
{
    const uint32_t pfns[] = {pfn_of(DATA), pfn_of(DATA), pfn_of(DATA)};
    fake_ram_fill(fx.gm, DATA, PAGE, 1);
    fx_send_pfns(INFLATE, pfns, ARRAY_LEN(pfns));
    struct balloon_info info = fx_info();
    ck_assert_uint_eq(info.inflate.bytes, 3 * PAGE);
    ck_assert_uint_eq(info.punched_bytes, PAGE);
    ck_assert_uint_eq(info.freed_bytes, PAGE);
}
END_TEST

START_TEST(page_numbers_outside_ram_are_ignored_and_their_neighbours_taken)
{
    static const uint32_t bad[] = {
        0xffffffff,                      /* sign-extended it would be the last page of all */
        0x80000000,                      /* 8 TiB */
        LOW_SIZE / PAGE,                 /* first page of the gap */
        HIGH_START / PAGE - 1,           /* last page of the gap */
        (HIGH_START + HIGH_SIZE) / PAGE, /* first page behind RAM */
        0x200000,                        /* 8 GiB; shifted in 32 bits it would be page 0 */
    };
    const uint32_t pfns[] = {pfn_of(DATA), bad[_i], pfn_of(DATA + PAGE)};
    fake_ram_fill(fx.gm, 0, PAGE, 9);
    fake_ram_fill(fx.gm, DATA, 2 * PAGE, 1);
    fx_send_pfns(INFLATE, pfns, ARRAY_LEN(pfns));
    struct balloon_info info = fx_info();
    ck_assert_uint_eq(info.bad_request, 1);
    ck_assert_uint_eq(info.freed_bytes, 2 * PAGE);
    ck_assert(fake_ram_all(fx.gm, 0, PAGE, 9));
}
END_TEST

START_TEST(the_first_and_last_page_of_each_region_can_go)
{
    const uint64_t gpa[] = {0, LOW_SIZE - PAGE, HIGH_START, HIGH_START + HIGH_SIZE - PAGE};
    uint32_t pfns[ARRAY_LEN(gpa)];
    for (size_t i = 0; i < ARRAY_LEN(gpa); i++) {
        pfns[i] = pfn_of(gpa[i]);
        fake_ram_fill(fx.gm, gpa[i], PAGE, 1);
    }
    fx_send_pfns(INFLATE, pfns, ARRAY_LEN(pfns));
    ck_assert_uint_eq(fx_info().freed_bytes, 4 * PAGE);
    ck_assert_uint_eq(fx_info().bad_request, 0);
}
END_TEST

/* Page numbers at BUFFERS, cut into descriptors of these lengths. */
START_TEST(page_numbers_are_one_stream_however_they_are_cut)
{
    static const struct {
        uint32_t len[4];
        size_t n;
        uint64_t pages, bad;
    } t[] = {
        {{4}, 1, 1, 0},       {{4, 4, 4}, 3, 3, 0}, {{6, 6}, 2, 3, 0}, {{1, 1, 1, 1}, 4, 1, 0},
        {{3, 9}, 2, 3, 0},    {{0, 4}, 2, 1, 0},    {{7}, 1, 1, 1},    {{3}, 1, 0, 1},
        {{4, 4, 1}, 3, 2, 1}, {{0}, 1, 0, 0},
    };
    struct mock_seg segs[4];
    uint64_t at = BUFFERS;
    uint32_t pfns[8];
    for (size_t i = 0; i < ARRAY_LEN(pfns); i++)
        pfns[i] = pfn_of(DATA) + (uint32_t)i;
    fake_ram_fill(fx.gm, DATA, ARRAY_LEN(pfns) * PAGE, 1);
    fx_put_pfns(pfns, ARRAY_LEN(pfns));
    for (size_t i = 0; i < t[_i].n; i++) {
        segs[i] = (struct mock_seg){.gpa = at, .len = t[_i].len[i]};
        at += segs[i].len;
    }
    fx_send(INFLATE, segs, t[_i].n);
    ck_assert_uint_eq(fx_info().freed_bytes, t[_i].pages * PAGE);
    ck_assert_uint_eq(fx_info().bad_request, t[_i].bad);
    ck_assert_uint_eq(fx_populated(DATA, ARRAY_LEN(pfns)), ARRAY_LEN(pfns) - t[_i].pages);
}
END_TEST

/* One bad descriptor between two good ones costs only itself. */
START_TEST(a_descriptor_that_cannot_be_read_is_ignored_whole)
{
    static const struct mock_seg bad[] = {
        {.gpa = BUFFERS, .len = 4, .writable = true},
        {.gpa = LOW_SIZE, .len = 4},
        {.gpa = LOW_SIZE - 4, .len = 8},
        {.gpa = LOW_SIZE - 4, .len = 0xffffffff},
        {.gpa = UINT64_MAX - 3, .len = 4},
        {.gpa = UINT64_MAX - 3, .len = 8},
        {.gpa = UINT64_MAX, .len = 0xffffffff},
    };
    const uint32_t pfns[] = {pfn_of(DATA), pfn_of(DATA + PAGE)};
    fake_ram_fill(fx.gm, DATA, 2 * PAGE, 1);
    /* Readable as a page number if only a part of the bad descriptor were read. */
    fake_ram_put_le32(fx.gm, LOW_SIZE - 4, pfn_of(DATA + 2 * PAGE));
    fake_ram_fill(fx.gm, DATA + 2 * PAGE, PAGE, 2);
    fx_put_pfns(pfns, ARRAY_LEN(pfns));
    /* Device-writable descriptors come last in a chain (2.7.4.2). */
    const struct mock_seg segs[] = {
        {.gpa = BUFFERS, .len = 4}, {.gpa = BUFFERS + 4, .len = 4}, bad[_i]};
    fx_send(INFLATE, segs, ARRAY_LEN(segs));
    ck_assert_uint_eq(fx_info().bad_request, 1);
    ck_assert_uint_eq(fx_info().freed_bytes, 2 * PAGE);
    ck_assert(fake_ram_all(fx.gm, DATA + 2 * PAGE, PAGE, 2));
}
END_TEST

START_TEST(a_bad_descriptor_in_front_does_not_hide_a_good_one)
{
    const uint32_t pfn = pfn_of(DATA);
    const struct mock_seg segs[] = {{.gpa = UINT64_MAX - 3, .len = 8}, {.gpa = BUFFERS, .len = 4}};
    fake_ram_fill(fx.gm, DATA, PAGE, 1);
    fx_put_pfns(&pfn, 1);
    fx_send(INFLATE, segs, ARRAY_LEN(segs));
    ck_assert_uint_eq(fx_info().bad_request, 1);
    ck_assert_uint_eq(fx_info().freed_bytes, PAGE);
}
END_TEST

/* All of low memory as one array: four thousand entries are taken, the rest is one bad request. */
START_TEST(a_chain_is_read_up_to_a_cap)
{
    const struct mock_seg seg = {.gpa = BUFFERS, .len = 8 * MIB};
    for (uint32_t i = 0; i < 5000; i++)
        fake_ram_put_le32(fx.gm, BUFFERS + 4 * i, pfn_of(DATA) + i);
    fake_ram_fill(fx.gm, DATA, 5000 * PAGE, 1);
    fx_send(INFLATE, &seg, 1);
    ck_assert_uint_eq(fx_info().inflate.bytes, 4096 * PAGE);
    ck_assert_uint_eq(fx_info().bad_request, 1);
    ck_assert_uint_eq(fx_populated(DATA, 5000), 5000 - 4096);
}
END_TEST

START_TEST(an_array_of_just_the_cap_is_no_mistake)
{
    const struct mock_seg seg = {.gpa = BUFFERS, .len = 4096 * 4};
    for (uint32_t i = 0; i < 4096; i++)
        fake_ram_put_le32(fx.gm, BUFFERS + 4 * i, pfn_of(DATA) + i);
    fx_send(INFLATE, &seg, 1);
    ck_assert_uint_eq(fx_info().inflate.bytes, 4096 * PAGE);
    ck_assert_uint_eq(fx_info().bad_request, 0);
}
END_TEST

START_TEST(the_page_that_holds_the_page_numbers_can_be_among_them)
{
    const uint32_t pfns[] = {pfn_of(BUFFERS), pfn_of(DATA)};
    fake_ram_fill(fx.gm, DATA, PAGE, 1);
    fx_send_pfns(INFLATE, pfns, ARRAY_LEN(pfns));
    ck_assert_uint_eq(fx_info().freed_bytes, 2 * PAGE);
    ck_assert(fake_ram_all(fx.gm, BUFFERS, PAGE, 0));
}
END_TEST

START_TEST(deflating_counts_valid_pages_and_frees_nothing)
{
    const uint32_t pfns[] = {pfn_of(DATA), 0xffffffff, pfn_of(DATA + PAGE)};
    fake_ram_fill(fx.gm, DATA, 2 * PAGE, 7);
    fx_send_pfns(DEFLATE, pfns, ARRAY_LEN(pfns));
    struct balloon_info info = fx_info();
    ck_assert_uint_eq(info.deflate.notifications, 1);
    ck_assert_uint_eq(info.deflate.chains, 1);
    ck_assert_uint_eq(info.deflate.descriptors, 1);
    ck_assert_uint_eq(info.deflate.bytes, 2 * PAGE);
    ck_assert_uint_eq(info.bad_request, 1);
    ck_assert_uint_eq(info.inflate.bytes, 0);
    ck_assert_uint_eq(info.punch_calls, 0);
    ck_assert(fake_ram_all(fx.gm, DATA, 2 * PAGE, 7));
}
END_TEST

START_TEST(each_chain_raises_an_interrupt_when_it_is_done)
{
    const uint32_t pfn = pfn_of(DATA);
    (void)mock_take_interrupts(&fx.driver);
    for (int i = 0; i < 3; i++) {
        fx_send_pfns(i == 1 ? DEFLATE : INFLATE, &pfn, 1);
        ck_assert(mock_wait_interrupt(&fx.driver));
        ck_assert_uint_eq(mock_take_isr(&fx.driver), 1);
    }
}
END_TEST

/* Without the feature bit a device that speaks scatter-gather must still read arrays. */
START_TEST(with_scatter_gather_off_page_numbers_work)
{
    const uint32_t pfn = pfn_of(DATA);
    fx_create((struct balloon_config){.scatter_gather = BALLOON_SG_OFF});
    ck_assert_uint_eq(mock_offered_features(&fx.driver) & (F_SG | F_BIT3), 0);
    fx_start(0);
    fake_ram_fill(fx.gm, DATA, PAGE, 1);
    fx_send_pfns(INFLATE, &pfn, 1);
    ck_assert_int_eq(fx_info().form, BALLOON_FORM_PFN);
    ck_assert_uint_eq(fx_info().freed_bytes, PAGE);
}
END_TEST

Suite *pfn_suite(void)
{
    Suite *suite = suite_create("balloon: page numbers");
    TCase *tc = tcase_create("pfn");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, fx_setup_pfn, fx_finish);
    tcase_add_test(tc, the_pages_named_are_freed_and_no_others);
    tcase_add_test(tc, neighbours_in_any_order_become_one_call);
    tcase_add_test(tc, a_page_named_twice_is_offered_twice_and_punched_once);
    tcase_add_loop_test(tc, page_numbers_outside_ram_are_ignored_and_their_neighbours_taken, 0, 6);
    tcase_add_test(tc, the_first_and_last_page_of_each_region_can_go);
    tcase_add_loop_test(tc, page_numbers_are_one_stream_however_they_are_cut, 0, 10);
    tcase_add_loop_test(tc, a_descriptor_that_cannot_be_read_is_ignored_whole, 0, 7);
    tcase_add_test(tc, a_bad_descriptor_in_front_does_not_hide_a_good_one);
    tcase_add_test(tc, a_chain_is_read_up_to_a_cap);
    tcase_add_test(tc, an_array_of_just_the_cap_is_no_mistake);
    tcase_add_test(tc, the_page_that_holds_the_page_numbers_can_be_among_them);
    tcase_add_test(tc, deflating_counts_valid_pages_and_frees_nothing);
    tcase_add_test(tc, each_chain_raises_an_interrupt_when_it_is_done);
    suite_add_tcase(suite, tc);
    TCase *off = tcase_create("scatter-gather off");
    tcase_set_timeout(off, 120);
    tcase_add_checked_fixture(off, NULL, fx_finish);
    tcase_add_test(off, with_scatter_gather_off_page_numbers_work);
    suite_add_tcase(suite, off);
    return suite;
}
