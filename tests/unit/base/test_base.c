/* SPDX-License-Identifier: Apache-2.0 */
/* Checked arithmetic, error sentences, scope-based cleanup, and the budget of guest-triggered
 * messages. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tests/support/check_main.h"
#include "tests/unit/base/suites.h"
#include "vmm/base/cleanup.h"
#include "vmm/base/clock.h"
#include "vmm/base/err.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"

START_TEST(sums_that_do_not_fit_are_refused)
{
    uint64_t out = 7;
    ck_assert(add_u64(UINT64_MAX - 1, 1, &out));
    ck_assert_uint_eq(out, UINT64_MAX);
    ck_assert(!add_u64(UINT64_MAX, 1, &out));
    ck_assert(!align_up(UINT64_MAX - 10, 4096, &out));
    ck_assert(align_up(4097, 4096, &out));
    ck_assert_uint_eq(out, 8192);
    ck_assert_uint_eq(align_down(8191, 4096), 4096);
    ck_assert_uint_eq(sub_sat_u64(3, 5), 0);
    ck_assert_uint_eq(sub_sat_u64(5, 3), 2);
}
END_TEST

START_TEST(an_error_keeps_its_code_and_its_sentence)
{
    struct err err = {{0}};
    ck_assert_int_eq(err_set(&err, -EINVAL, "%s: %d is below %d", "vcpus", 0, 1), -EINVAL);
    ck_assert_str_eq(err.text, "vcpus: 0 is below 1");
    ck_assert_int_eq(err_sys(&err, -ENOENT, "%s", "vm.json"), -ENOENT);
    ck_assert_str_eq(err.text, "vm.json: No such file or directory");
    ck_assert_int_eq(err_set(NULL, -EIO, "nobody listens"), -EIO);
}
END_TEST

START_TEST(a_sentence_longer_than_its_room_is_cut_not_overrun)
{
    struct err err;
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    ck_assert_int_eq(err_sys(&err, -EIO, "%s", text), -EIO);
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
}
END_TEST

static int open_and_leave(bool keep, int *out_seen)
{
    AUTO_FD int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    *out_seen = fd;
    return keep ? take_fd(&fd) : -1;
}

START_TEST(a_descriptor_is_closed_at_the_end_of_its_scope_unless_it_is_taken)
{
    int seen;
    ck_assert_int_eq(open_and_leave(false, &seen), -1);
    ck_assert_int_eq(fcntl(seen, F_GETFD), -1);
    int kept = open_and_leave(true, &seen);
    ck_assert_int_eq(kept, seen);
    ck_assert_int_ge(fcntl(kept, F_GETFD), 0);
    fd_close(&kept);
    ck_assert_int_eq(kept, -1);
}
END_TEST

START_TEST(messages_over_the_budget_are_held_back_and_counted)
{
    struct log_limit limit = {0};
    uint32_t suppressed = 99;
    for (uint32_t i = 0; i < LOG_LIMIT_BURST; i++) {
        ck_assert(log_limit_pass(&limit, &suppressed));
        ck_assert_uint_eq(suppressed, 0);
    }
    for (int i = 0; i < 3; i++)
        ck_assert(!log_limit_pass(&limit, &suppressed));
    /* A second later the budget is there again, and tells what was lost. */
    limit.window_start_ns -= UINT64_C(1000000000);
    ck_assert(log_limit_pass(&limit, &suppressed));
    ck_assert_uint_eq(suppressed, 3);
}
END_TEST

/* Standard error becomes a pipe that nobody reads; returns the reading end. */
static int unread_stderr(void)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
    close(fds[1]);
    return fds[0];
}

START_TEST(a_full_standard_error_loses_messages_and_holds_up_nobody)
{
    int reader = unread_stderr();
    for (int i = 0; i < 10000; i++)
        log_error("%d: as many lines as no pipe holds, which nobody reads", i);
    close(reader);
}
END_TEST

START_TEST(the_level_holds_for_limited_messages_too)
{
    struct log_limit limit = {0};
    char text[256];
    int reader = unread_stderr();
    log_set_level(LOG_ERROR);
    log_limited(&limit, "held back");
    log_set_level(LOG_WARN);
    log_limited(&limit, "let %s", "through");
    ssize_t got = read(reader, text, sizeof(text) - 1);
    ck_assert_int_gt(got, 0);
    text[got] = '\0';
    ck_assert_str_eq(text, "aerostat: warning: let through\n");
    close(reader);
}
END_TEST

START_TEST(clocks_advance)
{
    uint64_t first = clock_mono_ns();
    ck_assert_uint_ge(clock_mono_ns(), first);
    ck_assert_uint_gt(first, 0);
}
END_TEST

static Suite *base_suite(void)
{
    Suite *suite = suite_create("base");
    TCase *tc = tcase_create("base");
    tcase_add_test(tc, sums_that_do_not_fit_are_refused);
    tcase_add_test(tc, an_error_keeps_its_code_and_its_sentence);
    tcase_add_test(tc, a_sentence_longer_than_its_room_is_cut_not_overrun);
    tcase_add_test(tc, a_descriptor_is_closed_at_the_end_of_its_scope_unless_it_is_taken);
    tcase_add_test(tc, messages_over_the_budget_are_held_back_and_counted);
    tcase_add_test(tc, a_full_standard_error_loses_messages_and_holds_up_nobody);
    tcase_add_test(tc, the_level_holds_for_limited_messages_too);
    tcase_add_test(tc, clocks_advance);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    Suite *(*const suites[])(void) = {base_suite, bucket_suite, log_suite};
    return check_run(suites, ARRAY_LEN(suites));
}
