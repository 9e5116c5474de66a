/* SPDX-License-Identifier: Apache-2.0 */
/* Writes known pages between checkpoints, for the log of written pages. */
#include "tests/kvm/payload/pl.h"

#define AREA  (16 * PL_MIB)
#define AT(n) (AREA + (n) * (uint64_t)PL_PAGE)

/* Beyond the identity map: the test gives RAM there. */
#define HIGH (4 * PL_GIB)

#define PRESENT_WRITABLE 0x3u
#define LARGE            0x80u

static uint64_t high_directory[512] __attribute__((aligned(4096)));

/* 2 MiB at 4 GiB. */
static void map_high(void)
{
    uint64_t *tables;
    __asm__ volatile("mov %%cr3, %0" : "=r"(tables));
    uint64_t *pointers = (uint64_t *)(tables[0] & ~UINT64_C(0xfff));
    high_directory[0] = HIGH | PRESENT_WRITABLE | LARGE;
    pointers[4] = (uint64_t)high_directory | PRESENT_WRITABLE;
}

static void write_page(uint64_t n)
{
    *(volatile uint64_t *)AT(n) += 1;
}

void payload_main(void)
{
    map_high();
    pl_touch(AREA, 4 * PL_MIB);
    pl_checkpoint("populated");

    for (uint64_t n = 0; n < 1024; n += 3)
        write_page(n);
    *(volatile uint8_t *)(AT(2) - 1) = 1; /* the last byte of page 1 */
    *(volatile uint64_t *)(HIGH + 5 * PL_PAGE) = 1;
    pl_value("read", pl_count_dirty(AREA, 4 * PL_MIB));
    pl_checkpoint("thirds");

    pl_touch(AT(512), 2 * PL_MIB);
    pl_checkpoint("half");

    write_page(7);
    pl_checkpoint("before-restart");

    write_page(8);
    pl_checkpoint("after-restart");

    write_page(9);
    pl_checkpoint("unlogged");
    pl_puts("done\n");
}
