/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat balloon set` before a server that answers from a list: what the user is told. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/cli/suites.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"

/* Target and actual in pages, and the time of the last change. */
struct state {
    unsigned target;
    unsigned actual;
    const char *change_ns;
};

/* The states are told in order to those who ask; the last one stays. */
struct story {
    struct state states[3];
    size_t n;
    const char *says; /* or the start of it, where the client measures time */
};

#define PAGES(mib)  ((mib)*256u)
#define LONG_AGO_NS "99000000000"

static const struct story stories[] = {
    /* Nothing changes: the time of the last change is none of this one's. */
    {{{PAGES(5), PAGES(5), LONG_AGO_NS}}, 1, "balloon holds 5 MiB already\n"},
    {{{0, PAGES(5), LONG_AGO_NS}, {PAGES(5), PAGES(5), "0"}}, 2, "balloon holds 5 MiB already\n"},
    {{{0, 0, LONG_AGO_NS}, {PAGES(5), PAGES(2), "1000000"}, {PAGES(5), PAGES(5), "1234000000"}},
     3,
     "balloon holds 5 MiB after 1.234 s\n"},
    /* Asked for before, and only now there: the host's time began with the first request. */
    {{{PAGES(5), PAGES(2), LONG_AGO_NS}, {PAGES(5), PAGES(5), LONG_AGO_NS}},
     2,
     "balloon holds 5 MiB after 0."},
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
    char body[200];
    char text[400];
    (void)snprintf(body, sizeof(body),
                   "{\"target_pages\":%u,\"actual_pages\":%u,\"host\":{\"change_ns\":%s}}",
                   state->target, state->actual, state->change_ns);
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

START_TEST(waiting_is_timed_only_where_something_changed)
{
    char words[6][12] = {"balloon", "set", "5M", "--wait", "5", "--api-sock"};
    char *argv[] = {words[0], words[1], words[2], words[3], words[4], words[5], path, NULL};
    char said[200] = "";
    pthread_t thread;
    struct story story = stories[_i];
    ck_assert_int_eq(pthread_create(&thread, NULL, tell, &story), 0);
    FILE *out = tmpfile();
    int old = dup(STDOUT_FILENO);
    (void)fflush(stdout);
    ck_assert_int_ge(dup2(fileno(out), STDOUT_FILENO), 0);
    int status = cli_balloon((int)ARRAY_LEN(argv) - 1, argv);
    (void)fflush(stdout);
    ck_assert_int_ge(dup2(old, STDOUT_FILENO), 0);
    close(old);
    rewind(out);
    ck_assert_ptr_nonnull(fgets(said, sizeof(said), out));
    fclose(out);
    (void)shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    ck_assert_int_eq(status, CLI_OK);
    ck_assert_msg(strncmp(said, story.says, strlen(story.says)) == 0, "%s", said);
}
END_TEST

Suite *balloon_suite(void)
{
    Suite *suite = suite_create("balloon");
    TCase *tc = tcase_create("balloon");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, waiting_is_timed_only_where_something_changed, 0,
                        (int)ARRAY_LEN(stories));
    suite_add_tcase(suite, tc);
    return suite;
}
