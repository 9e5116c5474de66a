/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests that lie about memory to the real monitor: by ranges and by page numbers. Each row is a
 * case by its name, with what it adds to the counters.
 */
#include "tests/kvm/hostile.h"
#include "tests/kvm/kvm_main.h"
#include "vmm/base/num.h"

#define PAGE UINT64_C(4096)

static struct hostile h;

/* RAM on both sides of the gap. */
static const char *const machine[] = {
    "--mem", "4G", "--balloon", "0", "--free-page-hinting", "--free-page-reporting", NULL};

#define IGNORED(text)                                                                              \
    {                                                                                              \
        .name = text, .bad_request = 1                                                             \
    }

static const struct hostile_case ranges[] = {
    IGNORED("zero-length"),
    IGNORED("one-byte"),
    IGNORED("half-a-page"),
    IGNORED("a-page-less-one-byte"),
    IGNORED("a-page-and-one-byte"),
    IGNORED("start-off-by-one"),
    IGNORED("start-off-by-eight"),
    IGNORED("start-in-mid-page"),
    IGNORED("at-the-start-of-the-gap"),
    IGNORED("over-the-device-registers"),
    IGNORED("over-the-interrupt-controller"),
    IGNORED("at-the-end-of-the-gap"),
    IGNORED("into-the-gap"),
    IGNORED("out-of-the-gap"),
    IGNORED("across-the-gap"),
    IGNORED("just-behind-ram"),
    IGNORED("past-the-last-page"),
    IGNORED("far-behind-ram"),
    IGNORED("length-4g-less-a-page"),
    IGNORED("length-all-ones"),
    IGNORED("length-2g-from-the-last-page"),
    IGNORED("bit-63"),
    IGNORED("last-page-below-2-to-the-64"),
    IGNORED("past-2-to-the-64"),
    IGNORED("around-to-low-memory"),
    IGNORED("address-all-ones"),
    IGNORED("address-all-ones-one-byte"),
    IGNORED("all-ones"),
};

/* Of its own memory a guest may give what it likes. */
static const struct hostile_case given[] = {
    {.name = "the-last-page", .punched_bytes = PAGE},
    {.name = "the-last-page-below-the-gap", .punched_bytes = PAGE},
    {.name = "the-first-page-above-the-gap", .punched_bytes = PAGE},
    {.name = "all-memory-above-the-gap", .punched_bytes = GIB},
    {.name = "over-the-boot-data", .punched_bytes = PAGE},
    {.name = "over-the-acpi-tables", .punched_bytes = 32 * PAGE},
    {.name = "over-the-kernel-image", .punched_bytes = PAGE},
};

/* On the deflate queue nothing is punched, nor is what is hinted without a command. */
static const struct hostile_case not_given[] = {
    {.name = "the-last-page"},
    {.name = "the-last-page-below-the-gap"},
    {.name = "the-first-page-above-the-gap"},
    {.name = "all-memory-above-the-gap"},
    {.name = "over-the-boot-data"},
    {.name = "over-the-acpi-tables"},
    {.name = "over-the-kernel-image"},
};

/* Where the direction says that it is no page at all. */
static const struct hostile_case ignored[] = {
    IGNORED("the-last-page"),
    IGNORED("the-last-page-below-the-gap"),
    IGNORED("the-first-page-above-the-gap"),
    IGNORED("all-memory-above-the-gap"),
    IGNORED("over-the-boot-data"),
    IGNORED("over-the-acpi-tables"),
    IGNORED("over-the-kernel-image"),
};

static const struct hostile_case chains[] = {
    {.name = "the-same-page-63-times", .punched_bytes = PAGE},
    {.name = "overlapping-ranges", .punched_bytes = 19 * PAGE},
    {.name = "a-lie-between-two-truths", .bad_request = 1, .punched_bytes = 2 * PAGE},
    {.name = "chains-that-share-descriptors", .punched_bytes = 3 * PAGE},
    {.name = "one-head-32-times", .punched_bytes = PAGE},
    {.name = "inflated-and-deflated-at-once", .punched_bytes = PAGE},
    {.name = "over-its-own-descriptor-table", .punched_bytes = PAGE},
    {.name = "over-its-used-ring", .punched_bytes = PAGE},
    {.name = "over-its-available-ring", .bad_ring = 1, .punched_bytes = PAGE},
    {.name = "over-the-other-queues-rings", .any = true},
    {.name = "over-all-of-its-rings", .bad_ring = 1, .punched_bytes = 3 * PAGE},
};

START_TEST(ranges_that_are_no_whole_pages_of_ram_are_ignored)
{
    static const struct {
        const char *name;
        const struct hostile_case *odd;
    } ways[] = {
        {"inflate", given},     {"inflate-writable", given},
        {"deflate", not_given}, {"deflate-writable", not_given},
        {"hint", not_given},    {"hint-readable", ignored},
        {"report", given},      {"report-readable", ignored},
    };
    hostile_start(&h, PAYLOAD_DIR "/payload_hostile_range", machine);
    for (size_t way = 0; way < ARRAY_LEN(ways); way++)
        hostile_expect(&h, ways[way].name, ranges, ARRAY_LEN(ranges));
    for (size_t way = 0; way < ARRAY_LEN(ways); way++)
        hostile_expect(&h, ways[way].name, ways[way].odd, ARRAY_LEN(given));
    hostile_expect(&h, NULL, chains, ARRAY_LEN(chains));
    hostile_end(&h);
}
END_TEST

static const struct hostile_case numbers[] = {
    IGNORED("number-in-the-gap"),
    IGNORED("number-of-the-device-registers"),
    IGNORED("number-just-behind-ram"),
    IGNORED("number-with-bit-31"),
    IGNORED("number-all-ones"),
    IGNORED("number-sign-extended-low"),
    IGNORED("array-writable"),
    IGNORED("array-of-1-byte"),
    IGNORED("array-of-3-bytes"),
    IGNORED("array-in-the-gap"),
    IGNORED("array-over-the-device-registers"),
    IGNORED("array-into-the-gap"),
    IGNORED("array-behind-ram"),
    IGNORED("array-at-the-end-of-ram-and-beyond"),
    IGNORED("array-at-2-to-the-64-less-1"),
    IGNORED("array-past-2-to-the-64"),
    IGNORED("array-of-4g-less-1"),
};

static const struct hostile_case arrays[] = {
    {.name = "array-of-0-bytes"},
    {.name = "array-of-5-bytes", .bad_request = 1, .punched_bytes = PAGE},
    {.name = "array-of-just-the-cap", .punched_bytes = 4096 * PAGE},
    {.name = "array-over-the-cap", .bad_request = 1, .punched_bytes = 4096 * PAGE},
    {.name = "array-of-512-mib", .any = true},
    {.name = "numbers-behind-a-bad-descriptor", .bad_request = 1, .punched_bytes = 64 * PAGE},
    {.name = "one-number-1024-times", .punched_bytes = PAGE},
    {.name = "one-bad-number-among-64", .bad_request = 1, .punched_bytes = 63 * PAGE},
    {.name = "the-page-that-holds-the-array", .punched_bytes = 2 * PAGE},
    {.name = "the-descriptor-table-as-array", .any = true},
    {.name = "the-page-of-the-available-ring", .bad_ring = 1, .punched_bytes = PAGE},
};

START_TEST(page_numbers_that_are_none_are_ignored)
{
    hostile_start(&h, PAYLOAD_DIR "/payload_hostile_pfn", machine);
    hostile_expect(&h, "inflate", numbers, ARRAY_LEN(numbers));
    hostile_expect(&h, "deflate", numbers, ARRAY_LEN(numbers));
    hostile_expect(&h, NULL, arrays, ARRAY_LEN(arrays));
    hostile_end(&h);
}
END_TEST

static Suite *hostile_memory_suite(void)
{
    Suite *suite = suite_create("guests that lie about memory");
    TCase *tc = tcase_create("hostile memory");
    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, ranges_that_are_no_whole_pages_of_ram_are_ignored);
    tcase_add_test(tc, page_numbers_that_are_none_are_ignored);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(hostile_memory_suite);
}
