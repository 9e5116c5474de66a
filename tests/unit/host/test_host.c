/* SPDX-License-Identifier: Apache-2.0 */
/* Files of /proc and /sys as kernels write them, and as none should. */
#include <errno.h>
#include <unistd.h>

#include "tests/support/check_main.h"
#include "tests/support/fake_root.h"
#include "vmm/base/num.h"
#include "vmm/host/host.h"

START_TEST(a_file_is_read_without_its_last_line_end)
{
    char text[8];
    fake_file("/a", "one\ntwo\n");
    ck_assert_int_eq(host_read(fake_root, "/a", text, sizeof(text)), 0);
    ck_assert_str_eq(text, "one\ntwo");
    ck_assert_int_eq(host_read(fake_root, "/a", text, 4), 0);
    ck_assert_str_eq(text, "one");
    ck_assert_int_eq(host_read(fake_root, "/b", text, sizeof(text)), -ENOENT);
    ck_assert_str_eq(text, "");
}
END_TEST

static const struct {
    const char *text;
    int rc;
    uint64_t value;
} numbers[] = {
    {"0\n", 0, 0},
    {"18446744073709551615\n", 0, UINT64_MAX},
    {"max\n", 0, UINT64_MAX},
    {"18446744073709551616\n", -EINVAL, 0},
    {"-1\n", -EINVAL, 0},
    {" 1\n", -EINVAL, 0},
    {"1 2\n", -EINVAL, 0},
    {"", -EINVAL, 0},
};

START_TEST(a_number_is_one_or_an_error)
{
    uint64_t value = 7;
    fake_file("/n", numbers[_i].text);
    ck_assert_int_eq(host_read_u64(fake_root, "/n", &value), numbers[_i].rc);
    ck_assert_uint_eq(value, numbers[_i].rc == 0 ? numbers[_i].value : 7);
}
END_TEST

START_TEST(the_chosen_word_is_in_brackets)
{
    char word[8];
    ck_assert(host_chosen_word("always [madvis] never", word, sizeof(word)));
    ck_assert_str_eq(word, "madvis");
    ck_assert(!host_chosen_word("always [madvise] never", word, 7));
    ck_assert(!host_chosen_word("always [madvise", word, sizeof(word)));
    ck_assert(!host_chosen_word("always", word, sizeof(word)));
    ck_assert_str_eq(word, "");
}
END_TEST

START_TEST(memory_is_in_bytes)
{
    struct host_memory memory;
    fake_file("/proc/meminfo", "MemTotal:       2048 kB\nMemFree: 5 kB\nMemAvailable: 1024 kB\n"
                               "SwapTotal: 8 kB\nSwapFree: 4 kB\nHugePages_Total: 3\n"
                               "HugePages_Free: 2\nHugepagesize: 2048 kB\n");
    ck_assert_int_eq(host_memory(fake_root, &memory), 0);
    ck_assert_uint_eq(memory.total, 2 * MIB);
    ck_assert_uint_eq(memory.available, MIB);
    ck_assert_uint_eq(memory.swap_total, 8 * KIB);
    ck_assert_uint_eq(memory.swap_free, 4 * KIB);
    ck_assert_uint_eq(memory.huge_pages, 3);
    ck_assert_uint_eq(memory.huge_pages_free, 2);
    ck_assert_uint_eq(memory.huge_page_bytes, 2 * MIB);
    fake_file("/proc/meminfo", "MemTotal: 2 kB\nMemAvailable: 1 kB\n");
    ck_assert_int_eq(host_memory(fake_root, &memory), 0);
    ck_assert_uint_eq(memory.swap_total, 0);
    fake_file("/proc/meminfo", "MemTotal: 2 kB\n");
    ck_assert_int_eq(host_memory(fake_root, &memory), -EINVAL);
    fake_file("/proc/meminfo", "MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n");
    ck_assert_int_eq(host_memory(fake_root, &memory), -EINVAL);
}
END_TEST

static const struct {
    const char *text;
    int rc;
    uint32_t hundredths;
} pressures[] = {
    {"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=9.00\n", 0, 0},
    {"some avg10=12.34 avg60=0.00 avg300=0.00 total=0\n", 0, 1234},
    {"some avg10=100.00 avg60=0.00\n", 0, 10000},
    {"some avg10=1000.00 avg60=0.00\n", -EINVAL, 0},
    {"some avg10=1\n", -EINVAL, 0},
    {"some avg10=1.x\n", -EINVAL, 0},
    {"full avg10=1.00\n", -EINVAL, 0},
    {"", -EINVAL, 0},
};

START_TEST(pressure_is_in_hundredths_of_a_percent)
{
    uint32_t hundredths = 7;
    fake_file("/p", pressures[_i].text);
    ck_assert_int_eq(host_pressure(fake_root, "/p", &hundredths), pressures[_i].rc);
    ck_assert_uint_eq(hundredths, pressures[_i].rc == 0 ? pressures[_i].hundredths : 7);
}
END_TEST

START_TEST(the_least_limit_above_a_group_counts)
{
    struct host_cgroup cgroup;
    fake_file("/proc/self/cgroup", "0::/a/b\n");
    fake_file("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n");
    fake_file("/sys/fs/cgroup/a/memory.max", "4096000\n");
    fake_file("/sys/fs/cgroup/a/memory.current", "4096\n");
    fake_file("/sys/fs/cgroup/a/b/memory.max", "max\n");
    fake_file("/sys/fs/cgroup/a/b/memory.current", "1024\n");
    ck_assert_int_eq(host_cgroup(fake_root, 0, &cgroup), 0);
    ck_assert(cgroup.v2);
    ck_assert_str_eq(cgroup.path, "/sys/fs/cgroup/a/b");
    ck_assert_uint_eq(cgroup.limit_bytes, 4096000);
    ck_assert_uint_eq(cgroup.used_bytes, 4096);
    fake_file("/sys/fs/cgroup/a/b/memory.max", "2048\n");
    ck_assert_int_eq(host_cgroup(fake_root, 0, &cgroup), 0);
    ck_assert_uint_eq(cgroup.limit_bytes, 2048);
    ck_assert_uint_eq(cgroup.used_bytes, 1024);
}
END_TEST

START_TEST(groups_of_version_1_and_the_root_are_found)
{
    struct host_cgroup cgroup;
    fake_file("/proc/42/cgroup", "9:name=systemd:/\n5:cpu,memory:/x\n0::/\n");
    fake_file("/sys/fs/cgroup/unified/cgroup.controllers", "\n");
    fake_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    fake_file("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
    fake_file("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "77\n");
    ck_assert_int_eq(host_cgroup(fake_root, 42, &cgroup), 0);
    ck_assert(!cgroup.v2);
    ck_assert_str_eq(cgroup.path, "/sys/fs/cgroup/memory/x");
    ck_assert_uint_eq(cgroup.limit_bytes, UINT64_MAX);
    ck_assert_uint_eq(cgroup.used_bytes, 77);
    fake_file("/proc/42/cgroup", "0::/\n");
    fake_file("/sys/fs/cgroup/unified/cgroup.controllers", "hugetlb memory\n");
    ck_assert_int_eq(host_cgroup(fake_root, 42, &cgroup), 0);
    ck_assert(cgroup.v2);
    ck_assert_str_eq(cgroup.path, "/sys/fs/cgroup/unified");
    fake_file("/proc/42/cgroup", "nonsense\n");
    ck_assert_int_eq(host_cgroup(fake_root, 42, &cgroup), 0);
    ck_assert_str_eq(cgroup.path, "");
    ck_assert_int_eq(host_cgroup(fake_root, 43, &cgroup), -ENOENT);
}
END_TEST

START_TEST(processor_time_stands_behind_a_name_with_anything_in_it)
{
    uint64_t ns = 0;
    uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
    fake_file("/proc/7/stat", "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 22 0 0 20 0 1 0 5 6 7\n");
    ck_assert_int_eq(host_cpu_ns(fake_root, 7, &ns), 0);
    ck_assert_uint_eq(ns, 33 * tick_ns);
    fake_file("/proc/7/stat", "7 (a) S 1 2\n");
    ck_assert_int_eq(host_cpu_ns(fake_root, 7, &ns), -EINVAL);
    ck_assert_int_eq(host_cpu_ns("", getpid(), &ns), 0);
    ck_assert_int_eq(host_cpu_ns(fake_root, 8, &ns), -ENOENT);
}
END_TEST

static Suite *host_suite(void)
{
    Suite *suite = suite_create("host");
    TCase *tc = tcase_create("host");
    tcase_add_checked_fixture(tc, fake_root_create, fake_root_remove);
    tcase_add_test(tc, a_file_is_read_without_its_last_line_end);
    tcase_add_loop_test(tc, a_number_is_one_or_an_error, 0, (int)ARRAY_LEN(numbers));
    tcase_add_test(tc, the_chosen_word_is_in_brackets);
    tcase_add_test(tc, memory_is_in_bytes);
    tcase_add_loop_test(tc, pressure_is_in_hundredths_of_a_percent, 0, (int)ARRAY_LEN(pressures));
    tcase_add_test(tc, the_least_limit_above_a_group_counts);
    tcase_add_test(tc, groups_of_version_1_and_the_root_are_found);
    tcase_add_test(tc, processor_time_stands_behind_a_name_with_anything_in_it);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    Suite *(*const suites[])(void) = {host_suite};
    return check_run(suites, ARRAY_LEN(suites));
}
