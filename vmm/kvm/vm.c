/* SPDX-License-Identifier: Apache-2.0 */
/* Creation of a VM: capabilities, in-kernel interrupt controller, memory slots, eventfds. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"
#include "vmm/kvm/kvm_priv.h"

#define DEFAULT_PHYS_BITS 36u

int kvm_ioctl(int fd, unsigned long request, unsigned long arg)
{
    int ret;
    do {
        ret = ioctl(fd, request, arg);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : ret;
}

const struct cap caps[CAPS] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "guest RAM", true},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID", "CPUID", true},
    {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP", "the interrupt controller", true},
    {KVM_CAP_IRQFD, "KVM_CAP_IRQFD", "device interrupts", true},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD", "queue notifications", true},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "stopping vCPUs (Linux 4.11 or later)",
     true},
    {KVM_CAP_PIT2, "KVM_CAP_PIT2", "guests that know no other timer", false},
    {KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER", "the timer of newer guests", false},
    {KVM_CAP_KVMCLOCK_CTRL, "KVM_CAP_KVMCLOCK_CTRL", "guests that see no stall after a pause",
     false},
};

int caps_check(caps_query_fn query, void *arg, struct err *err)
{
    for (size_t i = 0; i < CAPS; i++) {
        if (caps[i].required && query(arg, caps[i].capability) <= 0)
            return err_set(
                err, -ENOTSUP,
                "this host's KVM lacks %s, which is needed for %s: use a newer host kernel",
                caps[i].name, caps[i].use);
    }
    return 0;
}

int caps_query_fd(void *arg, int capability)
{
    const int *fd = arg;
    return kvm_ioctl(*fd, KVM_CHECK_EXTENSION, (unsigned long)capability);
}

int kvm_open_device(const char *path, int *out_fd, struct err *err)
{
    AUTO_FD int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENXIO || errno == ENODEV))
        return err_set(
            err, -ENOENT,
            "%s is not there: load kvm_intel or kvm_amd, or enable (nested) virtualization", path);
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        return err_set(err, -EACCES, "%s: permission denied: join the group kvm, or run as root",
                       path);
    if (fd < 0)
        return err_sys(err, -errno, "%s", path);
    int version = kvm_ioctl(fd, KVM_GET_API_VERSION, 0);
    if (version < 0)
        return err_sys(err, version, "%s is not a KVM device", path);
    if (version != KVM_API_VERSION)
        return err_set(err, -ENOTSUP, "%s speaks KVM API version %d, not %d", path, version,
                       KVM_API_VERSION);
    *out_fd = take_fd(&fd);
    return 0;
}

static int read_supported(struct vm *vm, struct err *err)
{
    vm->max_vcpus = (uint32_t)max_u64(1, (uint64_t)caps_query_fd(&vm->kvm_fd, KVM_CAP_MAX_VCPUS));
    vm->tsc_deadline = caps_query_fd(&vm->kvm_fd, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
    int run_size = kvm_ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (run_size < (int)sizeof(struct kvm_run))
        return err_set(err, -ENOTSUP, "KVM_GET_VCPU_MMAP_SIZE: %d is below %zu", run_size,
                       sizeof(struct kvm_run));
    vm->run_size = (uint32_t)run_size;
    vm->cpuid.nent = CPUID_ENTRIES_MAX;
    int ret = kvm_ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, (unsigned long)&vm->cpuid);
    return ret < 0 ? err_sys(err, ret, "KVM_GET_SUPPORTED_CPUID") : 0;
}

/* Intel hosts without unrestricted guest need the two; the others ignore them. */
static int place_own_pages(struct vm *vm, uint64_t gpa, struct err *err)
{
    int ret = 0;
    if (caps_query_fd(&vm->kvm_fd, KVM_CAP_SET_IDENTITY_MAP_ADDR) > 0)
        ret = kvm_ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, (unsigned long)&gpa);
    if (ret == 0 && caps_query_fd(&vm->kvm_fd, KVM_CAP_SET_TSS_ADDR) > 0)
        ret = kvm_ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, gpa + GM_PAGE_SIZE);
    return ret < 0 ? err_sys(err, ret, "placing KVM's own pages at 0x%lx", (unsigned long)gpa) : 0;
}

static int create_vm(struct vm *vm, struct err *err)
{
    int fd = kvm_ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
    if (fd < 0)
        return err_sys(err, fd, "KVM_CREATE_VM");
    vm->vm_fd = fd;
    return 0;
}

int vm_create(const char *dev_path, uint64_t own_pages_gpa, struct vm **out_vm, struct err *err)
{
    struct vm *vm = calloc(1, sizeof(*vm));
    if (vm == NULL)
        return err_sys(err, -ENOMEM, "virtual machine");
    vm->kvm_fd = -1;
    vm->vm_fd = -1;
    int ret = kvm_open_device(dev_path, &vm->kvm_fd, err);
    if (ret == 0)
        ret = caps_check(caps_query_fd, &vm->kvm_fd, err);
    if (ret == 0)
        ret = read_supported(vm, err);
    if (ret == 0)
        ret = create_vm(vm, err);
    if (ret == 0)
        ret = place_own_pages(vm, own_pages_gpa, err);
    if (ret < 0) {
        vm_destroy(vm);
        return ret;
    }
    *out_vm = vm;
    return 0;
}

void vm_destroy(struct vm *vm)
{
    if (vm == NULL)
        return;
    fd_close(&vm->vm_fd);
    fd_close(&vm->kvm_fd);
    free(vm->dirty_words);
    free(vm);
}

uint32_t vm_max_vcpus(const struct vm *vm)
{
    return vm->max_vcpus;
}

uint32_t vm_phys_bits(const struct vm *vm)
{
    struct cpuid_table *table = (struct cpuid_table *)&vm->cpuid;
    const struct kvm_cpuid_entry2 *entry = cpuid_find(table, 0x80000008u, 0);
    uint32_t bits = entry == NULL ? 0 : entry->eax & 0xffu;
    return bits == 0 ? DEFAULT_PHYS_BITS : bits;
}

int vm_set_slot(struct vm *vm, size_t i, uint32_t flags)
{
    struct gm_region region = gm_region_at(vm->gm, i);
    struct kvm_userspace_memory_region slot = {
        .slot = (uint32_t)i,
        .flags = flags,
        .guest_phys_addr = region.range.start,
        .memory_size = region.range.len_bytes,
        .userspace_addr = (uint64_t)(uintptr_t)region.host,
    };
    return kvm_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, (unsigned long)&slot);
}

int vm_add_memory(struct vm *vm, const struct gm *gm, struct err *err)
{
    vm->gm = gm;
    for (size_t i = 0; i < gm_region_count(gm); i++) {
        struct gm_range range = gm_region_at(gm, i).range;
        int ret = vm_set_slot(vm, i, 0);
        if (ret < 0)
            return err_sys(err, ret, "memory slot %zu: %lu bytes at 0x%lx", i,
                           (unsigned long)range.len_bytes, (unsigned long)range.start);
    }
    return 0;
}

int vm_create_irqchip(struct vm *vm, struct err *err)
{
    int ret = kvm_ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, 0);
    if (ret < 0)
        return err_sys(err, ret, "KVM_CREATE_IRQCHIP");
    if (caps_query_fd(&vm->kvm_fd, KVM_CAP_PIT2) <= 0)
        return 0; /* a guest with a TSC deadline timer or kvmclock boots without a PIT */
    struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
    ret = kvm_ioctl(vm->vm_fd, KVM_CREATE_PIT2, (unsigned long)&pit);
    return ret < 0 ? err_sys(err, ret, "KVM_CREATE_PIT2") : 0;
}

int vm_add_ioeventfd(struct vm *vm, uint64_t gpa, uint32_t value, int fd, struct err *err)
{
    struct kvm_ioeventfd ioeventfd = {
        .datamatch = value,
        .addr = gpa,
        .len = sizeof(uint32_t),
        .fd = fd,
        .flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
    };
    int ret = kvm_ioctl(vm->vm_fd, KVM_IOEVENTFD, (unsigned long)&ioeventfd);
    return ret < 0 ? err_sys(err, ret, "KVM_IOEVENTFD at 0x%lx", (unsigned long)gpa) : 0;
}

int vm_add_irqfd(struct vm *vm, uint32_t gsi, int fd, struct err *err)
{
    struct kvm_irqfd irqfd = {.fd = (uint32_t)fd, .gsi = gsi};
    int ret = kvm_ioctl(vm->vm_fd, KVM_IRQFD, (unsigned long)&irqfd);
    return ret < 0 ? err_sys(err, ret, "KVM_IRQFD of interrupt line %u", gsi) : 0;
}
