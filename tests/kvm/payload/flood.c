/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the inflate queue full of what is slow to do, arrays of page numbers of which no two touch,
 * and meanwhile answers on its console and in the statistics queue. Ends at "q".
 */
#include "tests/kvm/payload/pl_lie.h"

#define STATS  2u
#define ARRAYS 4u
#define PFNS   4096u

static uint32_t arrays[ARRAYS][PFNS] __attribute__((aligned(4096)));
static uint8_t report[160] __attribute__((aligned(4096)));

static void fill(void)
{
    uint32_t pfn = (uint32_t)(LIE_AREA / PL_PAGE);
    for (uint32_t a = 0; a < ARRAYS; a++) {
        for (uint32_t i = 0; i < PFNS; i++, pfn += 2)
            arrays[a][i] = pfn;
    }
    for (uint8_t tag = 0; tag < sizeof(report) / 10; tag++)
        report[tag * 10] = tag;
}

/* As many chains as fit, descriptor i with array i modulo ARRAYS. */
static void refill(struct pl_queue *q)
{
    bool more = false;
    while ((uint16_t)(q->avail_idx - q->used->idx) < q->size) {
        uint16_t i = (uint16_t)(q->avail_idx % q->size);
        pl_desc(q, i, (uint64_t)arrays[i % ARRAYS], sizeof(arrays[0]), 0, 0);
        pl_publish(q, i);
        more = true;
    }
    if (more)
        pl_kick(q);
}

static void report_if_asked(struct pl_queue *q)
{
    if (q->used->idx != q->avail_idx)
        return;
    pl_desc(q, 0, (uint64_t)report, sizeof(report), 0, 0);
    pl_publish(q, 0);
    pl_kick(q);
}

void payload_main(void)
{
    lie_start(PL_F_VERSION_1 | PL_F_STATS, 3);
    fill();
    refill(&lie_q[LIE_INFLATE]);
    pl_checkpoint("flooding");
    uint64_t echoes = 0;
    int typed = 0;
    while (typed != 'q') {
        refill(&lie_q[LIE_INFLATE]);
        report_if_asked(&lie_q[STATS]);
        typed = pl_typed();
        if (typed == '\n')
            pl_value("echo", ++echoes);
    }
    pl_puts("done\n");
}
