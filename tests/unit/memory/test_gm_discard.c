/* SPDX-License-Identifier: Apache-2.0 */
/* Giving RAM back: exactly the whole pages of the ranges that are RAM, whatever the ranges say. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/gm_priv.h"
#include "tests/support/fake_ram.h"
#include "tests/unit/memory/suites.h"
#include "vmm/base/num.h"

#define PAGE GM_PAGE_SIZE

/* 16 pages, a gap, 8 pages, which are followed at once by 4 pages of another region. */
#define A_START UINT64_C(0x100000)
#define A_PAGES 16u
#define B_START UINT64_C(0x200000)
#define B_PAGES 8u
#define C_START (B_START + B_PAGES * PAGE)
#define C_PAGES 4u
#define PAGES   (A_PAGES + B_PAGES + C_PAGES)

static struct gm *gm;

static void setup(void)
{
    struct gm_range r[] = {
        {A_START, A_PAGES * PAGE}, {B_START, B_PAGES * PAGE}, {C_START, C_PAGES * PAGE}};
    ck_assert_int_eq(gm_create(r, ARRAY_LEN(r), GM_BACKING_4K, &gm, NULL), 0);
}

static void teardown(void)
{
    gm_destroy(gm);
}

/* Address of page i, counted through all regions. */
static uint64_t page_at(size_t i)
{
    return i < A_PAGES ? A_START + i * PAGE : B_START + (i - A_PAGES) * PAGE;
}

static void fill_all_pages(void)
{
    for (size_t i = 0; i < PAGES; i++)
        fake_ram_fill(gm, page_at(i), PAGE, 0xc3);
}

/* A run of punched pages: the first one's number and how many. */
struct run {
    size_t first, n;
};

static const struct {
    const char *name;
    size_t n;
    struct gm_range ranges[3];
    uint64_t calls;
    struct run punched[2];
} discards[] = {
    {"nothing", 0, {{0, 0}}, 0, {{0, 0}}},
    {"one page", 1, {{A_START + 3 * PAGE, PAGE}}, 1, {{3, 1}}},
    {"first page", 1, {{A_START, PAGE}}, 1, {{0, 1}}},
    {"last page of a region", 1, {{A_START + 15 * PAGE, PAGE}}, 1, {{15, 1}}},
    {"last page of all", 1, {{C_START + 3 * PAGE, PAGE}}, 1, {{27, 1}}},
    {"a region", 1, {{A_START, A_PAGES *PAGE}}, 1, {{0, 16}}},
    {"cut inward at both ends", 1, {{A_START + 1, 4 * PAGE}}, 1, {{1, 3}}},
    {"one byte short of a page", 1, {{A_START, PAGE - 1}}, 0, {{0, 0}}},
    {"two halves of pages", 1, {{A_START + PAGE / 2, PAGE}}, 0, {{0, 0}}},
    {"empty", 1, {{A_START, 0}}, 0, {{0, 0}}},
    {"before RAM", 1, {{0, 4 * PAGE}}, 0, {{0, 0}}},
    {"in the gap", 1, {{A_START + 20 * PAGE, PAGE}}, 0, {{0, 0}}},
    {"behind RAM", 1, {{C_START + C_PAGES * PAGE, 64 * PAGE}}, 0, {{0, 0}}},
    {"beginning before RAM", 1, {{A_START - PAGE, 3 * PAGE}}, 1, {{0, 2}}},
    {"ending behind RAM", 1, {{C_START + 2 * PAGE, 9 * PAGE}}, 1, {{26, 2}}},
    {"across the gap", 1, {{A_START + 14 * PAGE, B_START - A_START - 13 * PAGE}}, 2, {{14, 3}}},
    {"across adjacent regions", 1, {{B_START + 6 * PAGE, 4 * PAGE}}, 2, {{22, 4}}},
    {"longest descriptor", 1, {{A_START + PAGE, UINT32_MAX - 4095}}, 3, {{1, 27}}},
    {"everything", 1, {{0, UINT64_MAX}}, 3, {{0, 28}}},
    {"past 2^64", 1, {{A_START, UINT64_MAX}}, 0, {{0, 0}}},
    {"to 2^64", 1, {{UINT64_MAX - 4095, 4096}}, 0, {{0, 0}}},
    {"one bad among good ones",
     3,
     {{A_START, PAGE}, {A_START + 2 * PAGE, UINT64_MAX}, {B_START, 2 * PAGE}},
     2,
     {{0, 1}, {16, 2}}},
    {"three in two regions",
     3,
     {{A_START, 2 * PAGE}, {A_START + 2 * PAGE, PAGE}, {B_START + PAGE, PAGE}},
     3,
     {{0, 3}, {17, 1}}},
};

static bool is_punched(const struct run *runs, size_t page)
{
    for (size_t i = 0; i < 2; i++) {
        if (page >= runs[i].first && page < runs[i].first + runs[i].n)
            return true;
    }
    return false;
}

START_TEST(whole_pages_of_ram_are_freed_and_nothing_else)
{
    fill_all_pages();
    ck_assert_uint_eq(fake_ram_allocated(gm), PAGES * PAGE);

    struct gm_discard_result result;
    memset(&result, 0xff, sizeof(result));
    const char *name = discards[_i].name;
    ck_assert_int_eq(gm_discard(gm, discards[_i].ranges, discards[_i].n, &result), 0);

    uint64_t bytes = (discards[_i].punched[0].n + discards[_i].punched[1].n) * PAGE;
    ck_assert_msg(result.calls == discards[_i].calls, "%s: %u calls", name, result.calls);
    ck_assert_uint_eq(result.punched_bytes, bytes);
    ck_assert_uint_eq(result.freed_bytes, bytes);
    ck_assert_uint_eq(fake_ram_allocated(gm), PAGES * PAGE - bytes);
    for (size_t i = 0; i < PAGES; i++) {
        uint8_t want = is_punched(discards[_i].punched, i) ? 0 : 0xc3;
        ck_assert_msg(fake_ram_all(gm, page_at(i), PAGE, want), "%s: page %zu", name, i);
    }
}
END_TEST

START_TEST(punched_pages_read_as_zero_through_the_mapping_and_can_be_used_again)
{
    fill_all_pages();
    uint64_t word = 1;
    fake_ram_put_le64(gm, A_START + PAGE, 0x1122334455667788);
    struct gm_range r = {A_START + PAGE, PAGE};
    struct gm_discard_result result;
    ck_assert_int_eq(gm_discard(gm, &r, 1, &result), 0);
    ck_assert_int_eq(gm_read(gm, A_START + PAGE, &word, sizeof(word)), 0);
    ck_assert_uint_eq(word, 0);
    fake_ram_fill(gm, A_START + PAGE, PAGE, 0x11);
    ck_assert(fake_ram_all(gm, A_START + PAGE, PAGE, 0x11));
    ck_assert_uint_eq(fake_ram_allocated(gm), PAGES * PAGE);
    ck_assert_int_eq(gm_discard(gm, &r, 1, &result), 0);
    ck_assert_uint_eq(result.freed_bytes, PAGE);
}
END_TEST

START_TEST(what_was_empty_already_is_punched_but_not_counted_as_freed)
{
    struct gm_range r = {A_START, 8 * PAGE};
    struct gm_discard_result result;
    ck_assert_int_eq(gm_discard(gm, &r, 1, &result), 0);
    ck_assert_uint_eq(result.punched_bytes, 8 * PAGE);
    ck_assert_uint_eq(result.freed_bytes, 0);
    ck_assert_uint_eq(result.calls, 1);
    fake_ram_fill(gm, A_START + 2 * PAGE, 3 * PAGE, 1);
    ck_assert_int_eq(gm_discard(gm, &r, 1, &result), 0);
    ck_assert_uint_eq(result.punched_bytes, 8 * PAGE);
    ck_assert_uint_eq(result.freed_bytes, 3 * PAGE);
}
END_TEST

START_TEST(pages_outside_the_ranges_do_not_change_the_count)
{
    fake_ram_fill(gm, B_START, B_PAGES * PAGE, 1);
    fake_ram_fill(gm, A_START + 8 * PAGE, 8 * PAGE, 1);
    struct gm_range r = {A_START, 8 * PAGE};
    struct gm_discard_result result;
    ck_assert_int_eq(gm_discard(gm, &r, 1, &result), 0);
    ck_assert_uint_eq(result.freed_bytes, 0);
    ck_assert_uint_eq(fake_ram_allocated(gm), 16 * PAGE);
}
END_TEST

/* A memfd that is sealed against writing refuses to be punched, as one does whose host fails. */
START_TEST(an_error_of_the_host_keeps_no_other_range_and_is_told)
{
    int fd = memfd_create("read-only", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(fd, B_PAGES * PAGE), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    fill_all_pages();
    int real = gm->slot[1].region.fd;
    gm->slot[1].region.fd = fd;
    struct gm_range all = {0, UINT64_MAX};
    struct gm_discard_result result;
    ck_assert_int_eq(gm_discard(gm, &all, 1, &result), -EPERM);
    gm->slot[1].region.fd = real;
    ck_assert_uint_eq(result.calls, 3);
    ck_assert_uint_eq(result.punched_bytes, (A_PAGES + C_PAGES) * PAGE);
    ck_assert_uint_eq(result.freed_bytes, (A_PAGES + C_PAGES) * PAGE);
    ck_assert_uint_eq(fake_ram_allocated(gm), B_PAGES * PAGE);
    close(fd);
}
END_TEST

START_TEST(a_lost_descriptor_is_an_error_everywhere)
{
    int real = gm->slot[0].region.fd;
    gm->slot[0].region.fd = -1;
    struct gm_range all = {0, UINT64_MAX};
    struct gm_range a = {A_START, A_PAGES * PAGE};
    struct gm_discard_result result;
    uint64_t bytes = 7;
    ck_assert_int_eq(gm_discard(gm, &all, 1, &result), -EBADF);
    ck_assert_uint_eq(result.calls, 2); /* those of the other two regions */
    ck_assert_int_eq(gm_allocated_bytes(gm, &bytes), -EBADF);
    ck_assert_int_eq(gm_populated_bytes(gm, a, &bytes), -EBADF);
    ck_assert_uint_eq(bytes, 7);
    gm->slot[0].region.fd = real;
}
END_TEST

static const struct {
    struct gm_range r;
    int rc;
    uint64_t bytes;
} counts[] = {
    {{A_START, A_PAGES *PAGE}, 0, 5 * PAGE},
    {{A_START, 2 * PAGE}, 0, 0},
    {{A_START, 2 * PAGE + 1}, 0, 1},
    {{A_START + 2 * PAGE + 10, 20}, 0, 20},
    {{A_START + 4 * PAGE, 6 * PAGE}, 0, PAGE},
    {{A_START + 4 * PAGE + 1, 11 * PAGE - 1}, 0, 2 * PAGE - 1},
    {{A_START + 15 * PAGE, PAGE}, 0, PAGE},
    {{B_START, (B_PAGES + C_PAGES) * PAGE}, 0, 3 * PAGE},
    {{A_START, 0}, 0, 0},
    {{A_START + 15 * PAGE, 2 * PAGE}, -EFAULT, 0},
    {{0, UINT64_MAX}, -EFAULT, 0},
    {{A_START, UINT64_MAX}, -EFAULT, 0},
};

START_TEST(populated_bytes_are_exact_for_a_range)
{
    fake_ram_fill(gm, A_START + 2 * PAGE, 3 * PAGE, 1);
    fake_ram_fill(gm, A_START + 14 * PAGE, 2 * PAGE, 1);
    fake_ram_fill(gm, B_START + 7 * PAGE, 3 * PAGE, 1);
    uint64_t bytes = 7;
    ck_assert_int_eq(gm_populated_bytes(gm, counts[_i].r, &bytes), counts[_i].rc);
    ck_assert_uint_eq(bytes, counts[_i].rc == 0 ? counts[_i].bytes : 7);
    ck_assert_uint_eq(fake_ram_allocated(gm), 8 * PAGE);
}
END_TEST

START_TEST(huge_pages_are_counted_as_they_are_and_freed_whole)
{
    struct gm *thp = NULL;
    struct gm_range ram = {0, 8 * MIB};
    ck_assert_int_eq(gm_create(&ram, 1, GM_BACKING_THP, &thp, NULL), 0);
    fake_ram_fill(thp, 2 * MIB, 4 * MIB, 9);
    uint64_t populated = 0;
    ck_assert_int_eq(gm_populated_bytes(thp, ram, &populated), 0);
    ck_assert_uint_eq(populated, 4 * MIB);
    struct gm_range r = {2 * MIB, 2 * MIB};
    struct gm_discard_result result;
    ck_assert_int_eq(gm_discard(thp, &r, 1, &result), 0);
    ck_assert_uint_eq(result.freed_bytes, 2 * MIB);
    ck_assert(fake_ram_all(thp, 2 * MIB, 2 * MIB, 0));
    ck_assert(fake_ram_all(thp, 4 * MIB, 2 * MIB, 9));
    gm_destroy(thp);
}
END_TEST

START_TEST(an_8_gib_guest_is_created_and_discarded_sparsely)
{
    struct gm_range low = {0, 3 * GIB};
    struct gm_range high = {4 * GIB, 5 * GIB};
    static const uint64_t touched[] = {0,           3 * GIB - PAGE,        4 * GIB,
                                       6 * GIB + 5, UINT64_C(9) * GIB - 1, 8 * GIB};
    struct gm *big = fake_ram_create_two(low, high);
    ck_assert_uint_eq(gm_size_bytes(big), 8 * GIB);
    ck_assert_uint_eq(fake_ram_allocated(big), 0);
    for (size_t i = 0; i < ARRAY_LEN(touched); i++)
        fake_ram_fill(big, touched[i], 1, 1);
    ck_assert_uint_eq(fake_ram_allocated(big), ARRAY_LEN(touched) * PAGE);

    char byte = 0;
    ck_assert_int_eq(gm_write(big, 3 * GIB, &byte, 1), -EFAULT);
    ck_assert_int_eq(gm_write(big, 4 * GIB - 1, &byte, 1), -EFAULT);
    ck_assert_int_eq(gm_write(big, 9 * GIB, &byte, 1), -EFAULT);

    struct gm_range most[] = {{PAGE, 3 * GIB}, {4 * GIB + PAGE, 5 * GIB - 2 * PAGE}};
    struct gm_discard_result result;
    ck_assert_int_eq(gm_discard(big, most, ARRAY_LEN(most), &result), 0);
    ck_assert_uint_eq(result.calls, 2);
    ck_assert_uint_eq(result.punched_bytes, 8 * GIB - 3 * PAGE);
    ck_assert_uint_eq(result.freed_bytes, 3 * PAGE);
    uint64_t populated = 0;
    ck_assert_int_eq(gm_populated_bytes(big, low, &populated), 0);
    ck_assert_uint_eq(populated, PAGE);
    ck_assert_int_eq(gm_populated_bytes(big, high, &populated), 0);
    ck_assert_uint_eq(populated, 2 * PAGE);
    gm_destroy(big);
}
END_TEST

Suite *gm_discard_suite(void)
{
    Suite *suite = suite_create("gm_discard");
    TCase *tc = tcase_create("gm_discard");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, whole_pages_of_ram_are_freed_and_nothing_else, 0, ARRAY_LEN(discards));
    tcase_add_test(tc, punched_pages_read_as_zero_through_the_mapping_and_can_be_used_again);
    tcase_add_test(tc, what_was_empty_already_is_punched_but_not_counted_as_freed);
    tcase_add_test(tc, pages_outside_the_ranges_do_not_change_the_count);
    tcase_add_test(tc, an_error_of_the_host_keeps_no_other_range_and_is_told);
    tcase_add_test(tc, a_lost_descriptor_is_an_error_everywhere);
    tcase_add_loop_test(tc, populated_bytes_are_exact_for_a_range, 0, ARRAY_LEN(counts));
    tcase_add_test(tc, huge_pages_are_counted_as_they_are_and_freed_whole);
    tcase_add_test(tc, an_8_gib_guest_is_created_and_discarded_sparsely);
    suite_add_tcase(suite, tc);
    return suite;
}
