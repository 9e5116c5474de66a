/* SPDX-License-Identifier: Apache-2.0 */
/* What GET /balloon/statistics holds: every counter of the host, and of the guest what it sent. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/unit/api/fixture.h"
#include "vmm/base/num.h"

#define INFO(field)                                                                                \
    {                                                                                              \
#field, offsetof(struct balloon_info, field)                                               \
    }
#define QUEUE_INFO(queue, field)                                                                   \
    {                                                                                              \
#queue "_" #field, offsetof(struct balloon_info, queue.field)                              \
    }
#define QUEUE(queue)                                                                               \
    QUEUE_INFO(queue, notifications), QUEUE_INFO(queue, chains), QUEUE_INFO(queue, descriptors),   \
        QUEUE_INFO(queue, bytes)
static const struct {
    const char *name;
    size_t offset;
} counters[] = {
    INFO(target_bytes),
    INFO(actual_bytes),
    QUEUE(inflate),
    QUEUE(deflate),
    QUEUE(stats),
    QUEUE(hint),
    QUEUE(report),
    INFO(punch_calls),
    INFO(punched_bytes),
    INFO(freed_bytes),
    INFO(ranges_merged),
    INFO(punch_ns),
    INFO(waiting_bytes),
    INFO(kept_poisoned_bytes),
    INFO(kept_written_bytes),
    INFO(hint_stale_bytes),
    INFO(hint_frozen_ns),
    INFO(prefaulted_bytes),
    INFO(prefault_ns),
    INFO(bad_request),
    INFO(bad_chain),
    INFO(bad_ring),
    INFO(host_error),
    INFO(change_from_bytes),
    INFO(change_to_bytes),
    INFO(change_ns),
    INFO(change_busy_ns),
    INFO(target_changes),
    INFO(stalls),
};

/* Everything in the structure that is no counter of 64 bits: what the counters leave of it. */
_Static_assert(sizeof(struct balloon_info) <= ARRAY_LEN(counters) * sizeof(uint64_t) +
                                                  sizeof(enum balloon_form) + sizeof(uint64_t) +
                                                  2 * sizeof(uint32_t) + 2 * sizeof(bool) + 16,
               "a counter that no answer holds");

static struct api_response answer;

static void ask_statistics(void)
{
    fixture_ask("GET", "/balloon/statistics", NULL, &answer);
    ck_assert_uint_eq(answer.status, 200);
}

static void expect_number(const char *section, const char *key, uint64_t expected)
{
    uint64_t v = expected + 1;
    ck_assert_msg(api_body_u64(&answer, section, key, &v, NULL) == 0, "%s", key);
    ck_assert_msg(v == expected, "%s is %llu", key, (unsigned long long)v);
}

static bool equals(const char *section, const char *key, const char *text)
{
    bool same = false;
    ck_assert_msg(api_body_equals(&answer, section, key, text, &same, NULL) == 0, "%s", key);
    return same;
}

static bool has(const char *section, const char *key)
{
    json_t *root = json_loads(answer.body, 0, NULL);
    const json_t *object = section == NULL ? root : json_object_get(root, section);
    bool found = json_object_get(object, key) != NULL;
    json_decref(root);
    return found;
}

START_TEST(the_statistics_hold_every_counter_of_balloon_and_machine)
{
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        *(uint64_t *)(void *)((char *)&fx.info + counters[i].offset) = 4096 * (1000 + i);
    fx.info.form = BALLOON_FORM_SG;
    fx.info.features = (UINT64_C(1) << 63) | 1;
    fx.info.poison_val = 0xaaaaaaaa;
    fx.info.stats_interval_s = 5;
    fx.info.change_done = true;
    fx.figures = (struct machine_figures){
        .ram_bytes = 77, .ram_allocated_bytes = 78, .bad_register = 79, .unclaimed_accesses = 80};
    fixture_start();
    ask_statistics();
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        expect_number("host", counters[i].name, 4096 * (1000 + i));
    expect_number("host", "ram_bytes", 77);
    expect_number("host", "ram_allocated_bytes", 78);
    expect_number("host", "bad_register", 79);
    expect_number("host", "unclaimed_accesses", 80);
    expect_number("host", "poison_val", 0xaaaaaaaa);
    expect_number("host", "stats_interval_s", 5);
    expect_number(NULL, "target_pages", 1000);
    expect_number(NULL, "actual_pages", 1001);
    ck_assert(equals("host", "features", "0x8000000000000001"));
    ck_assert(equals("host", "form", "sg"));
    ck_assert(equals("host", "change_done", "true"));
    ck_assert(equals("host", "change_stalled", "false"));
    api_response_finish(&answer);
}
END_TEST

START_TEST(without_a_driver_the_form_is_none)
{
    fx.info.change_stalled = true;
    fixture_start();
    ask_statistics();
    ck_assert_ptr_nonnull(strstr(answer.body, "\"form\":\"none\",\"features\":\"0x0\""));
    ck_assert(equals("host", "change_done", "false"));
    ck_assert(equals("host", "change_stalled", "true"));
    ck_assert_ptr_nonnull(strstr(answer.body, "\"guest\":{\"reports\":0,\"age_ms\":null}"));
    api_response_finish(&answer);
}
END_TEST

/* Firecracker's names, by tag. */
static const char *const stat_names[] = {
    "swap_in",        "swap_out",         "major_faults", "minor_faults",        "free_memory",
    "total_memory",   "available_memory", "disk_caches",  "hugetlb_allocations", "hugetlb_failures",
    "oom_kill",       "alloc_stall",      "async_scan",   "direct_scan",         "async_reclaim",
    "direct_reclaim",
};

START_TEST(of_the_guests_statistics_those_are_shown_that_it_sent)
{
    static const uint32_t sent[] = {0, 0x0001, 0x03ff, 0xffff, 0xaaaa, 0x8000};
    for (unsigned i = 0; i < BALLOON_STAT_TAGS; i++)
        fx.stats.value[i] = 100 + i;
    fx.stats.valid = sent[_i];
    fx.reports = 9;
    fx.stats.age_ns = 1999999999;
    fixture_start();
    ask_statistics();
    for (unsigned i = 0; i < BALLOON_STAT_TAGS; i++) {
        if ((sent[_i] >> i & 1) != 0)
            expect_number(NULL, stat_names[i], 100 + i);
        else
            ck_assert_msg(!has(NULL, stat_names[i]), "%s", stat_names[i]);
    }
    expect_number("guest", "reports", 9);
    expect_number("guest", "age_ms", 1999);
    api_response_finish(&answer);
}
END_TEST

START_TEST(a_number_too_large_for_json_is_shown_as_the_largest)
{
    static const struct {
        uint64_t sent;
        uint64_t shown;
    } values[] = {
        {INT64_MAX - 1, INT64_MAX - 1},
        {INT64_MAX, INT64_MAX},
        {(uint64_t)INT64_MAX + 1, INT64_MAX},
        {UINT64_MAX, INT64_MAX},
    };
    fx.stats.value[4] = values[_i].sent;
    fx.stats.valid = 1u << 4;
    fx.reports = 1;
    fx.info.freed_bytes = values[_i].sent;
    fixture_start();
    ask_statistics();
    expect_number(NULL, "free_memory", values[_i].shown);
    expect_number("host", "freed_bytes", values[_i].shown);
    api_response_finish(&answer);
}
END_TEST

START_TEST(the_commands_of_hinting_are_shown_where_there_is_hinting)
{
    fx.config.balloon.free_page_hinting = _i > 0;
    fx.hint = (struct balloon_hint_info){
        .host_cmd = 5, .guest_cmd = UINT32_MAX, .guest_cmd_valid = _i > 1};
    fixture_start();
    ask_statistics();
    ck_assert_int_eq(has("host", "hint_host_cmd"), _i > 0);
    ck_assert_int_eq(has("host", "hint_guest_cmd"), _i > 1);
    if (_i > 0)
        expect_number("host", "hint_host_cmd", 5);
    if (_i > 1)
        expect_number("host", "hint_guest_cmd", UINT32_MAX);
    api_response_finish(&answer);
}
END_TEST

Suite *statistics_suite(void)
{
    Suite *suite = suite_create("statistics");
    TCase *tc = tcase_create("statistics");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, the_statistics_hold_every_counter_of_balloon_and_machine);
    tcase_add_test(tc, without_a_driver_the_form_is_none);
    tcase_add_loop_test(tc, of_the_guests_statistics_those_are_shown_that_it_sent, 0, 6);
    tcase_add_loop_test(tc, a_number_too_large_for_json_is_shown_as_the_largest, 0, 4);
    tcase_add_loop_test(tc, the_commands_of_hinting_are_shown_where_there_is_hinting, 0, 3);
    suite_add_tcase(suite, tc);
    return suite;
}
