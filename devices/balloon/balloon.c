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
#include "vmm/base/clock.h"

static struct balloon *balloon_of(const struct vdev *dev)
{
    return container_of(dev, struct balloon, vdev);
}

static uint64_t bit(unsigned n)
{
    return UINT64_C(1) << n;
}

/* The mask of the scatter-gather feature under this configuration; 0 when it is off. */
static uint64_t sg_feature(const struct balloon *b)
{
    switch (b->config.scatter_gather) {
    case BALLOON_SG_AUTO:
        return bit(AEROSTAT_BALLOON_F_SG);
    case BALLOON_SG_BIT3:
        return bit(AEROSTAT_BALLOON_F_SG_BIT3);
    case BALLOON_SG_OFF:
        break;
    }
    return 0;
}

static uint64_t features(const struct vdev *dev)
{
    const struct balloon *b = balloon_of(dev);
    uint64_t offered = sg_feature(b);
    if (b->config.must_tell_host)
        offered |= bit(VIRTIO_BALLOON_F_MUST_TELL_HOST);
    if (b->config.deflate_on_oom)
        offered |= bit(VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
    return offered;
}

static int activate(struct vdev *dev, uint64_t negotiated)
{
    struct balloon *b = balloon_of(dev);
    bool sg = (negotiated & sg_feature(b)) != 0;
    atomic_store_explicit(&b->features, negotiated, memory_order_relaxed);
    atomic_store_explicit(&b->form, sg ? BALLOON_FORM_SG : BALLOON_FORM_PFN, memory_order_relaxed);
    return 0;
}

static void reset(struct vdev *dev)
{
    struct balloon *b = balloon_of(dev);
    balloon_queues_stop(b);
    atomic_store_explicit(&b->features, 0, memory_order_relaxed);
    atomic_store_explicit(&b->form, BALLOON_FORM_NONE, memory_order_relaxed);
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

int balloon_create(const struct balloon_config *config, struct gm *gm, struct ev_loop *loop,
                   struct balloon **out_balloon, struct err *err)
{
    int ret = check_target(gm, config->target_bytes, err);
    if (ret < 0)
        return ret;
    struct balloon *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return err_set(err, -ENOMEM, "balloon: out of memory");
    b->vdev.ops = &ops;
    b->gm = gm;
    b->loop = loop;
    b->config = *config;
    b->turn = (struct ev_work){.fn = balloon_run_turn, .arg = b};
    b->change.done = true;
    pthread_mutex_init(&b->change_lock, NULL);
    balloon_set_num_pages(b, (uint32_t)(config->target_bytes / BALLOON_PAGE_SIZE));
    *out_balloon = b;
    return 0;
}

void balloon_destroy(struct balloon *balloon)
{
    if (balloon == NULL)
        return;
    balloon_queues_stop(balloon);
    pthread_mutex_destroy(&balloon->change_lock);
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

/*
 * The queues of these two roles have the same index under any feature set: their counters belong to
 * the role.
 */
static void get_queue_info(const struct vq *vqs, struct balloon_info *out)
{
    if (vqs == NULL)
        return;
    const struct vq_counters *inflate = &vqs[BALLOON_INFLATE].count;
    const struct vq_counters *deflate = &vqs[BALLOON_DEFLATE].count;
    out->inflate_chains = get(&inflate->chains) + get(&inflate->bad_chain);
    out->inflate_descriptors = get(&inflate->descriptors);
    out->deflate_chains = get(&deflate->chains) + get(&deflate->bad_chain);
    out->deflate_descriptors = get(&deflate->descriptors);
    out->bad_chain = get(&inflate->bad_chain) + get(&deflate->bad_chain);
    out->bad_ring = get(&inflate->bad_ring) + get(&deflate->bad_ring);
}

static void get_change_info(const struct balloon *b, struct balloon_info *out)
{
    /* The lock is the one part of the balloon that a reader changes. */
    pthread_mutex_t *lock = (pthread_mutex_t *)&b->change_lock;
    pthread_mutex_lock(lock);
    struct balloon_change change = b->change;
    pthread_mutex_unlock(lock);
    uint64_t end_ns = change.done ? change.end_ns : clock_mono_ns();
    out->change_from_bytes = change.from * BALLOON_PAGE_SIZE;
    out->change_to_bytes = change.to * BALLOON_PAGE_SIZE;
    out->change_ns = end_ns - change.start_ns;
    out->change_done = change.done;
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
        .inflate_notifications = get(&c->notifications[BALLOON_INFLATE]),
        .inflate_bytes = get(&c->bytes[BALLOON_INFLATE]),
        .deflate_notifications = get(&c->notifications[BALLOON_DEFLATE]),
        .deflate_bytes = get(&c->bytes[BALLOON_DEFLATE]),
        .punch_calls = get(&c->punch_calls),
        .punched_bytes = get(&c->punched_bytes),
        .freed_bytes = get(&c->freed_bytes),
        .ranges_merged = get(&c->ranges_merged),
        .punch_ns = get(&c->punch_ns),
        .bad_request = get(&c->bad_request),
        .host_error = get(&c->host_error),
    };
    get_queue_info(balloon->vdev.vqs, out);
    get_change_info(balloon, out);
}
