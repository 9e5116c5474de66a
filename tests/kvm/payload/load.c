/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the machine busy until a byte is typed: vCPU 0 inflates in rounds of several chains, waits
 * for each, and resets the device now and then; vCPU 1 writes memory without leaving the guest.
 */
#include "tests/kvm/payload/pl.h"
#include "tests/kvm/payload/pl_smp.h"

#define AREA         (16 * PL_MIB)
#define CHAINS       16u
#define PIECES       4u
#define PIECE        (16u * 1024)
#define ROUND_BYTES  (CHAINS * PIECES * (uint64_t)PIECE)
#define RESET_EVERY  8u
#define SCRATCH      (48 * PL_MIB)
#define SCRATCH_SIZE (4 * PL_MIB)

#define KVM_CPUID_SIGNATURE 0x40000000u
#define KVM_CPUID_FEATURES  0x40000001u
#define KVM_CLOCKSOURCE2    (1u << 3)
#define MSR_KVM_SYSTEM_TIME 0x4b564d01u
#define CLOCK_ENABLE        1u
/* struct pvclock_vcpu_time_info: flags, and the bit that says "the guest stood still". */
#define CLOCK_FLAGS   29u
#define CLOCK_STOPPED 2u

/* What each processor did; the test reads it in guest memory. */
static volatile uint64_t rounds[2] __attribute__((aligned(4096)));
static volatile uint8_t clock_area[64] __attribute__((aligned(64)));

static uint32_t cpuid_eax(uint32_t leaf, uint32_t *ebx)
{
    uint32_t eax = leaf, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(*ebx), "+c"(ecx), "=d"(edx));
    return eax;
}

/* False on a host that has no such clock. */
static bool start_clock(void)
{
    uint32_t ebx;
    uint64_t value = (uint64_t)clock_area | CLOCK_ENABLE;
    (void)cpuid_eax(KVM_CPUID_SIGNATURE, &ebx);
    if (ebx != 0x4b4d564b /* "KVMK" */ ||
        (cpuid_eax(KVM_CPUID_FEATURES, &ebx) & KVM_CLOCKSOURCE2) == 0)
        return false;
    __asm__ volatile("wrmsr"
                     :
                     : "c"(MSR_KVM_SYSTEM_TIME), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
    return true;
}

static void one_round(struct pl_queue *inflate)
{
    pl_touch(AREA, ROUND_BYTES);
    for (uint16_t i = 0; i < CHAINS; i++) {
        uint16_t first = (uint16_t)(i * PIECES);
        pl_chain(inflate, first, PIECES, AREA + first * (uint64_t)PIECE, PIECE, PIECE);
        pl_publish(inflate, first);
    }
    pl_kick(inflate);
    pl_require(pl_wait_used(inflate), "chains of a round are not returned");
    pl_require(pl_count_dirty(AREA, ROUND_BYTES) == 0, "pages of a round were not taken");
    rounds[0]++;
}

static void write_a_page(void)
{
    uint64_t n = ++rounds[1];
    *(volatile uint64_t *)(SCRATCH + n * PL_PAGE % SCRATCH_SIZE) = n;
}

void payload_main(void)
{
    struct pl_queue inflate, deflate;
    bool clock = start_clock();
    pl_value("clock", clock);
    pl_value("rounds", (uint64_t)rounds);
    pl_smp_start();
    pl_smp_run(write_a_page);
    for (uint64_t n = 0; pl_typed() < 0; n++) {
        if (n % RESET_EVERY == 0)
            pl_balloon_init(PL_F_VERSION_1 | PL_F_SG, &inflate, &deflate);
        one_round(&inflate);
        if (n == 0)
            pl_puts("going\n");
    }
    pl_smp_stop();
    pl_value("chains", rounds[0] * CHAINS);
    pl_value("stopped", (clock_area[CLOCK_FLAGS] & CLOCK_STOPPED) != 0);
    pl_puts("done\n");
}
