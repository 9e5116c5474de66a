/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration space of the balloon (5.5.4): target and actual, and how long the guest takes from
 * one to the other.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <string.h>

#include "devices/balloon/balloon_priv.h"
#include "vmm/base/clock.h"

_Static_assert(sizeof(struct virtio_balloon_config) == 16, "5.5.4");
_Static_assert(offsetof(struct virtio_balloon_config, num_pages) == 0, "5.5.4");
_Static_assert(offsetof(struct virtio_balloon_config, actual) == 4, "5.5.4");

/* Caller holds change_lock. */
static void set_actual_locked(struct balloon *b, uint32_t pages)
{
    atomic_store_explicit(&b->actual, pages, memory_order_relaxed);
    if (b->change.done || pages != b->change.to)
        return;
    b->change.end_ns = clock_mono_ns();
    b->change.done = true;
}

void balloon_forget_actual(struct balloon *b)
{
    pthread_mutex_lock(&b->change_lock);
    set_actual_locked(b, 0);
    pthread_mutex_unlock(&b->change_lock);
}

void balloon_set_num_pages(struct balloon *b, uint32_t pages)
{
    pthread_mutex_lock(&b->change_lock);
    if (atomic_load_explicit(&b->num_pages, memory_order_relaxed) != pages) {
        uint32_t actual = atomic_load_explicit(&b->actual, memory_order_relaxed);
        uint64_t now = clock_mono_ns();
        b->change = (struct balloon_change){
            .from = actual, .to = pages, .start_ns = now, .end_ns = now, .done = actual == pages};
        atomic_store_explicit(&b->num_pages, pages, memory_order_relaxed);
    }
    pthread_mutex_unlock(&b->change_lock);
}

static struct virtio_balloon_config snapshot(const struct balloon *b)
{
    return (struct virtio_balloon_config){
        .num_pages = htole32(atomic_load_explicit(&b->num_pages, memory_order_relaxed)),
        .actual = htole32(atomic_load_explicit(&b->actual, memory_order_relaxed)),
    };
}

static bool inside(uint32_t off, uint32_t len)
{
    return (uint64_t)off + len <= sizeof(struct virtio_balloon_config);
}

int balloon_config_read(struct vdev *dev, uint32_t off, void *dst, uint32_t len)
{
    const struct balloon *b = container_of(dev, struct balloon, vdev);
    if (!inside(off, len))
        return -EINVAL;
    struct virtio_balloon_config cfg = snapshot(b);
    memcpy(dst, (const char *)&cfg + off, len);
    return 0;
}

int balloon_config_write(struct vdev *dev, uint32_t off, const void *src, uint32_t len)
{
    struct balloon *b = container_of(dev, struct balloon, vdev);
    if (!inside(off, len))
        return -EINVAL;
    const uint32_t first = offsetof(struct virtio_balloon_config, actual);
    const uint32_t last = first + sizeof(uint32_t);
    /* The other fields are the device's, or belong to features that are not offered. */
    if (off >= last || off + len <= first)
        return 0;
    /* Before DRIVER_OK there is no balloon to speak of, and its reset would not reach the device.
     */
    if (balloon_form(b) == BALLOON_FORM_NONE)
        return 0;
    /* Under the lock, so that a write of some of its bytes does not undo one of the others. */
    pthread_mutex_lock(&b->change_lock);
    struct virtio_balloon_config cfg = snapshot(b);
    memcpy((char *)&cfg + off, src, len);
    set_actual_locked(b, le32toh(cfg.actual));
    pthread_mutex_unlock(&b->change_lock);
    return 0;
}
