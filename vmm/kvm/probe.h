/* SPDX-License-Identifier: Apache-2.0 */
/* What a host's KVM has of what Aerostat uses. */
#ifndef AEROSTAT_KVM_PROBE_H
#define AEROSTAT_KVM_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"

#define VM_PROBE_CAPS_MAX 16u

struct vm_probe {
    int api_version;
    uint32_t max_vcpus;
    unsigned n_caps;
    struct {
        const char *name; /* "KVM_CAP_IRQFD" */
        const char *use;  /* what for, "device interrupts" */
        bool required;    /* no machine without it */
        bool there;
    } caps[VM_PROBE_CAPS_MAX];
};

/*
 * Opens dev_path, asks for each capability, and creates a VM, which it destroys again. Returns 0
 * when machines can be built; -errno with a sentence as vm_create() has it. *out is filled as far
 * as that went. Any thread.
 */
int vm_probe(const char *dev_path, struct vm_probe *out, struct err *err);

#endif
