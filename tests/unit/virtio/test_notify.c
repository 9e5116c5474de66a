/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of notification suppression in both directions, with and without EVENT_IDX. */
#include <check.h>

#include "tests/unit/virtio/fixture.h"
#include "tests/unit/virtio/suites.h"
#include "vmm/base/num.h"

#define SIZE 16u

/* Takes and gives back n chains. */
static void serve(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t head;
        uint32_t len;
        const struct mock_seg seg = {.gpa = FIX_DATA, .len = 1};
        if (mock_add(&qf.driver, 0, &seg, 1) < 0)
            ck_abort_msg("no descriptor left for chain %u", i);
        mock_publish(&qf.driver, 0);
        if (vq_pop(&qf.vq, &qf.chain) != 1 || vq_push(&qf.vq, qf.chain.head, 0) != 0 ||
            !mock_poll_used(&qf.driver, 0, &head, &len))
            ck_abort_msg("chain %u", i);
    }
}

struct decision {
    uint16_t old;   /* index at the last decision */
    uint16_t count; /* pushed since */
    uint16_t event;
    bool interrupt;
};

static const struct decision decisions[] = {
    {0, 1, 0, true},
    {0, 1, 1, false},
    {0, 1, 0xffff, false},
    {0, 3, 2, true},
    {0, 3, 3, false},
    {10, 4, 9, false},
    {10, 4, 10, true},
    {10, 4, 13, true},
    {10, 4, 14, false},
    {10, 4, 0x800a, false},
    {0xfffe, 1, 0xfffe, true},
    {0xfffe, 1, 0xffff, false},
    {0xfffe, 4, 0xfffd, false},
    {0xfffe, 4, 0xfffe, true},
    {0xfffe, 4, 0xffff, true},
    {0xfffe, 4, 0, true},
    {0xfffe, 4, 1, true},
    {0xfffe, 4, 2, false},
    {0x7fff, 2, 0x8000, true},
    {0x7fff, 2, 0x8001, false},
};

START_TEST(used_event_decides_about_the_interrupt)
{
    const struct decision *d = &decisions[_i];
    queue_fixture_start(SIZE, true);
    qf.vq.next_avail = qf.vq.next_used = qf.vq.signalled = d->old;
    qf.driver.vq[0].avail_idx = qf.driver.vq[0].last_used = d->old;
    serve(d->count);
    mock_put_used_event(&qf.driver, 0, d->event);
    ck_assert_int_eq(vq_should_interrupt(&qf.vq), d->interrupt);
    ck_assert(!vq_should_interrupt(&qf.vq));
    ck_assert_uint_eq(atomic_load(&qf.vq.count.interrupts), d->interrupt);
}
END_TEST

START_TEST(without_event_idx_the_avail_flags_decide)
{
    queue_fixture_start(SIZE, false);
    mock_put_used_event(&qf.driver, 0, 0x4000);
    serve(2);
    ck_assert(vq_should_interrupt(&qf.vq));
    mock_put_avail_flags(&qf.driver, 0, VRING_AVAIL_F_NO_INTERRUPT);
    serve(2);
    ck_assert(!vq_should_interrupt(&qf.vq));
    mock_put_avail_flags(&qf.driver, 0, 0);
    ck_assert(!vq_should_interrupt(&qf.vq)); /* nothing new */
    serve(1);
    ck_assert(vq_should_interrupt(&qf.vq));
    ck_assert_uint_eq(atomic_load(&qf.vq.count.interrupts), 2);
}
END_TEST

START_TEST(with_event_idx_the_avail_flags_do_not_count)
{
    queue_fixture_start(SIZE, true);
    mock_put_avail_flags(&qf.driver, 0, VRING_AVAIL_F_NO_INTERRUPT);
    serve(1);
    ck_assert(vq_should_interrupt(&qf.vq));
}
END_TEST

START_TEST(after_a_whole_lap_without_a_decision_the_driver_is_interrupted)
{
    queue_fixture_start(SIZE, true);
    serve(65536);
    mock_put_used_event(&qf.driver, 0, 0x4000);
    ck_assert(vq_should_interrupt(&qf.vq));
    ck_assert(!vq_should_interrupt(&qf.vq));
    serve(1);
    ck_assert(!vq_should_interrupt(&qf.vq));
}
END_TEST

START_TEST(without_event_idx_the_used_flags_carry_the_wish)
{
    queue_fixture_start(SIZE, false);
    vq_disable_notify(&qf.vq);
    ck_assert_uint_eq(mock_get_used_flags(&qf.driver, 0), VRING_USED_F_NO_NOTIFY);
    ck_assert(!vq_enable_notify(&qf.vq));
    ck_assert_uint_eq(mock_get_used_flags(&qf.driver, 0), 0);
    ck_assert_uint_eq(mock_get_avail_event(&qf.driver, 0), 0);
}
END_TEST

START_TEST(with_event_idx_avail_event_carries_the_wish)
{
    queue_fixture_start(SIZE, true);
    serve(5);
    vq_disable_notify(&qf.vq);
    ck_assert_uint_eq(mock_get_avail_event(&qf.driver, 0), 0);
    ck_assert(!vq_enable_notify(&qf.vq));
    ck_assert_uint_eq(mock_get_avail_event(&qf.driver, 0), 5);
    ck_assert_uint_eq(mock_get_used_flags(&qf.driver, 0), 0);
}
END_TEST

START_TEST(enabling_reports_a_chain_that_came_meanwhile)
{
    const struct mock_seg seg = {.gpa = FIX_DATA, .len = 1};
    queue_fixture_start(SIZE, _i);
    serve(3);
    vq_disable_notify(&qf.vq);
    ck_assert_int_ge(mock_add(&qf.driver, 0, &seg, 1), 0);
    ck_assert(!vq_enable_notify(&qf.vq));
    mock_publish(&qf.driver, 0);
    ck_assert(vq_enable_notify(&qf.vq));
    ck_assert_int_eq(vq_pop(&qf.vq, &qf.chain), 1);
    ck_assert(!vq_enable_notify(&qf.vq));
}
END_TEST

Suite *notify_suite(void)
{
    Suite *suite = suite_create("virtio/notify");
    TCase *tc = tcase_create("notify");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, queue_fixture_setup, queue_fixture_teardown);
    tcase_add_loop_test(tc, used_event_decides_about_the_interrupt, 0, ARRAY_LEN(decisions));
    tcase_add_test(tc, without_event_idx_the_avail_flags_decide);
    tcase_add_test(tc, with_event_idx_the_avail_flags_do_not_count);
    tcase_add_test(tc, after_a_whole_lap_without_a_decision_the_driver_is_interrupted);
    tcase_add_test(tc, without_event_idx_the_used_flags_carry_the_wish);
    tcase_add_test(tc, with_event_idx_avail_event_carries_the_wish);
    tcase_add_loop_test(tc, enabling_reports_a_chain_that_came_meanwhile, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
