/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that are slow, rude or too large: each gets its answer or is cut, and the next one is
 * served. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/api/fixture.h"
#include "vmm/base/num.h"

#define LIMIT 51200

static void still_serves(void)
{
    struct api_response r = {0};
    struct err err = {0};
    int rc = api_request(fx.path, "GET", "/version", NULL, 5000, &r, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_uint_eq(r.status, 200);
    api_response_finish(&r);
}

static void expect_start(const char *bytes, const char *start)
{
    char *answer = fixture_raw(bytes, strlen(bytes));
    ck_assert_msg(strncmp(answer, start, strlen(start)) == 0, "%s", answer);
    free(answer);
    still_serves();
}

START_TEST(a_request_may_come_byte_by_byte)
{
    fixture_start();
    const char *text = "PATCH /balloon HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       "Content-Length: 16\r\n\r\n{\"amount_mib\":9}";
    int fd = fixture_connect();
    for (const char *c = text; *c != '\0'; c++) {
        ck_assert_int_eq(send(fd, c, 1, MSG_NOSIGNAL), 1);
        usleep(200);
    }
    char answer[64] = "";
    ck_assert_int_gt(recv(fd, answer, sizeof(answer) - 1, 0), 0);
    close(fd);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 204", 12) == 0, "%s", answer);
    still_serves();
}
END_TEST

START_TEST(one_connection_may_carry_several_requests)
{
    fixture_start();
    const char *text = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
                       "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
                       "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char *answer = fixture_raw(text, strlen(text));
    char *first = strstr(answer, "aerostat_version");
    ck_assert_ptr_nonnull(first);
    char *second = strstr(first, "fault_message");
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_nonnull(strstr(second, "app_name"));
    free(answer);
}
END_TEST

START_TEST(what_is_no_http_is_refused)
{
    fixture_start();
    /* The library hangs up on what has no request line. */
    expect_start("\x16\x03\x01 hello\r\n\r\n", "");
    expect_start("GET\r\n\r\n", "");
    expect_start("PATCH /balloon HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                 "Content-Length: -5\r\n\r\n",
                 "HTTP/1.1 400");
}
END_TEST

/* head, then size bytes of body. */
static char *with_body(const char *head, size_t size)
{
    size_t len = strlen(head);
    char *text = malloc(len + size);
    memcpy(text, head, len);
    memset(text + len, ' ', size);
    char *answer = fixture_raw(text, len + size);
    free(text);
    return answer;
}

static const struct {
    size_t size;
    const char *status;
    const char *word;
} bodies[] = {
    {LIMIT, "HTTP/1.1 400", "near end of file"},
    {LIMIT + 1, "HTTP/1.1 413", "larger than the maximum of 51200 bytes"},
    {100000, "HTTP/1.1 413", "larger than the maximum of 51200 bytes"},
};

START_TEST(a_body_is_taken_up_to_its_limit)
{
    fixture_start();
    char head[160];
    snprintf(head, sizeof(head),
             "PATCH /balloon HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
             "Content-Length: %zu\r\n\r\n",
             bodies[_i].size);
    char *answer = with_body(head, bodies[_i].size);
    ck_assert_msg(strncmp(answer, bodies[_i].status, 12) == 0, "%s", answer);
    ck_assert_ptr_nonnull(strstr(answer, bodies[_i].word));
    free(answer);
    still_serves();
}
END_TEST

START_TEST(an_announced_length_alone_is_refused_at_once)
{
    fixture_start();
    expect_start(
        "PATCH /balloon HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n",
        "HTTP/1.1 413");
    expect_start("PATCH /balloon HTTP/1.1\r\nHost: x\r\nContent-Length: 51201\r\n\r\n",
                 "HTTP/1.1 413");
}
END_TEST

#define CHUNKED                                                                                    \
    "PATCH /balloon HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"                                  \
    "Transfer-Encoding: chunked\r\n\r\n"

START_TEST(a_chunked_body_has_the_same_limit)
{
    fixture_start();
    expect_start(CHUNKED "10\r\n{\"amount_mib\":7}\r\n0\r\n\r\n", "HTTP/1.1 204");
    ck_assert_uint_eq(fx.info.target_bytes, 7 * MIB);
    char *text = malloc(131072);
    int n = snprintf(text, 131072, CHUNKED "10000\r\n%*s\r\n0\r\n\r\n", 0x10000, "");
    char *answer = fixture_raw(text, (size_t)n);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 413", 12) == 0, "%s", answer);
    free(answer);
    free(text);
    still_serves();
}
END_TEST

START_TEST(a_body_without_end_is_cut)
{
    fixture_start();
    char *answer = with_body(CHUNKED "7fffffff\r\n", 4 << 20);
    ck_assert_str_eq(answer, "");
    free(answer);
    still_serves();
}
END_TEST

START_TEST(a_header_without_end_is_refused)
{
    fixture_start();
    char *answer = with_body("GET / HTTP/1.1\r\nX: ", 1 << 20);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 4", 10) == 0, "%s", answer);
    free(answer);
    still_serves();
}
END_TEST

START_TEST(clients_that_go_away_leave_nothing_behind)
{
    fixture_start();
    static const char *const halves[] = {
        "",
        "GE",
        "GET / HTTP/1.1\r\n",
        ("PATCH /balloon HTTP/1.1\r\nHost: x\r\n"
         "Content-Length: 10\r\n\r\n{"),
    };
    for (int round = 0; round < 40; round++) {
        int fd = fixture_connect();
        const char *half = halves[round % 4];
        ck_assert_int_eq(send(fd, half, strlen(half), MSG_NOSIGNAL), strlen(half));
        close(fd);
    }
    still_serves();
}
END_TEST

START_TEST(a_few_idle_connections_keep_nobody_out)
{
    fixture_start();
    int fds[8];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = fixture_connect();
    still_serves();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
}
END_TEST

START_TEST(connections_over_the_limit_are_served_when_others_end)
{
    fixture_start();
    int fds[24];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = fixture_connect();
    usleep(50000);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    still_serves();
}
END_TEST

#define CONNECTION_LIMIT 16

START_TEST(silent_clients_that_time_out_together_leave_a_socket_that_serves)
{
    fx.target.silence_s = 1;
    fixture_start();
    int fds[CONNECTION_LIMIT];
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
            fds[i] = fixture_connect();
            ck_assert_int_eq(send(fds[i], "GET / HT", 8, MSG_NOSIGNAL), 8);
        }
        /* Each is hung up on; nobody else says a word meanwhile. */
        char byte;
        for (size_t i = 0; i < ARRAY_LEN(fds); i++)
            ck_assert_int_le(recv(fds[i], &byte, 1, 0), 0);
        still_serves();
        for (size_t i = 0; i < ARRAY_LEN(fds); i++)
            close(fds[i]);
    }
    still_serves();
}
END_TEST

Suite *wire_suite(void)
{
    Suite *suite = suite_create("wire");
    TCase *tc = tcase_create("wire");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, a_request_may_come_byte_by_byte);
    tcase_add_test(tc, one_connection_may_carry_several_requests);
    tcase_add_test(tc, what_is_no_http_is_refused);
    tcase_add_loop_test(tc, a_body_is_taken_up_to_its_limit, 0, (int)ARRAY_LEN(bodies));
    tcase_add_test(tc, an_announced_length_alone_is_refused_at_once);
    tcase_add_test(tc, a_chunked_body_has_the_same_limit);
    tcase_add_test(tc, a_body_without_end_is_cut);
    tcase_add_test(tc, a_header_without_end_is_refused);
    tcase_add_test(tc, clients_that_go_away_leave_nothing_behind);
    tcase_add_test(tc, a_few_idle_connections_keep_nobody_out);
    tcase_add_test(tc, connections_over_the_limit_are_served_when_others_end);
    tcase_add_test(tc, silent_clients_that_time_out_together_leave_a_socket_that_serves);
    suite_add_tcase(suite, tc);
    return suite;
}
