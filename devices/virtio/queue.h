/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7), over guest memory that may lie.
 *
 * A chain is copied descriptor by descriptor, each field once, and only the copy is used. Every
 * loop is bounded by the queue size. One owner thread per queue once it is started; before that,
 * the transport sets it up.
 */
#ifndef AEROSTAT_VIRTIO_QUEUE_H
#define AEROSTAT_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/gm.h"

/* Largest queue size any device here offers. The standard allows 32768 (2.7). Proofs lower it. */
#ifndef VQ_SIZE_LIMIT
#define VQ_SIZE_LIMIT 4096u
#endif

/* Written by the owner thread, read by any: counters of one queue. */
struct vq_counters {
    _Atomic uint64_t chains;      /* chains taken, good ones */
    _Atomic uint64_t descriptors; /* descriptors in them */
    _Atomic uint64_t used;        /* chains given back, bad ones too */
    _Atomic uint64_t interrupts;  /* interrupts not suppressed by the driver */
    _Atomic uint64_t bad_chain;   /* loops, next out of range, indirect: given back with length 0 */
    _Atomic uint64_t bad_ring;    /* times the ring was found broken: see vq_start(), vq_pop() */
};

struct vq {
    const struct gm *gm;  /* borrowed; outlives the queue */
    uint64_t desc_gpa;    /* descriptor table, 16-aligned (2.7.5) */
    uint64_t avail_gpa;   /* driver area, 2-aligned (2.7.6) */
    uint64_t used_gpa;    /* device area, 4-aligned (2.7.8) */
    uint16_t size;        /* power of two, 1..VQ_SIZE_LIMIT */
    uint16_t next_avail;  /* free-running index of the next chain to take */
    uint16_t next_used;   /* free-running index of the next used element */
    uint16_t signalled;   /* next_used at the last interrupt decision */
    bool signalled_valid; /* false once 65,536 chains went back without a decision */
    bool event_idx;       /* VIRTIO_F_EVENT_IDX negotiated (2.7.10) */
    bool started;
    bool broken; /* latched; nothing is taken from or put into the ring any more */
    struct vq_counters count;
};

/* One descriptor, copied. */
struct vq_seg {
    uint64_t gpa;
    uint32_t len;
    bool writable; /* device-writable (VIRTQ_DESC_F_WRITE) */
};

/* One chain, copied: n segments in chain order. Large: keep it in the device, not on a stack. */
struct vq_chain {
    uint16_t head;
    uint16_t n;
    struct vq_seg seg[VQ_SIZE_LIMIT];
};

/*
 * Checks size, alignment and that all three areas are RAM, then starts at index 0. The caller has
 * set gm, size, the three addresses and event_idx. Returns 0, or -EINVAL (queue stays stopped and
 * is marked broken, bad_ring counted).
 */
int vq_start(struct vq *vq);

/* Back to the state after zero-initialisation, but gm and counters stay. */
void vq_reset(struct vq *vq);

/*
 * Takes the next available chain into *out.
 * Returns 1 with a chain; 0 if there is none or the queue is stopped or broken; -EBADMSG for a
 * malformed chain, which has been given back with length 0 and counted (call again; an interrupt
 * decision is still due); -EIO when the ring itself is broken, now latched: the caller asks the
 * transport for DEVICE_NEEDS_RESET. The ring is broken when chains that wait and chains not yet
 * given back are more than size together, which also means that a device never holds more than size
 * of them; and when a head is not below size, since nothing could be given back for it.
 */
int vq_pop(struct vq *vq, struct vq_chain *out) __attribute__((warn_unused_result));

/*
 * How many chains wait to be taken: what the driver had put into the ring before, in any queue, is
 * visible afterwards. 0 for a queue that is stopped or broken; -EIO for an index that no driver can
 * have reached, which vq_pop() then latches.
 */
int vq_waiting(const struct vq *vq) __attribute__((warn_unused_result));

/*
 * Gives a chain back: head as vq_pop() returned it, len the bytes written into its device-writable
 * part. Any order, each chain once. Returns 0, or -EIO when the ring is broken (latched). A stopped
 * queue ignores it and returns 0.
 */
int vq_push(struct vq *vq, uint16_t head, uint32_t len) __attribute__((warn_unused_result));

/*
 * Whether the driver wants an interrupt for what was pushed since the last call (2.7.7, 2.7.10).
 * Call once after a batch of vq_push(). Contains the full barrier that the decision needs.
 */
bool vq_should_interrupt(struct vq *vq);

/* Asks the driver not to notify while the queue is being drained (a hint; 2.7.8, 2.7.10). */
void vq_disable_notify(struct vq *vq);

/*
 * Asks the driver to notify about the next chain. Returns true if a chain became available
 * meanwhile, in which case no notification need come for it: drain again.
 */
bool vq_enable_notify(struct vq *vq);

#endif
