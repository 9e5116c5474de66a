// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which queues there are; and requests on inflate and deflate: chains whose descriptors are the
 * ranges, or arrays of PFNs.
 */

#include <linux/io.h>
#include <linux/slab.h>

#include "balloon.h"

/* A chain may not be longer, and so no descriptor of it (virtio 1.2, 2.7.5); whole units. */
#define AERO_CHAIN_MAX (U32_MAX - (1U << AERO_UNIT_SHIFT) + 1)

/* The requests for migration say one page each. */
static int aero_queue_init(struct aero_balloon *b, struct aero_queue *q)
{
	unsigned int ring = virtqueue_get_vring_size(q->vq);
	int i;

	q->unannounced_pages = 0;
	if (ring <= AERO_REQUESTS) {
		dev_err(&b->vdev->dev, "the %s queue has %u entries, and needs %u\n", q->vq->name,
			ring, AERO_REQUESTS + 1);
		return -EINVAL;
	}
	q->max_ranges = b->scatter_gather ? (ring - 1) / AERO_REQUESTS : 1;
	for (i = 0; i <= AERO_REQUESTS; i++) {
		struct aero_request *req = &q->requests[i];

		INIT_LIST_HEAD(&req->chunks);
		req->sg = kvcalloc(i < AERO_REQUESTS ? q->max_ranges : 1, sizeof(*req->sg),
				   GFP_KERNEL);
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

	for (i = 0; i <= AERO_REQUESTS; i++) {
		kvfree(q->requests[i].sg);
		kfree(q->requests[i].pfns);
		q->requests[i].sg = NULL;
		q->requests[i].pfns = NULL;
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
	int err;

	err = aero_queues_find(b, callback);
	if (err)
		return err;
	b->deflate.reserved = 1;
	err = aero_queue_init(b, &b->inflate);
	if (!err)
		err = aero_queue_init(b, &b->deflate);
	if (err)
		aero_transport_finish(b);
	return err;
}

/* Under the lock. */
static void aero_request_idle(struct aero_request *req)
{
	req->pages = 0;
	req->nents = 0;
	req->replacing = false;
	req->busy = false;
}

/* Nothing is in flight any more. */
static void aero_collect(struct aero_balloon *b, struct aero_queue *q)
{
	int i;

	spin_lock(&b->lock);
	for (i = 0; i <= AERO_REQUESTS; i++) {
		struct aero_request *req = &q->requests[i];

		if (!req->busy)
			continue;
		/* Its new page is the balloon's, to be freed with the rest; the old one is not. */
		if (req->replacing && !list_empty(&req->chunks))
			b->isolated_pages--;
		list_splice_tail_init(&req->chunks, &b->returned);
		aero_request_idle(req);
	}
	q->pages_in_flight = 0;
	q->answers = q->chains;
	q->announced = q->chains;
	spin_unlock(&b->lock);
}

void aero_transport_finish(struct aero_balloon *b)
{
	b->vdev->config->del_vqs(b->vdev);
	aero_collect(b, &b->inflate);
	aero_collect(b, &b->deflate);
	aero_queue_finish(&b->inflate);
	aero_queue_finish(&b->deflate);
}

/* Whether the ring has room for any request of that use. Under the lock. */
static bool aero_has_room(struct aero_queue *q, enum aero_use use)
{
	unsigned int entries = use == AERO_USE_MIGRATION ? 1 : q->max_ranges;

	return q->vq->num_free >= entries;
}

struct aero_request *aero_request_get(struct aero_balloon *b, struct aero_queue *q,
				      enum aero_use use)
{
	struct aero_request *req = NULL;
	unsigned int i = 0;
	unsigned int end = q->reserved;

	if (use == AERO_USE_TARGET) {
		i = q->reserved;
		end = AERO_REQUESTS;
	} else if (use == AERO_USE_MIGRATION) {
		i = AERO_REQUESTS;
		end = AERO_REQUESTS + 1;
	}
	spin_lock(&b->lock);
	for (; i < end && aero_has_room(q, use); i++) {
		if (q->requests[i].busy)
			continue;
		req = &q->requests[i];
		req->busy = true;
		break;
	}
	spin_unlock(&b->lock);
	return req;
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
	req->pages += aero_chunk_pages(page);
}

static void aero_fill_ranges(struct aero_request *req, unsigned int max_ranges,
			     struct list_head *from)
{
	struct page *page, *next, *start = NULL;
	unsigned long end_pfn = 0;
	unsigned int n = 0;
	u64 len = 0, total = 0;

	sg_init_table(req->sg, max_ranges);
	list_for_each_entry_safe(page, next, from, lru) {
		u64 bytes = (u64)PAGE_SIZE << aero_chunk_order(page);

		total += bytes;
		if (total > AERO_CHAIN_MAX)
			break;
		if (!n || page_to_pfn(page) != end_pfn) {
			if (n == max_ranges)
				break;
			n++;
			start = page;
			len = 0;
		}
		len += bytes;
		end_pfn = page_to_pfn(page) + aero_chunk_pages(page);
		sg_set_page(&req->sg[n - 1], start, (unsigned int)len, 0);
		aero_request_move(req, page);
	}
	sg_mark_end(&req->sg[n - 1]);
	req->nents = n;
}

/* Returns how many entries there are then. */
static unsigned int aero_add_pfns(struct aero_request *req, unsigned int n, struct page *page)
{
	unsigned int units = AERO_UNITS_PER_PAGE << aero_chunk_order(page);
	u32 pfn = (u32)(page_to_phys(page) >> AERO_UNIT_SHIFT);
	unsigned int i;

	for (i = 0; i < units; i++)
		req->pfns[n++] = cpu_to_le32(pfn + i);
	return n;
}

static void aero_end_pfns(struct aero_request *req, unsigned int n)
{
	sg_init_one(req->sg, req->pfns, n * sizeof(*req->pfns));
	req->nents = 1;
}

static void aero_fill_pfns(struct aero_request *req, struct list_head *from)
{
	struct page *page, *next;
	unsigned int n = 0;

	list_for_each_entry_safe(page, next, from, lru) {
		if (n + (AERO_UNITS_PER_PAGE << aero_chunk_order(page)) > AERO_PFNS_MAX)
			break;
		n = aero_add_pfns(req, n, page);
		aero_request_move(req, page);
	}
	aero_end_pfns(req, n);
}

void aero_request_fill(struct aero_balloon *b, struct aero_queue *q, struct aero_request *req,
		       struct list_head *from)
{
	if (b->scatter_gather)
		aero_fill_ranges(req, q->max_ranges, from);
	else
		aero_fill_pfns(req, from);
}

void aero_request_replace(struct aero_balloon *b, struct aero_request *req, struct page *page)
{
	req->replacing = true;
	req->pages = 1;
	if (b->scatter_gather) {
		sg_init_table(req->sg, 1);
		sg_set_page(req->sg, page, PAGE_SIZE, 0);
		req->nents = 1;
	} else {
		aero_end_pfns(req, aero_add_pfns(req, 0, page));
	}
}

int aero_submit(struct aero_balloon *b, struct aero_queue *q, struct aero_request *req)
{
	int err;

	/* Without indirect descriptors, which validate() declines, this allocates nothing. */
	spin_lock(&b->lock);
	err = virtqueue_add_outbuf(q->vq, req->sg, req->nents, req, GFP_NOWAIT);
	if (!err) {
		if (!req->replacing)
			q->pages_in_flight += req->pages;
		q->pages += req->pages;
		q->chains++;
		q->descriptors += req->nents;
		q->unannounced_pages += req->pages;
	}
	spin_unlock(&b->lock);

	if (err)
		dev_warn_ratelimited(&b->vdev->dev, "the %s queue did not take a buffer: %d\n",
				     q->vq->name, err);
	return err;
}

static void aero_announce_if(struct aero_balloon *b, struct aero_queue *q, bool idle_only)
{
	bool notify = false;

	spin_lock(&b->lock);
	if (q->unannounced_pages && (!idle_only || q->answers >= q->announced)) {
		notify = virtqueue_kick_prepare(q->vq);
		q->notifications += notify;
		q->unannounced_pages = 0;
		q->announced = q->chains;
	}
	spin_unlock(&b->lock);
	if (notify)
		virtqueue_notify(q->vq);
	aero_watch_soon(b);
}

void aero_announce(struct aero_balloon *b, struct aero_queue *q)
{
	aero_announce_if(b, q, false);
}

void aero_announce_to_idle(struct aero_balloon *b, struct aero_queue *q)
{
	aero_announce_if(b, q, true);
}

/* Under the lock. */
static void aero_inflated(struct aero_balloon *b, struct aero_request *req)
{
	if (req->replacing) {
		list_splice_init(&req->chunks, &b->arrived);
	} else {
		b->inflate.pages_in_flight -= req->pages;
		aero_chunks_add(&b->held, &req->chunks);
	}
	b->inflate.answers++;
	aero_request_idle(req);
}

/* Under the lock. */
static void aero_deflated(struct aero_balloon *b, struct aero_request *req)
{
	if (!req->replacing)
		b->deflate.pages_in_flight -= req->pages;
	list_splice_tail_init(&req->chunks, &b->returned);
	b->deflate.answers++;
	aero_request_idle(req);
}

bool aero_reap(struct aero_balloon *b)
{
	struct aero_request *req;
	bool any = false;
	unsigned int len;

	spin_lock(&b->lock);
	while ((req = virtqueue_get_buf(b->inflate.vq, &len))) {
		aero_inflated(b, req);
		any = true;
	}
	while ((req = virtqueue_get_buf(b->deflate.vq, &len))) {
		aero_deflated(b, req);
		any = true;
	}
	spin_unlock(&b->lock);

	/* Who reaps may have suppressed the interrupt that somebody else is waiting for. */
	if (any)
		wake_up(&b->answered);
	return any;
}

void aero_hold(struct aero_balloon *b, struct list_head *chunks)
{
	spin_lock(&b->lock);
	aero_chunks_add(&b->held, chunks);
	spin_unlock(&b->lock);
}

unsigned long aero_send_back(struct aero_balloon *b, struct list_head *from, enum aero_use use)
{
	struct aero_request *req = aero_request_get(b, &b->deflate, use);
	unsigned long pages;

	if (!req)
		return 0;
	aero_request_fill(b, &b->deflate, req, from);
	pages = req->pages;
	if (!aero_submit(b, &b->deflate, req))
		return pages;
	list_splice_init(&req->chunks, from);
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
