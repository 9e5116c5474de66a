/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration space of the balloon (5.5.4), served on the vCPU's thread. */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <string.h>

#include "devices/balloon/balloon_priv.h"

_Static_assert(sizeof(struct virtio_balloon_config) == 16, "5.5.4");
_Static_assert(offsetof(struct virtio_balloon_config, num_pages) == 0, "5.5.4");
_Static_assert(offsetof(struct virtio_balloon_config, actual) == 4, "5.5.4");
_Static_assert(offsetof(struct virtio_balloon_config, free_page_hint_cmd_id) == 8, "5.5.4");
_Static_assert(offsetof(struct virtio_balloon_config, poison_val) == 12, "5.5.4");

static struct virtio_balloon_config snapshot(const struct balloon *b)
{
    return (struct virtio_balloon_config){
        .num_pages = htole32(atomic_load_explicit(&b->num_pages, memory_order_relaxed)),
        .actual = htole32(atomic_load_explicit(&b->actual, memory_order_relaxed)),
        .free_page_hint_cmd_id = htole32(atomic_load_explicit(&b->hint_cmd, memory_order_relaxed)),
        .poison_val = htole32(atomic_load_explicit(&b->poison_val, memory_order_relaxed)),
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

/* True if an access to [off, off + len) touches the 32-bit field at field. */
static bool touches(uint32_t off, uint32_t len, size_t field)
{
    return len > 0 && off < field + sizeof(uint32_t) && off + len > field;
}

/*
 * actual is the driver's while it runs: before DRIVER_OK there is no balloon to speak of, and the
 * device would not hear of a reset. poison_val is set before DRIVER_OK and never after (5.5.6.6).
 * The other fields are the device's, and writes to them are ignored.
 */
int balloon_config_write(struct vdev *dev, uint32_t off, const void *src, uint32_t len)
{
    struct balloon *b = container_of(dev, struct balloon, vdev);
    if (!inside(off, len))
        return -EINVAL;
    bool poison = touches(off, len, offsetof(struct virtio_balloon_config, poison_val));
    /* Under the lock, so that a write of some of its bytes does not undo one of the others. */
    pthread_mutex_lock(&b->lock);
    bool running = balloon_form(b) != BALLOON_FORM_NONE;
    struct virtio_balloon_config cfg = snapshot(b);
    memcpy((char *)&cfg + off, src, len);
    if (running && touches(off, len, offsetof(struct virtio_balloon_config, actual)))
        balloon_set_actual_locked(b, le32toh(cfg.actual));
    if (!running && poison)
        atomic_store_explicit(&b->poison_val, le32toh(cfg.poison_val), memory_order_relaxed);
    pthread_mutex_unlock(&b->lock);
    return running && poison ? -EINVAL : 0;
}
