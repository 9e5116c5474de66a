/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For benchmarks: populates as many MiB as the host types, and gives them back in one chain when
 * the host says how.
 *
 * "g": and sleeps for good, as a driver does that waits for the host. "m": times exits of this
 * vCPU before and while the host takes the memory: a read of a register, a read of the device's
 * configuration, and a kick of the other queue.
 */
#include "tests/kvm/payload/pl.h"

/* Up to this much fits below the gap that the devices are in; more is above it. */
#define LOW_MIB    2048u
#define LOW_START  (16 * PL_MIB)
#define HIGH_START (4 * PL_GIB)
#define HIGH_GIBS  8u

#define SAMPLES      32768u
#define IDLE_SAMPLES 4096u
#define ENTRIES      512u

/* Page table entries: present, writable, and for 2 MiB (Intel SDM 3A, 4.5). */
#define ENTRY_PRESENT 3u
#define ENTRY_HUGE    0x80u
#define ENTRY_ADDR    UINT64_C(0xffffffffff000)

enum op { REGISTER, CONFIG, NOTIFY, OPS };

static const char *const op_names[OPS] = {"register", "config", "notify"};
static uint32_t cycles[OPS][SAMPLES] __attribute__((aligned(4096)));
static uint32_t samples;
static uint64_t directories[HIGH_GIBS][ENTRIES] __attribute__((aligned(4096)));

/* Extends the identity map, which the monitor makes of 4 GiB. */
static void map_high(void)
{
    uint64_t cr3;
    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    volatile uint64_t *pml4 = (volatile uint64_t *)(cr3 & ENTRY_ADDR);
    volatile uint64_t *pdpt = (volatile uint64_t *)(pml4[0] & ENTRY_ADDR);
    for (uint64_t gib = 0; gib < HIGH_GIBS; gib++) {
        for (uint64_t i = 0; i < ENTRIES; i++)
            directories[gib][i] =
                (HIGH_START + gib * PL_GIB + i * 2 * PL_MIB) | ENTRY_PRESENT | ENTRY_HUGE;
        pdpt[HIGH_START / PL_GIB + gib] = (uint64_t)directories[gib] | ENTRY_PRESENT;
    }
    __asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

static char next_char(void)
{
    int c;
    while ((c = pl_typed()) < 0)
        __asm__ volatile("pause");
    return (char)c;
}

static uint64_t next_number(void)
{
    uint64_t n = 0;
    for (char c; (c = next_char()) != '\n';)
        n = n * 10 + (uint64_t)(c - '0');
    return n;
}

static uint64_t tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static void do_op(enum op op, const struct pl_queue *other)
{
    if (op == REGISTER)
        (void)pl_reg_read(PL_MAGIC);
    else if (op == CONFIG)
        (void)pl_reg_read(PL_CONFIG);
    else
        pl_kick(other);
}

/* One sample of each; past the room that there is they are not kept. */
static void sample(const struct pl_queue *other)
{
    for (enum op op = 0; op < OPS; op++) {
        uint64_t start = tsc();
        do_op(op, other);
        uint64_t took = tsc() - start;
        if (samples < SAMPLES)
            cycles[op][samples] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    }
    samples += samples < SAMPLES;
}

static void sift_down(uint32_t *heap, uint32_t at, uint32_t n)
{
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && heap[child + 1] > heap[child];
        if (heap[at] >= heap[child])
            return;
        uint32_t value = heap[at];
        heap[at] = heap[child];
        heap[child] = value;
    }
}

static void sort(uint32_t *values, uint32_t n)
{
    for (uint32_t i = n / 2; i > 0; i--)
        sift_down(values, i - 1, n);
    for (uint32_t end = n; end > 1; end--) {
        uint32_t largest = values[0];
        values[0] = values[end - 1];
        values[end - 1] = largest;
        sift_down(values, 0, end - 1);
    }
}

/* In cycles of the time stamp counter. */
static void print_samples(void)
{
    for (enum op op = 0; op < OPS; op++) {
        sort(cycles[op], samples);
        pl_puts(op_names[op]);
        pl_puts("\n");
        pl_value("n", samples);
        pl_value("p50", cycles[op][samples / 2]);
        pl_value("p99", cycles[op][samples * 99 / 100]);
        pl_value("max", cycles[op][samples - 1]);
    }
    samples = 0;
}

/* The chain of all of it. Published only now: a kick of the other queue would have it found. */
static void give(struct pl_queue *inflate)
{
    pl_publish(inflate, 0);
    pl_kick(inflate);
}

static void measure(struct pl_queue *inflate, const struct pl_queue *other)
{
    while (samples < IDLE_SAMPLES)
        sample(other);
    print_samples();
    give(inflate);
    do
        sample(other);
    while (inflate->used->idx != inflate->avail_idx);
    print_samples();
    pl_puts("given\n");
}

void payload_main(void)
{
    struct pl_queue inflate, deflate;
    pl_puts("up\n");
    uint64_t mib = next_number();
    uint64_t start = mib > LOW_MIB ? HIGH_START : LOW_START;
    uint64_t piece = mib * PL_MIB / PL_RING;
    pl_require(mib >= 1 && mib <= HIGH_GIBS * 1024, "MiB to populate");
    if (mib > LOW_MIB)
        map_high();
    pl_balloon_init(PL_F_VERSION_1 | PL_F_SG, &inflate, &deflate);
    pl_touch(start, mib * PL_MIB);
    pl_chain(&inflate, 0, PL_RING, start, (uint32_t)piece, piece);
    pl_touch((uint64_t)cycles, sizeof(cycles));
    pl_puts("populated\n");
    if (next_char() == 'm')
        measure(&inflate, &deflate);
    else
        give(&inflate);
    for (;;)
        __asm__ volatile("hlt");
}
