/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics buffers of every length and place, too many, none, and late. */
#include "tests/kvm/payload/pl_lie.h"

#define FEATURES (PL_F_VERSION_1 | PL_F_SG | PL_F_STATS)
#define QUEUES   3u
#define STATS    2u

#define GAP     UINT64_C(0xc0000000)
#define RAM_END (5 * PL_GIB)
#define ENTRY   10u

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t buffer[65536] __attribute__((aligned(4096)));
#define BUFFER ((uint64_t)buffer)

/* Where the device keeps the last buffer: the case before gets its own back. */
static const struct {
    const char *name;
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
} buffers[] = {
    {"stats-of-0-bytes", BUFFER, 0, 0},
    {"stats-of-9-bytes", BUFFER, 9, 0},
    {"stats-of-10-bytes", BUFFER, 10, 0},
    {"stats-of-100-bytes", BUFFER, 100, 0},
    {"stats-of-160-bytes", BUFFER, 160, 0},
    {"stats-of-2560-bytes", BUFFER, 2560, 0},
    {"stats-of-65535-bytes", BUFFER, 65535, 0},
    {"stats-of-4g-less-1", BUFFER, UINT32_MAX, 0},
    {"stats-writable", BUFFER, 100, PL_WRITE},
    {"stats-in-the-gap", GAP, 100, 0},
    {"stats-into-the-gap", GAP - 50, 100, 0},
    {"stats-over-the-device-registers", PL_WINDOW, 100, 0},
    {"stats-behind-ram", RAM_END, 100, 0},
    {"stats-past-the-last-page", RAM_END - 50, 100, 0},
    {"stats-at-2-to-the-64-less-1", UINT64_MAX, 100, 0},
    {"stats-misaligned", BUFFER + 1, 100, 0},
    {"stats-over-the-kernel", 0x100000, 2560, 0},
};

static void fill(void)
{
    for (uint32_t i = 0; i < sizeof(buffer); i++)
        buffer[i] = 0;
    for (uint32_t tag = 0; tag < sizeof(buffer) / ENTRY; tag++) {
        buffer[tag * ENTRY] = (uint8_t)tag;
        buffer[tag * ENTRY + 1] = (uint8_t)(tag >> 8);
        buffer[tag * ENTRY + 2] = 7;
    }
}

/* The statistics queue keeps its buffer: the checkpoint waits for what the test sees. */
static void put(uint16_t head, const char *name)
{
    pl_publish(&lie_q[STATS], head);
    pl_kick(&lie_q[STATS]);
    lie_end(name);
}

static void single_buffers(void)
{
    for (unsigned int i = 0; i < LEN(buffers); i++) {
        pl_desc(&lie_q[STATS], 0, buffers[i].addr, buffers[i].len, buffers[i].flags, 0);
        put(0, buffers[i].name);
    }
    uint64_t rings[] = {(uint64_t)lie_q[STATS].desc, (uint64_t)lie_q[STATS].avail,
                        (uint64_t)lie_q[STATS].used};
    static const char *const names[] = {"stats-over-their-descriptor",
                                        "stats-over-their-available-ring",
                                        "stats-over-their-used-ring"};
    for (unsigned int i = 0; i < LEN(rings); i++) {
        pl_desc(&lie_q[STATS], 0, rings[i], 100, 0, 0);
        put(0, names[i]);
    }
}

static void cut_buffers(void)
{
    struct pl_queue *q = &lie_q[STATS];
    pl_chain(q, 0, 10, BUFFER, 1, 1);
    put(0, "stats-byte-by-byte");

    pl_chain(q, 0, q->size, BUFFER, 10, 10);
    put(0, "stats-as-long-a-chain-as-the-ring");

    pl_chain(q, 0, q->size, BUFFER, 65535, 0);
    put(0, "stats-a-ring-of-65535-bytes-each");

    for (uint32_t i = 0; i < sizeof(buffer); i++)
        buffer[i] = 0xff;
    pl_desc(q, 0, BUFFER, 100, 0, 0);
    put(0, "stats-of-unknown-tags-alone");
    fill();
    for (uint32_t i = 0; i < 16; i++)
        buffer[i * ENTRY] = 3;
    pl_desc(q, 0, BUFFER, 160, 0, 0);
    put(0, "stats-one-tag-16-times");
    fill();
}

static void counts(void)
{
    struct pl_queue *q = &lie_q[STATS];
    lie_restart();
    for (uint16_t head = 0; head < 2; head++) {
        pl_desc(q, head, BUFFER, 100, 0, 0);
        pl_publish(q, head);
    }
    pl_kick(q);
    lie_end("stats-two-at-once");

    lie_restart();
    for (uint16_t head = 0; head < q->size; head++) {
        pl_desc(q, head, BUFFER, 100, 0, 0);
        pl_publish(q, head);
    }
    pl_kick(q);
    lie_end("stats-a-full-ring-at-once");

    /* While the device holds one it has room for one less. */
    lie_restart();
    pl_desc(q, 0, BUFFER, 100, 0, 0);
    pl_publish(q, 0);
    pl_kick(q);
    lie_end("stats-one-is-held");
    q->avail->idx = (uint16_t)(q->avail_idx + q->size);
    pl_kick(q);
    lie_end_broken("stats-more-than-the-ring-has-room-for");

    pl_desc(q, 0, BUFFER, 100, 0, 0);
    pl_publish(q, 0);
    put(0, "stats-the-same-head-twice");

    for (int i = 0; i < 1000; i++) {
        pl_publish(q, 0);
        pl_kick(q);
    }
    lie_end_restarted("stats-1000-at-once");
}

static void asked(void)
{
    /* The test asks at this checkpoint, and at the next one it looks. */
    lie_restart();
    lie_end("stats-none-when-asked");
    pl_require(lie_q[STATS].used->idx == 0, "a buffer came back that was not there");
    lie_end("stats-asked-for-in-vain");

    pl_desc(&lie_q[STATS], 0, BUFFER, 100, 0, 0);
    put(0, "stats-there-when-asked");
    pl_require(pl_wait_used(&lie_q[STATS]), "the request for statistics does not come");
    lie_end("stats-late");
    put(0, "stats-at-last");

    lie_end_restarted("stats-reset-while-held");
    pl_require(lie_q[STATS].used->idx == 0, "a buffer came back after the reset");
    lie_end("stats-asked-for-after-the-reset");
}

void payload_main(void)
{
    lie_start(FEATURES, QUEUES);
    fill();
    lie_honest("start");
    pl_checkpoint("start");
    single_buffers();
    cut_buffers();
    counts();
    asked();
    pl_puts("done\n");
}
