/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of vmm/kvm: the objects, and the parts that tests reach. */
#ifndef AEROSTAT_KVM_PRIV_H
#define AEROSTAT_KVM_PRIV_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/kvm/vm.h"

/* Room for every CPUID entry a host reports (KVM's own limit) and those that are added. */
#define CPUID_ENTRIES_MAX 264u

struct cpuid_table {
    uint32_t nent;
    uint32_t padding;
    struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
};

struct vm {
    int kvm_fd;
    int vm_fd;
    uint32_t max_vcpus;
    uint32_t run_size; /* bytes of struct kvm_run and what follows it */
    bool tsc_deadline;
    struct cpuid_table cpuid; /* what the host supports */
    const struct gm *gm;      /* borrowed, from vm_add_memory() on: slot i is its region i */
    uint64_t *dirty_words;    /* one slot's log, enough for the largest; NULL while none is kept */
};

struct vcpu {
    int fd;
    uint32_t id;
    struct kvm_run *run; /* mapped, shared with the kernel */
    uint32_t run_size;
};

/* ioctl(2) that repeats on EINTR; returns the result or -errno. */
int kvm_ioctl(int fd, unsigned long request, unsigned long arg);

/* Makes region i of vm->gm memory slot i, or changes the slot's flags. */
int vm_set_slot(struct vm *vm, size_t i, uint32_t flags);

/* KVM_CHECK_EXTENSION of one capability, behind a pointer so that a test can play a host that lacks
 * it. */
typedef int (*caps_query_fn)(void *arg, int capability);

/* What is asked of a host's KVM. */
struct cap {
    int capability;
    const char *name, *use;
    bool required;
};
#define CAPS 9u
extern const struct cap caps[CAPS];

/* Of the descriptor of /dev/kvm that arg points to. */
int caps_query_fd(void *arg, int capability);

/* Opens the device and checks its version. Returns 0 or -errno with a sentence. */
int kvm_open_device(const char *path, int *out_fd, struct err *err);

/* 0, or -ENOTSUP with a sentence that names the first missing capability. */
int caps_check(caps_query_fn query, void *arg, struct err *err);

/*
 * Makes the host's supported CPUID (in table) that of a vCPU: APIC ids, one package of cores with
 * one thread each, or two, the hypervisor bit, the TSC deadline timer where KVM emulates it.
 */
void cpuid_specialise(struct cpuid_table *table, const struct vcpu_place *place, bool tsc_deadline);

/* The entry of a leaf, or NULL. */
struct kvm_cpuid_entry2 *cpuid_find(struct cpuid_table *table, uint32_t function, uint32_t index);

/* Registers that firmware would have set up: MTRRs, fast strings, local interrupt pins. Optional
 * ones may be absent. */
int vcpu_init_platform_state(struct vcpu *vcpu, struct err *err);

#endif
