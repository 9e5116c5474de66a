/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a lying guest's cases. */
#include "tests/kvm/payload/pl_lie.h"

/* Reads of a register until the device has noticed: some seconds on any host. */
#define NOTICE_TURNS 200000u

struct pl_queue lie_q[PL_QUEUES];
static uint64_t last_features;
static uint16_t last_n;
static uint32_t pfns[PL_PAGE / sizeof(uint32_t)] __attribute__((aligned(4096)));

void lie_start(uint64_t features, uint16_t n)
{
    last_features = features;
    last_n = n;
    pl_handshake(features);
    for (uint16_t i = 0; i < n; i++)
        pl_queue_setup(i, &lie_q[i]);
    pl_driver_ok();
}

void lie_restart(void)
{
    lie_start(last_features, last_n);
}

void lie_honest(const char *after)
{
    struct pl_queue *q = &lie_q[LIE_INFLATE];
    uint16_t last = (uint16_t)(q->size - 1);
    pl_touch(LIE_HONEST, PL_PAGE);
    if ((last_features & PL_F_SG) != 0) {
        pl_desc(q, last, LIE_HONEST, PL_PAGE, 0, 0);
    } else {
        pfns[0] = (uint32_t)(LIE_HONEST / PL_PAGE);
        pl_desc(q, last, (uint64_t)pfns, sizeof(pfns[0]), 0, 0);
    }
    lie_send(LIE_INFLATE, last, after);
    pl_require(pl_count_dirty(LIE_HONEST, PL_PAGE) == 0, after);
}

void lie_end(const char *name)
{
    lie_honest(name);
    pl_checkpoint(name);
}

void lie_end_restarted(const char *name)
{
    lie_restart();
    lie_end(name);
}

void lie_end_broken(const char *name)
{
    uint32_t turns = 0;
    while ((pl_reg_read(PL_STATUS) & PL_S_NEEDS_RESET) == 0)
        pl_require(++turns < NOTICE_TURNS, name);
    lie_end_restarted(name);
}

void lie_send(uint16_t q, uint16_t head, const char *name)
{
    pl_publish(&lie_q[q], head);
    pl_kick(&lie_q[q]);
    pl_require(pl_wait_used(&lie_q[q]), name);
}

void lie_send_one(uint16_t q, uint64_t addr, uint32_t len, uint16_t flags, const char *name)
{
    pl_desc(&lie_q[q], 0, addr, len, flags, 0);
    lie_send(q, 0, name);
}

const char *lie_name(const char *prefix, const char *name)
{
    static char text[96];
    unsigned int at = 0;
    for (; *prefix != '\0' && at < sizeof(text) - 2; prefix++)
        text[at++] = *prefix;
    text[at++] = '-';
    for (; *name != '\0' && at < sizeof(text) - 1; name++)
        text[at++] = *name;
    text[at] = '\0';
    return text;
}
