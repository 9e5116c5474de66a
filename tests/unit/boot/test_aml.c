/* SPDX-License-Identifier: Apache-2.0 */
/* The AML writer at the edges of its encodings (ACPI 6.4, 20.2). */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/boot/fixture.h"
#include "vmm/base/num.h"
#include "vmm/boot/x86_64/aml.h"

/* Decodes a PkgLength at p; *out_bytes is how many bytes it has. */
static size_t pkg_length(const uint8_t *p, size_t *out_bytes)
{
    size_t follow = p[0] >> 6;
    *out_bytes = follow + 1;
    if (follow == 0)
        return p[0] & 0x3f;
    size_t length = p[0] & 0x0f;
    for (size_t i = 1; i <= follow; i++)
        length |= (size_t)p[i] << (4 + 8 * (i - 1));
    return length;
}

static const struct {
    size_t content;
    size_t length_bytes;
} lengths[] = {
    {2, 1},    {62, 1},   {63, 2},          {64, 2},           {4093, 2},     {4094, 3},
    {4095, 3}, {4096, 3}, {0xfffff - 3, 3}, {0x100000 - 3, 4}, {0x123456, 4},
};

START_TEST(package_lengths_count_themselves_in_as_few_bytes_as_they_take)
{
    size_t cap = lengths[_i].content + 16, bytes;
    struct aml aml = {.buf = calloc(1, cap), .cap = cap};
    ck_assert_ptr_nonnull(aml.buf);
    size_t mark = aml_open_package(&aml, 7);
    while (aml.len < mark + lengths[_i].content)
        aml_integer(&aml, 0);
    aml_close(&aml, mark);
    ck_assert(!aml.overflow);
    ck_assert_uint_eq(aml.buf[0], 0x12);
    ck_assert_uint_eq(pkg_length(aml.buf + 1, &bytes), aml.len - 1);
    ck_assert_uint_eq(bytes, lengths[_i].length_bytes);
    ck_assert_uint_eq(aml.buf[1 + bytes], 7);
    free(aml.buf);
}
END_TEST

static const struct {
    uint64_t value;
    size_t len;
    uint8_t bytes[9];
} integers[] = {
    {0, 1, {0x00}},
    {1, 1, {0x01}},
    {2, 2, {0x0a, 2}},
    {0xff, 2, {0x0a, 0xff}},
    {0x100, 3, {0x0b, 0x00, 0x01}},
    {0xffff, 3, {0x0b, 0xff, 0xff}},
    {0x10000, 5, {0x0c, 0, 0, 1, 0}},
    {0xffffffff, 5, {0x0c, 0xff, 0xff, 0xff, 0xff}},
    {0x100000000, 9, {0x0e, 0, 0, 0, 0, 1, 0, 0, 0}},
    {UINT64_MAX, 9, {0x0e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
};

START_TEST(integers_take_their_shortest_form)
{
    uint8_t buf[16];
    struct aml aml = {.buf = buf, .cap = sizeof(buf)};
    aml_integer(&aml, integers[_i].value);
    ck_assert_uint_eq(aml.len, integers[_i].len);
    ck_assert_mem_eq(buf, integers[_i].bytes, aml.len);
}
END_TEST

/* Writes one of everything. */
static void write_all(struct aml *aml)
{
    size_t scope = aml_open_scope(aml, "\\_SB_");
    size_t device = aml_open_device(aml, "DEV0");
    aml_name(aml, "_HID");
    aml_string(aml, "PNP0501");
    aml_name(aml, "_CRS");
    aml_buffer(aml, "\x79", 2);
    aml_close(aml, device);
    aml_close(aml, scope);
}

START_TEST(terms_nest_as_the_specification_has_them)
{
    static const uint8_t want[] = {
        0x10, 0x26, '\\', '_', 'S', 'B', '_',  0x5b, 0x82, 0x1e, 'D',  'E',  'V',
        '0',  0x08, '_',  'H', 'I', 'D', 0x0d, 'P',  'N',  'P',  '0',  '5',  '0',
        '1',  0,    0x08, '_', 'C', 'R', 'S',  0x11, 0x05, 0x0a, 0x02, 0x79, 0,
    };
    uint8_t buf[64];
    struct aml aml = {.buf = buf, .cap = sizeof(buf)};
    write_all(&aml);
    ck_assert_uint_eq(aml.len, sizeof(want));
    ck_assert_mem_eq(buf, want, sizeof(want));
}
END_TEST

START_TEST(what_does_not_fit_is_dropped_and_told)
{
    uint8_t buf[64];
    struct aml whole = {.buf = buf, .cap = sizeof(buf)};
    write_all(&whole);
    for (size_t cap = 0; cap <= whole.len; cap++) {
        /* Of the exact size, so that a sanitizer sees a byte too many. */
        uint8_t *small = malloc(cap > 0 ? cap : 1);
        ck_assert_ptr_nonnull(small);
        struct aml aml = {.buf = small, .cap = cap};
        write_all(&aml);
        ck_assert_int_eq(aml.overflow, cap < whole.len);
        ck_assert_uint_le(aml.len, cap);
        free(small);
    }
}
END_TEST

Suite *aml_suite(void)
{
    Suite *s = suite_create("aml");
    TCase *t = tcase_create("aml");
    tcase_add_loop_test(t, package_lengths_count_themselves_in_as_few_bytes_as_they_take, 0,
                        ARRAY_LEN(lengths));
    tcase_add_loop_test(t, integers_take_their_shortest_form, 0, ARRAY_LEN(integers));
    tcase_add_test(t, terms_nest_as_the_specification_has_them);
    tcase_add_test(t, what_does_not_fit_is_dropped_and_told);
    suite_add_tcase(s, t);
    return s;
}
