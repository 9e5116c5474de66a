/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the number of system calls and of notifications grows with: with separate ranges and with
 * chains, and with nothing else. The memory is not populated, which no count depends on.
 */
#include <check.h>

#include "tests/bench/rig.h"
#include "tests/support/check_main.h"
#include "tests/support/fault.h"
#include "vmm/base/num.h"

/* What one run of a plan took, set-up and end included. */
struct took {
    struct balloon_info info;
    unsigned long released;    /* fallocate(2) */
    unsigned long calls;       /* of all functions that the device and its loop make */
    unsigned long allocations; /* malloc(3) and calloc(3) */
};

static struct took counters(void)
{
    struct took now = {.released = fault_calls(FAULT_FALLOCATE),
                       .allocations = fault_calls(FAULT_MALLOC) + fault_calls(FAULT_CALLOC)};
    for (int fn = 0; fn < (int)FAULT_FNS; fn++) {
        if (fn != (int)FAULT_MALLOC && fn != (int)FAULT_CALLOC)
            now.calls += fault_calls((enum fault_fn)fn);
    }
    return now;
}

static struct took run(uint64_t ram_bytes, enum gm_backing backing, const struct rig_plan *plan)
{
    struct rig_result result;
    struct gm *gm = rig_ram_create(ram_bytes, backing);
    ck_assert_ptr_nonnull(gm);
    struct took before = counters();
    rig_run(gm, plan, NULL, &result);
    struct took after = counters();
    gm_destroy(gm);
    ck_assert_uint_eq(result.info.inflate.bytes, plan->size_bytes);
    ck_assert_uint_eq(result.info.bad_request, 0);
    return (struct took){.info = result.info,
                         .released = after.released - before.released,
                         .calls = after.calls - before.calls,
                         .allocations = after.allocations - before.allocations};
}

/* n ranges of 2 MiB in chains of as many as the ring holds. */
static struct rig_plan ranges(uint64_t n, uint64_t pitch_bytes)
{
    return (struct rig_plan){.chains = true,
                             .run_bytes = 2 * MIB,
                             .pitch_bytes = pitch_bytes,
                             .size_bytes = n * 2 * MIB,
                             .items = (uint32_t)min_u64(n, 4096),
                             .in_flight = 1,
                             .queue_size = 4096};
}

static const enum gm_backing backings[] = {GM_BACKING_4K, GM_BACKING_THP};

START_TEST(taking_the_same_ranges_costs_the_same_calls_whatever_the_size_of_the_guest)
{
    enum gm_backing backing = backings[_i];
    struct rig_plan plan = ranges(512, 4 * MIB);
    struct took small = run(2 * GIB, backing, &plan);
    ck_assert_uint_eq(small.released, 512);
    for (uint64_t bytes = 4 * GIB; bytes <= 16 * GIB; bytes *= 2) {
        plan.pitch_bytes = bytes / 512;
        struct took large = run(bytes, backing, &plan);
        ck_assert_uint_eq(large.released, small.released);
        ck_assert_uint_eq(large.calls, small.calls);
        ck_assert_uint_eq(large.allocations, small.allocations);
        ck_assert_uint_eq(large.info.inflate.notifications, 1);
    }
}
END_TEST

START_TEST(separate_ranges_take_a_call_each)
{
    for (uint64_t n = 64; n <= 4096; n *= 2) {
        struct rig_plan plan = ranges(n, 4 * MIB);
        struct took took = run(16 * GIB, backings[_i], &plan);
        ck_assert_uint_eq(took.released, n);
        ck_assert_uint_eq(took.info.punch_calls, n);
        ck_assert_uint_eq(took.info.inflate.notifications, 1);
    }
}
END_TEST

/* A call for each 256 MiB, after which the device looks after its other work. */
START_TEST(adjacent_ranges_take_as_many_calls_as_one_range_of_their_size)
{
    for (uint64_t n = 64; n <= 4096; n *= 2) {
        struct rig_plan plan = ranges(n, 2 * MIB);
        struct took took = run(8 * GIB, backings[_i], &plan);
        ck_assert_uint_eq(took.released, n <= 128 ? 1 : n / 128);
    }
}
END_TEST

START_TEST(a_ring_of_twice_the_size_takes_half_the_notifications)
{
    /* A smaller guest has no ring of 4096. */
    const uint64_t ram_bytes = GIB;
    for (uint32_t size = 64; size <= 4096; size *= 2) {
        struct rig_plan plan = {.chains = true,
                                .run_bytes = 4 * KIB,
                                .pitch_bytes = 4 * KIB,
                                .size_bytes = 256 * MIB,
                                .items = size,
                                .in_flight = 1,
                                .queue_size = (uint16_t)size};
        struct took took = run(ram_bytes, backings[_i], &plan);
        ck_assert_uint_eq(took.info.inflate.notifications, 256 * MIB / (4 * KIB) / size);
        ck_assert_uint_eq(took.info.inflate.descriptors, 256 * MIB / (4 * KIB));
    }
}
END_TEST

/*
 * What a further array or chain of 1 MiB takes beside releasing: two waits, four reads and writes
 * of eventfds, two looks at the blocks. Set-up and end fall out of the difference.
 */
START_TEST(a_further_chain_takes_a_fixed_number_of_calls_and_no_allocation)
{
    const bool chains = _i == 1;
    struct rig_plan plan = {.chains = chains,
                            .run_bytes = chains ? 4 * KIB : GIB,
                            .pitch_bytes = chains ? 4 * KIB : GIB,
                            .size_bytes = GIB,
                            .items = 256,
                            .in_flight = 1,
                            .queue_size = 256};
    struct took one = run(2 * GIB, GM_BACKING_4K, &plan);
    plan.size_bytes = 2 * GIB;
    if (!chains)
        plan.run_bytes = plan.pitch_bytes = 2 * GIB;
    struct took two = run(2 * GIB, GM_BACKING_4K, &plan);
    uint64_t more = two.info.inflate.chains - one.info.inflate.chains;
    ck_assert_uint_eq(more, 1024);
    uint64_t other = (two.calls - two.released) - (one.calls - one.released);
    ck_assert_msg(other <= 8 * more, "%lu calls for %lu chains", other, more);
    ck_assert_uint_le(two.released - one.released, more);
    ck_assert_uint_eq(two.allocations, one.allocations);
}
END_TEST

static Suite *growth_suite(void)
{
    Suite *suite = suite_create("growth");
    TCase *tcase = tcase_create("calls");
    tcase_set_timeout(tcase, 120);
    const int n = (int)ARRAY_LEN(backings);
    tcase_add_loop_test(
        tcase, taking_the_same_ranges_costs_the_same_calls_whatever_the_size_of_the_guest, 0, n);
    tcase_add_loop_test(tcase, separate_ranges_take_a_call_each, 0, n);
    tcase_add_loop_test(tcase, adjacent_ranges_take_as_many_calls_as_one_range_of_their_size, 0, n);
    tcase_add_loop_test(tcase, a_ring_of_twice_the_size_takes_half_the_notifications, 0, n);
    tcase_add_loop_test(tcase, a_further_chain_takes_a_fixed_number_of_calls_and_no_allocation, 0,
                        2);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    Suite *(*const suites[])(void) = {growth_suite};
    return check_run(suites, sizeof(suites) / sizeof(suites[0]));
}
