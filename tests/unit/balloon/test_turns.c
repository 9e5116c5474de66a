/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turns of the owner loop: bounded, in order, interruptible by a reset, and unharmed by broken
 * rings and hosts.
 */
#include <check.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>

#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/suites.h"

/* A guest whose balloon takes several slices; nothing of it is populated. */
#define BIG_SIZE  (3 * GIB)
#define BIG_START (1 * GIB)

static void setup_big(void)
{
    fx_create_on(fake_ram_create(0, BIG_SIZE), (struct balloon_config){0});
    fx_start(F_SG);
    fx_pause();
}

static void publish_range(uint16_t vq, uint64_t gpa, uint32_t len)
{
    const struct mock_seg seg = {.gpa = gpa, .len = len};
    ck_assert_int_ge(mock_add(&fx.driver, vq, &seg, 1), 0);
    mock_publish(&fx.driver, vq);
}

static uint16_t used(uint16_t vq)
{
    return mock_get_used_idx(&fx.driver, vq);
}

static void nothing_is_used_yet(void)
{
    ck_assert_uint_eq(used(INFLATE), 0);
    ck_assert_uint_eq(used(DEFLATE), 0);
}

START_TEST(a_chain_is_given_back_after_its_last_slice_and_not_before)
{
    fx.hook.before = nothing_is_used_yet;
    publish_range(INFLATE, BIG_START, 1 * GIB);
    fx_notify(INFLATE);
    for (unsigned slices = 1; slices < 4; slices++) {
        ck_assert_uint_eq(fx.hook.calls, slices);
        ck_assert_uint_eq(fx_info().punched_bytes, slices * 256 * MIB);
        ck_assert_uint_eq(used(INFLATE), 0);
        fx_step();
    }
    ck_assert_uint_eq(used(INFLATE), 1);
    ck_assert_uint_eq(fx_info().punched_bytes, 1 * GIB);
}
END_TEST

/* A huge page that is cut in two would be released by neither slice on 2 MiB backing. */
START_TEST(slices_are_cut_where_no_huge_page_is)
{
    publish_range(INFLATE, BIG_START + 5 * PAGE, 600 * MIB);
    fx_notify(INFLATE);
    ck_assert_uint_eq(fx.hook.last[0].start, BIG_START + 5 * PAGE);
    ck_assert_uint_eq(fx.hook.last[0].len_bytes, 256 * MIB - 5 * PAGE);
    fx_step();
    ck_assert_uint_eq(fx.hook.last[0].start, BIG_START + 256 * MIB);
    ck_assert_uint_eq(fx.hook.last[0].len_bytes, 256 * MIB);
    fx_step();
    ck_assert_uint_eq(fx.hook.last[0].start, BIG_START + 512 * MIB);
    ck_assert_uint_eq(fx.hook.last[0].len_bytes, 88 * MIB + 5 * PAGE);
    ck_assert_uint_eq(used(INFLATE), 1);
}
END_TEST

/*
 * Every other page of an array of page numbers: nothing to merge, and more ranges than a ring has
 * descriptors.
 */
START_TEST(a_slice_has_a_cap_on_its_ranges_too)
{
    fx_resume();
    fx_start(0);
    fx_pause();
    for (uint32_t i = 0; i < 4096; i++)
        fake_ram_put_le32(fx.gm, BUFFERS + 4 * i, pfn_of(BIG_START) + 2 * i);
    publish_range(INFLATE, BUFFERS, 4096 * 4);
    fx_notify(INFLATE);
    for (unsigned slices = 1; slices < 4; slices++) {
        ck_assert_uint_eq(fx.hook.calls, slices);
        ck_assert_uint_eq(used(INFLATE), 0);
        fx_step();
    }
    ck_assert_uint_eq(fx.hook.most_ranges, 1024);
    ck_assert_uint_eq(fx_info().punched_bytes, 4096 * PAGE);
    ck_assert_uint_eq(used(INFLATE), 1);
}
END_TEST

START_TEST(no_deflate_is_acknowledged_while_an_inflate_is_in_flight)
{
    fx.hook.before = nothing_is_used_yet;
    publish_range(INFLATE, BIG_START, 600 * MIB);
    fx_notify(INFLATE);
    publish_range(DEFLATE, BIG_START + 500 * MIB, 2 * MIB);
    fx_notify(DEFLATE);
    ck_assert_uint_eq(fx.hook.calls, 1);
    fx_step();
    nothing_is_used_yet();
    fx_step();
    ck_assert_uint_eq(fx.hook.calls, 3);
    ck_assert_uint_eq(used(INFLATE), 1);
    fx_step();
    ck_assert_uint_eq(used(DEFLATE), 1);
    ck_assert_uint_eq(fx_info().deflate.bytes, 2 * MIB);
}
END_TEST

static void no_deflate_is_used_yet(void)
{
    ck_assert_uint_eq(used(DEFLATE), 0);
}

/* More chains than one turn takes: those that still wait in the ring are on their way in, too. */
START_TEST(no_deflate_is_acknowledged_while_an_inflate_waits_to_be_collected)
{
    fx.hook.before = no_deflate_is_used_yet;
    for (uint32_t i = 0; i < 65; i++)
        publish_range(INFLATE, BIG_START + i * 2 * MIB, PAGE);
    publish_range(DEFLATE, BIG_START + 64 * 2 * MIB, PAGE);
    fx_notify(DEFLATE);
    for (unsigned turn = 0; turn < 4; turn++)
        fx_step();
    ck_assert_uint_eq(used(INFLATE), 65);
    ck_assert_uint_eq(used(DEFLATE), 1);
    ck_assert_uint_eq(fx_info().punched_bytes, 65 * PAGE);
}
END_TEST

START_TEST(an_inflate_goes_before_a_deflate_whose_notification_overtook_it)
{
    fx.hook.before = nothing_is_used_yet;
    publish_range(INFLATE, BIG_START, 2 * MIB);
    publish_range(DEFLATE, BIG_START, 2 * MIB);
    fx_notify(DEFLATE);
    ck_assert_uint_eq(fx.hook.calls, 1);
    ck_assert_uint_eq(used(INFLATE), 1);
    ck_assert_uint_eq(used(DEFLATE), 1);
    ck_assert_uint_eq(fx_info().inflate.notifications, 0);
    ck_assert_uint_eq(fx_info().deflate.notifications, 1);
}
END_TEST

static unsigned ticks;

static void tick(void *arg)
{
    ticks++;
    ev_post(fx.loop, arg);
}

START_TEST(a_flood_leaves_other_work_of_the_loop_its_turns)
{
    struct ev_work ticker = {.fn = tick};
    uint16_t vq = (uint16_t)_i;
    ticker.arg = &ticker;
    ticks = 0;
    for (uint64_t i = 0; i < 1024; i++)
        publish_range(vq, BIG_START + i * PAGE, PAGE);
    ev_post(fx.loop, &ticker);
    fx_notify(vq);
    unsigned rounds = 0;
    for (uint16_t before = 0; used(vq) < 1024; before = used(vq)) {
        ck_assert_uint_le(used(vq) - before, 64);
        /* Nobody need kick while there is work left. */
        ck_assert_uint_eq(mock_get_used_flags(&fx.driver, vq), VRING_USED_F_NO_NOTIFY);
        fx_step();
        rounds++;
    }
    ck_assert_uint_eq(rounds, 15);
    fx_step();
    ck_assert_uint_eq(mock_get_used_flags(&fx.driver, vq), 0);
    ck_assert_uint_eq(ticks, rounds + 1);
    ev_cancel(fx.loop, &ticker);
}
END_TEST

/* Each kick gets a turn, but a turn that is under way is not run a second time by it. */
START_TEST(kicks_do_not_hurry_a_batch_in_flight)
{
    publish_range(INFLATE, BIG_START, 1 * GIB);
    for (int i = 0; i < 1000; i++)
        fx_notify((uint16_t)(i % 2));
    ck_assert_uint_eq(fx.hook.calls, 1);
    ck_assert_uint_eq(fx_info().inflate.notifications, 500);
}
END_TEST

START_TEST(a_reset_in_the_middle_drops_what_is_left)
{
    struct vdev *dev = balloon_vdev(fx.balloon);
    publish_range(INFLATE, BIG_START, 1 * GIB);
    fx_notify(INFLATE);
    publish_range(DEFLATE, BIG_START, PAGE);
    fx_notify(DEFLATE);
    dev->ops->reset(dev);
    dev->ops->reset(dev);
    ck_assert_int_eq(fx_info().form, BALLOON_FORM_NONE);
    ck_assert_uint_eq(fx_info().features, 0);
    for (int i = 0; i < 8; i++)
        fx_step();
    fx_notify(INFLATE);
    ck_assert_uint_eq(fx.hook.calls, 1);
    nothing_is_used_yet();

    fx_resume();
    fx_start(F_SG);
    fx_send(INFLATE, &(struct mock_seg){.gpa = BIG_START, .len = 600 * MIB}, 1);
    ck_assert_uint_eq(fx_info().punched_bytes, 856 * MIB);
    ck_assert_uint_eq(used(INFLATE), 1);
}
END_TEST

START_TEST(a_balloon_can_be_destroyed_in_the_middle)
{
    publish_range(INFLATE, BIG_START, 1 * GIB);
    fx_notify(INFLATE);
    vmmio_destroy(fx.transport);
    balloon_destroy(fx.balloon);
    fx.transport = NULL;
    fx.balloon = NULL;
    fx_step();
    ck_assert_uint_eq(fx.hook.calls, 1);
}
END_TEST

START_TEST(a_driver_may_reset_the_device_at_any_moment_of_an_inflate)
{
    fx_resume();
    for (int i = 0; i < 20; i++) {
        mock_send(&fx.driver, INFLATE, &(struct mock_seg){.gpa = BIG_START, .len = GIB}, 1);
        mock_driver_reset(&fx.driver);
        ck_assert_int_eq(fx_info().form, BALLOON_FORM_NONE);
        fx_start(F_SG);
    }
    fx_send(INFLATE, &(struct mock_seg){.gpa = BIG_START, .len = 2 * MIB}, 1);
}
END_TEST

static void expect_rescue(void)
{
    ck_assert(mock_wait_status(&fx.driver, VIRTIO_CONFIG_S_NEEDS_RESET));
    ck_assert_uint_eq(fx_info().bad_ring, 1);
    fx_start(F_SG);
    fake_ram_fill(fx.gm, DATA, PAGE, 1);
    uint64_t freed = fx_info().freed_bytes;
    fx_send(INFLATE, &(struct mock_seg){.gpa = DATA, .len = PAGE}, 1);
    ck_assert_uint_eq(fx_info().freed_bytes - freed, PAGE);
}

START_TEST(an_index_far_ahead_asks_for_a_reset_and_a_reset_helps)
{
    uint16_t vq = (uint16_t)_i;
    (void)mock_take_interrupts(&fx.driver);
    mock_put_avail_idx(&fx.driver, vq, 40000);
    mock_kick(&fx.driver, vq);
    ck_assert(mock_wait_interrupt(&fx.driver));
    ck_assert_uint_eq(mock_take_isr(&fx.driver), 2);
    expect_rescue();
}
END_TEST

START_TEST(a_broken_ring_is_reported_once_however_often_it_is_kicked)
{
    mock_put_avail_idx(&fx.driver, INFLATE, 40000);
    mock_kick(&fx.driver, INFLATE);
    ck_assert(mock_wait_status(&fx.driver, VIRTIO_CONFIG_S_NEEDS_RESET));
    ck_assert(mock_wait_interrupt(&fx.driver));
    for (int i = 0; i < 100; i++)
        mock_kick(&fx.driver, (uint16_t)(i % 2));
    mock_loop_sync(&(struct mock_loop){.loop = fx.loop});
    ck_assert_uint_eq(fx_info().bad_ring, 1);
    ck_assert_uint_eq(mock_take_interrupts(&fx.driver), 0);
}
END_TEST

START_TEST(a_guest_that_gives_its_rings_away_breaks_only_itself)
{
    const struct mock_seg seg = {.gpa = RINGS, .len = 16 * PAGE};
    mock_send(&fx.driver, INFLATE, &seg, 1);
    expect_rescue();
    ck_assert_uint_eq(fx_info().inflate.bytes, 17 * PAGE);
}
END_TEST

START_TEST(a_looping_chain_comes_back_unread_and_the_next_is_served)
{
    uint32_t head;
    uint32_t len;
    uint16_t vq = (uint16_t)_i;
    (void)mock_take_interrupts(&fx.driver);
    mock_put_desc(&fx.driver, vq, 900, DATA, PAGE, 1, 900);
    mock_publish_head(&fx.driver, vq, 900);
    mock_kick(&fx.driver, vq);
    ck_assert(mock_wait_used(&fx.driver, vq, &head, &len));
    ck_assert_uint_eq(head, 900);
    ck_assert_uint_eq(len, 0);
    ck_assert(mock_wait_interrupt(&fx.driver));
    fx_send(vq, &(struct mock_seg){.gpa = DATA, .len = PAGE}, 1);
    struct balloon_info info = fx_info();
    ck_assert_uint_eq(info.bad_chain, 1);
    ck_assert_uint_eq(info.inflate.chains + info.deflate.chains, 2);
    ck_assert_uint_eq(info.inflate.descriptors + info.deflate.descriptors, 1);
    ck_assert_uint_eq(info.inflate.bytes + info.deflate.bytes, PAGE);
}
END_TEST

START_TEST(a_host_that_cannot_punch_costs_the_guest_nothing)
{
    const struct mock_seg seg = {.gpa = DATA, .len = PAGE};
    fx.hook.fail = -ENOSPC;
    fx_send(INFLATE, &seg, 1);
    ck_assert_uint_eq(fx_info().host_error, 1);
    ck_assert_uint_eq(fx_info().punch_calls, 1);
    ck_assert_uint_eq(fx_info().punched_bytes, 0);
    fx.hook.fail = 0;
    fx_send(INFLATE, &seg, 1);
    ck_assert_uint_eq(fx_info().host_error, 1);
    ck_assert_uint_eq(fx_info().punched_bytes, PAGE);
}
END_TEST

static _Atomic bool done;

static void *read_and_set(void *arg)
{
    struct err err;
    (void)arg;
    for (uint64_t i = 0; !atomic_load(&done); i++) {
        struct balloon_info info = fx_info();
        ck_assert_uint_le(info.freed_bytes, info.punched_bytes + 64 * PAGE);
        ck_assert_int_eq(balloon_set_target(fx.balloon, i % 1000 * PAGE, &err), 0);
    }
    return NULL;
}

START_TEST(thousands_of_chains_pass_while_other_threads_look_and_set_targets)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, read_and_set, NULL), 0);
    unsigned sent = 0;
    unsigned got = 0;
    uint32_t head;
    uint32_t len;
    while (got < 5000) {
        const struct mock_seg seg = {.gpa = DATA + sent % 4096 * PAGE, .len = PAGE};
        while (sent < 5000 && mock_add(&fx.driver, INFLATE, &seg, 1) >= 0)
            sent++;
        mock_publish(&fx.driver, INFLATE);
        mock_kick_if_wanted(&fx.driver, INFLATE);
        ck_assert(mock_wait_used(&fx.driver, INFLATE, &head, &len));
        got++;
        while (mock_poll_used(&fx.driver, INFLATE, &head, &len))
            got++;
        mock_write32(&fx.driver, 0x104, got);
    }
    atomic_store(&done, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(fx_info().inflate.chains, 5000);
    ck_assert_uint_eq(fx_info().inflate.bytes, 5000 * PAGE);
    ck_assert_uint_eq(fx_info().actual_bytes, 5000 * PAGE);
}
END_TEST

/* As a second vCPU would, while the device looks at its queues. */
static void offer_a_page_and_take_it_back(void)
{
    publish_range(INFLATE, BIG_START, 4096);
    publish_range(DEFLATE, BIG_START, 4096);
}

START_TEST(a_deflation_never_overtakes_the_inflation_that_was_offered_before_it)
{
    fx.hook.waiting_calls = 1 + (unsigned)_i;
    fx.hook.after_waiting = offer_a_page_and_take_it_back;
    publish_range(DEFLATE, BIG_START + MIB, 4096);
    fx_notify(DEFLATE);
    for (unsigned turns = 0; turns < 4; turns++) {
        ck_assert(used(DEFLATE) < 2 || used(INFLATE) == 1);
        fx_step();
    }
    ck_assert_uint_eq(fx.hook.waiting_calls, 0);
    ck_assert_uint_eq(used(DEFLATE), 2);
    ck_assert_uint_eq(used(INFLATE), 1);
}
END_TEST

/* Pages that do not touch, by number: more than a slice takes. */
static void publish_scattered_pfns(uint16_t vq, size_t n)
{
    uint32_t pfns[2 * 1024];
    const struct mock_seg seg = {.gpa = BUFFERS, .len = (uint32_t)(n * sizeof(pfns[0]))};
    ck_assert_uint_le(n, ARRAY_LEN(pfns));
    for (size_t i = 0; i < n; i++)
        pfns[i] = pfn_of(BIG_START) + 2 * (uint32_t)i;
    fx_put_pfns(pfns, n);
    ck_assert_int_ge(mock_add(&fx.driver, vq, &seg, 1), 0);
    mock_publish(&fx.driver, vq);
}

START_TEST(inflation_that_comes_in_the_middle_of_a_long_deflation_keeps_neither_waiting)
{
    fx_finish();
    fx_create_on(fake_ram_create(0, BIG_SIZE),
                 (struct balloon_config){.prefault_on_deflate = true});
    fx_start(0);
    fx_pause();
    publish_scattered_pfns(DEFLATE, 2000);
    fx_notify(DEFLATE);
    ck_assert_uint_eq(used(DEFLATE), 0);
    publish_scattered_pfns(INFLATE, 1);
    fx_notify(INFLATE);
    for (unsigned turns = 0; turns < 4; turns++)
        fx_step();
    ck_assert_uint_eq(used(INFLATE), 1);
    ck_assert_uint_eq(used(DEFLATE), 1);
    ck_assert_uint_eq(fx_info().prefaulted_bytes, 2000 * PAGE);
}
END_TEST

Suite *turns_suite(void)
{
    Suite *suite = suite_create("balloon: turns");
    TCase *big = tcase_create("stepped");
    tcase_set_timeout(big, 120);
    tcase_add_checked_fixture(big, setup_big, fx_finish);
    tcase_add_test(big, a_chain_is_given_back_after_its_last_slice_and_not_before);
    tcase_add_test(big, slices_are_cut_where_no_huge_page_is);
    tcase_add_test(big, a_slice_has_a_cap_on_its_ranges_too);
    tcase_add_test(big, no_deflate_is_acknowledged_while_an_inflate_is_in_flight);
    tcase_add_test(big, no_deflate_is_acknowledged_while_an_inflate_waits_to_be_collected);
    tcase_add_test(big, an_inflate_goes_before_a_deflate_whose_notification_overtook_it);
    tcase_add_loop_test(big, a_flood_leaves_other_work_of_the_loop_its_turns, 0, 2);
    tcase_add_test(big, kicks_do_not_hurry_a_batch_in_flight);
    tcase_add_test(big, a_reset_in_the_middle_drops_what_is_left);
    tcase_add_test(big, a_balloon_can_be_destroyed_in_the_middle);
    tcase_add_test(big, a_driver_may_reset_the_device_at_any_moment_of_an_inflate);
    tcase_add_test(big,
                   inflation_that_comes_in_the_middle_of_a_long_deflation_keeps_neither_waiting);
    tcase_add_loop_test(big, a_deflation_never_overtakes_the_inflation_that_was_offered_before_it,
                        0, 2);
    suite_add_tcase(suite, big);
    TCase *tc = tcase_create("running");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, fx_setup_sg, fx_finish);
    tcase_add_loop_test(tc, an_index_far_ahead_asks_for_a_reset_and_a_reset_helps, 0, 2);
    tcase_add_test(tc, a_broken_ring_is_reported_once_however_often_it_is_kicked);
    tcase_add_test(tc, a_guest_that_gives_its_rings_away_breaks_only_itself);
    tcase_add_loop_test(tc, a_looping_chain_comes_back_unread_and_the_next_is_served, 0, 2);
    tcase_add_test(tc, a_host_that_cannot_punch_costs_the_guest_nothing);
    tcase_add_test(tc, thousands_of_chains_pass_while_other_threads_look_and_set_targets);
    suite_add_tcase(suite, tc);
    return suite;
}
