/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that lie about ranges, in a guest with 4 GiB of RAM on both sides of the MMIO gap: on
 * each queue that takes ranges, in both directions.
 */
#include "tests/kvm/payload/pl_lie.h"

#define GAP      UINT64_C(0xc0000000)
#define HIGH     (4 * PL_GIB)
#define RAM_END  (5 * PL_GIB)
#define LAPIC    UINT64_C(0xfee00000)
#define BOOT     UINT64_C(0x6000)
#define ACPI     UINT64_C(0xe0000)
#define ACPI_LEN 0x20000u

struct lie {
    const char *name;
    uint64_t addr;
    uint32_t len;
};

static const struct lie lies[] = {
    {"zero-length", LIE_AREA, 0},
    {"one-byte", LIE_AREA, 1},
    {"half-a-page", LIE_AREA, PL_PAGE / 2},
    {"a-page-less-one-byte", LIE_AREA, PL_PAGE - 1},
    {"a-page-and-one-byte", LIE_AREA, PL_PAGE + 1},
    {"start-off-by-one", LIE_AREA + 1, PL_PAGE},
    {"start-off-by-eight", LIE_AREA + 8, PL_PAGE},
    {"start-in-mid-page", LIE_AREA + PL_PAGE / 2, PL_PAGE},
    {"at-the-start-of-the-gap", GAP, PL_PAGE},
    {"over-the-device-registers", PL_WINDOW, PL_PAGE},
    {"over-the-interrupt-controller", LAPIC, PL_PAGE},
    {"at-the-end-of-the-gap", HIGH - PL_PAGE, PL_PAGE},
    {"into-the-gap", GAP - PL_PAGE, 2 * PL_PAGE},
    {"out-of-the-gap", HIGH - PL_PAGE, 2 * PL_PAGE},
    {"across-the-gap", GAP - PL_PAGE, (uint32_t)(HIGH - GAP) + 2 * PL_PAGE},
    {"just-behind-ram", RAM_END, PL_PAGE},
    {"past-the-last-page", RAM_END - PL_PAGE, 2 * PL_PAGE},
    {"far-behind-ram", 64 * PL_GIB, PL_PAGE},
    {"length-4g-less-a-page", 0, UINT32_MAX - PL_PAGE + 1},
    {"length-all-ones", 0, UINT32_MAX},
    {"length-2g-from-the-last-page", RAM_END - PL_PAGE, UINT32_C(1) << 31},
    {"bit-63", UINT64_C(1) << 63, PL_PAGE},
    {"last-page-below-2-to-the-64", UINT64_MAX - PL_PAGE + 1, PL_PAGE},
    {"past-2-to-the-64", UINT64_MAX - PL_PAGE + 1, 2 * PL_PAGE},
    {"around-to-low-memory", UINT64_MAX - PL_PAGE + 1, UINT32_MAX - PL_PAGE + 1},
    {"address-all-ones", UINT64_MAX, PL_PAGE},
    {"address-all-ones-one-byte", UINT64_MAX, 1},
    {"all-ones", UINT64_MAX, UINT32_MAX},
};

static uint8_t kernel_page[PL_PAGE] __attribute__((aligned(4096)));

/* Legal, however odd: the guest harms only itself. */
static const struct lie odd[] = {
    {"the-last-page", RAM_END - PL_PAGE, PL_PAGE},
    {"the-last-page-below-the-gap", GAP - PL_PAGE, PL_PAGE},
    {"the-first-page-above-the-gap", HIGH, PL_PAGE},
    {"all-memory-above-the-gap", HIGH, (uint32_t)PL_GIB},
    {"over-the-boot-data", BOOT, PL_PAGE},
    {"over-the-acpi-tables", ACPI, ACPI_LEN},
    {"over-the-kernel-image", (uint64_t)kernel_page, PL_PAGE},
};

static const struct {
    const char *name;
    uint16_t q;
    uint16_t flags;
} ways[] = {
    {"inflate", LIE_INFLATE, 0}, {"inflate-writable", LIE_INFLATE, PL_WRITE},
    {"deflate", LIE_DEFLATE, 0}, {"deflate-writable", LIE_DEFLATE, PL_WRITE},
    {"hint", 2, PL_WRITE},       {"hint-readable", 2, 0},
    {"report", 3, PL_WRITE},     {"report-readable", 3, 0},
};

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static void tell(const struct lie *all, unsigned int n)
{
    for (unsigned int way = 0; way < LEN(ways); way++) {
        for (unsigned int i = 0; i < n; i++) {
            const char *name = lie_name(ways[way].name, all[i].name);
            lie_send_one(ways[way].q, all[i].addr, all[i].len, ways[way].flags, name);
            lie_end(name);
        }
    }
}

static void chains(void)
{
    pl_chain(&lie_q[LIE_INFLATE], 0, PL_RING - 1, LIE_AREA, PL_PAGE, 0);
    lie_send(LIE_INFLATE, 0, "the-same-page-63-times");
    lie_end("the-same-page-63-times");

    pl_chain(&lie_q[LIE_INFLATE], 0, 16, LIE_AREA, 4 * PL_PAGE, PL_PAGE);
    lie_send(LIE_INFLATE, 0, "overlapping-ranges");
    lie_end("overlapping-ranges");

    pl_chain(&lie_q[LIE_INFLATE], 0, 3, LIE_AREA, PL_PAGE, 4 * PL_PAGE);
    lie_q[LIE_INFLATE].desc[1].addr = GAP;
    lie_send(LIE_INFLATE, 0, "a-lie-between-two-truths");
    lie_end("a-lie-between-two-truths");

    /* Three chains that have descriptors in common. */
    pl_chain(&lie_q[LIE_INFLATE], 0, 3, LIE_AREA, PL_PAGE, 4 * PL_PAGE);
    for (uint16_t head = 0; head < 3; head++)
        pl_publish(&lie_q[LIE_INFLATE], head);
    pl_kick(&lie_q[LIE_INFLATE]);
    pl_require(pl_wait_used(&lie_q[LIE_INFLATE]), "chains-that-share-descriptors");
    lie_end("chains-that-share-descriptors");

    /* One head 32 times, as if it had been returned in between. */
    pl_desc(&lie_q[LIE_INFLATE], 0, LIE_AREA, PL_PAGE, 0, 0);
    for (int i = 0; i < 32; i++)
        pl_publish(&lie_q[LIE_INFLATE], 0);
    pl_kick(&lie_q[LIE_INFLATE]);
    pl_require(pl_wait_used(&lie_q[LIE_INFLATE]), "one-head-32-times");
    lie_end("one-head-32-times");

    /* The same page on its way in and out. */
    for (uint16_t q = 0; q < 2; q++) {
        pl_desc(&lie_q[q], 0, LIE_AREA, PL_PAGE, 0, 0);
        pl_publish(&lie_q[q], 0);
    }
    pl_kick(&lie_q[LIE_DEFLATE]);
    pl_kick(&lie_q[LIE_INFLATE]);
    pl_require(pl_wait_used(&lie_q[LIE_INFLATE]) && pl_wait_used(&lie_q[LIE_DEFLATE]),
               "inflated-and-deflated-at-once");
    lie_end("inflated-and-deflated-at-once");
}

static uint64_t page_of(const volatile void *at)
{
    return (uint64_t)at / PL_PAGE * PL_PAGE;
}

/* The memory that the device itself works on. All queues' rings of a kind share a page here. */
static void rings(void)
{
    struct pl_queue *q = &lie_q[LIE_INFLATE];
    lie_send_one(LIE_INFLATE, page_of(q->desc), PL_PAGE, 0, "over-its-own-descriptor-table");
    lie_end("over-its-own-descriptor-table");

    lie_send_one(LIE_INFLATE, page_of(q->used), PL_PAGE, 0, "over-its-used-ring");
    lie_end("over-its-used-ring");

    lie_send_one(LIE_INFLATE, page_of(q->avail), PL_PAGE, 0, "over-its-available-ring");
    lie_end_broken("over-its-available-ring");

    /* The deflate queue finds an index that went back. */
    lie_send_one(LIE_DEFLATE, LIE_AREA, PL_PAGE, 0, "before its rings go");
    pl_desc(q, 0, page_of(q->avail), PL_PAGE, 0, 0);
    pl_publish(q, 0);
    pl_kick(q);
    pl_kick(&lie_q[LIE_DEFLATE]);
    lie_end_broken("over-the-other-queues-rings");

    pl_desc(q, 0, page_of(q->desc), PL_PAGE, PL_NEXT, 1);
    pl_desc(q, 1, page_of(q->avail), PL_PAGE, PL_NEXT, 2);
    pl_desc(q, 2, page_of(q->used), PL_PAGE, 0, 0);
    pl_publish(q, 0);
    pl_kick(q);
    lie_end_broken("over-all-of-its-rings");
}

void payload_main(void)
{
    lie_start(PL_F_VERSION_1 | PL_F_SG | PL_F_HINT | PL_F_REPORTING, 4);
    lie_honest("start");
    pl_checkpoint("start");
    tell(lies, LEN(lies));
    tell(odd, LEN(odd));
    chains();
    rings();
    pl_puts("done\n");
}
