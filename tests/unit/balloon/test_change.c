/* SPDX-License-Identifier: Apache-2.0 */
/* How a guest follows its target: a change that gets nowhere is found out, once, and costs nothing.
 */
#include <check.h>

#include "devices/balloon/balloon_priv.h"
#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/suites.h"

#define ACTUAL 0x104

static void setup(void)
{
    fx_create((struct balloon_config){0});
    fx_start(F_SG);
    fx_pause();
}

static void set_target(uint64_t pages)
{
    struct err err;
    ck_assert_int_eq(balloon_set_target(fx.balloon, pages * PAGE, &err), 0);
    fx_step();
}

/* Time passes, and the timer of the watch expires. */
static void wait_ns(uint64_t ns)
{
    fx.clock_skew_ns += ns;
    balloon_change_watch(fx.balloon);
}

static void guest_says(uint32_t pages)
{
    mock_write32(&fx.driver, ACTUAL, pages);
    fx_step();
}

START_TEST(a_change_without_progress_stalls_once)
{
    set_target(100);
    wait_ns(BALLOON_STALL_NS / 2);
    ck_assert(!fx_info().change_stalled);
    wait_ns(BALLOON_STALL_NS);
    ck_assert(fx_info().change_stalled);
    ck_assert(!fx_info().change_done);
    wait_ns(BALLOON_STALL_NS);
    wait_ns(BALLOON_STALL_NS);
    ck_assert_uint_eq(fx_info().stalls, 1);
}
END_TEST

START_TEST(progress_ends_a_stall_and_may_stall_again)
{
    set_target(100);
    wait_ns(BALLOON_STALL_NS);
    guest_says(50);
    ck_assert(!fx_info().change_stalled);
    wait_ns(BALLOON_STALL_NS - 1000000000);
    ck_assert(!fx_info().change_stalled);
    wait_ns(1000000000);
    ck_assert(fx_info().change_stalled);
    ck_assert_uint_eq(fx_info().stalls, 2);
}
END_TEST

START_TEST(the_same_actual_again_is_no_progress)
{
    guest_says(30);
    set_target(100);
    wait_ns(BALLOON_STALL_NS - 1);
    guest_says(30);
    wait_ns(1);
    ck_assert(fx_info().change_stalled);
}
END_TEST

START_TEST(to_and_fro_is_no_progress)
{
    guest_says(30);
    set_target(100);
    guest_says(40);
    for (unsigned i = 0; i < 10; i++) {
        wait_ns(BALLOON_STALL_NS / 4);
        guest_says(i % 2 == 0 ? 39 : 40);
    }
    ck_assert(fx_info().change_stalled);
    guest_says(41);
    ck_assert(!fx_info().change_stalled);
}
END_TEST

START_TEST(while_the_device_works_the_guest_has_not_stalled)
{
    const struct mock_seg seg = {.gpa = DATA, .len = PAGE};
    set_target(100);
    fx.balloon->batch.busy = true;
    ck_assert_int_ge(mock_add(&fx.driver, INFLATE, &seg, 1), 0);
    wait_ns(2 * BALLOON_STALL_NS);
    ck_assert(!fx_info().change_stalled);
    fx.balloon->batch.busy = false;
    wait_ns(BALLOON_STALL_NS);
    ck_assert(fx_info().change_stalled);
}
END_TEST

START_TEST(a_driver_that_comes_back_has_to_follow_anew)
{
    set_target(100);
    guest_says(100);
    ck_assert(fx_info().change_done);
    fx_resume();
    mock_driver_reset(&fx.driver);
    fx_start(F_SG);
    fx_pause();
    ck_assert(!fx_info().change_done);
    ck_assert_uint_eq(fx_info().change_from_bytes, 0);
    ck_assert_uint_eq(fx_info().target_changes, 1);
    guest_says(100);
    ck_assert(fx_info().change_done);
}
END_TEST

START_TEST(a_new_target_starts_anew)
{
    set_target(100);
    wait_ns(BALLOON_STALL_NS);
    set_target(10);
    ck_assert(!fx_info().change_stalled);
    ck_assert_uint_eq(fx_info().target_changes, 2);
    guest_says(10);
    ck_assert(fx_info().change_done);
    wait_ns(BALLOON_STALL_NS);
    ck_assert(!fx_info().change_stalled);
}
END_TEST

START_TEST(targets_that_follow_each_other_count_from_where_the_guest_is)
{
    set_target(100);
    guest_says(60);
    set_target(20);
    ck_assert_uint_eq(fx_info().change_from_bytes, 60 * PAGE);
    guest_says(100);
    ck_assert(!fx_info().change_done);
    guest_says(20);
    ck_assert(fx_info().change_done);
}
END_TEST

START_TEST(a_guest_without_a_driver_stalls_too)
{
    fx_resume();
    mock_driver_reset(&fx.driver);
    fx_pause();
    set_target(100);
    wait_ns(BALLOON_STALL_NS);
    ck_assert(fx_info().change_stalled);
}
END_TEST

START_TEST(a_driver_that_comes_late_has_not_stalled)
{
    fx_resume();
    mock_driver_reset(&fx.driver);
    fx_pause();
    set_target(100);
    wait_ns(2 * BALLOON_STALL_NS);
    fx_resume();
    fx_start(F_SG);
    fx_pause();
    ck_assert(!fx_info().change_stalled);
    wait_ns(BALLOON_STALL_NS);
    ck_assert(fx_info().change_stalled);
}
END_TEST

START_TEST(a_guest_that_is_paused_has_not_stalled)
{
    set_target(100);
    balloon_set_paused(fx.balloon, true);
    wait_ns(2 * BALLOON_STALL_NS);
    set_target(90);
    wait_ns(2 * BALLOON_STALL_NS);
    ck_assert(!fx_info().change_stalled);
    balloon_set_paused(fx.balloon, false);
    wait_ns(BALLOON_STALL_NS / 2);
    ck_assert(!fx_info().change_stalled);
    wait_ns(BALLOON_STALL_NS);
    ck_assert(fx_info().change_stalled);
}
END_TEST

static void a_second_passes(void)
{
    fx.clock_skew_ns += 1000000000;
}

START_TEST(the_devices_own_time_is_told_from_waiting_for_the_guest)
{
    const struct mock_seg seg = {.gpa = DATA, .len = PAGE};
    set_target(1);
    fx.clock_skew_ns += 5000000000;
    fx.hook.before = a_second_passes;
    ck_assert_int_ge(mock_add(&fx.driver, INFLATE, &seg, 1), 0);
    mock_publish(&fx.driver, INFLATE);
    fx_notify(INFLATE);
    guest_says(1);
    struct balloon_info info = fx_info();
    ck_assert(info.change_done);
    ck_assert_uint_ge(info.change_ns, 6000000000);
    ck_assert_uint_ge(info.change_busy_ns, 1000000000);
    ck_assert_uint_lt(info.change_busy_ns, 5000000000);
}
END_TEST

Suite *change_suite(void)
{
    Suite *suite = suite_create("balloon: changes of target");
    TCase *tc = tcase_create("change");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, fx_finish);
    tcase_add_test(tc, a_change_without_progress_stalls_once);
    tcase_add_test(tc, progress_ends_a_stall_and_may_stall_again);
    tcase_add_test(tc, the_same_actual_again_is_no_progress);
    tcase_add_test(tc, to_and_fro_is_no_progress);
    tcase_add_test(tc, while_the_device_works_the_guest_has_not_stalled);
    tcase_add_test(tc, a_driver_that_comes_back_has_to_follow_anew);
    tcase_add_test(tc, a_new_target_starts_anew);
    tcase_add_test(tc, targets_that_follow_each_other_count_from_where_the_guest_is);
    tcase_add_test(tc, a_guest_without_a_driver_stalls_too);
    tcase_add_test(tc, a_driver_that_comes_late_has_not_stalled);
    tcase_add_test(tc, a_guest_that_is_paused_has_not_stalled);
    tcase_add_test(tc, the_devices_own_time_is_told_from_waiting_for_the_guest);
    suite_add_tcase(suite, tc);
    return suite;
}
