/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI tables of a hardware-reduced machine (ACPI 6.4, 4.1): RSDP, XSDT, FADT, MADT and DSDT. */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/boot/x86_64/acpi_defs.h"
#include "vmm/boot/x86_64/dsdt.h"
#include "vmm/boot/x86_64/layout.h"
#include "vmm/boot/x86_64/tables.h"

/* Holds 19 virtio devices and 32 processors with room to spare. */
#define IMAGE_BYTES 8192u
#define TABLE_ALIGN 16u

_Static_assert(LAYOUT_RSDP + IMAGE_BYTES <= LAYOUT_ACPI_END, "the tables fit their place");

/* The memory from LAYOUT_RSDP on, built here and written once. */
struct image {
    uint8_t buf[IMAGE_BYTES];
    size_t len;
};

static struct acpi_header header(const char *signature, uint8_t revision, size_t length)
{
    struct acpi_header h = {.length = htole32((uint32_t)length), .revision = revision};
    memcpy(h.signature, signature, sizeof(h.signature));
    memcpy(h.oem_id, "AEROST", sizeof(h.oem_id));
    memcpy(h.oem_table_id, "AEROSTAT", sizeof(h.oem_table_id));
    h.oem_revision = htole32(1);
    memcpy(h.creator_id, "AERO", sizeof(h.creator_id));
    h.creator_revision = htole32(1);
    return h;
}

/* Ends the table that fills buf from offset at to len: sets its checksum. Returns its address. */
static uint64_t seal(struct image *image, size_t at, size_t len)
{
    uint8_t *table = image->buf + at;
    table[offsetof(struct acpi_header, checksum)] = table_checksum(table, len);
    image->len = at + len;
    return LAYOUT_RSDP + at;
}

/* Where the next table begins. */
static size_t next_table(const struct image *image)
{
    return (image->len + TABLE_ALIGN - 1) & ~(size_t)(TABLE_ALIGN - 1);
}

/* Returns the address of the DSDT, 0 if it does not fit. */
static uint64_t add_dsdt(struct image *image, const struct boot_spec *spec)
{
    size_t at = next_table(image);
    struct aml aml = {
        .buf = image->buf + at + sizeof(struct acpi_header),
        .cap = sizeof(image->buf) - at - sizeof(struct acpi_header),
    };
    dsdt_write(&aml, spec);
    if (aml.overflow)
        return 0;
    /* Revision 2 makes AML integers 64 bits wide. */
    struct acpi_header h = header("DSDT", 2, sizeof(h) + aml.len);
    memcpy(image->buf + at, &h, sizeof(h));
    return seal(image, at, sizeof(h) + aml.len);
}

static struct acpi_gas io_byte(uint64_t port)
{
    return (struct acpi_gas){
        .space = ACPI_SPACE_IO,
        .bit_width = 8,
        .access_size = ACPI_ACCESS_BYTE,
        .address = htole64(port),
    };
}

static uint64_t add_fadt(struct image *image, uint64_t dsdt_gpa)
{
    struct acpi_fadt fadt = {
        .header = header("FACP", 6, sizeof(fadt)),
        .iapc_boot_arch = htole16(ACPI_IAPC_8042 | ACPI_IAPC_NO_VGA | ACPI_IAPC_NO_CMOS_RTC),
        .flags = htole32(ACPI_FADT_WBINVD | ACPI_FADT_NO_PWR_BUTTON | ACPI_FADT_NO_SLP_BUTTON |
                         ACPI_FADT_RESET_REG_SUP | ACPI_FADT_HW_REDUCED),
        .reset_reg = io_byte(LAYOUT_RESET_PORT),
        .reset_value = LAYOUT_RESET_VALUE,
        .x_dsdt = htole64(dsdt_gpa),
        .sleep_control_reg = io_byte(LAYOUT_ACPI_SLEEP_PORT),
        .sleep_status_reg = io_byte(LAYOUT_ACPI_STATUS_PORT),
    };
    memcpy(fadt.hypervisor_vendor, "AEROSTAT", sizeof(fadt.hypervisor_vendor));
    size_t at = next_table(image);
    memcpy(image->buf + at, &fadt, sizeof(fadt));
    return seal(image, at, sizeof(fadt));
}

static uint64_t add_madt(struct image *image, uint32_t vcpus)
{
    struct {
        struct acpi_madt madt;
        struct acpi_madt_ioapic ioapic;
        struct acpi_madt_lapic lapics[LAYOUT_VCPUS_MAX];
    } __attribute__((packed)) t = {
        /* No PCAT_COMPAT flag: hardware-reduced machines have no 8259s (ACPI 6.4, 5.2.12). */
        .madt.lapic_address = htole32((uint32_t)LAYOUT_LAPIC_BASE),
        .ioapic =
            {
                .type = ACPI_MADT_IOAPIC,
                .length = sizeof(struct acpi_madt_ioapic),
                .address = htole32((uint32_t)LAYOUT_IOAPIC_BASE),
            },
    };
    size_t len = offsetof(__typeof__(t), lapics) + vcpus * sizeof(t.lapics[0]);
    t.madt.header = header("APIC", 5, len);
    for (uint32_t i = 0; i < vcpus; i++)
        t.lapics[i] = (struct acpi_madt_lapic){
            .type = ACPI_MADT_LAPIC,
            .length = sizeof(t.lapics[0]),
            .processor_uid = (uint8_t)i,
            .apic_id = (uint8_t)i,
            .flags = htole32(ACPI_MADT_LAPIC_ENABLED),
        };
    size_t at = next_table(image);
    memcpy(image->buf + at, &t, len);
    return seal(image, at, len);
}

static uint64_t add_xsdt(struct image *image, uint64_t fadt_gpa, uint64_t madt_gpa)
{
    struct {
        struct acpi_header header;
        __le64 tables[2];
    } __attribute__((packed)) xsdt = {
        .header = header("XSDT", 1, sizeof(xsdt)),
        .tables = {htole64(fadt_gpa), htole64(madt_gpa)},
    };
    size_t at = next_table(image);
    memcpy(image->buf + at, &xsdt, sizeof(xsdt));
    return seal(image, at, sizeof(xsdt));
}

static struct acpi_rsdp make_rsdp(uint64_t xsdt_gpa)
{
    struct acpi_rsdp rsdp = {
        .revision = 2,
        .length = htole32(sizeof(rsdp)),
        .xsdt_address = htole64(xsdt_gpa),
    };
    memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
    memcpy(rsdp.oem_id, "AEROST", sizeof(rsdp.oem_id));
    rsdp.checksum = table_checksum(&rsdp, offsetof(struct acpi_rsdp, length));
    rsdp.extended_checksum = table_checksum(&rsdp, sizeof(rsdp));
    return rsdp;
}

int acpi_write(const struct gm *gm, const struct boot_spec *spec, struct err *err)
{
    assert(spec->vcpus <= LAYOUT_VCPUS_MAX);
    struct image image = {.len = sizeof(struct acpi_rsdp)};
    /* The tables of fixed size come first, but the FADT names the DSDT: leave it for last. */
    uint64_t madt_gpa = add_madt(&image, spec->vcpus);
    uint64_t dsdt_gpa = add_dsdt(&image, spec);
    if (dsdt_gpa == 0)
        return err_set(err, -E2BIG, "ACPI tables: %zu virtio devices do not fit in %u bytes",
                       spec->virtio_count, IMAGE_BYTES);
    uint64_t fadt_gpa = add_fadt(&image, dsdt_gpa);
    struct acpi_rsdp rsdp = make_rsdp(add_xsdt(&image, fadt_gpa, madt_gpa));
    memcpy(image.buf, &rsdp, sizeof(rsdp));
    return boot_put(gm, LAYOUT_RSDP, image.buf, image.len, "ACPI tables", err);
}
