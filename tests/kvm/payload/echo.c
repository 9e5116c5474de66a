/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes back what is typed, until that is a "q"; after an "f" it writes without end. Ctrl+Alt+Del
 * switches it off, as far as a guest without interrupts knows that: by the first key.
 */
#include "tests/kvm/payload/pl.h"

#define DATA         0x60u
#define COMMAND      0x64u
#define FULL         0x01u
#define WRITE_CONFIG 0x60u
/* Interrupt on, keyboard on, translated. */
#define LISTENING 0x45u

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static uint8_t in(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
    return value;
}

void payload_main(void)
{
    char text[2] = "";
    out(COMMAND, WRITE_CONFIG);
    out(DATA, LISTENING);
    pl_puts("up\n");
    while (!(in(COMMAND)&FULL)) {
        int typed = pl_typed();
        if (typed == 'q')
            return;
        while (typed == 'f')
            pl_puts("It writes more than anybody wants to read, line by line, without end.\n");
        text[0] = (char)typed;
        if (typed >= 0)
            pl_puts(text);
    }
    pl_puts("off\n");
}
