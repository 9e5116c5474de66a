/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of a vCPU before its first instruction. */
#include <errno.h>
#include <string.h>

#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/kvm/kvm_priv.h"

#define CR0_PE   UINT64_C(0x1)
#define CR0_ET   UINT64_C(0x10)
#define CR0_PG   UINT64_C(0x80000000)
#define CR4_PAE  UINT64_C(0x20)
#define EFER_LME UINT64_C(0x100)
#define EFER_LMA UINT64_C(0x400)

#define RFLAGS_RESERVED UINT64_C(0x2)

#define SEG_CODE_READ_ACCESSED  0xbu
#define SEG_DATA_WRITE_ACCESSED 0x3u
#define SEG_TSS_BUSY            0xbu
#define TSS_LIMIT               0x67u

#define MSR_IA32_MISC_ENABLE    0x1a0u
#define MISC_ENABLE_FAST_STRING UINT64_C(0x1)
#define MSR_MTRR_DEF_TYPE       0x2ffu
#define MTRR_ENABLE_WRITE_BACK  UINT64_C(0x806)

#define APIC_LVT_LINT0       0x350u
#define APIC_LVT_LINT1       0x360u
#define APIC_DELIVERY_NMI    (4u << 8)
#define APIC_DELIVERY_EXTINT (7u << 8)

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
    return (struct kvm_segment){
        .base = 0,
        .limit = 0xffffffffu,
        .selector = selector,
        .type = type,
        .present = 1,
        .s = 1,
        .g = 1,
    };
}

static void set_segments(struct kvm_sregs *sregs, const struct vcpu_entry *entry)
{
    struct kvm_segment code = flat_segment(entry->code_selector, SEG_CODE_READ_ACCESSED);
    code.l = entry->long_mode;
    code.db = !entry->long_mode;
    struct kvm_segment data = flat_segment(entry->data_selector, SEG_DATA_WRITE_ACCESSED);
    data.db = 1;
    sregs->cs = code;
    sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
    sregs->tr = (struct kvm_segment){
        .limit = TSS_LIMIT, .selector = entry->tss_selector, .type = SEG_TSS_BUSY, .present = 1};
    sregs->ldt.unusable = 1;
    sregs->gdt.base = entry->gdt_gpa;
    sregs->gdt.limit = entry->gdt_limit;
    sregs->idt.base = 0;
    sregs->idt.limit = 0;
}

int vcpu_set_entry(struct vcpu *vcpu, const struct vcpu_entry *entry, struct err *err)
{
    struct kvm_sregs sregs;
    int ret = kvm_ioctl(vcpu->fd, KVM_GET_SREGS, (unsigned long)&sregs);
    if (ret < 0)
        return err_sys(err, ret, "KVM_GET_SREGS");
    set_segments(&sregs, entry);
    sregs.cr0 = CR0_PE | CR0_ET;
    sregs.cr4 = 0;
    sregs.efer = 0;
    if (entry->long_mode) {
        sregs.cr0 |= CR0_PG;
        sregs.cr3 = entry->cr3;
        sregs.cr4 |= CR4_PAE;
        sregs.efer |= EFER_LME | EFER_LMA;
    }
    ret = kvm_ioctl(vcpu->fd, KVM_SET_SREGS, (unsigned long)&sregs);
    if (ret < 0)
        return err_sys(err, ret, "KVM_SET_SREGS");
    struct kvm_regs regs = {
        .rip = entry->rip,
        .rbx = entry->rbx,
        .rsi = entry->rsi,
        .rsp = entry->rsp,
        .rflags = RFLAGS_RESERVED,
    };
    ret = kvm_ioctl(vcpu->fd, KVM_SET_REGS, (unsigned long)&regs);
    return ret < 0 ? err_sys(err, ret, "KVM_SET_REGS") : 0;
}

/* What a paravirtual or old KVM does not know is left at its reset value. */
static void set_optional_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
    union {
        struct kvm_msrs list;
        uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
    } msrs = {.room = {0}};
    msrs.list.nmsrs = 1;
    msrs.list.entries[0].index = index;
    msrs.list.entries[0].data = value;
    if (kvm_ioctl(vcpu->fd, KVM_SET_MSRS, (unsigned long)&msrs) != 1)
        log_debug("vCPU %u: MSR 0x%x keeps its reset value: KVM does not take it", vcpu->id, index);
}

static void set_lvt(struct kvm_lapic_state *lapic, size_t offset, uint32_t value)
{
    memcpy(&lapic->regs[offset], &value, sizeof(value));
}

/* Firmware leaves the 8259 on LINT0 and NMI on LINT1 (MP specification 1.4, 3.6.2.2, virtual wire
 * mode). */
static int set_local_pins(struct vcpu *vcpu, struct err *err)
{
    struct kvm_lapic_state lapic;
    int ret = kvm_ioctl(vcpu->fd, KVM_GET_LAPIC, (unsigned long)&lapic);
    if (ret < 0)
        return err_sys(err, ret, "KVM_GET_LAPIC");
    set_lvt(&lapic, APIC_LVT_LINT0, APIC_DELIVERY_EXTINT);
    set_lvt(&lapic, APIC_LVT_LINT1, APIC_DELIVERY_NMI);
    ret = kvm_ioctl(vcpu->fd, KVM_SET_LAPIC, (unsigned long)&lapic);
    return ret < 0 ? err_sys(err, ret, "KVM_SET_LAPIC") : 0;
}

int vcpu_init_platform_state(struct vcpu *vcpu, struct err *err)
{
    set_optional_msr(vcpu, MSR_IA32_MISC_ENABLE, MISC_ENABLE_FAST_STRING);
    set_optional_msr(vcpu, MSR_MTRR_DEF_TYPE, MTRR_ENABLE_WRITE_BACK);
    return set_local_pins(vcpu, err);
}
