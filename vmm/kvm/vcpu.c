/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU: creation, KVM_RUN, and the meaning of its exits. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm/base/cleanup.h"
#include "vmm/kvm/kvm_priv.h"

static int set_cpuid(const struct vm *vm, struct vcpu *vcpu, const struct vcpu_place *place,
                     struct err *err)
{
    AUTO_FREE struct cpuid_table *table = malloc(sizeof(*table));
    if (table == NULL)
        return err_sys(err, -ENOMEM, "CPUID of vCPU %u", vcpu->id);
    *table = vm->cpuid;
    cpuid_specialise(table, place, vm->tsc_deadline);
    int ret = kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, (unsigned long)table);
    return ret < 0 ? err_sys(err, ret, "KVM_SET_CPUID2 of vCPU %u", vcpu->id) : 0;
}

static int open_vcpu(struct vm *vm, struct vcpu *vcpu, struct err *err)
{
    int fd = kvm_ioctl(vm->vm_fd, KVM_CREATE_VCPU, vcpu->id);
    if (fd < 0)
        return err_sys(err, fd, "KVM_CREATE_VCPU %u", vcpu->id);
    vcpu->fd = fd;
    void *run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (run == MAP_FAILED)
        return err_sys(err, -errno, "mapping vCPU %u", vcpu->id);
    vcpu->run = run;
    vcpu->run_size = vm->run_size;
    return 0;
}

int vcpu_create(struct vm *vm, const struct vcpu_place *place, struct vcpu **out_vcpu,
                struct err *err)
{
    struct vcpu *vcpu = calloc(1, sizeof(*vcpu));
    if (vcpu == NULL)
        return err_sys(err, -ENOMEM, "vCPU %u", place->id);
    vcpu->fd = -1;
    vcpu->id = place->id;
    int ret = open_vcpu(vm, vcpu, err);
    if (ret == 0)
        ret = set_cpuid(vm, vcpu, place, err);
    if (ret == 0)
        ret = vcpu_init_platform_state(vcpu, err);
    if (ret < 0) {
        vcpu_destroy(vcpu);
        return ret;
    }
    *out_vcpu = vcpu;
    return 0;
}

void vcpu_destroy(struct vcpu *vcpu)
{
    if (vcpu == NULL)
        return;
    if (vcpu->run != NULL)
        munmap(vcpu->run, vcpu->run_size);
    fd_close(&vcpu->fd);
    free(vcpu);
}

static void decode_io(struct kvm_run *run, struct vcpu_exit *out)
{
    out->reason = VCPU_EXIT_IO;
    out->is_write = run->io.direction == KVM_EXIT_IO_OUT;
    out->addr = run->io.port;
    out->size = run->io.size;
    out->count = run->io.count;
    out->data = (uint8_t *)run + run->io.data_offset;
}

static void decode_mmio(struct kvm_run *run, struct vcpu_exit *out)
{
    out->reason = VCPU_EXIT_MMIO;
    out->is_write = run->mmio.is_write != 0;
    out->addr = run->mmio.phys_addr;
    out->size = run->mmio.len;
    out->count = 1;
    out->data = run->mmio.data;
}

static void decode_error(const struct kvm_run *run, struct vcpu_exit *out)
{
    out->reason = VCPU_EXIT_ERROR;
    switch (run->exit_reason) {
    case KVM_EXIT_FAIL_ENTRY:
        (void)snprintf(out->text, sizeof(out->text), "entry failed, hardware reason 0x%llx",
                       run->fail_entry.hardware_entry_failure_reason);
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        (void)snprintf(out->text, sizeof(out->text),
                       "KVM internal error %u (1: an instruction it cannot emulate)",
                       run->internal.suberror);
        break;
    default:
        (void)snprintf(out->text, sizeof(out->text), "unexpected exit reason %u", run->exit_reason);
        break;
    }
}

void vcpu_run(struct vcpu *vcpu, struct vcpu_exit *out)
{
    struct kvm_run *run = vcpu->run;
    /* text is written where it is needed: clearing it at each exit would cost more than the exit's
     * decoding. */
    out->data = NULL;
    int ret = ioctl(vcpu->fd, KVM_RUN, 0) < 0 ? -errno : 0;
    /* EAGAIN: a processor that waited for INIT or SIPI got it, and wants to be run again. */
    if (ret == -EINTR || ret == -EAGAIN) {
        out->reason = VCPU_EXIT_INTERRUPTED;
        return;
    }
    if (ret < 0) {
        out->reason = VCPU_EXIT_ERROR;
        (void)snprintf(out->text, sizeof(out->text), "KVM_RUN: %s", strerror(-ret));
        return;
    }
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        decode_io(run, out);
        break;
    case KVM_EXIT_MMIO:
        decode_mmio(run, out);
        break;
    case KVM_EXIT_INTR:
        out->reason = VCPU_EXIT_INTERRUPTED;
        break;
    case KVM_EXIT_SHUTDOWN:
    case KVM_EXIT_SYSTEM_EVENT:
        out->reason = VCPU_EXIT_SHUTDOWN;
        break;
    default:
        decode_error(run, out);
        break;
    }
}

void vcpu_kick(struct vcpu *vcpu)
{
    /* Read by the kernel on this vCPU's thread; the signal that follows orders it. */
    __atomic_store_n(&vcpu->run->immediate_exit, (uint8_t)1, __ATOMIC_RELEASE);
}

void vcpu_clear_kick(struct vcpu *vcpu)
{
    __atomic_store_n(&vcpu->run->immediate_exit, (uint8_t)0, __ATOMIC_RELAXED);
}

void vcpu_mark_paused(struct vcpu *vcpu)
{
    int ret = kvm_ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
    (void)ret; /* EINVAL: the guest has no kvmclock, and nothing to be told */
}
