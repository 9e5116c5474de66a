/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests that lie on the queues of single features: statistics, hinting, reporting. Each row is a
 * case by its name, with what it adds to the counters.
 */
#include "tests/kvm/hostile.h"
#include "tests/kvm/kvm_main.h"
#include "vmm/base/num.h"

#define PAGE UINT64_C(4096)

static struct hostile h;

#define REPORT(text)                                                                               \
    {                                                                                              \
        .name = text, .reports = 1                                                                 \
    }
#define IGNORED(text)                                                                              \
    {                                                                                              \
        .name = text, .bad_request = 1                                                             \
    }
/* Read as far as the device reads, and complained about. */
#define CUT(text)                                                                                  \
    {                                                                                              \
        .name = text, .bad_request = 1, .reports = 1                                               \
    }

#define ASK   "/balloon/statistics?refresh_ms=1"
#define START "/balloon/hinting/start"

static const struct hostile_case stats[] = {
    {.name = "stats-of-0-bytes"},
    IGNORED("stats-of-9-bytes"),
    REPORT("stats-of-10-bytes"),
    REPORT("stats-of-100-bytes"),
    REPORT("stats-of-160-bytes"),
    REPORT("stats-of-2560-bytes"),
    CUT("stats-of-65535-bytes"),
    IGNORED("stats-of-4g-less-1"),
    IGNORED("stats-writable"),
    IGNORED("stats-in-the-gap"),
    IGNORED("stats-into-the-gap"),
    IGNORED("stats-over-the-device-registers"),
    IGNORED("stats-behind-ram"),
    IGNORED("stats-past-the-last-page"),
    IGNORED("stats-at-2-to-the-64-less-1"),
    REPORT("stats-misaligned"),
    REPORT("stats-over-the-kernel"),
    REPORT("stats-over-their-descriptor"),
    REPORT("stats-over-their-available-ring"),
    REPORT("stats-over-their-used-ring"),
    REPORT("stats-byte-by-byte"),
    REPORT("stats-as-long-a-chain-as-the-ring"),
    CUT("stats-a-ring-of-65535-bytes-each"),
    REPORT("stats-of-unknown-tags-alone"),
    REPORT("stats-one-tag-16-times"),
    {.name = "stats-two-at-once", .reports = 2},
    {.name = "stats-a-full-ring-at-once", .reports = 16},
    REPORT("stats-one-is-held"),
    {.name = "stats-more-than-the-ring-has-room-for", .bad_ring = 1},
    {.name = "stats-the-same-head-twice", .reports = 2},
    {.name = "stats-1000-at-once", .any = true},
    {.name = "stats-none-when-asked", .get = ASK},
    {.name = "stats-asked-for-in-vain"},
    {.name = "stats-there-when-asked", .reports = 1, .get = ASK},
    {.name = "stats-late"},
    REPORT("stats-at-last"),
    {.name = "stats-reset-while-held", .get = ASK},
    {.name = "stats-asked-for-after-the-reset"},
};

START_TEST(statistics_of_every_length_too_many_none_and_late)
{
    static const char *const machine[] = {"--mem", "4G", "--balloon", "0", "--stats-interval",
                                          "3600",  NULL};
    hostile_start(&h, PAYLOAD_DIR "/payload_hostile_stats", machine);
    hostile_expect(&h, NULL, stats, ARRAY_LEN(stats));
    hostile_end(&h);
}
END_TEST

static const struct hostile_case hints[] = {
    {.name = "hint-pages-before-any-id"},
    {.name = "hint-stop-without-start"},
    {.name = "hint-done-from-the-guest"},
    {.name = "hint-an-id-never-issued"},
    {.name = "hint-id-bit-31"},
    {.name = "hint-id-all-ones"},
    IGNORED("hint-id-of-0-bytes"),
    IGNORED("hint-id-of-1-byte"),
    IGNORED("hint-id-of-3-bytes"),
    IGNORED("hint-id-of-5-bytes"),
    IGNORED("hint-id-of-8-bytes"),
    IGNORED("hint-id-of-a-page"),
    IGNORED("hint-id-of-4g-less-1"),
    IGNORED("hint-id-writable"),
    IGNORED("hint-id-in-the-gap"),
    IGNORED("hint-id-into-the-gap"),
    IGNORED("hint-id-behind-ram"),
    IGNORED("hint-id-past-2-to-the-64"),
    IGNORED("hint-pages-readable"),
    {.name = "hint-start", .patch = START},
    {.name = "hint-pages-before-the-id-of-the-command"},
    {.name = "hint-the-next-id-too-early"},
    {.name = "hint-pages-written-since"},
    {.name = "hint-id-and-pages-in-one-chain", .punched_bytes = 4 * PAGE},
    {.name = "hint-20-ids-in-one-chain", .patch = START},
    {.name = "hint-pages-of-the-command-before"},
    {.name = "hint-stale-id"},
    {.name = "hint-id-again-after-stop"},
    {.name = "hint-start-over", .patch = START},
    {.name = "hint-over-the-page-of-the-id", .any = true},
    {.name = "hint-over-the-descriptor-table", .any = true},
    {.name = "hint-start-and-reset", .patch = START},
    {.name = "hint-id-from-before-the-reset"},
};

START_TEST(hints_under_ids_unknown_stale_malformed_or_missing)
{
    static const char *const machine[] = {"--mem", "4G", "--balloon", "0", "--free-page-hinting",
                                          NULL};
    hostile_start(&h, PAYLOAD_DIR "/payload_hostile_hint", machine);
    hostile_expect(&h, NULL, hints, ARRAY_LEN(hints));
    hostile_end(&h);
}
END_TEST

static const struct hostile_case reports[] = {
    {.name = "report-pages-in-use", .punched_bytes = 4 * PAGE},
    {.name = "report-one-page-32-times", .punched_bytes = PAGE},
    {.name = "report-both-directions-in-one-chain", .bad_request = 1, .punched_bytes = PAGE},
    {.name = "report-what-is-inflated-and-deflated", .punched_bytes = 2 * PAGE},
    {.name = "report-over-the-descriptor-table", .punched_bytes = PAGE},
    {.name = "report-over-the-available-ring", .bad_ring = 1, .punched_bytes = PAGE},
    {.name = "poison-keeps-reported-pages"},
    {.name = "poison-rewritten-after-driver-ok", .bad_register = 1},
    {.name = "poison-rewritten-byte-by-byte", .bad_register = 4},
    {.name = "poison-of-a-driver-that-was-reset"},
    {.name = "poison-of-a-driver-that-never-started"},
};

START_TEST(reports_of_pages_in_use_and_a_poison_that_changes)
{
    static const char *const machine[] = {
        "--mem", "128M", "--balloon", "0", "--free-page-reporting", NULL};
    hostile_start(&h, PAYLOAD_DIR "/payload_hostile_report", machine);
    hostile_expect(&h, NULL, reports, ARRAY_LEN(reports));
    hostile_end(&h);
}
END_TEST

static Suite *hostile_features_suite(void)
{
    Suite *suite = suite_create("guests that lie on the queues of features");
    TCase *tc = tcase_create("hostile features");
    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, statistics_of_every_length_too_many_none_and_late);
    tcase_add_test(tc, hints_under_ids_unknown_stale_malformed_or_missing);
    tcase_add_test(tc, reports_of_pages_in_use_and_a_poison_that_changes);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(hostile_features_suite);
}
