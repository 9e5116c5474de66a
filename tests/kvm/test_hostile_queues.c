/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests whose chains, rings and registers lie to the real monitor. Each row is a case by its name,
 * with what it adds to the counters.
 */
#include <string.h>

#include "tests/kvm/hostile.h"
#include "tests/kvm/kvm_main.h"
#include "vmm/base/num.h"

#define PAGE UINT64_C(4096)

static struct hostile h;

#define BAD_CHAIN(text)                                                                            \
    {                                                                                              \
        .name = text, .bad_chain = 1                                                               \
    }
#define BAD_RING(text)                                                                             \
    {                                                                                              \
        .name = text, .bad_ring = 1                                                                \
    }

/* On each queue. */
static const struct hostile_case chains[] = {
    BAD_CHAIN("links-to-itself"),
    BAD_CHAIN("links-to-itself-writable"),
    BAD_CHAIN("loop-of-two"),
    BAD_CHAIN("tail-that-loops"),
    BAD_CHAIN("next-is-the-ring-size"),
    BAD_CHAIN("next-is-65535"),
    BAD_CHAIN("indirect-table"),
    BAD_CHAIN("indirect-table-with-next"),
    BAD_CHAIN("indirect-table-at-the-end"),
    BAD_CHAIN("every-flag"),
    BAD_CHAIN("loop-over-the-whole-table"),
};

static const struct hostile_case rings[] = {
    BAD_RING("index-one-too-far"),
    BAD_RING("index-40000-ahead"),
    BAD_RING("index-that-goes-back"),
    BAD_RING("head-is-the-ring-size"),
    BAD_RING("head-is-65535"),
    BAD_RING("descriptors-misaligned"),
    BAD_RING("available-ring-misaligned"),
    BAD_RING("used-ring-misaligned"),
    BAD_RING("descriptors-in-the-gap"),
    BAD_RING("descriptors-into-the-gap"),
    BAD_RING("available-ring-over-the-device-registers"),
    BAD_RING("used-ring-behind-ram"),
    BAD_RING("used-ring-past-the-last-page"),
    BAD_RING("descriptors-past-2-to-the-64"),
    BAD_RING("available-ring-at-2-to-the-64-less-2"),
    BAD_RING("used-ring-at-2-to-the-64-less-4"),
};

static const struct hostile_case overlapping[] = {
    {.name = "used-ring-over-the-descriptors", .any = true},
    {.name = "used-ring-over-the-available-ring", .any = true},
    {.name = "all-rings-at-one-place", .any = true},
    {.name = "rings-over-the-boot-data", .any = true},
};

START_TEST(chains_and_rings_that_lie_break_only_themselves)
{
    static const char *const names[] = {"inflate", "deflate", "stats", "hint", "report"};
    static const char *const machine[] = {"--mem",
                                          "4G",
                                          "--balloon",
                                          "0",
                                          "--stats-interval",
                                          "3600",
                                          "--free-page-hinting",
                                          "--free-page-reporting",
                                          NULL};
    hostile_start(&h, PAYLOAD_DIR "/payload_hostile_chain", machine);
    for (size_t q = 0; q < ARRAY_LEN(names); q++) {
        /* The guest takes 64 entries, or what there are. */
        const struct hostile_case full = {.name = "a-ring-full-of-loops",
                                          .bad_chain = strcmp(names[q], "stats") == 0 ? 16 : 64};
        hostile_expect(&h, names[q], chains, ARRAY_LEN(chains));
        hostile_expect(&h, names[q], &full, 1);
        hostile_expect(&h, names[q], rings, ARRAY_LEN(rings));
    }
    hostile_expect(&h, NULL, overlapping, ARRAY_LEN(overlapping));
    hostile_end(&h);
}
END_TEST

/* Two queues, and of each register write one for each. */
#define REFUSED(text, n)                                                                           \
    {                                                                                              \
        .name = text, .bad_register = (n)                                                          \
    }

static const struct hostile_case registers[] = {
    /* Two of nine reach an eventfd of a queue that other features would bring. */
    REFUSED("notify-of-queues-that-do-not-exist", 7),
    {.name = "notify-2000-times-for-nothing"},
    REFUSED("notify-before-the-queues-are-ready", 0),
    REFUSED("queue-size-after-driver-ok", 2),
    REFUSED("queue-size-1024-after-driver-ok", 2),
    REFUSED("queue-ready-0-after-driver-ok", 2),
    REFUSED("descriptors-moved-after-driver-ok", 2),
    REFUSED("descriptors-moved-up-after-driver-ok", 2),
    REFUSED("available-ring-moved-after-driver-ok", 2),
    REFUSED("available-ring-moved-up-after-driver-ok", 2),
    REFUSED("used-ring-moved-after-driver-ok", 2),
    REFUSED("used-ring-moved-up-after-driver-ok", 2),
    REFUSED("features-changed-after-driver-ok", 2),
    REFUSED("queue-sizes-that-are-none", 6),
    REFUSED("queues-that-do-not-exist-set-up", 14),
    {.name = "driver-ok-without-queues"},
    REFUSED("status-steps-back-and-aside", 9),
    REFUSED("driver-ok-at-once", 1),
    REFUSED("every-feature-at-once", 2),
    REFUSED("registers-of-wrong-widths", 832),
    REFUSED("registers-misaligned", 126),
    REFUSED("the-window-behind-the-registers", 60),
    /* 75 writes and 75 reads that do not end inside, 16 writes to poison_val. */
    REFUSED("config-writes-of-every-width-and-offset", 166),
    REFUSED("config-writes-at-the-end-of-the-window", 8),
    {.name = "actual-all-ones"},
    {.name = "actual-bit-31"},
    {.name = "actual-a-page-more-than-ram"},
    {.name = "actual-below-the-target"},
    {.name = "actual-written-2000-times"},
    REFUSED("poison-after-driver-ok", 1),
    {.name = "3000-resets"},
    {.name = "200-starts"},
    {.name = "50-resets-while-inflating", .any = true},
};

static const char *const small[] = {"--mem", "128M", "--cpus", "2", "--balloon", "0", NULL};

START_TEST(registers_written_and_read_as_no_driver_would)
{
    hostile_start(&h, PAYLOAD_DIR "/payload_hostile_register", small);
    hostile_expect(&h, NULL, registers, ARRAY_LEN(registers));
    hostile_end(&h);
}
END_TEST

static const struct hostile_case races[] = {
    {.name = "addresses-rewritten", .any = true},
    {.name = "lengths-rewritten", .any = true},
    {.name = "flags-rewritten", .any = true},
    {.name = "links-rewritten", .any = true},
    {.name = "heads-rewritten", .any = true},
    {.name = "index-rewritten", .any = true},
    {.name = "used-ring-rewritten", .any = true},
    {.name = "page-numbers-rewritten", .any = true},
    {.name = "notifications-from-both", .any = true},
    {.name = "registers-from-both", .any = true},
    {.name = "resets-by-the-other", .any = true},
    {.name = "pages-touched-while-they-go", .any = true},
};

START_TEST(a_second_vcpu_rewrites_what_the_device_reads)
{
    hostile_start(&h, PAYLOAD_DIR "/payload_hostile_smp", small);
    hostile_expect(&h, NULL, races, ARRAY_LEN(races));
    hostile_end(&h);
}
END_TEST

static Suite *hostile_queues_suite(void)
{
    Suite *suite = suite_create("guests that lie about queues");
    TCase *tc = tcase_create("hostile queues");
    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, chains_and_rings_that_lie_break_only_themselves);
    tcase_add_test(tc, registers_written_and_read_as_no_driver_would);
    tcase_add_test(tc, a_second_vcpu_rewrites_what_the_device_reads);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(hostile_queues_suite);
}
