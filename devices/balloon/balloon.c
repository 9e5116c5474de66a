/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balloon as an object: creation, features, activation, target, and the report of both truths.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>

#include "devices/balloon/balloon_priv.h"
#include "guest/include/aerostat_balloon.h"

static struct balloon *balloon_of(const struct vdev *dev)
{
    return container_of(dev, struct balloon, vdev);
}

/* The mask of the scatter-gather feature under this configuration; 0 when it is off. */
static uint64_t sg_feature(const struct balloon *b)
{
    switch (b->config.scatter_gather) {
    case BALLOON_SG_AUTO:
        return balloon_bit(AEROSTAT_BALLOON_F_SG);
    case BALLOON_SG_BIT3:
        return balloon_bit(AEROSTAT_BALLOON_F_SG_BIT3);
    case BALLOON_SG_OFF:
        break;
    }
    return 0;
}

static uint64_t features(const struct vdev *dev)
{
    const struct balloon *b = balloon_of(dev);
    const struct {
        bool on;
        unsigned bit;
    } optional[] = {
        {b->pieces != NULL, VIRTIO_BALLOON_F_MUST_TELL_HOST},
        {b->config.stats_interval_s > 0, VIRTIO_BALLOON_F_STATS_VQ},
        {b->config.deflate_on_oom, VIRTIO_BALLOON_F_DEFLATE_ON_OOM},
        {b->config.free_page_hinting, VIRTIO_BALLOON_F_FREE_PAGE_HINT},
        {b->config.page_poison, VIRTIO_BALLOON_F_PAGE_POISON},
        {b->config.free_page_reporting, VIRTIO_BALLOON_F_REPORTING},
        {b->config.scatter_gather == BALLOON_SG_BIT3, AEROSTAT_BALLOON_F_SG_ON_BIT3},
    };
    uint64_t offered = sg_feature(b);
    for (size_t i = 0; i < ARRAY_LEN(optional); i++) {
        if (optional[i].on)
            offered |= balloon_bit(optional[i].bit);
    }
    return offered;
}

static int activate(struct vdev *dev, uint64_t negotiated)
{
    struct balloon *b = balloon_of(dev);
    bool sg = (negotiated & sg_feature(b)) != 0;
    atomic_store_explicit(&b->features, negotiated, memory_order_relaxed);
    atomic_store_explicit(&b->form, sg ? BALLOON_FORM_SG : BALLOON_FORM_PFN, memory_order_relaxed);
    b->keep_pieces = b->pieces != NULL && balloon_has(b, VIRTIO_BALLOON_F_MUST_TELL_HOST);
    balloon_stats_start(b);
    balloon_change_restart(b);
    return 0;
}

static void reset(struct vdev *dev)
{
    struct balloon *b = balloon_of(dev);
    balloon_queues_stop(b);
    balloon_stats_stop(b);
    balloon_hint_reset(b);
    b->keep_pieces = false;
    balloon_pieces_forget(b);
    balloon_change_settle(b);
    atomic_store_explicit(&b->features, 0, memory_order_relaxed);
    atomic_store_explicit(&b->form, BALLOON_FORM_NONE, memory_order_relaxed);
    atomic_store_explicit(&b->poison_val, 0, memory_order_relaxed);
    balloon_forget_actual(b);
}

static const struct vdev_ops ops = {
    .name = "balloon",
    .device_id = VIRTIO_ID_BALLOON,
    .max_vqs = BALLOON_ROLES,
    .features = features,
    .vq_max_size = balloon_vq_max_size,
    .activate = activate,
    .reset = reset,
    .notify = balloon_notify,
    .config_read = balloon_config_read,
    .config_write = balloon_config_write,
};

enum balloon_form balloon_form(const struct balloon *b)
{
    return (enum balloon_form)atomic_load_explicit(&b->form, memory_order_relaxed);
}

/* num_pages is 32 bits wide (5.5.4): RAM of 16 TiB and more cannot be asked for as a whole. */
static int check_target(const struct gm *gm, uint64_t bytes, struct err *err)
{
    uint64_t ram = gm_size_bytes(gm);
    uint64_t most = min_u64(ram - BALLOON_PAGE_SIZE, UINT32_MAX * BALLOON_PAGE_SIZE);
    if (!is_aligned(bytes, BALLOON_PAGE_SIZE))
        return err_set(err, -EINVAL,
                       "balloon target: %" PRIu64 " bytes is not a multiple of %" PRIu64, bytes,
                       BALLOON_PAGE_SIZE);
    if (bytes > most)
        return err_set(err, -EINVAL,
                       "balloon target: %" PRIu64 " bytes is above the maximum of %" PRIu64
                       ": it must stay below the guest's RAM of %" PRIu64 " bytes",
                       bytes, most, ram);
    return 0;
}

static int check_config(const struct balloon_config *config, const struct gm *gm, struct err *err)
{
    if (config->free_page_hinting && config->scatter_gather == BALLOON_SG_BIT3)
        return err_set(err, -EINVAL,
                       "balloon: scatter-gather on bit 3 and free page hinting both claim feature "
                       "bit 3; give one of the two");
    return check_target(gm, config->target_bytes, err);
}

static int add_timers(struct balloon *b)
{
    int ret = ev_timer_add(b->loop, balloon_change_watch, b, &b->change_timer);
    if (ret == 0)
        ret = ev_timer_add(b->loop, balloon_stats_tick, b, &b->stats_timer);
    if (ret == 0)
        ret = ev_timer_add(b->loop, balloon_pieces_flush, b, &b->pieces_timer);
    if (ret == 0)
        ret = ev_timer_add(b->loop, balloon_hint_rested, b, &b->hint_timer);
    return ret;
}

static int build(struct balloon *b, struct err *err)
{
    int ret = add_timers(b);
    /* Pieces can wait for the rest only if the driver does not use them untold. */
    if (ret == 0 && (b->config.must_tell_host || gm_backing(b->gm) != GM_BACKING_4K))
        ret = gm_pieces_create(b->gm, &b->pieces);
    if (ret == 0 && b->config.free_page_hinting)
        ret = gm_bitmap_create(b->gm, &b->written);
    return ret < 0 ? err_sys(err, ret, "balloon") : 0;
}

int balloon_create(const struct balloon_config *config, struct gm *gm, struct ev_loop *loop,
                   const struct balloon_guest_ops *guest, void *guest_arg,
                   struct balloon **out_balloon, struct err *err)
{
    int ret = check_config(config, gm, err);
    if (ret < 0)
        return ret;
    struct balloon *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return err_set(err, -ENOMEM, "balloon: out of memory");
    b->vdev.ops = &ops;
    b->gm = gm;
    b->loop = loop;
    b->config = *config;
    if (guest != NULL)
        b->guest = *guest;
    b->guest_arg = guest_arg;
    b->stats_interval_s = config->stats_interval_s;
    b->turn = (struct ev_work){.fn = balloon_run_turn, .arg = b};
    b->change_work = (struct ev_work){.fn = balloon_change_watch, .arg = b};
    b->stats_work = (struct ev_work){.fn = balloon_stats_serve, .arg = b};
    b->hint_work = (struct ev_work){.fn = balloon_hint_apply, .arg = b};
    b->change.done = true;
    b->hint_slice_bytes = min_u64(
        max_u64(BALLOON_HINT_SLICE_BYTES, align_down(gm_size_bytes(gm) / 1024, GM_HUGE_SIZE)),
        BALLOON_SLICE_BYTES);
    pthread_mutex_init(&b->lock, NULL);
    ret = build(b, err);
    if (ret < 0) {
        balloon_destroy(b);
        return ret;
    }
    balloon_set_num_pages(b, (uint32_t)(config->target_bytes / BALLOON_PAGE_SIZE));
    *out_balloon = b;
    return 0;
}

void balloon_destroy(struct balloon *balloon)
{
    if (balloon == NULL)
        return;
    balloon_queues_stop(balloon);
    ev_cancel(balloon->loop, &balloon->change_work);
    ev_cancel(balloon->loop, &balloon->stats_work);
    ev_cancel(balloon->loop, &balloon->hint_work);
    ev_source_remove(balloon->change_timer);
    ev_source_remove(balloon->stats_timer);
    ev_source_remove(balloon->pieces_timer);
    ev_source_remove(balloon->hint_timer);
    gm_pieces_destroy(balloon->pieces);
    gm_bitmap_destroy(balloon->written);
    pthread_mutex_destroy(&balloon->lock);
    free(balloon);
}

struct vdev *balloon_vdev(struct balloon *balloon)
{
    return &balloon->vdev;
}

int balloon_set_target(struct balloon *balloon, uint64_t bytes, struct err *err)
{
    int ret = check_target(balloon->gm, bytes, err);
    if (ret < 0)
        return ret;
    balloon_set_num_pages(balloon, (uint32_t)(bytes / BALLOON_PAGE_SIZE));
    if (balloon->vdev.transport_ops != NULL)
        vdev_config_changed(&balloon->vdev);
    return 0;
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void get_queue(const struct balloon_queue_counters *count, struct balloon_queue_info *out)
{
    *out = (struct balloon_queue_info){
        .notifications = get(&count->notifications),
        .chains = get(&count->chains),
        .descriptors = get(&count->descriptors),
        .bytes = get(&count->bytes),
    };
}

static uint64_t bad_rings(const struct balloon *b)
{
    uint64_t n = 0;
    for (unsigned i = 0; b->vdev.vqs != NULL && i < BALLOON_ROLES; i++)
        n += get(&b->vdev.vqs[i].count.bad_ring);
    return n;
}

void balloon_get_info(const struct balloon *balloon, struct balloon_info *out)
{
    const struct balloon_counters *c = &balloon->count;
    *out = (struct balloon_info){
        .target_bytes =
            atomic_load_explicit(&balloon->num_pages, memory_order_relaxed) * BALLOON_PAGE_SIZE,
        .actual_bytes =
            atomic_load_explicit(&balloon->actual, memory_order_relaxed) * BALLOON_PAGE_SIZE,
        .form = balloon_form(balloon),
        .features = get(&balloon->features),
        .stats_interval_s = atomic_load_explicit(&balloon->stats_interval_s, memory_order_relaxed),
        .punch_calls = get(&c->punch_calls),
        .punched_bytes = get(&c->punched_bytes),
        .freed_bytes = get(&c->freed_bytes),
        .ranges_merged = get(&c->ranges_merged),
        .punch_ns = get(&c->punch_ns),
        .waiting_bytes = get(&c->waiting_bytes),
        .kept_poisoned_bytes = get(&c->kept_poisoned_bytes),
        .kept_written_bytes = get(&c->kept_written_bytes),
        .hint_stale_bytes = get(&c->hint_stale_bytes),
        .hint_frozen_ns = get(&c->hint_frozen_ns),
        .prefaulted_bytes = get(&c->prefaulted_bytes),
        .prefault_ns = get(&c->prefault_ns),
        .bad_request = get(&c->bad_request),
        .bad_chain = get(&c->bad_chain),
        .bad_ring = bad_rings(balloon),
        .host_error = get(&c->host_error),
    };
    if (balloon_has(balloon, VIRTIO_BALLOON_F_PAGE_POISON))
        out->poison_val = atomic_load_explicit(&balloon->poison_val, memory_order_relaxed);
    get_queue(&c->queue[BALLOON_INFLATE], &out->inflate);
    get_queue(&c->queue[BALLOON_DEFLATE], &out->deflate);
    get_queue(&c->queue[BALLOON_STATS], &out->stats);
    get_queue(&c->queue[BALLOON_HINT], &out->hint);
    get_queue(&c->queue[BALLOON_REPORT], &out->report);
    balloon_change_info(balloon, out);
}
