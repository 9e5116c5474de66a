/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor table and page tables that the boot processor starts with. */
#include <assert.h>
#include <endian.h>

#include "vmm/base/num.h"
#include "vmm/boot/x86_64/layout.h"
#include "vmm/boot/x86_64/tables.h"

/* Segment descriptors (Intel SDM volume 3, 3.4.5): accessed, base 0, limit 4 GiB in pages. */
#define DESC_CODE32 UINT64_C(0x00cf9b000000ffff)
#define DESC_CODE64 UINT64_C(0x00af9b000000ffff)
#define DESC_DATA   UINT64_C(0x00cf93000000ffff)
/* A busy 32-bit TSS with base 0 and limit 0x67, as the PVH ABI has it; also right in long mode. */
#define DESC_TSS UINT64_C(0x00008b0000000067)

int gdt_write(const struct gm *gm, enum boot_protocol protocol, struct err *err)
{
    uint64_t gdt[GDT_ENTRIES] = {
        [GDT_CODE / 8] = htole64(protocol == BOOT_LINUX64 ? DESC_CODE64 : DESC_CODE32),
        [GDT_DATA / 8] = htole64(DESC_DATA),
        [GDT_TSS / 8] = htole64(DESC_TSS),
    };
    return boot_put(gm, LAYOUT_GDT, gdt, sizeof(gdt), "GDT", err);
}

/* Page table entries (Intel SDM volume 3, 4.5). */
#define PTE_PRESENT UINT64_C(0x01)
#define PTE_WRITE   UINT64_C(0x02)
#define PTE_LARGE   UINT64_C(0x80)

#define PT_ENTRIES 512u
#define PT_DIRS    4u

_Static_assert(LAYOUT_PAGE_TABLES + (2 + PT_DIRS) * GM_PAGE_SIZE <= LAYOUT_CMDLINE,
               "page tables end below the command line");

int paging_write(const struct gm *gm, struct err *err)
{
    static const char what[] = "page tables";
    const uint64_t flags = PTE_PRESENT | PTE_WRITE;
    const uint64_t pdpt_gpa = LAYOUT_PAGE_TABLES + GM_PAGE_SIZE;
    uint64_t table[PT_ENTRIES] = {htole64(pdpt_gpa | flags)};
    int rc = boot_put(gm, LAYOUT_PAGE_TABLES, table, sizeof(table), what, err);
    if (rc < 0)
        return rc;
    for (uint64_t i = 0; i < PT_DIRS; i++)
        table[i] = htole64((pdpt_gpa + (i + 1) * GM_PAGE_SIZE) | flags);
    rc = boot_put(gm, pdpt_gpa, table, sizeof(table), what, err);
    for (uint64_t dir = 0; rc == 0 && dir < PT_DIRS; dir++) {
        for (uint64_t i = 0; i < PT_ENTRIES; i++)
            table[i] = htole64((dir * PT_ENTRIES + i) * GM_HUGE_SIZE | flags | PTE_LARGE);
        rc = boot_put(gm, pdpt_gpa + (dir + 1) * GM_PAGE_SIZE, table, sizeof(table), what, err);
    }
    return rc;
}
