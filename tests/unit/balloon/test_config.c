/* SPDX-License-Identifier: Apache-2.0 */
/* Features, configuration space, targets, and the measurement of how the guest follows them. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/suites.h"

#define NUM_PAGES 0x100
#define ACTUAL    0x104
#define RAM_SIZE  (LOW_SIZE + HIGH_SIZE)

static void setup(void)
{
    fx_create((struct balloon_config){.target_bytes = 100 * PAGE});
}

static void set_target(uint64_t bytes)
{
    struct err err;
    ck_assert_int_eq(balloon_set_target(fx.balloon, bytes, &err), 0);
}

/* Only a driver that has set DRIVER_OK is listened to. */
static void guest_says(uint32_t pages)
{
    if (fx_info().form == BALLOON_FORM_NONE)
        fx_start(0);
    mock_write32(&fx.driver, ACTUAL, pages);
}

START_TEST(features_are_offered_as_configured)
{
    const uint64_t tell = UINT64_C(1) << VIRTIO_BALLOON_F_MUST_TELL_HOST;
    const uint64_t oom = UINT64_C(1) << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
    const struct {
        struct balloon_config config;
        uint64_t want;
    } t[] = {
        {{.scatter_gather = BALLOON_SG_AUTO}, F_SG},
        {{.scatter_gather = BALLOON_SG_BIT3}, F_BIT3 | F_ON_BIT3},
        {{.scatter_gather = BALLOON_SG_OFF}, 0},
        {{.scatter_gather = BALLOON_SG_OFF, .must_tell_host = true}, tell},
        {{.scatter_gather = BALLOON_SG_OFF, .deflate_on_oom = true}, oom},
        {{.must_tell_host = true, .deflate_on_oom = true}, F_SG | tell | oom},
        {{.stats_interval_s = 1}, F_SG | F_STATS},
        {{.free_page_hinting = true}, F_SG | F_HINT},
        {{.free_page_hinting = true, .scatter_gather = BALLOON_SG_OFF}, F_HINT},
        {{.free_page_reporting = true, .page_poison = true}, F_SG | F_REPORT | F_POISON},
    };
    fx_create(t[_i].config);
    const struct vdev *dev = balloon_vdev(fx.balloon);
    ck_assert_uint_eq(dev->ops->features(dev), t[_i].want);
    ck_assert_uint_eq(dev->ops->device_id, 5);
}
END_TEST

START_TEST(configuration_reads_at_any_width_and_offset)
{
    struct vdev *dev = balloon_vdev(fx.balloon);
    uint8_t want[16] = {0x44, 0x33, 0, 0, 0x88, 0x77, 0x66, 0x55};
    set_target(0x3344 * PAGE);
    guest_says(0x55667788);
    for (uint32_t off = 0; off < 20; off++) {
        for (uint32_t len = 0; len < 20; len++) {
            uint8_t got[20];
            memset(got, 0xee, sizeof(got));
            bool inside = off + len <= sizeof(want);
            ck_assert_int_eq(dev->ops->config_read(dev, off, got, len), inside ? 0 : -EINVAL);
            ck_assert_mem_eq(got, inside ? want + off : got, len);
            ck_assert_uint_eq(got[inside ? len : 0], 0xee);
        }
    }
    ck_assert_int_eq(dev->ops->config_read(dev, UINT32_MAX, want, 4), -EINVAL);
    ck_assert_int_eq(dev->ops->config_read(dev, 4, want, UINT32_MAX), -EINVAL);
}
END_TEST

START_TEST(only_actual_can_be_written_and_by_any_part_of_it)
{
    struct vdev *dev = balloon_vdev(fx.balloon);
    const uint8_t bytes[20] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    for (uint32_t off = 0; off < 20; off++) {
        for (uint32_t len = 0; len < 20; len++) {
            uint8_t want[16] = {100, 0, 0, 0, 0xaa, 0xbb, 0xcc, 0xdd};
            uint8_t got[16];
            bool inside = off + len <= sizeof(want);
            guest_says(0xddccbbaa);
            for (uint32_t at = 4; at < 8; at++) {
                if (inside && at >= off && at < off + len)
                    want[at] = bytes[at - off];
            }
            /* poison_val is the driver's too, but not while it runs (5.5.6.6). */
            bool legal = inside && (off + len <= 12 || len == 0);
            int ret = dev->ops->config_write(dev, off, bytes, len);
            ck_assert_int_eq(ret, legal ? 0 : -EINVAL);
            ck_assert_int_eq(dev->ops->config_read(dev, 0, got, sizeof(got)), 0);
            ck_assert_mem_eq(got, want, sizeof(want));
        }
    }
    ck_assert_int_eq(dev->ops->config_write(dev, UINT32_MAX, bytes, 4), -EINVAL);
    ck_assert_int_eq(dev->ops->config_write(dev, 4, bytes, UINT32_MAX), -EINVAL);
}
END_TEST

START_TEST(what_is_said_before_driver_ok_is_not_heard)
{
    mock_write32(&fx.driver, ACTUAL, 100);
    ck_assert_uint_eq(fx_info().actual_bytes, 0);
    ck_assert(!fx_info().change_done);
}
END_TEST

START_TEST(what_the_guest_says_is_shown_however_absurd)
{
    guest_says(UINT32_MAX);
    ck_assert_uint_eq(fx_info().actual_bytes, UINT32_MAX * PAGE);
    ck_assert_uint_eq(mock_read32(&fx.driver, ACTUAL), UINT32_MAX);
}
END_TEST

START_TEST(a_target_is_whole_pages_below_ram_size)
{
    static const struct {
        uint64_t bytes;
        int ret;
        const char *says;
    } t[] = {
        {0, 0, ""},
        {PAGE, 0, ""},
        {RAM_SIZE - PAGE, 0, ""},
        {RAM_SIZE, -EINVAL, "134213632"},
        {RAM_SIZE + PAGE, -EINVAL, "134213632"},
        {UINT64_MAX - PAGE + 1, -EINVAL, "134213632"},
        {1, -EINVAL, "multiple of 4096"},
        {PAGE + 1, -EINVAL, "multiple of 4096"},
        {UINT64_MAX, -EINVAL, "multiple of 4096"},
    };
    struct err err = {0};
    struct balloon *other = NULL;
    const struct balloon_config config = {.target_bytes = t[_i].bytes};
    ck_assert_int_eq(balloon_set_target(fx.balloon, t[_i].bytes, &err), t[_i].ret);
    ck_assert_ptr_nonnull(strstr(err.text, t[_i].says));
    uint64_t target = t[_i].ret == 0 ? t[_i].bytes : 100 * PAGE;
    ck_assert_uint_eq(fx_info().target_bytes, target);
    ck_assert_uint_eq(mock_read32(&fx.driver, NUM_PAGES), target / PAGE);

    fx_pause();
    ck_assert_int_eq(balloon_create(&config, fx.gm, fx.loop, NULL, NULL, &other, &err), t[_i].ret);
    ck_assert(t[_i].ret == 0 || other == NULL);
    balloon_destroy(other);
}
END_TEST

START_TEST(a_new_target_interrupts_the_driver_once)
{
    fx_start(0);
    (void)mock_take_interrupts(&fx.driver);
    uint32_t generation = mock_read32(&fx.driver, 0xfc);
    set_target(200 * PAGE);
    ck_assert(mock_wait_interrupt(&fx.driver));
    ck_assert_uint_eq(mock_take_isr(&fx.driver), 2);
    ck_assert_uint_ne(mock_read32(&fx.driver, 0xfc), generation);
    ck_assert_uint_eq(mock_read32(&fx.driver, NUM_PAGES), 200);
    fx_pause();
    ck_assert_uint_eq(mock_take_interrupts(&fx.driver), 0);
}
END_TEST

START_TEST(a_balloon_without_transport_takes_targets_and_reports)
{
    struct balloon *bare = NULL;
    struct balloon_info info;
    struct err err;
    const struct balloon_config config = {.target_bytes = PAGE};
    fx_pause();
    ck_assert_int_eq(balloon_create(&config, fx.gm, fx.loop, NULL, NULL, &bare, &err), 0);
    ck_assert_int_eq(balloon_set_target(bare, 2 * PAGE, &err), 0);
    balloon_get_info(bare, &info);
    ck_assert_uint_eq(info.target_bytes, 2 * PAGE);
    ck_assert_uint_eq(info.inflate.chains, 0);
    ck_assert_int_eq(info.form, BALLOON_FORM_NONE);
    balloon_destroy(bare);
    balloon_destroy(NULL);
}
END_TEST

START_TEST(a_change_lasts_until_actual_first_reaches_the_target)
{
    ck_assert_uint_eq(fx_info().change_to_bytes, 100 * PAGE);
    ck_assert(!fx_info().change_done);
    uint64_t earlier = fx_info().change_ns;
    guest_says(99);
    ck_assert(!fx_info().change_done);
    ck_assert_uint_ge(fx_info().change_ns, earlier);
    guest_says(100);
    struct balloon_info first = fx_info();
    ck_assert(first.change_done);
    ck_assert_uint_gt(first.change_ns, 0);
    ck_assert_uint_eq(first.change_from_bytes, 0);
    guest_says(50);
    guest_says(100);
    ck_assert_uint_eq(fx_info().change_ns, first.change_ns);
    /* The same target again is no change. */
    set_target(100 * PAGE);
    ck_assert_uint_eq(fx_info().change_ns, first.change_ns);
    ck_assert(fx_info().change_done);
}
END_TEST

START_TEST(a_change_ends_at_the_target_and_not_beside_it)
{
    guest_says(100);
    set_target(40 * PAGE);
    ck_assert_uint_eq(fx_info().change_from_bytes, 100 * PAGE);
    ck_assert_uint_eq(fx_info().change_to_bytes, 40 * PAGE);
    guest_says(41);
    ck_assert(!fx_info().change_done);
    guest_says(39);
    ck_assert(!fx_info().change_done);
    guest_says(40);
    ck_assert(fx_info().change_done);
}
END_TEST

START_TEST(a_target_that_is_met_already_is_done_at_once)
{
    guest_says(7);
    set_target(7 * PAGE);
    ck_assert(fx_info().change_done);
    ck_assert_uint_eq(fx_info().change_ns, 0);
}
END_TEST

START_TEST(a_reset_empties_the_balloon_and_a_change_goes_on)
{
    fx_start(0);
    guest_says(100);
    set_target(40 * PAGE);
    guest_says(60);
    mock_driver_reset(&fx.driver);
    ck_assert_uint_eq(fx_info().actual_bytes, 0);
    ck_assert_uint_eq(fx_info().target_bytes, 40 * PAGE);
    ck_assert_uint_eq(fx_info().change_from_bytes, 100 * PAGE);
    ck_assert(!fx_info().change_done);
    guest_says(39);
    ck_assert(!fx_info().change_done);
    guest_says(40);
    ck_assert(fx_info().change_done);
}
END_TEST

START_TEST(a_balloon_to_be_emptied_is_empty_after_a_reset)
{
    fx_start(0);
    guest_says(100);
    set_target(0);
    mock_driver_reset(&fx.driver);
    ck_assert(fx_info().change_done);
}
END_TEST

Suite *config_suite(void)
{
    Suite *suite = suite_create("balloon: configuration");
    TCase *tc = tcase_create("config");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, fx_finish);
    tcase_add_test(tc, configuration_reads_at_any_width_and_offset);
    tcase_add_test(tc, only_actual_can_be_written_and_by_any_part_of_it);
    tcase_add_test(tc, what_is_said_before_driver_ok_is_not_heard);
    tcase_add_test(tc, what_the_guest_says_is_shown_however_absurd);
    tcase_add_loop_test(tc, a_target_is_whole_pages_below_ram_size, 0, 9);
    tcase_add_test(tc, a_new_target_interrupts_the_driver_once);
    tcase_add_test(tc, a_balloon_without_transport_takes_targets_and_reports);
    tcase_add_test(tc, a_change_lasts_until_actual_first_reaches_the_target);
    tcase_add_test(tc, a_change_ends_at_the_target_and_not_beside_it);
    tcase_add_test(tc, a_target_that_is_met_already_is_done_at_once);
    tcase_add_test(tc, a_reset_empties_the_balloon_and_a_change_goes_on);
    tcase_add_test(tc, a_balloon_to_be_emptied_is_empty_after_a_reset);
    suite_add_tcase(suite, tc);
    TCase *own = tcase_create("features");
    tcase_add_checked_fixture(own, NULL, fx_finish);
    tcase_add_loop_test(own, features_are_offered_as_configured, 0, 10);
    suite_add_tcase(suite, own);
    return suite;
}
