/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that ends itself, or does nothing, as the letter says which the test types. */
#include "tests/kvm/payload/pl_lie.h"

#define PAGE_TABLES UINT64_C(0x9000)
#define IMAGE       UINT64_C(0x100000)

static void give(uint64_t gpa, uint32_t len)
{
    struct pl_queue *q = &lie_q[LIE_INFLATE];
    pl_desc(q, 0, gpa, len, 0, 0);
    pl_publish(q, 0);
    pl_kick(q);
    for (;;)
        (void)pl_reg_read(PL_MAGIC);
}

static void fault_three_times(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) none = {0, 0};
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}

/* Rings in the gap again and again: each time is worth a message. */
static void complain(void)
{
    for (int i = 0; i < 500; i++) {
        pl_handshake(PL_F_VERSION_1);
        pl_queue_clear(LIE_INFLATE, &lie_q[LIE_INFLATE]);
        pl_queue_registers(&lie_q[LIE_INFLATE], PL_WINDOW, PL_WINDOW, PL_WINDOW);
        pl_reg_write(PL_STATUS, PL_S_RUNNING);
    }
    pl_puts("done\n");
}

void payload_main(void)
{
    pl_puts("at start\n");
    int letter = -1;
    while (letter < 0)
        letter = pl_typed();
    if (letter != 'n')
        lie_start(PL_F_VERSION_1 | PL_F_SG, 2);
    switch (letter) {
    case 'c':
        give(IMAGE, PL_MIB);
        break;
    case 'p':
        give(PAGE_TABLES, 6 * PL_PAGE);
        break;
    case 'a':
        give(0, (uint32_t)(128 * PL_MIB));
        break;
    case 'f':
        fault_three_times();
        break;
    case 'h':
    case 'n':
        __asm__ volatile("cli; hlt");
        break;
    case 'm':
        ((void (*)(void))PL_WINDOW)();
        break;
    case 'l':
        complain();
        break;
    default:
        pl_require(false, "no such letter");
    }
}
