/* SPDX-License-Identifier: Apache-2.0 */
/* A device for tests of the transport and the queue. */
#include "tests/unit/virtio/echo_device.h"

#include <errno.h>
#include <string.h>

#include "vmm/base/num.h"

static struct echo *echo_of(struct vdev *dev)
{
    return container_of(dev, struct echo, vdev);
}

static uint64_t echo_features(const struct vdev *dev)
{
    (void)dev;
    return UINT64_C(1) << ECHO_F_THIRD_QUEUE | UINT64_C(1) << ECHO_F_HIGH;
}

static uint16_t echo_vq_max_size(const struct vdev *dev, uint64_t features, uint16_t vq)
{
    (void)dev;
    switch (vq) {
    case 0:
        return 256;
    case 1:
        return VQ_SIZE_LIMIT;
    case 2:
        return (features >> ECHO_F_THIRD_QUEUE) & 1 ? 16 : 0;
    default:
        return 0;
    }
}

static int echo_activate(struct vdev *dev, uint64_t features)
{
    struct echo *e = echo_of(dev);
    atomic_store(&e->features, features);
    atomic_fetch_add(&e->activations, 1);
    return e->activate_result;
}

static void echo_reset(struct vdev *dev)
{
    struct echo *e = echo_of(dev);
    atomic_fetch_add(&e->resets, 1);
    atomic_store(&e->held, 0);
}

static int echo_one(struct echo *e, struct vq *vq)
{
    uint32_t written = 0;
    for (uint16_t i = 0; i < e->chain.n; i++) {
        atomic_fetch_add(&e->bytes, e->chain.seg[i].len);
        written += e->chain.seg[i].writable ? e->chain.seg[i].len : 0;
    }
    if (e->hold) {
        atomic_fetch_add(&e->held, 1);
        return 0;
    }
    return vq_push(vq, e->chain.head, written);
}

static void echo_notify(struct vdev *dev, uint16_t index, uint64_t count)
{
    struct echo *e = echo_of(dev);
    struct vq *vq = &dev->vqs[index];
    atomic_fetch_add(&e->turns[index], 1);
    atomic_fetch_add(&e->notifications[index], count);
    bool broken = false;
    do {
        vq_disable_notify(vq);
        int ret;
        while ((ret = vq_pop(vq, &e->chain)) != 0 && !broken) {
            if (ret == 1)
                ret = echo_one(e, vq);
            broken = ret == -EIO;
        }
    } while (!broken && vq_enable_notify(vq));
    if (broken)
        vdev_needs_reset(dev);
    vdev_signal_used(dev, index);
}

static bool in_config(uint32_t off, uint32_t len)
{
    return off <= ECHO_CONFIG_BYTES && len <= ECHO_CONFIG_BYTES - off;
}

static int echo_config_read(struct vdev *dev, uint32_t off, void *dst, uint32_t len)
{
    struct echo *e = echo_of(dev);
    if (!in_config(off, len))
        return -EINVAL;
    pthread_mutex_lock(&e->lock);
    memcpy(dst, &e->config[off], len);
    pthread_mutex_unlock(&e->lock);
    return 0;
}

static int echo_config_write(struct vdev *dev, uint32_t off, const void *src, uint32_t len)
{
    struct echo *e = echo_of(dev);
    if (!in_config(off, len))
        return -EINVAL;
    pthread_mutex_lock(&e->lock);
    memcpy(&e->config[off], src, len);
    pthread_mutex_unlock(&e->lock);
    return 0;
}

static const struct vdev_ops echo_ops = {
    .name = "echo",
    .device_id = ECHO_DEVICE_ID,
    .max_vqs = ECHO_QUEUES,
    .features = echo_features,
    .vq_max_size = echo_vq_max_size,
    .activate = echo_activate,
    .reset = echo_reset,
    .notify = echo_notify,
    .config_read = echo_config_read,
    .config_write = echo_config_write,
};

void echo_init(struct echo *e)
{
    memset(e, 0, sizeof(*e));
    e->vdev.ops = &echo_ops;
    pthread_mutex_init(&e->lock, NULL);
    for (uint8_t i = 0; i < ECHO_CONFIG_BYTES; i++)
        e->config[i] = (uint8_t)(0xa0 + i);
}

void echo_finish(struct echo *e)
{
    pthread_mutex_destroy(&e->lock);
}
