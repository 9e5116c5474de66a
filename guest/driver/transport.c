// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which queues there are; and requests on inflate and deflate: chains whose descriptors are the
 * ranges, or arrays of PFNs.
 */

#include <linux/io.h>
#include <linux/slab.h>

#include "balloon.h"

/* The longest range of whole units that fits a descriptor's 32-bit length (virtio 1.2, 2.7.5). */
#define AERO_RANGE_MAX (U32_MAX - (1U << AERO_UNIT_SHIFT) + 1)

static int aero_queue_init(struct aero_balloon *b, struct aero_queue *q)
{
	int i;

	for (i = 0; i < AERO_REQUESTS; i++) {
		struct aero_request *req = &q->requests[i];

		INIT_LIST_HEAD(&req->chunks);
		req->sg = kcalloc(b->max_ranges, sizeof(*req->sg), GFP_KERNEL);
		if (!req->sg)
			return -ENOMEM;
		if (b->scatter_gather)
			continue;
		req->pfns = kcalloc(AERO_PFNS_MAX, sizeof(*req->pfns), GFP_KERNEL);
		if (!req->pfns)
			return -ENOMEM;
	}
	return 0;
}

static void aero_queue_finish(struct aero_queue *q)
{
	int i;

	for (i = 0; i < AERO_REQUESTS; i++) {
		kfree(q->requests[i].sg);
		kfree(q->requests[i].pfns);
	}
}

/* Which queues there are is a matter of features (virtio 1.2, 5.5.2). */
static int aero_queues_find(struct aero_balloon *b, vq_callback_t *callback)
{
	const char *names[AERO_VQS] = {
		[AERO_VQ_INFLATE] = "inflate",
		[AERO_VQ_DEFLATE] = "deflate",
	};
	vq_callback_t *callbacks[AERO_VQS] = {
		[AERO_VQ_INFLATE] = callback,
		[AERO_VQ_DEFLATE] = callback,
		[AERO_VQ_STATS] = aero_stats_answer,
		[AERO_VQ_HINT] = aero_hint_answer,
		[AERO_VQ_REPORT] = aero_report_answer,
	};
	struct virtqueue *vqs[AERO_VQS];
	int err;

	if (virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_STATS_VQ))
		names[AERO_VQ_STATS] = "stats";
	if (b->free_page_hint)
		names[AERO_VQ_HINT] = "free_page";
	if (virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_REPORTING))
		names[AERO_VQ_REPORT] = "reporting";

	err = aero_find_vqs(b->vdev, vqs, names, callbacks);
	if (err)
		return err;
	b->inflate.vq = vqs[AERO_VQ_INFLATE];
	b->deflate.vq = vqs[AERO_VQ_DEFLATE];
	b->stats.vq = vqs[AERO_VQ_STATS];
	b->hinting.vq = vqs[AERO_VQ_HINT];
	b->reporting.vq = vqs[AERO_VQ_REPORT];
	return 0;
}

int aero_transport_init(struct aero_balloon *b, vq_callback_t *callback)
{
	unsigned int ring;
	int err;

	err = aero_queues_find(b, callback);
	if (err)
		return err;
	b->deflate.reserved = 1;

	ring = min(virtqueue_get_vring_size(b->inflate.vq),
		   virtqueue_get_vring_size(b->deflate.vq));
	b->max_ranges = b->scatter_gather ? max(ring / AERO_REQUESTS, 1U) : 1;

	err = aero_queue_init(b, &b->inflate);
	if (!err)
		err = aero_queue_init(b, &b->deflate);
	if (err)
		aero_transport_finish(b);
	return err;
}

static void aero_collect(struct aero_balloon *b, struct aero_queue *q)
{
	int i;

	for (i = 0; i < AERO_REQUESTS; i++)
		if (q->requests[i].busy)
			aero_request_put(b, &q->requests[i]);
	q->pages_in_flight = 0;
}

void aero_transport_finish(struct aero_balloon *b)
{
	b->vdev->config->del_vqs(b->vdev);
	aero_collect(b, &b->inflate);
	aero_collect(b, &b->deflate);
	aero_queue_finish(&b->inflate);
	aero_queue_finish(&b->deflate);
}

struct aero_request *aero_request_get(struct aero_balloon *b, struct aero_queue *q, bool oom)
{
	unsigned int i = oom ? 0 : q->reserved;
	unsigned int end = oom ? q->reserved : AERO_REQUESTS;
	struct aero_request *req = NULL;

	spin_lock(&b->lock);
	for (; i < end && q->vq->num_free >= b->max_ranges; i++) {
		if (q->requests[i].busy)
			continue;
		req = &q->requests[i];
		req->busy = true;
		break;
	}
	spin_unlock(&b->lock);
	return req;
}

/* Under the lock. */
static void aero_request_idle(struct aero_request *req)
{
	req->pages = 0;
	req->nents = 0;
	req->busy = false;
}

void aero_request_put(struct aero_balloon *b, struct aero_request *req)
{
	spin_lock(&b->lock);
	list_splice_tail_init(&req->chunks, &b->returned);
	aero_request_idle(req);
	spin_unlock(&b->lock);
}

static void aero_request_move(struct aero_request *req, struct page *page)
{
	list_move_tail(&page->lru, &req->chunks);
	req->pages += 1UL << page_private(page);
}

static void aero_fill_ranges(struct aero_balloon *b, struct aero_request *req,
			     struct list_head *from)
{
	struct page *page, *next, *start = NULL;
	unsigned long end_pfn = 0;
	unsigned int n = 0;
	u64 len = 0;

	sg_init_table(req->sg, b->max_ranges);
	list_for_each_entry_safe(page, next, from, lru) {
		u64 bytes = (u64)PAGE_SIZE << page_private(page);

		if (!n || page_to_pfn(page) != end_pfn || len + bytes > AERO_RANGE_MAX) {
			if (n == b->max_ranges)
				break;
			n++;
			start = page;
			len = 0;
		}
		len += bytes;
		end_pfn = page_to_pfn(page) + (1UL << page_private(page));
		sg_set_page(&req->sg[n - 1], start, (unsigned int)len, 0);
		aero_request_move(req, page);
	}
	sg_mark_end(&req->sg[n - 1]);
	req->nents = n;
}

static void aero_fill_pfns(struct aero_request *req, struct list_head *from)
{
	struct page *page, *next;
	unsigned int n = 0;

	list_for_each_entry_safe(page, next, from, lru) {
		unsigned int units = AERO_UNITS_PER_PAGE << page_private(page);
		u32 pfn = (u32)(page_to_phys(page) >> AERO_UNIT_SHIFT);
		unsigned int i;

		if (n + units > AERO_PFNS_MAX)
			break;
		for (i = 0; i < units; i++)
			req->pfns[n++] = cpu_to_le32(pfn + i);
		aero_request_move(req, page);
	}
	sg_init_one(req->sg, req->pfns, n * sizeof(*req->pfns));
	req->nents = 1;
}

void aero_request_fill(struct aero_balloon *b, struct aero_request *req, struct list_head *from)
{
	if (b->scatter_gather)
		aero_fill_ranges(b, req, from);
	else
		aero_fill_pfns(req, from);
}

int aero_submit(struct aero_balloon *b, struct aero_queue *q, struct aero_request *req)
{
	bool notify = false;
	int err;

	/* Without indirect descriptors, which validate() declines, this allocates nothing. */
	spin_lock(&b->lock);
	err = virtqueue_add_outbuf(q->vq, req->sg, req->nents, req, GFP_NOWAIT);
	if (!err) {
		q->pages_in_flight += req->pages;
		q->pages += req->pages;
		q->chains++;
		q->descriptors += req->nents;
		notify = virtqueue_kick_prepare(q->vq);
		q->notifications += notify;
	}
	spin_unlock(&b->lock);

	if (err)
		dev_warn_ratelimited(&b->vdev->dev, "the %s queue did not take a buffer: %d\n",
				     q->vq->name, err);
	if (notify)
		virtqueue_notify(q->vq);
	return err;
}

bool aero_reap(struct aero_balloon *b)
{
	struct aero_request *req;
	bool any = false;
	unsigned int len;

	spin_lock(&b->lock);
	while ((req = virtqueue_get_buf(b->inflate.vq, &len))) {
		b->inflate.pages_in_flight -= req->pages;
		aero_chunks_add(&b->held, &req->chunks);
		aero_request_idle(req);
		any = true;
	}
	while ((req = virtqueue_get_buf(b->deflate.vq, &len))) {
		b->deflate.pages_in_flight -= req->pages;
		list_splice_tail_init(&req->chunks, &b->returned);
		aero_request_idle(req);
		any = true;
	}
	spin_unlock(&b->lock);

	/* Who reaps may have suppressed the interrupt that somebody else is waiting for. */
	if (any)
		wake_up(&b->answered);
	return any;
}

/* These stay the host's. */
static void aero_hold(struct aero_balloon *b, struct list_head *chunks)
{
	spin_lock(&b->lock);
	aero_chunks_add(&b->held, chunks);
	spin_unlock(&b->lock);
}

unsigned long aero_send_back(struct aero_balloon *b, unsigned long want, bool oom)
{
	struct aero_request *req = aero_request_get(b, &b->deflate, oom);
	unsigned long pages;
	LIST_HEAD(chunks);

	if (!req)
		return 0;
	if (!b->scatter_gather)
		want = min_t(unsigned long, want, AERO_PFNS_MAX / AERO_UNITS_PER_PAGE);

	spin_lock(&b->lock);
	aero_chunks_take(&b->held, want, &chunks);
	spin_unlock(&b->lock);
	if (list_empty(&chunks)) {
		aero_request_put(b, req);
		return 0;
	}

	aero_sort(&chunks);
	aero_request_fill(b, req, &chunks);
	/* More ranges than the chain takes. */
	aero_hold(b, &chunks);

	pages = req->pages;
	if (!aero_submit(b, &b->deflate, req))
		return pages;
	aero_hold(b, &req->chunks);
	aero_request_put(b, req);
	return 0;
}

void aero_free_returned(struct aero_balloon *b)
{
	LIST_HEAD(chunks);

	spin_lock(&b->lock);
	list_splice_init(&b->returned, &chunks);
	spin_unlock(&b->lock);
	aero_free_chunks(b, &chunks);
}
