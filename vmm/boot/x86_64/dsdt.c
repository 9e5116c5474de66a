/* SPDX-License-Identifier: Apache-2.0 */
/* Describes power-off, the serial port, the keyboard and the virtio-mmio devices in AML. */
#include "vmm/boot/x86_64/dsdt.h"

#include <endian.h>
#include <stdio.h>

#include "vmm/boot/x86_64/acpi_defs.h"
#include "vmm/boot/x86_64/layout.h"

static struct acpi_res_interrupt edge_interrupt(uint32_t gsi)
{
    return (struct acpi_res_interrupt){
        .tag = ACPI_RES_INTERRUPT,
        .size = htole16(sizeof(struct acpi_res_interrupt) - 3),
        .flags = ACPI_RES_INT_CONSUMER | ACPI_RES_INT_EDGE,
        .count = 1,
        .gsi = htole32(gsi),
    };
}

/* ACPI 6.4, 7.4.2.6: the value for the sleep control register, the second for PM1b, which is not
 * there. */
static void add_s5(struct aml *aml)
{
    aml_name(aml, "_S5_");
    size_t package = aml_open_package(aml, 4);
    aml_integer(aml, LAYOUT_ACPI_SLP_TYP_S5);
    aml_integer(aml, 0);
    aml_integer(aml, 0);
    aml_integer(aml, 0);
    aml_close(aml, package);
}

static struct acpi_res_io io_ports(uint16_t first, uint8_t count)
{
    return (struct acpi_res_io){
        .tag = ACPI_RES_IO,
        .decode16 = 1,
        .min = htole16(first),
        .max = htole16(first),
        .align = 1,
        .length = count,
    };
}

static void add_serial(struct aml *aml)
{
    struct {
        struct acpi_res_io io;
        struct acpi_res_interrupt interrupt;
        struct acpi_res_end end;
    } __attribute__((packed)) crs = {
        .io = io_ports(LAYOUT_SERIAL_PORT, 8),
        .interrupt = edge_interrupt(LAYOUT_SERIAL_GSI),
        .end = {.tag = ACPI_RES_END},
    };
    size_t device = aml_open_device(aml, "COM1");
    aml_name(aml, "_HID");
    aml_string(aml, "PNP0501");
    aml_name(aml, "_UID");
    aml_integer(aml, 1);
    aml_name(aml, "_CRS");
    aml_buffer(aml, &crs, sizeof(crs));
    aml_close(aml, device);
}

/* No mouse (PNP0F13) beside it. */
static void add_keyboard(struct aml *aml)
{
    struct {
        struct acpi_res_io data;
        struct acpi_res_io command;
        struct acpi_res_interrupt interrupt;
        struct acpi_res_end end;
    } __attribute__((packed)) crs = {
        .data = io_ports(LAYOUT_KEYBOARD_DATA, 1),
        .command = io_ports(LAYOUT_KEYBOARD_COMMAND, 1),
        .interrupt = edge_interrupt(LAYOUT_KEYBOARD_GSI),
        .end = {.tag = ACPI_RES_END},
    };
    size_t device = aml_open_device(aml, "KBD0");
    aml_name(aml, "_HID");
    aml_string(aml, "PNP0303");
    aml_name(aml, "_CRS");
    aml_buffer(aml, &crs, sizeof(crs));
    aml_close(aml, device);
}

static void add_virtio(struct aml *aml, const struct boot_virtio_mmio *dev, unsigned index)
{
    struct {
        struct acpi_res_memory32_fixed window;
        struct acpi_res_interrupt interrupt;
        struct acpi_res_end end;
    } __attribute__((packed)) crs = {
        .window =
            {
                .tag = ACPI_RES_MEMORY32_FIXED,
                .size = htole16(sizeof(struct acpi_res_memory32_fixed) - 3),
                .writable = 1,
                .base = htole32((uint32_t)dev->base_gpa),
                .length = htole32((uint32_t)dev->size_bytes),
            },
        .interrupt = edge_interrupt(dev->gsi),
        .end = {.tag = ACPI_RES_END},
    };
    char name[8];
    (void)snprintf(name, sizeof(name), "V%03X", index & 0xfffu);
    size_t device = aml_open_device(aml, name);
    /* The id that Linux's virtio_mmio driver binds to. */
    aml_name(aml, "_HID");
    aml_string(aml, "LNRO0005");
    aml_name(aml, "_UID");
    aml_integer(aml, index);
    /* Cache coherent: without _CCA some kernels give the device no DMA. */
    aml_name(aml, "_CCA");
    aml_integer(aml, 1);
    aml_name(aml, "_CRS");
    aml_buffer(aml, &crs, sizeof(crs));
    aml_close(aml, device);
}

void dsdt_write(struct aml *aml, const struct boot_spec *spec)
{
    add_s5(aml);
    size_t scope = aml_open_scope(aml, "\\_SB_");
    add_serial(aml);
    add_keyboard(aml);
    for (size_t i = 0; i < spec->virtio_count; i++)
        add_virtio(aml, &spec->virtio[i], (unsigned)i);
    aml_close(aml, scope);
}
