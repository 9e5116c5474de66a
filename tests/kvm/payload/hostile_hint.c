/* SPDX-License-Identifier: Apache-2.0 */
/* Free page hinting under ids that are unknown, stale, malformed, or missing. */
#include "tests/kvm/payload/pl_lie.h"

#define FEATURES (PL_F_VERSION_1 | PL_F_SG | PL_F_HINT)
#define QUEUES   3u
#define HINT     2u
#define CMD_ID   (PL_CONFIG + 8)

#define STOP 0u
#define DONE 1u

#define GAP     UINT64_C(0xc0000000)
#define RAM_END (5 * PL_GIB)

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static uint32_t ids[PL_PAGE / sizeof(uint32_t)] __attribute__((aligned(4096)));
#define IDS ((uint64_t)ids)

static void send_id(uint32_t id, const char *name)
{
    ids[0] = id;
    lie_send_one(HINT, IDS, sizeof(ids[0]), 0, name);
}

static void send_pages(uint32_t pages, const char *name)
{
    lie_send_one(HINT, LIE_AREA, pages * PL_PAGE, PL_WRITE, name);
}

static void without_a_command(void)
{
    static const struct {
        const char *name;
        uint32_t id;
    } unknown[] = {
        {"hint-stop-without-start", STOP}, {"hint-done-from-the-guest", DONE},
        {"hint-an-id-never-issued", 77},   {"hint-id-bit-31", UINT32_C(1) << 31},
        {"hint-id-all-ones", UINT32_MAX},
    };
    send_pages(4, "hint-pages-before-any-id");
    lie_end("hint-pages-before-any-id");
    for (unsigned int i = 0; i < LEN(unknown); i++) {
        send_id(unknown[i].id, unknown[i].name);
        send_pages(4, unknown[i].name);
        lie_end(unknown[i].name);
    }
}

/* What is neither an id nor pages; one bad request each. */
static void malformed_ids(void)
{
    static const struct {
        const char *name;
        uint64_t addr;
        uint32_t len;
        uint16_t flags;
    } lies[] = {
        {"hint-id-of-0-bytes", IDS, 0, 0},
        {"hint-id-of-1-byte", IDS, 1, 0},
        {"hint-id-of-3-bytes", IDS, 3, 0},
        {"hint-id-of-5-bytes", IDS, 5, 0},
        {"hint-id-of-8-bytes", IDS, 8, 0},
        {"hint-id-of-a-page", IDS, PL_PAGE, 0},
        {"hint-id-of-4g-less-1", IDS, UINT32_MAX, 0},
        {"hint-id-writable", IDS, 4, PL_WRITE},
        {"hint-id-in-the-gap", GAP, 4, 0},
        {"hint-id-into-the-gap", GAP - 2, 4, 0},
        {"hint-id-behind-ram", RAM_END, 4, 0},
        {"hint-id-past-2-to-the-64", UINT64_MAX - 1, 4, 0},
        {"hint-pages-readable", LIE_AREA, 4 * PL_PAGE, 0},
    };
    for (unsigned int i = 0; i < LEN(lies); i++) {
        lie_send_one(HINT, lies[i].addr, lies[i].len, lies[i].flags, lies[i].name);
        lie_end(lies[i].name);
    }
}

/* Until the command that the test gave is there. */
static uint32_t await_command(uint32_t old, const char *name)
{
    uint32_t id = pl_reg_read(CMD_ID);
    for (uint32_t turns = 0; id == old || id <= DONE; turns++) {
        pl_require(turns < 200000, name);
        id = pl_reg_read(CMD_ID);
    }
    return id;
}

static void one_round(void)
{
    struct pl_queue *q = &lie_q[HINT];
    pl_touch(LIE_AREA, 64 * PL_PAGE);
    lie_end("hint-start");
    uint32_t first = await_command(STOP, "hint-start");

    send_pages(4, "hint-pages-before-the-id-of-the-command");
    pl_require(pl_count_dirty(LIE_AREA, 4 * PL_PAGE) == 4, "pages went before their id came");
    lie_end("hint-pages-before-the-id-of-the-command");

    send_id(first + 1, "hint-the-next-id-too-early");
    send_pages(4, "hint-the-next-id-too-early");
    lie_end("hint-the-next-id-too-early");

    send_id(first, "hint-pages-written-since");
    pl_touch(LIE_AREA, 4 * PL_PAGE);
    send_pages(4, "hint-pages-written-since");
    pl_require(pl_count_dirty(LIE_AREA, 4 * PL_PAGE) == 4, "a page lost what was written to it");
    lie_end("hint-pages-written-since");

    /* An id and pages in one chain, 20 ids in another. */
    ids[0] = first;
    pl_desc(q, 0, IDS, 4, PL_NEXT, 1);
    pl_desc(q, 1, LIE_AREA + PL_MIB, 4 * PL_PAGE, PL_WRITE, 0);
    lie_send(HINT, 0, "hint-id-and-pages-in-one-chain");
    lie_end("hint-id-and-pages-in-one-chain");
    pl_chain(q, 0, 20, IDS, 4, 0);
    lie_send(HINT, 0, "hint-20-ids-in-one-chain");
    lie_end("hint-20-ids-in-one-chain");

    /* The test starts the next command at the last checkpoint. */
    uint32_t second = await_command(first, "hint-stale-id");
    send_pages(4, "hint-pages-of-the-command-before");
    lie_end("hint-pages-of-the-command-before");
    send_id(first, "hint-stale-id");
    send_pages(4, "hint-stale-id");
    lie_end("hint-stale-id");
    pl_require(pl_count_dirty(LIE_AREA, 4 * PL_PAGE) == 4, "pages of a stale id went");

    /* An id once more behind its own STOP, and pages a good while later. */
    ids[0] = second;
    ids[1] = STOP;
    for (uint16_t i = 0; i < 3; i++) {
        pl_desc(q, i, IDS + (i == 1 ? 4 : 0), 4, 0, 0);
        pl_publish(q, i);
    }
    pl_kick(q);
    pl_require(pl_wait_used(q), "hint-id-again-after-stop");
    send_pages(4, "hint-id-again-after-stop");
    lie_end("hint-id-again-after-stop");
}

static void odds(void)
{
    struct pl_queue *q = &lie_q[HINT];
    lie_restart();
    lie_end("hint-start-over");
    uint32_t id = await_command(STOP, "hint-start-over");
    send_id(id, "hint-over-the-page-of-the-id");
    lie_send_one(HINT, IDS, PL_PAGE, PL_WRITE, "hint-over-the-page-of-the-id");
    lie_end("hint-over-the-page-of-the-id");

    send_id(id, "hint-over-the-descriptor-table");
    uint64_t table = (uint64_t)q->desc / PL_PAGE * PL_PAGE;
    lie_send_one(HINT, table, PL_PAGE, PL_WRITE, "hint-over-the-descriptor-table");
    lie_end_restarted("hint-over-the-descriptor-table");

    lie_end("hint-start-and-reset");
    id = await_command(STOP, "hint-start-and-reset");
    send_id(id, "hint-start-and-reset");
    lie_restart();
    send_id(id, "hint-id-from-before-the-reset");
    send_pages(4, "hint-id-from-before-the-reset");
    lie_end("hint-id-from-before-the-reset");
}

void payload_main(void)
{
    lie_start(FEATURES, QUEUES);
    lie_honest("start");
    pl_checkpoint("start");
    without_a_command();
    malformed_ids();
    one_round();
    odds();
    pl_puts("done\n");
}
