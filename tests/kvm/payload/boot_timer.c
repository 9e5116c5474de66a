/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the boot timer that it is up: what does not say so, what does, and a repetition. */
#include "tests/kvm/payload/pl.h"

#define TIMER    UINT64_C(0xc0000000)
#define IS_UP    123u
#define IS_NOT_A 124u

static void write8(uint64_t addr, uint8_t value)
{
    *(volatile uint8_t *)addr = value;
}

void payload_main(void)
{
    write8(TIMER, IS_NOT_A);
    write8(TIMER + 1, IS_UP);
    *(volatile uint32_t *)TIMER = IS_UP;
    pl_puts("not yet\n");
    write8(TIMER, IS_UP);
    write8(TIMER, IS_UP);
    pl_value("read", *(volatile uint8_t *)TIMER);
    pl_puts("done\n");
}
