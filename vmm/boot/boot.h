/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads a kernel, its initrd, command line and tables into guest memory, and says where to start.
 * Plain data out; KVM is not known here. Every field of a file's headers may lie. Called before
 * the vCPUs run.
 */
#ifndef AEROSTAT_BOOT_H
#define AEROSTAT_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/gm.h"
#include "vmm/base/err.h"

/* A virtio-mmio register window as the guest is told of it. */
struct boot_virtio_mmio {
    uint64_t base_gpa;
    uint64_t size_bytes;
    uint32_t gsi;
};

/* What to boot, borrowed for the call. */
struct boot_spec {
    const char *kernel_path;               /* bzImage or ELF vmlinux */
    const char *initrd_path;               /* NULL: none */
    const char *cmdline;                   /* without the parts that boot adds; NULL: empty */
    uint32_t vcpus;                        /* 1 to LAYOUT_VCPUS_MAX; APIC ids are 0 upward */
    const struct boot_virtio_mmio *virtio; /* virtio_count of them, at most LAYOUT_VIRTIO_MAX */
    size_t virtio_count;
    /*
     * For kernels without ACPI: tell of the virtio devices by virtio_mmio.device= on the command
     * line, and of processors and interrupts by the MP table alone. There are no ACPI tables then:
     * a kernel that finds a hardware-reduced ACPI machine has no ISA interrupt numbers, which is
     * what virtio_mmio.device= names, and cannot use the devices.
     */
    bool virtio_on_cmdline;
};

enum boot_protocol {
    BOOT_PVH,     /* 32-bit entry, paging off, hvm_start_info in ebx (XEN_ELFNOTE_PHYS32_ENTRY) */
    BOOT_LINUX64, /* 64-bit entry, paging on, the zero page in rsi */
};

/* What the boot processor starts with. */
struct boot_entry {
    enum boot_protocol protocol;
    uint64_t rip;
    uint64_t info_gpa; /* hvm_start_info or boot_params */
    uint64_t rsp;
    uint64_t cr3; /* BOOT_LINUX64: identity map of the first 4 GiB; BOOT_PVH: 0 */
    uint64_t gdt_gpa;
    uint16_t gdt_limit;
    uint16_t code_selector;
    uint16_t data_selector;
    uint16_t tss_selector;
};

/*
 * gm is laid out as layout_ram() has it, and fresh: it reads as zero, so that the kernel's bss
 * costs nothing. Guest memory is undefined after an error. Returns 0; -errno of open(2), fstat(2),
 * read(2); -ENOEXEC for what is not a kernel or has lying headers; -E2BIG when kernel, initrd or
 * command line are larger than their room; -EISDIR for a directory; -EINVAL for an empty or special
 * file, and for a spec or gm out of bounds. err has a sentence with the file's name, the value and
 * the bound.
 */
int boot_load(const struct boot_spec *spec, struct gm *gm, struct boot_entry *out_entry,
              struct err *err);

#endif
