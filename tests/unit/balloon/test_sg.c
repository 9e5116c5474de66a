/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scatter-gather chains: each descriptor is a range of pages, or is ignored without harm to its
 * neighbours.
 */
#include <check.h>

#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/suites.h"

START_TEST(the_ranges_of_a_chain_are_freed_and_nothing_else)
{
    const struct mock_seg segs[] = {
        {.gpa = HIGH_START + 2 * PAGE, .len = 3 * PAGE},
        {.gpa = DATA + PAGE, .len = 2 * PAGE},
        {.gpa = DATA + 8 * PAGE, .len = PAGE},
    };
    fake_ram_fill(fx.gm, DATA, 16 * PAGE, 0xaa);
    fake_ram_fill(fx.gm, HIGH_START, 8 * PAGE, 0xbb);
    uint64_t before = fake_ram_allocated(fx.gm);
    fx_send(INFLATE, segs, ARRAY_LEN(segs));

    ck_assert_uint_eq(before - fake_ram_allocated(fx.gm), 6 * PAGE);
    ck_assert(fake_ram_all(fx.gm, DATA, PAGE, 0xaa));
    ck_assert(fake_ram_all(fx.gm, DATA + PAGE, 2 * PAGE, 0));
    ck_assert(fake_ram_all(fx.gm, DATA + 3 * PAGE, 5 * PAGE, 0xaa));
    ck_assert(fake_ram_all(fx.gm, DATA + 8 * PAGE, PAGE, 0));
    ck_assert(fake_ram_all(fx.gm, DATA + 9 * PAGE, 7 * PAGE, 0xaa));
    ck_assert(fake_ram_all(fx.gm, HIGH_START, 2 * PAGE, 0xbb));
    ck_assert(fake_ram_all(fx.gm, HIGH_START + 2 * PAGE, 3 * PAGE, 0));
    ck_assert(fake_ram_all(fx.gm, HIGH_START + 5 * PAGE, 3 * PAGE, 0xbb));

    struct balloon_info info = fx_info();
    ck_assert_int_eq(info.form, BALLOON_FORM_SG);
    ck_assert_uint_eq(info.inflate.notifications, 1);
    ck_assert_uint_eq(info.inflate.chains, 1);
    ck_assert_uint_eq(info.inflate.descriptors, 3);
    ck_assert_uint_eq(info.inflate.bytes, 6 * PAGE);
    ck_assert_uint_eq(info.punch_calls, 3);
    ck_assert_uint_eq(info.punched_bytes, 6 * PAGE);
    ck_assert_uint_eq(info.freed_bytes, 6 * PAGE);
    ck_assert_uint_gt(info.punch_ns, 0);
    ck_assert_uint_eq(info.bad_request, 0);
}
END_TEST

START_TEST(touching_and_overlapping_ranges_become_one_call)
{
    const struct mock_seg segs[] = {
        {.gpa = DATA + 4 * PAGE, .len = 4 * PAGE}, {.gpa = DATA, .len = 4 * PAGE},
        {.gpa = DATA + 2 * PAGE, .len = 8 * PAGE}, {.gpa = DATA, .len = 4 * PAGE},
        {.gpa = DATA + 10 * PAGE, .len = PAGE},
    };
    fake_ram_fill(fx.gm, DATA, 12 * PAGE, 1);
    fx_send(INFLATE, segs, ARRAY_LEN(segs));
    struct balloon_info info = fx_info();
    ck_assert_uint_eq(info.punch_calls, 1);
    ck_assert_uint_eq(info.ranges_merged, 4);
    ck_assert_uint_eq(info.inflate.bytes, 21 * PAGE);
    ck_assert_uint_eq(info.punched_bytes, 11 * PAGE);
    ck_assert_uint_eq(info.freed_bytes, 11 * PAGE);
}
END_TEST

START_TEST(a_chain_can_fill_the_whole_queue)
{
    static struct mock_seg segs[1024];
    for (size_t i = 0; i < ARRAY_LEN(segs); i++)
        segs[i] = (struct mock_seg){.gpa = DATA + 2 * i * PAGE, .len = PAGE};
    fake_ram_fill(fx.gm, DATA, 2048 * PAGE, 1);
    fx_send(INFLATE, segs, ARRAY_LEN(segs));
    struct balloon_info info = fx_info();
    ck_assert_uint_eq(info.inflate.descriptors, 1024);
    ck_assert_uint_eq(info.punch_calls, 1024);
    ck_assert_uint_eq(info.freed_bytes, 1024 * PAGE);
    ck_assert_uint_eq(fx_populated(DATA, 2048), 1024);
}
END_TEST

START_TEST(descriptors_of_either_direction_are_ranges)
{
    const struct mock_seg segs[] = {
        {.gpa = DATA, .len = PAGE, .writable = _i & 1},
        {.gpa = DATA + 2 * PAGE, .len = PAGE, .writable = _i & 2},
    };
    fake_ram_fill(fx.gm, DATA, 3 * PAGE, 1);
    fx_send(INFLATE, segs, ARRAY_LEN(segs));
    ck_assert_uint_eq(fx_info().freed_bytes, 2 * PAGE);
    ck_assert_uint_eq(fx_info().bad_request, 0);
}
END_TEST

/* Each bad item stands between two good ones, which must be taken all the same. */
START_TEST(a_bad_range_is_ignored_whole_and_costs_no_other)
{
    static const struct mock_seg bad[] = {
        {.gpa = DATA + PAGE, .len = 0},
        {.gpa = DATA + PAGE + 1, .len = PAGE},
        {.gpa = DATA + PAGE + 2048, .len = PAGE},
        {.gpa = DATA + PAGE, .len = PAGE - 1},
        {.gpa = DATA + PAGE, .len = PAGE + 1},
        {.gpa = DATA + PAGE, .len = 6144},
        {.gpa = DATA + PAGE, .len = 1},
        {.gpa = LOW_SIZE, .len = PAGE},
        {.gpa = LOW_SIZE - PAGE, .len = 2 * PAGE},
        {.gpa = HIGH_START - PAGE, .len = PAGE},
        {.gpa = HIGH_START - PAGE, .len = 2 * PAGE},
        {.gpa = LOW_SIZE - MIB, .len = 0xfffff000}, /* across the gap, both ends in RAM */
        {.gpa = HIGH_START + HIGH_SIZE, .len = PAGE},
        {.gpa = HIGH_START + HIGH_SIZE - PAGE, .len = 2 * PAGE},
        {.gpa = DATA, .len = 0xfffff000},
        {.gpa = DATA, .len = 0xffffffff},
        {.gpa = UINT64_MAX - PAGE + 1, .len = PAGE}, /* ends at 2^64 */
        {.gpa = UINT64_MAX - PAGE + 1, .len = 2 * PAGE},
        {.gpa = UINT64_MAX - PAGE + 1, .len = 0xfffff000}, /* wraps to just below 4 GiB */
        {.gpa = UINT64_C(1) << 63, .len = PAGE},
    };
    const struct mock_seg segs[] = {
        {.gpa = DATA, .len = PAGE}, bad[_i / 2], {.gpa = DATA + 4 * PAGE, .len = PAGE}};
    fake_ram_fill(fx.gm, 0, PAGE, 3);
    fake_ram_fill(fx.gm, DATA, 8 * PAGE, 1);
    fake_ram_fill(fx.gm, LOW_SIZE - MIB, MIB, 4);
    fake_ram_fill(fx.gm, HIGH_START, PAGE, 5);
    fake_ram_fill(fx.gm, HIGH_START + HIGH_SIZE - PAGE, PAGE, 6);
    uint64_t before = fake_ram_allocated(fx.gm);
    if (_i & 1)
        fx_send(DEFLATE, segs, ARRAY_LEN(segs));
    else
        fx_send(INFLATE, segs, ARRAY_LEN(segs));

    struct balloon_info info = fx_info();
    ck_assert_uint_eq(info.bad_request, 1);
    ck_assert_uint_eq(info.inflate.bytes + info.deflate.bytes, 2 * PAGE);
    ck_assert_uint_eq(before - fake_ram_allocated(fx.gm), _i & 1 ? 0 : 2 * PAGE);
    ck_assert(fake_ram_all(fx.gm, DATA + PAGE, 3 * PAGE, 1));
}
END_TEST

START_TEST(the_first_and_last_page_of_each_region_can_go)
{
    const struct mock_seg segs[] = {
        {.gpa = 0, .len = PAGE},
        {.gpa = LOW_SIZE - PAGE, .len = PAGE},
        {.gpa = HIGH_START, .len = PAGE},
        {.gpa = HIGH_START + HIGH_SIZE - PAGE, .len = PAGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(segs); i++)
        fake_ram_fill(fx.gm, segs[i].gpa, PAGE, 1);
    fx_send(INFLATE, segs, ARRAY_LEN(segs));
    ck_assert_uint_eq(fx_info().freed_bytes, 4 * PAGE);
    ck_assert_uint_eq(fx_info().bad_request, 0);
}
END_TEST

START_TEST(several_chains_go_with_one_kick)
{
    fake_ram_fill(fx.gm, DATA, 200 * PAGE, 1);
    for (uint64_t i = 0; i < 100; i++) {
        const struct mock_seg segs[] = {{.gpa = DATA + 2 * i * PAGE, .len = PAGE},
                                        {.gpa = DATA + (2 * i + 1) * PAGE, .len = PAGE}};
        ck_assert_int_ge(mock_add(&fx.driver, INFLATE, segs, ARRAY_LEN(segs)), 0);
    }
    mock_publish(&fx.driver, INFLATE);
    mock_kick(&fx.driver, INFLATE);
    ck_assert(mock_wait_used_n(&fx.driver, INFLATE, 100));
    mock_loop_sync(&(struct mock_loop){.loop = fx.loop});
    struct balloon_info info = fx_info();
    ck_assert_uint_eq(info.inflate.notifications, 1);
    ck_assert_uint_eq(info.inflate.chains, 100);
    ck_assert_uint_eq(info.inflate.descriptors, 200);
    ck_assert_uint_eq(info.freed_bytes, 200 * PAGE);
    /* One punch and one interrupt a batch of 64. */
    ck_assert_uint_eq(info.punch_calls, 2);
    ck_assert_uint_eq(mock_take_interrupts(&fx.driver), 2);
}
END_TEST

START_TEST(bit_three_means_scatter_gather_where_it_is_configured)
{
    const struct mock_seg seg = {.gpa = DATA, .len = 2 * PAGE};
    fx_create((struct balloon_config){.scatter_gather = BALLOON_SG_BIT3});
    ck_assert_uint_eq(mock_offered_features(&fx.driver) & (F_SG | F_BIT3), F_BIT3);
    fx_start(F_BIT3);
    fake_ram_fill(fx.gm, DATA, 2 * PAGE, 1);
    fx_send(INFLATE, &seg, 1);
    ck_assert_int_eq(fx_info().form, BALLOON_FORM_SG);
    ck_assert_uint_eq(fx_info().features & F_BIT3, F_BIT3);
    ck_assert_uint_eq(fx_info().freed_bytes, 2 * PAGE);
}
END_TEST

START_TEST(a_driver_that_declines_bit_three_sends_page_numbers)
{
    const uint32_t pfn = pfn_of(DATA);
    fx_create((struct balloon_config){.scatter_gather = BALLOON_SG_BIT3});
    fx_start(0);
    fake_ram_fill(fx.gm, DATA, PAGE, 1);
    fx_send_pfns(INFLATE, &pfn, 1);
    ck_assert_int_eq(fx_info().form, BALLOON_FORM_PFN);
    ck_assert_uint_eq(fx_info().freed_bytes, PAGE);
}
END_TEST

/* 2^32 - 4096 is the longest length of whole pages that a descriptor holds. */
START_TEST(the_longest_descriptor_is_released_in_slices)
{
    const struct mock_seg seg = {.gpa = 4 * GIB + 5 * PAGE, .len = 0xfffff000};
    const uint64_t end = seg.gpa + seg.len;
    fx_create_on(fake_ram_create(0, 9 * GIB), (struct balloon_config){0});
    fx_start(F_SG);
    for (uint64_t at = seg.gpa; at < end; at += 64 * MIB)
        fake_ram_fill(fx.gm, at, PAGE, 1);
    fake_ram_fill(fx.gm, seg.gpa - PAGE, PAGE, 2);
    fake_ram_fill(fx.gm, end - PAGE, 2 * PAGE, 2);
    fx_send(INFLATE, &seg, 1);
    struct balloon_info info = fx_info();
    ck_assert_uint_eq(info.inflate.bytes, 0xfffff000);
    ck_assert_uint_eq(info.punched_bytes, 0xfffff000);
    ck_assert_uint_eq(info.freed_bytes, 65 * PAGE);
    ck_assert_uint_eq(fx.hook.most_bytes, 256 * MIB);
    ck_assert_uint_eq(fx.hook.calls, 17);
    ck_assert(fake_ram_all(fx.gm, seg.gpa - PAGE, PAGE, 2));
    ck_assert(fake_ram_all(fx.gm, end - PAGE, PAGE, 0));
    ck_assert(fake_ram_all(fx.gm, end, PAGE, 2));
}
END_TEST

Suite *sg_suite(void)
{
    Suite *suite = suite_create("balloon: scatter-gather");
    TCase *tc = tcase_create("sg");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, fx_setup_sg, fx_finish);
    tcase_add_test(tc, the_ranges_of_a_chain_are_freed_and_nothing_else);
    tcase_add_test(tc, touching_and_overlapping_ranges_become_one_call);
    tcase_add_test(tc, a_chain_can_fill_the_whole_queue);
    tcase_add_loop_test(tc, descriptors_of_either_direction_are_ranges, 0, 4);
    tcase_add_loop_test(tc, a_bad_range_is_ignored_whole_and_costs_no_other, 0, 40);
    tcase_add_test(tc, the_first_and_last_page_of_each_region_can_go);
    tcase_add_test(tc, several_chains_go_with_one_kick);
    suite_add_tcase(suite, tc);
    TCase *own = tcase_create("own configuration");
    tcase_set_timeout(own, 120);
    tcase_add_checked_fixture(own, NULL, fx_finish);
    tcase_add_test(own, bit_three_means_scatter_gather_where_it_is_configured);
    tcase_add_test(own, a_driver_that_declines_bit_three_sends_page_numbers);
    tcase_add_test(own, the_longest_descriptor_is_released_in_slices);
    suite_add_tcase(suite, own);
    return suite;
}
