// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free page hinting (virtio 1.2, 5.5.6.5): on a command of the host the driver takes all free
 * memory it can get in large chunks, names each in a buffer, and keeps it until the host says DONE
 * or the guest runs short.
 *
 * The standard allows to reuse a hinted page at any time. This driver does not before the host has
 * used its buffer: a device that punches what it finds hinted would otherwise take a page in use.
 * So a guest that runs out of memory meanwhile has to wait for the host.
 */

#include <linux/oom.h>
#include <linux/sizes.h>

#include "balloon.h"

/* Smaller chunks are not worth a buffer each. */
#define AERO_HINT_MIN_ORDER get_order(SZ_2M)
/* Nothing is reclaimed for a hint, nor are reserves touched. */
#define AERO_HINT_GFP ((GFP_HIGHUSER | __GFP_NOMEMALLOC | __GFP_NOWARN) & ~__GFP_RECLAIM)

static u32 aero_hint_command(struct aero_balloon *b)
{
	u32 command;

	virtio_cread_le(b->vdev, struct virtio_balloon_config, free_page_hint_cmd_id, &command);
	return command;
}

static unsigned long aero_hint_pages(const struct page *page)
{
	return 1UL << page_private(page);
}

static void aero_hint_free(struct page *page)
{
	unsigned int order = (unsigned int)page_private(page);

	set_page_private(page, 0);
	__free_pages(page, order);
}

static struct page *aero_hint_alloc(void)
{
	int order;

	for (order = AERO_MAX_ORDER; order >= AERO_HINT_MIN_ORDER; order--) {
		struct page *page = alloc_pages(AERO_HINT_GFP, order);

		if (page) {
			set_page_private(page, order);
			return page;
		}
	}
	return NULL;
}

/* Frees up to about @max_pages of those held. Returns how many. Allocates nothing. */
static unsigned long aero_hint_release(struct aero_hinting *h, unsigned long max_pages)
{
	unsigned long released = 0;

	while (released < max_pages) {
		struct page *page;

		spin_lock(&h->lock);
		page = list_first_entry_or_null(&h->held, struct page, lru);
		if (page) {
			list_del(&page->lru);
			h->held_pages -= aero_hint_pages(page);
		}
		spin_unlock(&h->lock);
		if (!page)
			break;
		released += aero_hint_pages(page);
		aero_hint_free(page);
	}
	return released;
}

/* Frees all that are held; takes long where pages are filled as they are freed. May sleep. */
static void aero_hint_release_all(struct aero_hinting *h)
{
	while (aero_hint_release(h, MAX_ORDER_NR_PAGES))
		cond_resched();
}

/* Takes the host's answers: the pages are this driver's again, to be held. */
static void aero_hint_reap(struct aero_hinting *h)
{
	bool any = false;
	unsigned int len;
	void *token;

	spin_lock(&h->lock);
	while ((token = virtqueue_get_buf(h->vq, &len))) {
		struct page *page = token;

		any = true;
		if (token == &h->begin || token == &h->end) {
			((struct aero_hint_id *)token)->busy = false;
			continue;
		}
		list_move_tail(&page->lru, &h->held);
		h->held_pages += aero_hint_pages(page);
		h->sent_pages -= aero_hint_pages(page);
	}
	spin_unlock(&h->lock);

	/* Who reaps may have suppressed the interrupt that somebody else is waiting for. */
	if (any)
		wake_up(&h->answered);
}

/*
 * The guest needs memory: gives back what it can, and takes no more in this round. Allocates
 * nothing, and does not wait.
 */
static unsigned long aero_hint_yield(struct aero_hinting *h, unsigned long max_pages)
{
	WRITE_ONCE(h->pressed, true);
	aero_hint_reap(h);
	return aero_hint_release(h, max_pages);
}

/* Pages that the host has yet to use count too: it may have done so, and nobody have looked. */
static unsigned long aero_hint_count(struct shrinker *s, struct shrink_control *sc)
{
	struct aero_hinting *h = aero_shrinker_owner(s);

	return READ_ONCE(h->held_pages) + READ_ONCE(h->sent_pages);
}

static unsigned long aero_hint_scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long released = aero_hint_yield(aero_shrinker_owner(s), sc->nr_to_scan);

	return released ? released : SHRINK_STOP;
}

static bool aero_hint_yielded(struct aero_hinting *h, unsigned long *released)
{
	*released += aero_hint_yield(h, ULONG_MAX);
	return *released || !READ_ONCE(h->sent_pages);
}

/* Instead of killing a process for want of memory that is only waiting for the host. */
static int aero_hint_oom(struct notifier_block *nb, unsigned long unused, void *parm)
{
	struct aero_hinting *h = container_of(nb, struct aero_hinting, oom_nb);
	unsigned long *freed = parm;
	unsigned long released = 0;

	wait_event_timeout(h->answered, aero_hint_yielded(h, &released), AERO_OOM_ANSWER);
	*freed += released;
	return NOTIFY_OK;
}

/* Returns false if its buffer or the ring is in use; the answer to that runs the work again. */
static bool aero_hint_send_id(struct aero_hinting *h, struct aero_hint_id *id, u32 value)
{
	struct scatterlist sg;
	bool sent, notify;

	sg_init_one(&sg, &id->value, sizeof(id->value));
	spin_lock(&h->lock);
	sent = !id->busy;
	if (sent) {
		id->value = cpu_to_le32(value);
		sent = !virtqueue_add_outbuf(h->vq, &sg, 1, id, GFP_NOWAIT);
		id->busy = sent;
	}
	notify = sent && virtqueue_kick_prepare(h->vq);
	spin_unlock(&h->lock);
	if (notify)
		virtqueue_notify(h->vq);
	return sent;
}

/* Leaves one entry of the ring for the STOP. */
static bool aero_hint_send_page(struct aero_hinting *h, struct page *page)
{
	struct scatterlist sg;
	bool sent, notify;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, (unsigned int)(PAGE_SIZE << page_private(page)), 0);
	spin_lock(&h->lock);
	sent = h->vq->num_free > 1 && !virtqueue_add_inbuf(h->vq, &sg, 1, page, GFP_NOWAIT);
	if (sent) {
		list_add_tail(&page->lru, &h->sent);
		h->sent_pages += aero_hint_pages(page);
		h->pages += aero_hint_pages(page);
	}
	notify = sent && virtqueue_kick_prepare(h->vq);
	spin_unlock(&h->lock);
	if (notify)
		virtqueue_notify(h->vq);
	return sent;
}

/* Begins the round for @command, or ends that under way if it is another's. False: not yet. */
static bool aero_hint_follow(struct aero_hinting *h, u32 command)
{
	if (command == h->command)
		return true;
	if (h->round) {
		if (!aero_hint_send_id(h, &h->end, VIRTIO_BALLOON_CMD_ID_STOP))
			return false;
		h->round = false;
	}
	if (command != VIRTIO_BALLOON_CMD_ID_STOP && command != VIRTIO_BALLOON_CMD_ID_DONE) {
		if (!aero_hint_send_id(h, &h->begin, command))
			return false;
		h->round = true;
		WRITE_ONCE(h->pressed, false);
		h->commands++;
	}
	h->command = command;
	return true;
}

/* Hints until memory or the ring is at its end. */
static void aero_hint_round(struct aero_balloon *b)
{
	struct aero_hinting *h = &b->hinting;

	while (!READ_ONCE(b->stopping) && !READ_ONCE(h->changed)) {
		struct page *page;

		page = READ_ONCE(h->pressed) ? NULL : aero_hint_alloc();
		if (!page) {
			h->round = !aero_hint_send_id(h, &h->end, VIRTIO_BALLOON_CMD_ID_STOP);
			return;
		}
		if (!aero_hint_send_page(h, page)) {
			aero_hint_free(page);
			return;
		}
		cond_resched();
	}
}

/* Never runs twice at a time. */
static void aero_hint_work(struct work_struct *work)
{
	struct aero_hinting *h = container_of(work, struct aero_hinting, work);
	struct aero_balloon *b = container_of(h, struct aero_balloon, hinting);
	u32 command;

	if (READ_ONCE(b->stopping))
		return;
	/* A change after this one queues the work again. */
	WRITE_ONCE(h->changed, false);
	command = aero_hint_command(b);
	aero_hint_reap(h);
	if (aero_hint_follow(h, command) && h->round)
		aero_hint_round(b);
	if (command == VIRTIO_BALLOON_CMD_ID_DONE)
		aero_hint_release_all(h);
}

void aero_hinting_init(struct aero_hinting *h)
{
	spin_lock_init(&h->lock);
	INIT_LIST_HEAD(&h->sent);
	INIT_LIST_HEAD(&h->held);
	h->sent_pages = 0;
	h->held_pages = 0;
	h->begin.busy = false;
	h->end.busy = false;
	h->round = false;
	h->pressed = false;
	h->command = VIRTIO_BALLOON_CMD_ID_STOP;
	init_waitqueue_head(&h->answered);
	INIT_WORK(&h->work, aero_hint_work);
}

int aero_hinting_prepare(struct aero_balloon *b)
{
	struct aero_hinting *h = &b->hinting;

	int err;

	if (!h->vq)
		return 0;
	h->shrinker = aero_shrinker_create("aerostat-balloon-hints", aero_hint_count,
					   aero_hint_scan, h);
	if (!h->shrinker)
		return -ENOMEM;
	/* Before the balloon's own, which leaves it alone when this was enough. */
	h->oom_nb.priority = 1;
	h->oom_nb.notifier_call = aero_hint_oom;
	err = register_oom_notifier(&h->oom_nb);
	if (err) {
		aero_shrinker_destroy(h->shrinker);
		h->shrinker = NULL;
	}
	return err;
}

static void aero_hinting_run(struct aero_balloon *b)
{
	if (b->hinting.vq && !READ_ONCE(b->stopping))
		queue_work(system_unbound_wq, &b->hinting.work);
}

void aero_hinting_changed(struct aero_balloon *b)
{
	WRITE_ONCE(b->hinting.changed, true);
	aero_hinting_run(b);
}

void aero_hint_answer(struct virtqueue *vq)
{
	struct aero_balloon *b = vq->vdev->priv;

	wake_up(&b->hinting.answered);
	aero_hinting_run(b);
}

void aero_hinting_yield(struct aero_balloon *b, unsigned long pages)
{
	if (b->hinting.vq)
		aero_hint_yield(&b->hinting, pages);
}

void aero_hinting_stop(struct aero_balloon *b)
{
	struct aero_hinting *h = &b->hinting;

	cancel_work_sync(&h->work);
	if (!h->shrinker)
		return;
	unregister_oom_notifier(&h->oom_nb);
	aero_shrinker_destroy(h->shrinker);
	h->shrinker = NULL;
	aero_hint_release_all(h);
}

void aero_hinting_finish(struct aero_balloon *b)
{
	struct aero_hinting *h = &b->hinting;
	struct page *page, *next;

	cancel_work_sync(&h->work);
	list_for_each_entry_safe(page, next, &h->sent, lru) {
		list_del(&page->lru);
		aero_hint_free(page);
	}
}
