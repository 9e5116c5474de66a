/* SPDX-License-Identifier: Apache-2.0 */
/* Access to guest RAM at every edge: copies, atomic fields, iovecs, reading files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/fake_ram.h"
#include "tests/unit/memory/suites.h"
#include "vmm/base/num.h"

/* Two adjacent regions, a gap, a third: every kind of border. */
#define A_START UINT64_C(0x100000)
#define B_START UINT64_C(0x104000)
#define B_END   UINT64_C(0x106000)
#define C_START UINT64_C(0x200000)
#define C_END   UINT64_C(0x201000)

static const struct gm_range regions[] = {
    {A_START, B_START - A_START}, {B_START, B_END - B_START}, {C_START, C_END - C_START}};

static struct gm *gm;

static void setup(void)
{
    ck_assert_int_eq(gm_create(regions, ARRAY_LEN(regions), GM_BACKING_4K, &gm, NULL), 0);
}

static void teardown(void)
{
    gm_destroy(gm);
}

static const struct {
    struct gm_range r;
    bool is_ram;
    size_t pieces;
} accesses[] = {
    {{A_START, 1}, true, 1},
    {{A_START, B_START - A_START}, true, 1},
    {{B_START - 1, 1}, true, 1},
    {{B_START - 1, 2}, true, 2},
    {{A_START, B_END - A_START}, true, 2},
    {{B_END - 1, 1}, true, 1},
    {{C_START, C_END - C_START}, true, 1},
    {{C_END - 8, 8}, true, 1},
    {{0, 0}, true, 0},
    {{B_END, 0}, true, 0},
    {{UINT64_MAX, 0}, true, 0},
    {{0, 1}, false, 0},
    {{A_START - 1, 1}, false, 0},
    {{A_START - 1, 2}, false, 0},
    {{B_END, 1}, false, 0},
    {{B_END - 1, 2}, false, 0},
    {{B_END - 1, C_START - B_END + 2}, false, 0},
    {{A_START, C_END - A_START}, false, 0},
    {{C_START - 1, 1}, false, 0},
    {{C_END - 1, 2}, false, 0},
    {{C_END, 1}, false, 0},
    {{C_START, UINT64_MAX - C_START}, false, 0},
    {{C_START, UINT64_MAX - C_START + 1}, false, 0},
    {{C_START, UINT64_MAX}, false, 0},
    {{UINT64_MAX, 1}, false, 0},
    {{UINT64_MAX - 1, 4}, false, 0},
    {{UINT64_C(1) << 63, UINT64_C(1) << 63}, false, 0},
};

START_TEST(a_copy_moves_all_of_a_range_or_nothing)
{
    static char in[0x6000];
    static char out[0x6000];
    struct gm_range r = accesses[_i].r;
    memset(in, 0x5a, sizeof(in));
    int want = accesses[_i].is_ram ? 0 : -EFAULT;
    size_t len = accesses[_i].is_ram ? r.len_bytes : 0;

    ck_assert_int_eq(gm_is_ram(gm, r), accesses[_i].is_ram);
    ck_assert_int_eq(gm_write(gm, r.start, in, r.len_bytes), want);
    uint64_t populated = fake_ram_allocated(gm);
    ck_assert_int_eq(populated > 0, len > 0);
    ck_assert_int_eq(gm_read(gm, r.start, out, r.len_bytes), want);
    ck_assert_mem_eq(out, in, len);
    ck_assert(len == 0 || fake_ram_all(gm, r.start, len, 0x5a));

    ck_assert_int_eq(gm_zero(gm, r.start, r.len_bytes), want);
    ck_assert(len == 0 || fake_ram_all(gm, r.start, len, 0));
    ck_assert_uint_eq(fake_ram_allocated(gm), populated);
}
END_TEST

START_TEST(a_copy_touches_no_byte_beside_its_range)
{
    char in[2] = {1, 2};
    fake_ram_fill(gm, A_START, B_END - A_START, 0x77);
    ck_assert_int_eq(gm_write(gm, B_START - 1, in, sizeof(in)), 0);
    ck_assert(fake_ram_all(gm, A_START, B_START - 1 - A_START, 0x77));
    ck_assert(fake_ram_all(gm, B_START - 1, 1, 1));
    ck_assert(fake_ram_all(gm, B_START, 1, 2));
    ck_assert(fake_ram_all(gm, B_START + 1, B_END - B_START - 1, 0x77));
    ck_assert_int_eq(gm_zero(gm, B_START - 1, 2), 0);
    ck_assert(fake_ram_all(gm, B_START - 2, 1, 0x77));
    ck_assert(fake_ram_all(gm, B_START - 1, 2, 0));
    ck_assert(fake_ram_all(gm, B_START + 1, 1, 0x77));
}
END_TEST

START_TEST(an_iovec_covers_the_range_piece_by_piece)
{
    struct gm_range r = accesses[_i].r;
    struct iovec iov[GM_MAX_REGIONS] = {{0}};
    size_t n = 99;
    ck_assert_int_eq(gm_iov(gm, r, iov, ARRAY_LEN(iov), &n), accesses[_i].is_ram ? 0 : -EFAULT);
    if (!accesses[_i].is_ram) {
        ck_assert_uint_eq(n, 99);
        return;
    }
    ck_assert_uint_eq(n, accesses[_i].pieces);
    uint64_t gpa = r.start;
    for (size_t i = 0; i < n; i++) {
        uint8_t mark = (uint8_t)(0xb0 + i);
        memset(iov[i].iov_base, mark, iov[i].iov_len);
        ck_assert(fake_ram_all(gm, gpa, iov[i].iov_len, mark));
        gpa += iov[i].iov_len;
    }
    ck_assert_uint_eq(gpa, r.start + r.len_bytes);
    if (n > 0) {
        n = 99;
        ck_assert_int_eq(gm_iov(gm, r, iov, accesses[_i].pieces - 1, &n), -E2BIG);
        ck_assert_uint_eq(n, 99);
    }
}
END_TEST

static const struct {
    uint64_t gpa;
    bool ok;
} fields[] = {
    {A_START, true},     {A_START + 2, true},     {B_START - 2, true},  {B_START, true},
    {C_END - 2, true},   {A_START + 1, false},    {B_START - 1, false}, {C_END - 1, false},
    {C_END, false},      {A_START - 2, false},    {B_END, false},       {0, false},
    {UINT64_MAX, false}, {UINT64_MAX - 1, false},
};

START_TEST(an_atomic_field_is_little_endian_aligned_and_in_ram)
{
    uint64_t gpa = fields[_i].gpa;
    int want = fields[_i].ok ? 0 : -EFAULT;
    uint16_t got = 0xdead;
    ck_assert_int_eq(gm_store_le16_release(gm, gpa, 0x1234), want);
    ck_assert_int_eq(gm_load_le16_acquire(gm, gpa, &got), want);
    ck_assert_uint_eq(got, fields[_i].ok ? 0x1234 : 0xdead);
    got = 0xdead;
    ck_assert_int_eq(gm_load_le16_relaxed(gm, gpa, &got), want);
    ck_assert_uint_eq(got, fields[_i].ok ? 0x1234 : 0xdead);
    if (fields[_i].ok) {
        uint8_t bytes[2];
        fake_ram_get(gm, gpa, bytes, sizeof(bytes));
        ck_assert_uint_eq(bytes[0], 0x34);
        ck_assert_uint_eq(bytes[1], 0x12);
    }
}
END_TEST

/* A file of len bytes, each the low byte of its page number plus 1. */
static int numbered_file(size_t len)
{
    int fd = memfd_create("numbered", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    for (size_t at = 0; at < len; at++) {
        uint8_t byte = (uint8_t)(at / 4096 + 1);
        ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    }
    return fd;
}

START_TEST(a_file_fills_ram_across_regions)
{
    int fd = numbered_file(5 * 4096);
    ck_assert_int_eq(gm_read_file(gm, (struct gm_range){B_START - 4096, 3 * 4096}, fd, 4096), 0);
    ck_assert(fake_ram_all(gm, B_START - 4096, 4096, 2));
    ck_assert(fake_ram_all(gm, B_START, 4096, 3));
    ck_assert(fake_ram_all(gm, B_START + 4096, 4096, 4));
    ck_assert(fake_ram_all(gm, A_START, B_START - 4096 - A_START, 0));
    ck_assert_int_eq(gm_read_file(gm, (struct gm_range){C_START + 1, 4095}, fd, 4095), 0);
    ck_assert(fake_ram_all(gm, C_START, 1, 0));
    ck_assert(fake_ram_all(gm, C_START + 1, 1, 1));
    ck_assert(fake_ram_all(gm, C_START + 2, 4094, 2));
    close(fd);
}
END_TEST

START_TEST(a_file_that_ends_early_is_told)
{
    int fd = numbered_file(4096 + 100);
    ck_assert_int_eq(gm_read_file(gm, (struct gm_range){A_START, 4096 + 100}, fd, 0), 0);
    ck_assert_int_eq(gm_read_file(gm, (struct gm_range){A_START, 4096 + 101}, fd, 0), -ENODATA);
    ck_assert_int_eq(gm_read_file(gm, (struct gm_range){A_START, 1}, fd, 4096 + 100), -ENODATA);
    ck_assert_int_eq(gm_read_file(gm, (struct gm_range){A_START, 1}, fd, INT64_MAX - 1), -ENODATA);
    close(fd);
}
END_TEST

START_TEST(a_file_is_not_read_into_what_is_not_ram)
{
    int fd = numbered_file(4096);
    for (size_t i = 0; i < ARRAY_LEN(accesses); i++) {
        if (accesses[i].is_ram)
            continue;
        ck_assert_int_eq(gm_read_file(gm, accesses[i].r, fd, 0), -EFAULT);
    }
    ck_assert_uint_eq(fake_ram_allocated(gm), 0);
    close(fd);
}
END_TEST

START_TEST(an_impossible_file_offset_or_descriptor_is_an_error)
{
    struct gm_range page = {A_START, 4096};
    int fd = numbered_file(1);
    ck_assert_int_eq(gm_read_file(gm, page, fd, INT64_MAX), -EOVERFLOW);
    ck_assert_int_eq(gm_read_file(gm, page, fd, UINT64_MAX), -EOVERFLOW);
    ck_assert_int_eq(gm_read_file(gm, page, -1, 0), -EBADF);
    ck_assert_int_eq(gm_read_file(gm, (struct gm_range){A_START, 0}, fd, 0), 0);
    close(fd);
}
END_TEST

/* With transparent huge pages it may be read another way, as the host has it. */
static const enum gm_backing small_and_huge[] = {GM_BACKING_4K, GM_BACKING_THP};

START_TEST(a_large_file_is_read_in_steps)
{
    uint64_t len = 129 * MIB + 4096;
    struct gm_range ram = {0, len};
    struct gm *big = NULL;
    int fd = memfd_create("sparse", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
    ck_assert_int_eq(pwrite(fd, "begin", 5, 0), 5);
    ck_assert_int_eq(pwrite(fd, "steps", 5, (off_t)(128 * MIB) - 2), 5);
    ck_assert_int_eq(pwrite(fd, "end", 3, (off_t)len - 3), 3);
    ck_assert_int_eq(gm_create(&ram, 1, small_and_huge[_i], &big, NULL), 0);
    ck_assert_int_eq(gm_read_file(big, ram, fd, 0), 0);
    ck_assert_int_eq(gm_read_file(big, ram, fd, 1), -ENODATA);
    ck_assert_int_eq(gm_read_file(big, ram, fd, 0), 0);
    char word[5];
    fake_ram_get(big, 0, word, 5);
    ck_assert_mem_eq(word, "begin", 5);
    fake_ram_get(big, 128 * MIB - 2, word, 5);
    ck_assert_mem_eq(word, "steps", 5);
    fake_ram_get(big, len - 3, word, 3);
    ck_assert_mem_eq(word, "end", 3);
    gm_destroy(big);
    close(fd);
}
END_TEST

Suite *gm_access_suite(void)
{
    Suite *suite = suite_create("gm_access");
    TCase *tc = tcase_create("gm_access");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_copy_moves_all_of_a_range_or_nothing, 0, ARRAY_LEN(accesses));
    tcase_add_test(tc, a_copy_touches_no_byte_beside_its_range);
    tcase_add_loop_test(tc, an_iovec_covers_the_range_piece_by_piece, 0, ARRAY_LEN(accesses));
    tcase_add_loop_test(tc, an_atomic_field_is_little_endian_aligned_and_in_ram, 0,
                        ARRAY_LEN(fields));
    tcase_add_test(tc, a_file_fills_ram_across_regions);
    tcase_add_test(tc, a_file_that_ends_early_is_told);
    tcase_add_test(tc, a_file_is_not_read_into_what_is_not_ram);
    tcase_add_test(tc, an_impossible_file_offset_or_descriptor_is_an_error);
    tcase_add_loop_test(tc, a_large_file_is_read_in_steps, 0, ARRAY_LEN(small_and_huge));
    suite_add_tcase(suite, tc);
    return suite;
}
