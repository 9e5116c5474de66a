/* SPDX-License-Identifier: Apache-2.0 */
/* How many calls and notifications it takes to give 1 GiB back. The memory is not populated. */
#include <check.h>

#include "tests/bench/rig.h"
#include "tests/support/check_main.h"
#include "vmm/base/num.h"

struct count_case {
    struct rig_plan plan;
    enum gm_backing backing;
    uint64_t chains;
    uint64_t descriptors;
    uint64_t notifications;
    uint64_t punch_calls;
};

/*
 * Four calls for 1 GiB is one for each slice of 256 MiB, after which the device looks after its
 * other work. 256 page numbers are half of 2 MiB, which waits for the other half.
 */
static const struct count_case cases[] = {
    {{.name = "chain of 2 MiB", .chains = true, .run_bytes = 2 * MIB, .items = 512, .in_flight = 1},
     GM_BACKING_4K,
     1,
     512,
     1,
     4},
    {{.name = "the same, huge pages",
      .chains = true,
      .run_bytes = 2 * MIB,
      .items = 512,
      .in_flight = 1},
     GM_BACKING_THP,
     1,
     512,
     1,
     4},
    {{.name = "in no order",
      .chains = true,
      .shuffled = true,
      .run_bytes = 2 * MIB,
      .items = 512,
      .in_flight = 1},
     GM_BACKING_THP,
     1,
     512,
     1,
     4},
    {{.name = "1 GiB in one", .chains = true, .run_bytes = GIB, .items = 1, .in_flight = 1},
     GM_BACKING_THP,
     1,
     1,
     1,
     4},
    {{.name = "with gaps",
      .chains = true,
      .shuffled = true,
      .run_bytes = 2 * MIB,
      .pitch_bytes = 4 * MIB,
      .items = 512,
      .in_flight = 1},
     GM_BACKING_THP,
     1,
     512,
     1,
     512},
    {{.name = "one descriptor a chain",
      .chains = true,
      .run_bytes = 2 * MIB,
      .items = 1,
      .in_flight = 64},
     GM_BACKING_4K,
     512,
     512,
     8,
     8},
    {{.name = "chains of 4 KiB",
      .chains = true,
      .run_bytes = 4 * KIB,
      .items = 512,
      .in_flight = 2},
     GM_BACKING_4K,
     512,
     262144,
     256,
     256},
    {{.name = "page numbers", .run_bytes = GIB, .items = 256, .in_flight = 1},
     GM_BACKING_4K,
     1024,
     1024,
     1024,
     512},
    {{.name = "16 arrays in flight", .run_bytes = GIB, .items = 256, .in_flight = 16},
     GM_BACKING_4K,
     1024,
     1024,
     64,
     64},
    {{.name = "runs of 2 MiB in no order",
      .shuffled = true,
      .run_bytes = 2 * MIB,
      .items = 512,
      .in_flight = 1},
     GM_BACKING_THP,
     512,
     512,
     512,
     512},
    {{.name = "every second page",
      .run_bytes = 4 * KIB,
      .pitch_bytes = 8 * KIB,
      .items = 256,
      .in_flight = 1},
     GM_BACKING_4K,
     1024,
     1024,
     1024,
     262144},
};

START_TEST(a_gib_takes_as_many_calls_and_notifications_as_its_form_asks_for)
{
    const struct count_case *c = &cases[_i];
    struct rig_plan plan = c->plan;
    struct rig_result result;
    if (plan.pitch_bytes == 0)
        plan.pitch_bytes = plan.run_bytes;
    plan.size_bytes = GIB;
    plan.queue_size = 1024;
    struct gm *gm = rig_ram_create(GIB / plan.run_bytes * plan.pitch_bytes, c->backing);
    ck_assert_ptr_nonnull(gm);
    rig_run(gm, &plan, NULL, &result);
    gm_destroy(gm);

    const struct balloon_info *info = &result.info;
    ck_assert_msg(
        info->inflate.chains == c->chains && info->inflate.descriptors == c->descriptors &&
            info->inflate.notifications == c->notifications && info->punch_calls == c->punch_calls,
        "%s: %lu chains, %lu descriptors, %lu notifications, %lu calls", plan.name,
        info->inflate.chains, info->inflate.descriptors, info->inflate.notifications,
        info->punch_calls);
    ck_assert_uint_eq(info->inflate.bytes, GIB);
    ck_assert_uint_eq(info->punched_bytes, GIB);
    ck_assert_uint_eq(info->bad_request, 0);
}
END_TEST

static Suite *counts_suite(void)
{
    Suite *suite = suite_create("counts");
    TCase *tcase = tcase_create("1 GiB");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_gib_takes_as_many_calls_and_notifications_as_its_form_asks_for, 0,
                        (int)ARRAY_LEN(cases));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    Suite *(*const suites[])(void) = {counts_suite};
    return check_run(suites, sizeof(suites) / sizeof(suites[0]));
}
