/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that lies, in a guest with RAM on both sides of the MMIO gap. After each lie an honest
 * request has to work; the test on the host reads the counters at each checkpoint.
 */
#include "tests/kvm/payload/pl.h"

#define GAP_START   UINT64_C(0xc0000000)
#define HONEST      (32 * PL_MIB)
#define STATUS      0x070u
#define NEEDS_RESET 0x40u
#define Q_NOTIFY    0x050u

static struct pl_queue inflate, deflate;

/* One page comes back from the device, emptied. */
static void honest_request(const char *after)
{
    pl_touch(HONEST, PL_PAGE);
    pl_desc(&inflate, PL_RING - 1, HONEST, PL_PAGE, 0, 0);
    pl_publish(&inflate, PL_RING - 1);
    pl_kick(&inflate);
    pl_require(pl_wait_used(&inflate), after);
    pl_require(pl_count_dirty(HONEST, PL_PAGE) == 0, after);
}

static void lie(const char *name)
{
    pl_publish(&inflate, 0);
    pl_kick(&inflate);
    pl_require(pl_wait_used(&inflate), name);
    honest_request(name);
    pl_checkpoint(name);
}

static void lie_range(const char *name, uint64_t addr, uint32_t len)
{
    pl_desc(&inflate, 0, addr, len, 0, 0);
    lie(name);
}

void payload_main(void)
{
    pl_balloon_init(PL_F_VERSION_1 | PL_F_SG, &inflate, &deflate);
    pl_touch(HONEST, PL_PAGE);
    pl_checkpoint("start");

    pl_desc(&inflate, 0, HONEST + PL_MIB, PL_PAGE, PL_NEXT, 1);
    pl_desc(&inflate, 1, HONEST + PL_MIB, PL_PAGE, PL_NEXT, 0);
    lie("looping-chain");
    pl_desc(&inflate, 0, HONEST + PL_MIB, PL_PAGE, PL_NEXT, PL_RING);
    lie("next-beyond-the-ring");

    lie_range("outside-ram", 64 * PL_GIB, PL_PAGE);
    lie_range("in-the-gap", GAP_START, PL_PAGE);
    lie_range("across-the-gap", GAP_START - PL_PAGE, 2 * PL_PAGE);
    lie_range("length-4g-less-a-page", 0, UINT32_MAX - PL_PAGE + 1);
    lie_range("past-2-to-the-64", UINT64_MAX - PL_PAGE + 1, 2 * PL_PAGE);
    lie_range("odd-length", HONEST + PL_MIB, PL_PAGE + 1);
    lie_range("zero-length", HONEST + PL_MIB, 0);
    lie_range("unaligned", HONEST + PL_MIB + 8, PL_PAGE);

    pl_reg_write(Q_NOTIFY, 7);
    pl_reg_write(Q_NOTIFY, UINT32_MAX);
    honest_request("notify-of-no-queue");
    pl_checkpoint("notify-of-no-queue");

    inflate.avail->idx = (uint16_t)(inflate.avail_idx + 40000);
    pl_kick(&inflate);
    uint32_t turns = 0;
    while ((pl_reg_read(STATUS) & NEEDS_RESET) == 0)
        pl_require(++turns < 200000, "a ring index 40000 ahead goes unnoticed");
    pl_checkpoint("index-40000-ahead");

    pl_balloon_init(PL_F_VERSION_1 | PL_F_SG, &inflate, &deflate);
    honest_request("after the reset");
    pl_checkpoint("after-reset");
    pl_puts("done\n");
}
