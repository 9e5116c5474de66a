// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon driver for Aerostat's balloon device: takes pages from the guest in large chunks
 * and tells the host of many of them at once, in scatter-gather chains. With a device that does
 * not offer those it sends arrays of PFNs.
 */

#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/oom.h>
#include <linux/poison.h>
#include <linux/slab.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "../include/aerostat_balloon.h"
#include "balloon.h"

static bool scatter_gather = true;
module_param(scatter_gather, bool, 0444);
MODULE_PARM_DESC(scatter_gather, "use scatter-gather chains where the device offers them (default: yes); without, PFN arrays are sent");

static unsigned int max_order = AERO_MAX_ORDER;
module_param(max_order, uint, 0444);
MODULE_PARM_DESC(max_order, "largest order of pages to allocate at once (default: the largest of the page allocator)");

static void aero_config_changed(struct virtio_device *vdev)
{
	aero_run_now(vdev->priv);
	aero_watch_now(vdev->priv);
	aero_hinting_changed(vdev->priv);
}

/* Scatter-gather under one bit at most. Without bit 62, bit 3 has the standard's meaning. */
static void aero_choose_sg(struct virtio_device *vdev)
{
	if (!scatter_gather)
		__virtio_clear_bit(vdev, AEROSTAT_BALLOON_F_SG);
	if (virtio_has_feature(vdev, AEROSTAT_BALLOON_F_SG_ON_BIT3) &&
	    (!scatter_gather || virtio_has_feature(vdev, AEROSTAT_BALLOON_F_SG))) {
		__virtio_clear_bit(vdev, AEROSTAT_BALLOON_F_SG_ON_BIT3);
		__virtio_clear_bit(vdev, AEROSTAT_BALLOON_F_SG_BIT3);
	}
	if (!virtio_has_feature(vdev, AEROSTAT_BALLOON_F_SG_BIT3))
		__virtio_clear_bit(vdev, AEROSTAT_BALLOON_F_SG_ON_BIT3);
}

/*
 * Where the kernel relies on what is in free pages, the host may take reported ones only if it
 * knows what that is (virtio 1.2, 5.5.3.1); elsewhere there is nothing to tell it.
 */
static void aero_choose_reporting(struct virtio_device *vdev)
{
	if (!IS_ENABLED(CONFIG_PAGE_REPORTING))
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
	if (!want_init_on_free() && !page_poisoning_enabled_static())
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_PAGE_POISON);
	else if (!virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
}

/* Features that the core has agreed on so far; takes back what is not wanted. */
static int aero_validate(struct virtio_device *vdev)
{
	/* Addresses are guest-physical, also with an IOMMU: the pages are given away, not read. */
	__virtio_clear_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	/* An indirect table would be allocated while the guest is out of memory. */
	__virtio_clear_bit(vdev, VIRTIO_RING_F_INDIRECT_DESC);
	aero_choose_sg(vdev);
	aero_choose_reporting(vdev);
	return 0;
}

/* Tells the host what free pages are filled with. Before DRIVER_OK (virtio 1.2, 5.5.6.6). */
static void aero_write_poison(struct aero_balloon *b)
{
	u32 value = want_init_on_free() ? 0 : PAGE_POISON * 0x01010101U;

	if (virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		virtio_cwrite_le(b->vdev, struct virtio_balloon_config, poison_val, &value);
}

static struct aero_balloon *aero_create(struct virtio_device *vdev)
{
	struct aero_balloon *b = kzalloc(sizeof(*b), GFP_KERNEL);

	if (!b)
		return NULL;
	b->vdev = vdev;
	b->scatter_gather = virtio_has_feature(vdev, AEROSTAT_BALLOON_F_SG) ||
			    virtio_has_feature(vdev, AEROSTAT_BALLOON_F_SG_ON_BIT3);
	b->free_page_hint = virtio_has_feature(vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT) &&
			    !virtio_has_feature(vdev, AEROSTAT_BALLOON_F_SG_ON_BIT3);
	b->deflate_on_oom = virtio_has_feature(vdev, VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	b->max_order = min_t(unsigned int, max_order, AERO_MAX_ORDER);
	if (!b->scatter_gather)
		b->max_order = min_t(unsigned int, b->max_order,
				     ilog2(AERO_PFNS_MAX / AERO_UNITS_PER_PAGE));
	spin_lock_init(&b->lock);
	aero_chunks_init(&b->held);
	INIT_LIST_HEAD(&b->returned);
	INIT_LIST_HEAD(&b->arrived);
	INIT_LIST_HEAD(&b->staged);
	INIT_LIST_HEAD(&b->leaving);
	init_waitqueue_head(&b->answered);
	b->oom_nb.notifier_call = aero_oom;
	aero_work_init(b);
	/* While the guest is being suspended the balloon does not allocate. */
	b->wq = alloc_ordered_workqueue("aerostat_balloon", WQ_FREEZABLE);
	if (!b->wq) {
		kfree(b);
		return NULL;
	}
	return b;
}

static void aero_destroy(struct aero_balloon *b)
{
	destroy_workqueue(b->wq);
	kfree(b);
}

/* Sets the device to work. Returns 0 or -errno; then the device is not in use. */
static int aero_start(struct aero_balloon *b)
{
	int err;

	b->stopping = false;
	b->over = false;
	b->reported_pages = 0;
	b->oom_until = jiffies;
	aero_stats_init(&b->stats);
	aero_reporting_init(&b->reporting);
	aero_hinting_init(&b->hinting);
	err = aero_transport_init(b, aero_answer);
	if (err)
		goto stopped;
	err = aero_hinting_prepare(b);
	if (err)
		goto finish_transport;
	if (b->deflate_on_oom) {
		err = register_oom_notifier(&b->oom_nb);
		if (err)
			goto stop_hinting;
	}
	aero_write_poison(b);
	virtio_device_ready(b->vdev);
	aero_run_now(b);
	aero_stats_start(b);
	aero_hinting_changed(b);
	aero_reporting_start(b);
	return 0;

stop_hinting:
	aero_hinting_stop(b);
finish_transport:
	aero_transport_finish(b);
stopped:
	b->stopping = true;
	b->over = true;
	return err;
}

/* What begins something new. Until the device is reset, its answers may queue it again. */
static void aero_stop_work(struct aero_balloon *b)
{
	cancel_delayed_work_sync(&b->work);
	aero_stats_stop(b);
}

/* Ends the device's claim on whatever it has. The queues are there still, and lead nowhere. */
static void aero_reset(struct aero_balloon *b)
{
	virtio_reset_device(b->vdev);
	aero_migration_stop(b);
}

void aero_stop(struct aero_balloon *b, bool drain)
{
	unsigned int order;

	WRITE_ONCE(b->stopping, true);
	/*
	 * A migration holds page locks, and can be the work function's own or what it waits for: it
	 * ends first.
	 */
	drain = drain && aero_migration_wait(b);
	if (!drain)
		aero_reset(b);
	if (b->deflate_on_oom)
		unregister_oom_notifier(&b->oom_nb);
	aero_stop_work(b);
	aero_hinting_stop(b);
	aero_unstage(b);
	if (drain) {
		aero_drain(b);
		aero_reset(b);
	}
	aero_reporting_stop(b);
	aero_transport_finish(b);
	aero_stop_work(b);
	aero_hinting_finish(b);
	aero_migration_finish(b);

	aero_free_returned(b);
	aero_free_chunks(b, &b->leaving);
	b->leaving_pages = 0;
	for (order = 0; order <= AERO_MAX_ORDER; order++) {
		aero_free_chunks(b, &b->held.by_order[order]);
		b->held.count[order] = 0;
	}
	b->held.pages = 0;
}

static int aero_probe(struct virtio_device *vdev)
{
	struct aero_balloon *b = aero_create(vdev);
	int err;

	if (!b)
		return -ENOMEM;
	vdev->priv = b;
	err = aero_start(b);
	if (err)
		aero_destroy(b);
	else
		aero_debug_create(b);
	return err;
}

/* Unless that was done already: because the device did not answer, or could not be restored. */
static void aero_stop_once(struct aero_balloon *b)
{
	/* Nothing new is sent while this waits for one that is at its end. */
	WRITE_ONCE(b->stopping, true);
	cancel_delayed_work_sync(&b->watch);
	if (!b->over)
		aero_stop(b, true);
	/* What was sent meanwhile may have queued it once more. */
	cancel_delayed_work_sync(&b->watch);
}

static void aero_remove(struct virtio_device *vdev)
{
	struct aero_balloon *b = vdev->priv;

	aero_debug_remove(b);
	aero_stop_once(b);
	aero_destroy(b);
}

#ifdef CONFIG_PM_SLEEP
/* A suspended guest has no balloon: an image would lack its pages, and the device forgets them. */
static int aero_freeze(struct virtio_device *vdev)
{
	aero_stop_once(vdev->priv);
	return 0;
}

static int aero_restore(struct virtio_device *vdev)
{
	return aero_start(vdev->priv);
}
#endif

static const struct virtio_device_id aero_ids[] = {
	{ VIRTIO_ID_BALLOON, AEROSTAT_VIRTIO_VENDOR_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, aero_ids);

static const unsigned int aero_features[] = {
	VIRTIO_BALLOON_F_MUST_TELL_HOST,
	VIRTIO_BALLOON_F_STATS_VQ,
	VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
	VIRTIO_BALLOON_F_FREE_PAGE_HINT, /* or AEROSTAT_BALLOON_F_SG_BIT3 */
	VIRTIO_BALLOON_F_PAGE_POISON,
	VIRTIO_BALLOON_F_REPORTING,
	AEROSTAT_BALLOON_F_SG_ON_BIT3,
	AEROSTAT_BALLOON_F_SG,
};

static struct virtio_driver aero_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = aero_ids,
	.feature_table = aero_features,
	.feature_table_size = ARRAY_SIZE(aero_features),
	.validate = aero_validate,
	.probe = aero_probe,
	.remove = aero_remove,
	.config_changed = aero_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = aero_freeze,
	.restore = aero_restore,
#endif
};
module_virtio_driver(aero_driver);

MODULE_DESCRIPTION("Aerostat balloon driver: scatter-gather inflation by large chunks");
MODULE_LICENSE("GPL");
