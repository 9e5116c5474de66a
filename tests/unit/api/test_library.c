/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP library: when it is loaded, and what becomes of clients when it cannot be. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/api/fixture.h"
#include "vmm/api/library.h"
#include "vmm/base/log.h"

static struct rlimit descriptors;

static void setup(void)
{
    fixture_setup();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
    log_set_level(LOG_OFF);
}

static void teardown(void)
{
    (void)setrlimit(RLIMIT_NOFILE, &descriptors);
    log_set_level(LOG_WARN);
    fixture_teardown();
}

/* From now on so many descriptors can be opened. */
static void leave_descriptors(unsigned count)
{
    int next = dup(STDIN_FILENO);
    ck_assert_int_ge(next, 0);
    close(next);
    struct rlimit few = {.rlim_cur = (rlim_t)next + count, .rlim_max = descriptors.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static bool is_loaded(void)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    ck_assert_ptr_nonnull(maps);
    while (!found && fgets(line, sizeof(line), maps) != NULL)
        found = strstr(line, "libmicrohttpd") != NULL || strstr(line, "libgnutls") != NULL;
    fclose(maps);
    return found;
}

/* A client that has sent its request. */
static int send_request(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    int fd = fixture_connect();
    ck_assert_int_eq(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    return fd;
}

static void nothing(void *arg)
{
    (void)arg;
}

START_TEST(the_library_is_loaded_for_the_first_client)
{
    /* Without fork() for each test an earlier one has loaded it. */
    bool before = is_loaded();
    fixture_start();
    ck_assert_int_eq(is_loaded(), before);
    struct api_response r = {0};
    fixture_ask("GET", "/", NULL, &r);
    ck_assert_uint_eq(r.status, 200);
    api_response_finish(&r);
    ck_assert(is_loaded());
}
END_TEST

START_TEST(who_connects_before_the_loop_runs_is_served)
{
    char answer[2048];
    fixture_open();
    int first = send_request();
    int second = send_request();
    fixture_run();
    fixture_receive(first, answer, sizeof(answer));
    ck_assert_msg(strncmp(answer, "HTTP/1.1 200 ", 13) == 0, "%s", answer);
    fixture_receive(second, answer, sizeof(answer));
    ck_assert_msg(strncmp(answer, "HTTP/1.1 200 ", 13) == 0, "%s", answer);
}
END_TEST

START_TEST(a_library_that_is_loaded_beforehand_is_not_loaded_again)
{
    struct api_library first, second;
    struct err err = {0};
    ck_assert_int_eq(api_server_preload(&err), 0);
    ck_assert(is_loaded());
    ck_assert_int_eq(api_library_load(&first, &err), 0);
    ck_assert_int_eq(api_library_load(&second, &err), 0);
    ck_assert_mem_eq(&first, &second, sizeof(first));
    ck_assert_str_eq(err.text, "");
}
END_TEST

START_TEST(a_missing_library_is_named_with_what_to_install)
{
    struct api_library library;
    struct err err = {0};
    ck_assert_int_eq(api_library_load_as("libaerostat-none.so.1", &library, &err), -ENOENT);
    ck_assert_str_eq(err.text, "the HTTP library cannot be loaded: libaerostat-none.so.1: cannot "
                               "open shared object file: No such file or directory: install "
                               "libaerostat-none.so.1 (Debian: libmicrohttpd12)");
}
END_TEST

START_TEST(a_library_that_lacks_a_function_is_refused)
{
    struct api_library library;
    struct err err = {0};
    ck_assert_int_eq(api_library_load_as("libc.so.6", &library, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "undefined symbol: MHD_"));
}
END_TEST

START_TEST(a_client_whose_server_cannot_start_is_told_and_the_next_one_is_served)
{
    static const char head[] = "HTTP/1.1 503 Service Unavailable\r\n";
    char answer[2048];
    fixture_open();
    int first = send_request();
    /* One: enough to load the library, and to accept a client; not for the library's own. */
    leave_descriptors(1);
    fixture_run();
    fixture_receive(first, answer, sizeof(answer));
    /* Who connects while clients are being refused is, too. */
    ck_assert_int_eq(ev_call(fx.loop, nothing, NULL), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
    ck_assert_msg(strncmp(answer, head, strlen(head)) == 0, "%s", answer);
    ck_assert_msg(
        strstr(answer, "\r\n\r\n{\"fault_message\":\"the HTTP server cannot be started") != NULL,
        "%s", answer);
    fixture_receive(send_request(), answer, sizeof(answer));
    ck_assert_msg(strncmp(answer, "HTTP/1.1 200 ", 13) == 0, "%s", answer);
}
END_TEST

START_TEST(a_client_waits_while_there_is_no_descriptor_to_hang_up_with)
{
    char answer[2048];
    fixture_open();
    int first = send_request();
    leave_descriptors(0);
    fixture_run();
    ck_assert_int_eq(usleep(50000), 0);
    ck_assert_int_eq(recv(first, answer, sizeof(answer), MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
    fixture_receive(first, answer, sizeof(answer));
    ck_assert_msg(strncmp(answer, "HTTP/1.1 200 ", 13) == 0, "%s", answer);
}
END_TEST

Suite *library_suite(void)
{
    Suite *suite = suite_create("api: the HTTP library");
    TCase *tc = tcase_create("library");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_library_is_loaded_for_the_first_client);
    tcase_add_test(tc, who_connects_before_the_loop_runs_is_served);
    tcase_add_test(tc, a_library_that_is_loaded_beforehand_is_not_loaded_again);
    tcase_add_test(tc, a_missing_library_is_named_with_what_to_install);
    tcase_add_test(tc, a_library_that_lacks_a_function_is_refused);
    tcase_add_test(tc, a_client_whose_server_cannot_start_is_told_and_the_next_one_is_served);
    tcase_add_test(tc, a_client_waits_while_there_is_no_descriptor_to_hang_up_with);
    suite_add_tcase(suite, tc);
    return suite;
}
