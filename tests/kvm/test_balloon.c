/* SPDX-License-Identifier: Apache-2.0 */
/* Payload guests drive the balloon of the real monitor; the memfd's blocks are seen to fall by
 * exactly what was given. */
#include <sys/wait.h>

#include "tests/kvm/kvm_main.h"
#include "tests/support/vm_process.h"

#define MIB UINT64_C(1048576)

static struct vmp vm;

static void start(const char *payload, const char *mem)
{
    const char *const args[] = {"--kernel", payload, "--mem", mem, "--balloon", "0M", NULL};
    vmp_start(&vm, AEROSTAT_MONITOR, args);
}

static uint64_t allocated_at(const char *checkpoint)
{
    vmp_expect(&vm, checkpoint);
    return vmp_stat(&vm, "ram_allocated_bytes");
}

static void expect_clean_power_off(void)
{
    vmp_expect(&vm, "done");
    int status = vmp_wait(&vm);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

START_TEST(scatter_gather_chains_free_exactly_what_they_name)
{
    start(PAYLOAD_DIR "/payload_sg", "128M");
    uint64_t populated = allocated_at("at populated");
    vmp_continue(&vm);

    uint64_t after_one = allocated_at("at one-chain");
    ck_assert_uint_eq(populated - after_one, 4 * MIB);
    vmp_await_stat(&vm, "inflate_notifications", 1);
    ck_assert_uint_eq(vmp_stat(&vm, "inflate_descriptors"), 64);
    ck_assert_uint_eq(vmp_stat(&vm, "punch_calls"), 64);
    ck_assert_uint_eq(vmp_stat(&vm, "freed_bytes"), 4 * MIB);
    vmp_continue(&vm);

    uint64_t after_eight = allocated_at("at eight-chains");
    ck_assert_uint_eq(after_one - after_eight, 4 * MIB);
    vmp_await_stat(&vm, "inflate_notifications", 2);
    ck_assert_uint_eq(vmp_stat(&vm, "inflate_chains"), 9);
    ck_assert_uint_eq(vmp_stat(&vm, "freed_bytes"), 8 * MIB);
    vmp_continue(&vm);

    ck_assert_uint_eq(vmp_expect_value(&vm, "dirty"), 0);
    ck_assert_uint_eq(vmp_expect_value(&vm, "kept"), 2048);
    uint64_t deflated = allocated_at("at deflated");
    ck_assert_uint_eq(vmp_stat(&vm, "deflate_bytes"), 4 * MIB);
    vmp_continue(&vm);

    uint64_t again = allocated_at("at again");
    ck_assert_uint_eq(deflated - again, 8 * MIB);
    /* Two touching ranges, given in descending order, are one punch. */
    ck_assert_uint_eq(vmp_stat(&vm, "punch_calls"), 64 + 64 + 1);
    vmp_continue(&vm);
    expect_clean_power_off();
}
END_TEST

START_TEST(pfn_arrays_are_sorted_and_merged_before_they_are_punched)
{
    start(PAYLOAD_DIR "/payload_pfn", "128M");
    uint64_t populated = allocated_at("at populated");
    vmp_continue(&vm);

    uint64_t after_one = allocated_at("at one-array");
    ck_assert_uint_eq(populated - after_one, MIB);
    ck_assert_uint_eq(vmp_stat(&vm, "punch_calls"), 1);
    ck_assert_uint_eq(vmp_stat(&vm, "inflate_bytes"), MIB);
    vmp_continue(&vm);

    uint64_t after_all = allocated_at("at seven-arrays");
    ck_assert_uint_eq(after_one - after_all, 7 * MIB);
    vmp_await_stat(&vm, "inflate_notifications", 2);
    ck_assert_uint_eq(vmp_stat(&vm, "freed_bytes"), 8 * MIB);
    vmp_continue(&vm);
    ck_assert_uint_eq(vmp_expect_value(&vm, "dirty"), 0);
    ck_assert_uint_eq(vmp_expect_value(&vm, "kept"), 2048);
    expect_clean_power_off();
}
END_TEST

static Suite *balloon_suite(void)
{
    Suite *suite = suite_create("balloon on KVM");
    TCase *tc = tcase_create("balloon");
    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, scatter_gather_chains_free_exactly_what_they_name);
    tcase_add_test(tc, pfn_arrays_are_sorted_and_merged_before_they_are_punched);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(balloon_suite);
}
