/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in pieces, by either form and of either backing, and memory populated ahead for
 * deflation. */
#include <check.h>
#include <errno.h>

#include "devices/balloon/balloon_priv.h"
#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/suites.h"

#define HUGE   GM_HUGE_SIZE
#define PAGES  ((uint32_t)(HUGE / PAGE))
#define ACTUAL 0x104

/* Of the RAM. Whether the host gives huge pages does not matter: the device goes by what was asked
 * for. */
static enum gm_backing backing;

static void create_of(uint64_t bytes, struct balloon_config config)
{
    const struct gm_range ram = {0, bytes};
    struct gm *gm = NULL;
    ck_assert_int_eq(gm_create(&ram, 1, backing, &gm, NULL), 0);
    /* With huge pages the rest is waited for in any case. */
    config.must_tell_host = backing == GM_BACKING_4K;
    fx_create_on(gm, config);
}

static void create(struct balloon_config config)
{
    create_of(LOW_SIZE, config);
}

static void start(uint64_t features)
{
    fx_start(features);
    fx_pause();
}

static void setup_thp(void)
{
    backing = GM_BACKING_THP;
    create((struct balloon_config){0});
    start(F_SG | F_TELL);
}

static void setup_4k(void)
{
    backing = GM_BACKING_4K;
    create((struct balloon_config){0});
    start(F_SG | F_TELL);
}

static void send(uint16_t vq, uint64_t gpa, uint64_t len)
{
    const struct mock_seg seg = {.gpa = gpa, .len = (uint32_t)len};
    uint16_t before = mock_get_used_idx(&fx.driver, vq);
    ck_assert_int_ge(mock_add(&fx.driver, vq, &seg, 1), 0);
    mock_publish(&fx.driver, vq);
    fx_notify(vq);
    ck_assert_uint_eq(mock_get_used_idx(&fx.driver, vq), before + 1);
}

/* The idle time of pieces is over: runs what its timer would. */
static void let_pieces_go(void)
{
    fx_resume();
    for (unsigned ms = 0; ms < MOCK_TIMEOUT_MS && fx_info().waiting_bytes > 0; ms++)
        mock_loop_sync(&(struct mock_loop){.loop = fx.loop});
    fx_pause();
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
}

static void let_change_end(void)
{
    fx_resume();
    for (unsigned ms = 0; ms < MOCK_TIMEOUT_MS && !fx_info().change_done; ms++)
        mock_loop_sync(&(struct mock_loop){.loop = fx.loop});
    fx_pause();
    ck_assert(fx_info().change_done);
}

START_TEST(must_tell_host_is_offered_because_pieces_wait)
{
    const struct vdev *dev = balloon_vdev(fx.balloon);
    ck_assert_uint_eq(dev->ops->features(dev), F_SG | F_TELL);
}
END_TEST

START_TEST(two_halves_are_punched_as_one_when_the_second_comes)
{
    send(INFLATE, DATA, HUGE / 2);
    ck_assert_uint_eq(fx_info().punch_calls, 0);
    ck_assert_uint_eq(fx_info().waiting_bytes, HUGE / 2);
    send(INFLATE, DATA + HUGE / 2, HUGE / 2);
    ck_assert_uint_eq(fx_info().punch_calls, 1);
    ck_assert_uint_eq(fx_info().punched_bytes, HUGE);
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
}
END_TEST

START_TEST(pages_of_any_order_make_a_whole)
{
    for (uint32_t i = 0; i < PAGES; i++) {
        /* 5 and 512 have no common divisor: every page comes once. */
        ck_assert_uint_eq(fx_info().punch_calls, 0);
        send(INFLATE, DATA + (i * 5 % PAGES) * PAGE, PAGE);
    }
    ck_assert_uint_eq(fx_info().punched_bytes, HUGE);
    ck_assert_uint_eq(fx_info().inflate.chains, PAGES);
}
END_TEST

START_TEST(page_numbers_make_a_whole_too)
{
    uint32_t pfns[PAGES / 2];
    fx_resume();
    mock_driver_reset(&fx.driver);
    fx_start(F_TELL);
    for (uint32_t half = 0; half < 2; half++) {
        for (uint32_t i = 0; i < ARRAY_LEN(pfns); i++)
            pfns[i] = pfn_of(DATA) + 2 * i + half;
        fx_send_pfns(INFLATE, pfns, ARRAY_LEN(pfns));
        /* Nobody sends more for as long as the first half waits, so its timer may come first. */
        ck_assert_uint_eq(fx_info().inflate.chains, half + 1);
    }
    ck_assert_uint_ge(fx_info().punched_bytes, HUGE);
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
}
END_TEST

START_TEST(a_range_is_punched_but_for_its_ragged_ends)
{
    send(INFLATE, DATA + HUGE - PAGE, 2 * HUGE + 2 * PAGE);
    ck_assert_uint_eq(fx_info().punched_bytes, 2 * HUGE);
    ck_assert_uint_eq(fx.hook.last[0].start, DATA + HUGE);
    ck_assert_uint_eq(fx_info().waiting_bytes, 2 * PAGE);
}
END_TEST

START_TEST(a_piece_that_was_taken_back_is_not_punched_with_the_rest)
{
    fake_ram_fill(fx.gm, DATA, HUGE, 0x5a);
    send(INFLATE, DATA, HUGE / 2);
    send(DEFLATE, DATA + PAGE, PAGE);
    ck_assert_uint_eq(fx_info().waiting_bytes, HUGE / 2 - PAGE);
    send(INFLATE, DATA + HUGE / 2, HUGE / 2);
    let_pieces_go();
    ck_assert_uint_eq(fx_populated(DATA, PAGES), 1);
    ck_assert(fake_ram_all(fx.gm, DATA + PAGE, PAGE, 0x5a));
    send(INFLATE, DATA + PAGE, PAGE);
    ck_assert_uint_eq(fx_populated(DATA, PAGES), 0);
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
}
END_TEST

START_TEST(pieces_that_wait_in_vain_are_punched_as_they_are)
{
    fake_ram_fill(fx.gm, DATA, HUGE, 0x5a);
    send(INFLATE, DATA + PAGE, PAGE);
    send(INFLATE, DATA + 3 * PAGE, 2 * PAGE);
    ck_assert_uint_eq(fx_populated(DATA, PAGES), PAGES);
    let_pieces_go();
    ck_assert_uint_eq(fx_populated(DATA, PAGES), PAGES - 3);
    ck_assert_uint_eq(fx_populated(DATA + PAGE, 1), 0);
    ck_assert_uint_eq(fx_populated(DATA + 3 * PAGE, 2), 0);
}
END_TEST

/* Nobody who waits for the change is told of its end while memory is still held. */
START_TEST(what_waits_goes_when_the_guest_reaches_its_target)
{
    ck_assert_int_eq(balloon_set_target(fx.balloon, HUGE / 2, NULL), 0);
    fake_ram_fill(fx.gm, DATA, HUGE, 0x5a);
    send(INFLATE, DATA, HUGE / 2);
    ck_assert_uint_eq(fx_populated(DATA, PAGES), PAGES);
    mock_write32(&fx.driver, ACTUAL, PAGES / 2);
    ck_assert(!fx_info().change_done);
    let_change_end();
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
    ck_assert_uint_eq(fx_info().punched_bytes, HUGE / 2);
    ck_assert_uint_eq(fx_populated(DATA, PAGES), PAGES / 2);
}
END_TEST

START_TEST(a_target_reached_with_nothing_waiting_is_the_end_at_once)
{
    ck_assert_int_eq(balloon_set_target(fx.balloon, HUGE, NULL), 0);
    send(INFLATE, DATA, HUGE);
    mock_write32(&fx.driver, ACTUAL, PAGES);
    ck_assert(fx_info().change_done);
}
END_TEST

START_TEST(a_reset_ends_the_change_that_was_about_to_end)
{
    ck_assert_int_eq(balloon_set_target(fx.balloon, HUGE / 2, NULL), 0);
    send(INFLATE, DATA, HUGE / 2);
    mock_write32(&fx.driver, ACTUAL, PAGES / 2);
    ck_assert(!fx_info().change_done);
    balloon_vdev(fx.balloon)->ops->reset(balloon_vdev(fx.balloon));
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
    ck_assert(fx_info().change_done);
}
END_TEST

/* Every second page of fresh RAM, in chains: none has a neighbour to go with. All of it waits. */
static void give_single_pages(uint64_t pages)
{
    enum { CHAIN = 50 };
    static struct mock_seg segs[CHAIN];
    fx_finish();
    create_of(DATA + 2 * pages * PAGE, (struct balloon_config){.target_bytes = pages * PAGE});
    start(F_SG | F_TELL);
    for (uint64_t i = 0; i < pages; i++) {
        segs[i % CHAIN] = (struct mock_seg){.gpa = DATA + 2 * i * PAGE, .len = PAGE};
        if (i % CHAIN < CHAIN - 1)
            continue;
        ck_assert_int_ge(mock_add(&fx.driver, INFLATE, segs, CHAIN), 0);
        mock_publish(&fx.driver, INFLATE);
        fx_notify(INFLATE);
        uint32_t head;
        uint32_t len;
        ck_assert(mock_poll_used(&fx.driver, INFLATE, &head, &len));
    }
    ck_assert_uint_eq(fx_info().waiting_bytes, pages * PAGE);
}

START_TEST(more_pieces_than_a_batch_holds_go_in_several)
{
    /* A batch holds 16,384 ranges. */
    const uint64_t pages = 18000;
    give_single_pages(pages);
    mock_write32(&fx.driver, ACTUAL, (uint32_t)pages);
    let_change_end();
    ck_assert_uint_eq(fx_info().punch_calls, pages);
    ck_assert_uint_eq(fx_info().punched_bytes, pages * PAGE);
}
END_TEST

/* The timer of the pieces had them begin to go just before. */
START_TEST(what_is_on_its_way_out_has_not_gone)
{
    /* A slice holds 1024 ranges. */
    const uint64_t pages = 3000;
    give_single_pages(pages);
    balloon_pieces_flush(fx.balloon);
    fx_step();
    ck_assert_uint_eq(fx_info().punch_calls, BALLOON_SLICE_RANGES);
    mock_write32(&fx.driver, ACTUAL, (uint32_t)pages);
    ck_assert(!fx_info().change_done);
    let_change_end();
    ck_assert_uint_eq(fx_info().punch_calls, pages);
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
}
END_TEST

START_TEST(a_target_where_the_guest_is_already_waits_for_what_waits)
{
    ck_assert_int_eq(balloon_set_target(fx.balloon, HUGE, NULL), 0);
    send(INFLATE, DATA, HUGE / 2);
    mock_write32(&fx.driver, ACTUAL, PAGES / 2);
    ck_assert_int_eq(balloon_set_target(fx.balloon, HUGE / 2, NULL), 0);
    ck_assert(!fx_info().change_done);
    let_change_end();
    ck_assert_uint_eq(fx_info().punched_bytes, HUGE / 2);
}
END_TEST

static void fifty_ms_pass(void)
{
    fx.clock_skew_ns += 50000000;
}

START_TEST(the_time_that_the_last_pieces_take_is_the_devices)
{
    ck_assert_int_eq(balloon_set_target(fx.balloon, HUGE / 2, NULL), 0);
    send(INFLATE, DATA, HUGE / 2);
    fx.hook.before = fifty_ms_pass;
    mock_write32(&fx.driver, ACTUAL, PAGES / 2);
    for (unsigned i = 0; i < 3; i++)
        fx_step();
    ck_assert(fx_info().change_done);
    ck_assert_uint_ge(fx_info().change_ns, 50000000);
    ck_assert_uint_ge(fx_info().change_busy_ns, 50000000);
}
END_TEST

/* Their buffers were returned before: what goes on in the ring is none of theirs. */
START_TEST(a_broken_ring_does_not_keep_what_waits)
{
    const uint64_t pages = 3000;
    give_single_pages(pages);
    mock_put_avail_idx(&fx.driver, INFLATE, 30000);
    fx_notify(INFLATE);
    ck_assert_uint_eq(fx_info().bad_ring, 1);
    mock_write32(&fx.driver, ACTUAL, (uint32_t)pages);
    for (unsigned i = 0; i < 8; i++)
        fx_step();
    ck_assert(fx_info().change_done);
    ck_assert_uint_eq(fx_info().punch_calls, pages);
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
}
END_TEST

/* Nothing in the deflation can be read, so that no batch ends with it. */
START_TEST(a_change_ends_when_what_waits_is_forgotten)
{
    ck_assert_int_eq(balloon_set_target(fx.balloon, HUGE / 2, NULL), 0);
    send(INFLATE, DATA, HUGE / 2);
    fx.balloon->batch.busy = true;
    mock_write32(&fx.driver, ACTUAL, PAGES / 2);
    fx_step();
    fx.balloon->batch.busy = false;
    mock_put_desc(&fx.driver, DEFLATE, 7, DATA, 4096, 1 /* NEXT */, 7);
    mock_publish_head(&fx.driver, DEFLATE, 7);
    fx_notify(DEFLATE);
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
    ck_assert(fx_info().change_done);
}
END_TEST

static unsigned slices_before_answers[2];

static void ask_both_queues(void)
{
    const struct mock_seg seg = {.gpa = DATA, .len = PAGE};
    for (uint16_t vq = INFLATE; vq <= DEFLATE; vq++) {
        if (fx.hook.calls == 0)
            (void)mock_send(&fx.driver, vq, &seg, 1);
        if (mock_get_used_idx(&fx.driver, vq) == fx.driver.vq[vq].last_used)
            slices_before_answers[vq] = fx.hook.calls + 1;
    }
}

/* Neither queue waits for more than the batch that is under way when it is notified, and another.
 */
START_TEST(the_queues_have_their_turn_between_batches_of_pieces)
{
    enum { BATCHES = 4, SLICES = BALLOON_BATCH_RANGES / BALLOON_SLICE_RANGES };
    const uint64_t pages = BATCHES * (uint64_t)BALLOON_BATCH_RANGES / 50 * 50;
    give_single_pages(pages);
    fx.hook.before = ask_both_queues;
    mock_write32(&fx.driver, ACTUAL, (uint32_t)pages);
    let_change_end();
    fx.hook.before = NULL;
    ck_assert_uint_le(slices_before_answers[INFLATE], 2 * SLICES);
    ck_assert_uint_le(slices_before_answers[DEFLATE], 2 * SLICES);
}
END_TEST

/* The end of what waits is not lost while another queue has the batch. */
START_TEST(a_deflation_between_does_not_keep_what_waits)
{
    ck_assert_int_eq(balloon_set_target(fx.balloon, HUGE / 2, NULL), 0);
    send(INFLATE, DATA, HUGE / 2);
    mock_write32(&fx.driver, ACTUAL, PAGES / 2);
    send(DEFLATE, DATA, PAGE);
    let_change_end();
    ck_assert_uint_eq(fx_info().punched_bytes, HUGE / 2 - PAGE);
}
END_TEST

START_TEST(a_reset_forgets_pieces)
{
    send(INFLATE, DATA, HUGE / 2);
    fx_resume();
    mock_driver_reset(&fx.driver);
    fx_start(F_SG | F_TELL);
    fx_pause();
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
    /* While the loop ran, the first half may have been punched by itself. */
    uint64_t calls = fx_info().punch_calls;
    fake_ram_fill(fx.gm, DATA, HUGE, 0x5a);
    send(INFLATE, DATA + HUGE / 2, HUGE / 2);
    ck_assert_uint_eq(fx_info().punch_calls, calls);
    ck_assert_uint_eq(fx_info().waiting_bytes, HUGE / 2);
    ck_assert(fake_ram_all(fx.gm, DATA, HUGE / 2, 0x5a));
}
END_TEST

START_TEST(a_driver_that_promises_nothing_has_its_pieces_punched_at_once)
{
    fx_resume();
    mock_driver_reset(&fx.driver);
    start(F_SG);
    fake_ram_fill(fx.gm, DATA, HUGE, 0x5a);
    send(INFLATE, DATA, PAGE);
    ck_assert_uint_eq(fx_populated(DATA, PAGES), PAGES - 1);
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
}
END_TEST

/* What was meant is unknown, and it is acknowledged: nothing may be punched later on. */
START_TEST(a_deflation_that_cannot_be_read_whole_forgets_all_pieces)
{
    static const struct mock_seg bad[] = {{.gpa = DATA, .len = 100},
                                          {.gpa = UINT64_MAX - 4095, .len = 4096}};
    fake_ram_fill(fx.gm, DATA, HUGE, 0x5a);
    send(INFLATE, DATA, HUGE / 2);
    if (_i < 2) {
        send(DEFLATE, bad[_i].gpa, bad[_i].len);
    } else {
        mock_put_desc(&fx.driver, DEFLATE, 7, DATA, 4096, 1 /* NEXT */, 7);
        mock_publish_head(&fx.driver, DEFLATE, 7);
        fx_notify(DEFLATE);
    }
    ck_assert_uint_eq(fx_info().waiting_bytes, 0);
    ck_assert_uint_eq(fx_populated(DATA, PAGES), PAGES);
}
END_TEST

START_TEST(reported_pieces_are_punched_at_once)
{
    const struct mock_seg seg = {.gpa = DATA, .len = PAGE, .writable = true};
    fx_finish();
    create((struct balloon_config){.free_page_reporting = true});
    fx_start_all(F_SG | F_TELL | F_REPORT);
    fake_ram_fill(fx.gm, DATA, PAGE, 0x5a);
    fx_send(2, &seg, 1);
    ck_assert_uint_eq(fx_populated(DATA, 1), 0);
}
END_TEST

START_TEST(deflation_populates_ahead_if_that_is_configured)
{
    fx_finish();
    create((struct balloon_config){.prefault_on_deflate = _i != 0});
    start(F_SG | F_TELL);
    send(INFLATE, DATA, 2 * HUGE);
    ck_assert_uint_eq(fx_populated(DATA, 2 * PAGES), 0);
    send(DEFLATE, DATA + HUGE, HUGE);
    ck_assert_uint_eq(fx_populated(DATA, 2 * PAGES), _i != 0 ? PAGES : 0);
    ck_assert_uint_eq(fx_info().prefaulted_bytes, _i != 0 ? HUGE : 0);
    ck_assert_uint_eq(fx_info().deflate.bytes, HUGE);
}
END_TEST

static void add_tests(Suite *suite, const char *name, SFun setup)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, fx_finish);
    tcase_add_test(tc, must_tell_host_is_offered_because_pieces_wait);
    tcase_add_test(tc, two_halves_are_punched_as_one_when_the_second_comes);
    tcase_add_test(tc, pages_of_any_order_make_a_whole);
    tcase_add_test(tc, page_numbers_make_a_whole_too);
    tcase_add_test(tc, a_range_is_punched_but_for_its_ragged_ends);
    tcase_add_test(tc, a_piece_that_was_taken_back_is_not_punched_with_the_rest);
    tcase_add_test(tc, pieces_that_wait_in_vain_are_punched_as_they_are);
    tcase_add_test(tc, what_waits_goes_when_the_guest_reaches_its_target);
    tcase_add_test(tc, a_target_reached_with_nothing_waiting_is_the_end_at_once);
    tcase_add_test(tc, a_reset_ends_the_change_that_was_about_to_end);
    tcase_add_test(tc, more_pieces_than_a_batch_holds_go_in_several);
    tcase_add_test(tc, what_is_on_its_way_out_has_not_gone);
    tcase_add_test(tc, a_target_where_the_guest_is_already_waits_for_what_waits);
    tcase_add_test(tc, the_time_that_the_last_pieces_take_is_the_devices);
    tcase_add_test(tc, a_broken_ring_does_not_keep_what_waits);
    tcase_add_test(tc, a_change_ends_when_what_waits_is_forgotten);
    tcase_add_test(tc, the_queues_have_their_turn_between_batches_of_pieces);
    tcase_add_test(tc, a_deflation_between_does_not_keep_what_waits);
    tcase_add_test(tc, a_reset_forgets_pieces);
    tcase_add_test(tc, a_driver_that_promises_nothing_has_its_pieces_punched_at_once);
    tcase_add_loop_test(tc, a_deflation_that_cannot_be_read_whole_forgets_all_pieces, 0, 3);
    tcase_add_test(tc, reported_pieces_are_punched_at_once);
    tcase_add_loop_test(tc, deflation_populates_ahead_if_that_is_configured, 0, 2);
    suite_add_tcase(suite, tc);
}

Suite *pieces_suite(void)
{
    Suite *suite = suite_create("balloon: pieces");
    add_tests(suite, "transparent huge pages", setup_thp);
    add_tests(suite, "pages of 4 KiB", setup_4k);
    return suite;
}
