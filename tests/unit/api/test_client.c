/* SPDX-License-Identifier: Apache-2.0 */
/* The client before servers that lie, dawdle or hang up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/api/fixture.h"
#include "vmm/base/num.h"

static struct err err;
static struct api_response response;

/* Answers one connection with bytes, whatever is asked. */
struct liar {
    const char *bytes;
    size_t len;
    bool hold; /* do not close until the client does */
    int listener;
    pthread_t thread;
};

static void *lie(void *arg)
{
    struct liar *liar = arg;
    int fd = accept(liar->listener, NULL, NULL);
    char request[4096];
    (void)!recv(fd, request, sizeof(request), 0);
    for (size_t sent = 0; sent < liar->len;) {
        ssize_t n = send(fd, liar->bytes + sent, liar->len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    if (liar->hold)
        (void)!recv(fd, request, sizeof(request), 0);
    close(fd);
    return NULL;
}

static void start_liar(struct liar *liar)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, fx.path);
    liar->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(liar->listener, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(liar->listener, 1), 0);
    ck_assert_int_eq(pthread_create(&liar->thread, NULL, lie, liar), 0);
}

static int ask(struct liar *liar, unsigned timeout_ms)
{
    start_liar(liar);
    memset(&err, 0, sizeof(err));
    int rc = api_request(fx.path, "GET", "/", NULL, timeout_ms, &response, &err);
    pthread_join(liar->thread, NULL);
    close(liar->listener);
    unlink(fx.path);
    return rc;
}

static const struct {
    const char *bytes;
    unsigned status; /* 0: refused */
    const char *body;
    const char *error;
} answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, "{}", NULL},
    {"HTTP/1.0 200 OK\r\ncontent-length:2\r\n\r\n{}", 200, "{}", NULL},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end", NULL},
    {"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", 204, "", NULL},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", 200, "{", NULL},
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, "", NULL},
    {"", 0, NULL, "the connection was closed without one"},
    {"SSH-2.0-x\r\n\r\n", 0, NULL, "no status line"},
    {"HTTP/1.1 20\r\n\r\n", 0, NULL, "no status line"},
    {"HTTP/1.1 2000 OK\r\n\r\n", 0, NULL, "no status line"},
    {"HTTP/2 200 OK\r\n\r\n", 0, NULL, "no status line"},
    {"HTTP/1.1 099 OK\r\n\r\n", 0, NULL, "no status line"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", 0, NULL, "its header does not end"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", 0, NULL, "it ends early"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}", 0, NULL, "it ends early"},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", 0, NULL,
     "a Content-Length that is no number"},
    {"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}", 0, NULL,
     "a Content-Length that is no number"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2 x\r\n\r\n{}", 0, NULL,
     "a Content-Length that is no number"},
};

START_TEST(an_answer_is_read_strictly)
{
    struct liar liar = {.bytes = answers[_i].bytes, .len = strlen(answers[_i].bytes)};
    int rc = ask(&liar, 5000);
    if (answers[_i].status != 0) {
        ck_assert_msg(rc == 0, "%s", err.text);
        ck_assert_uint_eq(response.status, answers[_i].status);
        ck_assert_str_eq(response.body, answers[_i].body);
        ck_assert_uint_eq(response.len, strlen(answers[_i].body));
        api_response_finish(&response);
    } else {
        char expected[300];
        snprintf(expected, sizeof(expected), "control socket %s: the answer is not HTTP: %s",
                 fx.path, answers[_i].error);
        ck_assert_int_eq(rc, -EPROTO);
        ck_assert_str_eq(err.text, expected);
    }
}
END_TEST

/* Those that end where they say, or cannot be told the end of: a close adds nothing. */
static const char *const framed[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n",
};

START_TEST(an_answer_ends_where_it_says_though_the_server_does_not_close)
{
    struct liar liar = {.bytes = framed[_i], .len = strlen(framed[_i]), .hold = true};
    int rc = ask(&liar, 2000);
    ck_assert_msg(rc == (_i < 2 ? 0 : -EPROTO), "%s", err.text);
    api_response_finish(&response);
}
END_TEST

START_TEST(an_answer_without_bound_is_given_up)
{
    size_t len = API_RESPONSE_LIMIT + 100;
    char *bytes = malloc(len);
    memset(bytes, 'x', len);
    struct liar liar = {.bytes = bytes, .len = len};
    ck_assert_int_eq(ask(&liar, 5000), -EFBIG);
    free(bytes);
}
END_TEST

START_TEST(a_server_that_does_not_finish_is_given_up_in_time)
{
    struct liar liar = {.bytes = "HTTP/1.1 200 OK\r\n", .len = 17, .hold = true};
    ck_assert_int_eq(ask(&liar, 100), -ETIMEDOUT);
    char expected[200];
    snprintf(expected, sizeof(expected), "control socket %s: no answer within 100 ms", fx.path);
    ck_assert_str_eq(err.text, expected);
}
END_TEST

START_TEST(a_socket_that_is_not_served_says_why)
{
    char expected[300];
    ck_assert_int_eq(api_request(fx.path, "GET", "/", NULL, 100, &response, &err), -ENOENT);
    snprintf(expected, sizeof(expected),
             "control socket %s: cannot connect: No such file or directory", fx.path);
    ck_assert_str_eq(err.text, expected);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, fx.path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
    ck_assert_int_eq(api_request(fx.path, "GET", "/", NULL, 100, &response, &err), -ECONNREFUSED);
    snprintf(expected, sizeof(expected), "control socket %s: nobody serves it: Connection refused",
             fx.path);
    ck_assert_str_eq(err.text, expected);
    unlink(fx.path);
    char longer[200] = "";
    memset(longer, 'a', 108);
    ck_assert_int_eq(api_request(longer, "GET", "/", NULL, 100, &response, &err), -ENAMETOOLONG);
}
END_TEST

START_TEST(a_call_hands_on_the_servers_fault)
{
    fixture_start();
    ck_assert_int_eq(api_call(fx.path, "PATCH", "/balloon", "{}", 5000, &response, &err),
                     -EREMOTEIO);
    ck_assert_str_eq(err.text, "request body: amount_mib: is missing");
    ck_assert_int_eq(
        api_call(fx.path, "PATCH", "/balloon", "{\"amount_mib\":3}", 5000, &response, &err), 0);
    ck_assert_uint_eq(response.status, 204);
    api_response_finish(&response);
}
END_TEST

START_TEST(an_error_without_fault_message_still_has_a_sentence)
{
    const char *bytes = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
    struct liar liar = {.bytes = bytes, .len = strlen(bytes)};
    start_liar(&liar);
    ck_assert_int_eq(api_call(fx.path, "GET", "/x", NULL, 5000, &response, &err), -EREMOTEIO);
    pthread_join(liar.thread, NULL);
    close(liar.listener);
    char expected[200];
    snprintf(expected, sizeof(expected), "control socket %s: HTTP status 500 to GET /x", fx.path);
    ck_assert_str_eq(err.text, expected);
    unlink(fx.path);
}
END_TEST

static struct api_response body_of(const char *text)
{
    return (struct api_response){
        .status = 200, .body = (char *)(uintptr_t)text, .len = strlen(text)};
}

START_TEST(figures_are_found_or_missed_by_name)
{
    struct api_response r = body_of("{\"a\":1,\"b\":{\"a\":2},\"c\":-1,\"d\":\"x\"}");
    uint64_t v = 42;
    ck_assert_int_eq(api_body_u64(&r, NULL, "a", &v, &err), 0);
    ck_assert_uint_eq(v, 1);
    ck_assert_int_eq(api_body_u64(&r, "b", "a", &v, &err), 0);
    ck_assert_uint_eq(v, 2);
    const char *const missed[][2] = {{NULL, "c"}, {NULL, "d"}, {NULL, "e"}, {"a", "a"}, {"x", "a"}};
    for (size_t i = 0; i < ARRAY_LEN(missed); i++)
        ck_assert_int_eq(api_body_u64(&r, missed[i][0], missed[i][1], &v, &err), -EPROTO);
    ck_assert_uint_eq(v, 2);
    r = body_of("[1]");
    ck_assert_int_eq(api_body_u64(&r, NULL, "a", &v, &err), -EPROTO);
    ck_assert_str_eq(err.text, "the answer of the control socket is no JSON object");
}
END_TEST

START_TEST(words_and_switches_are_compared_by_name)
{
    struct api_response r = body_of("{\"w\":\"sg\",\"b\":{\"yes\":true,\"no\":false,\"n\":1}}");
    bool same = false;
    ck_assert_int_eq(api_body_equals(&r, NULL, "w", "sg", &same, &err), 0);
    ck_assert(same);
    ck_assert_int_eq(api_body_equals(&r, NULL, "w", "pfn", &same, &err), 0);
    ck_assert(!same);
    ck_assert_int_eq(api_body_equals(&r, "b", "yes", "true", &same, &err), 0);
    ck_assert(same);
    ck_assert_int_eq(api_body_equals(&r, "b", "no", "true", &same, &err), 0);
    ck_assert(!same);
    same = true;
    ck_assert_int_eq(api_body_equals(&r, "b", "n", "1", &same, &err), -EPROTO);
    ck_assert_str_eq(err.text, "the answer of the control socket has no n");
    ck_assert_int_eq(api_body_equals(&r, NULL, "yes", "true", &same, &err), -EPROTO);
    ck_assert(same);
    r = body_of("[1]");
    ck_assert_int_eq(api_body_equals(&r, NULL, "w", "sg", &same, &err), -EPROTO);
    ck_assert_str_eq(err.text, "the answer of the control socket is no JSON object");
}
END_TEST

START_TEST(a_body_prints_as_key_and_value_lines)
{
    struct api_response r = body_of("{\"n\":1,\"yes\":true,\"host\":{\"no\":false,\"word\":\"sg\","
                                    "\"ratio\":0.5},\"nothing\":null}");
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    ck_assert_int_eq(api_body_print(&r, out, &err), 0);
    fclose(out);
    ck_assert_str_eq(text, "n 1\nyes true\nno false\nword sg\nratio 0.5\n");
    free(text);
    r = body_of("12");
    ck_assert_int_eq(api_body_print(&r, stdout, &err), -EPROTO);
}
END_TEST

Suite *client_suite(void)
{
    Suite *suite = suite_create("client");
    TCase *tc = tcase_create("client");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_loop_test(tc, an_answer_is_read_strictly, 0, (int)ARRAY_LEN(answers));
    tcase_add_loop_test(tc, an_answer_ends_where_it_says_though_the_server_does_not_close, 0,
                        (int)ARRAY_LEN(framed));
    tcase_add_test(tc, an_answer_without_bound_is_given_up);
    tcase_add_test(tc, a_server_that_does_not_finish_is_given_up_in_time);
    tcase_add_test(tc, a_socket_that_is_not_served_says_why);
    tcase_add_test(tc, a_call_hands_on_the_servers_fault);
    tcase_add_test(tc, an_error_without_fault_message_still_has_a_sentence);
    tcase_add_test(tc, figures_are_found_or_missed_by_name);
    tcase_add_test(tc, words_and_switches_are_compared_by_name);
    tcase_add_test(tc, a_body_prints_as_key_and_value_lines);
    suite_add_tcase(suite, tc);
    return suite;
}
