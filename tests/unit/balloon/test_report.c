/* SPDX-License-Identifier: Apache-2.0 */
/* Free page reporting, and what page poisoning has to do with it. */
#include <check.h>

#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/suites.h"

#define REPORT     2
#define POISON_VAL 0x10c

static void setup(void)
{
    fx_create((struct balloon_config){.free_page_reporting = true, .page_poison = true});
}

static void start_with_poison(uint64_t features, uint32_t value)
{
    ck_assert(mock_negotiate(&fx.driver, features | UINT64_C(1) << 32));
    mock_write32(&fx.driver, POISON_VAL, value);
    for (uint16_t vq = 0; vq < 3; vq++)
        mock_setup_queue(&fx.driver, vq, 64, RINGS + vq * mock_queue_bytes(64));
    ck_assert_uint_eq(mock_driver_ok(&fx.driver), 15);
}

static void report(uint64_t gpa, uint32_t len)
{
    const struct mock_seg seg = {.gpa = gpa, .len = len, .writable = true};
    fx_send(REPORT, &seg, 1);
}

START_TEST(reported_pages_are_gone_before_their_buffer_returns)
{
    const struct mock_seg segs[] = {{.gpa = DATA + 8 * PAGE, .len = 4 * PAGE, .writable = true},
                                    {.gpa = DATA, .len = 2 * PAGE, .writable = true}};
    fx_start_all(F_REPORT);
    fake_ram_fill(fx.gm, DATA, 16 * PAGE, 0x5a);
    fx_send(REPORT, segs, 2);
    ck_assert_uint_eq(fx_populated(DATA, 16), 10);
    ck_assert(fake_ram_all(fx.gm, DATA + 2 * PAGE, 6 * PAGE, 0x5a));
    ck_assert_uint_eq(fx_info().report.bytes, 6 * PAGE);
    ck_assert_uint_eq(fx_info().freed_bytes, 6 * PAGE);
    ck_assert_uint_eq(fx_info().actual_bytes, 0);
}
END_TEST

START_TEST(a_descriptor_that_is_not_writable_reports_nothing)
{
    const struct mock_seg segs[] = {{.gpa = DATA, .len = PAGE},
                                    {.gpa = DATA + PAGE, .len = PAGE, .writable = true}};
    fx_start_all(F_REPORT);
    fake_ram_fill(fx.gm, DATA, 2 * PAGE, 0x5a);
    fx_send(REPORT, segs, 2);
    ck_assert_uint_eq(fx_info().bad_request, 1);
    ck_assert_uint_eq(fx_populated(DATA, 2), 1);
    ck_assert(fake_ram_all(fx.gm, DATA, PAGE, 0x5a));
}
END_TEST

START_TEST(pages_poisoned_with_a_value_keep_it)
{
    start_with_poison(F_REPORT | F_POISON, 0xaaaaaaaa);
    fake_ram_fill(fx.gm, DATA, 4 * PAGE, 0xaa);
    report(DATA, 4 * PAGE);
    ck_assert(fake_ram_all(fx.gm, DATA, 4 * PAGE, 0xaa));
    ck_assert_uint_eq(fx_info().kept_poisoned_bytes, 4 * PAGE);
    ck_assert_uint_eq(fx_info().punched_bytes, 0);
    ck_assert_uint_eq(fx_info().poison_val, 0xaaaaaaaa);
}
END_TEST

START_TEST(pages_poisoned_with_zeros_read_as_zeros)
{
    start_with_poison(F_REPORT | F_POISON, 0);
    fake_ram_fill(fx.gm, DATA, 4 * PAGE, 0);
    report(DATA, 4 * PAGE);
    ck_assert_uint_eq(fx_populated(DATA, 4), 0);
    ck_assert(fake_ram_all(fx.gm, DATA, 4 * PAGE, 0));
    ck_assert_uint_eq(fx_info().kept_poisoned_bytes, 0);
}
END_TEST

START_TEST(a_value_counts_only_with_the_feature)
{
    start_with_poison(F_REPORT, 0xaaaaaaaa);
    fake_ram_fill(fx.gm, DATA, PAGE, 1);
    report(DATA, PAGE);
    ck_assert_uint_eq(fx_populated(DATA, 1), 0);
    ck_assert_uint_eq(fx_info().poison_val, 0);
}
END_TEST

START_TEST(inflated_pages_are_punched_whatever_they_are_poisoned_with)
{
    const uint32_t pfn = pfn_of(DATA);
    start_with_poison(F_REPORT | F_POISON, 0xaaaaaaaa);
    fake_ram_fill(fx.gm, DATA, PAGE, 0xaa);
    fx_send_pfns(INFLATE, &pfn, 1);
    ck_assert_uint_eq(fx_populated(DATA, 1), 0);
}
END_TEST

START_TEST(the_value_is_fixed_while_the_driver_runs_and_forgotten_at_its_reset)
{
    start_with_poison(F_REPORT | F_POISON, 0xaaaaaaaa);
    uint64_t bad = mock_bad_register(&fx.driver);
    mock_write32(&fx.driver, POISON_VAL, 0);
    ck_assert_uint_eq(fx_info().poison_val, 0xaaaaaaaa);
    ck_assert_uint_eq(mock_read32(&fx.driver, POISON_VAL), 0xaaaaaaaa);
    ck_assert_uint_eq(mock_bad_register(&fx.driver), bad + 1);
    mock_driver_reset(&fx.driver);
    ck_assert_uint_eq(mock_read32(&fx.driver, POISON_VAL), 0);
    /* Also by a driver that never gets as far as DRIVER_OK. */
    mock_write32(&fx.driver, POISON_VAL, 7);
    ck_assert_uint_eq(mock_read32(&fx.driver, POISON_VAL), 7);
    mock_driver_reset(&fx.driver);
    ck_assert_uint_eq(mock_read32(&fx.driver, POISON_VAL), 0);
}
END_TEST

Suite *report_suite(void)
{
    Suite *suite = suite_create("balloon: reporting");
    TCase *tc = tcase_create("report");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, fx_finish);
    tcase_add_test(tc, reported_pages_are_gone_before_their_buffer_returns);
    tcase_add_test(tc, a_descriptor_that_is_not_writable_reports_nothing);
    tcase_add_test(tc, pages_poisoned_with_a_value_keep_it);
    tcase_add_test(tc, pages_poisoned_with_zeros_read_as_zeros);
    tcase_add_test(tc, a_value_counts_only_with_the_feature);
    tcase_add_test(tc, inflated_pages_are_punched_whatever_they_are_poisoned_with);
    tcase_add_test(tc, the_value_is_fixed_while_the_driver_runs_and_forgotten_at_its_reset);
    suite_add_tcase(suite, tc);
    return suite;
}
