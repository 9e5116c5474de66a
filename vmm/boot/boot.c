/* SPDX-License-Identifier: Apache-2.0 */
/* Puts kernel, initrd, command line and tables into guest memory, in that order. */
#include "vmm/boot/boot.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/boot/cmdline.h"
#include "vmm/boot/file.h"
#include "vmm/boot/initrd.h"
#include "vmm/boot/x86_64/kernel.h"
#include "vmm/boot/x86_64/layout.h"
#include "vmm/boot/x86_64/tables.h"

static int check_virtio(const struct boot_virtio_mmio *dev, size_t index, struct err *err)
{
    const struct gm_range gap = {
        .start = LAYOUT_MMIO_GAP_START,
        .len_bytes = LAYOUT_MMIO_GAP_END - LAYOUT_MMIO_GAP_START,
    };
    struct gm_range window = {.start = dev->base_gpa, .len_bytes = dev->size_bytes};
    if (dev->size_bytes == 0 || !gm_range_contains(gap, window))
        return err_set(err, -EINVAL,
                       "virtio device %zu: %" PRIu64 " bytes of registers at 0x%" PRIx64
                       " are not between 0x%" PRIx64 " and 0x%" PRIx64,
                       index, dev->size_bytes, dev->base_gpa, LAYOUT_MMIO_GAP_START,
                       LAYOUT_MMIO_GAP_END);
    if (dev->gsi >= LAYOUT_IOAPIC_PINS)
        return err_set(err, -EINVAL, "virtio device %zu: interrupt line %" PRIu32 " is above %u",
                       index, dev->gsi, LAYOUT_IOAPIC_PINS - 1);
    return 0;
}

static int check_spec(const struct boot_spec *spec, const struct gm *gm, struct err *err)
{
    if (spec->vcpus == 0 || spec->vcpus > LAYOUT_VCPUS_MAX)
        return err_set(err, -EINVAL, "%" PRIu32 " vCPUs are not between 1 and %u", spec->vcpus,
                       LAYOUT_VCPUS_MAX);
    if (spec->virtio_count > LAYOUT_VIRTIO_MAX)
        return err_set(err, -EINVAL, "%zu virtio devices are above the limit of %u",
                       spec->virtio_count, LAYOUT_VIRTIO_MAX);
    uint64_t ram_end = memmap_low_ram_end(gm);
    if (ram_end < LAYOUT_MEM_MIN)
        return err_set(err, -EINVAL,
                       "guest memory: %" PRIu64 " bytes from address 0 on are below the minimum of "
                       "%" PRIu64,
                       ram_end, LAYOUT_MEM_MIN);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < spec->virtio_count; i++)
        rc = check_virtio(&spec->virtio[i], i, err);
    return rc;
}

static int load_kernel(const char *path, const struct gm *gm, struct kernel *out, struct err *err)
{
    AUTO_BOOT_FILE struct boot_file file = {.fd = -1};
    int rc = boot_file_open(path, "kernel", &file, err);
    if (rc == 0)
        rc = kernel_load(&file, gm, out, err);
    return rc;
}

static int load_initrd(const char *path, const struct gm *gm, const struct kernel *kernel,
                       struct gm_range *out, struct err *err)
{
    if (path == NULL)
        return 0;
    uint64_t end = min_u64(memmap_low_ram_end(gm), kernel->initrd_end_max);
    struct gm_range bounds = {
        .start = LAYOUT_HIGH_RAM,
        .len_bytes = sub_sat_u64(end, LAYOUT_HIGH_RAM),
    };
    return initrd_load(path, gm, bounds, kernel->span, out, err);
}

static int put_cmdline(const struct boot_spec *spec, const struct gm *gm,
                       const struct kernel *kernel, struct boot_info *info, struct err *err)
{
    char line[LAYOUT_CMDLINE_MAX];
    size_t len;
    int rc = cmdline_build(spec, kernel->cmdline_max, line, sizeof(line), &len, err);
    if (rc < 0)
        return rc;
    info->cmdline_gpa = LAYOUT_CMDLINE;
    return boot_put(gm, LAYOUT_CMDLINE, line, len + 1, "command line", err);
}

static int put_tables(const struct boot_spec *spec, const struct gm *gm,
                      const struct kernel *kernel, struct boot_info *info, struct err *err)
{
    memmap_build(gm, &info->map);
    /*
     * The MP table is there for ACPI kernels too: Linux looks for one before it knows of ACPI, and
     * goes through 64 KiB of ROM in steps of 16 bytes, each with a new mapping, to miss it.
     */
    int rc = mptable_write(gm, spec, err);
    if (rc == 0 && !spec->virtio_on_cmdline) {
        info->rsdp_gpa = LAYOUT_RSDP;
        rc = acpi_write(gm, spec, err);
    }
    if (rc == 0)
        rc = gdt_write(gm, kernel->protocol, err);
    if (rc < 0)
        return rc;
    if (kernel->protocol == BOOT_PVH)
        return pvh_write(gm, info, err);
    rc = paging_write(gm, err);
    return rc < 0 ? rc : zero_page_write(gm, kernel, info, err);
}

static struct boot_entry make_entry(const struct kernel *kernel)
{
    bool pvh = kernel->protocol == BOOT_PVH;
    return (struct boot_entry){
        .protocol = kernel->protocol,
        .rip = kernel->entry_gpa,
        .info_gpa = pvh ? LAYOUT_START_INFO : LAYOUT_ZERO_PAGE,
        .rsp = LAYOUT_STACK_TOP,
        .cr3 = pvh ? 0 : LAYOUT_PAGE_TABLES,
        .gdt_gpa = LAYOUT_GDT,
        .gdt_limit = GDT_ENTRIES * 8 - 1,
        .code_selector = GDT_CODE,
        .data_selector = GDT_DATA,
        .tss_selector = GDT_TSS,
    };
}

int boot_load(const struct boot_spec *spec, struct gm *gm, struct boot_entry *out_entry,
              struct err *err)
{
    struct kernel kernel;
    struct boot_info info = {0};
    int rc = check_spec(spec, gm, err);
    if (rc == 0)
        rc = load_kernel(spec->kernel_path, gm, &kernel, err);
    if (rc == 0)
        rc = load_initrd(spec->initrd_path, gm, &kernel, &info.initrd, err);
    if (rc == 0)
        rc = put_cmdline(spec, gm, &kernel, &info, err);
    if (rc == 0)
        rc = put_tables(spec, gm, &kernel, &info, err);
    if (rc == 0)
        *out_entry = make_entry(&kernel);
    return rc;
}
