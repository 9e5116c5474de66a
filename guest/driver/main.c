// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon driver for Aerostat's balloon device: takes pages from the guest in large chunks
 * and tells the host of many of them at once, in scatter-gather chains. With a device that does
 * not offer those it sends arrays of PFNs.
 */

#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/oom.h>
#include <linux/poison.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "../include/aerostat_balloon.h"
#include "balloon.h"

/* When nothing can be allocated. */
#define AERO_RETRY msecs_to_jiffies(200)
/* After the guest ran out of memory, the balloon leaves it alone for so long. */
#define AERO_OOM_PAUSE (10 * HZ)
/* Given back at least, where requests are small: a guest in need is not fed by the spoonful. */
#define AERO_OOM_PAGES (SZ_64M >> PAGE_SHIFT)
/* A device that leaves a request unanswered for so long is dead; as AERO_OOM_ANSWER. */
#define AERO_UNLOAD_ANSWER (10 * HZ)

static bool scatter_gather = true;
module_param(scatter_gather, bool, 0444);
MODULE_PARM_DESC(scatter_gather, "use scatter-gather chains where the device offers them (default: yes); without, PFN arrays are sent");

static unsigned int max_order = AERO_MAX_ORDER;
module_param(max_order, uint, 0444);
MODULE_PARM_DESC(max_order, "largest order of pages to allocate at once (default: the largest of the page allocator)");

static void aero_run_now(struct aero_balloon *b)
{
	if (!READ_ONCE(b->stopping))
		mod_delayed_work(b->wq, &b->work, 0);
}

/* Unlike mod_delayed_work() this does not put off a run that is already due. */
static void aero_run_later(struct aero_balloon *b, unsigned long delay)
{
	if (!READ_ONCE(b->stopping))
		queue_delayed_work(b->wq, &b->work, delay);
}

static void aero_answer(struct virtqueue *vq)
{
	struct aero_balloon *b = vq->vdev->priv;

	wake_up(&b->answered);
	aero_run_now(b);
}

static void aero_config_changed(struct virtio_device *vdev)
{
	aero_run_now(vdev->priv);
	aero_hinting_changed(vdev->priv);
}

/* Pages to inflate to reach the target; negative: to deflate. Requests in flight count as done. */
static long aero_gap(struct aero_balloon *b)
{
	unsigned long held;
	u32 units;

	virtio_cread_le(b->vdev, struct virtio_balloon_config, num_pages, &units);
	spin_lock(&b->lock);
	held = b->held.pages + b->inflate.pages_in_flight;
	spin_unlock(&b->lock);
	return (long)(units / AERO_UNITS_PER_PAGE) - (long)held;
}

/* Writes actual. A page counts from the answer to its inflation to that to its deflation. */
static void aero_write_actual(struct aero_balloon *b)
{
	unsigned long pages;
	u32 units;

	spin_lock(&b->lock);
	pages = b->held.pages + b->deflate.pages_in_flight;
	spin_unlock(&b->lock);
	if (pages == b->reported_pages)
		return;
	units = (u32)(pages * AERO_UNITS_PER_PAGE);
	virtio_cwrite_le(b->vdev, struct virtio_balloon_config, actual, &units);
	b->reported_pages = pages;
}

static void aero_settle(struct aero_balloon *b)
{
	aero_reap(b);
	aero_free_returned(b);
	aero_write_actual(b);
}

/* One request's worth. Returns false when the next one has to wait for an answer or for memory. */
static bool aero_inflate(struct aero_balloon *b, unsigned long want)
{
	unsigned long oom_until = READ_ONCE(b->oom_until);
	struct aero_request *req;

	if (time_before(jiffies, oom_until)) {
		aero_unstage(b);
		aero_run_later(b, oom_until - jiffies);
		return false;
	}
	req = aero_request_get(b, &b->inflate, false);
	if (!req)
		return false;
	if (list_empty(&b->staged) && !aero_stage(b, want)) {
		aero_request_put(b, req);
		aero_run_later(b, AERO_RETRY);
		return false;
	}
	aero_request_fill(b, req, &b->staged);
	b->staged_pages -= req->pages;
	if (!aero_submit(b, &b->inflate, req))
		return true;
	/* The host has not heard of these. */
	aero_request_put(b, req);
	return false;
}

static void aero_work(struct work_struct *work)
{
	struct aero_balloon *b = container_of(to_delayed_work(work), struct aero_balloon, work);
	bool more = true;

	while (more && !READ_ONCE(b->stopping)) {
		long gap;

		aero_settle(b);
		gap = aero_gap(b);
		if ((long)b->staged_pages > max(gap, 0L))
			aero_unstage(b);
		if (gap > 0)
			more = aero_inflate(b, gap);
		else
			more = gap < 0 && aero_send_back(b, -gap, false) > 0;
		cond_resched();
	}
}

static bool aero_oom_answered(struct aero_balloon *b)
{
	bool answered;

	/* The work function has to see to what was reaped here. */
	if (aero_reap(b))
		aero_run_now(b);
	spin_lock(&b->lock);
	answered = !b->deflate.requests[0].busy;
	spin_unlock(&b->lock);
	return answered;
}

/*
 * The guest is about to kill a process for want of memory: gives it as much as one chain carries.
 * Allocates nothing and waits for nobody but the host, so that it cannot depend on the memory it is
 * to bring.
 */
static int aero_oom(struct notifier_block *nb, unsigned long unused, void *parm)
{
	struct aero_balloon *b = container_of(nb, struct aero_balloon, oom_nb);
	unsigned long *freed = parm;
	unsigned long pages, total = 0;

	/* Hinted pages were enough. */
	if (*freed)
		return NOTIFY_OK;
	b->oom_calls++;
	WRITE_ONCE(b->oom_until, jiffies + AERO_OOM_PAUSE);
	/* The work function frees what it had allocated and not yet sent. */
	aero_run_now(b);
	do {
		pages = aero_send_back(b, ULONG_MAX, true);
		if (!pages ||
		    !wait_event_timeout(b->answered, aero_oom_answered(b), AERO_OOM_ANSWER))
			break;
		total += pages;
	} while (total < AERO_OOM_PAGES);
	aero_free_returned(b);
	*freed += total;
	b->oom_pages += total;
	return NOTIFY_OK;
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
	INIT_LIST_HEAD(&b->staged);
	init_waitqueue_head(&b->answered);
	INIT_DELAYED_WORK(&b->work, aero_work);
	aero_stats_init(&b->stats);
	aero_reporting_init(&b->reporting);
	aero_hinting_init(&b->hinting);
	b->oom_until = jiffies;
	b->wq = alloc_ordered_workqueue("aerostat_balloon", 0);
	if (!b->wq) {
		kfree(b);
		return NULL;
	}
	return b;
}

static int aero_probe(struct virtio_device *vdev)
{
	struct aero_balloon *b = aero_create(vdev);
	int err;

	if (!b)
		return -ENOMEM;
	vdev->priv = b;
	err = aero_transport_init(b, aero_answer);
	if (err)
		goto free_balloon;
	err = aero_hinting_prepare(b);
	if (err)
		goto finish_transport;
	if (b->deflate_on_oom) {
		b->oom_nb.notifier_call = aero_oom;
		err = register_oom_notifier(&b->oom_nb);
		if (err)
			goto stop_hinting;
	}
	aero_write_poison(b);
	aero_debug_create(b);
	virtio_device_ready(vdev);
	aero_run_now(b);
	aero_stats_start(b);
	aero_hinting_changed(b);
	aero_reporting_start(b);
	return 0;

stop_hinting:
	aero_hinting_stop(b);
finish_transport:
	aero_transport_finish(b);
free_balloon:
	destroy_workqueue(b->wq);
	kfree(b);
	return err;
}

static bool aero_empty(struct aero_balloon *b)
{
	bool empty;

	spin_lock(&b->lock);
	empty = !b->held.pages && !b->inflate.pages_in_flight && !b->deflate.pages_in_flight;
	spin_unlock(&b->lock);
	return empty;
}

/*
 * Takes all pages back in the order that MUST_TELL_HOST wants. Gives up on a device that leaves
 * requests unanswered: the reset that follows ends its claim on them.
 */
static void aero_drain(struct aero_balloon *b)
{
	aero_unstage(b);
	for (;;) {
		aero_settle(b);
		if (aero_empty(b))
			return;
		while (aero_send_back(b, ULONG_MAX, false))
			;
		if (virtqueue_is_broken(b->deflate.vq) ||
		    !wait_event_timeout(b->answered, aero_reap(b), AERO_UNLOAD_ANSWER))
			break;
	}
	dev_warn(&b->vdev->dev, "the device does not answer; resetting it with %lu pages in the balloon\n",
		 b->held.pages + b->inflate.pages_in_flight + b->deflate.pages_in_flight);
}

static void aero_remove(struct virtio_device *vdev)
{
	struct aero_balloon *b = vdev->priv;
	unsigned int order;

	WRITE_ONCE(b->stopping, true);
	if (b->deflate_on_oom)
		unregister_oom_notifier(&b->oom_nb);
	cancel_delayed_work_sync(&b->work);
	aero_stats_stop(b);
	aero_hinting_stop(b);
	aero_debug_remove(b);
	aero_drain(b);

	virtio_reset_device(vdev);
	aero_reporting_stop(b);
	aero_transport_finish(b);
	/* No callback can queue them again now. */
	cancel_delayed_work_sync(&b->work);
	aero_stats_stop(b);
	aero_hinting_finish(b);
	destroy_workqueue(b->wq);
	aero_free_returned(b);
	for (order = 0; order <= AERO_MAX_ORDER; order++)
		aero_free_chunks(b, &b->held.by_order[order]);
	kfree(b);
}

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
};
module_virtio_driver(aero_driver);

MODULE_DESCRIPTION("Aerostat balloon driver: scatter-gather inflation by large chunks");
MODULE_LICENSE("GPL");
