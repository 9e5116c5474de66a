/* SPDX-License-Identifier: Apache-2.0 */
/* The MultiProcessor table (MP specification 1.4): processors and interrupts without ACPI. */
#include <assert.h>
#include <endian.h>
#include <linux/types.h>
#include <string.h>

#include "vmm/boot/x86_64/layout.h"
#include "vmm/boot/x86_64/tables.h"

struct mp_pointer {
    char signature[4];
    __le32 table_gpa;
    __u8 length; /* in units of 16 bytes */
    __u8 revision;
    __u8 checksum;
    __u8 features[5];
} __attribute__((packed));
_Static_assert(sizeof(struct mp_pointer) == 16, "MP 1.4, 4.1");

struct mp_header {
    char signature[4];
    __le16 length;
    __u8 revision;
    __u8 checksum;
    char oem_id[8];
    char product_id[12];
    __le32 oem_table_gpa;
    __le16 oem_table_size;
    __le16 entry_count;
    __le32 lapic_gpa;
    __le16 extended_length;
    __u8 extended_checksum;
    __u8 reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct mp_header) == 44, "MP 1.4, 4.2");

struct mp_processor {
    __u8 type; /* 0 */
    __u8 apic_id;
    __u8 apic_version;
    __u8 flags;
    __le32 signature;
    __le32 features;
    __u8 reserved[8];
} __attribute__((packed));
_Static_assert(sizeof(struct mp_processor) == 20, "MP 1.4, 4.3.1");

struct mp_bus {
    __u8 type; /* 1 */
    __u8 id;
    char name[6];
} __attribute__((packed));
_Static_assert(sizeof(struct mp_bus) == 8, "MP 1.4, 4.3.2");

struct mp_ioapic {
    __u8 type; /* 2 */
    __u8 id;
    __u8 version;
    __u8 flags;
    __le32 gpa;
} __attribute__((packed));
_Static_assert(sizeof(struct mp_ioapic) == 8, "MP 1.4, 4.3.3");

/* I/O and local interrupt assignments. */
struct mp_interrupt {
    __u8 type; /* 3: I/O, 4: local */
    __u8 kind;
    __le16 flags; /* 0: as the bus has it; ISA is edge-triggered, active high */
    __u8 source_bus;
    __u8 source_irq;
    __u8 dest_apic;
    __u8 dest_pin;
} __attribute__((packed));
_Static_assert(sizeof(struct mp_interrupt) == 8, "MP 1.4, 4.3.4");

enum { MP_PROCESSOR, MP_BUS, MP_IOAPIC, MP_IO_INTERRUPT, MP_LOCAL_INTERRUPT };
enum { MP_INT, MP_NMI, MP_SMI, MP_EXTINT };

#define MP_REVISION       4u /* 1.4 */
#define MP_ENABLED        1u
#define MP_BOOT_PROCESSOR 2u
#define MP_ALL_LAPICS     0xffu
#define LAPIC_VERSION     0x14u
#define IOAPIC_VERSION    0x11u

/* The part of the table whose length does not depend on the number of processors. */
struct mp_rest {
    struct mp_bus bus;
    struct mp_ioapic ioapic;
    struct mp_interrupt io[LAYOUT_IOAPIC_PINS];
    struct mp_interrupt local[2];
} __attribute__((packed));

struct mp_image {
    struct mp_pointer pointer;
    struct mp_header header;
    uint8_t entries[LAYOUT_VCPUS_MAX * sizeof(struct mp_processor) + sizeof(struct mp_rest)];
} __attribute__((packed));
_Static_assert(LAYOUT_MP_TABLE + sizeof(struct mp_image) <= LAYOUT_MP_TABLE_END,
               "the MP table fits the last KiB of base memory");

static void fill_processors(uint8_t *at, uint32_t vcpus)
{
    for (uint32_t i = 0; i < vcpus; i++) {
        struct mp_processor p = {
            .type = MP_PROCESSOR,
            .apic_id = (uint8_t)i,
            .apic_version = LAPIC_VERSION,
            .flags = (uint8_t)(MP_ENABLED | (i == 0 ? MP_BOOT_PROCESSOR : 0)),
        };
        memcpy(at + i * sizeof(p), &p, sizeof(p));
    }
}

/* Each pin of the I/O APIC is the ISA line of its number: KVM routes them so. */
static struct mp_rest make_rest(uint32_t vcpus)
{
    const uint8_t ioapic_id = (uint8_t)vcpus; /* APIC ids are unique (MP 1.4, 3.6.6) */
    struct mp_rest rest = {
        .bus = {.type = MP_BUS, .name = {'I', 'S', 'A', ' ', ' ', ' '}},
        .ioapic =
            {
                .type = MP_IOAPIC,
                .id = ioapic_id,
                .version = IOAPIC_VERSION,
                .flags = MP_ENABLED,
                .gpa = htole32((uint32_t)LAYOUT_IOAPIC_BASE),
            },
        .local =
            {
                {.type = MP_LOCAL_INTERRUPT, .kind = MP_EXTINT},
                {
                    .type = MP_LOCAL_INTERRUPT,
                    .kind = MP_NMI,
                    .dest_apic = MP_ALL_LAPICS,
                    .dest_pin = 1,
                },
            },
    };
    for (uint8_t pin = 0; pin < LAYOUT_IOAPIC_PINS; pin++)
        rest.io[pin] = (struct mp_interrupt){
            .type = MP_IO_INTERRUPT,
            .kind = MP_INT,
            .source_irq = pin,
            .dest_apic = ioapic_id,
            .dest_pin = pin,
        };
    return rest;
}

int mptable_write(const struct gm *gm, const struct boot_spec *spec, struct err *err)
{
    assert(spec->vcpus <= LAYOUT_VCPUS_MAX);
    const size_t processors = spec->vcpus * sizeof(struct mp_processor);
    const size_t table_len = sizeof(struct mp_header) + processors + sizeof(struct mp_rest);
    struct mp_image image = {
        .pointer =
            {
                .signature = {'_', 'M', 'P', '_'},
                .table_gpa = htole32((uint32_t)(LAYOUT_MP_TABLE + sizeof(struct mp_pointer))),
                .length = 1,
                .revision = MP_REVISION,
            },
        .header =
            {
                .signature = {'P', 'C', 'M', 'P'},
                .length = htole16((uint16_t)table_len),
                .revision = MP_REVISION,
                .entry_count = htole16((uint16_t)(spec->vcpus + 2 + LAYOUT_IOAPIC_PINS + 2)),
                .lapic_gpa = htole32((uint32_t)LAYOUT_LAPIC_BASE),
            },
    };
    memcpy(image.header.oem_id, "AEROSTAT", sizeof(image.header.oem_id));
    memcpy(image.header.product_id, "microVM     ", sizeof(image.header.product_id));
    struct mp_rest rest = make_rest(spec->vcpus);
    fill_processors(image.entries, spec->vcpus);
    memcpy(image.entries + processors, &rest, sizeof(rest));
    image.header.checksum = table_checksum(&image.header, table_len);
    image.pointer.checksum = table_checksum(&image.pointer, sizeof(image.pointer));
    return boot_put(gm, LAYOUT_MP_TABLE, &image, sizeof(image.pointer) + table_len, "MP table",
                    err);
}
