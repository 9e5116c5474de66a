/* SPDX-License-Identifier: Apache-2.0 */
/* The x86-64 guest-physical address map and the fixed places of boot data in it. Constants only. */
#ifndef AEROSTAT_BOOT_X86_64_LAYOUT_H
#define AEROSTAT_BOOT_X86_64_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "memory/range.h"

/* RAM ends below this address and goes on at 4 GiB. */
#define LAYOUT_MMIO_GAP_START UINT64_C(0xc0000000)
#define LAYOUT_MMIO_GAP_END   UINT64_C(0x100000000)
/* Where Firecracker has it. */
#define LAYOUT_BOOT_TIMER LAYOUT_MMIO_GAP_START
/* virtio-mmio windows, one page each, GSI 5 upward: the PC's own lines are below, 24 pins in all.
 */
#define LAYOUT_VIRTIO_BASE      UINT64_C(0xd0000000)
#define LAYOUT_VIRTIO_GSI_FIRST 5u
#define LAYOUT_VIRTIO_MAX       19u
#define LAYOUT_IOAPIC_BASE      UINT64_C(0xfec00000)
#define LAYOUT_IOAPIC_PINS      24u
#define LAYOUT_LAPIC_BASE       UINT64_C(0xfee00000)
#define LAYOUT_VCPUS_MAX        32u
/* KVM's own pages for real mode on old Intel hosts: three for the TSS, the identity map below. */
#define LAYOUT_KVM_IDENTITY_MAP UINT64_C(0xfeffc000)
#define LAYOUT_KVM_TSS          UINT64_C(0xfeffd000)

/* Boot data below 640 KiB. */
#define LAYOUT_GDT         UINT64_C(0x500)
#define LAYOUT_START_INFO  UINT64_C(0x6000) /* one page: start info, module list, memory map */
#define LAYOUT_ZERO_PAGE   UINT64_C(0x7000)
#define LAYOUT_STACK_TOP   UINT64_C(0x8ff0)
#define LAYOUT_PAGE_TABLES UINT64_C(0x9000) /* six pages: PML4, PDPT, four PDs */
#define LAYOUT_CMDLINE     UINT64_C(0x20000)
#define LAYOUT_CMDLINE_MAX UINT64_C(2048) /* COMMAND_LINE_SIZE of x86 Linux, with the NUL */
#define LAYOUT_LOW_RAM_END UINT64_C(0x9fc00)
/* The last KiB of base memory, where systems without ACPI look for it (MP specification 1.4, 4). */
#define LAYOUT_MP_TABLE     LAYOUT_LOW_RAM_END
#define LAYOUT_MP_TABLE_END UINT64_C(0xa0000)
/* ACPI: the RSDP where a BIOS would have it, the other tables behind it. */
#define LAYOUT_RSDP     UINT64_C(0xe0000)
#define LAYOUT_ACPI_END UINT64_C(0x100000)
#define LAYOUT_HIGH_RAM UINT64_C(0x100000)

/* I/O ports. */
#define LAYOUT_SERIAL_PORT      0x3f8u
#define LAYOUT_SERIAL_GSI       4u
#define LAYOUT_KEYBOARD_DATA    0x60u /* of the keyboard controller */
#define LAYOUT_KEYBOARD_COMMAND 0x64u
#define LAYOUT_KEYBOARD_GSI     1u
#define LAYOUT_RESET_PORT       LAYOUT_KEYBOARD_COMMAND
#define LAYOUT_RESET_VALUE      0xfeu
#define LAYOUT_ACPI_SLEEP_PORT  0x600u /* sleep control (ACPI 6.4, 4.8.3.7) */
#define LAYOUT_ACPI_STATUS_PORT 0x601u /* sleep status */
#define LAYOUT_ACPI_SLP_TYP_S5  5u     /* bits 2 to 4 of the sleep control register */
#define LAYOUT_ACPI_SLP_EN      0x20u

#define LAYOUT_MEM_MIN (UINT64_C(16) << 20)

/*
 * RAM of mem_bytes as one or two ranges around the gap; returns how many. mem_bytes is a multiple
 * of 4096, not 0.
 */
static inline size_t layout_ram(uint64_t mem_bytes, struct gm_range out[2])
{
    uint64_t below = mem_bytes < LAYOUT_MMIO_GAP_START ? mem_bytes : LAYOUT_MMIO_GAP_START;
    out[0] = (struct gm_range){.start = 0, .len_bytes = below};
    if (mem_bytes == below)
        return 1;
    out[1] = (struct gm_range){.start = LAYOUT_MMIO_GAP_END, .len_bytes = mem_bytes - below};
    return 2;
}

#endif
