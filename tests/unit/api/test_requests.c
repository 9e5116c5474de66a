/* SPDX-License-Identifier: Apache-2.0 */
/* What each request is answered with, over a real socket. */
#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/api/fixture.h"
#include "vmm/base/num.h"

static void request(const char *method, const char *path, const char *body,
                    struct api_response *out)
{
    struct err err = {0};
    int rc = api_request(fx.path, method, path, body, 5000, out, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static void expect(const char *method, const char *path, const char *body, unsigned status,
                   const char *answer)
{
    struct api_response r = {0};
    request(method, path, body, &r);
    ck_assert_str_eq(r.body, answer);
    ck_assert_uint_eq(r.status, status);
    api_response_finish(&r);
}

static void expect_fault(const char *method, const char *path, const char *body,
                         const char *message)
{
    struct api_response r = {0};
    request(method, path, body, &r);
    json_t *root = json_loads(r.body, 0, NULL);
    ck_assert_uint_eq(json_object_size(root), 1);
    ck_assert_str_eq(json_string_value(json_object_get(root, "fault_message")), message);
    ck_assert_uint_eq(r.status, 400);
    json_decref(root);
    api_response_finish(&r);
}

START_TEST(the_instance_says_who_and_how_it_is)
{
    fixture_start();
    expect("GET", "/", NULL, 200,
           "{\"app_name\":\"Aerostat\",\"id\":\"anonymous-instance\",\"state\":\"Running\","
           "\"vmm_version\":\"9.8.7\"}");
    expect("GET", "/version", NULL, 200, "{\"aerostat_version\":\"9.8.7\"}");
}
END_TEST

START_TEST(each_state_has_its_word)
{
    static const struct {
        enum machine_state state;
        const char *word;
    } words[] = {{MACHINE_NOT_STARTED, "\"Not started\""},
                 {MACHINE_RUNNING, "\"Running\""},
                 {MACHINE_STOPPED, "\"Stopped\""}};
    fx.state = words[_i].state;
    fixture_start();
    struct api_response r = {0};
    request("GET", "/", NULL, &r);
    ck_assert_ptr_nonnull(strstr(r.body, words[_i].word));
    api_response_finish(&r);
}
END_TEST

START_TEST(the_balloons_configuration_is_firecrackers_and_ours)
{
    fx.info.target_bytes = 300 * MIB;
    fx.target.balloon = (struct balloon_config){
        .scatter_gather = BALLOON_SG_BIT3, .deflate_on_oom = true, .must_tell_host = true};
    fixture_start();
    expect("GET", "/balloon", NULL, 200,
           "{\"amount_mib\":300,\"deflate_on_oom\":true,\"stats_polling_interval_s\":0,"
           "\"free_page_hinting\":false,\"free_page_reporting\":false,\"scatter_gather\":\"bit3\","
           "\"must_tell_host\":true}");
}
END_TEST

START_TEST(a_patched_target_is_seen_in_the_next_answer)
{
    fixture_start();
    expect("PATCH", "/balloon", "{\"amount_mib\": 512}", 204, "");
    struct api_response r = {0};
    request("GET", "/balloon/statistics", NULL, &r);
    uint64_t v = 0;
    ck_assert_int_eq(api_body_u64(&r, NULL, "target_mib", &v, NULL), 0);
    ck_assert_uint_eq(v, 512);
    ck_assert_int_eq(api_body_u64(&r, NULL, "target_pages", &v, NULL), 0);
    ck_assert_uint_eq(v, 512 * 256);
    api_response_finish(&r);
    expect("PATCH", "/balloon", "{\"amount_mib\": 0}", 204, "");
}
END_TEST

#define INFO(field)                                                                                \
    {                                                                                              \
#field, offsetof(struct balloon_info, field)                                               \
    }
static const struct {
    const char *name;
    size_t offset;
} counters[] = {
    INFO(target_bytes),        INFO(actual_bytes),  INFO(inflate_notifications),
    INFO(inflate_chains),      INFO(inflate_bytes), INFO(inflate_descriptors),
    INFO(deflate_chains),      INFO(deflate_bytes), INFO(deflate_notifications),
    INFO(deflate_descriptors), INFO(punch_calls),   INFO(punched_bytes),
    INFO(freed_bytes),         INFO(ranges_merged), INFO(punch_ns),
    INFO(bad_request),         INFO(bad_chain),     INFO(bad_ring),
    INFO(host_error),          INFO(change_ns),     INFO(change_from_bytes),
    INFO(change_to_bytes),
};

START_TEST(the_statistics_hold_every_counter_of_balloon_and_machine)
{
    for (size_t i = 0; i < ARRAY_LEN(counters); i++)
        *(uint64_t *)(void *)((char *)&fx.info + counters[i].offset) = 4096 * (1000 + i);
    fx.info.form = BALLOON_FORM_SG;
    fx.info.features = (UINT64_C(1) << 63) | 1;
    fx.info.change_done = true;
    fx.figures = (struct machine_figures){
        .ram_bytes = 77, .ram_allocated_bytes = 78, .bad_register = 79, .unclaimed_accesses = 80};
    fixture_start();
    struct api_response r = {0};
    request("GET", "/balloon/statistics", NULL, &r);
    ck_assert_uint_eq(r.status, 200);
    uint64_t v = 0;
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        ck_assert_int_eq(api_body_u64(&r, "host", counters[i].name, &v, NULL), 0);
        ck_assert_uint_eq(v, 4096 * (1000 + i));
    }
    ck_assert_int_eq(api_body_u64(&r, "host", "ram_bytes", &v, NULL), 0);
    ck_assert_uint_eq(v, 77);
    ck_assert_int_eq(api_body_u64(&r, "host", "ram_allocated_bytes", &v, NULL), 0);
    ck_assert_uint_eq(v, 78);
    ck_assert_int_eq(api_body_u64(&r, "host", "bad_register", &v, NULL), 0);
    ck_assert_uint_eq(v, 79);
    ck_assert_int_eq(api_body_u64(&r, "host", "unclaimed_accesses", &v, NULL), 0);
    ck_assert_uint_eq(v, 80);
    ck_assert_int_eq(api_body_u64(&r, NULL, "actual_pages", &v, NULL), 0);
    ck_assert_uint_eq(v, 1001);
    ck_assert_ptr_nonnull(strstr(r.body, "\"features\":\"0x8000000000000001\""));
    ck_assert_ptr_nonnull(strstr(r.body, "\"form\":\"sg\""));
    ck_assert_ptr_nonnull(strstr(r.body, "\"change_done\":true"));
    api_response_finish(&r);
}
END_TEST

START_TEST(without_a_driver_the_form_is_none)
{
    fixture_start();
    struct api_response r = {0};
    request("GET", "/balloon/statistics", NULL, &r);
    ck_assert_ptr_nonnull(strstr(r.body, "\"form\":\"none\",\"features\":\"0x0\""));
    ck_assert_ptr_nonnull(strstr(r.body, "\"change_done\":false"));
    api_response_finish(&r);
}
END_TEST

#define NO_BALLOON                                                                                 \
    "The machine has no balloon: start it with --balloon SIZE or a balloon section in its "        \
    "configuration."

START_TEST(a_machine_without_balloon_says_so)
{
    fx.has_balloon = false;
    fixture_start();
    expect_fault("GET", "/balloon", NULL, NO_BALLOON);
    expect_fault("PATCH", "/balloon", "{\"amount_mib\":1}", NO_BALLOON);
    expect_fault("GET", "/balloon/statistics", NULL, NO_BALLOON);
}
END_TEST

static const struct {
    const char *method;
    const char *path;
    const char *body;
    const char *fault;
} faults[] = {
    {"PATCH", "/balloon", NULL, "request body: is empty, must be a JSON object"},
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
    {"PUT", "/balloon", "{}", "Invalid request method and/or path: PUT /balloon"},
    {"DELETE", "/", NULL, "Invalid request method and/or path: DELETE /"},
    {"PATCH", "/balloon/statistics", "{\"stats_polling_interval_s\":1}",
     "Invalid request method and/or path: PATCH /balloon/statistics"},
    {"GET", "/%ff", NULL, "Invalid request method and/or path: GET /?"},
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
    tcase_add_loop_test(tc, each_state_has_its_word, 0, 3);
    tcase_add_test(tc, the_balloons_configuration_is_firecrackers_and_ours);
    tcase_add_test(tc, a_patched_target_is_seen_in_the_next_answer);
    tcase_add_test(tc, the_statistics_hold_every_counter_of_balloon_and_machine);
    tcase_add_test(tc, without_a_driver_the_form_is_none);
    tcase_add_test(tc, a_machine_without_balloon_says_so);
    tcase_add_loop_test(tc, a_request_that_cannot_be_served_gets_one_exact_fault, 0,
                        (int)ARRAY_LEN(faults));
    suite_add_tcase(suite, tc);
    return suite;
}
