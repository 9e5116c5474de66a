/* SPDX-License-Identifier: GPL-2.0-only */
/* The differences between the kernels this driver builds for: Linux 6.1 and later. */
#ifndef AERO_COMPAT_H
#define AERO_COMPAT_H

#include <linux/mmzone.h>
#include <linux/version.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

/*
 * The largest order the page allocator hands out. Before Linux 6.4 MAX_ORDER was one above it,
 * until 6.8 it was that order itself; then it was renamed.
 */
#ifdef MAX_PAGE_ORDER
#define AERO_MAX_ORDER MAX_PAGE_ORDER
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define AERO_MAX_ORDER MAX_ORDER
#else
#define AERO_MAX_ORDER (MAX_ORDER - 1)
#endif

/* Finds the two queues, both with @callback. Linux 6.11 changed how their names are passed. */
static inline int aero_find_vqs(struct virtio_device *vdev, struct virtqueue *vqs[2],
				vq_callback_t *callback)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	struct virtqueue_info info[] = {
		{ .name = "inflate", .callback = callback },
		{ .name = "deflate", .callback = callback },
	};

	return virtio_find_vqs(vdev, ARRAY_SIZE(info), vqs, info, NULL);
#else
	static const char * const names[] = { "inflate", "deflate" };
	vq_callback_t *callbacks[] = { callback, callback };

	return virtio_find_vqs(vdev, ARRAY_SIZE(names), vqs, callbacks, names, NULL);
#endif
}

#endif
