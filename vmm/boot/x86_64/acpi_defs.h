/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI 6.4 structures as they lie in guest memory, with the flags that a microVM uses. */
#ifndef AEROSTAT_BOOT_X86_64_ACPI_DEFS_H
#define AEROSTAT_BOOT_X86_64_ACPI_DEFS_H

#include <assert.h>
#include <linux/types.h>
#include <stddef.h>

/* Root System Description Pointer (5.2.5.3). */
struct acpi_rsdp {
    char signature[8];
    __u8 checksum; /* of the first 20 bytes */
    char oem_id[6];
    __u8 revision;
    __le32 rsdt_address;
    __le32 length;
    __le64 xsdt_address;
    __u8 extended_checksum; /* of all bytes */
    __u8 reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 5.2.5.3");

/* What each table starts with (5.2.6). */
struct acpi_header {
    char signature[4];
    __le32 length;
    __u8 revision;
    __u8 checksum; /* makes all bytes of the table add up to 0 */
    char oem_id[6];
    char oem_table_id[8];
    __le32 oem_revision;
    char creator_id[4];
    __le32 creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 5.2.6");

/* Generic Address Structure (5.2.3.2). */
struct acpi_gas {
    __u8 space;
    __u8 bit_width;
    __u8 bit_offset;
    __u8 access_size;
    __le64 address;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_gas) == 12, "ACPI 5.2.3.2");

#define ACPI_SPACE_IO    1u
#define ACPI_ACCESS_BYTE 1u

/*
 * Fixed ACPI Description Table (5.2.9), revision 6. The fixed-hardware registers that a
 * hardware-reduced machine does not have (4.1) are left together as zero bytes.
 */
struct acpi_fadt {
    struct acpi_header header;
    __le32 firmware_ctrl;
    __le32 dsdt;
    __u8 fixed_hardware_1[65];
    __le16 iapc_boot_arch;
    __u8 reserved_1;
    __le32 flags;
    struct acpi_gas reset_reg;
    __u8 reset_value;
    __le16 arm_boot_arch;
    __u8 minor_version;
    __le64 x_firmware_ctrl;
    __le64 x_dsdt;
    __u8 fixed_hardware_2[96];
    struct acpi_gas sleep_control_reg;
    struct acpi_gas sleep_status_reg;
    char hypervisor_vendor[8];
} __attribute__((packed));
_Static_assert(offsetof(struct acpi_fadt, iapc_boot_arch) == 109, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, reset_reg) == 116, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, sleep_control_reg) == 244, "ACPI 5.2.9");
_Static_assert(sizeof(struct acpi_fadt) == 276, "ACPI 5.2.9");

/* Fixed feature flags (table 5.10). */
#define ACPI_FADT_WBINVD        (1u << 0)
#define ACPI_FADT_NO_PWR_BUTTON (1u << 4) /* no fixed power button */
#define ACPI_FADT_NO_SLP_BUTTON (1u << 5)
#define ACPI_FADT_RESET_REG_SUP (1u << 10)
#define ACPI_FADT_HW_REDUCED    (1u << 20)

/* IA-PC boot architecture flags (table 5.11). */
#define ACPI_IAPC_8042        (1u << 1) /* a keyboard controller at ports 0x60 and 0x64 */
#define ACPI_IAPC_NO_VGA      (1u << 2)
#define ACPI_IAPC_NO_CMOS_RTC (1u << 5)

/* Multiple APIC Description Table (5.2.12), its local APIC and I/O APIC structures. */
struct acpi_madt {
    struct acpi_header header;
    __le32 lapic_address;
    __le32 flags;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_madt) == 44, "ACPI 5.2.12");

struct acpi_madt_lapic {
    __u8 type;
    __u8 length;
    __u8 processor_uid;
    __u8 apic_id;
    __le32 flags;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_madt_lapic) == 8, "ACPI 5.2.12.2");

struct acpi_madt_ioapic {
    __u8 type;
    __u8 length;
    __u8 id;
    __u8 reserved;
    __le32 address;
    __le32 gsi_base;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_madt_ioapic) == 12, "ACPI 5.2.12.3");

#define ACPI_MADT_LAPIC         0u
#define ACPI_MADT_IOAPIC        1u
#define ACPI_MADT_LAPIC_ENABLED 1u

/* Resource descriptors of _CRS (6.4.2.5, 6.4.3.4, 6.4.3.6, 6.4.2.9). */
struct acpi_res_io {
    __u8 tag; /* 0x47 */
    __u8 decode16;
    __le16 min;
    __le16 max;
    __u8 align;
    __u8 length;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_res_io) == 8, "ACPI 6.4.2.5");

struct acpi_res_memory32_fixed {
    __u8 tag; /* 0x86 */
    __le16 size;
    __u8 writable;
    __le32 base;
    __le32 length;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_res_memory32_fixed) == 12, "ACPI 6.4.3.4");

struct acpi_res_interrupt {
    __u8 tag; /* 0x89 */
    __le16 size;
    __u8 flags;
    __u8 count;
    __le32 gsi;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_res_interrupt) == 9, "ACPI 6.4.3.6");

struct acpi_res_end {
    __u8 tag;      /* 0x79 */
    __u8 checksum; /* 0: not used */
} __attribute__((packed));

#define ACPI_RES_IO             0x47u
#define ACPI_RES_MEMORY32_FIXED 0x86u
#define ACPI_RES_INTERRUPT      0x89u
#define ACPI_RES_END            0x79u
#define ACPI_RES_INT_CONSUMER   (1u << 0)
#define ACPI_RES_INT_EDGE       (1u << 1) /* active high and exclusive: bits 2 and 3 clear */

#endif
