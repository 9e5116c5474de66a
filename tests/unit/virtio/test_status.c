/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the device status field: legal and illegal steps, feature negotiation, reset. */
#include <check.h>

#include "tests/unit/virtio/fixture.h"
#include "tests/unit/virtio/suites.h"
#include "vmm/base/num.h"

#define STEPS 8u

static uint32_t status(void)
{
    return mock_read32(&df.driver, VIRTIO_MMIO_STATUS);
}

static void set_status(uint32_t value)
{
    mock_write32(&df.driver, VIRTIO_MMIO_STATUS, value);
}

/* Writes VERSION_1 as soon as that is possible, so that FEATURES_OK can succeed. */
static void offer_version_1(void)
{
    if ((status() & ST_FEATURES_OK) != ST_DRIVER)
        return;
    mock_write32(&df.driver, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    mock_write32(&df.driver, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(F_VERSION_1 >> 32));
}

struct walk {
    const char *what;
    uint32_t write[STEPS]; /* ends with the first 0 */
    uint32_t expect;
    unsigned expect_bad;
};

#define A ST_ACK
#define D ST_DRIVER
#define F ST_FEATURES_OK
#define K ST_DRIVER_OK
#define X ST_FAILED
#define R ST_NEEDS_RESET

static const struct walk walks[] = {
    {"the whole way", {A, D, F, K}, K, 0},
    {"the first two at once", {D, F, K}, K, 0},
    {"the same value again", {A, A, D, D, F, F, K, K}, K, 0},
    {"DRIVER without ACKNOWLEDGE", {2}, 0, 1},
    {"FEATURES_OK first", {8}, 0, 1},
    {"FEATURES_OK without DRIVER", {A, A | 8}, A, 1},
    {"DRIVER_OK first", {4}, 0, 1},
    {"DRIVER_OK without FEATURES_OK", {A, D, D | 4}, D, 1},
    {"FEATURES_OK and DRIVER_OK at once", {A, D, K}, D, 1},
    {"all at once", {K}, 0, 1},
    {"taking ACKNOWLEDGE back", {A, D, 2}, D, 1},
    {"taking FEATURES_OK back", {A, D, F, D}, F, 1},
    {"taking DRIVER_OK back", {A, D, F, K, F}, K, 1},
    {"a bit without a meaning", {A, A | 0x10}, A, 1},
    {"another bit without a meaning", {A, A | 0x20}, A, 1},
    {"bits above the field", {A, A | 0x100, A | 0x80000000}, A, 2},
    {"DEVICE_NEEDS_RESET is not the driver's", {A, A | R}, A, 1},
    {"FAILED at the start", {X}, X, 0},
    {"FAILED after DRIVER", {A, D, D | X}, D | X, 0},
    {"FAILED after DRIVER_OK", {A, D, F, K, K | X}, K | X, 0},
    {"FAILED taken back", {A, A | X, A}, A | X, 1},
    {"going on after FAILED", {A, A | X, D | X}, A | X, 1},
    {"FAILED together with a step", {A, D | X}, D | X, 0},
};

START_TEST(steps_of_the_status_field)
{
    const struct walk *w = &walks[_i];
    for (size_t i = 0; i < STEPS && w->write[i] != 0; i++) {
        offer_version_1();
        set_status(w->write[i]);
    }
    ck_assert_msg(status() == w->expect, "%s: 0x%x", w->what, status());
    ck_assert_msg(mock_bad_register(&df.driver) == w->expect_bad, "%s: %u", w->what,
                  (unsigned)mock_bad_register(&df.driver));
    ck_assert_uint_eq(vmmio_status(df.transport), w->expect);
    ck_assert_uint_eq(df.echo.activations, (w->expect & VIRTIO_CONFIG_S_DRIVER_OK) != 0);
    set_status(0);
    ck_assert_uint_eq(status(), 0);
}
END_TEST

struct negotiation {
    const char *what;
    uint64_t features;
    bool ok;
};

static const struct negotiation negotiations[] = {
    {"only VERSION_1", F_VERSION_1, true},
    {"all that is offered", F_VERSION_1 | F_EVENT_IDX | F_THIRD | F_HIGH, true},
    {"nothing", 0, false},
    {"no VERSION_1", F_EVENT_IDX | F_THIRD, false},
    {"INDIRECT_DESC", F_VERSION_1 | UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC, false},
    {"RING_PACKED", F_VERSION_1 | UINT64_C(1) << VIRTIO_F_RING_PACKED, false},
    {"RING_RESET", F_VERSION_1 | UINT64_C(1) << VIRTIO_F_RING_RESET, false},
    {"a device bit not offered", F_VERSION_1 | 2, false},
    {"everything", UINT64_MAX, false},
};

START_TEST(features_ok_stays_clear_unless_the_features_can_be_served)
{
    const struct negotiation *n = &negotiations[_i];
    ck_assert_msg(mock_negotiate(&df.driver, n->features) == n->ok, "%s", n->what);
    ck_assert_uint_eq(status(), n->ok ? ST_FEATURES_OK : ST_DRIVER);
    ck_assert_uint_eq(mock_bad_register(&df.driver), 0);
    if (!n->ok) {
        set_status(ST_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
        ck_assert_uint_eq(status(), ST_DRIVER);
        ck_assert_uint_eq(mock_bad_register(&df.driver), 1);
        ck_assert_uint_eq(df.echo.activations, 0);
        return;
    }
    ck_assert_uint_eq(mock_driver_ok(&df.driver), ST_DRIVER_OK);
    ck_assert_uint_eq(df.echo.features, n->features);
}
END_TEST

START_TEST(a_refused_driver_may_try_other_features_without_a_reset)
{
    ck_assert(!mock_negotiate(&df.driver, F_EVENT_IDX));
    offer_version_1();
    set_status(ST_FEATURES_OK);
    ck_assert_uint_eq(status(), ST_FEATURES_OK);
    ck_assert_uint_eq(mock_driver_ok(&df.driver), ST_DRIVER_OK);
    ck_assert_uint_eq(df.echo.features, F_VERSION_1 | F_EVENT_IDX);
}
END_TEST

START_TEST(reset_forgets_everything_but_the_generation)
{
    mock_driver_start(&df.driver, F_THIRD, 3, 16, FIX_RINGS);
    vdev_config_changed(&df.echo.vdev);
    uint32_t generation = mock_read32(&df.driver, VIRTIO_MMIO_CONFIG_GENERATION);
    ck_assert_uint_eq(generation, 1);
    mock_write32(&df.driver, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    set_status(0);
    ck_assert_uint_eq(status(), 0);
    ck_assert_uint_eq(df.echo.resets, 1);
    ck_assert_uint_eq(mock_read32(&df.driver, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
    ck_assert_uint_eq(mock_read32(&df.driver, VIRTIO_MMIO_CONFIG_GENERATION), generation);
    ck_assert_uint_eq(mock_read32(&df.driver, VIRTIO_MMIO_DEVICE_FEATURES),
                      (uint32_t)(F_THIRD | F_EVENT_IDX));
    for (uint32_t i = 0; i < ECHO_QUEUES; i++) {
        mock_write32(&df.driver, VIRTIO_MMIO_QUEUE_SEL, i);
        ck_assert_uint_eq(mock_read32(&df.driver, VIRTIO_MMIO_QUEUE_READY), 0);
        /* As drivers take their queues down after the reset. */
        mock_write32(&df.driver, VIRTIO_MMIO_QUEUE_READY, 0);
        ck_assert(!df.echo.vdev.vqs[i].started);
    }
    ck_assert_uint_eq(mock_read32(&df.driver, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
    ck_assert_uint_eq(mock_bad_register(&df.driver), 0);
    ck_assert(!mock_negotiate(&df.driver, 0));
}
END_TEST

START_TEST(a_reset_device_can_be_reset_again)
{
    struct vmmio_counters counters;
    for (int i = 0; i < 5; i++)
        set_status(0);
    vmmio_get_counters(df.transport, &counters);
    ck_assert_uint_eq(counters.resets, 5);
    ck_assert_uint_eq(df.echo.resets, 0);
    mock_driver_start(&df.driver, 0, 2, 16, FIX_RINGS);
}
END_TEST

Suite *status_suite(void)
{
    Suite *suite = suite_create("virtio/status");
    TCase *tc = tcase_create("status");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, device_fixture_setup, device_fixture_teardown);
    tcase_add_loop_test(tc, steps_of_the_status_field, 0, ARRAY_LEN(walks));
    tcase_add_loop_test(tc, features_ok_stays_clear_unless_the_features_can_be_served, 0,
                        ARRAY_LEN(negotiations));
    tcase_add_test(tc, a_refused_driver_may_try_other_features_without_a_reset);
    tcase_add_test(tc, reset_forgets_everything_but_the_generation);
    tcase_add_test(tc, a_reset_device_can_be_reset_again);
    suite_add_tcase(suite, tc);
    return suite;
}
