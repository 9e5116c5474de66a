/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat balloon` before a server that answers from a list: what the user is told. */
#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/cli/capture.h"
#include "tests/unit/cli/suites.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"

/* Target and actual in pages, and the time of the last change. */
struct state {
    unsigned target;
    unsigned actual;
    const char *change_ns;
    bool stalled;
    bool no_driver;
    bool waits; /* the guest has given what was asked for, the host has not released it */
};

/* The states are told in order to those who ask; the last one stays. */
struct story {
    struct state states[4];
    size_t n;
    int status;
    const char *says;  /* or the start of it, where the client measures time */
    const char *error; /* on standard error */
};

#define PAGES(mib)  ((mib)*256u)
#define LONG_AGO_NS "99000000000"

static const struct story stories[] = {
    /* Nothing changes: the time of the last change is none of this one's. */
    {{{PAGES(5), PAGES(5), LONG_AGO_NS}}, 1, CLI_OK, "balloon holds 5 MiB already\n", ""},
    {{{0, PAGES(5), LONG_AGO_NS}, {PAGES(5), PAGES(5), "0"}},
     2,
     CLI_OK,
     "balloon holds 5 MiB already\n",
     ""},
    {{{0, 0, LONG_AGO_NS}, {PAGES(5), PAGES(2), "1000000"}, {PAGES(5), PAGES(5), "1234000000"}},
     3,
     CLI_OK,
     "balloon holds 5 MiB after 1.234 s\n",
     ""},
    /* What the guest has given is not released at once. */
    {{{0, 0, LONG_AGO_NS},
      {PAGES(5), PAGES(5), "1000000", .waits = true},
      {PAGES(5), PAGES(5), "1234000000"}},
     3,
     CLI_OK,
     "balloon holds 5 MiB after 1.234 s\n",
     ""},
    /* Asked for before, and only now there: the host's time began with the first request. */
    {{{PAGES(5), PAGES(2), LONG_AGO_NS}, {PAGES(5), PAGES(5), LONG_AGO_NS}},
     2,
     CLI_OK,
     "balloon holds 5 MiB after 0.",
     ""},
    /* The guest does not follow. */
    {{{0, 0, "0"}, {PAGES(5), PAGES(2), "1"}, {PAGES(5), PAGES(3), "1", .stalled = true}},
     3,
     CLI_FAILED,
     "",
     "aerostat: error: the balloon holds 3 MiB of 5 MiB and has not moved for 3 s: the guest gives "
     "no more\n"},
    {{{PAGES(9), PAGES(9), "0"}, {PAGES(5), PAGES(7), "1", .stalled = true}},
     2,
     CLI_FAILED,
     "",
     "aerostat: error: the balloon holds 7 MiB instead of 5 MiB and has not moved for 3 s: the "
     "guest takes none back\n"},
    /* It has, at the last moment. */
    {{{0, 0, "0"}, {PAGES(5), PAGES(5), "1000000", .stalled = true}},
     2,
     CLI_OK,
     "balloon holds 5 MiB after 0.001 s\n",
     ""},
    /* It stalled on the way to what somebody else asked for meanwhile. */
    {{{0, 0, "0"}, {PAGES(6), PAGES(2), "1", .stalled = true}, {PAGES(5), PAGES(5), "2000000000"}},
     3,
     CLI_OK,
     "balloon holds 5 MiB after 2.000 s\n",
     ""},
    /* It has no driver, yet. */
    {{{0, 0, "0", .no_driver = true},
      {PAGES(5), 0, "1", .stalled = true, .no_driver = true},
      {PAGES(5), PAGES(5), "4000000000"}},
     3,
     CLI_OK,
     "balloon holds 5 MiB after 4.000 s\n",
     ""},
    {{{PAGES(5), 0, "1", .stalled = true, .no_driver = true},
      {PAGES(5), 0, "1", .stalled = true, .no_driver = true},
      {PAGES(5), PAGES(1), "1"},
      {PAGES(5), PAGES(2), "1", .stalled = true}},
     4,
     CLI_FAILED,
     "",
     "aerostat: error: the balloon holds 2 MiB of 5 MiB and has not moved for 3 s: the guest gives "
     "no more\n"},
};

static char dir[64];
static char path[100];
static int listener;

static void setup(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(dir, "/tmp/aerostat-cli-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/api.sock", dir);
    strcpy(addr.sun_path, path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(listener, 4), 0);
}

static void teardown(void)
{
    close(listener);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(dir), 0);
}

static void answer(int fd, const struct state *state)
{
    char body[300];
    char text[500];
    (void)snprintf(body, sizeof(body),
                   "{\"target_pages\":%u,\"actual_pages\":%u,\"host\":{\"form\":\"%s\","
                   "\"change_ns\":%s,\"change_done\":%s,\"change_stalled\":%s}}",
                   state->target, state->actual, state->no_driver ? "none" : "sg", state->change_ns,
                   state->target == state->actual && !state->waits ? "true" : "false",
                   state->stalled ? "true" : "false");
    int n = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(body), body);
    (void)!write(fd, text, (size_t)n);
}

static void *tell(void *arg)
{
    static const char done[] = "HTTP/1.1 204 No Content\r\n\r\n";
    const struct story *story = arg;
    size_t next = 0;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
        char request[1024] = "";
        (void)!read(fd, request, sizeof(request) - 1);
        if (strncmp(request, "PATCH", 5) == 0)
            (void)!write(fd, done, sizeof(done) - 1);
        else
            answer(fd, &story->states[next + 1 < story->n ? next++ : story->n - 1]);
    }
    return NULL;
}

START_TEST(waiting_ends_with_what_the_guest_did)
{
    char words[7][12] = {"aerostat", "balloon", "set", "5M", "--wait", "20", "--api-sock"};
    char *argv[] = {words[0], words[1], words[2], words[3], words[4],
                    words[5], words[6], path,     NULL};
    char said[200];
    char error[200];
    pthread_t thread;
    struct capture out;
    struct capture err;
    struct story story = stories[_i];
    ck_assert_int_eq(pthread_create(&thread, NULL, tell, &story), 0);
    capture_begin(&out, STDOUT_FILENO);
    capture_begin(&err, STDERR_FILENO);
    int status = cmd_dispatch(cli_commands, (int)ARRAY_LEN(argv) - 1, argv);
    capture_end(&err, error, sizeof(error));
    capture_end(&out, said, sizeof(said));
    (void)shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    ck_assert_str_eq(error, story.error);
    ck_assert_int_eq(status, story.status);
    ck_assert_msg(strncmp(said, story.says, strlen(story.says)) == 0, "%s", said);
    ck_assert_int_eq(*said == '\0', *story.says == '\0');
}
END_TEST

/* Answers one request and keeps its first line. */
struct once {
    const char *status;
    const char *body;
    char request[100];
};

static void *answer_once(void *arg)
{
    struct once *once = arg;
    int fd = accept(listener, NULL, NULL);
    char request[1024] = "";
    (void)!read(fd, request, sizeof(request) - 1);
    request[strcspn(request, "\r")] = '\0';
    (void)snprintf(once->request, sizeof(once->request), "%.99s", request);
    char text[300];
    int n = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
                     once->status, strlen(once->body), once->body);
    (void)!write(fd, text, (size_t)n);
    close(fd);
    return NULL;
}

static const struct {
    const char *words[5];
    const char *status;
    const char *body;
    const char *request;
    const char *says;
    const char *error;
} commands[] = {
    {{"balloon", "show", "--api-sock"},
     "200 OK",
     "{\"a\":1}",
     "GET /balloon/statistics HTTP/1.1",
     "a 1\n",
     ""},
    {{"balloon", "show", "--refresh", "250", "--api-sock"},
     "200 OK",
     "{\"a\":1,\"guest\":{\"reports\":2}}",
     "GET /balloon/statistics?refresh_ms=250 HTTP/1.1",
     "a 1\nreports 2\n",
     ""},
    {{"balloon", "show", "--json", "--api-sock"},
     "200 OK",
     "{\"a\":1}",
     "GET /balloon/statistics HTTP/1.1",
     "{\"a\":1}\n",
     ""},
    {{"balloon", "hint", "start", "--api-sock"},
     "204 No Content",
     "",
     "PATCH /balloon/hinting/start HTTP/1.1",
     "hinting started\n",
     ""},
    {{"balloon", "hint", "stop", "--api-sock"},
     "204 No Content",
     "",
     "PATCH /balloon/hinting/stop HTTP/1.1",
     "hinting stopped\n",
     ""},
    {{"balloon", "hint", "status", "--api-sock"},
     "200 OK",
     "{\"host_cmd\":2,\"guest_cmd\":null}",
     "GET /balloon/hinting/status HTTP/1.1",
     "host_cmd 2\n",
     ""},
    {{"balloon", "hint", "start", "--api-sock"},
     "400 Bad Request",
     "{\"fault_message\":\"off.\"}",
     "PATCH /balloon/hinting/start HTTP/1.1",
     "",
     "aerostat: error: off.\n"},
};

START_TEST(a_command_is_one_request_and_its_answer)
{
    char words[5][20];
    char name[] = "aerostat";
    char *argv[8] = {name};
    int argc = 1;
    for (size_t i = 0; i < 5 && commands[_i].words[i] != NULL; i++)
        argv[argc++] = strcpy(words[i], commands[_i].words[i]);
    argv[argc++] = path;
    argv[argc] = NULL;
    char said[200];
    char error[200];
    pthread_t thread;
    struct capture out;
    struct capture err;
    struct once once = {.status = commands[_i].status, .body = commands[_i].body};
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_once, &once), 0);
    capture_begin(&out, STDOUT_FILENO);
    capture_begin(&err, STDERR_FILENO);
    int status = cmd_dispatch(cli_commands, argc, argv);
    capture_end(&err, error, sizeof(error));
    capture_end(&out, said, sizeof(said));
    pthread_join(thread, NULL);
    ck_assert_str_eq(error, commands[_i].error);
    ck_assert_str_eq(said, commands[_i].says);
    ck_assert_str_eq(once.request, commands[_i].request);
    ck_assert_int_eq(status, *commands[_i].error == '\0' ? CLI_OK : CLI_FAILED);
}
END_TEST

Suite *balloon_suite(void)
{
    Suite *suite = suite_create("balloon");
    TCase *tc = tcase_create("balloon");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, waiting_ends_with_what_the_guest_did, 0, (int)ARRAY_LEN(stories));
    tcase_add_loop_test(tc, a_command_is_one_request_and_its_answer, 0, (int)ARRAY_LEN(commands));
    suite_add_tcase(suite, tc);
    return suite;
}
