/* SPDX-License-Identifier: Apache-2.0 */
/* Where messages go, and what a line of them looks like. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check_main.h"
#include "tests/unit/base/suites.h"
#include "vmm/base/cleanup.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"

#define TIME "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{9}"

static char folder[64];
static char log_path[96];

static void make_folder(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/aerostat-log-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
}

static void remove_folder(void)
{
    log_close();
    (void)unlink(log_path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void open_log(void)
{
    struct err err = {0};
    ck_assert_msg(log_open(log_path, &err) == 0, "%s", err.text);
}

/* All that the log holds; a string. */
static const char *logged(void)
{
    static char text[8192];
    AUTO_FD int fd = open(log_path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    ck_assert_int_ge(got, 0);
    text[got] = '\0';
    return text;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t compiled;
    ck_assert_int_eq(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
    ck_assert_msg(regexec(&compiled, text, 0, NULL, 0) == 0, "\"%s\" is not %s", text, pattern);
    regfree(&compiled);
}

START_TEST(level_names_are_known_in_any_case_of_letters)
{
    static const struct {
        const char *text;
        enum log_level level;
        const char *name;
    } known[] = {
        {"off", LOG_OFF, "Off"},       {"Error", LOG_ERROR, "Error"}, {"WARN", LOG_WARN, "Warn"},
        {"Warning", LOG_WARN, "Warn"}, {"info", LOG_INFO, "Info"},    {"Debug", LOG_DEBUG, "Debug"},
        {"tRACE", LOG_DEBUG, "Debug"},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        enum log_level level = LOG_INFO;
        ck_assert_int_eq(log_parse_level(known[i].text, &level), 0);
        ck_assert_int_eq(level, known[i].level);
        ck_assert_str_eq(log_level_name(level), known[i].name);
    }
    static const char *const unknown[] = {"", "warnings", "inf", " info", "0"};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        enum log_level level = LOG_INFO;
        ck_assert_int_eq(log_parse_level(unknown[i], &level), -EINVAL);
        ck_assert_int_eq(level, LOG_INFO);
    }
}
END_TEST

START_TEST(lines_in_a_file_have_the_form_of_firecracker)
{
    open_log();
    log_warn("%d pages", 7);
    assert_matches(logged(), "^" TIME " \\[anonymous-instance:main\\] 7 pages\n$");
    log_set_id("vm-1");
    log_set_format(true, false);
    log_error("gone");
    assert_matches(logged(), "\n" TIME " \\[vm-1:main:ERROR\\] gone\n$");
    log_set_format(true, true);
    log_warn("here");
    assert_matches(logged(), " \\[vm-1:main:WARN:tests/unit/base/test_log\\.c:[0-9]+\\] here\n$");
    log_set_format(false, true);
    log_warn("there");
    assert_matches(logged(), " \\[vm-1:main:tests/unit/base/test_log\\.c:[0-9]+\\] there\n$");
}
END_TEST

START_TEST(a_level_below_the_set_one_and_any_when_off_is_not_written)
{
    open_log();
    log_set_level(LOG_INFO);
    log_debug("one");
    log_info("two");
    log_set_level(LOG_OFF);
    log_error("three");
    log_msg(LOG_OFF, "no level of a message");
    assert_matches(logged(), "^[^\n]* two\n$");
    struct log_counts counts;
    log_counts(&counts);
    ck_assert_uint_eq(counts.lost, 0);
}
END_TEST

START_TEST(a_file_is_appended_to_and_a_new_one_of_that_name_taken_on_demand)
{
    char moved[112];
    open_log();
    log_warn("first");
    log_close();
    open_log();
    log_warn("second");
    assert_matches(logged(), "^[^\n]* first\n[^\n]* second\n$");
    (void)snprintf(moved, sizeof(moved), "%s.1", log_path);
    ck_assert_int_eq(rename(log_path, moved), 0);
    log_warn("third, to the file that was moved");
    open_log();
    log_warn("fourth");
    assert_matches(logged(), "^[^\n]* fourth\n$");
    ck_assert_int_eq(unlink(moved), 0);
}
END_TEST

START_TEST(a_message_is_one_line_of_bounded_length)
{
    char text[4000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    open_log();
    log_set_id("a\nb, and more characters than an identifier may have: 0123456789 0123456789");
    log_set_raw_terminal(true);
    log_warn("a\n2026-01-01 [x] b\x1b[2J\r%c", 0x7f);
    log_warn("%s", text);
    log_set_raw_terminal(false);
    const char *all = logged();
    assert_matches(all,
                   "^" TIME " \\[a\\?b, [^\n]*:main\\] a\\?2026-01-01 \\[x\\] b\\?\\[2J\\?\\?\n"
                   "[^\n]* x+\n$");
    ck_assert_uint_le(strlen(strchr(all, '\n') + 1), 1280);
}
END_TEST

START_TEST(an_unread_fifo_keeps_what_fits_and_counts_what_does_not)
{
    struct log_counts counts;
    char first[16];
    ck_assert_int_eq(mkfifo(log_path, 0600), 0);
    open_log();
    for (int i = 0; i < 10000; i++)
        log_error("%d: as many lines as no pipe holds, which nobody reads", i);
    log_counts(&counts);
    ck_assert_uint_gt(counts.lost, 0);
    ck_assert_uint_lt(counts.lost, 10000);
    AUTO_FD int reader = open(log_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_eq(read(reader, first, sizeof(first)), sizeof(first));
    assert_matches(logged(), ": as many lines as no pipe holds");
    log_error("there is room again");
    uint64_t before = counts.lost;
    log_counts(&counts);
    ck_assert_uint_eq(counts.lost, before);
}
END_TEST

START_TEST(a_fifo_whose_reader_has_gone_raises_no_signal)
{
    ck_assert_int_eq(mkfifo(log_path, 0600), 0);
    int reader = open(log_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(reader, 0);
    open_log();
    log_error("read");
    close(reader);
    log_error("for the next reader");
    assert_matches(logged(), "^[^\n]* read\n[^\n]* for the next reader\n$");
}
END_TEST

START_TEST(a_log_that_cannot_be_opened_is_named_and_the_old_one_stays)
{
    struct err err = {0};
    char wrong[112];
    (void)snprintf(wrong, sizeof(wrong), "%s/no/log", folder);
    ck_assert_int_eq(log_open(wrong, &err), -ENOENT);
    ck_assert_ptr_eq(strstr(err.text, wrong), err.text);
    ck_assert_ptr_nonnull(strstr(err.text, ": cannot be opened for writing: No such file"));
    ck_assert_int_eq(log_open(folder, &err), -EISDIR);
    open_log();
    ck_assert_int_eq(log_open(folder, &err), -EISDIR);
    log_warn("still here");
    assert_matches(logged(), " still here\n$");
}
END_TEST

START_TEST(what_a_budget_holds_back_is_counted)
{
    struct log_limit limit = {0};
    struct log_counts counts;
    open_log();
    for (unsigned i = 0; i < LOG_LIMIT_BURST + 3; i++)
        log_limited(&limit, "again");
    log_counts(&counts);
    ck_assert_uint_eq(counts.rate_limited, 3);
    ck_assert_uint_eq(counts.lost, 0);
    log_set_level(LOG_ERROR);
    log_limited(&limit, "not wanted");
    log_counts(&counts);
    ck_assert_uint_eq(counts.rate_limited, 3);
}
END_TEST

static _Atomic bool enough;

static void *log_until_enough(void *arg)
{
    (void)pthread_setname_np(pthread_self(), arg);
    while (!atomic_load_explicit(&enough, memory_order_relaxed))
        log_info("%s", (const char *)arg);
    return NULL;
}

/* With ThreadSanitizer this also says that nobody reads what another writes. */
START_TEST(level_form_and_file_change_while_others_log)
{
    static char names[2][8] = {"vcpu0", "reclaim"};
    pthread_t threads[2];
    log_set_level(LOG_INFO);
    open_log();
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_until_enough, names[i]), 0);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(unlink(log_path), 0);
        open_log();
        log_set_format(i % 2 == 0, true);
        log_set_level(i % 3 == 0 ? LOG_WARN : LOG_INFO);
    }
    log_set_format(true, false);
    log_set_level(LOG_INFO);
    while (strlen(logged()) < 4096)
        usleep(100);
    atomic_store_explicit(&enough, true, memory_order_relaxed);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    assert_matches(logged(), "\n" TIME " \\[anonymous-instance:(vcpu0:INFO\\] vcpu0|"
                             "reclaim:INFO\\] reclaim)\n");
    ck_assert_ptr_null(strstr(logged(), "main"));
    struct log_counts counts;
    log_counts(&counts);
    ck_assert_uint_eq(counts.lost, 0);
}
END_TEST

Suite *log_suite(void)
{
    Suite *suite = suite_create("log");
    TCase *tc = tcase_create("log");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, level_names_are_known_in_any_case_of_letters);
    tcase_add_test(tc, lines_in_a_file_have_the_form_of_firecracker);
    tcase_add_test(tc, a_level_below_the_set_one_and_any_when_off_is_not_written);
    tcase_add_test(tc, a_file_is_appended_to_and_a_new_one_of_that_name_taken_on_demand);
    tcase_add_test(tc, a_message_is_one_line_of_bounded_length);
    tcase_add_test(tc, an_unread_fifo_keeps_what_fits_and_counts_what_does_not);
    tcase_add_test(tc, a_fifo_whose_reader_has_gone_raises_no_signal);
    tcase_add_test(tc, a_log_that_cannot_be_opened_is_named_and_the_old_one_stays);
    tcase_add_test(tc, what_a_budget_holds_back_is_counted);
    tcase_add_test(tc, level_form_and_file_change_while_others_log);
    suite_add_tcase(suite, tc);
    return suite;
}
