/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the balloon among themselves.
 *
 * balloon_queues.c drives: it takes chains, lets balloon_sg.c or balloon_pfn.c read what they name
 * into a batch, has balloon_reclaim.c work the batch off slice by slice, and gives the chains back.
 * balloon_hint.c decides which hinted pages may go, balloon_stats.c holds the guest's statistics,
 * balloon_config.c has the configuration space, and balloon_change.c watches the guest follow.
 */
#ifndef AEROSTAT_BALLOON_PRIV_H
#define AEROSTAT_BALLOON_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "devices/balloon/balloon.h"
#include "memory/gm_pieces.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"

/*
 * Largest sizes offered. Linux needs 32 for reporting, keeps one buffer in the statistics queue,
 * and pays some 80 bytes of guest memory for each entry. Only inflation has more in a guest that
 * can afford them, an entry for each 256 KiB of its RAM: where free memory is single pages, each of
 * them takes an entry, and a ring full of them costs a notification.
 */
#define BALLOON_QUEUE_SIZE       1024u
#define BALLOON_INFLATE_MOST     4096u
#define BALLOON_INFLATE_RAM      (256 * KIB)
#define BALLOON_HINT_QUEUE_SIZE  256u
#define BALLOON_STATS_QUEUE_SIZE 16u

/*
 * Caps on what one turn does before it returns to the event loop. A batch is what one turn takes; a
 * slice is what one turn punches of it. Punching 256 MiB of resident 4 KiB pages takes some 80 ms;
 * the slice of hinted pages is smaller because the vCPUs wait for it, but grows with RAM, as does
 * the record of what was written, which is fetched for each: 1/1024 of RAM.
 */
#define BALLOON_TURN_CHAINS      64u
#define BALLOON_BATCH_RANGES     16384u
#define BALLOON_SLICE_RANGES     1024u
#define BALLOON_SLICE_BYTES      (256 * MIB)
#define BALLOON_HINT_SLICE_BYTES (8 * MIB) /* at least */

/*
 * Page numbers taken from one chain; drivers send 256 to 1024. What is beyond counts as one bad
 * request. Also above the most ranges a scatter-gather chain can have.
 */
#define BALLOON_CHAIN_ITEMS 4096u

/*
 * Pieces of 2 MiB wait for the rest until no page has come for the first time, at most for the
 * second; not beyond the moment in which the guest reaches its target. With hugetlb they wait for
 * ever.
 */
#define BALLOON_PIECES_IDLE_NS UINT64_C(20000000)
#define BALLOON_PIECES_MAX_NS  UINT64_C(1000000000)

_Static_assert(BALLOON_CHAIN_ITEMS >= VQ_SIZE_LIMIT, "a chain's ranges fit");
_Static_assert(BALLOON_INFLATE_MOST <= VQ_SIZE_LIMIT, "a ring's longest chain fits");
_Static_assert(BALLOON_BATCH_RANGES >= BALLOON_CHAIN_ITEMS, "a batch takes at least one chain");
_Static_assert(BALLOON_HINT_SLICE_BYTES >= 2 * GM_HUGE_SIZE, "a slice makes headway");

/* What a queue is for (5.5.2), in the order in which those present are numbered. */
enum balloon_role {
    BALLOON_INFLATE,
    BALLOON_DEFLATE,
    BALLOON_STATS,
    BALLOON_HINT,
    BALLOON_REPORT,
    BALLOON_ROLES
};

/* Written by the owner, read by any thread. */
struct balloon_queue_counters {
    _Atomic uint64_t notifications;
    _Atomic uint64_t chains;
    _Atomic uint64_t descriptors;
    _Atomic uint64_t bytes;
};

struct balloon_counters {
    struct balloon_queue_counters queue[BALLOON_ROLES];
    _Atomic uint64_t punch_calls;
    _Atomic uint64_t punched_bytes;
    _Atomic uint64_t freed_bytes;
    _Atomic uint64_t ranges_merged;
    _Atomic uint64_t punch_ns;
    _Atomic uint64_t waiting_bytes; /* a level, no sum; until they are punched */
    _Atomic uint64_t kept_poisoned_bytes;
    _Atomic uint64_t kept_written_bytes;
    _Atomic uint64_t hint_stale_bytes;
    _Atomic uint64_t hint_frozen_ns;
    _Atomic uint64_t prefaulted_bytes;
    _Atomic uint64_t prefault_ns;
    _Atomic uint64_t bad_request;
    _Atomic uint64_t bad_chain;
    _Atomic uint64_t host_error;
    _Atomic uint64_t busy_ns; /* time in turns */
};

/* The last change of target, in pages. Guarded by the balloon's lock. */
struct balloon_change {
    uint32_t from;
    uint32_t to;
    uint64_t start_ns;
    uint32_t nearest;     /* how near actual has come to the target */
    uint64_t progress_ns; /* when it last came nearer, or the start */
    uint64_t end_ns;      /* valid when done, as is the next */
    uint64_t end_busy_ns;
    uint64_t start_busy_ns;
    bool reached; /* actual has met the target, and what waits is on its way out */
    bool done;
    bool stalled;
    bool paused;     /* the guest cannot get on, and that is nobody's fault */
    uint64_t count;  /* changes since creation */
    uint64_t stalls; /* times one was found stalled */
};

/* The guest's statistics. Guarded by the balloon's lock. */
struct balloon_report {
    uint64_t value[BALLOON_STAT_TAGS];
    uint32_t valid;
    uint64_t count;
    uint64_t at_ns;
};

/* Free page hinting, as asked and as answered. Guarded by the balloon's lock. */
struct balloon_hint {
    uint32_t host_cmd; /* as asked; what the guest sees follows: balloon.hint_cmd */
    uint32_t last_cmd; /* the last one given out */
    bool acknowledge;  /* DONE follows the driver's STOP by itself */
    uint32_t guest_cmd;
    bool guest_cmd_valid;
};

/* Chains taken from one queue and not given back, and the ranges they name. */
struct balloon_batch {
    bool busy;
    enum balloon_role role;
    size_t n_heads;
    size_t n_ranges;
    size_t next; /* first range that is not worked off */
    uint16_t heads[BALLOON_TURN_CHAINS];
    struct gm_range ranges[BALLOON_BATCH_RANGES];
};

struct balloon {
    struct vdev vdev;
    struct gm *gm;        /* borrowed */
    struct ev_loop *loop; /* borrowed */
    struct balloon_config config;
    struct balloon_guest_ops guest; /* zeros unless hinting is configured */
    void *guest_arg;                /* borrowed */

    /* Leaf. Guards the next three, and all stores to num_pages and actual. */
    pthread_mutex_t lock;
    struct balloon_change change;
    struct balloon_report report;
    struct balloon_hint hint;
    _Atomic uint32_t num_pages;
    _Atomic uint32_t actual; /* guest data */

    /* Stored by the owner, loaded by any thread. */
    _Atomic uint64_t features;
    _Atomic int form;          /* enum balloon_form */
    _Atomic uint32_t hint_cmd; /* free_page_hint_cmd_id */
    struct balloon_counters count;

    /* Any thread. */
    _Atomic uint32_t poison_val; /* written by the driver before DRIVER_OK */
    _Atomic uint32_t stats_interval_s;
    _Atomic bool stats_wanted; /* somebody waits for a report */

    /* Posted by any thread, run by the owner. */
    struct ev_work change_work; /* a change began or got on */
    struct ev_work stats_work;  /* the interval changed, or a report is wanted */
    struct ev_work hint_work;   /* hint.host_cmd changed */

    /* The owner's alone, from here on. */
    struct ev_work turn;
    bool turn_posted;
    uint32_t pending; /* bit n: the queue of role n may have work left */
    struct log_limit host_error_log;
    struct log_limit stall_log;
    struct vq_chain chain; /* the one being read */
    struct balloon_batch batch;

    struct ev_source *change_timer;
    struct ev_source *hint_timer;
    struct ev_source *stats_timer;
    struct ev_source *pieces_timer;

    bool stats_held; /* stats_head is a buffer that the driver wants back with the next request */
    uint16_t stats_head;

    struct gm_pieces *pieces; /* NULL unless MUST_TELL_HOST is offered */
    bool keep_pieces;         /* the driver promised not to use them untold */
    bool flushing;            /* those that wait are to go, as soon as the batch is free */
    bool flush_yielded;       /* and the queues have had their turn before */
    uint64_t pieces_since_ns; /* since when some wait; 0: none */

    uint64_t hint_slice_bytes; /* constant */
    struct gm_bitmap *written; /* by the guest, since hint_cmd was issued; NULL without hinting */
    bool tracking;
    bool hint_current;  /* pages that come now belong to hint_cmd */
    bool hint_finished; /* the driver has sent STOP for hint_cmd, behind what is in the batch */
    bool hint_resting;  /* the vCPUs stood still for a slice: now they get as long to run */
};

/* What was read from one chain. */
struct balloon_items {
    size_t n; /* ranges that valid items make */
    uint64_t bytes;
    uint64_t joined; /* items that follow on the one before, and are part of its range */
    uint64_t bad;    /* items ignored */
};

/* Adds to a counter whose only writer is the caller's thread. */
static inline void balloon_count(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static inline uint64_t balloon_bit(unsigned n)
{
    return UINT64_C(1) << n;
}

/* True if the driver that runs negotiated feature n. Any thread. */
static inline bool balloon_has(const struct balloon *b, unsigned n)
{
    return (atomic_load_explicit(&b->features, memory_order_relaxed) & balloon_bit(n)) != 0;
}

/* The lock of a balloon that is otherwise only read. */
static inline pthread_mutex_t *balloon_lock_of(const struct balloon *b)
{
    return (pthread_mutex_t *)&b->lock;
}

/* How the driver sends pages. Any thread. */
enum balloon_form balloon_form(const struct balloon *b);

/* balloon_sg.c and balloon_pfn.c. All: owner. */

/*
 * Reads what a chain of the inflate or deflate queue names, in the form negotiated. ranges has room
 * for BALLOON_CHAIN_ITEMS. A bad item never costs a good one of the same chain.
 */
void balloon_items_read(const struct balloon *b, const struct vq_chain *chain,
                        struct gm_range *ranges, struct balloon_items *out);
/* The same for a chain of the hinting or reporting queue: device-writable descriptors. */
void balloon_items_read_writable(const struct balloon *b, const struct vq_chain *chain,
                                 struct gm_range *ranges, struct balloon_items *out);
/* The same for arrays of page numbers. *out is zeroed. */
void balloon_pfns_read(const struct balloon *b, const struct vq_chain *chain,
                       struct gm_range *ranges, struct balloon_items *out);
/*
 * Takes item into *out and ranges, or counts it as bad. An item is taken whole or not at all: one
 * that is partly outside RAM, as across the gap below 4 GiB, is a mistake.
 */
void balloon_item_add(const struct balloon *b, struct gm_range item, struct gm_range *ranges,
                      struct balloon_items *out);

/* balloon_reclaim.c. All: owner. */

/* Sorts and merges the batch that has been collected; drops what is not to be worked off. */
void balloon_batch_seal(struct balloon *b);
/* Works off the next slice of the batch. True when nothing is left. */
bool balloon_batch_step(struct balloon *b);
/* Forgets the batch; its chains are not given back. */
void balloon_batch_drop(struct balloon *b);
/* Punches n ranges, ascending and disjoint; counts and logs. */
void balloon_punch(struct balloon *b, const struct gm_range *ranges, size_t n);
/* Counts and logs, with a bound, a failure of the host; error is an errno. */
void balloon_host_error(struct balloon *b, const char *what, int error);
/* ev_timer_arm() of one of the balloon's timers, once after ns; false, counted, if it fails. */
bool balloon_arm(struct balloon *b, struct ev_source *timer, uint64_t ns);
/* Sees to it that no piece waits for long. */
void balloon_pieces_schedule(struct balloon *b);
/* ev_fn: makes what waits the batch, now or when that is free. */
void balloon_pieces_flush(void *arg);
/* Whether pieces that wait will be punched as they are: not those of hugetlb pages. Any thread. */
bool balloon_pieces_go(const struct balloon *b);
/* Forgets what waits and what was given. */
void balloon_pieces_forget(struct balloon *b);

/* balloon_queues.c: the parts of struct vdev_ops that concern queues; contracts there. */
uint16_t balloon_vq_max_size(const struct vdev *dev, uint64_t features, uint16_t vq);
void balloon_notify(struct vdev *dev, uint16_t vq, uint64_t count);
/* ev_fn: one bounded turn over the queues with work. */
void balloon_run_turn(void *arg);
/* Has the queue of role looked at in a turn to come. Owner. */
void balloon_post_turn(struct balloon *b, enum balloon_role role);
/* Drops the batch and the posted turn. Owner, or anyone while the loop does not run. */
void balloon_queues_stop(struct balloon *b);
/* The queue of a role; NULL if the driver's features have none. *out_index is its number. Owner. */
struct vq *balloon_queue(struct balloon *b, enum balloon_role role, uint16_t *out_index);
/* vq_pop() into b->chain, counted. Owner. */
int balloon_pop(struct balloon *b, enum balloon_role role, struct vq *vq);

/* balloon_stats.c. */

/* Reads b->chain and holds it. False when the ring broke while an earlier one was given back. */
bool balloon_stats_take(struct balloon *b, struct vq *vq);
/* Owner: a driver has started; the device was reset. */
void balloon_stats_start(struct balloon *b);
void balloon_stats_stop(struct balloon *b);
/* ev_fn: gives the held buffer back, which asks for a report, if one is wanted; sets the timer. */
void balloon_stats_serve(void *arg);
/* ev_fn: the interval is over. */
void balloon_stats_tick(void *arg);

/* balloon_hint.c. All: owner. */

/* Reads b->chain into ranges, as balloon_items_read() does. */
void balloon_hint_read(struct balloon *b, struct gm_range *ranges, struct balloon_items *out);
/* Punches n hinted ranges, but for what the guest wrote since it was asked. */
void balloon_hint_punch(struct balloon *b, const struct gm_range *ranges, size_t n);
/* The chains of a batch were given back: ends the round if the driver has. */
void balloon_hint_settle(struct balloon *b);
void balloon_hint_reset(struct balloon *b);
/* ev_fn: the vCPUs have had their time. */
void balloon_hint_rested(void *arg);
/* ev_fn: issues or withdraws what hint.host_cmd says. */
void balloon_hint_apply(void *arg);

/* balloon_config.c: the parts of struct vdev_ops that concern configuration space (5.5.4). */
int balloon_config_read(struct vdev *dev, uint32_t off, void *dst, uint32_t len);
int balloon_config_write(struct vdev *dev, uint32_t off, const void *src, uint32_t len);

/* balloon_change.c. */

/* Stores num_pages and starts to measure if it differs. Any thread. */
void balloon_set_num_pages(struct balloon *b, uint32_t pages);
/* The driver wrote actual. Any thread, under the lock. */
void balloon_set_actual_locked(struct balloon *b, uint32_t pages);
/*
 * Without a driver there is no balloon: actual is 0, and a change of target under way starts from
 * there. Any thread.
 */
void balloon_forget_actual(struct balloon *b);
/* A driver has started, with an empty balloon: it follows the target from there. Any thread. */
void balloon_change_restart(struct balloon *b);
/* If nothing waits any more, a change whose target was reached is done. Owner. */
void balloon_change_settle(struct balloon *b);
void balloon_change_info(const struct balloon *b, struct balloon_info *out);
/* ev_fn: finds out whether the change under way has got anywhere, or has stalled. */
void balloon_change_watch(void *arg);

#endif
