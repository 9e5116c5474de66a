/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the balloon reads from one chain, whatever its descriptors say: ranges, page numbers, hints
 * and statistics. Aborts when it differs from what model.c makes of the same chain.
 *
 * Input: struct header, then struct segment for each descriptor, then guest memory.
 */
#include <endian.h>
#include <linux/virtio_balloon.h>
#include <stdlib.h>
#include <string.h>

#include "devices/balloon/balloon_priv.h"
#include "guest/include/aerostat_balloon.h"
#include "tests/fuzz/model.h"
#include "tests/fuzz/require.h"

#define LOW_BYTES  (MIB / 2)
#define HIGH_START (4 * GIB)
#define HIGH_BYTES (MIB / 2)
/* The driver's command, which the device is told to expect. */
#define COMMAND 2u

struct header {
    uint8_t kind; /* what the chain is read as */
    uint8_t n_segments;
    uint8_t copies; /* the segments over and over, for chains as long as a ring */
    uint8_t command;
    uint16_t image; /* where guest memory goes, in units of 16 bytes */
};

struct segment {
    uint32_t addr;  /* see address_of() */
    uint32_t len;   /* see length_of() */
    uint8_t shapes; /* of both */
    uint8_t writable;
} __attribute__((packed));

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gm *gm;
static struct ev_loop *loop;
static struct vq vqs[VDEV_MAX_VQS];
static struct vq_chain chain;
static struct gm_range got[BALLOON_CHAIN_ITEMS];
static struct model_items want;

static void ignore_vq(void *transport, uint16_t vq)
{
    (void)transport;
    (void)vq;
}

static void ignore(void *transport)
{
    (void)transport;
}

static const struct vdev_transport_ops transport_ops = {
    .signal_used = ignore_vq, .config_changed = ignore, .needs_reset = ignore};

static int track_writes(void *arg, bool on)
{
    (void)arg;
    (void)on;
    return 0;
}

static int written(void *arg, struct gm_bitmap *out)
{
    (void)arg;
    (void)out;
    return 0;
}

static const struct balloon_guest_ops guest_ops = {
    .track_writes = track_writes, .written = written, .freeze = ignore, .thaw = ignore};

/* Near what is worth trying: RAM's edges, pages, everything. */
static uint64_t address_of(const struct segment *s)
{
    uint64_t v = le32toh(s->addr);
    switch (s->shapes & 7) {
    case 0:
        return v % LOW_BYTES;
    case 1:
        return v % (LOW_BYTES / BALLOON_PAGE_SIZE) * BALLOON_PAGE_SIZE;
    case 2:
        return HIGH_START + v % HIGH_BYTES;
    case 3:
        return HIGH_START + v % (HIGH_BYTES / BALLOON_PAGE_SIZE) * BALLOON_PAGE_SIZE;
    case 4:
        return UINT64_MAX - v;
    case 5:
        return v << 12;
    case 6:
        return v << 32 | v;
    default:
        return v;
    }
}

static uint32_t length_of(const struct segment *s)
{
    uint32_t v = le32toh(s->len);
    switch (s->shapes >> 3 & 3) {
    case 0:
        return v % 64;
    case 1:
        return v % 16384;
    case 2:
        return v << 12;
    default:
        return v;
    }
}

static void build_chain(const struct header *h, const uint8_t *data, size_t n)
{
    chain.n = 0;
    for (unsigned copy = 0; copy <= h->copies; copy++) {
        for (size_t i = 0; i < n && chain.n < VQ_SIZE_LIMIT; i++) {
            struct segment s;
            memcpy(&s, data + i * sizeof(s), sizeof(s));
            chain.seg[chain.n++] = (struct vq_seg){
                .gpa = address_of(&s), .len = length_of(&s), .writable = s.writable & 1};
        }
    }
}

/* Items that touch the one before, at either end, are part of its range. */
static void join_neighbours(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < want.n; i++) {
        struct gm_range item = want.range[i];
        struct gm_range *last = kept > 0 ? &want.range[kept - 1] : NULL;
        if (last != NULL && last->start + last->len_bytes == item.start) {
            last->len_bytes += item.len_bytes;
        } else if (last != NULL && item.start + item.len_bytes == last->start) {
            last->start = item.start;
            last->len_bytes += item.len_bytes;
        } else {
            want.range[kept++] = item;
        }
    }
    want.n = kept;
}

static void compare(const struct balloon_items *items)
{
    join_neighbours();
    require(items->n == want.n && items->bytes == want.bytes && items->bad == want.bad);
    require(want.n == 0 || memcmp(got, want.range, want.n * sizeof(got[0])) == 0);
}

static void check_hints(struct balloon *b, uint8_t command)
{
    struct err err;
    struct balloon_items items;
    struct balloon_info info;
    uint32_t cmd = 0;
    require(balloon_hint_start(b, true, &err) == 0);
    ev_loop_stop(loop);
    require(ev_loop_run(loop) == 0);
    b->hint_current = command & 1; /* said by an earlier chain */
    balloon_hint_read(b, got, &items);
    bool current = command & 1;
    bool said = model_hints(gm, &chain, COMMAND, &current, &want, &cmd);
    uint64_t stale = 0;
    if (!current) {
        stale = want.bytes;
        want.n = 0;
        want.bytes = 0;
    }
    compare(&items);
    balloon_get_info(b, &info);
    require(info.hint_stale_bytes == stale);
    require(b->hint.guest_cmd_valid == said && (!said || b->hint.guest_cmd == cmd));
}

static void check_stats(struct balloon *b)
{
    struct model_stats expected;
    struct balloon_stats stats;
    struct balloon_info info;
    uint64_t bad = model_stats(gm, &chain, &expected);
    require(balloon_stats_take(b, &vqs[BALLOON_STATS]));
    require(balloon_stats_take(b, &vqs[BALLOON_STATS]));
    balloon_get_stats(b, &stats);
    balloon_get_info(b, &info);
    require(info.bad_request == 2 * bad);
    require(stats.reports == (expected.is_report ? 2 : 0));
    if (!expected.is_report)
        return;
    require(stats.valid == expected.valid);
    require(memcmp(stats.value, expected.value, sizeof(stats.value)) == 0);
}

static void check_chain(struct balloon *b, const struct header *h)
{
    struct balloon_items items;
    switch (h->kind % 5) {
    case 0:
    case 1:
        if (h->kind % 5 == 0)
            model_ranges(gm, &chain, false, &want);
        else
            model_pfns(gm, &chain, &want);
        balloon_items_read(b, &chain, got, &items);
        compare(&items);
        break;
    case 2:
        model_ranges(gm, &chain, true, &want);
        balloon_items_read_writable(b, &chain, got, &items);
        compare(&items);
        break;
    case 3:
        check_hints(b, h->command);
        break;
    default:
        check_stats(b);
        break;
    }
}

static void create_once(void)
{
    const struct gm_range ram[] = {{0, LOW_BYTES}, {HIGH_START, HIGH_BYTES}};
    if (gm != NULL)
        return;
    log_set_level(LOG_ERROR);
    require(gm_create(ram, ARRAY_LEN(ram), GM_BACKING_4K, &gm, NULL) == 0);
    require(ev_loop_create(&loop) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct balloon_config config = {.free_page_hinting = true, .stats_interval_s = 1};
    struct balloon *balloon = NULL;
    struct header h;
    if (size < sizeof(h))
        return 0;
    memcpy(&h, data, sizeof(h));
    data += sizeof(h);
    size -= sizeof(h);
    create_once();
    require(balloon_create(&config, gm, loop, &guest_ops, NULL, &balloon, NULL) == 0);
    struct vdev *dev = balloon_vdev(balloon);
    dev->vqs = vqs;
    dev->transport_ops = &transport_ops;

    size_t n = (size_t)min_u64(h.n_segments, size / sizeof(struct segment));
    build_chain(&h, data, n);
    balloon->chain = chain;
    uint64_t image = UINT64_C(16) * le16toh(h.image) % LOW_BYTES;
    size_t left = (size_t)min_u64(size - n * sizeof(struct segment), LOW_BYTES - image);
    require(gm_write(gm, image, data + n * sizeof(struct segment), left) == 0);

    uint64_t features =
        UINT64_C(1) << VIRTIO_BALLOON_F_STATS_VQ | UINT64_C(1) << VIRTIO_BALLOON_F_FREE_PAGE_HINT;
    if (h.kind % 5 == 0)
        features |= UINT64_C(1) << AEROSTAT_BALLOON_F_SG;
    require(dev->ops->activate(dev, features) == 0);
    check_chain(balloon, &h);
    balloon_destroy(balloon);
    require(gm_zero(gm, image, left) == 0);
    return 0;
}
