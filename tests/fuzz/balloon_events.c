/* SPDX-License-Identifier: Apache-2.0 */
/* What can happen to a balloon: the guest's doing, the host's, and time. */
#include <endian.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ring.h>

#include "tests/fuzz/fake_time.h"
#include "tests/fuzz/fuzz_balloon.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/shadow.h"

#define SEGS_LIMIT 8u
#define PFNS_LIMIT 64u

enum event {
    EVENT_NOTIFY,
    EVENT_STEP,
    EVENT_SEND_RANGES,
    EVENT_SEND_PFNS,
    EVENT_SEND_HINTS,
    EVENT_SEND_BYTES,
    EVENT_AVAIL_IDX,
    EVENT_RESTART,
    EVENT_CONFIG_READ,
    EVENT_CONFIG_WRITE,
    EVENT_STORE,
    EVENT_TIME,
    EVENT_TARGET,
    EVENT_STATS,
    EVENT_HINT,
    EVENT_PAUSE,
    EVENT_COUNT
};

static uint8_t take_u8(void)
{
    if (run.left == 0)
        return 0;
    run.left--;
    return *run.script++;
}

static uint16_t take_u16(void)
{
    uint8_t low = take_u8();
    return (uint16_t)(low | take_u8() << 8);
}

static uint16_t take_vq(void)
{
    return take_u8() % N_VQS;
}

/* Every page of RAM, a page above, and the middle of each. */
static uint64_t take_address(void)
{
    uint16_t v = take_u16();
    uint64_t gpa = (v & 0x7ff) * BALLOON_PAGE_SIZE + (v & 0x800 ? 512 : 0);
    return v & 0x8000 ? SHADOW_HIGH_START + gpa : gpa;
}

static bool put_le16(uint64_t gpa, uint16_t value)
{
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8)};
    return shadow_store(gpa, bytes, sizeof(bytes));
}

/* A chain as a driver makes it, as far as the rings are in RAM. Does not notify. */
static void send(uint16_t index, const struct vq_seg *segs, uint16_t n)
{
    const struct vq *vq = &run.vqs[index];
    struct driver_vq *driver = &run.driver[index];
    if (!vq->started || n > vq->size)
        return;
    uint16_t mask = (uint16_t)(vq->size - 1);
    uint16_t head = driver->next_desc & mask;
    for (uint16_t i = 0; i < n; i++) {
        uint16_t at = driver->next_desc++ & mask;
        const struct vring_desc desc = {
            .addr = htole64(segs[i].gpa),
            .len = htole32(segs[i].len),
            .flags = htole16((uint16_t)((segs[i].writable ? VRING_DESC_F_WRITE : 0) |
                                        (i + 1 < n ? VRING_DESC_F_NEXT : 0))),
            .next = htole16(driver->next_desc & mask)};
        (void)shadow_store(vq->desc_gpa + at * sizeof(desc), &desc, sizeof(desc));
    }
    (void)put_le16(vq->avail_gpa + 4 + UINT64_C(2) * (driver->avail_idx & mask), head);
    (void)put_le16(vq->avail_gpa + 2, ++driver->avail_idx);
}

static uint16_t take_segs(struct vq_seg *segs, uint16_t n)
{
    for (uint16_t i = 0; i < n; i++) {
        uint8_t shape = take_u8();
        segs[i].gpa = take_address();
        segs[i].writable = shape & 1;
        uint32_t pages = shape < 128 ? shape >> 2 : (shape - 124u) / 4 * 32;
        segs[i].len = pages << 12;
        if (shape & 2)
            segs[i].len += shape; /* not whole pages */
    }
    return n;
}

static void send_pfns(void)
{
    uint16_t vq = take_vq();
    uint64_t buffer = take_address();
    uint32_t first = take_u16();
    uint8_t n = take_u8() % PFNS_LIMIT;
    uint8_t stride = take_u8();
    for (uint32_t i = 0; i < n; i++) {
        uint32_t pfn = htole32(first + i * stride);
        if (first & 0x8000)
            pfn = htole32((uint32_t)(SHADOW_HIGH_START / BALLOON_PAGE_SIZE) + (first & 0x7fff) +
                          i * stride);
        (void)shadow_store(buffer + i * sizeof(pfn), &pfn, sizeof(pfn));
    }
    const struct vq_seg seg = {.gpa = buffer, .len = n * UINT32_C(4) + stride / 64};
    send(vq, &seg, 1);
}

/* With the command that the device has issued, or one near it. */
static void send_hints(void)
{
    struct vq_seg segs[SEGS_LIMIT + 1];
    uint16_t vq = take_vq();
    uint64_t buffer = take_address();
    uint8_t shape = take_u8();
    uint32_t cmd = 0;
    require(run.dev->ops->config_read(run.dev, 8, &cmd, sizeof(cmd)) == 0);
    cmd = shape & 8 ? shape >> 4 : htole32(le32toh(cmd) + (shape >> 4));
    (void)shadow_store(buffer, &cmd, sizeof(cmd));
    segs[0] = (struct vq_seg){.gpa = buffer, .len = sizeof(cmd)};
    uint16_t n = take_segs(&segs[1], shape % SEGS_LIMIT);
    send(vq, segs, (uint16_t)(n + 1));
}

static void send_bytes(void)
{
    uint8_t bytes[64];
    uint16_t vq = take_vq();
    struct vq_seg seg = {.gpa = take_address()};
    uint8_t shape = take_u8();
    uint8_t n = take_u8() % (sizeof(bytes) + 1);
    for (uint8_t i = 0; i < n; i++)
        bytes[i] = take_u8();
    (void)shadow_store(seg.gpa, bytes, n);
    seg.len = shape & 2 ? UINT32_C(1) << (shape >> 3) : n;
    seg.writable = shape & 1;
    send(vq, &seg, 1);
}

static void access_config(bool write)
{
    uint8_t bytes[8];
    uint32_t off = take_u8() % 20;
    uint32_t len = take_u8() % 9;
    bool inside = off + len <= sizeof(struct virtio_balloon_config);
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = write ? take_u8() : 0;
    if (write)
        require(run.dev->ops->config_write(run.dev, off, bytes, len) == 0 || !inside ||
                off + len > 12);
    else
        require((run.dev->ops->config_read(run.dev, off, bytes, len) == 0) == inside);
}

static void ask_for_stats(uint8_t how)
{
    struct err err;
    struct balloon_stats stats;
    if (how & 1)
        (void)balloon_request_stats(run.balloon);
    else
        (void)balloon_set_stats_interval(run.balloon, how >> 4, &err);
    balloon_get_stats(run.balloon, &stats);
    require(stats.valid < 1u << BALLOON_STAT_TAGS);
}

static void ask_for_hints(uint8_t how)
{
    struct err err;
    struct balloon_hint_info info;
    if (how & 1)
        (void)balloon_hint_start(run.balloon, how & 2, &err);
    else
        (void)balloon_hint_stop(run.balloon, &err);
    balloon_get_hint(run.balloon, &info);
}

static void run_send(enum event event)
{
    struct vq_seg segs[SEGS_LIMIT];
    uint16_t vq;
    if (event == EVENT_SEND_PFNS) {
        send_pfns();
    } else if (event == EVENT_SEND_HINTS) {
        send_hints();
    } else if (event == EVENT_SEND_BYTES) {
        send_bytes();
    } else {
        vq = take_vq();
        send(vq, segs, take_segs(segs, (uint16_t)(take_u8() % SEGS_LIMIT + 1)));
    }
}

/* What the guest does with its memory and its registers. */
static void run_guest(enum event event)
{
    uint16_t vq;
    switch (event) {
    case EVENT_NOTIFY:
        vq = take_u8() % (N_VQS + 1);
        run.dev->ops->notify(run.dev, vq, take_u8());
        break;
    case EVENT_AVAIL_IDX:
        vq = take_vq();
        (void)put_le16(UINT64_C(16) * le16toh(run.h.area[vq][1]) + 2, take_u16());
        break;
    case EVENT_RESTART:
        run_reset();
        run_start(take_u8());
        break;
    case EVENT_STORE: {
        uint64_t gpa = take_address();
        gpa += take_u16() & (BALLOON_PAGE_SIZE - 2);
        (void)put_le16(gpa, take_u16());
        break;
    }
    default:
        access_config(event == EVENT_CONFIG_WRITE);
        break;
    }
}

static void run_one(enum event event)
{
    struct err err;
    switch (event) {
    case EVENT_STEP:
        run_step();
        break;
    case EVENT_TIME:
        fake_time_advance(take_u8() * 10 * MS);
        break;
    case EVENT_TARGET:
        (void)balloon_set_target(run.balloon, take_u16() * BALLOON_PAGE_SIZE, &err);
        break;
    case EVENT_PAUSE:
        balloon_set_paused(run.balloon, take_u8() & 1);
        break;
    case EVENT_STATS:
        ask_for_stats(take_u8());
        break;
    case EVENT_HINT:
        ask_for_hints(take_u8());
        break;
    case EVENT_SEND_RANGES:
    case EVENT_SEND_PFNS:
    case EVENT_SEND_HINTS:
    case EVENT_SEND_BYTES:
        run_send(event);
        break;
    default:
        run_guest(event);
        break;
    }
}

void run_event(void)
{
    run_one((enum event)(take_u8() % EVENT_COUNT));
}
