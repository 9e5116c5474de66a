// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets the kernel move single pages of the balloon, for compaction, memory hotplug and CMA: the
 * host is told of the new page as of an inflated one, and then of the old one as of a deflated one.
 *
 * A page of the balloon that can be moved has the balloon in page->index. The kernel looks at it,
 * and takes it out, with the page locked; and it is freed only after its mark was cleared under the
 * same lock. So the balloon is there as long as one of its pages is marked.
 */

#include <linux/pagemap.h>

#include "balloon.h"

static const struct movable_operations aero_movable;

static struct aero_balloon *aero_page_owner(const struct page *page)
{
	return (struct aero_balloon *)page->index;
}

/* Takes a page that is held out of the balloon's lists, for aero_migrate() or aero_putback(). */
static bool aero_isolate(struct page *page, isolate_mode_t mode)
{
	struct aero_balloon *b = aero_page_owner(page);
	bool held;

	spin_lock(&b->lock);
	held = !b->stopping && (page_private(page) & AERO_HELD);
	if (held) {
		aero_chunks_del_page(&b->held, page);
		b->isolated_pages++;
		b->isolations++;
	}
	spin_unlock(&b->lock);
	return held;
}

static void aero_putback(struct page *page)
{
	struct aero_balloon *b = aero_page_owner(page);

	spin_lock(&b->lock);
	aero_chunks_add_page(&b->held, page);
	b->isolated_pages--;
	/* Inside the lock: whoever waits for the last one releases the balloon then. */
	wake_up(&b->answered);
	/* It may be one of those that have to leave. */
	aero_run_now(b);
	spin_unlock(&b->lock);
}

/* True also when there will be no answer. */
static bool aero_replace_answered(struct aero_balloon *b, struct aero_request *req)
{
	return READ_ONCE(b->over) || aero_request_answered(b, req);
}

/* The new page comes into the balloon in place of one of those isolated. Returns 0 or -errno. */
static int aero_replace_in(struct aero_balloon *b, struct page *page)
{
	struct aero_request *req = aero_request_get(b, &b->inflate, AERO_USE_MIGRATION);
	int err;

	if (!req)
		return -EAGAIN;
	get_page(page);
	set_page_private(page, 0);
	page->index = (pgoff_t)b;
	__SetPageMovable(page, &aero_movable);
	aero_request_replace(b, req, page);
	list_add(&page->lru, &req->chunks);
	err = aero_submit(b, &b->inflate, req);
	if (err) {
		list_del(&page->lru);
		__ClearPageMovable(page);
		aero_request_put(b, req);
		put_page(page);
		return err;
	}
	aero_announce(b, &b->inflate);
	wait_event(b->answered, aero_replace_answered(b, req));
	return 0;
}

static bool aero_replace_possible(struct aero_balloon *b, struct aero_request **req)
{
	*req = aero_request_get(b, &b->deflate, AERO_USE_MIGRATION);
	return *req || READ_ONCE(b->over);
}

/* The old page leaves it. A device that was reset has nothing to be told. */
static void aero_replace_out(struct aero_balloon *b, struct page *page)
{
	struct aero_request *req;

	if (READ_ONCE(b->over))
		return;
	wait_event(b->answered, aero_replace_possible(b, &req));
	if (!req)
		return;
	aero_request_replace(b, req, page);
	if (aero_submit(b, &b->deflate, req)) {
		aero_request_put(b, req);
		return;
	}
	aero_announce(b, &b->deflate);
	wait_event(b->answered, aero_replace_answered(b, req));
}

static int aero_replace(struct aero_balloon *b, struct page *dst, struct page *src)
{
	int err = aero_replace_in(b, dst);

	/* There is no memory or no room at the moment; the kernel tries again. */
	if (err)
		return -EAGAIN;
	if (page_zone(dst) != page_zone(src)) {
		aero_account(b, src, 1);
		aero_account(b, dst, -1);
	}
	aero_replace_out(b, src);
	b->migrations++;
	__ClearPageMovable(src);
	set_page_private(src, 0);
	put_page(src);
	return MIGRATEPAGE_SUCCESS;
}

/* One migration at a time. */
static bool aero_migration_begin(struct aero_balloon *b)
{
	bool alone;

	spin_lock(&b->lock);
	alone = !b->stopping && !b->migrating;
	if (alone)
		b->migrating = true;
	spin_unlock(&b->lock);
	return alone;
}

/* Only now can the new page leave the balloon: who takes it waits for its page lock. */
static void aero_migration_end(struct aero_balloon *b)
{
	spin_lock(&b->lock);
	if (!list_empty(&b->arrived)) {
		b->isolated_pages--;
		aero_chunks_add(&b->held, &b->arrived);
		aero_run_now(b);
	}
	b->migrating = false;
	wake_up(&b->answered);
	spin_unlock(&b->lock);
}

/* Both pages are locked. Waits for the host; aero_watch() sees to it that this ends. */
static int aero_migrate(struct page *dst, struct page *src, enum migrate_mode mode)
{
	struct aero_balloon *b = aero_page_owner(src);
	int err;

	if (!aero_migration_begin(b))
		return -EAGAIN;
	err = aero_replace(b, dst, src);
	aero_migration_end(b);
	return err;
}

static const struct movable_operations aero_movable = {
	.isolate_page = aero_isolate,
	.migrate_page = aero_migrate,
	.putback_page = aero_putback,
};

/* A page that somebody else has locked at this very moment just stays where it is. */
void aero_page_set_movable(struct aero_balloon *b, struct page *page)
{
	if (!aero_can_migrate() || !trylock_page(page))
		return;
	page->index = (pgoff_t)b;
	__SetPageMovable(page, &aero_movable);
	unlock_page(page);
}

void aero_page_clear_movable(struct page *page)
{
	if (!__PageMovable(page))
		return;
	lock_page(page);
	__ClearPageMovable(page);
	unlock_page(page);
	page->index = 0;
}

static bool aero_no_migration(struct aero_balloon *b)
{
	bool none;

	spin_lock(&b->lock);
	none = !b->migrating;
	spin_unlock(&b->lock);
	return none;
}

static bool aero_none_isolated(struct aero_balloon *b)
{
	bool none;

	spin_lock(&b->lock);
	none = !b->isolated_pages;
	spin_unlock(&b->lock);
	return none;
}

bool aero_migration_wait(struct aero_balloon *b)
{
	return wait_event_timeout(b->answered, aero_no_migration(b), AERO_UNLOAD_ANSWER) > 0;
}

void aero_migration_stop(struct aero_balloon *b)
{
	WRITE_ONCE(b->over, true);
	wake_up_all(&b->answered);
	wait_event(b->answered, aero_no_migration(b));
}

void aero_migration_finish(struct aero_balloon *b)
{
	wait_event(b->answered, aero_none_isolated(b));
}
