/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory balloon (virtio 1.2, 5.5) with scatter-gather chains: takes pages from the guest,
 * punches them out of guest RAM.
 *
 * Owner: the reclaim loop. Everything here but creation and destruction may be called from any
 * thread, returns at once and never waits for the guest or for the owner.
 */
#ifndef AEROSTAT_BALLOON_H
#define AEROSTAT_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/vdev.h"
#include "memory/gm.h"
#include "memory/gm_bitmap.h"
#include "vmm/base/err.h"
#include "vmm/event/loop.h"

#define BALLOON_PAGE_SIZE UINT64_C(4096)

/* Statistics tags (5.5.6.3) that are known: 0 to 15, as Linux 6.12 numbers them. */
#define BALLOON_STAT_TAGS 16u

/* Which feature bit says "scatter-gather chains". */
enum balloon_sg {
    BALLOON_SG_AUTO, /* bit 63: stock drivers ignore it and send PFN arrays */
    BALLOON_SG_BIT3, /* bit 3, as the Linux series of 2017 had it; stock drivers take it for
                        FREE_PAGE_HINT and fail */
    BALLOON_SG_OFF,
};

struct balloon_config {
    uint64_t target_bytes; /* initial target; a multiple of 4096, below the size of guest RAM */
    enum balloon_sg scatter_gather;
    bool deflate_on_oom; /* offer VIRTIO_BALLOON_F_DEFLATE_ON_OOM */
    /*
     * Offer VIRTIO_BALLOON_F_MUST_TELL_HOST. From a driver that accepts, pieces of 2 MiB wait for
     * the rest, which is possible only if the guest does not use them meanwhile. Offered with huge
     * backing in any case.
     */
    bool must_tell_host;
    bool free_page_hinting;    /* offer FREE_PAGE_HINT; excludes BALLOON_SG_BIT3 */
    bool free_page_reporting;  /* offer REPORTING */
    bool page_poison;          /* offer PAGE_POISON */
    bool prefault_on_deflate;  /* populate what the guest takes back before it is acknowledged */
    uint32_t stats_interval_s; /* offer STATS_VQ and ask for statistics so often; 0: neither */
};

/*
 * What free page hinting needs of the machine, since a driver may use a hinted page again at any
 * moment (5.5.6.5): which pages the guest wrote, and a moment in which it writes none. Called on
 * the reclaim loop. All set.
 */
struct balloon_guest_ops {
    /* Begins (forgetting what was written before) or ends to record writes. 0 or -errno. */
    int (*track_writes)(void *arg, bool on);
    /* Adds the pages that the guest wrote since track_writes(true). 0 or -errno. */
    int (*written)(void *arg, struct gm_bitmap *out);
    /* Returns when no vCPU executes guest code; a vCPU that waits for this loop does not. */
    void (*freeze)(void *arg);
    void (*thaw)(void *arg);
};

/* How the driver sends pages. */
enum balloon_form {
    BALLOON_FORM_NONE, /* no driver has set DRIVER_OK */
    BALLOON_FORM_PFN,
    BALLOON_FORM_SG,
};

/* What one queue saw since creation. */
struct balloon_queue_info {
    uint64_t notifications; /* times the driver notified it */
    uint64_t chains;        /* buffers taken from it, good or bad */
    uint64_t descriptors;   /* in the good ones */
    uint64_t bytes;         /* of guest memory that valid items named */
};

/*
 * Both truths: what the guest says and what the host did. One consistent-enough copy; counters
 * never go back.
 */
struct balloon_info {
    uint64_t target_bytes; /* num_pages, what the host asks */
    uint64_t actual_bytes; /* actual, what the guest says; guest data: may exceed RAM */
    enum balloon_form form;
    uint64_t features;   /* negotiated; 0 without a driver */
    uint32_t poison_val; /* what the guest fills free pages with; 0 without PAGE_POISON */
    uint32_t stats_interval_s;

    struct balloon_queue_info inflate;
    struct balloon_queue_info deflate;
    struct balloon_queue_info stats;  /* bytes: 0 */
    struct balloon_queue_info hint;   /* bytes: hinted under the current command */
    struct balloon_queue_info report; /* free page reporting */

    uint64_t punch_calls;   /* fallocate(2) calls */
    uint64_t punched_bytes; /* bytes in them */
    uint64_t freed_bytes;   /* by how much the memfds' blocks fell in them */
    uint64_t ranges_merged; /* ranges that merging saved */
    uint64_t punch_ns;      /* time in fallocate(2) */

    uint64_t waiting_bytes;       /* pieces of 2 MiB that wait for the rest or to be punched, now */
    uint64_t kept_poisoned_bytes; /* reported, but kept: reading zeros would break the promise */
    uint64_t kept_written_bytes;  /* hinted, but written since the command was issued */
    uint64_t hint_stale_bytes;    /* hinted under a command that is not current: ignored */
    uint64_t hint_frozen_ns;      /* time in which hinting kept the vCPUs out of the guest */
    uint64_t prefaulted_bytes;    /* asked to be populated for deflation */
    uint64_t prefault_ns;

    uint64_t bad_request; /* items ignored: outside RAM, odd lengths, over a cap */
    uint64_t bad_chain;   /* chains given back unread */
    uint64_t bad_ring;    /* rings found broken */
    uint64_t host_error;  /* fallocate(2), madvise(2) and write tracking: failures */

    /*
     * The last change of target: from the moment it was set until actual first equalled it and what
     * waited had been punched (or until now, while it is under way), and how much of that the
     * device worked. The rest was spent waiting for the guest.
     */
    uint64_t change_from_bytes;
    uint64_t change_to_bytes;
    uint64_t change_ns;
    uint64_t change_busy_ns;
    bool change_done;
    bool change_stalled; /* actual has come no nearer for BALLOON_STALL_NS; no claim that it never
                            will */
    uint64_t target_changes; /* since creation */
    uint64_t stalls;         /* times a change was found stalled */
};

/* After so long without progress towards the target, a change counts as stalled. */
#define BALLOON_STALL_NS UINT64_C(3000000000)

/* The guest's own statistics (5.5.6.3): guest data, an indication and no measurement. */
struct balloon_stats {
    uint64_t value[BALLOON_STAT_TAGS]; /* by tag */
    uint32_t valid;                    /* bit n: tag n was in the last report */
    uint64_t reports;                  /* since creation; grows by one a report */
    uint64_t age_ns;                   /* of the last report; 0 when there is none */
};

/* The state of free page hinting (5.5.6.5). */
struct balloon_hint_info {
    uint32_t host_cmd;  /* VIRTIO_BALLOON_CMD_ID_STOP, _DONE, or the command that runs */
    uint32_t guest_cmd; /* what the driver sent last */
    bool guest_cmd_valid;
};

struct balloon;

/*
 * gm and loop are borrowed and outlive the balloon; guest, with its arg, is copied, and may be
 * NULL if free_page_hinting is off. Returns 0; -EINVAL when the target is not below RAM size or
 * not whole pages, or features exclude each other, with a sentence; -ENOMEM; -errno of
 * timerfd_create(2). Before the loops run.
 */
int balloon_create(const struct balloon_config *config, struct gm *gm, struct ev_loop *loop,
                   const struct balloon_guest_ops *guest, void *guest_arg,
                   struct balloon **out_balloon, struct err *err);

/* Accepts NULL. The loop must have stopped. */
void balloon_destroy(struct balloon *balloon);

/* For the transport. Lives as long as the balloon. */
struct vdev *balloon_vdev(struct balloon *balloon);

/*
 * Sets num_pages and tells the driver, which follows when it can. Returns 0; -EINVAL when bytes is
 * not below RAM size or not a multiple of 4096, with a sentence that names the bound.
 */
int balloon_set_target(struct balloon *balloon, uint64_t bytes, struct err *err);

/*
 * The vCPUs stand still, or run again. A change of target does not stall while they do, and is
 * given BALLOON_STALL_NS anew when they run again.
 */
void balloon_set_paused(struct balloon *balloon, bool paused);

/*
 * Sets how often statistics are asked for. Returns 0; -EINVAL, with a sentence, when that would
 * switch the queue on or off, which only a configuration can.
 */
int balloon_set_stats_interval(struct balloon *balloon, uint32_t seconds, struct err *err);

/*
 * Asks the driver for fresh statistics: reports in struct balloon_stats grows when they come, or
 * when those come that were on their way already.
 * False, and nothing is asked, when there is no driver that could send any.
 */
bool balloon_request_stats(struct balloon *balloon);

/* The last report, also after its driver has gone. */
void balloon_get_stats(const struct balloon *balloon, struct balloon_stats *out);

/*
 * Starts a round of hinting under a new command. With acknowledge_on_stop, the driver gets its
 * pages back as soon as it has hinted all it can; without, when balloon_hint_stop() is called.
 * Returns 0; -EINVAL, with a sentence, when hinting is not configured or the driver that runs, if
 * any, did not negotiate it.
 */
int balloon_hint_start(struct balloon *balloon, bool acknowledge_on_stop, struct err *err);

/* Ends the round: the driver keeps or reuses its pages as it likes. Errors as above. */
int balloon_hint_stop(struct balloon *balloon, struct err *err);

/* As asked: what the guest sees follows when the owner gets to it. */
void balloon_get_hint(const struct balloon *balloon, struct balloon_hint_info *out);

/* Not after the transport was destroyed: it holds the queues' counters. */
void balloon_get_info(const struct balloon *balloon, struct balloon_info *out);

#endif
