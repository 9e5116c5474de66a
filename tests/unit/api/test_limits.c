/* SPDX-License-Identifier: Apache-2.0 */
/* What HTTP allows a client besides one plain request, and what one client can take from others. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/api/fixture.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"

#define CONNECTION_LIMIT 16
#define NS_PER_S         UINT64_C(1000000000)

static void send_text(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What one recv(2) brings, NUL-terminated. */
static void receive(int fd, char *text, size_t size)
{
    ssize_t got = recv(fd, text, size - 1, 0);
    ck_assert_int_gt(got, 0);
    text[got] = '\0';
}

static void expect_begin(const char *text, const char *begin)
{
    ck_assert_msg(strncmp(text, begin, strlen(begin)) == 0, "%s", text);
}

static void expect_within(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in: %s", part, text);
}

static void expect_served_in_time(void)
{
    struct api_response r = {0};
    uint64_t begin_ns = clock_mono_ns();
    fixture_ask("GET", "/version", NULL, &r);
    ck_assert_uint_eq(r.status, 200);
    ck_assert_uint_lt(clock_mono_ns() - begin_ns, NS_PER_S);
    api_response_finish(&r);
}

START_TEST(a_client_that_asks_first_is_told_to_go_on)
{
    char text[1024];
    fixture_start();
    int fd = fixture_connect();
    send_text(fd, "PATCH /balloon HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                  "Content-Length: 16\r\n\r\n");
    receive(fd, text, sizeof(text));
    ck_assert_str_eq(text, "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(fd, "{\"amount_mib\":9}");
    receive(fd, text, sizeof(text));
    expect_begin(text, "HTTP/1.1 204 ");
    close(fd);
    ck_assert_uint_eq(fx.info.target_bytes, 9 * MIB);
}
END_TEST

START_TEST(a_client_that_asks_for_too_much_is_not_told_to_go_on)
{
    char text[1024];
    fixture_start();
    int fd = fixture_connect();
    send_text(fd, "PATCH /balloon HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                  "Content-Length: 51201\r\n\r\n");
    receive(fd, text, sizeof(text));
    expect_begin(text, "HTTP/1.1 413 ");
    close(fd);
}
END_TEST

START_TEST(a_connection_is_kept_until_either_side_says_otherwise)
{
    char text[1024];
    fixture_start();
    int fd = fixture_connect();
    for (int i = 0; i < 3; i++) {
        send_text(fd, "GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
        receive(fd, text, sizeof(text));
        expect_begin(text, "HTTP/1.1 200 ");
        ck_assert_ptr_null(strstr(text, "Connection: close"));
    }
    send_text(fd, "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    receive(fd, text, sizeof(text));
    expect_begin(text, "HTTP/1.1 400 ");
    expect_within(text, "Connection: close");
    ck_assert_int_eq(recv(fd, text, sizeof(text), 0), 0);
    close(fd);
}
END_TEST

/* Requests as old or as bare as they may be; what comes up to the end of the connection. */
static const struct {
    const char *request;
    const char *begin;
    const char *within;
} forms[] = {
    {"GET /version HTTP/1.0\r\n\r\n", "HTTP/1.", "aerostat_version"},
    {"GET /version HTTP/1.0\r\nHost: x\r\n\r\n", "HTTP/1.", "aerostat_version"},
    {"PATCH /balloon HTTP/1.0\r\nContent-Length: 16\r\n\r\n{\"amount_mib\":9}", "HTTP/1.", "204"},
    {"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 ", ""},
    {"OPTIONS / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 ",
     "Invalid request method and/or path: OPTIONS /"},
    {"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 ",
     "Invalid request method and/or path: OPTIONS *"},
    {"TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 ", "TRACE /"},
    {"get / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 ", "get /"},
    {"GET http://localhost/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
     "HTTP/1.1 400 ", "http://localhost/version"},
    /* The path that comes after a port, as curl sends it for http://localhost:80/. */
    {"GET /version HTTP/1.1\r\nHost: localhost:80\r\nAccept: */*\r\nUser-Agent: curl\r\n"
     "Connection: close\r\n\r\n",
     "HTTP/1.1 200 ", "Content-Type: application/json"},
    {"\r\nGET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ",
     "aerostat_version"},
};

START_TEST(requests_of_all_forms_are_answered)
{
    fixture_start();
    char *answer = fixture_raw(forms[_i].request, strlen(forms[_i].request));
    expect_begin(answer, forms[_i].begin);
    expect_within(answer, forms[_i].within);
    if (strncmp(forms[_i].request, "HEAD", 4) == 0)
        ck_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    free(answer);
    expect_served_in_time();
}
END_TEST

/* A request with so many bytes of path, and lines of header. */
static char *request_of(size_t path, unsigned lines)
{
    size_t room = path + lines * 40u + 200;
    char *text = calloc(1, room);
    ck_assert_ptr_nonnull(text);
    size_t used = (size_t)snprintf(text, room, "GET /");
    memset(text + used, 'a', path);
    used += path;
    used += (size_t)snprintf(text + used, room - used, " HTTP/1.1\r\nHost: x\r\n");
    for (unsigned i = 0; i < lines; i++)
        used += (size_t)snprintf(text + used, room - used, "X-%u: %020u\r\n", i, i);
    (void)snprintf(text + used, room - used, "Connection: close\r\n\r\n");
    return text;
}

static const struct {
    size_t path;
    unsigned lines;
    const char *begin;
} headers[] = {
    {200, 0, "HTTP/1.1 400 "},    {4000, 0, "HTTP/1.1 400 "}, {200, 100, "HTTP/1.1 400 "},
    {20000, 0, "HTTP/1.1 414 "},  {1000000, 0, "HTTP/1.1 4"}, {200, 1000, "HTTP/1.1 4"},
    {4000, 100000, "HTTP/1.1 4"},
};

START_TEST(a_header_has_its_limit)
{
    fixture_start();
    char *request = request_of(headers[_i].path, headers[_i].lines);
    char *answer = fixture_raw(request, strlen(request));
    expect_begin(answer, headers[_i].begin);
    free(answer);
    free(request);
    expect_served_in_time();
}
END_TEST

static const char *const halves[] = {
    "",
    "P",
    "PATCH /balloon HTTP/1.1\r\nHost: x\r\n",
    "PATCH /balloon HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n",
    "PATCH /balloon HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{\"amount",
    "PATCH /balloon HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
};

START_TEST(half_open_clients_hold_nobody_up)
{
    int fds[CONNECTION_LIMIT - 1];
    fixture_start();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = fixture_connect();
        send_text(fds[i], halves[i % ARRAY_LEN(halves)]);
        /* Some have no more to say. */
        if (i % 2 == 0)
            (void)shutdown(fds[i], SHUT_WR);
    }
    for (int i = 0; i < 20; i++)
        expect_served_in_time();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    ck_assert_uint_eq(fx.info.target_bytes, 0);
}
END_TEST

START_TEST(clients_that_have_said_half_are_hung_up_on_in_time)
{
    int fds[2 * ARRAY_LEN(halves)];
    fx.target.silence_s = 1;
    fixture_start();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = fixture_connect();
        send_text(fds[i], halves[i / 2]);
        if (i % 2 == 0)
            (void)shutdown(fds[i], SHUT_WR);
    }
    /* The sockets' own deadline of 5 s would be an error. */
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        char text[512];
        ck_assert_int_ge(recv(fds[i], text, sizeof(text), 0), 0);
        close(fds[i]);
    }
    ck_assert_uint_eq(fx.info.target_bytes, 0);
}
END_TEST

START_TEST(a_client_that_does_not_read_holds_nobody_up)
{
    static const char request[] = "GET /vm/config HTTP/1.1\r\nHost: x\r\n\r\n";
    fixture_start();
    int fd = fixture_connect();
    /* Until the answers fill its socket, and the requests the server's. */
    while (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        ;
    for (int i = 0; i < 20; i++)
        expect_served_in_time();
    close(fd);
    expect_served_in_time();
}
END_TEST

static _Atomic unsigned answered;

/* No check in a thread: what is missing from the count says it. */
static void *ask_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        struct api_response r = {0};
        if (api_request(fx.path, "GET", "/machine-config", NULL, 5000, &r, NULL) == 0)
            answered += r.status == 200 && strstr(r.body, "vcpu_count") != NULL;
        api_response_finish(&r);
    }
    return NULL;
}

START_TEST(many_clients_at_once_are_all_answered)
{
    pthread_t threads[CONNECTION_LIMIT + 8];
    fixture_start();
    answered = 0;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(answered, 100 * ARRAY_LEN(threads));
}
END_TEST

Suite *limits_suite(void)
{
    Suite *suite = suite_create("limits");
    TCase *tc = tcase_create("limits");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, a_client_that_asks_first_is_told_to_go_on);
    tcase_add_test(tc, a_client_that_asks_for_too_much_is_not_told_to_go_on);
    tcase_add_test(tc, a_connection_is_kept_until_either_side_says_otherwise);
    tcase_add_loop_test(tc, requests_of_all_forms_are_answered, 0, (int)ARRAY_LEN(forms));
    tcase_add_loop_test(tc, a_header_has_its_limit, 0, (int)ARRAY_LEN(headers));
    tcase_add_test(tc, half_open_clients_hold_nobody_up);
    tcase_add_test(tc, clients_that_have_said_half_are_hung_up_on_in_time);
    tcase_add_test(tc, a_client_that_does_not_read_holds_nobody_up);
    tcase_add_test(tc, many_clients_at_once_are_all_answered);
    suite_add_tcase(suite, tc);
    return suite;
}
