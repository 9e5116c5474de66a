/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for the guest's statistics: they end, they are bounded, and nobody else waits
 * with them. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/api/fixture.h"
#include "vmm/base/num.h"

#define WAIT_LIMIT 8
#define LONG_WAIT  "/balloon/statistics?refresh_ms=10000"
#define GET_LONG   "GET " LONG_WAIT " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#define NONE_YET   "\"guest\":{\"reports\":0,"
#define ONE_REPORT "\"guest\":{\"reports\":1,"

static void expect_within(const char *path, const char *within)
{
    struct api_response r = {0};
    fixture_ask("GET", path, NULL, &r);
    ck_assert_msg(r.status == 200 && strstr(r.body, within) != NULL, "%s", r.body);
    api_response_finish(&r);
}

/* A request that waits, once n have been heard of altogether. */
static int start_waiting(unsigned n)
{
    int fd = fixture_connect();
    ck_assert_int_eq(send(fd, GET_LONG, strlen(GET_LONG), MSG_NOSIGNAL), strlen(GET_LONG));
    while (fx.reports_wanted < n)
        usleep(1000);
    return fd;
}

/* The guest reports, and fd has waited for that. */
static void expect_report(int fd)
{
    char text[8192];
    fx.reports = 1;
    fixture_receive(fd, text, sizeof(text));
    ck_assert_msg(strstr(text, ONE_REPORT) != NULL, "%s", text);
}

START_TEST(a_request_is_answered_when_the_report_has_come)
{
    fx.can_report = true;
    fixture_start();
    expect_report(start_waiting(1));
    ck_assert_uint_eq(fx.reports_wanted, 1);
}
END_TEST

START_TEST(a_guest_that_never_answers_is_given_up)
{
    fx.can_report = true;
    fixture_start();
    expect_within("/balloon/statistics?refresh_ms=30", NONE_YET);
    ck_assert_uint_eq(fx.reports_wanted, 1);
}
END_TEST

START_TEST(without_a_driver_nothing_is_waited_for)
{
    fixture_start();
    expect_within(LONG_WAIT, NONE_YET);
    ck_assert_uint_eq(fx.reports_wanted, 1);
}
END_TEST

START_TEST(without_the_parameter_nothing_is_asked)
{
    fx.can_report = true;
    fixture_start();
    expect_within("/balloon/statistics", NONE_YET);
    ck_assert_uint_eq(fx.reports_wanted, 0);
}
END_TEST

START_TEST(others_are_served_while_one_waits)
{
    fx.can_report = true;
    fixture_start();
    int fd = start_waiting(1);
    fixture_expect("GET", "/version", NULL, 200,
                   "{\"firecracker_version\":\"1.14.0\",\"aerostat_version\":\"9.8.7\"}");
    fixture_expect("PATCH", "/balloon", "{\"amount_mib\":3}", 204, "");
    char text[8192];
    fx.reports = 1;
    fixture_receive(fd, text, sizeof(text));
    /* What is true when it is answered, not when it was asked. */
    ck_assert_msg(strstr(text, "\"target_mib\":3,") != NULL, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, ONE_REPORT));
}
END_TEST

START_TEST(one_report_answers_all_that_wait)
{
    fx.can_report = true;
    fixture_start();
    int fds[WAIT_LIMIT];
    for (unsigned i = 0; i < WAIT_LIMIT; i++)
        fds[i] = start_waiting(i + 1);
    for (unsigned i = 0; i < WAIT_LIMIT; i++)
        expect_report(fds[i]);
}
END_TEST

#define TOO_MANY "8 requests wait for statistics already; ask again later, or without refresh_ms."

START_TEST(no_more_wait_than_may)
{
    fx.can_report = true;
    fixture_start();
    int fds[WAIT_LIMIT];
    for (unsigned i = 0; i < WAIT_LIMIT; i++)
        fds[i] = start_waiting(i + 1);
    fixture_expect_fault("GET", LONG_WAIT, NULL, 503, TOO_MANY);
    expect_within("/balloon/statistics", NONE_YET);
    for (unsigned i = 0; i < WAIT_LIMIT; i++)
        close(fds[i]);
}
END_TEST

START_TEST(a_client_that_goes_away_no_longer_waits)
{
    fx.can_report = true;
    fixture_start();
    for (unsigned i = 0; i < 3 * WAIT_LIMIT; i++)
        close(start_waiting(i + 1));
    /* Long before the 10 s are over that they asked for. */
    unsigned status = 503;
    for (int tries = 0; tries < 3000 && status == 503; tries++) {
        struct api_response r = {0};
        fixture_ask("GET", "/balloon/statistics?refresh_ms=1", NULL, &r);
        status = r.status;
        api_response_finish(&r);
        usleep(1000);
    }
    ck_assert_uint_eq(status, 200);
}
END_TEST

START_TEST(a_server_may_end_while_requests_wait)
{
    fx.can_report = true;
    fixture_start();
    int fds[3];
    char text[64];
    for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = start_waiting(i + 1);
    close(fds[1]);
    fixture_stop();
    fixture_receive(fds[0], text, sizeof(text));
    ck_assert_str_eq(text, "");
    fixture_receive(fds[2], text, sizeof(text));
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(a_client_that_has_said_all_is_still_answered)
{
    fx.can_report = true;
    fixture_start();
    int fd = start_waiting(1);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    expect_report(fd);
}
END_TEST

START_TEST(the_next_request_of_a_connection_waits_its_turn)
{
    static const char bytes[] = "GET " LONG_WAIT " HTTP/1.1\r\nHost: x\r\n\r\n"
                                "GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
                                "GET /balloon/statistics?refresh_ms=20 HTTP/1.1\r\nHost: x\r\n"
                                "Connection: close\r\n\r\n";
    char text[16384];
    fx.can_report = true;
    fixture_start();
    int fd = fixture_connect();
    ck_assert_int_eq(send(fd, bytes, sizeof(bytes) - 1, MSG_NOSIGNAL), sizeof(bytes) - 1);
    while (fx.reports_wanted < 1)
        usleep(1000);
    fx.reports = 1;
    fixture_receive(fd, text, sizeof(text));
    char *first = strstr(text, ONE_REPORT);
    ck_assert_msg(first != NULL, "%s", text);
    char *second = strstr(first, "aerostat_version");
    ck_assert_msg(second != NULL, "%s", text);
    ck_assert_ptr_nonnull(strstr(second, ONE_REPORT));
    ck_assert_uint_eq(fx.reports_wanted, 2);
}
END_TEST

START_TEST(waiting_is_no_silence)
{
    fx.can_report = true;
    fx.target.silence_s = 1;
    fixture_start();
    expect_within("/balloon/statistics?refresh_ms=2200", NONE_YET);
}
END_TEST

static const struct {
    const char *query;
    const char *fault;
} bad_queries[] = {
    {"refresh_ms=0", "refresh_ms: 0 is below the minimum of 1"},
    {"refresh_ms=10001", "refresh_ms: 10001 is above the maximum of 10000"},
    {"refresh_ms=18446744073709551617",
     "refresh_ms: 18446744073709551617 is above the maximum of 10000"},
    {"refresh_ms=-1", "refresh_ms: \"-1\" is not a whole number from 1 to 10000"},
    {"refresh_ms=1s", "refresh_ms: \"1s\" is not a whole number from 1 to 10000"},
    {"refresh_ms=", "refresh_ms: \"\" is not a whole number from 1 to 10000"},
    {"refresh_ms", "refresh_ms: \"\" is not a whole number from 1 to 10000"},
    {"refresh_ms=%0a", "refresh_ms: \"%0a\" is not a whole number from 1 to 10000"},
    {"refresh_ms=5%00x", "refresh_ms: \"5%00x\" is not a whole number from 1 to 10000"},
    {"refresh_ms=%35", "refresh_ms: \"%35\" is not a whole number from 1 to 10000"},
    {"refresh_ms=1&refresh_ms=1", "Unknown or repeated query parameter: refresh_ms"},
    {"refresh=1", "Unknown or repeated query parameter: refresh"},
    {"refresh_ms=1&a=2", "Unknown or repeated query parameter: a"},
};

START_TEST(a_bad_query_gets_one_exact_fault)
{
    fx.can_report = true;
    fixture_start();
    char path[120];
    snprintf(path, sizeof(path), "/balloon/statistics?%s", bad_queries[_i].query);
    fixture_expect_fault("GET", path, NULL, 400, bad_queries[_i].fault);
    ck_assert_uint_eq(fx.reports_wanted, 0);
}
END_TEST

Suite *refresh_suite(void)
{
    Suite *suite = suite_create("refresh");
    TCase *tc = tcase_create("refresh");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, a_request_is_answered_when_the_report_has_come);
    tcase_add_test(tc, a_guest_that_never_answers_is_given_up);
    tcase_add_test(tc, without_a_driver_nothing_is_waited_for);
    tcase_add_test(tc, without_the_parameter_nothing_is_asked);
    tcase_add_test(tc, others_are_served_while_one_waits);
    tcase_add_test(tc, one_report_answers_all_that_wait);
    tcase_add_test(tc, no_more_wait_than_may);
    tcase_add_test(tc, a_client_that_goes_away_no_longer_waits);
    tcase_add_test(tc, a_server_may_end_while_requests_wait);
    tcase_add_test(tc, a_client_that_has_said_all_is_still_answered);
    tcase_add_test(tc, the_next_request_of_a_connection_waits_its_turn);
    tcase_add_test(tc, waiting_is_no_silence);
    tcase_add_loop_test(tc, a_bad_query_gets_one_exact_fault, 0, (int)ARRAY_LEN(bad_queries));
    suite_add_tcase(suite, tc);
    return suite;
}
