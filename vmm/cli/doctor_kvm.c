/* SPDX-License-Identifier: Apache-2.0 */
/* What `aerostat doctor` finds of KVM and of guests' kernels. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "vmm/base/num.h"
#include "vmm/cli/doctor_priv.h"
#include "vmm/host/host.h"
#include "vmm/kvm/probe.h"

/* The flags of the first processor are in the first part of /proc/cpuinfo. */
#define CPUINFO_MAX 16384u

/* Linux 4.11 has KVM_CAP_IMMEDIATE_EXIT, 5.14 MADV_POPULATE_WRITE. */
#define PREFAULT_MAJOR 5
#define PREFAULT_MINOR 14

static const char *mend_of(int code)
{
    switch (code) {
    case -ENOENT:
        return "modprobe kvm_intel || modprobe kvm_amd";
    case -EACCES:
        return "usermod -aG kvm \"$USER\"   (and log in anew)";
    default:
        return NULL;
    }
}

static void find_capabilities(struct doctor *doctor, const struct vm_probe *probe)
{
    char missing[200] = "";
    size_t len = 0;
    for (unsigned i = 0; i < probe->n_caps; i++) {
        if (!probe->caps[i].there && len < sizeof(missing))
            len += (size_t)snprintf(missing + len, sizeof(missing) - len, "%s%s (%s)",
                                    len == 0 ? "" : ", ", probe->caps[i].name, probe->caps[i].use);
    }
    if (len == 0)
        doctor_find(doctor, "capabilities", DOCTOR_OK, NULL, "all %u that are used", probe->n_caps);
    else
        doctor_find(doctor, "capabilities", DOCTOR_WARN, NULL, "without %s", missing);
}

static bool has_flag(const char *cpuinfo, const char *flag)
{
    const char *line = strstr(cpuinfo, "\nflags");
    size_t end = line == NULL ? 0 : strcspn(line + 1, "\n") + 1;
    size_t len = strlen(flag);
    for (const char *at = line; at != NULL && (at = strstr(at, flag)) != NULL; at += len) {
        if (at >= line + end)
            return false;
        if (at[-1] == ' ' && (at[len] == ' ' || at[len] == '\n' || at[len] == '\0'))
            return true;
    }
    return false;
}

static void find_virtualization(struct doctor *doctor, bool kvm_works)
{
    char cpuinfo[CPUINFO_MAX];
    if (host_read(doctor->root, "/proc/cpuinfo", cpuinfo, sizeof(cpuinfo)) < 0)
        return;
    bool vmx = has_flag(cpuinfo, "vmx");
    bool nested = has_flag(cpuinfo, "hypervisor");
    if (vmx || has_flag(cpuinfo, "svm"))
        doctor_find(doctor, "virtualization", DOCTOR_OK, NULL, "%s%s", vmx ? "vmx" : "svm",
                    nested ? ", nested: this host is a virtual machine itself" : "");
    else if (kvm_works)
        doctor_find(doctor, "virtualization", DOCTOR_WARN, NULL,
                    "neither vmx nor svm in /proc/cpuinfo: this is a paravirtual KVM, which boots "
                    "only kernels that are made for it");
    else
        doctor_find(doctor, "virtualization", DOCTOR_FAIL, NULL,
                    "neither vmx nor svm in /proc/cpuinfo: %s",
                    nested ? "have the hypervisor of this virtual machine offer nested "
                             "virtualization"
                           : "switch virtualization on in the firmware's setup");
}

void doctor_examine_kvm(struct doctor *doctor)
{
    struct vm_probe probe;
    struct err err = {0};
    int rc = vm_probe(doctor->kvm_path, &probe, &err);
    if (rc < 0)
        doctor_find(doctor, "kvm", DOCTOR_FAIL, mend_of(rc), "%.300s", err.text);
    else
        doctor_find(doctor, "kvm", DOCTOR_OK, NULL, "%s: API version %d, %u vCPUs a machine",
                    doctor->kvm_path, probe.api_version, probe.max_vcpus);
    if (probe.n_caps > 0)
        find_capabilities(doctor, &probe);
    find_virtualization(doctor, rc == 0);
}

static void find_kernel(struct doctor *doctor, const char *release)
{
    char *end;
    unsigned long major = strtoul(release, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    if (major > PREFAULT_MAJOR || (major == PREFAULT_MAJOR && minor >= PREFAULT_MINOR))
        doctor_find(doctor, "kernel", DOCTOR_OK, NULL, "Linux %.100s", release);
    else
        doctor_find(doctor, "kernel", DOCTOR_WARN, NULL,
                    "Linux %.100s: --prefault-on-deflate needs %d.%d", release, PREFAULT_MAJOR,
                    PREFAULT_MINOR);
}

/* The first path that fits, in out. */
static bool find_path(const char *pattern, char *out, size_t size)
{
    glob_t found;
    bool any = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0;
    if (any)
        (void)snprintf(out, size, "%s", found.gl_pathv[0]);
    globfree(&found);
    return any;
}

/* As the scripts of tools/ choose it. */
static void cache_pattern(const char *machine, char *out, size_t size)
{
    const char *cache = getenv("AEROSTAT_CACHE");
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (cache != NULL && *cache != '\0')
        (void)snprintf(out, size, "%s/bundled-kernel/%s-*/vmlinux", cache, machine);
    else if (xdg != NULL && *xdg != '\0')
        (void)snprintf(out, size, "%s/aerostat/bundled-kernel/%s-*/vmlinux", xdg, machine);
    else
        (void)snprintf(out, size, "%s/.cache/aerostat/bundled-kernel/%s-*/vmlinux",
                       home == NULL ? "/var/tmp" : home, machine);
}

void doctor_examine_guests(struct doctor *doctor)
{
    struct utsname uts;
    char pattern[HOST_PATH_MAX];
    char path[200];
    if (uname(&uts) < 0)
        return;
    find_kernel(doctor, uts.release);
    cache_pattern(uts.machine, pattern, sizeof(pattern));
    if (find_path(pattern, path, sizeof(path)))
        doctor_find(doctor, "guest kernel", DOCTOR_OK, NULL, "the bundled one is built: %s", path);
    else
        doctor_find(doctor, "guest kernel", DOCTOR_OK, "tools/build-kernel",
                    "the bundled one is not built; any Linux with virtio-mmio will do");
    (void)snprintf(pattern, sizeof(pattern), "%s/lib/modules/%s/*/aerostat_balloon.ko*",
                   doctor->root, uts.release);
    if (!find_path(pattern, path, sizeof(path)))
        (void)snprintf(pattern, sizeof(pattern),
                       "%s/lib/modules/%s/updates/dkms/aerostat_balloon.ko*", doctor->root,
                       uts.release);
    if (find_path(pattern, path, sizeof(path)))
        doctor_find(doctor, "guest driver", DOCTOR_OK, NULL, "built for this host's kernel: %s",
                    path);
    else
        doctor_find(doctor, "guest driver", DOCTOR_OK,
                    "make -C guest/driver dkms && dkms install aerostat-balloon/1",
                    "not built for this host's kernel: guests that boot it give memory back by "
                    "page numbers, not by chains");
}
