/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-mmio: life of a transport, what it offers to its device, and what it tells others. */
#include "devices/virtio/mmio.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/virtio/mmio_priv.h"
#include "vmm/base/cleanup.h"

void vmmio_count_bad(struct vmmio *t)
{
    atomic_fetch_add_explicit(&t->bad_register, 1, memory_order_relaxed);
}

void vmmio_interrupt_locked(struct vmmio *t, uint32_t bit)
{
    if (!vmmio_has_status(t, VIRTIO_CONFIG_S_DRIVER_OK))
        return;
    /*
     * The bit first: the driver reads InterruptStatus as soon as the interrupt arrives (4.2.3.4).
     *
     */
    t->regs.interrupt_status |= bit;
    uint64_t one = 1;
    ssize_t ignored = write(t->irq_fd, &one, sizeof(one));
    (void)ignored; /* EAGAIN: the counter is full, so an interrupt is on its way already. */
}

void vmmio_needs_reset(struct vmmio *t)
{
    pthread_mutex_lock(&t->leaf);
    if (!vmmio_has_status(t, VIRTIO_CONFIG_S_NEEDS_RESET)) {
        atomic_fetch_or_explicit(&t->status, VIRTIO_CONFIG_S_NEEDS_RESET, memory_order_relaxed);
        vmmio_interrupt_locked(t, VIRTIO_MMIO_INT_CONFIG);
    }
    pthread_mutex_unlock(&t->leaf);
}

static void on_signal_used(void *transport, uint16_t vq)
{
    struct vmmio *t = transport;
    assert(vq < VDEV_MAX_VQS);
    if (!vq_should_interrupt(&t->vqs[vq]))
        return;
    pthread_mutex_lock(&t->leaf);
    vmmio_interrupt_locked(t, VIRTIO_MMIO_INT_VRING);
    pthread_mutex_unlock(&t->leaf);
}

static void on_config_changed(void *transport)
{
    struct vmmio *t = transport;
    /* Release: a driver that reads the new generation reads the new configuration (2.5.1). */
    atomic_fetch_add_explicit(&t->generation, 1, memory_order_release);
    pthread_mutex_lock(&t->leaf);
    vmmio_interrupt_locked(t, VIRTIO_MMIO_INT_CONFIG);
    pthread_mutex_unlock(&t->leaf);
}

static void on_needs_reset(void *transport)
{
    vmmio_needs_reset(transport);
}

static const struct vdev_transport_ops transport_ops = {
    .signal_used = on_signal_used,
    .config_changed = on_config_changed,
    .needs_reset = on_needs_reset,
};

int vmmio_create(struct vdev *dev, const struct gm *gm, struct ev_loop *loop, int irq_fd,
                 struct vmmio **out_transport)
{
    struct vmmio *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return -ENOMEM;
    int ret;
    pthread_mutex_init(&t->transition, NULL);
    pthread_mutex_init(&t->leaf, NULL);
    t->dev = dev;
    t->loop = loop;
    t->irq_fd = irq_fd;
    t->offered = dev->ops->features(dev) | (UINT64_C(1) << VIRTIO_F_VERSION_1) |
                 (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX);
    for (uint16_t i = 0; i < VDEV_MAX_VQS; i++) {
        t->vqs[i].gm = gm;
        t->kick[i] = (struct vmmio_kick){.transport = t, .fd = -1, .index = i};
    }
    assert(dev->ops->max_vqs <= VDEV_MAX_VQS);
    for (uint16_t i = 0; i < dev->ops->max_vqs; i++) {
        t->kick[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (t->kick[i].fd < 0) {
            ret = -errno;
            goto fail;
        }
    }
    dev->vqs = t->vqs;
    dev->transport_ops = &transport_ops;
    dev->transport = t;
    *out_transport = t;
    return 0;

fail:
    vmmio_destroy(t);
    return ret;
}

void vmmio_destroy(struct vmmio *transport)
{
    if (transport == NULL)
        return;
    vmmio_owner_reset(transport);
    for (uint16_t i = 0; i < VDEV_MAX_VQS; i++)
        fd_close(&transport->kick[i].fd);
    pthread_mutex_destroy(&transport->leaf);
    pthread_mutex_destroy(&transport->transition);
    free(transport);
}

int vmmio_notify_fd(const struct vmmio *transport, uint16_t vq)
{
    assert(vq < transport->dev->ops->max_vqs);
    return transport->kick[vq].fd;
}

void vmmio_get_counters(const struct vmmio *transport, struct vmmio_counters *out)
{
    out->bad_register = atomic_load_explicit(&transport->bad_register, memory_order_relaxed);
    out->resets = atomic_load_explicit(&transport->resets, memory_order_relaxed);
    for (uint16_t i = 0; i < VDEV_MAX_VQS; i++)
        out->notifications[i] =
            atomic_load_explicit(&transport->notifications[i], memory_order_relaxed);
}

uint8_t vmmio_status(const struct vmmio *transport)
{
    return atomic_load_explicit(&transport->status, memory_order_relaxed);
}
