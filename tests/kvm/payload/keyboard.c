/* SPDX-License-Identifier: Apache-2.0 */
/* A guest with a driver for the keyboard, as small as one can be. Accesses of wrong widths first.
 */
#include "tests/kvm/payload/pl.h"

#define DATA    0x60u
#define COMMAND 0x64u

#define FULL         0x01u
#define READ_CONFIG  0x20u
#define WRITE_CONFIG 0x60u
#define PULSE_RESET  0xfeu
/* Interrupt on, keyboard on, translated. */
#define LISTENING 0x45u

/* Interrupts stay off: that one has arrived shows in the local APIC's request register. */
#define WAIT_TURNS     200000 /* some seconds */
#define VECTOR         0x41u
#define IOAPIC         UINT64_C(0xfec00000)
#define LAPIC          UINT64_C(0xfee00000)
#define LAPIC_SPURIOUS 0x0f0u
#define LAPIC_ENABLED  0x1ffu
#define LAPIC_REQUESTS 0x200u

static void out(uint16_t port, uint32_t value, unsigned int width)
{
    if (width == 1)
        __asm__ volatile("outb %b0, %1" : : "a"(value), "d"(port));
    else if (width == 2)
        __asm__ volatile("outw %w0, %1" : : "a"(value), "d"(port));
    else
        __asm__ volatile("outl %0, %1" : : "a"(value), "d"(port));
}

static uint32_t in(uint16_t port, unsigned int width)
{
    uint32_t value = 0;
    if (width == 1)
        __asm__ volatile("inb %1, %b0" : "+a"(value) : "d"(port));
    else if (width == 2)
        __asm__ volatile("inw %1, %w0" : "+a"(value) : "d"(port));
    else
        __asm__ volatile("inl %1, %0" : "=a"(value) : "d"(port));
    return value;
}

static uint32_t *apic(uint64_t base, uint32_t offset)
{
    return (uint32_t *)(base + offset);
}

static void ioapic_write(uint32_t index, uint32_t value)
{
    *(volatile uint32_t *)apic(IOAPIC, 0x00) = index;
    *(volatile uint32_t *)apic(IOAPIC, 0x10) = value;
}

static void route_interrupt(void)
{
    *(volatile uint32_t *)apic(LAPIC, LAPIC_SPURIOUS) = LAPIC_ENABLED;
    ioapic_write(0x13, 0);
    ioapic_write(0x12, VECTOR);
}

static bool interrupt_arrived(void)
{
    volatile uint32_t *word = apic(LAPIC, LAPIC_REQUESTS + VECTOR / 32 * 0x10);
    return *word >> VECTOR % 32 & 1;
}

/* KVM takes it from the event descriptor on a thread of its own. */
static bool interrupt_arrives(void)
{
    for (int i = 0; i < WAIT_TURNS && !interrupt_arrived(); i++)
        (void)in(COMMAND, 1);
    return interrupt_arrived();
}

static uint8_t configuration(void)
{
    out(COMMAND, READ_CONFIG, 1);
    pl_require(in(COMMAND, 1) & FULL, "the configuration is answered");
    return (uint8_t)in(DATA, 1);
}

/* Ports of one byte answer nothing else, whatever command would be in it. */
static void wrong_widths(void)
{
    uint8_t before = configuration();
    for (unsigned int width = 2; width <= 4; width += 2) {
        for (uint32_t command = 0; command < 256; command++) {
            out(COMMAND, command * 0x01010101u, width);
            out(DATA, command * 0x01010101u, width);
        }
        uint32_t ones = width == 2 ? 0xffffu : 0xffffffffu;
        pl_require(in(DATA, width) == ones && in(COMMAND, width) == ones, "no wide port answers");
    }
    pl_require(!(in(COMMAND, 1) & FULL), "wide writes have no answer");
    pl_require(configuration() == before, "wide writes change nothing");
}

static void read_keys(void)
{
    uint64_t n = 0;
    for (; in(COMMAND, 1) & FULL; n++)
        pl_value("key", in(DATA, 1));
    pl_value("keys", n);
}

void payload_main(void)
{
    wrong_widths();
    route_interrupt();
    pl_checkpoint("deaf");
    out(COMMAND, WRITE_CONFIG, 1);
    out(DATA, LISTENING, 1);
    pl_require(!interrupt_arrived(), "nothing has been pressed");
    pl_checkpoint("listening");
    pl_value("interrupt", interrupt_arrives());
    read_keys();
    pl_checkpoint("listening again");
    read_keys();
    pl_checkpoint("end");
    out(COMMAND, PULSE_RESET, 1);
}
