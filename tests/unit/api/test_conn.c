/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that is kept: what it does before servers that keep it, end it, or dawdle. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/api/fixture.h"
#include "vmm/api_client/conn.h"
#include "vmm/base/num.h"

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

static struct err err;
static struct api_response response;
static int listener;
static int served = -1;

static void setup(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, fx.path);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(listener, 4), 0);
    memset(&err, 0, sizeof(err));
}

static void teardown(void)
{
    close(listener);
    if (served >= 0)
        close(served);
    served = -1;
    unlink(fx.path);
}

/* Takes the next connection, where none is served, and reads a request from it. */
static void hear(char *request, size_t size)
{
    if (served < 0)
        served = accept(listener, NULL, NULL);
    ssize_t n = recv(served, request, size - 1, 0);
    ck_assert_int_gt(n, 0);
    request[n] = '\0';
}

static void say(const char *text)
{
    ck_assert_int_eq(send(served, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void hang_up(void)
{
    close(served);
    served = -1;
}

static struct api_conn *create(void)
{
    struct api_conn *conn = NULL;
    ck_assert_int_eq(api_conn_create(fx.path, &conn), 0);
    ck_assert_int_eq(api_conn_fd(conn), -1);
    return conn;
}

static void expect_answer(struct api_conn *conn, const char *body)
{
    int rc = api_conn_receive(conn, &response, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_uint_eq(response.status, 200);
    ck_assert_str_eq(response.body, body);
    ck_assert_int_eq(api_conn_fd(conn), -1);
    api_response_finish(&response);
}

START_TEST(one_connection_serves_many_requests)
{
    char request[1024];
    struct api_conn *conn = create();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(api_conn_ask(conn, "/x", &err), 0);
        ck_assert_int_ge(api_conn_fd(conn), 0);
        ck_assert_int_eq(api_conn_receive(conn, &response, &err), -EAGAIN);
        hear(request, sizeof(request));
        ck_assert_int_eq(strncmp(request, "GET /x HTTP/1.1\r\n", 17), 0);
        ck_assert_ptr_nonnull(strstr(request, "\r\nConnection: keep-alive\r\n"));
        say(GOOD);
        expect_answer(conn, "{}");
    }
    api_conn_destroy(conn);
}
END_TEST

START_TEST(an_answer_may_come_in_pieces_and_be_large)
{
    char request[1024];
    char head[100];
    static char body[100001];
    memset(body, 'x', sizeof(body) - 1);
    struct api_conn *conn = create();
    ck_assert_int_eq(api_conn_ask(conn, "/", &err), 0);
    hear(request, sizeof(request));
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                   strlen(body));
    say(head);
    ck_assert_int_eq(api_conn_receive(conn, &response, &err), -EAGAIN);
    for (size_t i = 0; i + 10000 < strlen(body); i += 10000) {
        ck_assert_int_eq(send(served, body + i, 10000, 0), 10000);
        ck_assert_int_eq(api_conn_receive(conn, &response, &err), -EAGAIN);
    }
    ck_assert_int_eq(send(served, body, 10000, 0), 10000);
    expect_answer(conn, body);
    api_conn_destroy(conn);
}
END_TEST

START_TEST(an_idle_connection_that_was_ended_is_made_anew)
{
    char request[1024];
    struct api_conn *conn = create();
    ck_assert_int_eq(api_conn_ask(conn, "/1", &err), 0);
    hear(request, sizeof(request));
    say(GOOD);
    expect_answer(conn, "{}");
    hang_up();
    ck_assert_int_eq(api_conn_ask(conn, "/2", &err), 0);
    ck_assert_int_eq(api_conn_receive(conn, &response, &err), -EAGAIN);
    hear(request, sizeof(request));
    ck_assert_int_eq(strncmp(request, "GET /2 ", 7), 0);
    say(GOOD);
    expect_answer(conn, "{}");
    api_conn_destroy(conn);
}
END_TEST

static const struct {
    const char *says;
    int rc;
    const char *error;
} liars[] = {
    {"", -EPROTO, "the connection was closed without one"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", -EPROTO, "it ends early"},
    {"SSH\r\n\r\n", -EPROTO, "no status line"},
    {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", -EPROTO, "a Content-Length that is no number"},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", 0, "until the end"},
};

START_TEST(a_server_that_hangs_up_has_answered_or_not)
{
    char request[1024];
    struct api_conn *conn = create();
    ck_assert_int_eq(api_conn_ask(conn, "/", &err), 0);
    hear(request, sizeof(request));
    if (*liars[_i].says != '\0')
        say(liars[_i].says);
    hang_up();
    int rc = api_conn_receive(conn, &response, &err);
    ck_assert_int_eq(rc, liars[_i].rc);
    ck_assert_ptr_nonnull(strstr(rc == 0 ? response.body : err.text, liars[_i].error));
    ck_assert_int_eq(api_conn_fd(conn), -1);
    api_response_finish(&response);
    api_conn_destroy(conn);
}
END_TEST

START_TEST(an_answer_without_end_is_refused)
{
    char request[1024];
    static char bytes[65536];
    int rc = -EAGAIN;
    memset(bytes, 'x', sizeof(bytes));
    struct api_conn *conn = create();
    ck_assert_int_eq(api_conn_ask(conn, "/", &err), 0);
    hear(request, sizeof(request));
    for (int i = 0; i < 100 && rc == -EAGAIN; i++) {
        ck_assert_int_gt(send(served, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT), 0);
        rc = api_conn_receive(conn, &response, &err);
    }
    ck_assert_int_eq(rc, -EFBIG);
    api_conn_destroy(conn);
}
END_TEST

START_TEST(a_question_that_is_given_up_gets_no_late_answer)
{
    char request[1024];
    struct api_conn *conn = create();
    ck_assert_int_eq(api_conn_ask(conn, "/1", &err), 0);
    hear(request, sizeof(request));
    ck_assert_int_eq(api_conn_ask(conn, "/2", &err), 0);
    hang_up();
    hear(request, sizeof(request));
    ck_assert_int_eq(strncmp(request, "GET /2 ", 7), 0);
    say(GOOD);
    expect_answer(conn, "{}");
    api_conn_destroy(conn);
}
END_TEST

START_TEST(nobody_there_is_an_error_at_once)
{
    struct api_conn *conn = NULL;
    ck_assert_int_eq(api_conn_create("/nonexistent/socket", &conn), 0);
    ck_assert_int_eq(api_conn_ask(conn, "/", &err), -ENOENT);
    ck_assert_int_eq(api_conn_fd(conn), -1);
    api_conn_destroy(conn);
    api_conn_destroy(NULL);
}
END_TEST

Suite *conn_suite(void)
{
    Suite *suite = suite_create("conn");
    TCase *tc = tcase_create("conn");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, one_connection_serves_many_requests);
    tcase_add_test(tc, an_answer_may_come_in_pieces_and_be_large);
    tcase_add_test(tc, an_idle_connection_that_was_ended_is_made_anew);
    tcase_add_loop_test(tc, a_server_that_hangs_up_has_answered_or_not, 0, (int)ARRAY_LEN(liars));
    tcase_add_test(tc, an_answer_without_end_is_refused);
    tcase_add_test(tc, a_question_that_is_given_up_gets_no_late_answer);
    tcase_add_test(tc, nobody_there_is_an_error_at_once);
    suite_add_tcase(suite, tc);
    return suite;
}
