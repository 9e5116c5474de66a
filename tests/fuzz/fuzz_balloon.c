/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole balloon on 1 MiB of RAM: features, rings, memory, time and the order of events all come
 * from the input. shadow.c holds the device to what it promises.
 *
 * Input: struct header, then script_len bytes of events, then guest memory.
 */
#include "tests/fuzz/fuzz_balloon.h"

#include <endian.h>
#include <linux/virtio_balloon.h>
#include <string.h>

#include "guest/include/aerostat_balloon.h"
#include "tests/fuzz/fake_time.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/shadow.h"

#define EVENTS_LIMIT 96u
/*
 * A ring offers at most 1024 chains at a time. A batch takes at least three of them, and has at
 * most 640 ranges, every other page.
 */
#define MOST_TURNS (1024u / 3 * 640)
/* Two queues that share memory may keep each other busy for a while. */
#define MOST_ROUNDS 32u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run run;

static void signal_used(void *transport, uint16_t vq)
{
    (void)transport;
    (void)vq_should_interrupt(&run.vqs[vq]);
}

static void config_changed(void *transport)
{
    (void)transport;
}

static void needs_reset(void *transport)
{
    (void)transport;
    run.reset_asked = true;
}

static const struct vdev_transport_ops transport_ops = {
    .signal_used = signal_used, .config_changed = config_changed, .needs_reset = needs_reset};

static uint64_t features_of(uint8_t accepted)
{
    uint64_t bits = accepted & 0x3f;
    if (accepted & 0x80)
        bits |= UINT64_C(1) << AEROSTAT_BALLOON_F_SG | UINT64_C(1) << AEROSTAT_BALLOON_F_SG_BIT3;
    return bits & run.dev->ops->features(run.dev);
}

static void clear_rings(const struct vq *vq)
{
    static const uint8_t zeros[6 + 8 * VQ_SIZE_LIMIT];
    (void)shadow_store(vq->avail_gpa, zeros, 6 + (size_t)2 * vq->size);
    (void)shadow_store(vq->used_gpa, zeros, 6 + (size_t)8 * vq->size);
}

/* What the transport does for DRIVER_OK, but that a queue it refuses is simply not there. */
void run_start(uint8_t accepted)
{
    uint64_t features = features_of(accepted);
    const uint32_t poison = htole32(run.h.poison);
    for (uint16_t i = 0; i < N_VQS; i++) {
        struct vq *vq = &run.vqs[i];
        uint16_t max = run.dev->ops->vq_max_size(run.dev, features, i);
        uint16_t size = (uint16_t)(1u << (run.h.size_log2[i] % 11));
        if (max == 0 || !(run.h.ready >> i & 1))
            continue;
        vq->gm = run.gm;
        vq->size = size < max ? size : max;
        vq->desc_gpa = UINT64_C(16) * le16toh(run.h.area[i][0]);
        vq->avail_gpa = UINT64_C(16) * le16toh(run.h.area[i][1]);
        vq->used_gpa = UINT64_C(16) * le16toh(run.h.area[i][2]);
        vq->event_idx = run.h.flags & FLAG_EVENT_IDX;
        if (!(run.h.flags & FLAG_RAW_RINGS))
            clear_rings(vq);
        if (vq_start(vq) < 0)
            vq_reset(vq);
    }
    run.reset_asked = false;
    memset(run.driver, 0, sizeof(run.driver));
    require(run.dev->ops->config_write(run.dev, 12, &poison, sizeof(poison)) == 0);
    shadow_start(features);
    require(run.dev->ops->activate(run.dev, features) == 0);
    for (uint16_t i = 0; i < N_VQS; i++) {
        if (run.vqs[i].started)
            run.dev->ops->notify(run.dev, i, 0);
    }
}

void run_reset(void)
{
    for (unsigned i = 0; i < N_VQS; i++)
        vq_reset(&run.vqs[i]);
    run.dev->ops->reset(run.dev);
    shadow_reset();
}

/* One round of posted turns. */
void run_step(void)
{
    ev_loop_stop(run.loop);
    require(ev_loop_run(run.loop) == 0);
}

/* Until no work is left, which comes by itself; some of it waits for its time. */
static void finish_turns(void)
{
    for (unsigned turn = 0; run.balloon->pending != 0; turn++) {
        require(turn < MOST_TURNS);
        if (!run.balloon->turn_posted)
            fake_time_advance(MS);
        run_step();
    }
    run_step();
}

/* A ring of a working queue in which nothing is left behind. */
static bool is_drained(const struct vq *vq)
{
    uint16_t idx = 0;
    require(gm_load_le16_relaxed(run.gm, vq->avail_gpa + 2, &idx) == 0);
    return idx == vq->next_avail;
}

static void drain(void)
{
    uint64_t before;
    unsigned round = 0;
    struct balloon_info info;
    finish_turns();
    do {
        before = shadow_progress();
        for (uint16_t i = 0; i < N_VQS; i++)
            run.dev->ops->notify(run.dev, i, 1);
        finish_turns();
        fake_time_advance(2 * BALLOON_PIECES_MAX_NS);
        finish_turns();
    } while (shadow_progress() != before && ++round < MOST_ROUNDS);
    shadow_check_counters();
    shadow_check_chains();
    for (unsigned i = 0; i < N_VQS; i++) {
        require(!run.vqs[i].broken || run.reset_asked);
        if (round < MOST_ROUNDS && run.vqs[i].started && !run.vqs[i].broken)
            require(is_drained(&run.vqs[i]));
    }
    balloon_get_info(run.balloon, &info);
    require(info.waiting_bytes == 0);
}

static void create(void)
{
    const struct header *h = &run.h;
    struct balloon_config config = {
        .scatter_gather = h->flags & FLAG_SG_OFF    ? BALLOON_SG_OFF
                          : h->flags & FLAG_SG_BIT3 ? BALLOON_SG_BIT3
                                                    : BALLOON_SG_AUTO,
        .deflate_on_oom = h->offered >> VIRTIO_BALLOON_F_DEFLATE_ON_OOM & 1,
        .must_tell_host = h->offered >> VIRTIO_BALLOON_F_MUST_TELL_HOST & 1,
        .free_page_hinting = h->offered >> VIRTIO_BALLOON_F_FREE_PAGE_HINT & 1,
        .free_page_reporting = h->offered >> VIRTIO_BALLOON_F_REPORTING & 1,
        .page_poison = h->offered >> VIRTIO_BALLOON_F_PAGE_POISON & 1,
        .prefault_on_deflate = h->flags & FLAG_PREFAULT,
        .stats_interval_s = h->offered >> VIRTIO_BALLOON_F_STATS_VQ & 1,
    };
    if (config.scatter_gather == BALLOON_SG_BIT3)
        config.free_page_hinting = false;
    enum gm_backing backing = h->flags & FLAG_THP ? GM_BACKING_THP : GM_BACKING_4K;
    run.gm = shadow_begin(&config, backing, h->failures, h->slice);
    if (gm_populate(run.gm, (struct gm_range){0, BALLOON_PAGE_SIZE}) < 0)
        config.prefault_on_deflate = false;
    fake_time_reset();
    require(ev_loop_create(&run.loop) == 0);
    require(balloon_create(&config, run.gm, run.loop, &shadow_guest_ops, NULL, &run.balloon,
                           NULL) == 0);
    run.dev = balloon_vdev(run.balloon);
    run.dev->vqs = run.vqs;
    run.dev->transport_ops = &transport_ops;
    shadow_watch(run.balloon);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&run, 0, sizeof(run));
    if (size < sizeof(run.h))
        return 0;
    log_set_level(LOG_ERROR);
    memcpy(&run.h, data, sizeof(run.h));
    data += sizeof(run.h);
    size -= sizeof(run.h);
    create();
    run.script = data;
    run.left = (size_t)min_u64(le16toh(run.h.script_len), size);
    uint64_t image = UINT64_C(16) * le16toh(run.h.image);
    uint64_t image_len = min_u64(size - run.left, SHADOW_LOW_BYTES - image);
    (void)shadow_store(image, data + run.left, image_len);

    run_start(run.h.accepted);
    for (unsigned i = 0; i < EVENTS_LIMIT && run.left > 0; i++) {
        run_event();
        shadow_check_counters();
    }
    drain();
    shadow_check_memory();
    run_reset();
    balloon_destroy(run.balloon);
    ev_loop_destroy(run.loop);
    shadow_end();
    return 0;
}
