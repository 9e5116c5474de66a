// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free page reporting (virtio 1.2, 5.5.6.7): the kernel takes free pages out of its lists, names
 * them to the host in one chain, and puts them back once the host has used that.
 */

#include <linux/page_reporting.h>

#include "balloon.h"

/* Takes the answer. A reset device has given up what it had without one. */
static bool aero_report_answered(struct aero_reporting *r)
{
	unsigned int len;

	return virtqueue_get_buf(r->vq, &len) || READ_ONCE(r->over);
}

/*
 * There is one report at a time. However long the host takes, the pages must not be used before it
 * has answered, so this cannot give up; what ends the wait is the reset in the driver's removal.
 */
static int aero_report(struct page_reporting_dev_info *dev, struct scatterlist *sg,
		       unsigned int nents)
{
	struct aero_reporting *r = container_of(dev, struct aero_reporting, dev);
	struct aero_balloon *b = container_of(r, struct aero_balloon, reporting);
	struct scatterlist *entry;
	unsigned int i;
	int err;

	if (READ_ONCE(b->stopping))
		return -ENODEV;
	err = virtqueue_add_inbuf(r->vq, sg, nents, r, GFP_NOWAIT | __GFP_NOWARN);
	if (err) {
		dev_warn_ratelimited(&b->vdev->dev,
				     "the report queue did not take a buffer: %d\n", err);
		return err;
	}
	virtqueue_kick(r->vq);
	wait_event_idle(r->answered, aero_report_answered(r));
	if (READ_ONCE(r->over))
		return -ENODEV;

	r->reports++;
	for_each_sg(sg, entry, nents, i)
		r->pages += entry->length >> PAGE_SHIFT;
	return 0;
}

void aero_reporting_init(struct aero_reporting *r)
{
	init_waitqueue_head(&r->answered);
	r->dev.report = aero_report;
	r->registered = false;
	r->over = false;
}

void aero_reporting_start(struct aero_balloon *b)
{
	struct aero_reporting *r = &b->reporting;
	unsigned int ring;
	int err;

	if (!IS_ENABLED(CONFIG_PAGE_REPORTING) || !r->vq)
		return;
	ring = virtqueue_get_vring_size(r->vq);
	if (ring < PAGE_REPORTING_CAPACITY) {
		dev_warn(&b->vdev->dev,
			 "no free page reporting: its queue has %u entries, and needs %u\n", ring,
			 PAGE_REPORTING_CAPACITY);
		return;
	}
	err = page_reporting_register(&r->dev);
	if (err) {
		dev_warn(&b->vdev->dev, "no free page reporting: registering failed: %d\n", err);
		return;
	}
	r->registered = true;
}

void aero_report_answer(struct virtqueue *vq)
{
	struct aero_balloon *b = vq->vdev->priv;

	wake_up(&b->reporting.answered);
}

void aero_reporting_stop(struct aero_balloon *b)
{
	struct aero_reporting *r = &b->reporting;

	WRITE_ONCE(r->over, true);
	wake_up(&r->answered);
	if (IS_ENABLED(CONFIG_PAGE_REPORTING) && r->registered)
		page_reporting_unregister(&r->dev);
}
