/* SPDX-License-Identifier: Apache-2.0 */
/* vCPU 1 rewrites what the device is reading for vCPU 0. Pages between the named ones stay. */
#include "tests/kvm/payload/pl_lie.h"
#include "tests/kvm/payload/pl_smp.h"

#define ROUNDS 300
/* Good pages, with one between them that nobody names. */
#define FIRST  LIE_AREA
#define CANARY (LIE_AREA + PL_PAGE)
#define SECOND (LIE_AREA + 2 * PL_PAGE)
#define OTHERS (LIE_AREA + PL_MIB)

static uint32_t numbers[1024] __attribute__((aligned(4096)));
static uint32_t turn;

static volatile struct pl_desc *desc(uint16_t i)
{
    return &lie_q[LIE_INFLATE].desc[i];
}

static void rewrite_address(void)
{
    static const uint64_t addresses[] = {FIRST, SECOND, UINT64_MAX, PL_WINDOW, FIRST + 1};
    desc(0)->addr = addresses[turn++ % 5];
}

static void rewrite_length(void)
{
    static const uint32_t lengths[] = {PL_PAGE, 0, UINT32_MAX, PL_PAGE + 1,
                                       UINT32_MAX - PL_PAGE + 1};
    desc(0)->len = lengths[turn++ % 5];
}

static void rewrite_flags(void)
{
    static const uint16_t flags[] = {0, PL_NEXT, PL_WRITE, PL_INDIRECT, UINT16_MAX};
    desc(0)->flags = flags[turn++ % 5];
}

static void rewrite_links(void)
{
    static const uint16_t links[] = {1, 0, PL_RING, UINT16_MAX, 2};
    desc(0)->next = links[turn % 5];
    desc(1)->next = links[(turn + 2) % 5];
    desc(2)->next = links[(turn++ + 3) % 5];
}

static void rewrite_heads(void)
{
    static const uint16_t heads[] = {0, 1, PL_RING, UINT16_MAX};
    lie_q[LIE_INFLATE].avail->ring[turn % PL_RING] = heads[turn % 4];
    turn++;
}

static void rewrite_index(void)
{
    lie_q[LIE_INFLATE].avail->idx = (uint16_t)(turn++ * 257);
}

static void rewrite_used(void)
{
    lie_q[LIE_INFLATE].used->flags = (uint16_t)turn;
    lie_q[LIE_INFLATE].used->ring[turn++ % PL_RING].id = UINT32_MAX;
}

static void rewrite_numbers(void)
{
    static const uint32_t values[] = {FIRST / PL_PAGE, SECOND / PL_PAGE, UINT32_MAX, 0xc0000};
    for (uint32_t i = 0; i < 64; i++)
        numbers[i] = values[(turn + i) % 4];
    turn++;
}

static void notify_all(void)
{
    pl_reg_write(PL_Q_NOTIFY, turn++ % 8);
}

static void hammer_registers(void)
{
    static const uint32_t offsets[] = {PL_Q_SEL,      PL_Q_NUM,      PL_Q_READY,
                                       PL_Q_DESC,     PL_DRV_FEAT,   PL_CONFIG,
                                       PL_CONFIG + 4, PL_CONFIG + 8, 0x64};
    uint32_t offset = offsets[turn++ % 9];
    pl_reg_write(offset, turn);
    (void)pl_reg_read(offset);
}

static void reset_device(void)
{
    pl_reg_write(PL_STATUS, 0);
}

static void touch_pages(void)
{
    *(volatile uint64_t *)(turn++ % 2 == 0 ? FIRST : SECOND) = 1;
}

static const struct {
    const char *name;
    void (*rewrite)(void);
    bool numbers; /* by page numbers */
} cases[] = {
    {"addresses-rewritten", rewrite_address, false},
    {"lengths-rewritten", rewrite_length, false},
    {"flags-rewritten", rewrite_flags, false},
    {"links-rewritten", rewrite_links, false},
    {"heads-rewritten", rewrite_heads, false},
    {"index-rewritten", rewrite_index, false},
    {"used-ring-rewritten", rewrite_used, false},
    {"page-numbers-rewritten", rewrite_numbers, true},
    {"notifications-from-both", notify_all, false},
    {"registers-from-both", hammer_registers, false},
    {"resets-by-the-other", reset_device, false},
    {"pages-touched-while-they-go", touch_pages, false},
};

/* Chains of three descriptors, the kicks as fast as they come; what is returned does not matter. */
static void offer(bool by_numbers)
{
    struct pl_queue *q = &lie_q[LIE_INFLATE];
    for (int round = 0; round < ROUNDS; round++) {
        if (by_numbers) {
            pl_desc(q, 0, (uint64_t)numbers, 256, 0, 0);
        } else {
            pl_desc(q, 0, FIRST, PL_PAGE, PL_NEXT, 1);
            pl_desc(q, 1, SECOND, PL_PAGE, PL_NEXT, 2);
            pl_desc(q, 2, FIRST, PL_PAGE, 0, 0);
        }
        pl_publish(q, 0);
        pl_kick(q);
    }
}

void payload_main(void)
{
    lie_start(PL_F_VERSION_1 | PL_F_SG, 2);
    pl_smp_start();
    lie_honest("start");
    pl_checkpoint("start");
    for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pl_touch(FIRST, 3 * PL_PAGE);
        pl_touch(OTHERS, 64 * PL_PAGE);
        for (uint32_t n = 0; n < 64; n++)
            numbers[n] = FIRST / PL_PAGE;
        lie_start(PL_F_VERSION_1 | (cases[i].numbers ? 0 : PL_F_SG), 2);
        pl_smp_run(cases[i].rewrite);
        offer(cases[i].numbers);
        pl_smp_stop();
        lie_start(PL_F_VERSION_1 | PL_F_SG, 2);
        pl_require(pl_count_dirty(CANARY, PL_PAGE) == 1, cases[i].name);
        pl_require(pl_count_dirty(OTHERS, 64 * PL_PAGE) == 64, cases[i].name);
        lie_end(cases[i].name);
    }
    pl_puts("done\n");
}
