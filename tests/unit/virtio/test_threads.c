/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of several vCPUs at one transport while the owner works. Meant for ThreadSanitizer as much
 * as for the asserts.
 */
#include <check.h>
#include <pthread.h>

#include "tests/unit/virtio/fixture.h"
#include "tests/unit/virtio/suites.h"
#include "vmm/base/num.h"

static const struct mock_seg one_seg = {.gpa = FIX_DATA, .len = 100};

struct vcpu {
    pthread_t thread;
    _Atomic bool stop;
    uint32_t seed;
    bool may_reset;
};

static uint32_t random32(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Everything a guest can do to the window, with Status only where the test can bear it. */
static void *hammer(void *arg)
{
    struct vcpu *v = arg;
    static const uint32_t widths[] = {1, 2, 4, 4, 4, 8};
    while (!atomic_load(&v->stop)) {
        uint8_t buf[8] = {0};
        uint32_t r = random32(&v->seed);
        uint64_t offset = r % 0x110;
        uint32_t len = widths[random32(&v->seed) % ARRAY_LEN(widths)];
        if (len == 4)
            offset &= ~UINT64_C(3);
        buf[0] = (uint8_t)random32(&v->seed);
        bool is_selector = offset == VIRTIO_MMIO_QUEUE_SEL;
        if (r & 0x100000 && (v->may_reset || (offset != VIRTIO_MMIO_STATUS && !is_selector)))
            vmmio_write(df.transport, offset, buf, len);
        else
            vmmio_read(df.transport, offset, buf, len);
    }
    return NULL;
}

static void vcpu_start(struct vcpu *v, uint32_t seed, bool may_reset)
{
    v->seed = seed;
    v->may_reset = may_reset;
    ck_assert_int_eq(pthread_create(&v->thread, NULL, hammer, v), 0);
}

static void vcpu_stop(struct vcpu *v)
{
    atomic_store(&v->stop, true);
    ck_assert_int_eq(pthread_join(v->thread, NULL), 0);
}

START_TEST(chains_flow_while_another_vcpu_hammers_the_registers)
{
    static struct vcpu other;
    mock_driver_start(&df.driver, F_EVENT_IDX, 2, 64, FIX_RINGS);
    vcpu_start(&other, 1, false);
    for (uint16_t i = 0; i < 2000; i++) {
        (void)mock_send(&df.driver, i % 2, &one_seg, 1);
        ck_assert(mock_wait_used_n(&df.driver, i % 2, 1));
        if (i % 10 == 0)
            vdev_config_changed(&df.echo.vdev);
    }
    vcpu_stop(&other);
    ck_assert_uint_eq(df.echo.bytes, 2000 * 100);
    ck_assert_uint_eq(vmmio_status(df.transport), ST_DRIVER_OK);
    ck_assert_uint_gt(mock_bad_register(&df.driver), 0);
}
END_TEST

START_TEST(vcpus_that_reset_and_start_at_once_leave_a_device_that_works)
{
    static struct vcpu others[2];
    vcpu_start(&others[0], 2, true);
    vcpu_start(&others[1], 3, true);
    for (int i = 0; i < 500; i++) {
        if (mock_negotiate(&df.driver, F_VERSION_1)) {
            mock_setup_queue(&df.driver, 0, 16, FIX_RINGS);
            (void)mock_driver_ok(&df.driver);
            (void)mock_add(&df.driver, 0, &one_seg, 1);
            mock_publish(&df.driver, 0);
            mock_kick(&df.driver, 0);
            vdev_config_changed(&df.echo.vdev);
        }
    }
    vcpu_stop(&others[0]);
    vcpu_stop(&others[1]);
    mock_driver_start(&df.driver, 0, 2, 16, FIX_RINGS);
    (void)mock_send(&df.driver, 0, &one_seg, 1);
    ck_assert(mock_wait_used_n(&df.driver, 0, 1));
    mock_driver_reset(&df.driver);
    ck_assert_uint_ge(df.echo.resets, df.echo.activations);
}
END_TEST

START_TEST(the_loop_may_stop_while_vcpus_wait_for_it)
{
    static struct vcpu others[2];
    mock_driver_start(&df.driver, 0, 2, 16, FIX_RINGS);
    vcpu_start(&others[0], (uint32_t)(10 + _i), true);
    vcpu_start(&others[1], (uint32_t)(20 + _i), true);
    for (int i = 0; i < 20; i++)
        mock_loop_sync(&df.loop);
    mock_loop_stop(&df.loop);
    vcpu_stop(&others[0]);
    vcpu_stop(&others[1]);
}
END_TEST

static void *change_config(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++)
        vdev_config_changed(&df.echo.vdev);
    return NULL;
}

START_TEST(no_interrupt_is_lost_between_status_and_acknowledge)
{
    pthread_t thread;
    mock_driver_start(&df.driver, 0, 2, 64, FIX_RINGS);
    ck_assert_int_eq(pthread_create(&thread, NULL, change_config, NULL), 0);
    for (int i = 0; i < 500; i++) {
        (void)mock_send(&df.driver, 0, &one_seg, 1);
        bool seen = false;
        while (!seen) {
            ck_assert(mock_wait_interrupt(&df.driver));
            seen = (mock_take_isr(&df.driver) & VIRTIO_MMIO_INT_VRING) != 0;
        }
        ck_assert(mock_wait_used_n(&df.driver, 0, 1));
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(mock_read32(&df.driver, VIRTIO_MMIO_CONFIG_GENERATION), 20000);
}
END_TEST

Suite *threads_suite(void)
{
    Suite *suite = suite_create("virtio/threads");
    TCase *tc = tcase_create("threads");
    tcase_set_timeout(tc, 200);
    tcase_add_checked_fixture(tc, device_fixture_setup, device_fixture_teardown);
    tcase_add_test(tc, chains_flow_while_another_vcpu_hammers_the_registers);
    tcase_add_test(tc, vcpus_that_reset_and_start_at_once_leave_a_device_that_works);
    tcase_add_loop_test(tc, the_loop_may_stop_while_vcpus_wait_for_it, 0, 10);
    tcase_add_test(tc, no_interrupt_is_lost_between_status_and_acknowledge);
    suite_add_tcase(suite, tc);
    return suite;
}
