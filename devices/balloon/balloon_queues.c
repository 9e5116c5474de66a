/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues of the balloon: which there are, and the bounded turns that serve them.
 *
 * A turn takes at most one batch of chains from a queue and works off at most one slice of it; what
 * is left is posted to the owner loop as another turn, behind whatever else waits there. There is
 * one batch: a queue that wants it waits until the one that has it is done, and is next then.
 */
#include <errno.h>
#include <linux/virtio_balloon.h>

#include "devices/balloon/balloon_priv.h"
#include "vmm/base/clock.h"

/* One turn of a queue. True if there may be work left. */
typedef bool (*turn_fn)(struct balloon *b, enum balloon_role role, uint16_t vq);

static bool range_turn(struct balloon *b, enum balloon_role role, uint16_t vq);
static bool deflate_turn(struct balloon *b, enum balloon_role role, uint16_t vq);
static bool stats_turn(struct balloon *b, enum balloon_role role, uint16_t vq);

static const struct {
    uint64_t needs; /* feature bits without which the queue does not exist */
    uint16_t size;
    turn_fn turn;
} role_table[BALLOON_ROLES] = {
    [BALLOON_INFLATE] = {0, BALLOON_QUEUE_SIZE, range_turn},
    [BALLOON_DEFLATE] = {0, BALLOON_QUEUE_SIZE, deflate_turn},
    [BALLOON_STATS] = {UINT64_C(1) << VIRTIO_BALLOON_F_STATS_VQ, BALLOON_STATS_QUEUE_SIZE,
                       stats_turn},
    [BALLOON_HINT] = {UINT64_C(1) << VIRTIO_BALLOON_F_FREE_PAGE_HINT, BALLOON_HINT_QUEUE_SIZE,
                      range_turn},
    [BALLOON_REPORT] = {UINT64_C(1) << VIRTIO_BALLOON_F_REPORTING, BALLOON_HINT_QUEUE_SIZE,
                        range_turn},
};

/* Bit 3 means scatter-gather chains where that is configured, and no queue then. */
static bool exists(const struct balloon *b, uint64_t features, enum balloon_role role)
{
    if (role == BALLOON_HINT && b->config.scatter_gather == BALLOON_SG_BIT3)
        return false;
    return (role_table[role].needs & ~features) == 0;
}

/* Drivers number only the queues that the negotiated features bring, without holes (5.5.2). */
static bool role_of(const struct balloon *b, uint64_t features, uint16_t vq,
                    enum balloon_role *out_role)
{
    for (unsigned role = 0; role < BALLOON_ROLES; role++) {
        if (exists(b, features, (enum balloon_role)role) && vq-- == 0) {
            *out_role = (enum balloon_role)role;
            return true;
        }
    }
    return false;
}

struct vq *balloon_queue(struct balloon *b, enum balloon_role role, uint16_t *out_index)
{
    uint64_t features = atomic_load_explicit(&b->features, memory_order_relaxed);
    if (balloon_form(b) == BALLOON_FORM_NONE || !exists(b, features, role))
        return NULL;
    *out_index = 0;
    for (unsigned before = 0; before < role; before++)
        *out_index = (uint16_t)(*out_index + exists(b, features, (enum balloon_role)before));
    return &b->vdev.vqs[*out_index];
}

/* A power of two. */
static uint16_t inflate_size(const struct balloon *b)
{
    uint16_t size = BALLOON_QUEUE_SIZE;
    while (size < BALLOON_INFLATE_MOST && gm_size_bytes(b->gm) / BALLOON_INFLATE_RAM > size)
        size = (uint16_t)(2 * size);
    return size;
}

uint16_t balloon_vq_max_size(const struct vdev *dev, uint64_t features, uint16_t vq)
{
    enum balloon_role role;
    const struct balloon *b = container_of(dev, struct balloon, vdev);
    if (!role_of(b, features, vq, &role))
        return 0;
    return role == BALLOON_INFLATE ? inflate_size(b) : role_table[role].size;
}

int balloon_pop(struct balloon *b, enum balloon_role role, struct vq *vq)
{
    struct balloon_queue_counters *count = &b->count.queue[role];
    int ret = vq_pop(vq, &b->chain);
    if (ret == 0 || ret == -EIO)
        return ret;
    balloon_count(&count->chains, 1);
    if (ret > 0)
        balloon_count(&count->descriptors, b->chain.n);
    else
        balloon_count(&b->count.bad_chain, 1);
    return ret;
}

/*
 * What a deflation meant that cannot be read whole is unknown, and it is acknowledged all the same:
 * no piece may wait any more.
 */
static void distrust_pieces(struct balloon *b, enum balloon_role role)
{
    if (role == BALLOON_DEFLATE && b->keep_pieces)
        balloon_pieces_forget(b);
}

/* Room for BALLOON_CHAIN_ITEMS is left behind the batch. */
static void read_items(struct balloon *b, enum balloon_role role)
{
    struct balloon_batch *batch = &b->batch;
    struct gm_range *ranges = &batch->ranges[batch->n_ranges];
    struct balloon_items items;
    if (role == BALLOON_HINT)
        balloon_hint_read(b, ranges, &items);
    else if (role == BALLOON_REPORT)
        balloon_items_read_writable(b, &b->chain, ranges, &items);
    else
        balloon_items_read(b, &b->chain, ranges, &items);
    balloon_count(&b->count.queue[role].bytes, items.bytes);
    balloon_count(&b->count.bad_request, items.bad);
    balloon_count(&b->count.ranges_merged, items.joined);
    batch->n_ranges += items.n;
    if (items.bad > 0)
        distrust_pieces(b, role);
}

/*
 * At most max chains into the batch, until a cap or the end of the queue. *out_took: some were
 * taken, good or bad. True at the end.
 */
static bool collect(struct balloon *b, enum balloon_role role, struct vq *vq, unsigned max,
                    bool *out_took)
{
    struct balloon_batch *batch = &b->batch;
    for (unsigned i = 0; i < max; i++) {
        if (batch->n_ranges + BALLOON_CHAIN_ITEMS > BALLOON_BATCH_RANGES)
            return false;
        int ret = balloon_pop(b, role, vq);
        if (ret == 0 || ret == -EIO)
            return true;
        *out_took = true;
        if (ret == -EBADMSG) {
            distrust_pieces(b, role);
            continue;
        }
        read_items(b, role);
        batch->heads[batch->n_heads++] = b->chain.head;
    }
    return false;
}

/* All chains of the batch, now that all of its ranges are worked off. True if there were any. */
static bool give_back(struct balloon *b, struct vq *vq)
{
    size_t n = b->batch.n_heads;
    for (size_t i = 0; i < n; i++) {
        if (vq_push(vq, b->batch.heads[i], 0) < 0)
            break;
    }
    enum balloon_role role = b->batch.role;
    balloon_batch_drop(b);
    if (role == BALLOON_HINT)
        balloon_hint_settle(b);
    if (role == BALLOON_INFLATE || b->flushing)
        balloon_pieces_schedule(b);
    return n > 0;
}

/* A turn of a queue with a batch, of at most max new chains. True if there may be work left. */
static bool batch_turn(struct balloon *b, enum balloon_role role, uint16_t index, unsigned max)
{
    struct balloon_batch *batch = &b->batch;
    struct vq *vq = &b->vdev.vqs[index];
    bool drained = false;
    bool took = false;
    if (!batch->busy) {
        batch->role = role;
        vq_disable_notify(vq);
        /* With fewer than the cap, max is what waited: more of it shows when notify is enabled. */
        drained = collect(b, role, vq, max, &took) || max < BALLOON_TURN_CHAINS;
        if (vq->broken)
            return false;
        balloon_batch_seal(b);
        batch->busy = batch->n_heads > 0;
    }
    if (batch->busy) {
        if (!balloon_batch_step(b))
            return true;
        took = give_back(b, vq) || took;
    }
    if (took)
        vdev_signal_used(&b->vdev, index);
    return !drained || vq_enable_notify(vq);
}

static bool must_wait(const struct balloon *b, enum balloon_role role)
{
    return (b->batch.busy && b->batch.role != role) || (role == BALLOON_HINT && b->hint_resting);
}

static bool range_turn(struct balloon *b, enum balloon_role role, uint16_t index)
{
    return must_wait(b, role) || batch_turn(b, role, index, BALLOON_TURN_CHAINS);
}

/*
 * A page that is on its way in, in the batch or still in the ring, must not be acknowledged on its
 * way out: it could be in use again when its hole is punched. So what waits to go out is counted
 * first, and only that is taken, if then nothing waits to come in: the guest offered each page for
 * inflation before it took it back. What was taken already is finished before inflation goes on,
 * which waits for the batch.
 */
static bool deflate_turn(struct balloon *b, enum balloon_role role, uint16_t index)
{
    if (must_wait(b, role))
        return true;
    if (b->batch.busy)
        return batch_turn(b, role, index, 0);
    uint16_t inflate;
    const struct vq *in = balloon_queue(b, BALLOON_INFLATE, &inflate);
    int waiting = vq_waiting(&b->vdev.vqs[index]);
    if (in != NULL && vq_waiting(in) > 0)
        b->pending |= 1u << BALLOON_INFLATE;
    if (b->pending & (1u << BALLOON_INFLATE))
        return true;
    /* Below 0: the ring is broken, which taking a chain finds out. */
    unsigned max = waiting < 0 ? 1 : (unsigned)min_u64((unsigned)waiting, BALLOON_TURN_CHAINS);
    return batch_turn(b, role, index, max);
}

/* True at the end of the queue. */
static bool take_reports(struct balloon *b, enum balloon_role role, struct vq *vq, bool *out_took)
{
    for (unsigned i = 0; i < BALLOON_TURN_CHAINS; i++) {
        int ret = balloon_pop(b, role, vq);
        if (ret == 0 || ret == -EIO)
            return true;
        *out_took = true;
        if (ret > 0 && !balloon_stats_take(b, vq))
            return true;
    }
    return false;
}

static bool stats_turn(struct balloon *b, enum balloon_role role, uint16_t index)
{
    struct vq *vq = &b->vdev.vqs[index];
    bool took = false;
    vq_disable_notify(vq);
    bool drained = take_reports(b, role, vq, &took);
    if (took)
        vdev_signal_used(&b->vdev, index);
    return !drained || vq_enable_notify(vq);
}

/*
 * A broken ring is served no more; what it offered is forgotten, and only a reset helps (2.1.1).
 * Pieces that were given before, whose buffers went back, still go.
 */
static void give_up(struct balloon *b, enum balloon_role role)
{
    if (role == b->batch.role && b->batch.n_heads > 0)
        balloon_batch_drop(b);
    if (role == BALLOON_STATS)
        b->stats_held = false;
    vdev_needs_reset(&b->vdev);
}

static void run_queue(struct balloon *b, uint16_t vq)
{
    enum balloon_role role;
    uint64_t features = atomic_load_explicit(&b->features, memory_order_relaxed);
    if (!role_of(b, features, vq, &role) || !(b->pending & (1u << role)))
        return;
    bool more = role_table[role].turn(b, role, vq);
    if (b->vdev.vqs[vq].broken) {
        give_up(b, role);
        more = b->batch.busy && b->batch.role == role;
    }
    if (!more)
        b->pending &= ~(1u << role);
}

/* The queues that could get on now: while hinting rests, it cannot, nor who waits for its batch. */
static uint32_t runnable(const struct balloon *b)
{
    if (!b->hint_resting)
        return b->pending;
    if (b->batch.busy && b->batch.role == BALLOON_HINT)
        return b->pending & (1u << BALLOON_STATS);
    return b->pending & ~(1u << BALLOON_HINT);
}

/* Inflate before deflate, which is the order of their numbers. */
static void run_queues(struct balloon *b)
{
    uint64_t start_ns = clock_mono_ns();
    for (uint16_t vq = 0; vq < BALLOON_ROLES; vq++)
        run_queue(b, vq);
    if (runnable(b) != 0) {
        b->turn_posted = true;
        ev_post(b->loop, &b->turn);
    }
    balloon_count(&b->count.busy_ns, clock_mono_ns() - start_ns);
    balloon_change_settle(b);
}

void balloon_run_turn(void *arg)
{
    struct balloon *b = arg;
    b->turn_posted = false;
    run_queues(b);
}

void balloon_post_turn(struct balloon *b, enum balloon_role role)
{
    b->pending |= 1u << role;
    b->turn_posted = true;
    ev_post(b->loop, &b->turn);
}

void balloon_notify(struct vdev *dev, uint16_t vq, uint64_t count)
{
    struct balloon *b = container_of(dev, struct balloon, vdev);
    enum balloon_role role;
    if (balloon_form(b) == BALLOON_FORM_NONE ||
        !role_of(b, atomic_load_explicit(&b->features, memory_order_relaxed), vq, &role))
        return;
    balloon_count(&b->count.queue[role].notifications, count);
    b->pending |= 1u << role;
    /*
     * The two queues' notifications arrive in no order: look for pages on their way in before any
     * go back.
     */
    if (role == BALLOON_DEFLATE)
        b->pending |= 1u << BALLOON_INFLATE;
    if (!b->turn_posted)
        run_queues(b);
}

void balloon_queues_stop(struct balloon *b)
{
    ev_cancel(b->loop, &b->turn);
    b->turn_posted = false;
    b->pending = 0;
    balloon_batch_drop(b);
}
