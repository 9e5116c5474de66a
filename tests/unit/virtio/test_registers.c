/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the register file: what each register reads as, what may be written when, widths and
 * offsets.
 */
#include <check.h>
#include <string.h>

#include "tests/unit/virtio/fixture.h"
#include "tests/unit/virtio/suites.h"
#include "vmm/base/num.h"

static uint32_t rd(uint64_t offset)
{
    return mock_read32(&df.driver, offset);
}

static void wr(uint64_t offset, uint32_t value)
{
    mock_write32(&df.driver, offset, value);
}

static uint64_t bad(void)
{
    return mock_bad_register(&df.driver);
}

START_TEST(the_device_identifies_itself)
{
    ck_assert_mem_eq(&(uint32_t){rd(VIRTIO_MMIO_MAGIC_VALUE)}, "virt", 4);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_VERSION), 2);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_DEVICE_ID), ECHO_DEVICE_ID);
    ck_assert_mem_eq(&(uint32_t){rd(VIRTIO_MMIO_VENDOR_ID)}, "AERO", 4);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), 0);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
    ck_assert_uint_eq(bad(), 0);
}
END_TEST

START_TEST(features_are_offered_word_by_word)
{
    ck_assert_uint_eq(mock_offered_features(&df.driver),
                      F_VERSION_1 | F_EVENT_IDX | F_THIRD | F_HIGH);
    for (uint32_t sel = 2; sel != 0; sel <<= 1) {
        wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, sel);
        ck_assert_uint_eq(rd(VIRTIO_MMIO_DEVICE_FEATURES), 0);
    }
    ck_assert_uint_eq(bad(), 0);
}
END_TEST

START_TEST(there_is_no_shared_memory_region)
{
    wr(VIRTIO_MMIO_SHM_SEL, 3);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_SHM_LEN_HIGH), UINT32_MAX);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_SHM_BASE_LOW), UINT32_MAX);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_SHM_BASE_HIGH), UINT32_MAX);
    ck_assert_uint_eq(bad(), 0);
}
END_TEST

START_TEST(queue_sizes_follow_the_negotiated_features)
{
    static const uint16_t with_third[] = {256, VQ_SIZE_LIMIT, 16};
    wr(VIRTIO_MMIO_QUEUE_SEL, 2);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1 | F_THIRD));
    for (uint32_t i = 0; i < ECHO_QUEUES; i++) {
        wr(VIRTIO_MMIO_QUEUE_SEL, i);
        ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), with_third[i]);
        ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_READY), 0);
    }
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    wr(VIRTIO_MMIO_QUEUE_SEL, 2);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
    ck_assert_uint_eq(bad(), 0);
}
END_TEST

START_TEST(a_queue_selection_out_of_range_reads_as_zero_and_ignores_writes)
{
    static const uint32_t sels[] = {ECHO_QUEUES, VDEV_MAX_VQS - 1, VDEV_MAX_VQS, 0x10000,
                                    UINT32_MAX};
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    wr(VIRTIO_MMIO_QUEUE_SEL, sels[_i]);
    ck_assert_uint_eq(bad(), 1);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_READY), 0);
    ck_assert_uint_eq(bad(), 1);
    wr(VIRTIO_MMIO_QUEUE_NUM, 1);
    wr(VIRTIO_MMIO_QUEUE_DESC_LOW, 1);
    wr(VIRTIO_MMIO_QUEUE_USED_HIGH, 1);
    wr(VIRTIO_MMIO_QUEUE_READY, 1);
    ck_assert_uint_eq(bad(), 5);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_READY), 0);
}
END_TEST

struct queue_write {
    const char *what;
    uint32_t num;
    uint32_t ready;
    uint32_t expect_ready;
    unsigned expect_bad;
};

static const struct queue_write queue_writes[] = {
    {"largest size", 256, 1, 1, 0},
    {"size one", 1, 1, 1, 0},
    {"size zero", 0, 1, 0, 2},
    {"size above the maximum", 512, 1, 0, 2},
    {"size not a power of two", 255, 1, 0, 2},
    {"size that fits 16 bits when cut", 0x10010, 1, 0, 2},
    {"ready with a value above one", 16, 2, 0, 1},
    {"not ready", 16, 0, 0, 0},
};

START_TEST(a_queue_becomes_ready_only_with_a_legal_size)
{
    const struct queue_write *w = &queue_writes[_i];
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    wr(VIRTIO_MMIO_QUEUE_SEL, 0);
    wr(VIRTIO_MMIO_QUEUE_NUM, w->num);
    wr(VIRTIO_MMIO_QUEUE_READY, w->ready);
    ck_assert_msg(rd(VIRTIO_MMIO_QUEUE_READY) == w->expect_ready, "%s", w->what);
    ck_assert_msg(bad() == w->expect_bad, "%s", w->what);
}
END_TEST

static const uint64_t queue_registers[] = {
    VIRTIO_MMIO_QUEUE_NUM,       VIRTIO_MMIO_QUEUE_DESC_LOW,   VIRTIO_MMIO_QUEUE_DESC_HIGH,
    VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, VIRTIO_MMIO_QUEUE_USED_LOW,
    VIRTIO_MMIO_QUEUE_USED_HIGH,
};

START_TEST(a_ready_queue_is_frozen_until_it_is_taken_down)
{
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    mock_setup_queue(&df.driver, 0, 16, FIX_RINGS);
    for (size_t i = 0; i < ARRAY_LEN(queue_registers); i++)
        wr(queue_registers[i], 8);
    ck_assert_uint_eq(bad(), ARRAY_LEN(queue_registers));
    wr(VIRTIO_MMIO_QUEUE_READY, 0);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_READY), 0);
    for (size_t i = 0; i < ARRAY_LEN(queue_registers); i++)
        wr(queue_registers[i], 8);
    ck_assert_uint_eq(bad(), ARRAY_LEN(queue_registers));
}
END_TEST

START_TEST(queues_are_laid_out_only_between_features_ok_and_driver_ok)
{
    static const uint32_t early[] = {0, ST_ACK, ST_DRIVER};
    unsigned expected = 0;
    for (size_t s = 0; s < ARRAY_LEN(early); s++) {
        if (early[s] != 0)
            wr(VIRTIO_MMIO_STATUS, early[s]);
        for (size_t i = 0; i < ARRAY_LEN(queue_registers); i++)
            wr(queue_registers[i], 8);
        wr(VIRTIO_MMIO_QUEUE_READY, 1);
        wr(VIRTIO_MMIO_QUEUE_READY, 0); /* harmless: drivers do it after a reset */
        expected += ARRAY_LEN(queue_registers) + 1;
        ck_assert_uint_eq(bad(), expected);
        ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_READY), 0);
    }
}
END_TEST

START_TEST(driver_features_are_written_only_between_driver_and_features_ok)
{
    wr(VIRTIO_MMIO_DRIVER_FEATURES, 1);
    wr(VIRTIO_MMIO_STATUS, ST_ACK);
    wr(VIRTIO_MMIO_DRIVER_FEATURES, 1);
    ck_assert_uint_eq(bad(), 2);
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    wr(VIRTIO_MMIO_DRIVER_FEATURES, 1);
    ck_assert_uint_eq(bad(), 3);
    wr(VIRTIO_MMIO_QUEUE_SEL, 2);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
}
END_TEST

START_TEST(feature_words_above_bit_63_hold_nothing)
{
    wr(VIRTIO_MMIO_STATUS, ST_ACK);
    wr(VIRTIO_MMIO_STATUS, ST_DRIVER);
    wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
    wr(VIRTIO_MMIO_DRIVER_FEATURES, 0);
    ck_assert_uint_eq(bad(), 0);
    wr(VIRTIO_MMIO_DRIVER_FEATURES, 1);
    ck_assert_uint_eq(bad(), 1);
}
END_TEST

struct config_access {
    uint64_t offset;
    uint32_t len;
    bool ok;
};

static const struct config_access config_accesses[] = {
    {0x100, 1, true},  {0x100, 2, true},   {0x100, 4, true},
    {0x100, 8, true},  {0x101, 2, true},   {0x103, 4, true},
    {0x104, 8, true},  {0x10b, 1, true},   {0x10a, 2, true},
    {0x108, 4, true},  {0x10b, 2, false},  {0x109, 4, false},
    {0x105, 8, false}, {0x10c, 1, false},  {0x10c, 4, false},
    {0x0ff, 1, false}, {0x0ff, 2, false},  {0x0fe, 4, false},
    {0x0fc, 8, false}, {0xfff, 1, false},  {0xff8, 8, false},
    {0xfff, 8, false}, {0x1000, 4, false}, {UINT64_MAX, 4, false},
    {0x100, 3, false}, {0x100, 0, false},  {UINT64_C(1) << 32 | 0x100, 4, false},
};

START_TEST(config_space_takes_any_width_within_its_bounds)
{
    const struct config_access *a = &config_accesses[_i];
    uint8_t got[8];
    uint8_t expected[8] = {0};
    memset(got, 0xee, sizeof(got));
    for (uint32_t i = 0; a->ok && i < a->len; i++)
        expected[i] = (uint8_t)(0xa0 + (a->offset - 0x100) + i);
    vmmio_read(df.transport, a->offset, got, a->len);
    ck_assert_mem_eq(got, expected, a->len);
    ck_assert_uint_eq(bad(), !a->ok);

    uint8_t before[ECHO_CONFIG_BYTES];
    memcpy(before, df.echo.config, sizeof(before));
    vmmio_write(df.transport, a->offset, "\1\2\3\4\5\6\7\10", a->len);
    if (a->ok)
        memcpy(&before[a->offset - 0x100], "\1\2\3\4\5\6\7\10", a->len);
    ck_assert_mem_eq(df.echo.config, before, sizeof(before));
    ck_assert_uint_eq(bad(), a->ok ? 0 : 2);
}
END_TEST

static bool is_one_of(uint64_t offset, const uint64_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == offset)
            return true;
    }
    return false;
}

static bool config_ok(uint64_t offset, uint32_t len)
{
    return offset >= 0x100 && offset + len <= 0x100 + ECHO_CONFIG_BYTES;
}

START_TEST(every_offset_and_width_is_answered_and_the_illegal_ones_are_counted)
{
    static const uint32_t widths[] = {1, 2, 4, 8};
    static const uint64_t readable[] = {0x00, 0x04, 0x08, 0x0c, 0x10, 0x34, 0x44,
                                        0x60, 0x70, 0xb0, 0xb4, 0xb8, 0xbc, 0xfc};
    /* With all bits set only selectors without a bound take it. */
    static const uint64_t writable[] = {0x14, 0x24, 0xac};
    static const uint8_t ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint64_t expected = 0;
    ck_assert(mock_negotiate(&df.driver, F_VERSION_1));
    for (uint64_t offset = 0; offset <= 0x1ff; offset++) {
        for (size_t w = 0; w < ARRAY_LEN(widths); w++) {
            uint8_t buf[8];
            bool is_register = widths[w] == 4;
            vmmio_read(df.transport, offset, buf, widths[w]);
            expected += !((is_register && is_one_of(offset, readable, ARRAY_LEN(readable))) ||
                          config_ok(offset, widths[w]));
            ck_assert_msg(bad() == expected, "read of %u at 0x%x", widths[w], (unsigned)offset);
            vmmio_write(df.transport, offset, ones, widths[w]);
            expected += !((is_register && is_one_of(offset, writable, ARRAY_LEN(writable))) ||
                          config_ok(offset, widths[w]));
            ck_assert_msg(bad() == expected, "write of %u at 0x%x", widths[w], (unsigned)offset);
        }
    }
    ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ST_FEATURES_OK);
    mock_driver_start(&df.driver, 0, 2, 16, FIX_RINGS);
}
END_TEST

START_TEST(acknowledging_clears_the_named_bits_only)
{
    mock_driver_start(&df.driver, 0, 2, 16, FIX_RINGS);
    vdev_config_changed(&df.echo.vdev);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
    wr(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
    ck_assert_uint_eq(bad(), 0);
    wr(VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
    ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
    ck_assert_uint_eq(bad(), 1);
}
END_TEST

Suite *registers_suite(void)
{
    Suite *suite = suite_create("virtio/registers");
    TCase *tc = tcase_create("registers");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, device_fixture_setup, device_fixture_teardown);
    tcase_add_test(tc, the_device_identifies_itself);
    tcase_add_test(tc, features_are_offered_word_by_word);
    tcase_add_test(tc, there_is_no_shared_memory_region);
    tcase_add_test(tc, queue_sizes_follow_the_negotiated_features);
    tcase_add_loop_test(tc, a_queue_selection_out_of_range_reads_as_zero_and_ignores_writes, 0, 5);
    tcase_add_loop_test(tc, a_queue_becomes_ready_only_with_a_legal_size, 0,
                        ARRAY_LEN(queue_writes));
    tcase_add_test(tc, a_ready_queue_is_frozen_until_it_is_taken_down);
    tcase_add_test(tc, queues_are_laid_out_only_between_features_ok_and_driver_ok);
    tcase_add_test(tc, driver_features_are_written_only_between_driver_and_features_ok);
    tcase_add_test(tc, feature_words_above_bit_63_hold_nothing);
    tcase_add_loop_test(tc, config_space_takes_any_width_within_its_bounds, 0,
                        ARRAY_LEN(config_accesses));
    tcase_add_test(tc, every_offset_and_width_is_answered_and_the_illegal_ones_are_counted);
    tcase_add_test(tc, acknowledging_clears_the_named_bits_only);
    suite_add_tcase(suite, tc);
    return suite;
}
