/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers of what a kernel finds in memory beside itself. Each writes at its place in layout.h and
 * fails (-EFAULT with a sentence) only where that place is not RAM.
 */
#ifndef AEROSTAT_BOOT_X86_64_TABLES_H
#define AEROSTAT_BOOT_X86_64_TABLES_H

#include <stdint.h>

#include "memory/gm.h"
#include "vmm/base/err.h"
#include "vmm/boot/boot.h"
#include "vmm/boot/x86_64/kernel.h"
#include "vmm/boot/x86_64/memmap.h"

/* What both boot protocols tell the kernel. */
struct boot_info {
    struct gm_range initrd; /* length 0: none */
    uint64_t cmdline_gpa;   /* NUL-terminated */
    uint64_t rsdp_gpa;      /* 0: no ACPI */
    struct memmap map;
};

/* Selectors of the descriptors in the table; __BOOT_CS and __BOOT_DS of Linux. */
#define GDT_CODE    0x10u
#define GDT_DATA    0x18u
#define GDT_TSS     0x20u
#define GDT_ENTRIES 6u /* null, unused, code, data, and two for the TSS */

/* Copies boot data into guest memory. what names it in the sentence. */
int boot_put(const struct gm *gm, uint64_t gpa, const void *src, size_t len, const char *what,
             struct err *err);

/* The byte that makes all bytes add up to 0, when it is 0 in data so far (ACPI and MP tables). */
uint8_t table_checksum(const void *data, size_t len);

/* Flat code (64-bit for BOOT_LINUX64), data and a task state segment at LAYOUT_GDT. */
int gdt_write(const struct gm *gm, enum boot_protocol protocol, struct err *err);

/* Identity map of the first 4 GiB with 2 MiB pages at LAYOUT_PAGE_TABLES. */
int paging_write(const struct gm *gm, struct err *err);

/* boot_params at LAYOUT_ZERO_PAGE. */
int zero_page_write(const struct gm *gm, const struct kernel *kernel, const struct boot_info *info,
                    struct err *err);

/* hvm_start_info, module list and memory map at LAYOUT_START_INFO. */
int pvh_write(const struct gm *gm, const struct boot_info *info, struct err *err);

/* RSDP at LAYOUT_RSDP, XSDT, FADT, MADT and DSDT behind it. */
int acpi_write(const struct gm *gm, const struct boot_spec *spec, struct err *err);

/* MP floating pointer and configuration table at LAYOUT_MP_TABLE. */
int mptable_write(const struct gm *gm, const struct boot_spec *spec, struct err *err);

#endif
