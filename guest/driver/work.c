// SPDX-License-Identifier: GPL-2.0-only
/*
 * Follows the target that the host sets; gives memory back when the guest runs out of it; notices
 * a device that does not answer.
 */

#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/oom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/virtio_balloon.h>

#include "balloon.h"

/* The host is notified when the ring is full or all is sent; of so much it hears at once. */
#define AERO_ANNOUNCE_PAGES ((unsigned long)SZ_1G >> PAGE_SHIFT)
/* When nothing can be allocated. */
#define AERO_RETRY msecs_to_jiffies(200)
/* After the guest ran out of memory, the balloon leaves it alone for so long. */
#define AERO_OOM_PAUSE (10 * HZ)
/* Given back at least, where requests are small: a guest in need is not fed by the spoonful. */
#define AERO_OOM_PAGES (SZ_64M >> PAGE_SHIFT)

static unsigned int answer_timeout = 60;
module_param(answer_timeout, uint, 0644);
MODULE_PARM_DESC(answer_timeout, "seconds after which a device that does not answer is reset and its pages are used again (default: 60; 0: never)");

void aero_run_now(struct aero_balloon *b)
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

void aero_answer(struct virtqueue *vq)
{
	struct aero_balloon *b = vq->vdev->priv;

	wake_up(&b->answered);
	aero_run_now(b);
}

/* What the balloon has and is not about to lose. Under the lock. */
static unsigned long aero_pages(struct aero_balloon *b)
{
	return b->held.pages + b->isolated_pages + b->leaving_pages + b->oom_leaving_pages;
}

/* With those on their way, too. */
static unsigned long aero_claimed_pages(struct aero_balloon *b)
{
	return aero_pages(b) + b->inflate.pages_in_flight + b->deflate.pages_in_flight;
}

/* Pages to inflate to reach the target; negative: to deflate. Requests in flight count as done. */
static long aero_gap(struct aero_balloon *b)
{
	unsigned long pages;
	u32 units;

	virtio_cread_le(b->vdev, struct virtio_balloon_config, num_pages, &units);
	spin_lock(&b->lock);
	pages = aero_pages(b) + b->inflate.pages_in_flight;
	spin_unlock(&b->lock);
	return (long)(units / AERO_UNITS_PER_PAGE) - (long)pages;
}

/* Writes actual. A page counts from the answer to its inflation to that to its deflation. */
static void aero_write_actual(struct aero_balloon *b)
{
	unsigned long pages;
	u32 units;

	spin_lock(&b->lock);
	pages = aero_pages(b) + b->deflate.pages_in_flight;
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
	u64 begin;
	int err;

	if (time_before(jiffies, oom_until)) {
		aero_unstage(b);
		aero_run_later(b, oom_until - jiffies);
		return false;
	}
	req = aero_request_get(b, &b->inflate, AERO_USE_TARGET);
	if (!req)
		return false;
	if (list_empty(&b->staged) && !aero_stage(b, want)) {
		aero_request_put(b, req);
		aero_run_later(b, AERO_RETRY);
		return false;
	}
	begin = ktime_get_ns();
	aero_request_fill(b, &b->inflate, req, &b->staged);
	b->staged_pages -= req->pages;
	err = aero_submit(b, &b->inflate, req);
	if (READ_ONCE(b->inflate.unannounced_pages) >= AERO_ANNOUNCE_PAGES)
		aero_announce(b, &b->inflate);
	b->send_ns += ktime_get_ns() - begin;
	if (!err)
		return true;
	/* The host has not heard of these. */
	aero_request_put(b, req);
	return false;
}

/* Chooses up to @want pages of those held to leave. */
static void aero_choose(struct aero_balloon *b, unsigned long want)
{
	spin_lock(&b->lock);
	b->leaving_pages = aero_chunks_take(b, want, &b->leaving);
	spin_unlock(&b->lock);
	aero_sort(&b->leaving);
}

/* The chosen ones stay. */
static void aero_unchoose(struct aero_balloon *b)
{
	aero_hold(b, &b->leaving);
	b->leaving_pages = 0;
}

/* One request's worth. Returns false when the next one has to wait for an answer. */
static bool aero_deflate(struct aero_balloon *b, unsigned long want)
{
	u64 begin = ktime_get_ns();
	unsigned long pages;

	if (list_empty(&b->leaving))
		aero_choose(b, want);
	if (list_empty(&b->leaving))
		return false;
	pages = aero_send_back(b, &b->leaving, AERO_USE_TARGET);
	b->send_ns += ktime_get_ns() - begin;
	b->leaving_pages -= pages;
	return pages > 0;
}

/* The time until the next run is the host's if it has something to do. */
static void aero_wait_begins(struct aero_balloon *b)
{
	if (b->inflate.pages_in_flight || b->deflate.pages_in_flight)
		b->waiting_since = ktime_get_ns();
}

static void aero_wait_ends(struct aero_balloon *b)
{
	if (b->waiting_since)
		b->wait_ns += ktime_get_ns() - b->waiting_since;
	b->waiting_since = 0;
}

static void aero_work(struct work_struct *work)
{
	struct aero_balloon *b = container_of(to_delayed_work(work), struct aero_balloon, work);
	bool more = true;

	aero_wait_ends(b);
	while (more && !READ_ONCE(b->stopping)) {
		long gap;

		aero_settle(b);
		gap = aero_gap(b);
		if ((long)b->staged_pages > max(gap, 0L))
			aero_unstage(b);
		if ((long)b->leaving_pages > max(-gap, 0L))
			aero_unchoose(b);
		if (gap > 0)
			more = aero_inflate(b, gap);
		else
			more = gap < 0 && aero_deflate(b, -gap);
		cond_resched();
	}
	aero_announce_to_idle(b, &b->inflate);
	aero_announce_to_idle(b, &b->deflate);
	aero_wait_begins(b);
}

bool aero_request_answered(struct aero_balloon *b, struct aero_request *req)
{
	bool answered;

	/* The work function has to see to what was reaped here. */
	if (aero_reap(b))
		aero_run_now(b);
	spin_lock(&b->lock);
	answered = !req->busy;
	spin_unlock(&b->lock);
	return answered;
}

/* Sends back what one chain carries. Returns how many pages. */
static unsigned long aero_oom_send(struct aero_balloon *b)
{
	LIST_HEAD(chunks);
	unsigned long pages = 0;

	spin_lock(&b->lock);
	b->oom_leaving_pages = aero_chunks_take(b, ULONG_MAX, &chunks);
	spin_unlock(&b->lock);
	aero_sort(&chunks);
	if (!list_empty(&chunks))
		pages = aero_send_back(b, &chunks, AERO_USE_OOM);
	spin_lock(&b->lock);
	aero_chunks_add(&b->held, &chunks);
	b->oom_leaving_pages = 0;
	spin_unlock(&b->lock);
	return pages;
}

/*
 * The guest is about to kill a process for want of memory: gives it as much as one chain carries.
 * Allocates nothing and waits for nobody but the host, so that it cannot depend on the memory it is
 * to bring.
 */
int aero_oom(struct notifier_block *nb, unsigned long unused, void *parm)
{
	struct aero_balloon *b = container_of(nb, struct aero_balloon, oom_nb);
	struct aero_request *req = &b->deflate.requests[0];
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
		pages = aero_oom_send(b);
		aero_announce(b, &b->deflate);
		if (!pages ||
		    !wait_event_timeout(b->answered, aero_request_answered(b, req),
					AERO_OOM_ANSWER))
			break;
		total += pages;
	} while (total < AERO_OOM_PAGES);
	aero_free_returned(b);
	*freed += total;
	b->oom_pages += total;
	return NOTIFY_OK;
}

static bool aero_empty(struct aero_balloon *b)
{
	bool empty;

	spin_lock(&b->lock);
	empty = !aero_claimed_pages(b);
	spin_unlock(&b->lock);
	return empty;
}

/* Something came back: answers of the host, or a page that the kernel did not move. */
static bool aero_drain_goes_on(struct aero_balloon *b, unsigned long isolated)
{
	return aero_reap(b) || READ_ONCE(b->isolated_pages) != isolated;
}

void aero_drain(struct aero_balloon *b)
{
	for (;;) {
		unsigned long isolated = READ_ONCE(b->isolated_pages);

		aero_settle(b);
		if (aero_empty(b))
			return;
		while (aero_deflate(b, ULONG_MAX))
			;
		aero_announce(b, &b->deflate);
		if (virtqueue_is_broken(b->deflate.vq) ||
		    !wait_event_timeout(b->answered, aero_drain_goes_on(b, isolated),
					AERO_UNLOAD_ANSWER))
			break;
	}
	dev_warn(&b->vdev->dev,
		 "the device does not answer; resetting it with %lu pages in the balloon\n",
		 aero_claimed_pages(b));
}

void aero_watch_soon(struct aero_balloon *b)
{
	if (!READ_ONCE(b->stopping))
		queue_delayed_work(system_wq, &b->watch, HZ);
}

void aero_watch_now(struct aero_balloon *b)
{
	if (!READ_ONCE(b->stopping))
		mod_delayed_work(system_wq, &b->watch, 0);
}

/* Counts seconds that this has seen pass without an answer: a paused guest does not wait. */
static bool aero_is_silent(struct aero_balloon *b)
{
	unsigned int timeout = READ_ONCE(answer_timeout);
	u64 answers;
	bool waiting;

	spin_lock(&b->lock);
	answers = b->inflate.answers + b->deflate.answers;
	waiting = answers != b->inflate.chains + b->deflate.chains;
	spin_unlock(&b->lock);
	if (!waiting || answers != b->watched_answers) {
		b->silent_s = 0;
		b->watched_at = jiffies;
	} else if (time_after_eq(jiffies, b->watched_at + HZ)) {
		b->silent_s++;
		b->watched_at = jiffies;
	}
	b->watched_answers = answers;
	if (waiting)
		aero_watch_soon(b);
	return timeout && b->silent_s >= timeout;
}

/* Its pages are used again: a reset ends what the device was about to do with them. */
static void aero_give_up(struct aero_balloon *b, const char *why)
{
	dev_err(&b->vdev->dev, "%s; resetting it, and its %lu pages are used again\n", why,
		aero_claimed_pages(b));
	aero_stop(b, false);
}

static void aero_watch(struct work_struct *work)
{
	struct aero_balloon *b = container_of(to_delayed_work(work), struct aero_balloon, watch);

	if (READ_ONCE(b->stopping))
		return;
	if (b->vdev->config->get_status(b->vdev) & VIRTIO_CONFIG_S_NEEDS_RESET)
		aero_give_up(b, "the device has given up on a queue");
	else if (aero_is_silent(b))
		aero_give_up(b, "the device does not answer");
}

void aero_work_init(struct aero_balloon *b)
{
	INIT_DELAYED_WORK(&b->work, aero_work);
	INIT_DELAYED_WORK(&b->watch, aero_watch);
}
