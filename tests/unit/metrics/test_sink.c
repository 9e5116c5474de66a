/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of metrics in files and FIFOs: whole ones, none twice, and nobody waits. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check_main.h"
#include "tests/unit/metrics/fixture.h"
#include "tests/unit/metrics/suites.h"
#include "vmm/base/cleanup.h"
#include "vmm/metrics/sink.h"

static char folder[64];
static char path[96];
static struct metrics_sink *sink;
static struct metrics_sample now;
static struct metrics_sink_counts counts;
static char text[4 << 20]; /* read so far */
static size_t len;

static void setup(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/aerostat-metrics-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/metrics", folder);
    fixture_fill(&now);
    now.log.lost = 0;
    sink = NULL;
    len = 0;
}

static void teardown(void)
{
    metrics_sink_destroy(sink);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void open_sink(void)
{
    struct err err = {0};
    ck_assert_msg(metrics_sink_create(path, &sink, &err) == 0, "%s", err.text);
}

/* Flushes what says that so many messages were lost since the start. */
static int flush(uint64_t lost)
{
    now.log.lost = lost;
    return metrics_flush(sink, &now, NULL);
}

static uint64_t lost_in(const char *line, size_t line_len)
{
    json_t *root = json_loadb(line, line_len, 0, NULL);
    ck_assert_msg(root != NULL, "not JSON: %.*s", (int)line_len, line);
    const json_t *value = json_object_get(json_object_get(root, "logger"), "missed_log_count");
    ck_assert(json_is_integer(value));
    uint64_t lost = (uint64_t)json_integer_value(value);
    json_decref(root);
    return lost;
}

static void collect(int fd)
{
    ssize_t got;
    ck_assert_int_ge(fd, 0);
    while ((got = read(fd, text + len, sizeof(text) - len)) > 0)
        len += (size_t)got;
}

/* How many whole lines that makes, and the sum of what they say was lost. */
static uint64_t lines_collected(uint64_t *out_lost)
{
    uint64_t lines = 0;
    char *end;
    *out_lost = 0;
    for (char *at = text; (end = memchr(at, '\n', (size_t)(text + len - at))) != NULL;
         at = end + 1) {
        *out_lost += lost_in(at, (size_t)(end - at));
        lines++;
    }
    return lines;
}

START_TEST(each_line_has_what_was_counted_since_the_last)
{
    uint64_t lost = 0;
    open_sink();
    ck_assert_int_eq(flush(3), 0);
    ck_assert_int_eq(flush(10), 0);
    ck_assert_int_eq(flush(10), 0);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    collect(fd);
    ck_assert_uint_eq(lines_collected(&lost), 3);
    ck_assert_uint_eq(lost, 10);
    metrics_sink_get_counts(sink, &counts);
    ck_assert_uint_eq(counts.lines, 3);
    ck_assert_uint_eq(counts.missed + counts.fails, 0);
    metrics_sink_get_counts(NULL, &counts);
    ck_assert_uint_eq(counts.lines, 0);
}
END_TEST

/* Until lines are missed, then with a reader. Lines that are not whole when it comes are ended. */
static void fill_and_read(uint64_t unfinished)
{
    uint64_t lost = 0;
    struct err err = {0};
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    open_sink();
    for (uint64_t i = 1; i <= 500; i++) {
        int rc = flush(i);
        ck_assert(rc == 0 || rc == -EAGAIN);
    }
    metrics_sink_get_counts(sink, &counts);
    ck_assert_uint_gt(counts.missed, 0);
    ck_assert_uint_eq(counts.lines + counts.missed, 500);
    ck_assert_int_eq(metrics_flush(sink, &now, &err), -EAGAIN);
    ck_assert_str_eq(err.text, "metrics: nobody reads them, and what they are written to is full");
    AUTO_FD int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    collect(reader);
    ck_assert_uint_eq(lines_collected(&lost) + unfinished, counts.lines);
    ck_assert_int_eq(flush(501), 0);
    collect(reader);
    ck_assert_uint_eq(lines_collected(&lost), counts.lines + 1);
    ck_assert_uint_eq(lost, 501);
}

START_TEST(an_unread_fifo_misses_lines_and_none_of_what_they_counted)
{
    fill_and_read(0);
}
END_TEST

/* A pipe takes a part of those. */
START_TEST(a_line_larger_than_a_page_is_ended_before_the_next)
{
    char properties[6000] = "{\"a\":\"";
    size_t used = strlen(properties);
    memset(properties + used, 'x', sizeof(properties) - used - 3);
    memcpy(properties + sizeof(properties) - 3, "\"}", 3);
    now.properties = properties;
    fill_and_read(1);
}
END_TEST

START_TEST(a_full_disk_is_another_failure)
{
    struct err err = {0};
    struct metrics_sink *full = NULL;
    ck_assert_int_eq(metrics_sink_create("/dev/full", &full, &err), 0);
    ck_assert_int_eq(metrics_flush(full, &now, &err), -ENOSPC);
    ck_assert_str_eq(err.text, "metrics: cannot be written: No space left on device");
    metrics_sink_get_counts(full, &counts);
    ck_assert_uint_eq(counts.fails, 1);
    ck_assert_uint_eq(counts.lines + counts.missed, 0);
    metrics_sink_destroy(full);
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
    struct err err = {0};
    ck_assert_int_eq(metrics_sink_create(folder, &sink, &err), -EISDIR);
    ck_assert_ptr_eq(strstr(err.text, folder), err.text);
    ck_assert_ptr_null(sink);
}
END_TEST

Suite *sink_suite(void)
{
    Suite *suite = suite_create("sink");
    TCase *tc = tcase_create("sink");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_line_has_what_was_counted_since_the_last);
    tcase_add_test(tc, an_unread_fifo_misses_lines_and_none_of_what_they_counted);
    tcase_add_test(tc, a_line_larger_than_a_page_is_ended_before_the_next);
    tcase_add_test(tc, a_full_disk_is_another_failure);
    tcase_add_test(tc, what_cannot_be_opened_is_named);
    suite_add_tcase(suite, tc);
    return suite;
}
