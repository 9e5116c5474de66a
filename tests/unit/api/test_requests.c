/* SPDX-License-Identifier: Apache-2.0 */
/* What each request is answered with, over a real socket. */
#include <stdint.h>
#include <string.h>

#include "tests/unit/api/fixture.h"
#include "vmm/base/num.h"

static void expect(const char *method, const char *path, const char *body, unsigned status,
                   const char *answer)
{
    fixture_expect(method, path, body, status, answer);
}

static void expect_fault(const char *method, const char *path, const char *body,
                         const char *message)
{
    fixture_expect_fault(method, path, body, 400, message);
}

START_TEST(the_instance_says_who_and_how_it_is)
{
    fixture_start();
    expect("GET", "/", NULL, 200,
           "{\"app_name\":\"Aerostat\",\"id\":\"box\",\"state\":\"Running\","
           "\"vmm_version\":\"9.8.7\"}");
    expect("GET", "/version", NULL, 200,
           "{\"firecracker_version\":\"1.14.0\",\"aerostat_version\":\"9.8.7\"}");
}
END_TEST

START_TEST(each_state_has_its_word)
{
    static const struct {
        enum machine_state state;
        const char *word;
    } words[] = {{MACHINE_NOT_STARTED, "\"Not started\""},
                 {MACHINE_RUNNING, "\"Running\""},
                 {MACHINE_PAUSED, "\"Paused\""},
                 {MACHINE_STOPPED, "\"Stopped\""}};
    fx.state = words[_i].state;
    fixture_start();
    struct api_response r = {0};
    fixture_ask("GET", "/", NULL, &r);
    ck_assert_ptr_nonnull(strstr(r.body, words[_i].word));
    api_response_finish(&r);
}
END_TEST

START_TEST(the_balloons_configuration_is_firecrackers_and_ours)
{
    fx.info.target_bytes = 300 * MIB;
    fx.info.stats_interval_s = 65535;
    fx.config.balloon = (struct balloon_config){
        .scatter_gather = BALLOON_SG_BIT3, .deflate_on_oom = true, .must_tell_host = true};
    fixture_start();
    expect("GET", "/balloon", NULL, 200,
           "{\"amount_mib\":300,\"deflate_on_oom\":true,\"stats_polling_interval_s\":65535,"
           "\"free_page_hinting\":false,\"free_page_reporting\":false,\"scatter_gather\":\"bit3\","
           "\"must_tell_host\":true,\"page_poison\":false,\"prefault_on_deflate\":false}");
}
END_TEST

/* In the order of the answer. */
START_TEST(each_switch_of_the_configuration_has_its_own_key)
{
    bool *const switches[] = {
        &fx.config.balloon.deflate_on_oom,      &fx.config.balloon.free_page_hinting,
        &fx.config.balloon.free_page_reporting, &fx.config.balloon.must_tell_host,
        &fx.config.balloon.page_poison,         &fx.config.balloon.prefault_on_deflate,
    };
    static const char *const keys[] = {"deflate_on_oom",      "free_page_hinting",
                                       "free_page_reporting", "must_tell_host",
                                       "page_poison",         "prefault_on_deflate"};
    fx.config.balloon.must_tell_host = false;
    *switches[_i] = true;
    fixture_start();
    struct api_response r = {0};
    fixture_ask("GET", "/balloon", NULL, &r);
    for (int i = 0; i < (int)ARRAY_LEN(keys); i++) {
        bool on = false;
        ck_assert_int_eq(api_body_equals(&r, NULL, keys[i], "true", &on, NULL), 0);
        ck_assert_msg(on == (i == _i), "%s", keys[i]);
    }
    api_response_finish(&r);
}
END_TEST

START_TEST(a_machine_is_paused_and_resumed_however_often)
{
    fixture_start();
    for (int i = 0; i < 2; i++) {
        expect("PATCH", "/vm", "{\"state\":\"Paused\"}", 204, "");
        ck_assert_int_eq(fx.state, MACHINE_PAUSED);
    }
    for (int i = 0; i < 2; i++) {
        expect("PATCH", "/vm", "{\"state\":\"Resumed\"}", 204, "");
        ck_assert_int_eq(fx.state, MACHINE_RUNNING);
    }
}
END_TEST

START_TEST(a_machine_that_cannot_be_paused_says_why)
{
    fx.state = MACHINE_STOPPED;
    fixture_start();
    expect_fault("PATCH", "/vm", "{\"state\":\"Paused\"}", "the machine has stopped");
}
END_TEST

START_TEST(the_interval_of_statistics_changes_but_does_not_switch_them)
{
    fx.info.stats_interval_s = 5;
    fixture_start();
    expect("PATCH", "/balloon/statistics", "{\"stats_polling_interval_s\":7}", 204, "");
    ck_assert_uint_eq(fx.info.stats_interval_s, 7);
    expect_fault("PATCH", "/balloon/statistics", "{\"stats_polling_interval_s\":0}",
                 "statistics cannot be switched on or off");
    ck_assert_uint_eq(fx.info.stats_interval_s, 7);
}
END_TEST

static const struct {
    const char *body;
    bool acknowledge;
} hint_starts[] = {
    {NULL, true},
    {"{}", true},
    {"{\"acknowledge_on_stop\":true}", true},
    {"{\"acknowledge_on_stop\":false}", false},
};

START_TEST(hinting_is_started_followed_and_stopped)
{
    fx.config.balloon.free_page_hinting = true;
    fx.acknowledge_on_stop = !hint_starts[_i].acknowledge;
    fixture_start();
    expect("GET", "/balloon/hinting/status", NULL, 200, "{\"host_cmd\":0,\"guest_cmd\":null}");
    expect("PATCH", "/balloon/hinting/start", hint_starts[_i].body, 204, "");
    ck_assert_int_eq(fx.acknowledge_on_stop, hint_starts[_i].acknowledge);
    expect("GET", "/balloon/hinting/status", NULL, 200, "{\"host_cmd\":2,\"guest_cmd\":null}");
    expect("PATCH", "/balloon/hinting/stop", NULL, 204, "");
    expect("PATCH", "/balloon/hinting/stop", "{}", 204, "");
    expect("GET", "/balloon/hinting/status", NULL, 200, "{\"host_cmd\":1,\"guest_cmd\":null}");
}
END_TEST

START_TEST(a_command_of_the_guest_is_shown_as_it_is)
{
    fx.config.balloon.free_page_hinting = true;
    fx.hint =
        (struct balloon_hint_info){.host_cmd = 3, .guest_cmd = UINT32_MAX, .guest_cmd_valid = true};
    fixture_start();
    expect("GET", "/balloon/hinting/status", NULL, 200,
           "{\"host_cmd\":3,\"guest_cmd\":4294967295}");
}
END_TEST

START_TEST(hinting_that_is_not_configured_is_refused)
{
    fixture_start();
    expect_fault("PATCH", "/balloon/hinting/start", NULL, "hinting is off");
    expect_fault("PATCH", "/balloon/hinting/stop", NULL, "hinting is off");
    expect_fault(
        "GET", "/balloon/hinting/status", NULL,
        "balloon hinting: is off; switch it on with free_page_hinting in the configuration");
}
END_TEST

START_TEST(a_patched_target_is_seen_in_the_next_answer)
{
    fixture_start();
    expect("PATCH", "/balloon", "{\"amount_mib\": 512}", 204, "");
    struct api_response r = {0};
    fixture_ask("GET", "/balloon/statistics", NULL, &r);
    uint64_t v = 0;
    ck_assert_int_eq(api_body_u64(&r, NULL, "target_mib", &v, NULL), 0);
    ck_assert_uint_eq(v, 512);
    ck_assert_int_eq(api_body_u64(&r, NULL, "target_pages", &v, NULL), 0);
    ck_assert_uint_eq(v, 512 * 256);
    api_response_finish(&r);
    expect("PATCH", "/balloon", "{\"amount_mib\": 0}", 204, "");
}
END_TEST

#define NO_BALLOON                                                                                 \
    "The machine has no balloon: start it with --balloon SIZE or a balloon section in its "        \
    "configuration."

START_TEST(a_machine_without_balloon_says_so)
{
    fx.config.has_balloon = false;
    fixture_start();
    expect_fault("GET", "/balloon", NULL, NO_BALLOON);
    expect_fault("PATCH", "/balloon", "{\"amount_mib\":1}", NO_BALLOON);
    expect_fault("GET", "/balloon/statistics", NULL, NO_BALLOON);
    expect_fault("GET", "/balloon/statistics?refresh_ms=0", NULL, NO_BALLOON);
    expect_fault("PATCH", "/balloon/statistics", "{\"stats_polling_interval_s\":1}", NO_BALLOON);
    expect_fault("PATCH", "/balloon/hinting/start", NULL, NO_BALLOON);
    expect_fault("PATCH", "/balloon/hinting/stop", NULL, NO_BALLOON);
    expect_fault("GET", "/balloon/hinting/status", NULL, NO_BALLOON);
    expect("PATCH", "/vm", "{\"state\":\"Paused\"}", 204, "");
}
END_TEST

static const struct {
    const char *method;
    const char *path;
    const char *body;
    const char *fault;
} faults[] = {
    {"PATCH", "/balloon", NULL, "Empty PATCH request."},
    {"PATCH", "/balloon",
     "{\"amount_mib\":", "request body:1:14: unexpected token near end of file"},
    {"PATCH", "/balloon", "{}", "request body: amount_mib: is missing"},
    {"PATCH", "/balloon", "{\"amount_mb\":1}",
     "request body: amount_mb: unknown key (known: amount_mib)"},
    {"PATCH", "/balloon", "{\"amount_mib\":1,\"amount_mib\":1}",
     "request body:1:28: duplicate object key near '\"amount_mib\"'"},
    {"PATCH", "/balloon", "{\"amount_mib\":\"1\"}",
     "request body: amount_mib: must be an integer, is the string \"1\""},
    {"PATCH", "/balloon", "{\"amount_mib\":-1}",
     "request body: amount_mib: -1 is below the minimum of 0"},
    {"PATCH", "/balloon", "{\"amount_mib\":1024}",
     "balloon: a target of 1024 MiB is not below the guest memory of 1024 MiB"},
    {"GET", "/balloon", "{}", "GET request cannot have a body."},
    {"GET", "/nothing", NULL, "Invalid request method and/or path: GET /nothing"},
    {"GET", "/balloon/", NULL, "Invalid request method and/or path: GET /balloon/"},
    {"GET", "//", NULL, "Invalid request method and/or path: GET //"},
    {"PUT", "/balloon", "{}",
     "The requested operation is not supported after starting the microVM."},
    {"DELETE", "/", NULL, "Invalid request method and/or path: DELETE /"},
    {"PATCH", "/balloon/statistics", NULL, "Empty PATCH request."},
    {"PATCH", "/balloon/statistics", "{\"stats_polling_interval_s\":65536}",
     "request body: stats_polling_interval_s: 65536 is above the maximum of 65535"},
    {"PATCH", "/balloon/hinting/start", "{\"acknowledge\":true}",
     "request body: acknowledge: unknown key (known: acknowledge_on_stop)"},
    {"PATCH", "/balloon/hinting/status", NULL,
     "Invalid request method and/or path: PATCH /balloon/hinting/status"},
    {"GET", "/balloon/hinting", NULL, "Invalid request method and/or path: GET /balloon/hinting"},
    {"PATCH", "/vm", NULL, "Empty PATCH request."},
    {"PATCH", "/vm", "{}", "request body: state: is missing"},
    {"PATCH", "/vm", "{\"state\":\"Running\"}",
     "request body: state: \"Running\" is not one of \"Paused\", \"Resumed\""},
    {"GET", "/vm", NULL, "Invalid request method and/or path: GET /vm"},
    {"GET", "/version?x=1", NULL, "Unknown or repeated query parameter: x"},
    {"GET", "/version?refresh_ms=5", NULL, "Unknown or repeated query parameter: refresh_ms"},
    {"PATCH", "/balloon?refresh_ms=5", "{\"amount_mib\":1}",
     "Unknown or repeated query parameter: refresh_ms"},
    {"GET", "/nothing?x=1", NULL, "Invalid request method and/or path: GET /nothing"},
    {"GET", "/\xff", NULL, "Invalid request method and/or path: GET /?"},
    {"GET", "/%76ersion", NULL, "Invalid request method and/or path: GET /%76ersion"},
    {"GET", "/version%00x", NULL, "Invalid request method and/or path: GET /version%00x"},
    {"GET", "/version?%00=1", NULL, "Unknown or repeated query parameter: %00"},
};

START_TEST(a_request_that_cannot_be_served_gets_one_exact_fault)
{
    fx.info.target_bytes = 5 * MIB;
    fixture_start();
    expect_fault(faults[_i].method, faults[_i].path, faults[_i].body, faults[_i].fault);
    ck_assert_uint_eq(fx.info.target_bytes, 5 * MIB);
}
END_TEST

Suite *requests_suite(void)
{
    Suite *suite = suite_create("requests");
    TCase *tc = tcase_create("requests");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, the_instance_says_who_and_how_it_is);
    tcase_add_loop_test(tc, each_state_has_its_word, 0, 4);
    tcase_add_test(tc, the_balloons_configuration_is_firecrackers_and_ours);
    tcase_add_loop_test(tc, each_switch_of_the_configuration_has_its_own_key, 0, 6);
    tcase_add_test(tc, a_machine_is_paused_and_resumed_however_often);
    tcase_add_test(tc, a_machine_that_cannot_be_paused_says_why);
    tcase_add_test(tc, the_interval_of_statistics_changes_but_does_not_switch_them);
    tcase_add_loop_test(tc, hinting_is_started_followed_and_stopped, 0,
                        (int)ARRAY_LEN(hint_starts));
    tcase_add_test(tc, a_command_of_the_guest_is_shown_as_it_is);
    tcase_add_test(tc, hinting_that_is_not_configured_is_refused);
    tcase_add_test(tc, a_patched_target_is_seen_in_the_next_answer);
    tcase_add_test(tc, a_machine_without_balloon_says_so);
    tcase_add_loop_test(tc, a_request_that_cannot_be_served_gets_one_exact_fault, 0,
                        (int)ARRAY_LEN(faults));
    suite_add_tcase(suite, tc);
    return suite;
}
