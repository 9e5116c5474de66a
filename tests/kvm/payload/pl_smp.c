/* SPDX-License-Identifier: Apache-2.0 */
/* Starts vCPU 1 as a PC does: INIT, then a start-up interrupt that names its first page. */
#include "tests/kvm/payload/pl_smp.h"

/* The local APIC's interrupt command (Intel SDM 3A, 11.6.1). */
#define ICR_LOW     UINT64_C(0xfee00300)
#define ICR_HIGH    UINT64_C(0xfee00310)
#define ICR_INIT    0x4500u
#define ICR_STARTUP 0x4600u

/* Where real mode begins: a free page below 1 MiB, as trampoline.S has it. */
#define TRAMPOLINE UINT64_C(0x70000)

#define START_TURNS 2000000u

extern const uint8_t pl_trampoline[], pl_trampoline_cr3[], pl_trampoline_end[];

static void (*volatile work)(void);
static volatile uint32_t alive, calls;

void pl_ap_main(void);
void pl_ap_main(void)
{
    alive = 1;
    for (;;) {
        void (*fn)(void) = __atomic_load_n(&work, __ATOMIC_ACQUIRE);
        if (fn != 0) {
            fn();
            __atomic_store_n(&calls, calls + 1, __ATOMIC_RELEASE);
        } else {
            __atomic_store_n(&calls, 0, __ATOMIC_RELEASE);
            __asm__ volatile("pause");
        }
    }
}

static void send_ipi(uint32_t what)
{
    *(volatile uint32_t *)ICR_HIGH = 1u << 24;
    *(volatile uint32_t *)ICR_LOW = what;
}

void pl_smp_start(void)
{
    uint64_t cr3;
    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    volatile uint8_t *to = (volatile uint8_t *)TRAMPOLINE;
    for (const uint8_t *from = pl_trampoline; from < pl_trampoline_end; from++)
        *to++ = *from;
    *(volatile uint32_t *)(TRAMPOLINE + (uint64_t)(pl_trampoline_cr3 - pl_trampoline)) =
        (uint32_t)cr3;
    send_ipi(ICR_INIT);
    send_ipi(ICR_STARTUP | TRAMPOLINE >> 12);
    for (uint32_t turn = 0; alive == 0; turn++) {
        pl_require(turn < START_TURNS, "vCPU 1 does not start");
        (void)pl_reg_read(PL_MAGIC);
    }
}

void pl_smp_run(void (*fn)(void))
{
    __atomic_store_n(&work, fn, __ATOMIC_RELEASE);
    while (__atomic_load_n(&calls, __ATOMIC_ACQUIRE) == 0)
        (void)pl_reg_read(PL_MAGIC);
}

void pl_smp_stop(void)
{
    __atomic_store_n(&work, (void (*)(void))0, __ATOMIC_RELEASE);
    while (__atomic_load_n(&calls, __ATOMIC_ACQUIRE) != 0)
        (void)pl_reg_read(PL_MAGIC);
}
