/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio-mmio transport's own state, shared by its three parts. */
#ifndef AEROSTAT_VIRTIO_MMIO_PRIV_H
#define AEROSTAT_VIRTIO_MMIO_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/mmio.h"
#include "vmm/base/log.h"

/*
 * What the driver wrote about one queue (4.2.2). The owner gets a copy at DRIVER_OK and keeps to
 * it.
 */
struct vmmio_queue_regs {
    uint64_t desc_gpa;
    uint64_t avail_gpa;
    uint64_t used_gpa;
    uint16_t num;
    bool ready;
};

/* The notification side of one queue. */
struct vmmio_kick {
    struct vmmio *transport;
    int fd; /* eventfd: QueueNotify written with value index; any thread */
    uint16_t index;
    struct ev_source *source; /* the owner's; NULL unless the queue is started */
};

/* Registers, guarded by the leaf lock. */
struct vmmio_regs {
    uint32_t device_features_sel;
    uint32_t driver_features_sel;
    uint64_t driver_features; /* as written so far */
    uint64_t features;        /* negotiated; 0 before FEATURES_OK */
    uint32_t queue_sel;
    uint32_t interrupt_status;
    struct vmmio_queue_regs queue[VDEV_MAX_VQS];
};

struct vmmio {
    struct vdev *dev;     /* borrowed, as are loop and irq_fd; all outlive the transport */
    struct ev_loop *loop; /* owns dev, vqs, and kick[].source */
    int irq_fd;
    uint64_t offered; /* feature bits; constant */

    /*
     * One status step at a time. Taken before leaf, held while the owner works on the step; never
     * by the owner.
     */
    pthread_mutex_t transition;

    /*
     * Guards regs, writes of status, and the order "interrupt status, then irq_fd". Nothing is
     * taken inside it, and of the device only the pure vq_max_size() is called with it held.
     */
    pthread_mutex_t leaf;
    struct vmmio_regs regs;
    _Atomic uint8_t status; /* read without the lock by vmmio_status() */

    _Atomic bool configured; /* the driver wrote to configuration space since the last reset */
    _Atomic uint32_t generation;
    _Atomic uint64_t bad_register;
    _Atomic uint64_t resets;
    _Atomic uint64_t notifications[VDEV_MAX_VQS];

    /* The owner's. */
    struct vq vqs[VDEV_MAX_VQS];
    struct vmmio_kick kick[VDEV_MAX_VQS];
    bool engaged; /* the device was activated, or that was tried, since its last reset */
    struct log_limit log_limit;
};

/* mmio.c */

/* Counts an illegal access. Any thread. */
void vmmio_count_bad(struct vmmio *t);

/*
 * Sets a bit of InterruptStatus and interrupts, if the driver has set DRIVER_OK (2.1.1). Caller
 * holds leaf.
 */
void vmmio_interrupt_locked(struct vmmio *t, uint32_t bit);

/* Sets DEVICE_NEEDS_RESET and tells the driver. Any thread, leaf not held. */
void vmmio_needs_reset(struct vmmio *t);

/* mmio_status.c */

/* A write to the Status register; waits for the owner. Caller holds no lock. */
void vmmio_write_status(struct vmmio *t, uint32_t value);

/* Stops queues and device. The owner, or anyone while the loop is not running. Idempotent. */
void vmmio_owner_reset(struct vmmio *t);

/* True if all of bits are set. Caller holds leaf or transition. */
static inline bool vmmio_has_status(const struct vmmio *t, uint8_t bits)
{
    return (atomic_load_explicit(&t->status, memory_order_relaxed) & bits) == bits;
}

#endif
