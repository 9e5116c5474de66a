/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mmio: the register file (4.2.2). What is illegal reads as zero or is ignored, and is
 * counted.
 */
#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio/mmio_priv.h"

/* MagicValue: "virt" as a little-endian word (4.2.2). <linux/virtio_mmio.h> has the offset only. */
#define MAGIC_VALUE      UINT32_C(0x74726976)
#define REGISTER_VERSION UINT32_C(2)
/* What SHMLen and SHMBase read as when there is no such region (4.2.2). */
#define NO_SHM_REGION UINT32_C(0xffffffff)

/* The largest size of the selected queue, or 0 when it does not exist. */
static uint16_t selected_max(const struct vmmio *t)
{
    const struct vdev_ops *ops = t->dev->ops;
    if (t->regs.queue_sel >= ops->max_vqs)
        return 0;
    return ops->vq_max_size(t->dev, t->regs.features, (uint16_t)t->regs.queue_sel);
}

static uint32_t word_of(uint64_t v, uint32_t sel)
{
    return sel < 2 ? (uint32_t)(v >> (32 * sel)) : 0;
}

static void set_word(uint64_t *v, uint32_t sel, uint32_t word)
{
    unsigned shift = 32 * sel;
    *v = (*v & ~(UINT64_C(0xffffffff) << shift)) | ((uint64_t)word << shift);
}

/* False when there is no such register or it cannot be read. Caller holds leaf. */
static bool read_register(const struct vmmio *t, uint64_t offset, uint32_t *out)
{
    const struct vmmio_regs *regs = &t->regs;
    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE:
        *out = MAGIC_VALUE;
        return true;
    case VIRTIO_MMIO_VERSION:
        *out = REGISTER_VERSION;
        return true;
    case VIRTIO_MMIO_DEVICE_ID:
        *out = t->dev->ops->device_id;
        return true;
    case VIRTIO_MMIO_VENDOR_ID:
        *out = VMMIO_VENDOR_ID;
        return true;
    case VIRTIO_MMIO_DEVICE_FEATURES:
        *out = word_of(t->offered, regs->device_features_sel);
        return true;
    /*
     * For a queue that does not exist these two are 0, which is how drivers look for queues
     * (4.2.3.2).
     */
    case VIRTIO_MMIO_QUEUE_NUM_MAX:
        *out = selected_max(t);
        return true;
    case VIRTIO_MMIO_QUEUE_READY:
        *out = regs->queue_sel < VDEV_MAX_VQS && regs->queue[regs->queue_sel].ready;
        return true;
    case VIRTIO_MMIO_INTERRUPT_STATUS:
        *out = regs->interrupt_status;
        return true;
    case VIRTIO_MMIO_STATUS:
        *out = vmmio_status(t);
        return true;
    case VIRTIO_MMIO_SHM_LEN_LOW:
    case VIRTIO_MMIO_SHM_LEN_HIGH:
    case VIRTIO_MMIO_SHM_BASE_LOW:
    case VIRTIO_MMIO_SHM_BASE_HIGH:
        *out = NO_SHM_REGION;
        return true;
    case VIRTIO_MMIO_CONFIG_GENERATION:
        *out = atomic_load_explicit(&t->generation, memory_order_acquire);
        return true;
    default:
        return false;
    }
}

/* Queues are laid out between FEATURES_OK and DRIVER_OK, and at no other time. */
static bool queues_are_open(const struct vmmio *t)
{
    return vmmio_has_status(t, VIRTIO_CONFIG_S_FEATURES_OK) &&
           !vmmio_has_status(t, VIRTIO_CONFIG_S_DRIVER_OK);
}

static bool write_queue_num(struct vmmio *t, uint32_t value)
{
    if (!queues_are_open(t) || value == 0 || value > selected_max(t) || (value & (value - 1)) != 0)
        return false;
    struct vmmio_queue_regs *queue = &t->regs.queue[t->regs.queue_sel];
    if (queue->ready)
        return false;
    queue->num = (uint16_t)value;
    return true;
}

static bool write_queue_ready(struct vmmio *t, uint32_t value)
{
    bool exists = selected_max(t) > 0;
    struct vmmio_queue_regs *queue = exists ? &t->regs.queue[t->regs.queue_sel] : NULL;
    /* Drivers take queues down after the reset that has taken them down already. */
    if (value == 0 && (!exists || !queue->ready))
        return true;
    if (!exists || !queues_are_open(t) || value > 1 || (value == 1 && queue->num == 0))
        return false;
    queue->ready = value == 1;
    return true;
}

static bool write_queue_address(struct vmmio *t, uint64_t offset, uint32_t value)
{
    if (!queues_are_open(t) || selected_max(t) == 0 || t->regs.queue[t->regs.queue_sel].ready)
        return false;
    struct vmmio_queue_regs *queue = &t->regs.queue[t->regs.queue_sel];
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        set_word(&queue->desc_gpa, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
        return true;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
        set_word(&queue->avail_gpa, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
        return true;
    default:
        set_word(&queue->used_gpa, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
        return true;
    }
}

static bool write_driver_features(struct vmmio *t, uint32_t value)
{
    /* Frozen by FEATURES_OK (2.2.1, 3.1.1). Words above bit 63 hold nothing that was offered. */
    if (!vmmio_has_status(t, VIRTIO_CONFIG_S_DRIVER) ||
        vmmio_has_status(t, VIRTIO_CONFIG_S_FEATURES_OK))
        return false;
    if (t->regs.driver_features_sel > 1)
        return value == 0;
    set_word(&t->regs.driver_features, t->regs.driver_features_sel, value);
    return true;
}

static bool write_queue_notify(struct vmmio *t, uint32_t value)
{
    if (value >= t->dev->ops->max_vqs || !t->regs.queue[value].ready)
        return false;
    uint64_t one = 1;
    ssize_t ignored = write(t->kick[value].fd, &one, sizeof(one));
    (void)ignored; /* EAGAIN: the counter is full, so the owner has a turn coming already. */
    return true;
}

static bool write_interrupt_ack(struct vmmio *t, uint32_t value)
{
    t->regs.interrupt_status &= ~value;
    return (value & ~(uint32_t)(VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG)) == 0;
}

/*
 * Status is not here: it must not be written with leaf held. False when the write is illegal.
 * Caller holds leaf.
 */
static bool write_register(struct vmmio *t, uint64_t offset, uint32_t value)
{
    struct vmmio_regs *regs = &t->regs;
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        regs->device_features_sel = value;
        return true;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        regs->driver_features_sel = value;
        return true;
    case VIRTIO_MMIO_DRIVER_FEATURES:
        return write_driver_features(t, value);
    case VIRTIO_MMIO_QUEUE_SEL:
        regs->queue_sel = value;
        return value < t->dev->ops->max_vqs;
    case VIRTIO_MMIO_QUEUE_NUM:
        return write_queue_num(t, value);
    case VIRTIO_MMIO_QUEUE_READY:
        return write_queue_ready(t, value);
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
    case VIRTIO_MMIO_QUEUE_USED_LOW:
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
        return write_queue_address(t, offset, value);
    case VIRTIO_MMIO_QUEUE_NOTIFY:
        return write_queue_notify(t, value);
    case VIRTIO_MMIO_INTERRUPT_ACK:
        return write_interrupt_ack(t, value);
    case VIRTIO_MMIO_SHM_SEL: /* No region exists, whichever is selected. */
        return true;
    default:
        return false;
    }
}

/* Registers take aligned 32-bit accesses only (4.2.2.2). */
static bool is_register_access(uint64_t offset, uint32_t len)
{
    return len == 4 && offset < VIRTIO_MMIO_CONFIG && offset % 4 == 0;
}

static bool is_config_access(uint64_t offset, uint32_t len)
{
    return (len == 1 || len == 2 || len == 4 || len == 8) && offset >= VIRTIO_MMIO_CONFIG &&
           offset <= VMMIO_WINDOW_SIZE - len;
}

void vmmio_read(struct vmmio *transport, uint64_t offset, void *dst, uint32_t len)
{
    memset(dst, 0, len);
    bool ok = false;
    if (is_register_access(offset, len)) {
        uint32_t value = 0;
        pthread_mutex_lock(&transport->leaf);
        ok = read_register(transport, offset, &value);
        pthread_mutex_unlock(&transport->leaf);
        value = htole32(value);
        memcpy(dst, &value, sizeof(value));
    } else if (is_config_access(offset, len)) {
        struct vdev *dev = transport->dev;
        ok = dev->ops->config_read(dev, (uint32_t)(offset - VIRTIO_MMIO_CONFIG), dst, len) == 0;
        if (!ok)
            memset(dst, 0, len);
    }
    if (!ok)
        vmmio_count_bad(transport);
}

void vmmio_write(struct vmmio *transport, uint64_t offset, const void *src, uint32_t len)
{
    bool ok = false;
    if (is_register_access(offset, len)) {
        uint32_t value;
        memcpy(&value, src, sizeof(value));
        value = le32toh(value);
        if (offset == VIRTIO_MMIO_STATUS) {
            vmmio_write_status(transport, value); /* counts for itself */
            return;
        }
        pthread_mutex_lock(&transport->leaf);
        ok = write_register(transport, offset, value);
        pthread_mutex_unlock(&transport->leaf);
    } else if (is_config_access(offset, len)) {
        struct vdev *dev = transport->dev;
        atomic_store_explicit(&transport->configured, true, memory_order_relaxed);
        ok = dev->ops->config_write(dev, (uint32_t)(offset - VIRTIO_MMIO_CONFIG), src, len) == 0;
    }
    if (!ok)
        vmmio_count_bad(transport);
}
