/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of a device at work behind its transport: notifications, interrupts, reset, what a lying
 * driver brings about.
 */
#include <check.h>
#include <errno.h>
#include <unistd.h>

#include "tests/unit/virtio/fixture.h"
#include "tests/unit/virtio/suites.h"
#include "vmm/base/num.h"

static const struct mock_seg one_seg = {.gpa = FIX_DATA, .len = 100};
static const struct mock_seg two_segs[] = {{.gpa = FIX_DATA, .len = 100},
                                           {.gpa = FIX_DATA + 100, .len = 28, .writable = true}};

static uint64_t bad(void)
{
    return mock_bad_register(&df.driver);
}

static uint64_t notified(uint16_t vq)
{
    struct vmmio_counters counters;
    vmmio_get_counters(df.transport, &counters);
    return counters.notifications[vq];
}

static void kick_as_ioeventfd(uint16_t vq)
{
    uint64_t one = 1;
    ck_assert_int_eq(write(vmmio_notify_fd(df.transport, vq), &one, sizeof(one)), sizeof(one));
}

START_TEST(a_chain_goes_through_the_device_and_interrupts)
{
    uint32_t head;
    uint32_t len;
    mock_driver_start(&df.driver, _i ? F_EVENT_IDX : 0, 2, 64, FIX_RINGS);
    uint16_t sent = mock_send(&df.driver, 1, two_segs, 2);
    ck_assert(mock_wait_used(&df.driver, 1, &head, &len));
    ck_assert_uint_eq(head, sent);
    ck_assert_uint_eq(len, 28);
    ck_assert(mock_wait_interrupt(&df.driver));
    ck_assert_uint_eq(mock_take_isr(&df.driver), VIRTIO_MMIO_INT_VRING);
    ck_assert_uint_eq(mock_take_isr(&df.driver), 0);
    ck_assert_uint_eq(df.echo.bytes, 128);
    ck_assert_uint_eq(notified(1), 1);
    ck_assert_uint_eq(notified(0), 0);
    ck_assert_uint_eq(bad(), 0);
}
END_TEST

START_TEST(many_chains_one_notification)
{
    const int chains = VQ_SIZE_LIMIT / 2;
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1 | F_EVENT_IDX));
    mock_setup_queue(&df.driver, 1, VQ_SIZE_LIMIT, FIX_RINGS);
    ck_assert_uint_eq(mock_driver_ok(&df.driver), ST_DRIVER_OK);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < chains; i++)
            ck_assert_int_ge(mock_add(&df.driver, 1, two_segs, 2), 0);
        ck_assert_int_eq(mock_add(&df.driver, 1, &one_seg, 1), -1);
        mock_publish(&df.driver, 1);
        kick_as_ioeventfd(1);
        ck_assert(mock_wait_used_n(&df.driver, 1, (size_t)chains));
    }
    ck_assert_uint_eq(df.echo.bytes, 100 * (uint64_t)chains * 128);
    mock_loop_sync(&df.loop);
    ck_assert_uint_eq(notified(1), 100);
}
END_TEST

START_TEST(the_driver_need_not_notify_unless_asked)
{
    mock_driver_start(&df.driver, _i ? F_EVENT_IDX : 0, 2, 64, FIX_RINGS);
    for (int i = 0; i < 2000; i++) {
        ck_assert_int_ge(mock_add(&df.driver, 0, &one_seg, 1), 0);
        mock_publish(&df.driver, 0);
        (void)mock_kick_if_wanted(&df.driver, 0);
        if (i % 3 == 0)
            ck_assert(mock_wait_used_n(&df.driver, 0, i == 0 ? 1 : 3));
    }
    ck_assert(mock_wait_used_n(&df.driver, 0, 1));
    ck_assert_uint_eq(bad(), 0);
}
END_TEST

START_TEST(a_driver_that_wants_no_interrupt_gets_none)
{
    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
    mock_put_avail_flags(&df.driver, 0, VRING_AVAIL_F_NO_INTERRUPT);
    (void)mock_send(&df.driver, 0, &one_seg, 1);
    ck_assert(mock_wait_used_n(&df.driver, 0, 1));
    mock_loop_sync(&df.loop);
    ck_assert_uint_eq(mock_take_interrupts(&df.driver), 0);
    ck_assert_uint_eq(mock_take_isr(&df.driver), 0);
}
END_TEST

START_TEST(buffers_that_were_there_before_driver_ok_are_served)
{
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1 | F_EVENT_IDX));
    mock_setup_queue(&df.driver, 0, 16, FIX_RINGS);
    ck_assert_int_ge(mock_add(&df.driver, 0, &one_seg, 1), 0);
    mock_publish(&df.driver, 0);
    for (int i = 0; i < _i; i++)
        kick_as_ioeventfd(0);
    mock_loop_sync(&df.loop);
    ck_assert_uint_eq(mock_get_used_idx(&df.driver, 0), 0);
    ck_assert_uint_eq(mock_driver_ok(&df.driver), ST_DRIVER_OK);
    ck_assert_uint_eq(mock_get_used_idx(&df.driver, 0), 1);
    ck_assert_uint_eq(notified(0), _i);
    ck_assert(mock_wait_interrupt(&df.driver));
}
END_TEST

START_TEST(only_ready_queues_are_started_and_notified)
{
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    mock_setup_queue(&df.driver, 1, 16, FIX_RINGS);
    ck_assert_uint_eq(mock_driver_ok(&df.driver), ST_DRIVER_OK);
    mock_kick(&df.driver, 0);
    mock_kick(&df.driver, 2);
    mock_kick(&df.driver, 3);
    mock_kick(&df.driver, VDEV_MAX_VQS);
    mock_write32(&df.driver, VIRTIO_MMIO_QUEUE_NOTIFY, 0x10001);
    mock_write32(&df.driver, VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
    ck_assert_uint_eq(bad(), 6);
    kick_as_ioeventfd(0);
    mock_kick(&df.driver, 1);
    mock_loop_sync(&df.loop);
    ck_assert_uint_eq(df.echo.turns[0], 0);
    ck_assert_uint_eq(df.echo.turns[1], 2);
    ck_assert_uint_eq(df.echo.notifications[1], 1);
    ck_assert_uint_eq(df.echo.turns[2], 0);
}
END_TEST

START_TEST(queues_cannot_be_moved_after_driver_ok)
{
    static const uint64_t registers[] = {
        VIRTIO_MMIO_QUEUE_NUM,       VIRTIO_MMIO_QUEUE_READY,     VIRTIO_MMIO_QUEUE_DESC_LOW,
        VIRTIO_MMIO_QUEUE_DESC_HIGH, VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
        VIRTIO_MMIO_QUEUE_USED_LOW,  VIRTIO_MMIO_QUEUE_USED_HIGH,
    };
    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
    for (uint32_t vq = 0; vq < 3; vq++) {
        mock_write32(&df.driver, VIRTIO_MMIO_QUEUE_SEL, vq);
        for (size_t i = 0; i < ARRAY_LEN(registers); i++)
            mock_write32(&df.driver, registers[i], 1);
    }
    ck_assert_uint_eq(bad(), 3 * ARRAY_LEN(registers));
    mock_write32(&df.driver, VIRTIO_MMIO_QUEUE_SEL, 0);
    mock_write32(&df.driver, VIRTIO_MMIO_QUEUE_READY, 0);
    ck_assert_uint_eq(mock_read32(&df.driver, VIRTIO_MMIO_QUEUE_READY), 1);
    mock_write32(&df.driver, VIRTIO_MMIO_QUEUE_SEL, 2);
    ck_assert_uint_eq(mock_read32(&df.driver, VIRTIO_MMIO_QUEUE_READY), 0);
    (void)mock_send(&df.driver, 0, &one_seg, 1);
    ck_assert(mock_wait_used_n(&df.driver, 0, 1));
    ck_assert_uint_eq(df.echo.vdev.vqs[0].size, 64);
    ck_assert(!df.echo.vdev.vqs[2].started);
}
END_TEST

START_TEST(a_config_change_interrupts_only_after_driver_ok)
{
    vdev_config_changed(&df.echo.vdev);
    ck_assert_uint_eq(mock_read32(&df.driver, VIRTIO_MMIO_CONFIG_GENERATION), 1);
    ck_assert_uint_eq(mock_take_interrupts(&df.driver), 0);
    ck_assert_uint_eq(mock_take_isr(&df.driver), 0);
    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
    vdev_config_changed(&df.echo.vdev);
    vdev_config_changed(&df.echo.vdev);
    ck_assert_uint_eq(mock_read32(&df.driver, VIRTIO_MMIO_CONFIG_GENERATION), 3);
    ck_assert_uint_eq(mock_take_interrupts(&df.driver), 2);
    ck_assert_uint_eq(mock_take_isr(&df.driver), VIRTIO_MMIO_INT_CONFIG);
    mock_driver_reset(&df.driver);
    vdev_config_changed(&df.echo.vdev);
    ck_assert_uint_eq(mock_take_interrupts(&df.driver), 0);
}
END_TEST

START_TEST(a_broken_ring_needs_a_reset_and_only_a_reset_helps)
{
    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
    mock_put_avail_idx(&df.driver, 0, 40000);
    mock_kick(&df.driver, 0);
    ck_assert(mock_wait_status(&df.driver, ST_NEEDS_RESET));
    ck_assert(mock_wait_interrupt(&df.driver));
    ck_assert_uint_eq(mock_take_isr(&df.driver), VIRTIO_MMIO_INT_CONFIG);
    ck_assert_uint_eq(atomic_load(&df.echo.vdev.vqs[0].count.bad_ring), 1);

    mock_put_avail_idx(&df.driver, 0, 0);
    for (int i = 0; i < 10; i++)
        mock_kick(&df.driver, 0);
    mock_write32(&df.driver, VIRTIO_MMIO_STATUS, ST_DRIVER_OK);
    mock_write32(&df.driver, VIRTIO_MMIO_STATUS, ST_DRIVER_OK | ST_NEEDS_RESET);
    mock_loop_sync(&df.loop);
    ck_assert_uint_eq(vmmio_status(df.transport), ST_DRIVER_OK | ST_NEEDS_RESET);
    ck_assert_uint_eq(mock_take_isr(&df.driver), 0);
    ck_assert_uint_eq(atomic_load(&df.echo.vdev.vqs[0].count.bad_ring), 1);

    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
    (void)mock_send(&df.driver, 0, &one_seg, 1);
    ck_assert(mock_wait_used_n(&df.driver, 0, 1));
    ck_assert_uint_eq(vmmio_status(df.transport), ST_DRIVER_OK);
}
END_TEST

START_TEST(a_malformed_chain_does_not_stop_the_device)
{
    uint32_t head;
    uint32_t len;
    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
    mock_put_desc(&df.driver, 0, 63, FIX_DATA, 1, VRING_DESC_F_NEXT, 63);
    mock_publish_head(&df.driver, 0, 63);
    uint16_t good = mock_send(&df.driver, 0, two_segs, 2);
    ck_assert(mock_wait_used(&df.driver, 0, &head, &len));
    ck_assert_uint_eq(head, 63);
    ck_assert_uint_eq(len, 0);
    ck_assert(mock_wait_used(&df.driver, 0, &head, &len));
    ck_assert_uint_eq(head, good);
    ck_assert_uint_eq(len, 28);
    ck_assert_uint_eq(vmmio_status(df.transport), ST_DRIVER_OK);
}
END_TEST

struct bad_place {
    const char *what;
    uint64_t offset;
    uint32_t value;
};

static const struct bad_place bad_places[] = {
    {"descriptors misaligned", VIRTIO_MMIO_QUEUE_DESC_LOW, FIX_RINGS + 8},
    {"descriptors outside RAM", VIRTIO_MMIO_QUEUE_DESC_HIGH, 1},
    {"descriptors past 2^64", VIRTIO_MMIO_QUEUE_DESC_HIGH, UINT32_MAX},
    {"driver area misaligned", VIRTIO_MMIO_QUEUE_AVAIL_LOW, FIX_RINGS + 1},
    {"driver area outside RAM", VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0},
    {"device area misaligned", VIRTIO_MMIO_QUEUE_USED_LOW, FIX_RINGS + 2},
    {"device area across the end of RAM", VIRTIO_MMIO_QUEUE_USED_LOW,
     (uint32_t)(FIX_RAM_START + FIX_RAM_BYTES - 8)},
};

START_TEST(a_queue_outside_ram_needs_a_reset_and_the_device_is_not_started)
{
    const struct bad_place *place = &bad_places[_i];
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    mock_setup_queue(&df.driver, 0, 64, FIX_RINGS);
    mock_setup_queue(&df.driver, 1, 64, FIX_RINGS + mock_queue_bytes(64));
    mock_write32(&df.driver, VIRTIO_MMIO_QUEUE_READY, 0);
    mock_write32(&df.driver, place->offset, place->value);
    mock_write32(&df.driver, VIRTIO_MMIO_QUEUE_READY, 1);
    ck_assert_msg(mock_driver_ok(&df.driver) == (ST_DRIVER_OK | ST_NEEDS_RESET), "%s", place->what);
    ck_assert_uint_eq(mock_take_interrupts(&df.driver), 1);
    ck_assert_uint_eq(mock_take_isr(&df.driver), VIRTIO_MMIO_INT_CONFIG);
    ck_assert_uint_eq(df.echo.activations, 0);
    ck_assert_uint_eq(atomic_load(&df.echo.vdev.vqs[1].count.bad_ring), 1);
    mock_kick(&df.driver, 0);
    mock_loop_sync(&df.loop);
    ck_assert_uint_eq(df.echo.turns[0], 0);
    ck_assert_uint_eq(bad(), 0);
    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
}
END_TEST

START_TEST(a_device_that_cannot_start_needs_a_reset)
{
    df.echo.activate_result = -ENOMEM;
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    mock_setup_queue(&df.driver, 0, 64, FIX_RINGS);
    ck_assert_uint_eq(mock_driver_ok(&df.driver), ST_DRIVER_OK | ST_NEEDS_RESET);
    ck_assert_uint_eq(df.echo.resets, 1);
    ck_assert(!df.echo.vdev.vqs[0].started);
    df.echo.activate_result = 0;
    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
    ck_assert_uint_eq(df.echo.activations, 2);
}
END_TEST

START_TEST(reset_drops_what_the_device_holds)
{
    df.echo.hold = true;
    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
    for (int i = 0; i < 20; i++)
        (void)mock_send(&df.driver, 0, &one_seg, 1);
    mock_loop_sync(&df.loop);
    ck_assert_uint_eq(df.echo.held, 20);
    kick_as_ioeventfd(0);
    mock_write32(&df.driver, VIRTIO_MMIO_STATUS, 0);
    ck_assert_uint_eq(df.echo.held, 0);
    ck_assert_uint_eq(df.echo.resets, 1);
    ck_assert_uint_eq(mock_get_used_idx(&df.driver, 0), 0);
    kick_as_ioeventfd(0);
    unsigned turns = df.echo.turns[0];
    mock_loop_sync(&df.loop);
    ck_assert_uint_eq(df.echo.turns[0], turns);
    df.echo.hold = false;
    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
    (void)mock_send(&df.driver, 0, &one_seg, 1);
    ck_assert(mock_wait_used_n(&df.driver, 0, 1));
}
END_TEST

START_TEST(notifications_from_before_a_reset_are_forgotten)
{
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    mock_setup_queue(&df.driver, 1, 16, FIX_RINGS);
    if (_i == 1)
        ck_assert_uint_eq(mock_driver_ok(&df.driver), ST_DRIVER_OK);
    kick_as_ioeventfd(0); /* not ready: nobody takes it */
    mock_driver_start(&df.driver, 0, 2, 16, FIX_RINGS);
    ck_assert_uint_eq(df.echo.turns[0], 1);
    ck_assert_uint_eq(notified(0), 0);
}
END_TEST

START_TEST(a_thousand_resets_leave_nothing_behind)
{
    struct vmmio_counters counters;
    for (uint16_t i = 0; i < 1000; i++) {
        mock_driver_start(&df.driver, i % 2 ? F_EVENT_IDX : 0, 2, 16, FIX_RINGS);
        (void)mock_send(&df.driver, i % 2, &one_seg, 1);
        if (i % 3 != 0)
            ck_assert(mock_wait_used_n(&df.driver, i % 2, 1));
    }
    mock_driver_reset(&df.driver);
    vmmio_get_counters(df.transport, &counters);
    ck_assert_uint_eq(counters.resets, 1001);
    ck_assert_uint_eq(df.echo.resets, 1000);
    ck_assert_uint_eq(df.echo.activations, 1000);
    ck_assert_uint_eq(bad(), 0);
}
END_TEST

START_TEST(status_steps_after_the_loop_has_stopped_return_at_once)
{
    mock_driver_start(&df.driver, 0, 2, 16, FIX_RINGS);
    mock_loop_stop(&df.loop);
    mock_write32(&df.driver, VIRTIO_MMIO_STATUS, 0);
    ck_assert_uint_eq(vmmio_status(df.transport), ST_DRIVER_OK);
    ck_assert_uint_eq(df.echo.resets, 0);
    mock_kick(&df.driver, 0);
    vdev_config_changed(&df.echo.vdev);
    ck_assert_uint_eq(mock_take_isr(&df.driver), VIRTIO_MMIO_INT_CONFIG);
}
END_TEST

START_TEST(driver_ok_after_the_loop_has_stopped_starts_nothing)
{
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    mock_setup_queue(&df.driver, 0, 16, FIX_RINGS);
    mock_loop_stop(&df.loop);
    (void)mock_driver_ok(&df.driver);
    ck_assert_uint_eq(df.echo.activations, 0);
    ck_assert(!df.echo.vdev.vqs[0].started);
}
END_TEST

START_TEST(destroy_resets_a_running_device)
{
    mock_driver_start(&df.driver, 0, 2, 16, FIX_RINGS);
    mock_loop_stop(&df.loop);
    vmmio_destroy(df.transport);
    df.transport = NULL;
    ck_assert_uint_eq(df.echo.resets, 1);
    vmmio_destroy(NULL);
}
END_TEST

Suite *transport_suite(void)
{
    Suite *suite = suite_create("virtio/transport");
    TCase *tc = tcase_create("transport");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, device_fixture_setup, device_fixture_teardown);
    tcase_add_loop_test(tc, a_chain_goes_through_the_device_and_interrupts, 0, 2);
    tcase_add_test(tc, many_chains_one_notification);
    tcase_add_loop_test(tc, the_driver_need_not_notify_unless_asked, 0, 2);
    tcase_add_test(tc, a_driver_that_wants_no_interrupt_gets_none);
    tcase_add_loop_test(tc, buffers_that_were_there_before_driver_ok_are_served, 0, 3);
    tcase_add_test(tc, only_ready_queues_are_started_and_notified);
    tcase_add_test(tc, queues_cannot_be_moved_after_driver_ok);
    tcase_add_test(tc, a_config_change_interrupts_only_after_driver_ok);
    tcase_add_test(tc, a_broken_ring_needs_a_reset_and_only_a_reset_helps);
    tcase_add_test(tc, a_malformed_chain_does_not_stop_the_device);
    tcase_add_loop_test(tc, a_queue_outside_ram_needs_a_reset_and_the_device_is_not_started, 0,
                        ARRAY_LEN(bad_places));
    tcase_add_test(tc, a_device_that_cannot_start_needs_a_reset);
    tcase_add_test(tc, reset_drops_what_the_device_holds);
    tcase_add_loop_test(tc, notifications_from_before_a_reset_are_forgotten, 0, 2);
    tcase_add_test(tc, a_thousand_resets_leave_nothing_behind);
    tcase_add_test(tc, status_steps_after_the_loop_has_stopped_return_at_once);
    tcase_add_test(tc, driver_ok_after_the_loop_has_stopped_starts_nothing);
    tcase_add_test(tc, destroy_resets_a_running_device);
    suite_add_tcase(suite, tc);
    return suite;
}
