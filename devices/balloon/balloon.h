/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory balloon (virtio 1.2, 5.5) with scatter-gather chains: takes pages from the guest,
 * punches them out of guest RAM.
 *
 * Owner: the reclaim loop. Target and state can be read and set from any thread.
 */
#ifndef AEROSTAT_BALLOON_H
#define AEROSTAT_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/vdev.h"
#include "memory/gm.h"
#include "vmm/base/err.h"
#include "vmm/event/loop.h"

#define BALLOON_PAGE_SIZE UINT64_C(4096)

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
    bool must_tell_host; /* offer VIRTIO_BALLOON_F_MUST_TELL_HOST */
};

/* How the driver sends pages. */
enum balloon_form {
    BALLOON_FORM_NONE, /* no driver has set DRIVER_OK */
    BALLOON_FORM_PFN,
    BALLOON_FORM_SG,
};

/*
 * Both truths: what the guest says and what the host did. One consistent-enough copy; counters
 * never go back.
 */
struct balloon_info {
    uint64_t target_bytes; /* num_pages, what the host asks */
    uint64_t actual_bytes; /* actual, what the guest says; guest data: may exceed RAM */
    enum balloon_form form;
    uint64_t features; /* negotiated; 0 without a driver */

    uint64_t inflate_notifications; /* times the driver notified the inflate queue */
    uint64_t inflate_chains;        /* buffers taken from it, good or bad */
    uint64_t inflate_descriptors;
    uint64_t inflate_bytes; /* bytes the guest offered in valid items */
    uint64_t deflate_notifications;
    uint64_t deflate_chains;
    uint64_t deflate_descriptors;
    uint64_t deflate_bytes; /* bytes the guest said it takes back, in valid items */

    uint64_t punch_calls;   /* fallocate(2) calls */
    uint64_t punched_bytes; /* bytes in them */
    uint64_t freed_bytes;   /* by how much the memfds' blocks fell in them */
    uint64_t ranges_merged; /* ranges that merging saved */
    uint64_t punch_ns;      /* time in fallocate(2) */

    uint64_t bad_request; /* items ignored: outside RAM, odd lengths, over a cap */
    uint64_t bad_chain;   /* chains given back unread */
    uint64_t bad_ring;    /* rings found broken */
    uint64_t host_error;  /* fallocate(2) failures */

    /*
     * The last change of target: from the moment it was set until actual first equalled it (or
     * until now, while it is under way).
     */
    uint64_t change_from_bytes;
    uint64_t change_to_bytes;
    uint64_t change_ns;
    bool change_done;
};

struct balloon;

/*
 * gm and loop are borrowed and outlive the balloon. Returns 0; -EINVAL when the target is not below
 * RAM size or not whole pages, with a sentence; -ENOMEM. Before the loops run.
 */
int balloon_create(const struct balloon_config *config, struct gm *gm, struct ev_loop *loop,
                   struct balloon **out_balloon, struct err *err);

/* Accepts NULL. The loop must have stopped. */
void balloon_destroy(struct balloon *balloon);

/* For the transport. Lives as long as the balloon. */
struct vdev *balloon_vdev(struct balloon *balloon);

/*
 * Sets num_pages and tells the driver. Returns at once: the guest follows when it can. Any thread.
 * Returns 0; -EINVAL when bytes is not below RAM size or not a multiple of 4096, with a sentence
 * that names the bound.
 */
int balloon_set_target(struct balloon *balloon, uint64_t bytes, struct err *err);

/*
 * Any thread; never waits for the reclaim loop. Not after the transport was destroyed: it holds the
 * queues' counters.
 */
void balloon_get_info(const struct balloon *balloon, struct balloon_info *out);

#endif
