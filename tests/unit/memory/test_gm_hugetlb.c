/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM on the host's pool of 2 MiB pages. The pool belongs to the host: tests take it as it is, and
 * do nothing where its state is not the one they are about.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/support/fake_ram.h"
#include "tests/unit/memory/suites.h"
#include "vmm/base/num.h"

#define POOL_DIR   "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define TEST_PAGES 4u

static const struct gm_range ram = {0, TEST_PAGES *GM_HUGE_SIZE};

/* Pages of the pool that can be had, or -1 on a host without one. */
static int64_t pool_available(void)
{
    int64_t number[2] = {0};
    static const char *const files[] = {POOL_DIR "free_hugepages", POOL_DIR "resv_hugepages"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        FILE *file = fopen(files[i], "re");
        if (file == NULL)
            return -1;
        int got = fscanf(file, "%" SCNd64, &number[i]);
        fclose(file);
        if (got != 1)
            return -1;
    }
    return number[0] - number[1];
}

START_TEST(a_pool_that_is_too_small_is_an_error_with_the_way_out)
{
    if (pool_available() != 0)
        return;
    struct gm_range two[] = {{0, 6 * MIB}, {4 * GIB, 4 * MIB}};
    struct gm *gm = NULL;
    struct err err = {0};
    ck_assert_int_eq(gm_create(two, ARRAY_LEN(two), GM_BACKING_HUGETLB_2M, &gm, &err), -ENOMEM);
    ck_assert_ptr_null(gm);
    ck_assert_msg(strstr(err.text, "5 pages of 2 MiB are needed, the host has 0 to spare") != NULL,
                  "%s", err.text);
    ck_assert_msg(strstr(err.text, "sysctl vm.nr_hugepages=") != NULL, "%s", err.text);
}
END_TEST

START_TEST(all_pages_are_reserved_when_ram_is_created)
{
    int64_t available = pool_available();
    if (available < TEST_PAGES)
        return;
    struct gm *gm = NULL;
    ck_assert_int_eq(gm_create(&ram, 1, GM_BACKING_HUGETLB_2M, &gm, NULL), 0);
    ck_assert_int_eq(pool_available(), available - TEST_PAGES);
    ck_assert_uint_eq(fake_ram_allocated(gm), 0);
    gm_destroy(gm);
    ck_assert_int_eq(pool_available(), available);
}
END_TEST

START_TEST(only_whole_huge_pages_are_freed)
{
    if (pool_available() < TEST_PAGES)
        return;
    struct gm *gm = NULL;
    ck_assert_int_eq(gm_create(&ram, 1, GM_BACKING_HUGETLB_2M, &gm, NULL), 0);
    ck_assert_uint_eq(gm_discard_granule(gm), GM_HUGE_SIZE);
    fake_ram_fill(gm, 0, 3 * GM_HUGE_SIZE, 5);
    ck_assert_uint_eq(fake_ram_allocated(gm), 3 * GM_HUGE_SIZE);

    struct gm_range r[] = {{0, GM_HUGE_SIZE - 4096}, {GM_HUGE_SIZE - 4096, GM_HUGE_SIZE + 8192}};
    struct gm_discard_result result;
    ck_assert_int_eq(gm_discard(gm, r, ARRAY_LEN(r), &result), 0);
    ck_assert_uint_eq(result.calls, 1);
    ck_assert_uint_eq(result.punched_bytes, GM_HUGE_SIZE);
    ck_assert_uint_eq(result.freed_bytes, GM_HUGE_SIZE);
    ck_assert(fake_ram_all(gm, 0, GM_HUGE_SIZE, 5));
    ck_assert(fake_ram_all(gm, GM_HUGE_SIZE, GM_HUGE_SIZE, 0));
    ck_assert(fake_ram_all(gm, 2 * GM_HUGE_SIZE, GM_HUGE_SIZE, 5));
    gm_destroy(gm);
}
END_TEST

START_TEST(populated_bytes_are_exact_for_a_range_of_huge_pages)
{
    if (pool_available() < TEST_PAGES)
        return;
    struct gm *gm = NULL;
    ck_assert_int_eq(gm_create(&ram, 1, GM_BACKING_HUGETLB_2M, &gm, NULL), 0);
    fake_ram_fill(gm, GM_HUGE_SIZE, 1, 5);
    fake_ram_fill(gm, 3 * GM_HUGE_SIZE, 1, 5);
    const struct {
        struct gm_range r;
        uint64_t bytes;
    } cases[] = {
        {ram, 2 * GM_HUGE_SIZE},
        {{0, GM_HUGE_SIZE}, 0},
        {{0, GM_HUGE_SIZE + 1}, 1},
        {{GM_HUGE_SIZE + 100, 5000}, 5000},
        {{2 * GM_HUGE_SIZE - 100, 5000}, 100},
        {{GM_HUGE_SIZE - 4097, 2 * GM_HUGE_SIZE}, GM_HUGE_SIZE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t bytes = 0;
        ck_assert_int_eq(gm_populated_bytes(gm, cases[i].r, &bytes), 0);
        ck_assert_msg(bytes == cases[i].bytes, "case %zu: %" PRIu64, i, bytes);
    }
    gm_destroy(gm);
}
END_TEST

Suite *gm_hugetlb_suite(void)
{
    Suite *suite = suite_create("gm_hugetlb");
    TCase *tc = tcase_create("gm_hugetlb");
    tcase_add_test(tc, a_pool_that_is_too_small_is_an_error_with_the_way_out);
    tcase_add_test(tc, all_pages_are_reserved_when_ram_is_created);
    tcase_add_test(tc, only_whole_huge_pages_are_freed);
    tcase_add_test(tc, populated_bytes_are_exact_for_a_range_of_huge_pages);
    suite_add_tcase(suite, tc);
    return suite;
}
