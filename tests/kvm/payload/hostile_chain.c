/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Malformed chains, and rings that lie, on each queue that the device has; in a guest with 4 GiB of
 * RAM on both sides of the MMIO gap.
 */
#include "tests/kvm/payload/pl_lie.h"

#define GAP     UINT64_C(0xc0000000)
#define RAM_END (5 * PL_GIB)
/* Stands for the size of the queue at hand. */
#define RING_SIZE 0xfffeu
#define N         PL_NEXT
#define W         PL_WRITE
#define I         PL_INDIRECT

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

#define FEATURES (PL_F_VERSION_1 | PL_F_SG | PL_F_STATS | PL_F_HINT | PL_F_REPORTING)

static const char *const queue_names[PL_QUEUES] = {"inflate", "deflate", "stats", "hint", "report"};

/* Flags and next of descriptors 0, 1, ...; those that a row leaves out end a chain. */
static const struct {
    const char *name;
    struct {
        uint16_t flags;
        uint16_t next;
    } desc[4];
} chains[] = {
    {"links-to-itself", {{N, 0}}},
    {"links-to-itself-writable", {{N | W, 0}}},
    {"loop-of-two", {{N, 1}, {N, 0}}},
    {"tail-that-loops", {{N, 1}, {N, 2}, {N, 3}, {N, 1}}},
    {"next-is-the-ring-size", {{N, RING_SIZE}}},
    {"next-is-65535", {{N, 1}, {N, UINT16_MAX}}},
    {"indirect-table", {{I, 0}}},
    {"indirect-table-with-next", {{N | I, 1}}},
    {"indirect-table-at-the-end", {{N, 1}, {I, 0}}},
    {"every-flag", {{UINT16_MAX, 1}}},
};

static uint16_t or_size(uint16_t q, uint16_t n)
{
    return n == RING_SIZE ? lie_q[q].size : n;
}

static void malformed_chains(uint16_t q, const char *prefix)
{
    for (unsigned int i = 0; i < LEN(chains); i++) {
        const char *name = lie_name(prefix, chains[i].name);
        for (uint16_t d = 0; d < LEN(chains[i].desc); d++)
            pl_desc(&lie_q[q], d, LIE_AREA, PL_PAGE, chains[i].desc[d].flags,
                    or_size(q, chains[i].desc[d].next));
        lie_send(q, 0, name);
        lie_end(name);
    }
    const char *name = lie_name(prefix, "loop-over-the-whole-table");
    for (uint16_t d = 0; d < lie_q[q].size; d++)
        pl_desc(&lie_q[q], d, LIE_AREA, PL_PAGE, N, (uint16_t)((d + 1) % lie_q[q].size));
    lie_send(q, 0, name);
    lie_end(name);

    name = lie_name(prefix, "a-ring-full-of-loops");
    for (uint16_t d = 0; d < lie_q[q].size; d++)
        pl_desc(&lie_q[q], d, LIE_AREA, PL_PAGE, N, d);
    for (uint16_t d = 0; d < lie_q[q].size; d++)
        pl_publish(&lie_q[q], d);
    pl_kick(&lie_q[q]);
    pl_require(pl_wait_used(&lie_q[q]), name);
    lie_end(name);
}

/* Each leaves the queue broken until a reset. */
static void lying_rings(uint16_t q, const char *prefix)
{
    static const struct {
        const char *name;
        uint16_t ahead;
    } indices[] = {
        {"index-one-too-far", RING_SIZE},
        {"index-40000-ahead", 40000},
        {"index-that-goes-back", UINT16_MAX},
    };
    static const struct {
        const char *name;
        uint16_t head;
    } heads[] = {
        {"head-is-the-ring-size", RING_SIZE},
        {"head-is-65535", UINT16_MAX},
    };
    for (unsigned int i = 0; i < LEN(indices); i++) {
        uint16_t ahead = indices[i].ahead == RING_SIZE ? lie_q[q].size + 1u : indices[i].ahead;
        lie_q[q].avail->idx = (uint16_t)(lie_q[q].avail_idx + ahead);
        pl_kick(&lie_q[q]);
        lie_end_broken(lie_name(prefix, indices[i].name));
    }
    for (unsigned int i = 0; i < LEN(heads); i++) {
        pl_publish(&lie_q[q], or_size(q, heads[i].head));
        pl_kick(&lie_q[q]);
        lie_end_broken(lie_name(prefix, heads[i].name));
    }
}

/* Rings that cannot be where the driver says; 0 stands for where they are. */
static const struct {
    const char *name;
    uint64_t desc, driver, device;
} places[] = {
    {"descriptors-misaligned", LIE_AREA + 8, 0, 0},
    {"available-ring-misaligned", 0, LIE_AREA + 1, 0},
    {"used-ring-misaligned", 0, 0, LIE_AREA + 2},
    {"descriptors-in-the-gap", GAP, 0, 0},
    {"descriptors-into-the-gap", GAP - 16, 0, 0},
    {"available-ring-over-the-device-registers", 0, PL_WINDOW, 0},
    {"used-ring-behind-ram", 0, 0, RAM_END},
    {"used-ring-past-the-last-page", 0, 0, RAM_END - 64},
    {"descriptors-past-2-to-the-64", UINT64_MAX - 15, 0, 0},
    {"available-ring-at-2-to-the-64-less-2", 0, UINT64_MAX - 1, 0},
    {"used-ring-at-2-to-the-64-less-4", 0, 0, UINT64_MAX - 3},
};

static uint64_t or_else(uint64_t place, const volatile void *usual)
{
    return place != 0 ? place : (uint64_t)usual;
}

static void misplaced_rings(uint16_t q, uint16_t queues, const char *prefix)
{
    for (unsigned int i = 0; i < LEN(places); i++) {
        pl_handshake(FEATURES);
        for (uint16_t other = 0; other < queues; other++) {
            pl_queue_clear(other, &lie_q[other]);
            const struct pl_queue *at = &lie_q[other];
            bool lies = other == q;
            pl_queue_registers(at, or_else(lies ? places[i].desc : 0, at->desc),
                               or_else(lies ? places[i].driver : 0, at->avail),
                               or_else(lies ? places[i].device : 0, at->used));
        }
        pl_reg_write(PL_STATUS, PL_S_RUNNING);
        lie_end_broken(lie_name(prefix, places[i].name));
    }
}

/* Legal places, on which device and driver get into each other's way. */
static void overlapping_rings(void)
{
    static const char *const names[] = {"used-ring-over-the-descriptors",
                                        "used-ring-over-the-available-ring",
                                        "all-rings-at-one-place", "rings-over-the-boot-data"};
    for (unsigned int i = 0; i < LEN(names); i++) {
        pl_handshake(FEATURES);
        struct pl_queue *q = &lie_q[LIE_INFLATE];
        pl_queue_clear(LIE_INFLATE, q);
        uint64_t used = i == 0 ? (uint64_t)q->desc : (uint64_t)q->avail;
        uint64_t all = i == 2 ? LIE_AREA : 0x6000;
        if (i < 2)
            pl_queue_registers(q, (uint64_t)q->desc, (uint64_t)q->avail, used);
        else
            pl_queue_registers(q, all, all, all);
        pl_driver_ok();
        pl_desc(q, 0, LIE_AREA, PL_PAGE, 0, 0);
        pl_publish(q, 0);
        pl_kick(q);
        lie_end_restarted(names[i]);
    }
}

void payload_main(void)
{
    lie_start(FEATURES, PL_QUEUES);
    lie_honest("start");
    pl_checkpoint("start");
    for (uint16_t q = 0; q < PL_QUEUES; q++) {
        malformed_chains(q, queue_names[q]);
        lying_rings(q, queue_names[q]);
        misplaced_rings(q, PL_QUEUES, queue_names[q]);
    }
    overlapping_rings();
    pl_puts("done\n");
}
