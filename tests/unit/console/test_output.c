/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's output: to all clients, in order, whatever one of them does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/console/fixture.h"
#include "tests/unit/console/suites.h"
#include "vmm/base/clock.h"

#define HISTORY 65536u
#define MIB     (1u << 20)

START_TEST(every_client_gets_what_the_guest_writes)
{
    char text[6] = "";
    struct stat st;
    int a = fixture_connect();
    int b = fixture_connect();
    fixture_print("hello", 5);
    fixture_read(a, text, 5);
    ck_assert_str_eq(text, "hello");
    memset(text, 0, sizeof(text));
    fixture_read(b, text, 5);
    ck_assert_str_eq(text, "hello");
    ck_assert_int_eq(stat(fx.sock, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    close(a);
    /* One that left is no concern of the others. */
    fixture_print("again", 5);
    fixture_read(b, text, 5);
    ck_assert_str_eq(text, "again");
    close(b);
}
END_TEST

START_TEST(a_new_client_first_gets_the_last_64_kib)
{
    static uint8_t sent[200000];
    static uint8_t got[HISTORY + 4];
    fixture_pattern(sent, sizeof(sent), 0);
    int first = fixture_connect();
    fixture_print(sent, sizeof(sent));
    /* All has gone through when the first has the end of it. */
    static uint8_t all[sizeof(sent)];
    fixture_read(first, all, sizeof(all));
    ck_assert_int_eq(memcmp(all, sent, sizeof(sent)), 0);
    int fd = fixture_connect();
    fixture_read(fd, got, HISTORY);
    ck_assert_int_eq(memcmp(got, sent + sizeof(sent) - HISTORY, HISTORY), 0);
    fixture_print("more", 4);
    fixture_read(fd, got, 4);
    ck_assert_int_eq(memcmp(got, "more", 4), 0);
    close(first);
    close(fd);
}
END_TEST

/* What a client got: pieces of the pattern with marks between them, that say what is missing. */
static uint64_t check_pieces(const uint8_t *got, size_t len, unsigned *out_marks)
{
    static const char begin[] = "\r\n[aerostat: ";
    uint64_t position = 0;
    *out_marks = 0;
    for (size_t i = 0; i < len;) {
        uint8_t expected;
        fixture_pattern(&expected, 1, position);
        if (len - i > sizeof(begin) && memcmp(got + i, begin, sizeof(begin) - 1) == 0) {
            char *end;
            position += strtoull((const char *)got + i + sizeof(begin) - 1, &end, 10);
            ck_assert_int_eq(strncmp(end, " bytes of output are left out here]\r\n", 37), 0);
            i = (size_t)(end + 37 - (const char *)got);
            (*out_marks)++;
        } else {
            ck_assert_msg(got[i] == expected, "wrong byte at %zu", i);
            position++;
            i++;
        }
    }
    return position;
}

START_TEST(a_client_that_does_not_read_loses_output_and_stalls_nobody)
{
    static uint8_t piece[4096];
    static uint8_t got[MIB];
    uint8_t *all = malloc(4 * MIB);
    unsigned marks = 0;
    int slow = fixture_connect();
    int quick = fixture_connect();
    uint64_t start = clock_mono_ns();
    for (uint64_t at = 0; at < 4 * MIB; at += sizeof(piece)) {
        fixture_pattern(piece, sizeof(piece), at);
        fixture_print(piece, sizeof(piece));
        fixture_read(quick, all + at, sizeof(piece));
        ck_assert_int_eq(memcmp(all + at, piece, sizeof(piece)), 0);
    }
    ck_assert_uint_lt(clock_mono_ns() - start, UINT64_C(30000000000));
    size_t len = fixture_read_all(slow, got, sizeof(got), 1000);
    ck_assert_uint_eq(check_pieces(got, len, &marks), 4 * MIB);
    ck_assert_uint_ge(marks, 1);
    /* And it has all that comes now. */
    fixture_print("more", 4);
    fixture_read(slow, got, 4);
    ck_assert_int_eq(memcmp(got, "more", 4), 0);
    free(all);
    close(slow);
    close(quick);
}
END_TEST

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

START_TEST(a_guest_that_writes_without_end_leaves_the_loop_to_others)
{
    static uint8_t piece[65536];
    unsigned calls = 0;
    int fd = fixture_connect();
    uint64_t worst = 0;
    for (unsigned i = 0; i < 200; i++) {
        fixture_print(piece, sizeof(piece));
        uint64_t start = clock_mono_ns();
        ck_assert_int_eq(ev_call(fx.loop, count, &calls), 0);
        uint64_t took = clock_mono_ns() - start;
        worst = took > worst ? took : worst;
    }
    ck_assert_uint_eq(calls, 200);
    ck_assert_uint_lt(worst, UINT64_C(1000000000));
    close(fd);
}
END_TEST

START_TEST(what_was_written_last_is_in_the_log_and_with_the_clients)
{
    static uint8_t sent[50000];
    static uint8_t got[sizeof(sent)];
    int fd = fixture_connect();
    fixture_print("x", 1);
    fixture_read(fd, got, 1);
    fixture_stop();
    fixture_pattern(sent, sizeof(sent), 0);
    fixture_print(sent, sizeof(sent));
    console_server_destroy(fx.server);
    fx.server = NULL;
    fixture_read(fd, got, sizeof(got));
    ck_assert_int_eq(memcmp(got, sent, sizeof(sent)), 0);
    ck_assert_int_eq(read(fd, got, 1), 0);
    ck_assert_int_eq(fixture_size("console.log"), sizeof(sent) + 1);
    ck_assert_int_eq(access(fx.sock, F_OK), -1);
    close(fd);
    fixture_run();
}
END_TEST

START_TEST(one_client_too_many_is_told_so)
{
    int fds[CONSOLE_CLIENTS_MAX];
    char text[128] = "";
    for (unsigned i = 0; i < CONSOLE_CLIENTS_MAX; i++)
        fds[i] = fixture_connect();
    int fd = fixture_connect();
    ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
    ck_assert_ptr_nonnull(strstr(text, "as many clients as it can have"));
    ck_assert_int_eq(read(fd, text, sizeof(text)), 0);
    close(fd);
    /* A place is free again when one leaves. */
    close(fds[3]);
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    fds[3] = fixture_connect();
    fixture_print("hello", 5);
    fixture_read(fds[3], text, 5);
    ck_assert_int_eq(memcmp(text, "hello", 5), 0);
    for (unsigned i = 0; i < CONSOLE_CLIENTS_MAX; i++)
        close(fds[i]);
}
END_TEST

static uint64_t cpu_ns(void)
{
    struct timespec t;
    ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

START_TEST(without_descriptors_a_client_waits_and_the_loop_does_not_spin)
{
    struct rlimit old;
    struct rlimit none;
    char text[6] = "";
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    /* Below all that are free: no further one can be made. */
    none.rlim_cur = 3;
    fixture_print("hello", 5);
    int fd = fixture_connect();
    fixture_read(fd, text, 5);
    close(fd);
    fixture_stop();
    fd = fixture_connect();
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    fixture_run();
    uint64_t before = cpu_ns();
    (void)nanosleep(&(struct timespec){.tv_nsec = 700000000}, NULL);
    ck_assert_uint_lt(cpu_ns() - before, UINT64_C(200000000));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    memset(text, 0, sizeof(text));
    fixture_read(fd, text, 5);
    ck_assert_str_eq(text, "hello");
    close(fd);
}
END_TEST

START_TEST(a_path_that_is_taken_is_an_error_and_stays)
{
    static const struct console_server_ops ops = {0};
    struct console_server *second = NULL;
    struct console_server_spec spec = {
        .dir_fd = fx.dir_fd,
        .log_name = "other.log",
        .log_old_name = "other.log.1",
        .log_limit_bytes = 1000,
        .sock_path = fx.sock,
        .ops = &ops,
    };
    fixture_stop();
    ck_assert_int_eq(console_server_create(&spec, fx.loop, &second, &fx.err), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "console.sock: cannot be created"));
    ck_assert_int_eq(access(fx.sock, F_OK), 0);
    char deep[200];
    memset(deep, 'x', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    spec.sock_path = deep;
    ck_assert_int_eq(console_server_create(&spec, fx.loop, &second, &fx.err), -ENAMETOOLONG);
    fixture_run();
}
END_TEST

static void stop_and_teardown(void)
{
    fixture_stop();
    fixture_teardown();
}

Suite *output_suite(void)
{
    Suite *suite = suite_create("console: output");
    TCase *tcase = tcase_create("output");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, fixture_setup, stop_and_teardown);
    tcase_add_test(tcase, every_client_gets_what_the_guest_writes);
    tcase_add_test(tcase, a_new_client_first_gets_the_last_64_kib);
    tcase_add_test(tcase, a_client_that_does_not_read_loses_output_and_stalls_nobody);
    tcase_add_test(tcase, a_guest_that_writes_without_end_leaves_the_loop_to_others);
    tcase_add_test(tcase, what_was_written_last_is_in_the_log_and_with_the_clients);
    tcase_add_test(tcase, one_client_too_many_is_told_so);
    tcase_add_test(tcase, without_descriptors_a_client_waits_and_the_loop_does_not_spin);
    tcase_add_test(tcase, a_path_that_is_taken_is_an_error_and_stays);
    suite_add_tcase(suite, tcase);
    return suite;
}
