/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, counts and words as a command line has them. */
#include <check.h>
#include <errno.h>

#include "tests/unit/config/suites.h"
#include "vmm/base/num.h"
#include "vmm/config/config.h"

static const struct {
    const char *text;
    uint64_t bytes;
} sizes[] = {
    {"512M", 512 * MIB},
    {"2G", 2 * GIB},
    {"131072K", 128 * MIB},
    {"2048", 2048 * MIB},
    {"7M", 7 * MIB},
    {"0", 0},
    {"0K", 0},
    {"4k", 4096},
    {"1g", GIB},
    {"16m", 16 * MIB},
    {"007", 7 * MIB},
    {"4294967296", 1ull << 52},
    {"4194304G", 1ull << 52},
};

START_TEST(a_size_is_read_in_its_unit)
{
    struct err err = {0};
    uint64_t bytes = 1;
    int rc = cfg_parse_size("--mem", sizes[_i].text, &bytes, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_uint_eq(bytes, sizes[_i].bytes);
}
END_TEST

#define NOT_A_SIZE " is not a size: give a whole number with K, M or G, or alone for MiB"

static const struct {
    const char *text;
    const char *error;
} bad_sizes[] = {
    {"", "--mem: \"\"" NOT_A_SIZE},
    {"M", "--mem: \"M\"" NOT_A_SIZE},
    {"1.5G", "--mem: \"1.5G\"" NOT_A_SIZE},
    {"-1M", "--mem: -1M: a size cannot be negative"},
    {"-", "--mem: \"-\"" NOT_A_SIZE},
    {"-M", "--mem: \"-M\"" NOT_A_SIZE},
    {"+1M", "--mem: \"+1M\"" NOT_A_SIZE},
    {" 1M", "--mem: \" 1M\"" NOT_A_SIZE},
    {"1M ", "--mem: \"1M \"" NOT_A_SIZE},
    {"1MB", "--mem: \"1MB\"" NOT_A_SIZE},
    {"1MiB", "--mem: \"1MiB\"" NOT_A_SIZE},
    {"1T", "--mem: \"1T\"" NOT_A_SIZE},
    {"0x10", "--mem: \"0x10\"" NOT_A_SIZE},
    {"1\n2", "--mem: \"1?2\"" NOT_A_SIZE},
    {"5K", "--mem: 5K is not a multiple of the page size, 4096 bytes (4K)"},
    {"1023K", "--mem: 1023K is not a multiple of the page size, 4096 bytes (4K)"},
    {"4194305G", "--mem: 4194305G is above the maximum of 4194304G"},
    {"4294967297", "--mem: 4294967297 is above the maximum of 4194304G"},
    {"18446744073709551616", "--mem: 18446744073709551616 is above the maximum of 4194304G"},
    {"99999999999999999999999G", "--mem: 99999999999999999999999G is above the maximum of "
                                 "4194304G"},
};

START_TEST(a_bad_size_gets_one_exact_sentence)
{
    struct err err = {0};
    uint64_t bytes = 42;
    ck_assert_int_eq(cfg_parse_size("--mem", bad_sizes[_i].text, &bytes, &err), -EINVAL);
    ck_assert_str_eq(err.text, bad_sizes[_i].error);
    ck_assert_uint_eq(bytes, 42);
}
END_TEST

static const struct {
    const char *text;
    uint64_t value;
    const char *error;
} counts[] = {
    {"1", 1, NULL},
    {"32", 32, NULL},
    {"0", 42, "--cpus: 0 is below the minimum of 1"},
    {"33", 42, "--cpus: 33 is above the maximum of 32"},
    {"99999999999999999999", 42, "--cpus: 99999999999999999999 is above the maximum of 32"},
    {"", 42, "--cpus: \"\" is not a whole number from 1 to 32"},
    {"two", 42, "--cpus: \"two\" is not a whole number from 1 to 32"},
    {"-1", 42, "--cpus: \"-1\" is not a whole number from 1 to 32"},
    {"1x", 42, "--cpus: \"1x\" is not a whole number from 1 to 32"},
};

START_TEST(a_count_is_held_to_its_bounds)
{
    struct err err = {0};
    uint64_t value = 42;
    int rc = cfg_parse_count("--cpus", counts[_i].text, 1, 32, &value, &err);
    ck_assert_int_eq(rc, counts[_i].error == NULL ? 0 : -EINVAL);
    ck_assert_uint_eq(value, counts[_i].value);
    if (counts[_i].error != NULL)
        ck_assert_str_eq(err.text, counts[_i].error);
}
END_TEST

START_TEST(each_word_names_its_value_both_ways)
{
    const enum gm_backing backings[] = {GM_BACKING_4K, GM_BACKING_THP, GM_BACKING_HUGETLB_2M};
    for (size_t i = 0; i < ARRAY_LEN(backings); i++) {
        enum gm_backing back = GM_BACKING_4K;
        const char *name = cfg_backing_name(backings[i]);
        ck_assert_int_eq(cfg_parse_backing("--backing", name, &back, NULL), 0);
        ck_assert_int_eq(back, backings[i]);
    }
    const enum balloon_sg modes[] = {BALLOON_SG_AUTO, BALLOON_SG_BIT3, BALLOON_SG_OFF};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        enum balloon_sg sg = BALLOON_SG_AUTO;
        const char *name = cfg_scatter_gather_name(modes[i]);
        ck_assert_int_eq(cfg_parse_scatter_gather("--scatter-gather", name, &sg, NULL), 0);
        ck_assert_int_eq(sg, modes[i]);
    }
}
END_TEST

START_TEST(an_unknown_word_is_answered_with_the_known_ones)
{
    struct err err = {0};
    enum gm_backing backing = GM_BACKING_THP;
    ck_assert_int_eq(cfg_parse_backing("--backing", "4K", &backing, &err), -EINVAL);
    ck_assert_str_eq(err.text, "--backing: \"4K\" is not one of 4k, thp, hugetlb-2m");
    ck_assert_int_eq(backing, GM_BACKING_THP);
    enum balloon_sg sg = BALLOON_SG_OFF;
    ck_assert_int_eq(cfg_parse_scatter_gather("--scatter-gather", "", &sg, &err), -EINVAL);
    ck_assert_str_eq(err.text, "--scatter-gather: \"\" is not one of auto, bit3, off");
    ck_assert_int_eq(sg, BALLOON_SG_OFF);
    bool on_cmdline = true;
    ck_assert_int_eq(cfg_parse_discovery("--virtio-discovery", "pci", &on_cmdline, &err), -EINVAL);
    ck_assert_str_eq(err.text, "--virtio-discovery: \"pci\" is not one of acpi, cmdline");
    ck_assert(on_cmdline);
    ck_assert_int_eq(cfg_parse_discovery("--virtio-discovery", "acpi", &on_cmdline, &err), 0);
    ck_assert(!on_cmdline);
    ck_assert_int_eq(cfg_parse_discovery("--virtio-discovery", "cmdline", &on_cmdline, &err), 0);
    ck_assert(on_cmdline);
    bool on = true;
    ck_assert_int_eq(cfg_parse_switch("--page-poison", "yes", &on, &err), -EINVAL);
    ck_assert_str_eq(err.text, "--page-poison: \"yes\" is not one of on, off");
    ck_assert(on);
    ck_assert_int_eq(cfg_parse_switch("--page-poison", "off", &on, &err), 0);
    ck_assert(!on);
    ck_assert_int_eq(cfg_parse_switch("--page-poison", "on", &on, &err), 0);
    ck_assert(on);
}
END_TEST

Suite *values_suite(void)
{
    Suite *suite = suite_create("values");
    TCase *tc = tcase_create("values");
    tcase_add_loop_test(tc, a_size_is_read_in_its_unit, 0, (int)ARRAY_LEN(sizes));
    tcase_add_loop_test(tc, a_bad_size_gets_one_exact_sentence, 0, (int)ARRAY_LEN(bad_sizes));
    tcase_add_loop_test(tc, a_count_is_held_to_its_bounds, 0, (int)ARRAY_LEN(counts));
    tcase_add_test(tc, each_word_names_its_value_both_ways);
    tcase_add_test(tc, an_unknown_word_is_answered_with_the_known_ones);
    suite_add_tcase(suite, tc);
    return suite;
}
