/* SPDX-License-Identifier: GPL-2.0-only */
/* The differences between the kernels this driver builds for: Linux 6.1 and later. */
#ifndef AERO_COMPAT_H
#define AERO_COMPAT_H

#include <linux/mmzone.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/virtio.h>
#include <linux/virtio_balloon.h>
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

/*
 * Tags of statistics that Linux 6.12 named. Earlier kernels count the same things, and a device
 * that does not know a tag ignores it (virtio 1.2, 5.5.6.3).
 */
#ifndef VIRTIO_BALLOON_S_OOM_KILL
#define VIRTIO_BALLOON_S_OOM_KILL 10
#define VIRTIO_BALLOON_S_ALLOC_STALL 11
#define VIRTIO_BALLOON_S_ASYNC_SCAN 12
#define VIRTIO_BALLOON_S_DIRECT_SCAN 13
#define VIRTIO_BALLOON_S_ASYNC_RECLAIM 14
#define VIRTIO_BALLOON_S_DIRECT_RECLAIM 15
#endif

/* The queues of the standard (virtio 1.2, 5.5.2), in the order of their numbers. */
enum {
	AERO_VQ_INFLATE,
	AERO_VQ_DEFLATE,
	AERO_VQ_STATS,
	AERO_VQ_HINT,
	AERO_VQ_REPORT,
	AERO_VQS,
};

/*
 * Finds those queues that have a name; the others are NULL then, and not counted in the numbers of
 * those after them. Linux 6.11 changed how names and callbacks are passed.
 */
static inline int aero_find_vqs(struct virtio_device *vdev, struct virtqueue *vqs[AERO_VQS],
				const char *const names[AERO_VQS],
				vq_callback_t *const callbacks[AERO_VQS])
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	struct virtqueue_info info[AERO_VQS] = {};
	int i;

	for (i = 0; i < AERO_VQS; i++) {
		info[i].name = names[i];
		info[i].callback = callbacks[i];
	}
	return virtio_find_vqs(vdev, AERO_VQS, vqs, info, NULL);
#else
	vq_callback_t *own[AERO_VQS];

	memcpy(own, callbacks, sizeof(own));
	return virtio_find_vqs(vdev, AERO_VQS, vqs, own, names, NULL);
#endif
}

typedef unsigned long aero_shrink_fn(struct shrinker *s, struct shrink_control *sc);

/* Since Linux 6.7 the kernel allocates shrinkers, and they have a pointer for their owner. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *aero_shrinker_create(const char *name, aero_shrink_fn *count,
						    aero_shrink_fn *scan, void *owner)
{
	struct shrinker *s = shrinker_alloc(0, "%s", name);

	if (!s)
		return NULL;
	s->count_objects = count;
	s->scan_objects = scan;
	s->private_data = owner;
	shrinker_register(s);
	return s;
}

static inline void *aero_shrinker_owner(struct shrinker *s)
{
	return s->private_data;
}

/* Accepts NULL. */
static inline void aero_shrinker_destroy(struct shrinker *s)
{
	shrinker_free(s);
}
#else
struct aero_shrinker {
	struct shrinker shrinker;
	void *owner;
};

static inline struct shrinker *aero_shrinker_create(const char *name, aero_shrink_fn *count,
						    aero_shrink_fn *scan, void *owner)
{
	struct aero_shrinker *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->shrinker.count_objects = count;
	s->shrinker.scan_objects = scan;
	s->shrinker.seeks = DEFAULT_SEEKS;
	s->owner = owner;
	if (register_shrinker(&s->shrinker, "%s", name)) {
		kfree(s);
		return NULL;
	}
	return &s->shrinker;
}

static inline void *aero_shrinker_owner(struct shrinker *s)
{
	return container_of(s, struct aero_shrinker, shrinker)->owner;
}

/* Accepts NULL. */
static inline void aero_shrinker_destroy(struct shrinker *s)
{
	if (!s)
		return;
	unregister_shrinker(s);
	kfree(container_of(s, struct aero_shrinker, shrinker));
}
#endif

#endif
