/* SPDX-License-Identifier: Apache-2.0 */
/* Free page reporting of pages in use, on top of each other, and with a poison that changes. */
#include "tests/kvm/payload/pl_lie.h"

#define FEATURES (PL_F_VERSION_1 | PL_F_SG | PL_F_REPORTING)
#define QUEUES   3u
#define REPORT   2u
#define POISON   (PL_CONFIG + 12)

static void report(uint64_t gpa, uint32_t len, const char *name)
{
    lie_send_one(REPORT, gpa, len, PL_WRITE, name);
}

/* Starts with a poison, written when the standard wants it: before DRIVER_OK (5.5.6.6). */
static void start_poisoned(uint32_t poison)
{
    pl_handshake(FEATURES | PL_F_POISON);
    pl_reg_write(POISON, poison);
    for (uint16_t i = 0; i < QUEUES; i++)
        pl_queue_setup(i, &lie_q[i]);
    pl_driver_ok();
}

static void pages(void)
{
    struct pl_queue *q = &lie_q[REPORT];
    pl_touch(LIE_AREA, 4 * PL_PAGE);
    report(LIE_AREA, 4 * PL_PAGE, "report-pages-in-use");
    pl_require(pl_count_dirty(LIE_AREA, 4 * PL_PAGE) == 0, "report-pages-in-use");
    lie_end("report-pages-in-use");

    pl_chain(q, 0, 32, LIE_AREA, PL_PAGE, 0);
    for (uint16_t i = 0; i < 32; i++)
        q->desc[i].flags |= PL_WRITE;
    lie_send(REPORT, 0, "report-one-page-32-times");
    lie_end("report-one-page-32-times");

    pl_desc(q, 0, LIE_AREA, PL_PAGE, PL_NEXT, 1);
    pl_desc(q, 1, LIE_AREA + 8 * PL_PAGE, PL_PAGE, PL_WRITE, 0);
    lie_send(REPORT, 0, "report-both-directions-in-one-chain");
    lie_end("report-both-directions-in-one-chain");

    /* On its way in by three queues at once. */
    for (uint16_t i = 0; i < QUEUES; i++) {
        pl_desc(&lie_q[i], 0, LIE_AREA, PL_PAGE, i == REPORT ? PL_WRITE : 0, 0);
        pl_publish(&lie_q[i], 0);
    }
    for (uint16_t i = QUEUES; i > 0; i--)
        pl_kick(&lie_q[i - 1]);
    for (uint16_t i = 0; i < QUEUES; i++)
        pl_require(pl_wait_used(&lie_q[i]), "report-what-is-inflated-and-deflated");
    lie_end("report-what-is-inflated-and-deflated");

    report((uint64_t)q->desc / PL_PAGE * PL_PAGE, PL_PAGE, "report-over-the-descriptor-table");
    lie_end_restarted("report-over-the-descriptor-table");

    pl_desc(q, 0, (uint64_t)q->avail / PL_PAGE * PL_PAGE, PL_PAGE, PL_WRITE, 0);
    pl_publish(q, 0);
    pl_kick(q);
    lie_end_broken("report-over-the-available-ring");
}

static void poison(void)
{
    start_poisoned(0xaaaaaaaa);
    pl_touch(LIE_AREA, 4 * PL_PAGE);
    report(LIE_AREA, 4 * PL_PAGE, "poison-keeps-reported-pages");
    pl_require(pl_count_dirty(LIE_AREA, 4 * PL_PAGE) == 4, "poison-keeps-reported-pages");
    lie_end("poison-keeps-reported-pages");

    pl_reg_write(POISON, 0);
    pl_require(pl_reg_read(POISON) == 0xaaaaaaaa, "the poison changed after DRIVER_OK");
    report(LIE_AREA, 4 * PL_PAGE, "poison-rewritten-after-driver-ok");
    pl_require(pl_count_dirty(LIE_AREA, 4 * PL_PAGE) == 4, "poison-rewritten-after-driver-ok");
    lie_end("poison-rewritten-after-driver-ok");

    for (uint32_t offset = 0; offset < 4; offset++)
        *(volatile uint8_t *)(PL_WINDOW + POISON + offset) = 0;
    pl_require(pl_reg_read(POISON) == 0xaaaaaaaa, "bytes of the poison changed");
    lie_end("poison-rewritten-byte-by-byte");

    /* A former driver's poison is no business of the next one's, whatever it got to. */
    pl_reg_write(PL_STATUS, 0);
    pl_require(pl_reg_read(POISON) == 0, "the poison outlives a reset");
    lie_end_restarted("poison-of-a-driver-that-was-reset");

    pl_handshake(FEATURES | PL_F_POISON);
    pl_reg_write(POISON, 0xaaaaaaaa);
    pl_reg_write(PL_STATUS, 0);
    pl_require(pl_reg_read(POISON) == 0, "the poison outlives a driver that never started");
    lie_end_restarted("poison-of-a-driver-that-never-started");
}

void payload_main(void)
{
    lie_start(FEATURES, QUEUES);
    lie_honest("start");
    pl_checkpoint("start");
    pages();
    poison();
    pl_puts("done\n");
}
