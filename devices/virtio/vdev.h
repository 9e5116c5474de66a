/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a virtio device is to its transport, and the transport to the device.
 *
 * Owner loop: the thread that runs activate, reset and notify of a device, never two of them at
 * once. Config space is served on the vCPU's thread that accesses it: config_read and config_write
 * must not block and must be safe against the owner (atomics or a leaf lock of the device's own).
 */
#ifndef AEROSTAT_VIRTIO_VDEV_H
#define AEROSTAT_VIRTIO_VDEV_H

#include <stdint.h>

#include "devices/virtio/queue.h"

/* Most queues any device here has. */
#define VDEV_MAX_VQS 8u

struct vdev;

struct vdev_ops {
    const char *name;   /* for messages and counters: "balloon" */
    uint32_t device_id; /* virtio 1.2, 5 */
    uint16_t max_vqs;   /* most queues under any feature set, <= VDEV_MAX_VQS */

    /*
     * Feature bits the device itself offers; the transport adds VERSION_1 and EVENT_IDX. Constant.
     * Any thread.
     */
    uint64_t (*features)(const struct vdev *dev);

    /*
     * Largest size of queue vq under the negotiated features, a power of two, or 0 when there is no
     * such queue (QueueNumMax, 4.2.2). features is 0 before FEATURES_OK. Pure. Any thread.
     */
    uint16_t (*vq_max_size)(const struct vdev *dev, uint64_t features, uint16_t vq);

    /*
     * DRIVER_OK: the ready queues are started, and each gets a notify() right afterwards. Owner
     * loop. Returns 0, or -errno: the transport then calls reset and sets DEVICE_NEEDS_RESET.
     */
    int (*activate)(struct vdev *dev, uint64_t features);

    /*
     * Drops everything of the driver's, forgets buffers in flight. Owner loop. Never fails;
     * idempotent.
     */
    void (*reset)(struct vdev *dev);

    /*
     * The driver notified queue vq count times since the last call. count is 0 in a turn that the
     * device asked for itself, and may be 0 in the one after activate. Owner loop.
     */
    void (*notify)(struct vdev *dev, uint16_t vq, uint64_t count);

    /*
     * Device configuration space (2.5). 0, or -EINVAL when [off, off + len) is not all in it: reads
     * return 0 then, writes are ignored, bad_register is counted. vCPU threads.
     */
    int (*config_read)(struct vdev *dev, uint32_t off, void *dst, uint32_t len);
    int (*config_write)(struct vdev *dev, uint32_t off, const void *src, uint32_t len);
};

/* What a device may ask of its transport. Implemented by the transport. */
struct vdev_transport_ops {
    /*
     * Interrupts the driver about queue vq if it wants that (calls vq_should_interrupt()). Owner
     * loop.
     */
    void (*signal_used)(void *transport, uint16_t vq);
    /* Configuration change notification (2.5): bumps the generation, interrupts. Any thread. */
    void (*config_changed)(void *transport);
    /* Sets DEVICE_NEEDS_RESET and notifies if DRIVER_OK is set (2.1.1). Owner loop. */
    void (*needs_reset)(void *transport);
};

/*
 * Embedded in each device. The transport fills in vqs and the two transport fields before anything
 * else happens.
 */
struct vdev {
    const struct vdev_ops *ops;
    struct vq *vqs; /* VDEV_MAX_VQS of them, the transport's; a queue that is not ready has started
                       == false */
    const struct vdev_transport_ops *transport_ops;
    void *transport; /* borrowed; outlives the device's last call */
};

static inline void vdev_signal_used(struct vdev *dev, uint16_t vq)
{
    dev->transport_ops->signal_used(dev->transport, vq);
}

static inline void vdev_config_changed(struct vdev *dev)
{
    dev->transport_ops->config_changed(dev->transport);
}

static inline void vdev_needs_reset(struct vdev *dev)
{
    dev->transport_ops->needs_reset(dev->transport);
}

#endif
