/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the balloon among themselves.
 *
 * queues.c drives: it takes chains, lets items.c read what they offer into a batch, has punch.c
 * release the batch slice by slice, and gives the chains back. config_space.c holds target and
 * actual, and measures how the guest follows.
 */
#ifndef AEROSTAT_BALLOON_PRIV_H
#define AEROSTAT_BALLOON_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "devices/balloon/balloon.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"

/* Largest size offered for each queue: room for the longest chain that struct vq_chain holds. */
#define BALLOON_QUEUE_SIZE 1024u

/*
 * Caps on what one turn does before it returns to the event loop. A batch is what one turn takes; a
 * slice is what one turn punches of it. Punching 256 MiB of resident 4 KiB pages takes some 80 ms.
 */
#define BALLOON_TURN_CHAINS  64u
#define BALLOON_BATCH_RANGES 16384u
#define BALLOON_SLICE_RANGES 1024u
#define BALLOON_SLICE_BYTES  (256 * MIB)

/*
 * Page numbers taken from one chain; drivers send 256 to 1024. What is beyond counts as one bad
 * request. Also above the most ranges a scatter-gather chain can have.
 */
#define BALLOON_CHAIN_ITEMS 4096u

_Static_assert(BALLOON_CHAIN_ITEMS >= VQ_SIZE_LIMIT, "a chain's ranges fit");
_Static_assert(BALLOON_BATCH_RANGES >= BALLOON_CHAIN_ITEMS, "a batch takes at least one chain");
_Static_assert(BALLOON_SLICE_BYTES >= 2 * GM_HUGE_SIZE, "a slice makes headway");

/* What a queue is for (5.5.2), in the order in which those present are numbered. */
enum balloon_role { BALLOON_INFLATE, BALLOON_DEFLATE, BALLOON_ROLES };

/* Written by the owner, read by any thread. */
struct balloon_counters {
    _Atomic uint64_t notifications[BALLOON_ROLES];
    _Atomic uint64_t bytes[BALLOON_ROLES]; /* in valid items */
    _Atomic uint64_t punch_calls;
    _Atomic uint64_t punched_bytes;
    _Atomic uint64_t freed_bytes;
    _Atomic uint64_t ranges_merged;
    _Atomic uint64_t punch_ns;
    _Atomic uint64_t bad_request;
    _Atomic uint64_t host_error;
};

/* The last change of target, in pages. */
struct balloon_change {
    uint32_t from;
    uint32_t to;
    uint64_t start_ns;
    uint64_t end_ns; /* valid when done */
    bool done;
};

/* Chains taken from the inflate queue and not given back: in flight while n_heads > 0. */
struct balloon_batch {
    size_t n_heads;
    size_t n_ranges;
    size_t next; /* first range that is not punched */
    uint16_t heads[BALLOON_TURN_CHAINS];
    struct gm_range ranges[BALLOON_BATCH_RANGES];
};

struct balloon {
    struct vdev vdev;
    struct gm *gm;        /* borrowed */
    struct ev_loop *loop; /* borrowed */
    struct balloon_config config;

    /* Guards change and all stores to num_pages and actual, which are loaded without it. Leaf. */
    pthread_mutex_t change_lock;
    struct balloon_change change;
    _Atomic uint32_t num_pages;
    _Atomic uint32_t actual; /* guest data */

    /* Stored by the owner, loaded by any thread. */
    _Atomic uint64_t features;
    _Atomic int form; /* enum balloon_form */
    struct balloon_counters count;

    /* The owner's alone, from here on. */
    struct ev_work turn;
    bool turn_posted;
    uint32_t pending; /* bit n: the queue of role n may have work left */
    struct log_limit host_error_log;
    struct vq_chain chain; /* the one being read */
    struct balloon_batch batch;
};

/* What was read from one chain. */
struct balloon_items {
    size_t n; /* valid items */
    uint64_t bytes;
    uint64_t bad; /* items ignored */
};

/* Adds to a counter whose only writer is the caller's thread. */
static inline void balloon_count(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

/* How the driver sends pages. Any thread. */
enum balloon_form balloon_form(const struct balloon *b);

/*
 * Reads what chain offers in the form negotiated. Valid items go to ranges, which has room for
 * BALLOON_CHAIN_ITEMS, or are only counted if it is NULL. A bad item never costs a good one of the
 * same chain. Owner.
 */
void balloon_items_read(const struct balloon *b, const struct vq_chain *chain,
                        struct gm_range *ranges, struct balloon_items *out);

/* Sorts and merges the batch that has been collected. Owner. */
void balloon_batch_seal(struct balloon *b);
/* Punches the next slice of the batch. True when nothing is left. Owner. */
bool balloon_batch_punch(struct balloon *b);
/* Forgets the batch; its chains are not given back. Owner. */
void balloon_batch_drop(struct balloon *b);

/* The parts of struct vdev_ops that concern queues; contracts there. */
uint16_t balloon_vq_max_size(const struct vdev *dev, uint64_t features, uint16_t vq);
void balloon_notify(struct vdev *dev, uint16_t vq, uint64_t count);
/* ev_fn: one bounded turn over the queues with work. */
void balloon_run_turn(void *arg);
/* Drops the batch and the posted turn. Owner, or anyone while the loop does not run. */
void balloon_queues_stop(struct balloon *b);

/* The parts of struct vdev_ops that concern configuration space (5.5.4); contracts there. */
int balloon_config_read(struct vdev *dev, uint32_t off, void *dst, uint32_t len);
int balloon_config_write(struct vdev *dev, uint32_t off, const void *src, uint32_t len);
/*
 * Without a driver there is no balloon: actual is 0, and a change of target under way starts from
 * there. Any thread.
 */
void balloon_forget_actual(struct balloon *b);
/* Stores num_pages and starts to measure if it differs. Any thread. */
void balloon_set_num_pages(struct balloon *b, uint32_t pages);

#endif
