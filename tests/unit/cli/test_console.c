/* SPDX-License-Identifier: Apache-2.0 */
/* Input that is no terminal: each byte reaches the guest once and in order, however slow it is. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cli/suites.h"
#include "vmm/cli/console.h"

#define NS_PER_MS UINT64_C(1000000)

/* A guest that takes step bytes a call and stops the loop after want of them. */
static struct {
    size_t step;
    size_t want;
    size_t len;
    unsigned calls;
    unsigned leaves;
    uint8_t got[65536];
} guest;

static struct ev_loop *loop;
static struct ev_source *limit;
static struct console *console;
static struct err err;

static size_t take(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    guest.calls++;
    size_t n = len < guest.step ? len : guest.step;
    n = n < sizeof(guest.got) - guest.len ? n : sizeof(guest.got) - guest.len;
    memcpy(guest.got + guest.len, data, n);
    guest.len += n;
    if (guest.len >= guest.want)
        ev_loop_stop(loop);
    return n;
}

static void leave(void *arg)
{
    (void)arg;
    guest.leaves++;
}

static const struct console_ops ops = {.input = take, .leave = leave};

static void stop(void *arg)
{
    (void)arg;
    ev_loop_stop(loop);
}

static void setup(void)
{
    memset(&guest, 0, sizeof(guest));
    guest.step = 16;
    guest.want = SIZE_MAX;
    ck_assert_int_eq(ev_loop_create(&loop), 0);
    ck_assert_int_eq(ev_timer_add(loop, stop, NULL, &limit), 0);
}

static void teardown(void)
{
    console_destroy(console);
    console = NULL;
    ev_source_remove(limit);
    ev_loop_destroy(loop);
}

/* Serves fd until the guest has what it wants, at most for ms. */
static void serve(int fd, unsigned ms)
{
    int rc = console_create(fd, loop, &ops, NULL, &console, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(ev_timer_arm(limit, ms * NS_PER_MS, 0), 0);
    ck_assert_int_eq(ev_loop_run(loop), 0);
}

static void pattern(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
}

static int full_pipe(const void *bytes, size_t len)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], bytes, len), (ssize_t)len);
    close(fds[1]);
    return fds[0];
}

START_TEST(a_pipe_is_handed_on_byte_by_byte_escapes_included)
{
    int fd = full_pipe("one \001x two \001h", 12);
    guest.want = 12;
    serve(fd, 5000);
    ck_assert_uint_eq(guest.len, 12);
    ck_assert_int_eq(memcmp(guest.got, "one \001x two \001h", 12), 0);
    ck_assert_uint_eq(guest.leaves, 0);
    close(fd);
}
END_TEST

START_TEST(a_slow_guest_gets_every_byte_in_order)
{
    static uint8_t bytes[20000];
    pattern(bytes, sizeof(bytes));
    int fd = full_pipe(bytes, sizeof(bytes));
    guest.step = 97;
    guest.want = sizeof(bytes);
    serve(fd, 10000);
    ck_assert_uint_eq(guest.len, sizeof(bytes));
    ck_assert_int_eq(memcmp(guest.got, bytes, sizeof(bytes)), 0);
    close(fd);
}
END_TEST

START_TEST(a_regular_file_is_read_to_its_end)
{
    static uint8_t bytes[9000];
    pattern(bytes, sizeof(bytes));
    FILE *file = tmpfile();
    ck_assert_uint_eq(fwrite(bytes, 1, sizeof(bytes), file), sizeof(bytes));
    rewind(file);
    guest.step = 1000;
    guest.want = sizeof(bytes);
    serve(fileno(file), 10000);
    ck_assert_uint_eq(guest.len, sizeof(bytes));
    ck_assert_int_eq(memcmp(guest.got, bytes, sizeof(bytes)), 0);
    fclose(file);
}
END_TEST

START_TEST(the_end_of_input_ends_nothing_else_and_costs_nothing)
{
    int fds[] = {full_pipe("", 0), open("/dev/null", O_RDONLY)};
    serve(fds[_i], 200);
    ck_assert_uint_eq(guest.len, 0);
    ck_assert_uint_eq(guest.leaves, 0);
    ck_assert_uint_lt(guest.calls, 10);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(a_deaf_guest_and_a_closed_pipe_do_not_spin_the_loop)
{
    static uint8_t bytes[8192];
    int fd = full_pipe(bytes, sizeof(bytes));
    guest.step = 0;
    serve(fd, 400);
    ck_assert_uint_eq(guest.len, 0);
    /* A retry every 2 ms at most. */
    ck_assert_uint_lt(guest.calls, 260);
    close(fd);
}
END_TEST

START_TEST(a_byte_that_another_process_took_is_not_waited_for)
{
    /* Both hear of the one byte in the same turn of the loop; it does not arrive twice. */
    struct console *other = NULL;
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    int same = dup(fds[0]);
    ck_assert_int_eq(console_create(same, loop, &ops, NULL, &other, &err), 0);
    guest.want = 2;
    (void)alarm(5);
    serve(fds[0], 200);
    ck_assert_uint_eq(guest.len, 1);
    console_destroy(other);
    for (size_t i = 0; i < 2; i++)
        close(fds[i]);
    close(same);
}
END_TEST

START_TEST(input_that_cannot_be_watched_is_an_error)
{
    ck_assert_int_lt(console_create(-1, loop, &ops, NULL, &console, &err), 0);
    ck_assert_str_eq(err.text, "console: standard input cannot be watched: Bad file descriptor");
    console_destroy(NULL);
}
END_TEST

Suite *console_suite(void)
{
    Suite *suite = suite_create("console");
    TCase *tc = tcase_create("console");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_pipe_is_handed_on_byte_by_byte_escapes_included);
    tcase_add_test(tc, a_slow_guest_gets_every_byte_in_order);
    tcase_add_test(tc, a_regular_file_is_read_to_its_end);
    tcase_add_loop_test(tc, the_end_of_input_ends_nothing_else_and_costs_nothing, 0, 2);
    tcase_add_test(tc, a_deaf_guest_and_a_closed_pipe_do_not_spin_the_loop);
    tcase_add_test(tc, a_byte_that_another_process_took_is_not_waited_for);
    tcase_add_test(tc, input_that_cannot_be_watched_is_an_error);
    suite_add_tcase(suite, tc);
    return suite;
}
