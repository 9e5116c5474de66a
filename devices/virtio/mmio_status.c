/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mmio: the device status field (2.1, 3.1.1), and the steps of it that the owner of the
 * device carries out.
 */
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "devices/virtio/mmio_priv.h"
#include "vmm/base/num.h"

#define S_ACKNOWLEDGE ((uint32_t)VIRTIO_CONFIG_S_ACKNOWLEDGE)
#define S_DRIVER      ((uint32_t)VIRTIO_CONFIG_S_DRIVER)
#define S_FEATURES_OK ((uint32_t)VIRTIO_CONFIG_S_FEATURES_OK)
#define S_DRIVER_OK   ((uint32_t)VIRTIO_CONFIG_S_DRIVER_OK)
#define S_NEEDS_RESET ((uint32_t)VIRTIO_CONFIG_S_NEEDS_RESET)
#define S_FAILED      ((uint32_t)VIRTIO_CONFIG_S_FAILED)
#define S_STEPS       (S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK)

/*
 * What the owner needs for DRIVER_OK, copied out of the registers. Lives on the stack of the vCPU
 * that waits.
 */
struct activation {
    struct vmmio *transport;
    uint64_t features;
    struct vmmio_queue_regs queue[VDEV_MAX_VQS];
};

/* How often the queue was notified since the last call. */
static uint64_t drain_kick(const struct vmmio_kick *kick)
{
    uint64_t count = 0;
    if (kick->fd < 0 || read(kick->fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return 0;
    return count;
}

static void deliver_kick(struct vmmio_kick *kick)
{
    struct vmmio *t = kick->transport;
    uint64_t count = drain_kick(kick);
    atomic_fetch_add_explicit(&t->notifications[kick->index], count, memory_order_relaxed);
    t->dev->ops->notify(t->dev, kick->index, count);
}

static void on_kick(void *arg, uint32_t events)
{
    (void)events;
    deliver_kick(arg);
}

void vmmio_owner_reset(struct vmmio *t)
{
    for (uint16_t i = 0; i < VDEV_MAX_VQS; i++) {
        ev_source_remove(t->kick[i].source);
        t->kick[i].source = NULL;
        (void)drain_kick(&t->kick[i]);
        vq_reset(&t->vqs[i]);
    }
    bool configured = atomic_exchange_explicit(&t->configured, false, memory_order_relaxed);
    if (t->engaged || configured)
        t->dev->ops->reset(t->dev);
    t->engaged = false;
}

static int start_queue(struct vmmio *t, uint16_t i, const struct activation *a)
{
    const struct vmmio_queue_regs *regs = &a->queue[i];
    struct vq *vq = &t->vqs[i];
    if (!regs->ready)
        return 0;
    vq->size = regs->num;
    vq->desc_gpa = regs->desc_gpa;
    vq->avail_gpa = regs->avail_gpa;
    vq->used_gpa = regs->used_gpa;
    vq->event_idx = (a->features >> VIRTIO_RING_F_EVENT_IDX) & 1;
    int ret = vq_start(vq);
    if (ret < 0) {
        log_limited(
            &t->log_limit,
            "virtio %s: queue %u of size %u is misaligned or not in RAM: descriptors 0x%" PRIx64
            ", driver area 0x%" PRIx64 ", device area 0x%" PRIx64,
            t->dev->ops->name, (unsigned)i, (unsigned)regs->num, regs->desc_gpa, regs->avail_gpa,
            regs->used_gpa);
        return ret;
    }
    ret = ev_fd_add(t->loop, t->kick[i].fd, EPOLLIN, on_kick, &t->kick[i], &t->kick[i].source);
    if (ret < 0)
        log_limited(&t->log_limit, "virtio %s: queue %u cannot be watched: %s", t->dev->ops->name,
                    (unsigned)i, strerror(-ret));
    return ret;
}

static int start_device(struct vmmio *t, const struct activation *a)
{
    for (uint16_t i = 0; i < VDEV_MAX_VQS; i++) {
        int ret = start_queue(t, i, a);
        if (ret < 0)
            return ret;
    }
    t->engaged = true;
    int ret = t->dev->ops->activate(t->dev, a->features);
    if (ret < 0)
        log_limited(&t->log_limit, "virtio %s: cannot start: %s", t->dev->ops->name,
                    strerror(-ret));
    return ret;
}

/* Owner. */
static void run_activation(void *arg)
{
    const struct activation *a = arg;
    struct vmmio *t = a->transport;
    if (start_device(t, a) < 0) {
        vmmio_owner_reset(t);
        vmmio_needs_reset(t);
        return;
    }
    /*
     * Buffers may have been made available before DRIVER_OK, and the notification for them may have
     * come or not.
     */
    for (uint16_t i = 0; i < VDEV_MAX_VQS; i++) {
        if (t->vqs[i].started)
            deliver_kick(&t->kick[i]);
    }
}

/* Owner. */
static void run_reset(void *arg)
{
    vmmio_owner_reset(arg);
}

/* Caller holds transition, not leaf. */
static void reset_device(struct vmmio *t)
{
    /*
     * DRIVER_OK gives the owner something to undo, and so do writes to configuration space. Status
     * keeps its bits, and with them registers stay frozen, until that is done: a driver may wait
     * for 0 to be read (2.1.1).
     */
    if (vmmio_has_status(t, S_DRIVER_OK) ||
        atomic_load_explicit(&t->configured, memory_order_relaxed)) {
        if (ev_call(t->loop, run_reset, t) < 0)
            return; /* The machine is being taken down; vmmio_destroy() resets the device. */
    } else {
        for (uint16_t i = 0; i < VDEV_MAX_VQS; i++)
            (void)drain_kick(&t->kick[i]);
    }
    pthread_mutex_lock(&t->leaf);
    memset(&t->regs, 0, sizeof(t->regs));
    atomic_store_explicit(&t->status, 0, memory_order_relaxed);
    pthread_mutex_unlock(&t->leaf);
    atomic_fetch_add_explicit(&t->resets, 1, memory_order_relaxed);
}

/*
 * The steps must come in their order and are never taken back. Early ones may share a write, as
 * simple drivers do; DRIVER_OK may not, because the driver has to read FEATURES_OK back first
 * (3.1.1, step 6). DEVICE_NEEDS_RESET is the device's bit: a driver copies it along or has not seen
 * it yet, but cannot set it. FAILED is always possible.
 */
static bool step_is_legal(uint32_t now, uint32_t value)
{
    static const uint32_t steps_in_order[] = {
        0,       S_ACKNOWLEDGE, S_ACKNOWLEDGE | S_DRIVER, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK,
        S_STEPS,
    };
    if ((value & ~(S_STEPS | S_NEEDS_RESET | S_FAILED)) != 0 ||
        (value & S_NEEDS_RESET & ~now) != 0 || (now & ~S_NEEDS_RESET & ~value) != 0)
        return false;
    uint32_t added = value & S_STEPS & ~now;
    if (added == 0)
        return true;
    if ((now & (S_NEEDS_RESET | S_FAILED)) != 0 ||
        ((added & S_DRIVER_OK) != 0 && (now & S_FEATURES_OK) == 0))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(steps_in_order); i++) {
        if ((value & S_STEPS) == steps_in_order[i])
            return true;
    }
    return false;
}

/*
 * Adds the bits of value to the status. Returns true when DRIVER_OK is new: *out is then what the
 * owner needs. Caller holds transition and leaf.
 */
static bool step_forward(struct vmmio *t, uint32_t value, struct activation *out)
{
    struct vmmio_regs *regs = &t->regs;
    uint32_t now = vmmio_status(t);
    if (!step_is_legal(now, value)) {
        vmmio_count_bad(t);
        return false;
    }
    uint32_t added = value & ~now;
    if (added & S_FEATURES_OK) {
        /*
         * A set that the device cannot serve leaves the bit clear, which is the answer
         * (2.2.2, 6.1).
         */
        bool acceptable = (regs->driver_features & ~t->offered) == 0 &&
                          ((regs->driver_features >> VIRTIO_F_VERSION_1) & 1) != 0;
        if (acceptable)
            regs->features = regs->driver_features;
        else
            added &= ~S_FEATURES_OK;
    }
    /*
     * DRIVER_OK is visible before the owner acts on it, so that the registers it starts from cannot
     * change.
     */
    atomic_store_explicit(&t->status, (uint8_t)(now | added), memory_order_relaxed);
    if (!(added & S_DRIVER_OK))
        return false;
    out->transport = t;
    out->features = regs->features;
    memcpy(out->queue, regs->queue, sizeof(out->queue));
    return true;
}

void vmmio_write_status(struct vmmio *t, uint32_t value)
{
    struct activation activation;
    pthread_mutex_lock(&t->transition);
    if (value == 0) {
        reset_device(t);
    } else {
        pthread_mutex_lock(&t->leaf);
        bool activate = step_forward(t, value, &activation);
        pthread_mutex_unlock(&t->leaf);
        /*
         * -ESHUTDOWN: the machine is being taken down, and nothing was started that would need
         * undoing.
         */
        int dropped = activate ? ev_call(t->loop, run_activation, &activation) : 0;
        (void)dropped;
    }
    pthread_mutex_unlock(&t->transition);
}
