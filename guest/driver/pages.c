// SPDX-License-Identifier: GPL-2.0-only
/* Allocates, sorts, splits and frees the balloon's chunks of pages. */

#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/list_sort.h>
#include <linux/log2.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/swap.h>

#include "balloon.h"

/* What is allocated before it is sent, so that the host has something to do meanwhile. */
#define AERO_BATCH_PAGES ((unsigned long)SZ_1G >> PAGE_SHIFT)

/* What is left of a zone's large free pieces: that part of it, and no less than so much. */
#define AERO_SPARED_PART 64
#define AERO_SPARED_PAGES ((unsigned long)SZ_4M >> PAGE_SHIFT)

/* The balloon must not dip into the reserves that reclaim itself lives on. */
#define AERO_GFP (GFP_HIGHUSER | __GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN)

static bool compact;
module_param(compact, bool, 0644);
MODULE_PARM_DESC(compact, "have the kernel move pages in use together where that makes room for a range of the size of a huge page (default: no)");

static struct page *aero_first_chunk(struct list_head *list)
{
	return list_first_entry(list, struct page, lru);
}

void aero_chunks_init(struct aero_chunks *chunks)
{
	int order;

	for (order = 0; order <= AERO_MAX_ORDER; order++)
		INIT_LIST_HEAD(&chunks->by_order[order]);
}

static void aero_chunks_add_one(struct aero_chunks *chunks, struct page *page, unsigned int order)
{
	set_page_private(page, order | AERO_HELD);
	list_add(&page->lru, &chunks->by_order[order]);
	chunks->count[order]++;
	chunks->pages += 1UL << order;
}

static void aero_chunks_del_one(struct aero_chunks *chunks, struct page *page)
{
	unsigned int order = aero_chunk_order(page);

	list_del(&page->lru);
	set_page_private(page, order);
	chunks->count[order]--;
	chunks->pages -= 1UL << order;
}

void aero_chunks_add_page(struct aero_chunks *chunks, struct page *page)
{
	aero_chunks_add_one(chunks, page, 0);
}

void aero_chunks_del_page(struct aero_chunks *chunks, struct page *page)
{
	aero_chunks_del_one(chunks, page);
}

void aero_chunks_add(struct aero_chunks *chunks, struct list_head *from)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, from, lru) {
		list_del(&page->lru);
		aero_chunks_add_one(chunks, page, aero_chunk_order(page));
	}
}

/* Turns the smallest chunk of several pages into single pages. Returns false if there is none. */
static bool aero_chunks_split(struct aero_balloon *b)
{
	struct aero_chunks *chunks = &b->held;
	unsigned int order;
	unsigned long i;
	struct page *page;

	for (order = 1; order <= AERO_MAX_ORDER; order++) {
		if (list_empty(&chunks->by_order[order]))
			continue;
		page = aero_first_chunk(&chunks->by_order[order]);
		aero_chunks_del_one(chunks, page);
		split_page(page, order);
		for (i = 0; i < 1UL << order; i++) {
			aero_page_set_movable(b, page + i);
			aero_chunks_add_one(chunks, page + i, 0);
		}
		return true;
	}
	return false;
}

unsigned long aero_chunks_take(struct aero_balloon *b, unsigned long max_pages,
			       struct list_head *to)
{
	struct aero_chunks *chunks = &b->held;
	unsigned long taken = 0;
	unsigned int n = 0;

	do {
		int order;

		for (order = AERO_MAX_ORDER; order >= 0; order--) {
			struct list_head *list = &chunks->by_order[order];

			while (n < AERO_BATCH_CHUNKS && !list_empty(list) &&
			       1UL << order <= max_pages - taken) {
				struct page *page = aero_first_chunk(list);

				aero_chunks_del_one(chunks, page);
				list_add_tail(&page->lru, to);
				taken += 1UL << order;
				n++;
			}
		}
	} while (taken < max_pages && n < AERO_BATCH_CHUNKS && aero_chunks_split(b));
	return taken;
}

static int aero_compare(void *unused, const struct list_head *a, const struct list_head *b)
{
	unsigned long pfn_a = page_to_pfn(list_entry(a, struct page, lru));
	unsigned long pfn_b = page_to_pfn(list_entry(b, struct page, lru));

	return pfn_a < pfn_b ? -1 : pfn_a > pfn_b;
}

void aero_sort(struct list_head *chunks)
{
	list_sort(NULL, chunks, aero_compare);
}

void aero_account(struct aero_balloon *b, struct page *page, long pages)
{
	if (!b->deflate_on_oom)
		adjust_managed_page_count(page, pages);
}

/*
 * A whole pageblock fragments nothing, and stays where it is. Anything smaller has to be movable,
 * and only that is taken from memory set apart for what can move (ZONE_MOVABLE, CMA).
 */
static bool aero_is_movable(unsigned int order)
{
	return aero_can_migrate() && order < pageblock_order;
}

/*
 * A kernel whose free memory is all in pieces cannot even start a process, however much of it there
 * is. So some of the large pieces of each zone that it allocates from are left.
 */
static bool aero_spares_large(const struct page *page)
{
	struct zone *zone = page_zone(page);
	unsigned long left = 0;
	int order;

	if (zone_idx(zone) == ZONE_MOVABLE)
		return true;
	for (order = PAGE_ALLOC_COSTLY_ORDER; order <= AERO_MAX_ORDER; order++)
		/* Changes at any moment; about so much is enough. */
		left += data_race(zone->free_area[order].nr_free) << order;
	return left >= max(zone_managed_pages(zone) / AERO_SPARED_PART, AERO_SPARED_PAGES);
}

/* Only single pages are worth reclaiming for; for the larger orders not even kswapd is woken. */
static struct page *aero_alloc_chunk(unsigned int order, bool movable)
{
	gfp_t gfp = movable ? AERO_GFP | __GFP_MOVABLE : AERO_GFP;
	struct page *page;

	if (!order)
		return alloc_pages(gfp, 0);
	page = alloc_pages(gfp & ~__GFP_RECLAIM, order);
	if (!page || aero_spares_large(page))
		return page;
	__free_pages(page, order);
	return NULL;
}

/*
 * A pageblock that the kernel makes room for. Of what can move, since only for that does it look
 * through all memory. It does so only where there is none, hence the spared ones are taken aside.
 */
static struct page *aero_compact_chunk(unsigned int order)
{
	const gfp_t gfp = AERO_GFP | __GFP_MOVABLE;
	struct page *page, *spared, *next;
	LIST_HEAD(aside);

	if (!READ_ONCE(compact) || !aero_can_migrate() || order != pageblock_order)
		return NULL;
	while ((page = alloc_pages(gfp & ~__GFP_RECLAIM, order)) && !aero_spares_large(page))
		list_add(&page->lru, &aside);
	if (!page)
		page = alloc_pages(gfp & ~__GFP_KSWAPD_RECLAIM, order);
	list_for_each_entry_safe(spared, next, &aside, lru)
		__free_pages(spared, order);
	return page;
}

/* Stages the chunk, in single pages if they are to be movable. Returns the number of parts. */
static unsigned int aero_stage_chunk(struct aero_balloon *b, struct page *page, unsigned int order,
				     bool movable)
{
	unsigned int part = movable ? 0 : order;
	unsigned int n = 1U << (order - part);
	unsigned int i;

	aero_account(b, page, -(1L << order));
	b->allocated[order]++;
	b->staged_pages += 1UL << order;
	if (order && !part)
		split_page(page, order);
	for (i = 0; i < n; i++) {
		set_page_private(page + i, part);
		if (movable)
			aero_page_set_movable(b, page + i);
		list_add_tail(&page[i].lru, &b->staged);
	}
	return n;
}

/*
 * What may be taken: a target beyond the guest's memory must not drive it into the OOM killer, as
 * allocating down to the lowest watermark would.
 */
static unsigned long aero_available(void)
{
	return max(si_mem_available() + get_nr_swap_pages(), 0L);
}

bool aero_stage(struct aero_balloon *b, unsigned long want)
{
	unsigned int order = b->max_order;
	unsigned int chunks = 0;
	u64 begin = ktime_get_ns();

	want = min(want, AERO_BATCH_PAGES);
	/* Hinted pages are free ones, but the kernel does not count them as available. */
	if (aero_available() < want)
		aero_hinting_yield(b, want);
	want = min(want, aero_available());
	while (b->staged_pages < want && chunks < AERO_BATCH_CHUNKS && !READ_ONCE(b->stopping)) {
		struct page *page;
		bool movable;

		order = min_t(unsigned int, order, ilog2(want - b->staged_pages));
		movable = aero_is_movable(order);
		page = aero_alloc_chunk(order, movable);
		if (!page) {
			page = aero_compact_chunk(order);
			movable = true;
		}
		if (page)
			chunks += aero_stage_chunk(b, page, order, movable);
		else if (order)
			order--;
		else
			break;
		cond_resched();
	}
	b->alloc_failures += !chunks;
	aero_sort(&b->staged);
	b->alloc_ns += ktime_get_ns() - begin;
	return chunks > 0;
}

void aero_free_chunks(struct aero_balloon *b, struct list_head *list)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, list, lru) {
		unsigned int order = aero_chunk_order(page);

		list_del(&page->lru);
		aero_page_clear_movable(page);
		set_page_private(page, 0);
		aero_account(b, page, 1L << order);
		__free_pages(page, order);
		cond_resched();
	}
}

void aero_unstage(struct aero_balloon *b)
{
	aero_free_chunks(b, &b->staged);
	b->staged_pages = 0;
}
