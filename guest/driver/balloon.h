/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the balloon driver share.
 *
 * The life of a page: it is allocated in a chunk of 2^order pages and staged (pages.c), sent to the
 * host in a request on the inflate queue (transport.c), held once the host has answered, chosen to
 * leave, sent in a request on the deflate queue, and freed once the host has answered that. At each
 * moment a chunk is on exactly one list: staged, the chunks of one request, held, leaving, or
 * returned. Nothing is allocated for this bookkeeping: the list goes through page->lru of the
 * chunk's first page, its order is in page->private.
 *
 * Chunks below the size of a pageblock are taken apart, and the kernel may move their pages while
 * they are held (migrate.c); such a page is meanwhile on no list of this driver.
 *
 * Beside it, each with a queue of its own: statistics (stats.c), pages reported free
 * (reporting.c), pages hinted free (hinting.c).
 *
 * Everything is asynchronous: the work function (work.c) does what it can at once and is run again
 * by an answer of the host, by a change of the target, or by a timer. So a device that stops
 * answering holds up nobody; after a time it is reset, which ends its claim on the pages.
 */
#ifndef AERO_BALLOON_H
#define AERO_BALLOON_H

#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/page_reporting.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"

/* Requests of many pages that a queue can have in flight. They share its ring, but for an entry. */
#define AERO_REQUESTS 4
/* Entries of a PFN array, as other drivers send them and devices expect at most. */
#define AERO_PFNS_MAX 256
/* Tags of statistics: a buffer holds each once at most. */
#define AERO_STATS_MAX (VIRTIO_BALLOON_S_DIRECT_RECLAIM + 1)
/* Punching out a few GiB of resident 4 KiB pages takes the host seconds; past this it is dead. */
#define AERO_OOM_ANSWER (5 * HZ)
#define AERO_UNLOAD_ANSWER (10 * HZ)
/* Chunks that are sorted at a time: enough to find neighbours in, soon done. */
#define AERO_BATCH_CHUNKS 16384U

/* The unit of the protocol is 4096 bytes whatever PAGE_SIZE is. */
#define AERO_UNIT_SHIFT 12
#define AERO_UNITS_PER_PAGE (1U << (PAGE_SHIFT - AERO_UNIT_SHIFT))

/* Who a request is for. The last two have one each of their own, and need not wait for others. */
enum aero_use {
	AERO_USE_TARGET,
	AERO_USE_OOM, /* deflate only */
	AERO_USE_MIGRATION,
};

/* In page->private beside the order: a page that may be taken out of the balloon at this moment. */
#define AERO_ORDER_MASK 0xffUL
#define AERO_HELD 0x100UL

/* Chunks by order. Guarded by the balloon's lock. */
struct aero_chunks {
	struct list_head by_order[AERO_MAX_ORDER + 1];
	unsigned long count[AERO_MAX_ORDER + 1];
	unsigned long pages;
};

/* One buffer for a queue. Allocated once, so that sending needs no memory. */
struct aero_request {
	bool busy; /* guarded by the lock; the rest belongs to who set it, or to the device */
	bool replacing; /* half of a migration: the balloon neither grows nor shrinks by it */
	struct list_head chunks;
	unsigned long pages;
	unsigned int nents;
	struct scatterlist *sg; /* max_ranges of its queue, or one for the array */
	__le32 *pfns; /* NULL with scatter-gather */
};

/* A queue and its counters. All guarded by the balloon's lock. */
struct aero_queue {
	struct virtqueue *vq;
	struct aero_request requests[AERO_REQUESTS + 1]; /* the last one is migration's */
	unsigned int reserved; /* the first requests, kept for the out-of-memory path */
	unsigned int max_ranges; /* descriptors of one chain */
	unsigned long unannounced_pages; /* in the ring, and the host was not notified yet */
	unsigned long pages_in_flight;

	u64 chains;
	u64 answers; /* of those chains */
	u64 announced; /* chains when the host was last notified */
	u64 descriptors;
	u64 notifications;
	u64 pages;
};

/* An entry of the statistics' buffer (virtio 1.2, 5.5.6.3). */
struct aero_stat {
	__le16 tag;
	__le64 value;
} __packed;

/* The work function's alone, but for the counter, which others read. */
struct aero_stats {
	struct virtqueue *vq; /* NULL without the feature */
	struct work_struct work;
	bool sent; /* the host has the buffer */
	unsigned int n;
	struct aero_stat values[AERO_STATS_MAX];
	unsigned long events[NR_VM_EVENT_ITEMS]; /* too large for the stack */

	u64 reports;
};

/* aero_report()'s, of which the kernel makes one call at a time. */
struct aero_reporting {
	struct virtqueue *vq; /* NULL without the feature */
	struct page_reporting_dev_info dev;
	bool registered;
	wait_queue_head_t answered;
	bool over; /* the device was reset: nothing it had is its any more */

	u64 reports;
	u64 pages;
};

/* A buffer with a command id. */
struct aero_hint_id {
	__le32 value;
	bool busy;
};

/* The work function's, but for what the lock guards. */
struct aero_hinting {
	struct virtqueue *vq; /* NULL without the feature */
	struct work_struct work;
	struct shrinker *shrinker; /* NULL while this and the OOM notifier are not registered */
	struct notifier_block oom_nb;
	wait_queue_head_t answered;
	bool changed; /* the command in configuration space may be another one */
	bool pressed; /* the guest is short of memory: the round is to end */
	u32 command; /* what was acted upon last */
	bool round; /* hints are given under it, and no STOP was sent yet */

	/* Guards the queue and what follows. A leaf: nothing is allocated or freed inside it. */
	spinlock_t lock;
	struct aero_hint_id begin;
	struct aero_hint_id end;
	struct list_head sent; /* the host has not used their buffers */
	struct list_head held; /* until DONE, or until the guest needs them */
	unsigned long sent_pages;
	unsigned long held_pages;

	u64 commands;
	u64 pages;
};

struct aero_balloon {
	struct virtio_device *vdev;
	bool scatter_gather;
	bool free_page_hint;
	bool deflate_on_oom;
	unsigned int max_order;
	bool stopping; /* nothing new begins */
	bool over; /* the device was reset: nothing it had is its any more */

	/* Guards the queues and what follows. A leaf: nothing is allocated or freed inside it. */
	spinlock_t lock;
	struct aero_queue inflate;
	struct aero_queue deflate;
	struct aero_chunks held;
	unsigned long isolated_pages; /* in the kernel's hands, to be moved; the balloon's still */
	bool migrating; /* one of them is */
	struct list_head arrived; /* the page in its place, which the host has */
	unsigned long oom_leaving_pages; /* being chosen by the OOM notifier */
	struct list_head returned; /* answered by the host, to be freed */
	wait_queue_head_t answered;

	/* Only the work function's, and aero_stop()'s after it. */
	struct list_head staged; /* allocated, sorted by address, not yet sent */
	unsigned long staged_pages;
	struct list_head leaving; /* to be deflated, sorted by address, not yet sent */
	unsigned long leaving_pages;
	unsigned long reported_pages; /* what was last written to actual */
	u64 waiting_since; /* ns; 0: nothing is awaited */

	struct aero_stats stats;
	struct aero_reporting reporting;
	struct aero_hinting hinting;

	struct workqueue_struct *wq;
	struct delayed_work work;
	struct notifier_block oom_nb;
	unsigned long oom_until; /* jiffies before which nothing is inflated again */

	/* Notices a device that does not answer; its own. */
	struct delayed_work watch;
	u64 watched_answers;
	unsigned long watched_at; /* jiffies */
	unsigned int silent_s;

	/* The work function's. */
	u64 allocated[AERO_MAX_ORDER + 1]; /* chunks, by order */
	u64 alloc_failures;
	u64 alloc_ns;
	u64 send_ns;
	u64 wait_ns; /* for the host, with nothing else to do */

	u64 oom_calls; /* the OOM notifier's, one at a time */
	u64 oom_pages;
	u64 isolations; /* under the lock */
	u64 migrations; /* the migration's under way */
	struct dentry *debugfs;
};

static inline unsigned int aero_chunk_order(const struct page *page)
{
	return (unsigned int)(page_private(page) & AERO_ORDER_MASK);
}

static inline unsigned long aero_chunk_pages(const struct page *page)
{
	return 1UL << aero_chunk_order(page);
}

/* main.c */

/*
 * Ends all use of the device and gives all pages back; @drain: with the device's consent, if it
 * answers. aero_start() may follow.
 */
void aero_stop(struct aero_balloon *b, bool drain);

/* pages.c */

void aero_chunks_init(struct aero_chunks *chunks);

/* Adds the chunks of @from, which is empty then. Under the lock. */
void aero_chunks_add(struct aero_chunks *chunks, struct list_head *from);

/* Adds or takes a single page. Under the lock. */
void aero_chunks_add_page(struct aero_chunks *chunks, struct page *page);
void aero_chunks_del_page(struct aero_chunks *chunks, struct page *page);

/*
 * Moves at most @max_pages held pages in at most AERO_BATCH_CHUNKS chunks to the empty list @to,
 * large ones first. Splits a chunk where only larger ones are left, so that any number of pages can
 * be taken. Returns how many. Under the lock.
 */
unsigned long aero_chunks_take(struct aero_balloon *b, unsigned long max_pages,
			       struct list_head *to);

/* Sorts a list of chunks by address. */
void aero_sort(struct list_head *chunks);

/*
 * Allocates up to @want pages, large chunks first, into b->staged. Returns whether any could be
 * had. May sleep.
 */
bool aero_stage(struct aero_balloon *b, unsigned long want);

/*
 * As the stock driver, takes pages out of what the guest counts as its memory (@pages below 0) or
 * puts them back, unless the guest may have them when it runs short.
 */
void aero_account(struct aero_balloon *b, struct page *page, long pages);

/* Gives the chunks of @list back to the kernel; it is empty then. May sleep. */
void aero_free_chunks(struct aero_balloon *b, struct list_head *list);

/* Frees what was staged and never sent. */
void aero_unstage(struct aero_balloon *b);

/* migrate.c */

/* Whether the kernel can move this driver's single pages. */
static inline bool aero_can_migrate(void)
{
	return IS_ENABLED(CONFIG_COMPACTION);
}

/* Marks a single page of the balloon as one that can be moved, once it is held. Does not sleep. */
void aero_page_set_movable(struct aero_balloon *b, struct page *page);

/* Ends that, if it was so. Waits for whoever is looking at the page. */
void aero_page_clear_movable(struct page *page);

/*
 * Once nothing new begins: waits for the migration under way, as long as a device may take to
 * answer. Returns whether it has ended.
 */
bool aero_migration_wait(struct aero_balloon *b);

/*
 * After the device's reset: no migration is under way then, and none begins. Before the queues are
 * deleted.
 */
void aero_migration_stop(struct aero_balloon *b);

/* After that, and after they were deleted: all pages are back on the lists. */
void aero_migration_finish(struct aero_balloon *b);

/* transport.c */

/*
 * Finds the queues that the negotiated features bring, and allocates all requests. @callback: for
 * inflate and deflate. Returns 0 or -errno; then nothing is left behind.
 */
int aero_transport_init(struct aero_balloon *b, vq_callback_t *callback);

/* After the device's reset: deletes the queues; the chunks of all requests are in b->returned. */
void aero_transport_finish(struct aero_balloon *b);

/* An idle request, marked busy, for which the ring has room; NULL if there is none. */
struct aero_request *aero_request_get(struct aero_balloon *b, struct aero_queue *q,
				      enum aero_use use);

/* Makes an unsent request idle; its chunks, if any, go to b->returned. */
void aero_request_put(struct aero_balloon *b, struct aero_request *req);

/* Moves chunks from the sorted @from to @req of @q while it has room; neighbours are one range. */
void aero_request_fill(struct aero_balloon *b, struct aero_queue *q, struct aero_request *req,
		       struct list_head *from);

/* Has @req say @page, a single one, as half of a migration. The page is on no list of it. */
void aero_request_replace(struct aero_balloon *b, struct aero_request *req, struct page *page);

/*
 * Puts a filled request into the ring; aero_announce() has to follow. Returns 0; -errno: it is the
 * caller's still.
 */
int aero_submit(struct aero_balloon *b, struct aero_queue *q, struct aero_request *req);

/* Notifies the host of what is in the ring, if it wants to be. */
void aero_announce(struct aero_balloon *b, struct aero_queue *q);

/*
 * The same unless it has yet to answer what it was notified of: by then it may have found the rest
 * by itself, and if not, the answer runs the work function, which comes here again.
 */
void aero_announce_to_idle(struct aero_balloon *b, struct aero_queue *q);

/*
 * Takes the host's answers: inflated chunks are held then, deflated ones are in b->returned.
 * Returns whether there were any. Process context.
 */
bool aero_reap(struct aero_balloon *b);

/* Puts chunks that the host has, and was not told to give up, among those held. */
void aero_hold(struct aero_balloon *b, struct list_head *chunks);

/*
 * One request's worth of @from, which is sorted, goes on the deflate queue; aero_announce() has to
 * follow. Returns how many pages; 0 if no request is idle, or the queue takes none.
 */
unsigned long aero_send_back(struct aero_balloon *b, struct list_head *from, enum aero_use use);

/* Frees what is in b->returned. Process context. */
void aero_free_returned(struct aero_balloon *b);

/* work.c */

void aero_work_init(struct aero_balloon *b);
void aero_run_now(struct aero_balloon *b);

/* Takes the host's answers, and looks whether @req has got its own. Process context. */
bool aero_request_answered(struct aero_balloon *b, struct aero_request *req);

/* For inflate and deflate. */
void aero_answer(struct virtqueue *vq);

/* Something was sent, or the device's status may have changed. Any context. */
void aero_watch_soon(struct aero_balloon *b);
void aero_watch_now(struct aero_balloon *b);

/* The notifier of b->oom_nb. */
int aero_oom(struct notifier_block *nb, unsigned long unused, void *parm);

/*
 * When the work function no longer runs: takes all pages back in the order that MUST_TELL_HOST
 * wants. Gives up on a device that leaves requests unanswered.
 */
void aero_drain(struct aero_balloon *b);

/* stats.c */

void aero_stats_init(struct aero_stats *s);

/* After DRIVER_OK: gives the host its first figures. Nothing happens without the feature. */
void aero_stats_start(struct aero_balloon *b);
void aero_stats_answer(struct virtqueue *vq);

/* Ends the work. Before the queues are deleted, and once more when no callback can come. */
void aero_stats_stop(struct aero_balloon *b);

/* reporting.c */

void aero_reporting_init(struct aero_reporting *r);

/* After DRIVER_OK. Where reporting is not to be had, a message says why. */
void aero_reporting_start(struct aero_balloon *b);
void aero_report_answer(struct virtqueue *vq);

/* After the device's reset, before the queues are deleted: a report under way ends unanswered. */
void aero_reporting_stop(struct aero_balloon *b);

/* hinting.c */

void aero_hinting_init(struct aero_hinting *h);

/* Before DRIVER_OK. Returns 0 or -ENOMEM. Nothing happens without the feature. */
int aero_hinting_prepare(struct aero_balloon *b);

/* There may be a new command. Any context. */
void aero_hinting_changed(struct aero_balloon *b);
void aero_hint_answer(struct virtqueue *vq);

/* Ends all use of the queue. Before the queues are deleted; also without aero_hinting_prepare(). */
void aero_hinting_stop(struct aero_balloon *b);

/*
 * Gives the guest about @pages of those that the host has used, as far as there are so many, and
 * ends the round. Process context; does not wait.
 */
void aero_hinting_yield(struct aero_balloon *b, unsigned long pages);

/* After that and after the queues were deleted: frees all pages. */
void aero_hinting_finish(struct aero_balloon *b);

/* debug.c */

void aero_debug_create(struct aero_balloon *b);
void aero_debug_remove(struct aero_balloon *b);

#endif
