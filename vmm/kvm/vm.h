/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual machine and its vCPUs over /dev/kvm. The only includer of <linux/kvm.h>.
 *
 * Required capabilities are checked by vm_create(); the others are probed and used where they are:
 * no CPUID leaf or MSR is assumed. Setup calls before the vCPUs run; vcpu_run() on the thread of
 * that vCPU only.
 */
#ifndef AEROSTAT_KVM_VM_H
#define AEROSTAT_KVM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/gm.h"
#include "memory/gm_bitmap.h"
#include "vmm/base/err.h"

struct vm;
struct vcpu;

/*
 * Opens dev_path (normally "/dev/kvm"), checks what is required, and creates the VM. own_pages_gpa
 * is where KVM may keep four pages of its own (identity map, TSS): page-aligned, below 4 GiB, never
 * RAM. Returns 0 or -errno with a sentence: -ENOENT or -EACCES for the device, -ENOTSUP naming a
 * missing capability.
 */
int vm_create(const char *dev_path, uint64_t own_pages_gpa, struct vm **out_vm, struct err *err);
/* Accepts NULL. All vCPUs must have been destroyed. */
void vm_destroy(struct vm *vm);

/* Most vCPUs the host's KVM allows. */
uint32_t vm_max_vcpus(const struct vm *vm);
/* Guest-physical address width in bits (CPUID 0x80000008), 36 if the host does not tell. */
uint32_t vm_phys_bits(const struct vm *vm);

/* Makes each region of gm a memory slot. gm is borrowed and outlives the VM. */
int vm_add_memory(struct vm *vm, const struct gm *gm, struct err *err);

/*
 * Creates the in-kernel interrupt controllers and timer. Before irqfds and vCPUs; after the memory,
 * because once there are interrupt routes KVM waits for readers of them at each change of a memory
 * slot: 6 ms and more instead of 0.3.
 */
int vm_create_irqchip(struct vm *vm, struct err *err);

/*
 * From here on KVM records which pages of RAM the guest writes; what was recorded before is
 * forgotten. Writes that the monitor makes itself are not recorded. May be called while vCPUs run,
 * and again while recording; a first write to each page then costs the guest a fault. This and the
 * next two: after vm_add_memory(), one thread at a time. Returns 0, -ENOMEM, or the -errno of a
 * host whose KVM cannot record, with a sentence; nothing is recorded then.
 */
int vm_dirty_log_start(struct vm *vm, struct err *err);
/* Adds the pages written since the start or the last fetch. Returns 0; -EINVAL without a start;
 * -errno of KVM_GET_DIRTY_LOG: what was fetched before the error is in out. */
int vm_dirty_log_fetch(struct vm *vm, struct gm_bitmap *out, struct err *err);
/* Ends the recording. Returns 0, also without a start, or -errno with a sentence. */
int vm_dirty_log_stop(struct vm *vm, struct err *err);

/* fd is signalled when the guest writes the 32-bit value at MMIO address gpa. */
int vm_add_ioeventfd(struct vm *vm, uint64_t gpa, uint32_t value, int fd, struct err *err);
/* Each write to fd is one edge on interrupt line gsi. */
int vm_add_irqfd(struct vm *vm, uint32_t gsi, int fd, struct err *err);

/* One vCPU in the topology: which of how many, and whether two of them share a core (count is 1 or
 * even then). */
struct vcpu_place {
    uint32_t id;
    uint32_t count;
    bool smt;
};

/* Creates a vCPU. CPUID is the host's supported set, made to say where it is. */
int vcpu_create(struct vm *vm, const struct vcpu_place *place, struct vcpu **out_vcpu,
                struct err *err);
/* Accepts NULL. */
void vcpu_destroy(struct vcpu *vcpu);

/* Initial state of the boot processor. */
struct vcpu_entry {
    bool long_mode; /* 64-bit with paging on (cr3), else 32-bit protected mode with paging off */
    uint64_t rip;
    uint64_t rbx; /* PVH: start info */
    uint64_t rsi; /* Linux 64-bit boot protocol: zero page */
    uint64_t rsp;
    uint64_t cr3;     /* long mode: PML4 */
    uint64_t gdt_gpa; /* a GDT in guest memory that holds the three descriptors below, all flat */
    uint16_t gdt_limit;
    uint16_t code_selector;
    uint16_t data_selector;
    uint16_t tss_selector;
};
/* For vCPU 0; the others wait for INIT and SIPI, which the in-kernel APIC handles. */
int vcpu_set_entry(struct vcpu *vcpu, const struct vcpu_entry *entry, struct err *err);

enum vcpu_exit_reason {
    VCPU_EXIT_IO,
    VCPU_EXIT_MMIO,
    VCPU_EXIT_INTERRUPTED, /* a signal or vcpu_kick(): look at why, then run again */
    VCPU_EXIT_SHUTDOWN,    /* triple fault, or the guest asked KVM for a shutdown or reset */
    VCPU_EXIT_ERROR,       /* KVM could not go on; text says why */
};

/* Points into memory shared with the kernel; valid until the next vcpu_run(). */
struct vcpu_exit {
    enum vcpu_exit_reason reason;
    bool is_write;
    uint64_t addr;  /* port or guest-physical address */
    uint32_t size;  /* bytes of one access */
    uint32_t count; /* IO: repetitions (string instructions); MMIO: 1 */
    uint8_t *data;  /* size * count bytes, to read or to fill */
    char text[128]; /* VCPU_EXIT_ERROR */
};

/* Runs the guest until it needs the monitor. The vCPU's thread. */
void vcpu_run(struct vcpu *vcpu, struct vcpu_exit *out);

/*
 * Makes the current or the next vcpu_run() return VCPU_EXIT_INTERRUPTED. Any thread: sets
 * immediate_exit; the caller also sends the thread a signal whose handler does nothing, in case it
 * is inside the kernel.
 */
void vcpu_kick(struct vcpu *vcpu);
/* Takes kicks back that have not made a vcpu_run() return. The vCPU's thread, or while that is
 * known to wait. */
void vcpu_clear_kick(struct vcpu *vcpu);

/*
 * Marks the vCPU's kvmclock, if its guest uses that: time passed in which the guest could not run.
 * Best effort. Any thread, while vcpu_run() is not under way.
 */
void vcpu_mark_paused(struct vcpu *vcpu);
#endif
