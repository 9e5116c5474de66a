/* SPDX-License-Identifier: Apache-2.0 */
/* What clients write: every byte reaches the guest, at its pace. */
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/console/fixture.h"
#include "tests/unit/console/suites.h"

START_TEST(a_slow_guest_gets_every_byte_in_order)
{
    static uint8_t sent[20000];
    fixture_pattern(sent, sizeof(sent), 0);
    atomic_store(&fx.step, 97);
    int fd = fixture_connect();
    ck_assert_int_eq(write(fd, sent, sizeof(sent)), sizeof(sent));
    fixture_await_input(sizeof(sent));
    ck_assert_int_eq(memcmp(fx.input, sent, sizeof(sent)), 0);
    close(fd);
}
END_TEST

START_TEST(who_only_writes_and_goes_is_heard_to_the_end)
{
    static uint8_t sent[5000];
    char text[5];
    fixture_pattern(sent, sizeof(sent), 0);
    /* There is output that it will not take. */
    int fd = fixture_connect();
    fixture_print("hello", 5);
    fixture_read(fd, text, 5);
    close(fd);
    fd = fixture_connect();
    ck_assert_int_eq(write(fd, sent, sizeof(sent)), sizeof(sent));
    close(fd);
    fixture_await_input(sizeof(sent));
    ck_assert_int_eq(memcmp(fx.input, sent, sizeof(sent)), 0);
}
END_TEST

START_TEST(who_has_written_all_still_reads)
{
    char text[6] = "";
    int fd = fixture_connect();
    ck_assert_int_eq(write(fd, "ls\n", 3), 3);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    fixture_await_input(3);
    fixture_print("hello", 5);
    fixture_read(fd, text, 5);
    ck_assert_str_eq(text, "hello");
    close(fd);
}
END_TEST

START_TEST(who_does_not_read_is_heard_and_leaves_its_place)
{
    int fds[CONSOLE_CLIENTS_MAX];
    char text[6] = "";
    fixture_print("hello", 5);
    for (unsigned i = 0; i < CONSOLE_CLIENTS_MAX; i++) {
        fds[i] = fixture_connect();
        fixture_read(fds[i], text, 5);
        ck_assert_int_eq(shutdown(fds[i], SHUT_RD), 0);
    }
    /* Output that none of them takes. */
    fixture_print("hello", 5);
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    ck_assert_int_eq(write(fds[0], "ls\n", 3), 3);
    fixture_await_input(3);
    for (unsigned i = 0; i < CONSOLE_CLIENTS_MAX; i++)
        close(fds[i]);
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    int fd = fixture_connect();
    fixture_read(fd, text, 5);
    ck_assert_str_eq(text, "hello");
    close(fd);
}
END_TEST

START_TEST(a_guest_that_does_not_listen_holds_up_only_who_writes)
{
    uint8_t bytes[4000] = {0};
    char text[6] = "";
    atomic_store(&fx.step, 0);
    int writer = fixture_connect();
    int reader = fixture_connect();
    ck_assert_int_eq(write(writer, bytes, sizeof(bytes)), sizeof(bytes));
    fixture_print("hello", 5);
    fixture_read(reader, text, 5);
    ck_assert_str_eq(text, "hello");
    ck_assert_uint_eq(atomic_load(&fx.taken), 0);
    /* It gets all of it when it does. */
    atomic_store(&fx.step, 1000);
    fixture_await_input(sizeof(bytes));
    close(writer);
    close(reader);
}
END_TEST

START_TEST(who_is_gone_leaves_its_place_though_the_guest_does_not_listen)
{
    uint8_t bytes[4000] = {0};
    char text[6] = "";
    atomic_store(&fx.step, 0);
    for (unsigned i = 0; i < CONSOLE_CLIENTS_MAX; i++) {
        int fd = fixture_connect();
        ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
        close(fd);
    }
    (void)nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
    fixture_print("hello", 5);
    int fd = fixture_connect();
    fixture_read(fd, text, 5);
    ck_assert_str_eq(text, "hello");
    close(fd);
}
END_TEST

static void stop_and_teardown(void)
{
    fixture_stop();
    fixture_teardown();
}

Suite *input_suite(void)
{
    Suite *suite = suite_create("console: input");
    TCase *tcase = tcase_create("input");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, fixture_setup, stop_and_teardown);
    tcase_add_test(tcase, a_slow_guest_gets_every_byte_in_order);
    tcase_add_test(tcase, who_only_writes_and_goes_is_heard_to_the_end);
    tcase_add_test(tcase, who_has_written_all_still_reads);
    tcase_add_test(tcase, who_does_not_read_is_heard_and_leaves_its_place);
    tcase_add_test(tcase, a_guest_that_does_not_listen_holds_up_only_who_writes);
    tcase_add_test(tcase, who_is_gone_leaves_its_place_though_the_guest_does_not_listen);
    suite_add_tcase(suite, tcase);
    return suite;
}
