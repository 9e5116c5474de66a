/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's statistics: read once, whatever the buffer looks like; asked for; never waited for.
 */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <string.h>

#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/suites.h"

#define STATS 2

static void setup(void)
{
    fx_create((struct balloon_config){.stats_interval_s = 3600});
    fx_start_all(F_STATS);
    fx_pause();
}

static struct balloon_stats stats(void)
{
    struct balloon_stats out;
    balloon_get_stats(fx.balloon, &out);
    return out;
}

static void put_entry(size_t i, uint16_t tag, uint64_t value)
{
    struct virtio_balloon_stat entry = {.tag = htole16(tag), .val = htole64(value)};
    fake_ram_put(fx.gm, BUFFERS + i * sizeof(entry), &entry, sizeof(entry));
}

/* Publishes a chain and lets the device have it. */
static uint16_t hand_in(const struct mock_seg *segs, size_t n)
{
    int head = mock_add(&fx.driver, STATS, segs, n);
    ck_assert_int_ge(head, 0);
    mock_publish(&fx.driver, STATS);
    fx_notify(STATS);
    return (uint16_t)head;
}

static uint16_t hand_in_bytes(uint32_t len)
{
    const struct mock_seg seg = {.gpa = BUFFERS, .len = len};
    return hand_in(&seg, 1);
}

static uint16_t used(void)
{
    return mock_get_used_idx(&fx.driver, STATS);
}

START_TEST(all_sixteen_tags_are_known_and_others_ignored)
{
    for (uint16_t tag = 0; tag < 16; tag++)
        put_entry(tag, tag, UINT64_C(0x1000000000000000) + tag);
    put_entry(16, 16, 1);
    put_entry(17, UINT16_MAX, 2);
    ck_assert_uint_eq(stats().reports, 0);
    ck_assert_uint_eq(stats().age_ns, 0);
    hand_in_bytes(180);
    ck_assert_uint_eq(stats().valid, 0xffff);
    for (unsigned tag = 0; tag < 16; tag++)
        ck_assert_uint_eq(stats().value[tag], UINT64_C(0x1000000000000000) + tag);
    ck_assert_uint_eq(stats().reports, 1);
    ck_assert_uint_eq(fx_info().bad_request, 0);
    ck_assert_uint_eq(fx_info().stats.chains, 1);
    ck_assert_uint_eq(fx_info().stats.descriptors, 1);
}
END_TEST

START_TEST(values_have_an_age)
{
    put_entry(0, VIRTIO_BALLOON_S_MEMFREE, 1);
    hand_in_bytes(10);
    fx.clock_skew_ns = UINT64_C(5000000000);
    ck_assert_uint_ge(stats().age_ns, UINT64_C(5000000000));
}
END_TEST

START_TEST(a_buffer_of_any_length_is_held_and_costs_at_most_bad_requests)
{
    static const struct {
        uint32_t len;
        uint64_t reports;
        uint64_t bad;
    } t[] = {
        {0, 0, 0},    {1, 0, 1},     {9, 0, 1},       {10, 1, 0},         {11, 1, 1},
        {100, 1, 0},  {160, 1, 0},   {2560, 1, 0},    {2561, 1, 1},       {2570, 1, 1},
        {4096, 1, 1}, {65535, 1, 1}, {1 << 20, 1, 1}, {0xffffffff, 0, 1},
    };
    put_entry(0, VIRTIO_BALLOON_S_MEMTOT, 77);
    hand_in_bytes(t[_i].len);
    ck_assert_uint_eq(stats().reports, t[_i].reports);
    ck_assert_uint_eq(fx_info().bad_request, t[_i].bad);
    ck_assert_uint_eq(used(), 0);
    /* The buffer is not lost: the next request gives it back. */
    ck_assert(balloon_request_stats(fx.balloon));
    fx_step();
    ck_assert_uint_eq(used(), 1);
}
END_TEST

START_TEST(entries_may_be_cut_into_descriptors_anywhere)
{
    put_entry(0, VIRTIO_BALLOON_S_MEMFREE, 0x1122334455667788);
    put_entry(1, VIRTIO_BALLOON_S_AVAIL, 0x99);
    const struct mock_seg segs[] = {{.gpa = BUFFERS, .len = 1},
                                    {.gpa = BUFFERS + 1, .len = 14},
                                    {.gpa = BUFFERS + 15, .len = 5}};
    hand_in(segs, ARRAY_LEN(segs));
    ck_assert_uint_eq(stats().value[VIRTIO_BALLOON_S_MEMFREE], 0x1122334455667788);
    ck_assert_uint_eq(stats().value[VIRTIO_BALLOON_S_AVAIL], 0x99);
}
END_TEST

START_TEST(what_is_not_readable_ram_is_left_out)
{
    put_entry(0, VIRTIO_BALLOON_S_MEMFREE, 5);
    const struct mock_seg segs[] = {{.gpa = BUFFERS, .len = 10, .writable = true},
                                    {.gpa = LOW_SIZE, .len = 10},
                                    {.gpa = LOW_SIZE - 5, .len = 10},
                                    {.gpa = UINT64_MAX - 4, .len = 10},
                                    {.gpa = BUFFERS, .len = 10}};
    hand_in(segs, ARRAY_LEN(segs));
    ck_assert_uint_eq(stats().value[VIRTIO_BALLOON_S_MEMFREE], 5);
    ck_assert_uint_eq(fx_info().bad_request, 4);
}
END_TEST

START_TEST(a_new_report_replaces_all_of_the_old_one)
{
    put_entry(0, VIRTIO_BALLOON_S_MEMFREE, 5);
    hand_in_bytes(10);
    put_entry(0, VIRTIO_BALLOON_S_CACHES, 6);
    hand_in_bytes(10);
    ck_assert_uint_eq(stats().valid, 1u << VIRTIO_BALLOON_S_CACHES);
    ck_assert_uint_eq(stats().reports, 2);
}
END_TEST

START_TEST(a_second_buffer_sends_the_first_one_back)
{
    hand_in_bytes(10);
    ck_assert_uint_eq(used(), 0);
    hand_in_bytes(10);
    ck_assert_uint_eq(used(), 1);
}
END_TEST

START_TEST(a_malformed_chain_is_given_back_and_the_held_buffer_stays)
{
    hand_in_bytes(10);
    mock_put_desc(&fx.driver, STATS, 7, BUFFERS, 10, 1 /* NEXT */, 7);
    mock_publish_head(&fx.driver, STATS, 7);
    fx_notify(STATS);
    ck_assert_uint_eq(fx_info().bad_chain, 1);
    ck_assert_uint_eq(used(), 1);
    ck_assert(balloon_request_stats(fx.balloon));
    fx_step();
    ck_assert_uint_eq(used(), 2);
}
END_TEST

START_TEST(a_request_gives_the_buffer_back_once_and_interrupts)
{
    hand_in_bytes(10);
    (void)mock_take_interrupts(&fx.driver);
    ck_assert(balloon_request_stats(fx.balloon));
    ck_assert(balloon_request_stats(fx.balloon));
    fx_step();
    ck_assert_uint_eq(used(), 1);
    ck_assert_uint_eq(mock_take_interrupts(&fx.driver), 1);
    ck_assert(balloon_request_stats(fx.balloon));
    fx_step();
    ck_assert_uint_eq(used(), 1);
}
END_TEST

START_TEST(who_asks_while_the_driver_is_at_it_gets_the_report_under_way)
{
    put_entry(0, VIRTIO_BALLOON_S_MEMFREE, 5);
    ck_assert(balloon_request_stats(fx.balloon));
    fx_step();
    hand_in_bytes(10);
    fx_step();
    ck_assert_uint_eq(stats().reports, 1);
    ck_assert_uint_eq(used(), 0);
}
END_TEST

START_TEST(without_a_driver_that_has_statistics_nothing_is_asked)
{
    fx_resume();
    mock_driver_reset(&fx.driver);
    ck_assert(!balloon_request_stats(fx.balloon));
    fx_start_all(0);
    ck_assert(!balloon_request_stats(fx.balloon));
}
END_TEST

START_TEST(a_reset_forgets_the_held_buffer)
{
    hand_in_bytes(10);
    fx_resume();
    mock_driver_reset(&fx.driver);
    fx_start_all(F_STATS);
    ck_assert(balloon_request_stats(fx.balloon));
    fx_pause();
    fx_step();
    ck_assert_uint_eq(used(), 0);
}
END_TEST

START_TEST(a_broken_ring_asks_for_a_reset)
{
    hand_in_bytes(10);
    mock_put_avail_idx(&fx.driver, STATS, 1000);
    fx_notify(STATS);
    ck_assert_uint_eq(fx_info().bad_ring, 1);
    ck_assert(mock_wait_status(&fx.driver, 64));
    ck_assert(balloon_request_stats(fx.balloon));
    fx_step();
    ck_assert_uint_eq(used(), 0);
}
END_TEST

START_TEST(the_interval_changes_but_does_not_switch)
{
    struct err err = {0};
    ck_assert_int_eq(balloon_set_stats_interval(fx.balloon, 5, &err), 0);
    ck_assert_uint_eq(fx_info().stats_interval_s, 5);
    ck_assert_int_eq(balloon_set_stats_interval(fx.balloon, 0, &err), -EINVAL);
    ck_assert_str_eq(err.text,
                     "balloon statistics: an interval of 0 s would switch them off, which only "
                     "stats_polling_interval_s in the configuration can");
    ck_assert_uint_eq(fx_info().stats_interval_s, 5);
    fx_finish();
    fx_create((struct balloon_config){0});
    ck_assert_int_eq(balloon_set_stats_interval(fx.balloon, 0, &err), 0);
    ck_assert_int_eq(balloon_set_stats_interval(fx.balloon, 1, &err), -EINVAL);
}
END_TEST

static bool is_used(void)
{
    return used() == 1;
}

START_TEST(the_interval_asks_by_itself)
{
    struct err err;
    hand_in_bytes(10);
    ck_assert_int_eq(balloon_set_stats_interval(fx.balloon, 1, &err), 0);
    fx_resume();
    ck_assert(fx_wait(is_used));
}
END_TEST

Suite *stats_suite(void)
{
    Suite *suite = suite_create("balloon: statistics");
    TCase *tc = tcase_create("stats");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, fx_finish);
    tcase_add_test(tc, all_sixteen_tags_are_known_and_others_ignored);
    tcase_add_test(tc, values_have_an_age);
    tcase_add_loop_test(tc, a_buffer_of_any_length_is_held_and_costs_at_most_bad_requests, 0, 14);
    tcase_add_test(tc, entries_may_be_cut_into_descriptors_anywhere);
    tcase_add_test(tc, what_is_not_readable_ram_is_left_out);
    tcase_add_test(tc, a_new_report_replaces_all_of_the_old_one);
    tcase_add_test(tc, a_second_buffer_sends_the_first_one_back);
    tcase_add_test(tc, a_malformed_chain_is_given_back_and_the_held_buffer_stays);
    tcase_add_test(tc, a_request_gives_the_buffer_back_once_and_interrupts);
    tcase_add_test(tc, who_asks_while_the_driver_is_at_it_gets_the_report_under_way);
    tcase_add_test(tc, without_a_driver_that_has_statistics_nothing_is_asked);
    tcase_add_test(tc, a_reset_forgets_the_held_buffer);
    tcase_add_test(tc, a_broken_ring_asks_for_a_reset);
    tcase_add_test(tc, the_interval_changes_but_does_not_switch);
    tcase_add_test(tc, the_interval_asks_by_itself);
    suite_add_tcase(suite, tc);
    return suite;
}
