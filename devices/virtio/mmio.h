/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio over MMIO, register layout version 2 (virtio 1.2, 4.2).
 *
 * Register accesses come from vCPU threads and take the transport's leaf lock. Status steps that
 * the device must act on (DRIVER_OK, reset) run on the device's owner loop and are awaited with the
 * leaf lock released; a second lock, taken before the leaf lock and never by the owner, keeps such
 * steps one at a time.
 */
#ifndef AEROSTAT_VIRTIO_MMIO_H
#define AEROSTAT_VIRTIO_MMIO_H

#include <stdint.h>

#include "devices/virtio/vdev.h"
#include "vmm/event/loop.h"

/* Guest-physical address space a device takes: registers at 0x000, configuration at 0x100. */
#define VMMIO_WINDOW_SIZE UINT64_C(0x1000)
/* VendorID: "AERO", a little-endian word. Tells a driver that private feature bits are ours. */
#define VMMIO_VENDOR_ID UINT32_C(0x4f524541)
/* Offset of QueueNotify, for ioeventfd. */
#define VMMIO_QUEUE_NOTIFY_OFFSET UINT64_C(0x50)

struct vmmio;

/* Any thread may read them at any time. */
struct vmmio_counters {
    uint64_t bad_register; /* wrong width or offset, queue out of range, illegal status steps */
    uint64_t notifications[VDEV_MAX_VQS]; /* times the driver notified each queue, since creation */
    uint64_t resets;
};

/*
 * Connects dev to a register window. loop owns the device. irq_fd is a non-blocking eventfd that
 * the transport writes to for each interrupt; borrowed, outlives the transport. gm, loop and dev
 * are borrowed too. Returns 0 or -errno (eventfd(2), allocation). Before the loops run.
 */
int vmmio_create(struct vdev *dev, const struct gm *gm, struct ev_loop *loop, int irq_fd,
                 struct vmmio **out_transport);

/*
 * Resets the device and releases the transport. Accepts NULL. The loop must have stopped and no
 * vCPU may run.
 */
void vmmio_destroy(struct vmmio *transport);

/*
 * Eventfd that stands for "QueueNotify written with value vq": for ioeventfd. vq < the device's
 * max_vqs.
 */
int vmmio_notify_fd(const struct vmmio *transport, uint16_t vq);

/*
 * One register access at offset (< VMMIO_WINDOW_SIZE) of len bytes (1, 2, 4 or 8). Never fails:
 * what is illegal reads as zero or is ignored, and is counted. Reads fill dst whatever happens.
 * vCPU threads; may wait for the owner loop.
 */
void vmmio_read(struct vmmio *transport, uint64_t offset, void *dst, uint32_t len);
void vmmio_write(struct vmmio *transport, uint64_t offset, const void *src, uint32_t len);

/* Any thread. */
void vmmio_get_counters(const struct vmmio *transport, struct vmmio_counters *out);

/* The device status field (2.1), for diagnosis. Any thread. */
uint8_t vmmio_status(const struct vmmio *transport);

#endif
