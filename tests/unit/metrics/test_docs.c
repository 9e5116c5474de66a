/* SPDX-License-Identifier: Apache-2.0 */
/* docs/metrics.md names every family of the text, and no other. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check_main.h"
#include "tests/unit/metrics/fixture.h"
#include "tests/unit/metrics/suites.h"
#include "vmm/base/cleanup.h"
#include "vmm/metrics/figures.h"

static char docs[64 << 10];
static char *text;

static void setup(void)
{
    struct metrics_sample now;
    AUTO_FD int fd = open(METRICS_MD, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, docs, sizeof(docs) - 1);
    ck_assert_int_gt(got, 0);
    docs[got] = '\0';
    fixture_fill(&now);
    ck_assert_int_eq(metrics_openmetrics(&now, &text), 0);
}

static void teardown(void)
{
    free(text);
}

/* In code quotes, with or without a label. */
static bool is_documented(const char *name)
{
    char quoted[160];
    char labelled[160];
    (void)snprintf(quoted, sizeof(quoted), "`%s`", name);
    (void)snprintf(labelled, sizeof(labelled), "`%s{", name);
    return strstr(docs, quoted) != NULL || strstr(docs, labelled) != NULL;
}

START_TEST(every_family_is_documented)
{
    static const char type[] = "# TYPE ";
    char name[128];
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, type)) != NULL; n++) {
        at += sizeof(type) - 1;
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, " "), at);
        ck_assert_msg(is_documented(name), "docs/metrics.md does not name %s", name);
    }
    ck_assert_uint_gt(n, metrics_machine_figure_count);
}
END_TEST

START_TEST(every_family_that_is_documented_is_there)
{
    char type[160];
    unsigned n = 0;
    for (const char *at = docs; (at = strstr(at, "`aerostat_")) != NULL; n++) {
        at++;
        (void)snprintf(type, sizeof(type), "# TYPE %.*s ", (int)strcspn(at, "`{"), at);
        ck_assert_msg(strstr(text, type) != NULL, "no %s", type);
    }
    ck_assert_uint_gt(n, metrics_machine_figure_count);
}
END_TEST

START_TEST(every_figure_in_json_is_documented)
{
    char name[160];
    for (size_t i = 0; i < metrics_machine_figure_count; i++) {
        (void)snprintf(name, sizeof(name), "machine.%s", metrics_machine_figures[i].name);
        ck_assert_msg(is_documented(name), "docs/metrics.md does not name %s", name);
    }
    for (size_t i = 0; i < BALLOON_STAT_TAGS; i++) {
        (void)snprintf(name, sizeof(name), "guest.%s", metrics_guest_figures[i].name);
        ck_assert_msg(is_documented(name), "docs/metrics.md does not name %s", name);
    }
    for (size_t i = 0; i < metrics_balloon_figure_count; i++) {
        const struct metrics_figure *f = &metrics_balloon_figures[i];
        bool of_queue = f->label != NULL && strstr(f->label, "queue=") != NULL;
        (void)snprintf(name, sizeof(name), "balloon.%s%s", of_queue ? "Q" : "",
                       of_queue ? strchr(f->name, '_') : f->name);
        ck_assert_msg(is_documented(name), "docs/metrics.md does not name %s", name);
    }
}
END_TEST

Suite *docs_suite(void)
{
    Suite *suite = suite_create("docs");
    TCase *tc = tcase_create("docs");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_family_is_documented);
    tcase_add_test(tc, every_family_that_is_documented_is_there);
    tcase_add_test(tc, every_figure_in_json_is_documented);
    suite_add_tcase(suite, tc);
    return suite;
}
