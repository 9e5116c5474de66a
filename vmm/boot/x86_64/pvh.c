/* SPDX-License-Identifier: Apache-2.0 */
/* The start info of Xen's PVH boot ABI, version 1 (xen/include/public/arch-x86/hvm/start_info.h).
 */
#include <assert.h>
#include <endian.h>
#include <linux/types.h>

#include "vmm/base/num.h"
#include "vmm/boot/x86_64/layout.h"
#include "vmm/boot/x86_64/tables.h"

#define PVH_MAGIC   0x336ec578u /* "xEn3" with the top bit of the E set */
#define PVH_VERSION 1u

struct pvh_start_info {
    __le32 magic;
    __le32 version;
    __le32 flags;
    __le32 nr_modules;
    __le64 modlist_paddr;
    __le64 cmdline_paddr;
    __le64 rsdp_paddr;
    __le64 memmap_paddr;
    __le32 memmap_entries;
    __le32 reserved;
};
_Static_assert(sizeof(struct pvh_start_info) == 56, "PVH ABI");
_Static_assert(offsetof(struct pvh_start_info, modlist_paddr) == 16, "PVH ABI");
_Static_assert(offsetof(struct pvh_start_info, memmap_entries) == 48, "PVH ABI");

struct pvh_module {
    __le64 paddr;
    __le64 size;
    __le64 cmdline_paddr;
    __le64 reserved;
};
_Static_assert(sizeof(struct pvh_module) == 32, "PVH ABI");

struct pvh_memmap_entry {
    __le64 addr;
    __le64 size;
    __le32 type;
    __le32 reserved;
};
_Static_assert(sizeof(struct pvh_memmap_entry) == 24, "PVH ABI");

/* The three lie together at LAYOUT_START_INFO. */
struct pvh_page {
    struct pvh_start_info info;
    struct pvh_module module;
    struct pvh_memmap_entry map[MEMMAP_MAX];
};
_Static_assert(LAYOUT_START_INFO + sizeof(struct pvh_page) <= LAYOUT_ZERO_PAGE,
               "start info ends below the zero page");

int pvh_write(const struct gm *gm, const struct boot_info *info, struct err *err)
{
    struct pvh_page page = {
        .info =
            {
                .magic = htole32(PVH_MAGIC),
                .version = htole32(PVH_VERSION),
                .cmdline_paddr = htole64(info->cmdline_gpa),
                .rsdp_paddr = htole64(info->rsdp_gpa),
                .memmap_paddr = htole64(LAYOUT_START_INFO + offsetof(struct pvh_page, map)),
                .memmap_entries = htole32((uint32_t)info->map.count),
            },
    };
    if (info->initrd.len_bytes > 0) {
        page.info.nr_modules = htole32(1);
        page.info.modlist_paddr = htole64(LAYOUT_START_INFO + offsetof(struct pvh_page, module));
        page.module.paddr = htole64(info->initrd.start);
        page.module.size = htole64(info->initrd.len_bytes);
    }
    for (size_t i = 0; i < info->map.count; i++)
        page.map[i] = (struct pvh_memmap_entry){
            .addr = htole64(info->map.entries[i].start),
            .size = htole64(info->map.entries[i].len_bytes),
            .type = htole32(info->map.entries[i].type),
        };
    return boot_put(gm, LAYOUT_START_INFO, &page, sizeof(page), "PVH start info", err);
}
