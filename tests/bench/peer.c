/* SPDX-License-Identifier: Apache-2.0 */
/* The tests' virtio driver on a transport of QEMU. */
#include "tests/bench/peer.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/bench/qtest.h"
#include "tests/support/mock_driver.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"

/* QEMU's microvm machine: this many transports in a row, each with its registers. */
#define TRANSPORTS      UINT64_C(0xfeb00000)
#define TRANSPORT_BYTES 512u
#define TRANSPORTS_MAX  24u

/* Rounds of 10 ms in which QEMU must not run, and how many are tried. */
#define SETTLE_ROUNDS     3u
#define SETTLE_ROUNDS_MAX 200u

#define INFLATE 0
#define QUEUES  2
#define RINGS   (1 * MIB)

struct peer {
    struct gm *gm; /* borrowed */
    struct qtest *qtest;
    uint64_t registers; /* of the balloon's transport */
    clockid_t cpu_clock;
    struct mock_driver driver;
    uint32_t pfns[RIG_ARRAY_ITEMS_MAX];
};

static uint32_t read_register(void *arg, uint64_t offset)
{
    struct peer *p = arg;
    return qtest_read32(p->qtest, p->registers + offset);
}

static void write_register(void *arg, uint64_t offset, uint32_t value)
{
    struct peer *p = arg;
    qtest_write32(p->qtest, p->registers + offset, value);
}

static const struct mock_registers registers = {.read32 = read_register, .write32 = write_register};

static bool find_balloon(struct peer *p)
{
    for (unsigned i = 0; i < TRANSPORTS_MAX; i++) {
        p->registers = TRANSPORTS + (uint64_t)i * TRANSPORT_BYTES;
        if (read_register(p, VIRTIO_MMIO_DEVICE_ID) == VIRTIO_ID_BALLOON)
            return true;
    }
    return false;
}

/* Of a shared mapping this frees nothing: the pages stay, the page tables' entries go. */
static int unmap_ours(const struct gm *gm)
{
    struct gm_region region = gm_region_at(gm, 0);
    return madvise(region.host, region.range.len_bytes, MADV_DONTNEED) == 0 ? 0 : -errno;
}

int peer_create(struct gm *gm, bool touch, struct peer **out)
{
    struct peer *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    p->gm = gm;
    int ret = touch ? unmap_ours(gm) : 0;
    if (ret == 0)
        ret = qtest_start(gm, touch, &p->qtest);
    if (ret == 0 && !find_balloon(p)) {
        (void)fprintf(stderr, "QEMU has no balloon\n");
        ret = -ENODEV;
    }
    if (ret == 0)
        ret = -clock_getcpuclockid(qtest_pid(p->qtest), &p->cpu_clock);
    if (ret < 0) {
        peer_destroy(p);
        return ret;
    }
    mock_driver_init_remote(&p->driver, &registers, p, gm);
    *out = p;
    return 0;
}

void peer_destroy(struct peer *p)
{
    if (p == NULL)
        return;
    qtest_stop(p->qtest);
    free(p);
}

static struct rig_time now(const struct peer *p)
{
    struct timespec cpu = {0};
    (void)clock_gettime(p->cpu_clock, &cpu);
    return (struct rig_time){
        .wall_ns = clock_mono_ns(),
        .cpu_ns = (uint64_t)cpu.tv_sec * UINT64_C(1000000000) + (uint64_t)cpu.tv_nsec,
    };
}

/* Until what starting left to do is done: QEMU frees memory of its own a moment later. */
static void let_settle(const struct peer *p)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    unsigned quiet = 0;
    for (unsigned i = 0; i < SETTLE_ROUNDS_MAX && quiet < SETTLE_ROUNDS; i++) {
        uint64_t before = now(p).cpu_ns;
        (void)nanosleep(&pause, NULL);
        quiet = now(p).cpu_ns == before ? quiet + 1 : 0;
    }
}

static void send_array(struct peer *p, const struct plan_walk *walk)
{
    uint32_t n = plan_next_items(walk);
    struct mock_seg seg = {.gpa = plan_array_gpa(walk), .len = n * (uint32_t)sizeof(p->pfns[0])};
    plan_next_pages(walk, p->pfns, n);
    for (uint32_t i = 0; i < n; i++)
        p->pfns[i] = htole32((uint32_t)(qtest_gpa(p->pfns[i] * GM_PAGE_SIZE) / GM_PAGE_SIZE));
    plan_require(gm_write(p->gm, seg.gpa, p->pfns, seg.len) == 0, "no room for arrays");
    plan_require(mock_add(&p->driver, INFLATE, &seg, 1) >= 0, "the ring is full");
}

/*
 * As Linux sends them: as many as may be in flight, a kick, and on when they are back. A real
 * driver would also read and acknowledge the interrupt: two accesses that QEMU is spared.
 */
static uint64_t send_all(struct peer *p, const struct rig_plan *plan)
{
    struct plan_walk walk;
    uint64_t kicks = 0;
    plan_begin(&walk, plan);
    while (plan_next_items(&walk) > 0) {
        unsigned sent = 0;
        for (; sent < plan->in_flight && plan_next_items(&walk) > 0; sent++) {
            send_array(p, &walk);
            plan_advance(&walk);
        }
        mock_publish(&p->driver, INFLATE);
        kicks += mock_kick_if_wanted(&p->driver, INFLATE);
        plan_require(mock_wait_used_n(&p->driver, INFLATE, sent), "QEMU does not take the array");
        mock_put_used_event(&p->driver, INFLATE, p->driver.vq[INFLATE].last_used);
    }
    plan_end(&walk);
    return kicks;
}

static void kick_in_vain(struct peer *p, uint64_t kicks)
{
    for (uint64_t i = 0; i < kicks; i++)
        mock_kick(&p->driver, INFLATE);
}

/* Both spans that are measured: the plan, and kicks alone. */
static void measure(struct peer *p, const struct rig_plan *plan, struct call_counter *counter,
                    struct peer_result *out)
{
    if (counter != NULL)
        calls_start(counter);
    struct rig_time start = now(p);
    out->kicks = send_all(p, plan);
    out->time = rig_between(start, now(p));
    if (counter != NULL) {
        calls_stop(counter, &out->calls);
        calls_start(counter);
    }
    start = now(p);
    kick_in_vain(p, out->kicks);
    out->idle_kicks = rig_between(start, now(p));
    if (counter != NULL)
        calls_stop(counter, &out->idle_calls);
}

int peer_run(struct peer *p, const struct rig_plan *plan, bool count, struct peer_result *out)
{
    const uint64_t wanted =
        UINT64_C(1) << VIRTIO_BALLOON_F_MUST_TELL_HOST | UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX;
    struct call_counter *counter = NULL;
    uint64_t before = 0;
    uint64_t after = 0;
    if (count) {
        int ret = calls_open(qtest_pid(p->qtest), &counter);
        if (ret < 0)
            return ret;
    }
    *out = (struct peer_result){0};
    mock_driver_start(&p->driver, wanted & mock_offered_features(&p->driver), QUEUES,
                      plan->queue_size, RINGS);
    out->queue_size = p->driver.vq[INFLATE].size;
    let_settle(p);
    plan_require(gm_allocated_bytes(p->gm, &before) == 0, "the blocks cannot be read");
    measure(p, plan, counter, out);
    plan_require(gm_allocated_bytes(p->gm, &after) == 0, "the blocks cannot be read");
    out->freed_bytes = sub_sat_u64(before, after);
    calls_close(counter);
    return 0;
}
