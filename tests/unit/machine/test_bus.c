/* SPDX-License-Identifier: Apache-2.0 */
/* The buses: who answers where, and what happens where nobody does. */
#include <errno.h>
#include <string.h>

#include "tests/unit/machine/suites.h"
#include "vmm/machine/bus.h"

struct recorder {
    uint64_t offset;
    uint32_t len;
    uint8_t last;
    int reads, writes;
};

static void record_read(void *arg, uint64_t offset, uint8_t *data, uint32_t len)
{
    struct recorder *r = arg;
    r->offset = offset;
    r->len = len;
    r->reads++;
    memset(data, 0x5a, len);
}

static void record_write(void *arg, uint64_t offset, const uint8_t *data, uint32_t len)
{
    struct recorder *r = arg;
    r->offset = offset;
    r->len = len;
    r->writes++;
    r->last = data[len - 1];
}

static const struct bus_ops recorder_ops = {.read = record_read, .write = record_write};

static int add(struct bus *bus, uint64_t start, uint64_t len, struct recorder *r)
{
    struct gm_range range = {.start = start, .len_bytes = len};
    return bus_add(bus, range, &recorder_ops, r);
}

START_TEST(an_access_reaches_its_device_with_an_offset)
{
    struct bus bus = {0};
    struct recorder a = {0}, b = {0};
    uint8_t data[4] = {1, 2, 3, 4};
    ck_assert_int_eq(add(&bus, 0x1000, 0x1000, &a), 0);
    ck_assert_int_eq(add(&bus, 0x2000, 0x1000, &b), 0);
    bus_write(&bus, 0x2ffc, data, 4);
    ck_assert_int_eq(b.writes, 1);
    ck_assert_uint_eq(b.offset, 0xffc);
    ck_assert_uint_eq(b.last, 4);
    bus_read(&bus, 0x1000, data, 2);
    ck_assert_int_eq(a.reads, 1);
    ck_assert_uint_eq(a.len, 2);
    ck_assert_uint_eq(data[1], 0x5a);
    ck_assert_uint_eq(data[2], 3);
    ck_assert_uint_eq(bus.unclaimed, 0);
}
END_TEST

START_TEST(what_nothing_claims_reads_as_ones_and_is_counted)
{
    struct bus bus = {0};
    struct recorder a = {0};
    uint8_t data[8] = {0};
    ck_assert_int_eq(add(&bus, 0x1000, 0x10, &a), 0);
    bus_read(&bus, 0x100e, data, 4); /* half in, half out */
    ck_assert_uint_eq(data[0] & data[3], 0xff);
    ck_assert_uint_eq(data[4], 0);
    bus_write(&bus, 0x1010, data, 1);
    bus_read(&bus, UINT64_MAX - 1, data, 8);
    ck_assert_int_eq(a.reads + a.writes, 0);
    ck_assert_uint_eq(bus.unclaimed, 3);
}
END_TEST

START_TEST(overlaps_wraps_and_too_many_slots_are_refused)
{
    struct bus bus = {0};
    struct recorder a = {0};
    ck_assert_int_eq(add(&bus, 0x1000, 0x1000, &a), 0);
    ck_assert_int_eq(add(&bus, 0x1fff, 1, &a), -EEXIST);
    ck_assert_int_eq(add(&bus, 0, 0x1001, &a), -EEXIST);
    ck_assert_int_eq(add(&bus, 0x3000, 0, &a), -EINVAL);
    ck_assert_int_eq(add(&bus, UINT64_MAX, 2, &a), -EINVAL);
    for (uint64_t i = 1; i < BUS_SLOTS_MAX; i++)
        ck_assert_int_eq(add(&bus, 0x10000 * i, 1, &a), 0);
    ck_assert_int_eq(add(&bus, 0x5, 1, &a), -ENOSPC);
}
END_TEST

Suite *bus_suite(void)
{
    Suite *suite = suite_create("bus");
    TCase *tc = tcase_create("bus");
    tcase_add_test(tc, an_access_reaches_its_device_with_an_offset);
    tcase_add_test(tc, what_nothing_claims_reads_as_ones_and_is_counted);
    tcase_add_test(tc, overlaps_wraps_and_too_many_slots_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
