/* SPDX-License-Identifier: Apache-2.0 */
/* The line of JSON: Firecracker's names and meaning, and everything of ours. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check_main.h"
#include "tests/unit/metrics/fixture.h"
#include "tests/unit/metrics/suites.h"
#include "vmm/base/num.h"
#include "vmm/metrics/figures.h"

static struct metrics_sample now;
static struct metrics_sample last;
static json_t *root;

static void setup(void)
{
    fixture_fill(&now);
    fixture_fill(&last);
    root = NULL;
}

static void teardown(void)
{
    json_decref(root);
}

static void make(const struct metrics_sample *before)
{
    char *text = NULL;
    json_decref(root);
    ck_assert_int_eq(metrics_json(&now, before, &text), 0);
    ck_assert_ptr_null(strchr(text, '\n'));
    ck_assert_ptr_eq(strstr(text, "{\"utc_timestamp_ms\":"), text);
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    ck_assert_ptr_nonnull(root);
}

/* "section.key" or deeper; NULL if there is none. */
static const json_t *find(const char *path)
{
    char word[64];
    const json_t *at = root;
    while (at != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        (void)snprintf(word, sizeof(word), "%.*s", (int)len, path);
        at = json_object_get(at, word);
        path += len + (path[len] == '.');
    }
    return at;
}

static void expect(const char *path, uint64_t value)
{
    const json_t *found = find(path);
    ck_assert_msg(json_is_integer(found), "%s is no number", path);
    ck_assert_msg((uint64_t)json_integer_value(found) == value, "%s is %lld, not %llu", path,
                  (long long)json_integer_value(found), (unsigned long long)value);
}

static void expect_text(const char *path, const char *text)
{
    ck_assert_msg(json_is_string(find(path)), "%s is no text", path);
    ck_assert_str_eq(json_string_value(find(path)), text);
}

START_TEST(firecrackers_names_have_its_meaning)
{
    const struct metrics_api_counts *api = &now.api;
    make(NULL);
    expect("utc_timestamp_ms", now.time_ms);
    expect("api_server.process_startup_time_us", now.startup_us);
    expect("api_server.process_startup_time_cpu_us", now.startup_cpu_us);
    expect("latencies_us.pause_vm", now.pause_us);
    expect("latencies_us.resume_vm", now.resume_us);
    expect("latencies_us.vmm_pause_vm", now.vmm_pause_us);
    expect("latencies_us.vmm_resume_vm", now.vmm_resume_us);
    expect("balloon.inflate_count", now.balloon.inflate.notifications);
    expect("balloon.deflate_count", now.balloon.deflate.notifications);
    expect("balloon.stats_updates_count", now.balloon.stats.notifications);
    expect("balloon.event_fails",
           now.balloon.bad_chain + now.balloon.bad_ring + now.balloon.host_error);
    expect("balloon.free_page_report_count", now.balloon.report.descriptors);
    expect("balloon.free_page_hint_count", now.balloon.hint.descriptors);
    expect("vcpu.exit_io_in", now.machine.exits_io_in);
    expect("vcpu.exit_io_out", now.machine.exits_io_out);
    expect("vcpu.exit_mmio_read", now.machine.exits_mmio_read);
    expect("vcpu.exit_mmio_write", now.machine.exits_mmio_write);
    expect("vcpu.failures", now.machine.vcpu_failures);
    expect("logger.missed_metrics_count", now.sink.missed);
    expect("logger.metrics_fails", now.sink.fails);
    expect("logger.missed_log_count", now.log.lost);
    expect("logger.rate_limited_log_count", now.log.rate_limited);
    expect("deprecated_api.deprecated_http_api_calls", api->deprecated);
    expect("get_api_requests.instance_info_count", api->by[METRICS_GET][METRICS_INSTANCE].requests);
    expect("get_api_requests.vmm_version_count", api->by[METRICS_GET][METRICS_VERSION].requests);
    expect("get_api_requests.machine_cfg_count",
           api->by[METRICS_GET][METRICS_MACHINE_CONFIG].requests);
    expect("put_api_requests.actions_count", api->by[METRICS_PUT][METRICS_ACTIONS].requests);
    expect("put_api_requests.actions_fails", api->by[METRICS_PUT][METRICS_ACTIONS].fails);
    expect("put_api_requests.boot_source_fails", api->by[METRICS_PUT][METRICS_BOOT_SOURCE].fails);
    expect("patch_api_requests.machine_cfg_count",
           api->by[METRICS_PATCH][METRICS_MACHINE_CONFIG].requests);
}
END_TEST

/* Of its metrics.rs: those of requests. */
START_TEST(each_request_that_firecracker_counts_is_there_and_no_other)
{
    static const struct {
        const char *section;
        const char *names[14];
        bool fails;
    } known[] = {
        {"get_api_requests",
         {"instance_info", "machine_cfg", "mmds", "vmm_version", "hotplug_memory"},
         false},
        {"put_api_requests",
         {"actions", "boot_source", "drive", "logger", "machine_cfg", "cpu_cfg", "metrics",
          "network", "mmds", "vsock", "pmem", "serial", "hotplug_memory"},
         true},
        {"patch_api_requests",
         {"drive", "network", "machine_cfg", "mmds", "hotplug_memory", "pmem"},
         true},
    };
    char path[96];
    make(NULL);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        size_t n = 0;
        for (; known[i].names[n] != NULL; n++) {
            (void)snprintf(path, sizeof(path), "%s.%s_count", known[i].section, known[i].names[n]);
            ck_assert_msg(json_is_integer(find(path)), "%s", path);
            (void)snprintf(path, sizeof(path), "%s.%s_fails", known[i].section, known[i].names[n]);
            ck_assert_msg((find(path) != NULL) == known[i].fails, "%s", path);
        }
        ck_assert_uint_eq(json_object_size(find(known[i].section)), n * (known[i].fails ? 2 : 1));
    }
}
END_TEST

START_TEST(ours_have_every_figure_of_machine_balloon_and_guest)
{
    char path[96];
    make(NULL);
    for (size_t i = 0; i < metrics_balloon_figure_count; i++) {
        const struct metrics_figure *f = &metrics_balloon_figures[i];
        (void)snprintf(path, sizeof(path), "aerostat.balloon.%s", f->name);
        expect(path, metrics_figure_of(f, &now.balloon));
    }
    for (size_t i = 0; i < metrics_machine_figure_count; i++) {
        const struct metrics_figure *f = &metrics_machine_figures[i];
        (void)snprintf(path, sizeof(path), "aerostat.machine.%s", f->name);
        expect(path, metrics_figure_of(f, &now.machine));
    }
    for (unsigned tag = 0; tag < BALLOON_STAT_TAGS; tag++) {
        (void)snprintf(path, sizeof(path), "aerostat.guest.%s", metrics_guest_figures[tag].name);
        expect(path, now.stats.value[tag]);
    }
    expect("aerostat.guest.reports", now.stats.reports);
    expect("aerostat.balloon.poison_val", 0xaaaaaaaa);
    expect("aerostat.put_api_requests.balloon_fails",
           now.api.by[METRICS_PUT][METRICS_BALLOON].fails);
    expect("aerostat.get_api_requests.balloon_fails",
           now.api.by[METRICS_GET][METRICS_BALLOON].fails);
    expect_text("aerostat.balloon.form", "sg");
    expect_text("aerostat.balloon.features", "0x8000000000000001");
    expect_text("aerostat.state", "Running");
    expect_text("aerostat.version", "0.1.0");
}
END_TEST

START_TEST(the_table_has_every_number_of_the_structures)
{
    ck_assert_uint_eq(metrics_machine_figure_count * sizeof(uint64_t),
                      sizeof(struct machine_figures));
    /* The balloon's others: form and poison_val, stats_interval_s, features, two flags, padding. */
    ck_assert_uint_eq((metrics_balloon_figure_count + 4) * sizeof(uint64_t),
                      sizeof(struct balloon_info));
    for (size_t i = 0; i < metrics_balloon_figure_count; i++) {
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(metrics_balloon_figures[i].offset, metrics_balloon_figures[j].offset);
    }
}
END_TEST

START_TEST(counters_are_what_came_since_and_the_rest_is_as_it_is)
{
    now.balloon.inflate.notifications += 3;
    now.balloon.freed_bytes += 4096;
    now.balloon.target_bytes = 7;
    now.machine.bad_register += 2;
    now.api.by[METRICS_PUT][METRICS_ACTIONS].requests += 1;
    now.log.lost += 9;
    now.stats.reports += 5;
    now.stats.value[0] = 11;
    make(&last);
    expect("balloon.inflate_count", 3);
    expect("balloon.deflate_count", 0);
    expect("aerostat.balloon.inflate_notifications", 3);
    expect("aerostat.balloon.freed_bytes", 4096);
    expect("aerostat.balloon.target_bytes", 7);
    expect("aerostat.balloon.actual_bytes", now.balloon.actual_bytes);
    expect("aerostat.machine.bad_register", 2);
    expect("aerostat.machine.ram_bytes", now.machine.ram_bytes);
    expect("put_api_requests.actions_count", 1);
    expect("put_api_requests.actions_fails", 0);
    expect("logger.missed_log_count", 9);
    expect("aerostat.guest.reports", 5);
    expect("aerostat.guest.swap_in", 11);
    expect("latencies_us.pause_vm", now.pause_us);
}
END_TEST

START_TEST(freed_is_without_what_was_kept)
{
    now.balloon.report.bytes += 8192;
    now.balloon.kept_poisoned_bytes += 4096;
    now.balloon.hint.bytes += 12288;
    now.balloon.kept_written_bytes += 8192;
    make(&last);
    expect("balloon.free_page_report_freed", 4096);
    expect("balloon.free_page_hint_freed", 4096);
}
END_TEST

START_TEST(before_the_start_there_is_no_machine_and_without_a_balloon_nothing_happened_to_it)
{
    struct metrics_sample empty = {.id = "vm-1"};
    now = empty;
    make(NULL);
    expect("balloon.inflate_count", 0);
    expect_text("aerostat.state", "Not started");
    ck_assert_ptr_null(find("aerostat.machine"));
    ck_assert_ptr_null(find("aerostat.balloon"));
    ck_assert_ptr_null(find("aerostat.guest"));
    ck_assert_ptr_null(find("aerostat.version"));
    now.has_balloon = true;
    make(NULL);
    ck_assert(json_is_null(find("aerostat.guest.age_ms")));
    ck_assert_ptr_null(find("aerostat.guest.swap_in"));
    expect_text("aerostat.balloon.form", "none");
}
END_TEST

START_TEST(id_and_properties_are_there_if_asked_for)
{
    make(NULL);
    ck_assert_ptr_null(find("id"));
    ck_assert_ptr_null(find("properties"));
    now.emit_id = true;
    now.properties = "{\"customer_id\":\"1234\"}";
    make(NULL);
    expect_text("id", "vm-1");
    expect_text("properties.customer_id", "1234");
    now.id = NULL;
    make(NULL);
    expect_text("id", "anonymous-instance");
    now.id = "\"\\\n\xff";
    make(NULL);
    expect_text("id", "\"\\\n?");
}
END_TEST

START_TEST(a_number_that_json_cannot_hold_is_the_largest_it_can)
{
    now.balloon.actual_bytes = UINT64_MAX;
    now.stats.value[4] = UINT64_MAX;
    make(&last);
    expect("aerostat.balloon.actual_bytes", INT64_MAX);
    expect("aerostat.guest.free_memory", INT64_MAX);
}
END_TEST

START_TEST(the_time_to_start_is_counted_from_what_the_starter_says)
{
    struct metrics_sample sample = {0};
    metrics_sample_set_startup(&sample, &(struct metrics_start){0});
    ck_assert_uint_eq(sample.startup_us, 0);
    metrics_sample_set_startup(&sample,
                               &(struct metrics_start){.start_us = 1, .parent_cpu_us = 5000000});
    ck_assert_uint_gt(sample.startup_us, 0);
    ck_assert_uint_ge(sample.startup_cpu_us, 5000000);
    ck_assert_uint_lt(sample.startup_cpu_us, 60000000);
    metrics_sample_set_startup(
        &sample, &(struct metrics_start){.start_us = UINT64_MAX, .start_cpu_us = UINT64_MAX});
    ck_assert_uint_eq(sample.startup_us, 0);
    ck_assert_uint_eq(sample.startup_cpu_us, 0);
}
END_TEST

Suite *json_suite(void)
{
    Suite *suite = suite_create("json");
    TCase *tc = tcase_create("json");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, firecrackers_names_have_its_meaning);
    tcase_add_test(tc, each_request_that_firecracker_counts_is_there_and_no_other);
    tcase_add_test(tc, ours_have_every_figure_of_machine_balloon_and_guest);
    tcase_add_test(tc, the_table_has_every_number_of_the_structures);
    tcase_add_test(tc, counters_are_what_came_since_and_the_rest_is_as_it_is);
    tcase_add_test(tc, freed_is_without_what_was_kept);
    tcase_add_test(
        tc, before_the_start_there_is_no_machine_and_without_a_balloon_nothing_happened_to_it);
    tcase_add_test(tc, id_and_properties_are_there_if_asked_for);
    tcase_add_test(tc, a_number_that_json_cannot_hold_is_the_largest_it_can);
    tcase_add_test(tc, the_time_to_start_is_counted_from_what_the_starter_says);
    suite_add_tcase(suite, tc);
    return suite;
}
