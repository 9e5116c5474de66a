/* SPDX-License-Identifier: Apache-2.0 */
/* What can be said of vmm/kvm without a KVM: refused devices and hosts, and the CPUID of each vCPU.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tests/support/check_main.h"
#include "vmm/base/cleanup.h"
#include "vmm/kvm/kvm_priv.h"

static int has_all_but(void *arg, int capability)
{
    const int *missing = arg;
    return capability != *missing;
}

START_TEST(a_host_with_everything_is_accepted)
{
    int none = -1;
    struct err err = {{0}};
    ck_assert_int_eq(caps_check(has_all_but, &none, &err), 0);
    ck_assert_str_eq(err.text, "");
}
END_TEST

static const struct {
    int capability;
    const char *name;
} required[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
    {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
    {KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
};

START_TEST(a_missing_capability_is_named)
{
    int missing = required[_i].capability;
    struct err err = {{0}};
    ck_assert_int_eq(caps_check(has_all_but, &missing, &err), -ENOTSUP);
    ck_assert_ptr_nonnull(strstr(err.text, required[_i].name));
}
END_TEST

static const struct {
    const char *path;
    int code;
    const char *says;
} devices[] = {
    {"/nonexistent/kvm", -ENOENT, "/nonexistent/kvm is not there"},
    {"/dev/null", -ENOTTY, "/dev/null is not a KVM device"},
    {"/", -EISDIR, "/: Is a directory"},
};

START_TEST(what_is_not_a_kvm_device_is_refused_by_name)
{
    struct vm *vm = NULL;
    struct err err = {{0}};
    ck_assert_int_eq(vm_create(devices[_i].path, 0xfeffc000, &vm, &err), devices[_i].code);
    ck_assert_ptr_nonnull(strstr(err.text, devices[_i].says));
    ck_assert_ptr_null(vm);
}
END_TEST

static struct kvm_cpuid_entry2 leaf(uint32_t function, uint32_t index, uint32_t eax, uint32_t ecx)
{
    return (struct kvm_cpuid_entry2){
        .function = function,
        .index = index,
        .flags = function == 4 || function == 0xb || function == 0x8000001du
                     ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX
                     : 0,
        .eax = eax,
        .ecx = ecx,
    };
}

/* A host with one topology sub-leaf, three caches, and AMD's leaves. */
static void host_table(struct cpuid_table *table)
{
    memset(table, 0, sizeof(*table));
    table->entries[table->nent++] = leaf(1, 0, 0x806f8, 0);
    table->entries[table->nent++] = leaf(4, 0, 1u | 1u << 5, 0);
    table->entries[table->nent++] = leaf(4, 1, 3u | 3u << 5 | 0x1fu << 14, 0);
    table->entries[table->nent++] = leaf(4, 2, 0, 0);
    table->entries[table->nent++] = leaf(0xb, 0, 5, 0x777);
    table->entries[table->nent++] = leaf(0x1f, 0, 5, 0x777);
    table->entries[table->nent++] = leaf(0x80000008u, 0, 0x302e, 0x7f0ff);
    table->entries[table->nent++] = leaf(0x8000001du, 0, 1u | 1u << 5 | 1u << 14, 0);
    table->entries[table->nent++] = leaf(0x8000001du, 3, 3u | 3u << 5 | 1u << 14, 0);
    table->entries[table->nent++] = leaf(0x8000001eu, 0, 99, 7);
}

static const struct {
    uint32_t id, count, bits;
} shapes[] = {{0, 1, 0}, {0, 2, 1}, {1, 2, 1}, {2, 3, 2}, {4, 5, 3}, {31, 32, 5}};

START_TEST(each_vcpu_gets_its_own_apic_id_in_a_package_of_all)
{
    struct cpuid_table table;
    uint32_t id = shapes[_i].id, count = shapes[_i].count, bits = shapes[_i].bits;
    host_table(&table);
    cpuid_specialise(&table, &(struct vcpu_place){.id = id, .count = count}, true);

    const struct kvm_cpuid_entry2 *features = cpuid_find(&table, 1, 0);
    ck_assert_uint_eq(features->ebx >> 24, id);
    ck_assert_uint_eq(features->ebx >> 16 & 0xff, 1u << bits);
    ck_assert_uint_eq(features->ecx, 1u << 31 | 1u << 24);
    ck_assert_uint_eq(features->edx >> 28 & 1, count > 1);

    const struct kvm_cpuid_entry2 *smt = cpuid_find(&table, 0xb, 0);
    const struct kvm_cpuid_entry2 *core = cpuid_find(&table, 0xb, 1);
    ck_assert_uint_eq(smt->eax, 0);
    ck_assert_uint_eq(smt->ebx, 1);
    ck_assert_uint_eq(smt->ecx, 0x100);
    ck_assert_uint_eq(core->eax, bits);
    ck_assert_uint_eq(core->ebx, count);
    ck_assert_uint_eq(core->ecx, 0x201);
    ck_assert_uint_eq(core->edx, id);
    ck_assert_ptr_null(cpuid_find(&table, 0x1f, 0));

    const struct kvm_cpuid_entry2 *private_cache = cpuid_find(&table, 4, 0);
    const struct kvm_cpuid_entry2 *shared_cache = cpuid_find(&table, 4, 1);
    uint32_t ids = (1u << bits) - 1;
    ck_assert_uint_eq(private_cache->eax, (1u | 1u << 5) | ids << 26);
    ck_assert_uint_eq(shared_cache->eax, (3u | 3u << 5) | ids << 14 | ids << 26);
    ck_assert_uint_eq(cpuid_find(&table, 4, 2)->eax, 0);
    ck_assert_uint_eq(cpuid_find(&table, 0x8000001du, 0)->eax, 1u | 1u << 5);
    ck_assert_uint_eq(cpuid_find(&table, 0x8000001du, 3)->eax, (3u | 3u << 5) | ids << 14);

    ck_assert_uint_eq(cpuid_find(&table, 0x80000008u, 0)->ecx, 0x70000u | bits << 12 | (count - 1));
    ck_assert_uint_eq(cpuid_find(&table, 0x8000001eu, 0)->eax, id);
}
END_TEST

START_TEST(two_threads_share_a_core_and_its_caches)
{
    struct cpuid_table table;
    host_table(&table);
    cpuid_specialise(&table, &(struct vcpu_place){.id = 5, .count = 6, .smt = true}, true);
    const struct kvm_cpuid_entry2 *smt = cpuid_find(&table, 0xb, 0);
    const struct kvm_cpuid_entry2 *core = cpuid_find(&table, 0xb, 1);
    ck_assert_uint_eq(smt->eax, 1);
    ck_assert_uint_eq(smt->ebx, 2);
    ck_assert_uint_eq(smt->edx, 5);
    ck_assert_uint_eq(core->eax, 3);
    ck_assert_uint_eq(core->ebx, 6);
    /* Core numbers have two of the three bits. */
    ck_assert_uint_eq(cpuid_find(&table, 4, 0)->eax, (1u | 1u << 5) | 1u << 14 | 3u << 26);
    ck_assert_uint_eq(cpuid_find(&table, 4, 1)->eax, (3u | 3u << 5) | 7u << 14 | 3u << 26);
    ck_assert_uint_eq(cpuid_find(&table, 0x8000001du, 0)->eax, (1u | 1u << 5) | 1u << 14);
    ck_assert_uint_eq(cpuid_find(&table, 0x8000001eu, 0)->eax, 5);
    ck_assert_uint_eq(cpuid_find(&table, 0x8000001eu, 0)->ebx, 1u << 8 | 2);
}
END_TEST

START_TEST(one_vcpu_shares_its_core_with_nobody)
{
    struct cpuid_table table;
    host_table(&table);
    cpuid_specialise(&table, &(struct vcpu_place){.count = 1, .smt = true}, true);
    ck_assert_uint_eq(cpuid_find(&table, 0xb, 0)->ebx, 1);
    ck_assert_uint_eq(cpuid_find(&table, 0x8000001eu, 0)->ebx, 0);
}
END_TEST

START_TEST(leaves_the_host_lacks_are_not_invented)
{
    struct cpuid_table table = {0};
    cpuid_specialise(&table, &(struct vcpu_place){.count = 2}, true);
    ck_assert_uint_eq(table.nent, 0);
}
END_TEST

START_TEST(a_full_table_is_not_overrun)
{
    struct cpuid_table table = {.nent = CPUID_ENTRIES_MAX};
    for (uint32_t i = 0; i < CPUID_ENTRIES_MAX; i++)
        table.entries[i] = leaf(0x1000u + i, 0, 0, 0);
    table.entries[0] = leaf(0xb, 0, 0, 0);
    cpuid_specialise(&table, &(struct vcpu_place){.count = 2}, false);
    ck_assert_uint_eq(table.nent, CPUID_ENTRIES_MAX);
    ck_assert_ptr_nonnull(cpuid_find(&table, 0xb, 0));
}
END_TEST

/* A VM whose every request is refused. */
static void fake_vm(struct vm *vm, struct gm **out_gm)
{
    static const struct gm_range ram = {.start = 0, .len_bytes = 1 << 20};
    ck_assert_int_eq(gm_create(&ram, 1, GM_BACKING_4K, out_gm, NULL), 0);
    *vm = (struct vm){.gm = *out_gm, .kvm_fd = -1, .vm_fd = open("/dev/null", O_RDWR | O_CLOEXEC)};
    ck_assert_int_ge(vm->vm_fd, 0);
}

START_TEST(a_host_that_cannot_record_writes_is_told_so_and_records_nothing)
{
    struct vm vm;
    struct gm *gm = NULL;
    struct gm_bitmap *out = NULL;
    struct err err = {{0}};
    fake_vm(&vm, &gm);
    ck_assert_int_eq(gm_bitmap_create(gm, &out), 0);
    ck_assert_int_eq(vm_dirty_log_start(&vm, &err), -ENOTTY);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot record which pages a guest writes"));
    ck_assert_ptr_null(vm.dirty_words);
    ck_assert_int_eq(vm_dirty_log_fetch(&vm, out, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "not being recorded"));
    ck_assert_int_eq(vm_dirty_log_stop(&vm, &err), 0);
    ck_assert_uint_eq(gm_bitmap_count(out), 0);
    gm_bitmap_destroy(out);
    gm_destroy(gm);
    fd_close(&vm.vm_fd);
}
END_TEST

static Suite *kvm_suite(void)
{
    Suite *suite = suite_create("kvm");
    TCase *tc = tcase_create("kvm");
    tcase_add_test(tc, a_host_with_everything_is_accepted);
    tcase_add_loop_test(tc, a_missing_capability_is_named, 0,
                        sizeof(required) / sizeof(required[0]));
    tcase_add_loop_test(tc, what_is_not_a_kvm_device_is_refused_by_name, 0,
                        sizeof(devices) / sizeof(devices[0]));
    tcase_add_loop_test(tc, each_vcpu_gets_its_own_apic_id_in_a_package_of_all, 0,
                        sizeof(shapes) / sizeof(shapes[0]));
    tcase_add_test(tc, two_threads_share_a_core_and_its_caches);
    tcase_add_test(tc, one_vcpu_shares_its_core_with_nobody);
    tcase_add_test(tc, leaves_the_host_lacks_are_not_invented);
    tcase_add_test(tc, a_full_table_is_not_overrun);
    tcase_add_test(tc, a_host_that_cannot_record_writes_is_told_so_and_records_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    Suite *(*const suites[])(void) = {kvm_suite};
    return check_run(suites, 1);
}
