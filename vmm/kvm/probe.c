/* SPDX-License-Identifier: Apache-2.0 */
/* What a host's KVM has of what Aerostat uses. */
#include "vmm/kvm/probe.h"

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"
#include "vmm/kvm/kvm_priv.h"

_Static_assert(CAPS <= VM_PROBE_CAPS_MAX, "room for every capability");

int vm_probe(const char *dev_path, struct vm_probe *out, struct err *err)
{
    AUTO_FD int fd = -1;
    *out = (struct vm_probe){0};
    int rc = kvm_open_device(dev_path, &fd, err);
    if (rc < 0)
        return rc;
    out->api_version = KVM_API_VERSION;
    out->max_vcpus = (uint32_t)max_u64(1, (uint64_t)caps_query_fd(&fd, KVM_CAP_MAX_VCPUS));
    for (; out->n_caps < CAPS; out->n_caps++) {
        const struct cap *cap = &caps[out->n_caps];
        out->caps[out->n_caps].name = cap->name;
        out->caps[out->n_caps].use = cap->use;
        out->caps[out->n_caps].required = cap->required;
        out->caps[out->n_caps].there = caps_query_fd(&fd, cap->capability) > 0;
    }
    rc = caps_check(caps_query_fd, &fd, err);
    if (rc < 0)
        return rc;
    AUTO_FD int vm_fd = kvm_ioctl(fd, KVM_CREATE_VM, 0);
    return vm_fd < 0 ? err_sys(err, vm_fd, "KVM_CREATE_VM") : 0;
}
