/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenMetrics text: valid whatever the machine is called and the guest says, and complete. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check_main.h"
#include "tests/unit/metrics/fixture.h"
#include "tests/unit/metrics/openmetrics_check.h"
#include "tests/unit/metrics/suites.h"
#include "vmm/base/num.h"
#include "vmm/metrics/figures.h"

static struct metrics_sample now;
static char *text;

static void setup(void)
{
    fixture_fill(&now);
    text = NULL;
}

static void teardown(void)
{
    free(text);
}

static void make(void)
{
    free(text);
    text = NULL;
    ck_assert_int_eq(metrics_openmetrics(&now, &text), 0);
    const char *fault = openmetrics_fault(text);
    ck_assert_msg(fault == NULL, "%s", fault);
}

/* The whole line is there. */
static void expect(const char *line)
{
    char wanted[512];
    (void)snprintf(wanted, sizeof(wanted), "\n%s\n", line);
    ck_assert_msg(strstr(text, wanted) != NULL, "no line %s", line);
}

START_TEST(the_text_is_valid_with_and_without_machine_balloon_and_reports)
{
    make();
    now.stats = (struct balloon_stats){0};
    make();
    ck_assert_ptr_null(strstr(text, "aerostat_guest_report_age"));
    ck_assert_ptr_null(strstr(text, "aerostat_guest_swap_in"));
    now.has_balloon = false;
    make();
    ck_assert_ptr_null(strstr(text, "aerostat_balloon_"));
    now.has_machine = false;
    make();
    ck_assert_ptr_null(strstr(text, "aerostat_ram"));
    now = (struct metrics_sample){0};
    make();
    expect("aerostat_state{id=\"anonymous-instance\",aerostat_state=\"Not started\"} 1");
}
END_TEST

START_TEST(hostile_names_of_a_machine_stay_in_their_quotes)
{
    static const struct {
        const char *id;
        const char *shown;
    } ids[] = {
        {"", ""},
        {"a b", "a b"},
        {"a\"} 1\n# EOF\n", "a\\\"} 1\\n# EOF\\n"},
        {"\\", "\\\\"},
        {"\\\"", "\\\\\\\""},
        {"\\n", "\\\\n"},
        {"\xc3\xa4", "\xc3\xa4"},
        {"\xff\xc3\xa4", "???"},
        {"a\r\x1b[2J\t", "a\r\x1b[2J\t"},
        {"{id=\"x\",", "{id=\\\"x\\\","},
    };
    char line[256];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        now.id = ids[i].id;
        now.log.lost = 77;
        make();
        (void)snprintf(line, sizeof(line), "aerostat_log_lost_total{id=\"%s\"} 77", ids[i].shown);
        expect(line);
    }
}
END_TEST

static uint64_t value_of(const struct metrics_figure *f, const void *from, char out[48])
{
    uint64_t value = metrics_figure_of(f, from);
    if (f->unit == METRICS_NS)
        (void)snprintf(out, 48, "%" PRIu64 ".%09" PRIu64, value / UINT64_C(1000000000),
                       value % UINT64_C(1000000000));
    else
        (void)snprintf(out, 48, "%" PRIu64, value);
    return value;
}

static void expect_figures(const struct metrics_figure *figures, size_t n, const void *from)
{
    static const char *const units[] = {"", "_bytes", "_seconds"};
    char line[256];
    char value[48];
    for (size_t i = 0; i < n; i++) {
        const struct metrics_figure *f = &figures[i];
        (void)value_of(f, from, value);
        (void)snprintf(line, sizeof(line), "aerostat_%s%s%s{id=\"vm-1\"%s%s} %s", f->family,
                       units[f->unit], f->counter ? "_total" : "", f->label == NULL ? "" : ",",
                       f->label == NULL ? "" : f->label, value);
        expect(line);
    }
}

START_TEST(every_figure_is_there_with_its_unit)
{
    now.stats.age_ns = UINT64_C(12000000345);
    make();
    expect_figures(metrics_balloon_figures, metrics_balloon_figure_count, &now.balloon);
    expect_figures(metrics_machine_figures, metrics_machine_figure_count, &now.machine);
    expect_figures(metrics_guest_figures, BALLOON_STAT_TAGS, &now.stats);
    expect("aerostat_build_info{id=\"vm-1\",version=\"0.1.0\"} 1");
    expect("aerostat_state{id=\"vm-1\",aerostat_state=\"Running\"} 1");
    expect("aerostat_state{id=\"vm-1\",aerostat_state=\"Paused\"} 0");
    expect("aerostat_balloon_driver_info{id=\"vm-1\",form=\"sg\",features=\"0x8000000000000001\","
           "poison_val=\"0xaaaaaaaa\"} 1");
    expect("aerostat_balloon_change_done{id=\"vm-1\"} 1");
    expect("aerostat_balloon_change_stalled{id=\"vm-1\"} 0");
    expect("aerostat_balloon_stats_interval_seconds{id=\"vm-1\"} 5.000000000");
    expect("aerostat_guest_report_age_seconds{id=\"vm-1\"} 12.000000345");
    expect("# UNIT aerostat_balloon_freed_bytes bytes");
    expect("# TYPE aerostat_balloon_freed_bytes counter");
    expect("# TYPE aerostat_balloon_target_bytes gauge");
}
END_TEST

START_TEST(requests_and_lost_output_are_there)
{
    now.api.by[METRICS_PUT][METRICS_ACTIONS] = (struct metrics_api_count){17, 3};
    now.log = (struct log_counts){.lost = 4, .rate_limited = 5};
    now.sink = (struct metrics_sink_counts){.lines = 6, .missed = 7, .fails = 8};
    make();
    expect("aerostat_api_requests_total{id=\"vm-1\",method=\"put\",section=\"actions\"} 17");
    expect("aerostat_api_request_failures_total{id=\"vm-1\",method=\"put\",section=\"actions\"} 3");
    expect("aerostat_log_lost_total{id=\"vm-1\"} 4");
    expect("aerostat_log_rate_limited_total{id=\"vm-1\"} 5");
    expect("aerostat_metrics_lines_total{id=\"vm-1\"} 6");
    expect("aerostat_metrics_missed_total{id=\"vm-1\"} 7");
    expect("aerostat_metrics_failures_total{id=\"vm-1\"} 8");
}
END_TEST

START_TEST(the_largest_numbers_are_numbers)
{
    memset(&now.balloon.target_bytes, 0xff, 2 * sizeof(uint64_t));
    memset(now.stats.value, 0xff, sizeof(now.stats.value));
    now.balloon.punch_ns = UINT64_MAX;
    make();
    expect("aerostat_balloon_actual_bytes{id=\"vm-1\"} 18446744073709551615");
    expect("aerostat_balloon_punch_seconds_total{id=\"vm-1\"} 18446744073.709551615");
}
END_TEST

#define HEAD "# TYPE a counter\n# HELP a A.\n"
#define GOOD "a_total{id=\"x\"} 1\n"

/* One fault each; a reader that finds none of them would find nothing in ours either. */
START_TEST(the_reader_of_these_tests_finds_faults)
{
    static const char *const bad[] = {
        "",
        HEAD GOOD,
        HEAD GOOD "# EOF",
        HEAD GOOD "# EOF\n\n",
        HEAD GOOD "\n# EOF\n",
        HEAD GOOD "# EOF\n" GOOD,
        HEAD "# EOF\n",
        HEAD "# TYPE b gauge\n# HELP b B.\nb{id=\"x\"} 1\n# EOF\n",
        GOOD "# EOF\n",
        "# HELP a A.\n# TYPE a counter\n" GOOD "# EOF\n",
        "# TYPE a counter\n" GOOD "# EOF\n",
        "# TYPE a_total counter\n# HELP a_total A.\na_total_total{id=\"x\"} 1\n# EOF\n",
        "# TYPE a number\n# HELP a A.\n" GOOD "# EOF\n",
        "# TYPE a counter\n# UNIT a bytes\n# HELP a A.\n" GOOD "# EOF\n",
        "# TYPE a counter\n# HELP a A.\n# HELP a A.\n" GOOD "# EOF\n",
        "# TYPE a counter\n# HELP b A.\n" GOOD "# EOF\n",
        "# TYPE 1a gauge\n# HELP 1a A.\n1a{id=\"x\"} 1\n# EOF\n",
        HEAD GOOD HEAD GOOD "# EOF\n",
        HEAD GOOD GOOD "# EOF\n",
        HEAD "a{id=\"x\"} 1\n# EOF\n",
        HEAD "b_total{id=\"x\"} 1\n# EOF\n",
        HEAD "a_total 1\n# EOF\n",
        HEAD "a_total{} 1\n# EOF\n",
        HEAD "a_total{q=\"x\"} 1\n# EOF\n",
        HEAD "a_total{id=\"x\",id=\"y\"} 1\n# EOF\n",
        HEAD "a_total{id=\"x\",1b=\"y\"} 1\n# EOF\n",
        HEAD "a_total{id=\"x\"y\"} 1\n# EOF\n",
        HEAD "a_total{id=\"x\\\"} 1\n# EOF\n",
        HEAD "a_total{id=\"\\t\"} 1\n# EOF\n",
        HEAD "a_total{id=\"\xff\"} 1\n# EOF\n",
        HEAD "a_total{id=\"x\"}\n# EOF\n",
        HEAD "a_total{id=\"x\"} -1\n# EOF\n",
        HEAD "a_total{id=\"x\"} 1.\n# EOF\n",
        HEAD "a_total{id=\"x\"} 1 2\n# EOF\n",
        HEAD "a_total{id=\"x\"} nan\n# EOF\n",
        "# TYPE a info\n# HELP a A.\na_info{id=\"x\"} 2\n# EOF\n",
        "# TYPE a stateset\n# HELP a A.\na{id=\"x\",a=\"s\"} 2\n# EOF\n",
    };
    ck_assert_ptr_null(openmetrics_fault(HEAD GOOD "a_total{id=\"\\\\\\\"\\n\"} 1.5\n# EOF\n"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(openmetrics_fault(bad[i]) != NULL, "no fault in\n%s", bad[i]);
}
END_TEST

Suite *openmetrics_suite(void)
{
    Suite *suite = suite_create("openmetrics");
    TCase *tc = tcase_create("openmetrics");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_text_is_valid_with_and_without_machine_balloon_and_reports);
    tcase_add_test(tc, hostile_names_of_a_machine_stay_in_their_quotes);
    tcase_add_test(tc, every_figure_is_there_with_its_unit);
    tcase_add_test(tc, requests_and_lost_output_are_there);
    tcase_add_test(tc, the_largest_numbers_are_numbers);
    tcase_add_test(tc, the_reader_of_these_tests_finds_faults);
    suite_add_tcase(suite, tc);
    return suite;
}
