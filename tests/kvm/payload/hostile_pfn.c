/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of page numbers that lie, in a guest with 4 GiB of RAM on both sides of the MMIO gap. */
#include "tests/kvm/payload/pl_lie.h"

#define GAP     UINT64_C(0xc0000000)
#define RAM_END (5 * PL_GIB)
/* What the device takes from one chain. */
#define CAP 4096u

#define PFN(gpa) ((uint32_t)((gpa) / PL_PAGE))
#define LEN(a)   (sizeof(a) / sizeof((a)[0]))

/* One more than the device takes. */
static uint32_t array[CAP + 1024] __attribute__((aligned(4096)));
#define ARRAY ((uint64_t)array)

static const char *const queue_names[] = {"inflate", "deflate"};

/* Single page numbers that are no page of RAM. */
static const struct {
    const char *name;
    uint32_t pfn;
} numbers[] = {
    {"number-in-the-gap", PFN(GAP)},
    {"number-of-the-device-registers", PFN(PL_WINDOW)},
    {"number-just-behind-ram", PFN(RAM_END)},
    {"number-with-bit-31", UINT32_C(1) << 31},
    /* -1 as a signed number: the page below 2^64 if it were extended. */
    {"number-all-ones", UINT32_MAX},
    {"number-sign-extended-low", 0xfff00000},
};

/* Arrays of which the device can read nothing; each is one bad request. */
static const struct {
    const char *name;
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
} arrays[] = {
    {"array-writable", ARRAY, 4, PL_WRITE},
    {"array-of-1-byte", ARRAY, 1, 0},
    {"array-of-3-bytes", ARRAY, 3, 0},
    {"array-in-the-gap", GAP, 1024, 0},
    {"array-over-the-device-registers", PL_WINDOW, 1024, 0},
    {"array-into-the-gap", GAP - 512, 1024, 0},
    {"array-behind-ram", RAM_END, 4, 0},
    {"array-at-the-end-of-ram-and-beyond", RAM_END - 2, 4, 0},
    {"array-at-2-to-the-64-less-1", UINT64_MAX, 1, 0},
    {"array-past-2-to-the-64", UINT64_MAX - 3, 1024, 0},
    {"array-of-4g-less-1", ARRAY, UINT32_MAX, 0},
};

static void fill(uint32_t n, uint32_t first, uint32_t step)
{
    for (uint32_t i = 0; i < n; i++)
        array[i] = first + i * step;
}

static void both_queues(void)
{
    for (uint16_t q = 0; q < 2; q++) {
        for (unsigned int i = 0; i < LEN(numbers); i++) {
            const char *name = lie_name(queue_names[q], numbers[i].name);
            array[0] = numbers[i].pfn;
            lie_send_one(q, ARRAY, 4, 0, name);
            lie_end(name);
        }
        array[0] = PFN(LIE_AREA);
        for (unsigned int i = 0; i < LEN(arrays); i++) {
            const char *name = lie_name(queue_names[q], arrays[i].name);
            lie_send_one(q, arrays[i].addr, arrays[i].len, arrays[i].flags, name);
            lie_end(name);
        }
    }
}

static void lengths(void)
{
    fill(LEN(array), PFN(LIE_AREA), 1);
    lie_send_one(LIE_INFLATE, ARRAY, 0, 0, "array-of-0-bytes");
    lie_end("array-of-0-bytes");
    lie_send_one(LIE_INFLATE, ARRAY, 5, 0, "array-of-5-bytes");
    lie_end("array-of-5-bytes");
    lie_send_one(LIE_INFLATE, ARRAY, 4 * CAP, 0, "array-of-just-the-cap");
    lie_end("array-of-just-the-cap");
    lie_send_one(LIE_INFLATE, ARRAY, 4 * CAP + 4, 0, "array-over-the-cap");
    lie_end("array-over-the-cap");
    lie_send_one(LIE_DEFLATE, 0, (uint32_t)(512 * PL_MIB), 0, "array-of-512-mib");
    lie_end_restarted("array-of-512-mib");
}

static void contents(void)
{
    /* Numbers behind a descriptor that cannot be read, and one number cut in two. */
    fill(64, PFN(LIE_AREA), 1);
    pl_desc(&lie_q[LIE_INFLATE], 0, GAP, 64, PL_NEXT, 1);
    pl_desc(&lie_q[LIE_INFLATE], 1, ARRAY, 126, PL_NEXT, 2);
    pl_desc(&lie_q[LIE_INFLATE], 2, ARRAY + 126, 130, 0, 0);
    lie_send(LIE_INFLATE, 0, "numbers-behind-a-bad-descriptor");
    lie_end("numbers-behind-a-bad-descriptor");

    fill(1024, PFN(LIE_AREA), 0);
    lie_send_one(LIE_INFLATE, ARRAY, 4096, 0, "one-number-1024-times");
    lie_end("one-number-1024-times");

    fill(64, PFN(LIE_AREA) + 63, UINT32_MAX);
    array[7] = UINT32_MAX;
    lie_send_one(LIE_INFLATE, ARRAY, 256, 0, "one-bad-number-among-64");
    lie_end("one-bad-number-among-64");

    array[0] = PFN(ARRAY);
    array[1] = PFN(LIE_AREA);
    lie_send_one(LIE_INFLATE, ARRAY, 8, 0, "the-page-that-holds-the-array");
    pl_require(array[0] == 0 && array[1] == 0, "the array's own page is still there");
    lie_end("the-page-that-holds-the-array");

    /* An array that is its own descriptor table: addresses and lengths read as numbers. */
    uint64_t table = (uint64_t)lie_q[LIE_INFLATE].desc;
    lie_send_one(LIE_DEFLATE, table, 16 * PL_RING, 0, "the-descriptor-table-as-array");
    lie_end_restarted("the-descriptor-table-as-array");

    array[0] = PFN((uint64_t)lie_q[LIE_INFLATE].avail);
    pl_desc(&lie_q[LIE_INFLATE], 0, ARRAY, 4, 0, 0);
    pl_publish(&lie_q[LIE_INFLATE], 0);
    pl_kick(&lie_q[LIE_INFLATE]);
    lie_end_broken("the-page-of-the-available-ring");
}

void payload_main(void)
{
    lie_start(PL_F_VERSION_1, 2);
    lie_honest("start");
    pl_checkpoint("start");
    both_queues();
    lengths();
    contents();
    pl_puts("done\n");
}
