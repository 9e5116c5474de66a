/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues of the balloon: which there are, and the bounded turns that serve them.
 *
 * A turn takes at most one batch of chains from a queue and punches at most one slice of it; what
 * is left is posted to the owner loop as another turn, behind whatever else waits there.
 */
#include <errno.h>

#include "devices/balloon/balloon_priv.h"

/* One turn of a queue. True if there may be work left. */
typedef bool (*turn_fn)(struct balloon *b, uint16_t vq);

static bool inflate_turn(struct balloon *b, uint16_t vq);
static bool deflate_turn(struct balloon *b, uint16_t vq);

static const struct {
    uint64_t needs; /* feature bits without which the queue does not exist */
    turn_fn turn;
} role_table[BALLOON_ROLES] = {
    [BALLOON_INFLATE] = {.turn = inflate_turn},
    [BALLOON_DEFLATE] = {.turn = deflate_turn},
};

/* Drivers number only the queues that the negotiated features bring, without holes (5.5.2). */
static bool role_of(uint64_t features, uint16_t vq, enum balloon_role *out_role)
{
    for (unsigned role = 0; role < BALLOON_ROLES; role++) {
        if ((role_table[role].needs & ~features) != 0)
            continue;
        if (vq-- == 0) {
            *out_role = (enum balloon_role)role;
            return true;
        }
    }
    return false;
}

uint16_t balloon_vq_max_size(const struct vdev *dev, uint64_t features, uint16_t vq)
{
    enum balloon_role role;
    (void)dev;
    return role_of(features, vq, &role) ? BALLOON_QUEUE_SIZE : 0;
}

static void count_items(struct balloon *b, enum balloon_role role,
                        const struct balloon_items *items)
{
    balloon_count(&b->count.bytes[role], items->bytes);
    balloon_count(&b->count.bad_request, items->bad);
}

/*
 * Chains into the batch until a cap or the end of the queue. *out_took: some were taken, good or
 * bad. True at the end.
 */
static bool collect(struct balloon *b, struct vq *vq, bool *out_took)
{
    struct balloon_batch *batch = &b->batch;
    for (unsigned i = 0; i < BALLOON_TURN_CHAINS; i++) {
        if (batch->n_ranges + BALLOON_CHAIN_ITEMS > BALLOON_BATCH_RANGES)
            return false;
        int ret = vq_pop(vq, &b->chain);
        if (ret == 0 || ret == -EIO)
            return true;
        *out_took = true;
        if (ret == -EBADMSG)
            continue;
        struct balloon_items items;
        balloon_items_read(b, &b->chain, &batch->ranges[batch->n_ranges], &items);
        count_items(b, BALLOON_INFLATE, &items);
        batch->n_ranges += items.n;
        batch->heads[batch->n_heads++] = b->chain.head;
    }
    return false;
}

/* All chains of the batch, now that all of its ranges are released. */
static void give_back(struct balloon *b, struct vq *vq)
{
    for (size_t i = 0; i < b->batch.n_heads; i++) {
        if (vq_push(vq, b->batch.heads[i], 0) < 0)
            break;
    }
    balloon_batch_drop(b);
}

static bool inflate_turn(struct balloon *b, uint16_t index)
{
    struct vq *vq = &b->vdev.vqs[index];
    bool drained = false;
    bool took = false;
    if (b->batch.n_heads == 0) {
        vq_disable_notify(vq);
        drained = collect(b, vq, &took);
        if (vq->broken)
            return false;
        balloon_batch_seal(b);
    }
    if (b->batch.n_heads > 0) {
        if (!balloon_batch_punch(b))
            return true;
        give_back(b, vq);
        took = true;
    }
    if (took)
        vdev_signal_used(&b->vdev, index);
    return !drained || vq_enable_notify(vq);
}

/* True at the end of the queue. */
static bool acknowledge(struct balloon *b, struct vq *vq, bool *out_took)
{
    for (unsigned i = 0; i < BALLOON_TURN_CHAINS; i++) {
        int ret = vq_pop(vq, &b->chain);
        if (ret == 0 || ret == -EIO)
            return true;
        *out_took = true;
        if (ret == -EBADMSG)
            continue;
        struct balloon_items items;
        balloon_items_read(b, &b->chain, NULL, &items);
        count_items(b, BALLOON_DEFLATE, &items);
        if (vq_push(vq, b->chain.head, 0) < 0)
            return true;
    }
    return false;
}

/*
 * The pages come back by themselves when the guest touches them; what counts is the order of the
 * two queues.
 */
static bool deflate_turn(struct balloon *b, uint16_t index)
{
    /*
     * A page that is on its way in, in the batch or still in the ring, must not be acknowledged on
     * its way out: it could be in use again when its hole is punched.
     */
    if (b->pending & (1u << BALLOON_INFLATE))
        return true;
    struct vq *vq = &b->vdev.vqs[index];
    bool took = false;
    vq_disable_notify(vq);
    bool drained = acknowledge(b, vq, &took);
    if (took)
        vdev_signal_used(&b->vdev, index);
    return !drained || vq_enable_notify(vq);
}

/* A broken ring is served no more; what it offered is forgotten, and only a reset helps (2.1.1). */
static void give_up(struct balloon *b, enum balloon_role role)
{
    if (role == BALLOON_INFLATE)
        balloon_batch_drop(b);
    vdev_needs_reset(&b->vdev);
}

static void run_queue(struct balloon *b, uint16_t vq)
{
    enum balloon_role role;
    uint64_t features = atomic_load_explicit(&b->features, memory_order_relaxed);
    if (!role_of(features, vq, &role) || !(b->pending & (1u << role)))
        return;
    bool more = role_table[role].turn(b, vq);
    if (b->vdev.vqs[vq].broken) {
        more = false;
        give_up(b, role);
    }
    if (!more)
        b->pending &= ~(1u << role);
}

/* Inflate before deflate, which is the order of their numbers. */
static void run_queues(struct balloon *b)
{
    for (uint16_t vq = 0; vq < BALLOON_ROLES; vq++)
        run_queue(b, vq);
    if (b->pending != 0) {
        b->turn_posted = true;
        ev_post(b->loop, &b->turn);
    }
}

void balloon_run_turn(void *arg)
{
    struct balloon *b = arg;
    b->turn_posted = false;
    run_queues(b);
}

void balloon_notify(struct vdev *dev, uint16_t vq, uint64_t count)
{
    struct balloon *b = container_of(dev, struct balloon, vdev);
    enum balloon_role role;
    if (balloon_form(b) == BALLOON_FORM_NONE ||
        !role_of(atomic_load_explicit(&b->features, memory_order_relaxed), vq, &role))
        return;
    balloon_count(&b->count.notifications[role], count);
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
