/* SPDX-License-Identifier: Apache-2.0 */
/* boot_params, which Linux calls the zero page (Documentation/arch/x86/boot.rst, zero-page.rst). */
#include <assert.h>
#include <endian.h>

#include "vmm/base/num.h"
#include "vmm/boot/x86_64/layout.h"
#include "vmm/boot/x86_64/tables.h"

/* A boot loader without a number of its own. */
#define LOADER_UNDEFINED 0xffu

_Static_assert(sizeof(struct boot_params) == GM_PAGE_SIZE, "the zero page is a page");
_Static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x70, "boot protocol 2.14");
_Static_assert(offsetof(struct boot_params, hdr) == 0x1f1, "boot protocol");
_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "boot protocol");
_Static_assert(MEMMAP_MAX <= E820_MAX_ENTRIES_ZEROPAGE, "the map fits in the zero page");

static uint32_t low32(uint64_t v)
{
    return htole32((uint32_t)v);
}

static uint32_t high32(uint64_t v)
{
    return htole32((uint32_t)(v >> 32));
}

int zero_page_write(const struct gm *gm, const struct kernel *kernel, const struct boot_info *info,
                    struct err *err)
{
    /* Only the setup header comes from the file: the rest must be zero, or the kernel mistrusts it
     * (sentinel). */
    struct boot_params bp = {.hdr = kernel->setup};
    bp.hdr.type_of_loader = LOADER_UNDEFINED;
    bp.hdr.cmd_line_ptr = low32(info->cmdline_gpa);
    bp.ext_cmd_line_ptr = high32(info->cmdline_gpa);
    bp.hdr.ramdisk_image = low32(info->initrd.start);
    bp.ext_ramdisk_image = high32(info->initrd.start);
    bp.hdr.ramdisk_size = low32(info->initrd.len_bytes);
    bp.ext_ramdisk_size = high32(info->initrd.len_bytes);
    bp.acpi_rsdp_addr = htole64(info->rsdp_gpa);
    bp.e820_entries = (uint8_t)info->map.count;
    for (size_t i = 0; i < info->map.count; i++)
        bp.e820_table[i] = (struct boot_e820_entry){
            .addr = htole64(info->map.entries[i].start),
            .size = htole64(info->map.entries[i].len_bytes),
            .type = htole32(info->map.entries[i].type),
        };
    return boot_put(gm, LAYOUT_ZERO_PAGE, &bp, sizeof(bp), "zero page", err);
}
