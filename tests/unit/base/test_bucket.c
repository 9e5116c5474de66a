/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets: full, empty, refilled in time, whatever the numbers. */
#include <stdlib.h>

#include "tests/unit/base/suites.h"
#include "vmm/base/bucket.h"

#define MS UINT64_C(1000000)

static unsigned take_all(struct bucket *bucket, uint64_t now_ns, unsigned at_most)
{
    unsigned n = 0;
    while (n < at_most && bucket_take(bucket, now_ns))
        n++;
    return n;
}

START_TEST(a_bucket_is_full_then_empty_then_refilled_in_its_time)
{
    struct bucket bucket;
    bucket_init(&bucket, &(struct bucket_limit){.size = 10, .refill_ms = 100}, 5 * MS);
    ck_assert_uint_eq(take_all(&bucket, 5 * MS, 100), 10);
    ck_assert_uint_eq(take_all(&bucket, 14 * MS, 100), 0);
    ck_assert_uint_eq(take_all(&bucket, 15 * MS, 100), 1);
    ck_assert_uint_eq(take_all(&bucket, 45 * MS, 100), 3);
    ck_assert_uint_eq(take_all(&bucket, 144 * MS, 100), 9);
    ck_assert_uint_eq(take_all(&bucket, 1000 * MS, 100), 10);
}
END_TEST

START_TEST(time_that_is_no_whole_token_is_not_lost)
{
    struct bucket bucket;
    uint64_t now = 0;
    unsigned n = 0;
    bucket_init(&bucket, &(struct bucket_limit){.size = 3, .refill_ms = 10}, now);
    n = take_all(&bucket, now, 100);
    /* 1000 ms in steps of 1 ms: three tokens for each 10. */
    for (; now < 1000 * MS; now += MS)
        n += take_all(&bucket, now, 100);
    ck_assert_uint_ge(n, 3 + 298);
    ck_assert_uint_le(n, 3 + 300);
}
END_TEST

START_TEST(a_burst_comes_once_and_first)
{
    struct bucket bucket;
    bucket_init(&bucket, &(struct bucket_limit){.size = 2, .burst = 5, .refill_ms = 10}, 0);
    ck_assert_uint_eq(take_all(&bucket, 0, 100), 7);
    ck_assert_uint_eq(take_all(&bucket, 10 * MS, 100), 2);
}
END_TEST

START_TEST(no_size_or_no_time_is_no_limit)
{
    static const struct bucket_limit none[] = {
        {0}, {.size = 1}, {.refill_ms = 1}, {.burst = 1, .size = 1}};
    struct bucket bucket;
    bucket_init(&bucket, &none[_i], 0);
    ck_assert_uint_eq(take_all(&bucket, 0, 1000), 1000);
}
END_TEST

START_TEST(the_largest_numbers_do_not_overflow)
{
    struct bucket bucket;
    const struct bucket_limit limit = {.size = UINT64_MAX, .refill_ms = UINT64_MAX};
    bucket_init(&bucket, &limit, 0);
    ck_assert(bucket_take(&bucket, UINT64_MAX));
    ck_assert(bucket_take(&bucket, UINT64_MAX));
    bucket_init(&bucket, &(struct bucket_limit){.size = 1, .refill_ms = UINT64_MAX}, 0);
    ck_assert(bucket_take(&bucket, 0));
    ck_assert(!bucket_take(&bucket, UINT64_MAX));
    bucket_init(&bucket, &(struct bucket_limit){.size = UINT64_MAX, .refill_ms = 1}, 0);
    bucket.tokens = 0;
    ck_assert(bucket_take(&bucket, 1));
    ck_assert(bucket_take(&bucket, UINT64_MAX));
    ck_assert_uint_eq(bucket.tokens, UINT64_MAX - 1);
}
END_TEST

Suite *bucket_suite(void)
{
    Suite *suite = suite_create("bucket");
    TCase *tc = tcase_create("bucket");
    tcase_add_test(tc, a_bucket_is_full_then_empty_then_refilled_in_its_time);
    tcase_add_test(tc, time_that_is_no_whole_token_is_not_lost);
    tcase_add_test(tc, a_burst_comes_once_and_first);
    tcase_add_loop_test(tc, no_size_or_no_time_is_no_limit, 0, 4);
    tcase_add_test(tc, the_largest_numbers_do_not_overflow);
    suite_add_tcase(suite, tc);
    return suite;
}
