// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics (virtio 1.2, 5.5.6.3): the host holds one buffer with figures; by using it, it asks
 * for fresh ones.
 */

#include <linux/mm.h>
#include <linux/vmstat.h>

#include "balloon.h"

static void aero_stat(struct aero_stats *s, u16 tag, u64 value)
{
	struct aero_stat *stat = &s->values[s->n++];

	stat->tag = cpu_to_le16(tag);
	stat->value = cpu_to_le64(value);
}

static void aero_stat_pages(struct aero_stats *s, u16 tag, unsigned long pages)
{
	aero_stat(s, tag, (u64)pages << PAGE_SHIFT);
}

/* What happened since the kernel started. */
static void aero_stats_events(struct aero_stats *s)
{
	const unsigned long *events = s->events;
	unsigned long stalls = 0;
	unsigned int zone;

	all_vm_events(s->events);
	if (IS_ENABLED(CONFIG_SWAP)) {
		aero_stat_pages(s, VIRTIO_BALLOON_S_SWAP_IN, events[PSWPIN]);
		aero_stat_pages(s, VIRTIO_BALLOON_S_SWAP_OUT, events[PSWPOUT]);
	}
	aero_stat(s, VIRTIO_BALLOON_S_MAJFLT, events[PGMAJFAULT]);
	aero_stat(s, VIRTIO_BALLOON_S_MINFLT, events[PGFAULT]);
#ifdef CONFIG_HUGETLB_PAGE
	aero_stat(s, VIRTIO_BALLOON_S_HTLB_PGALLOC, events[HTLB_BUDDY_PGALLOC]);
	aero_stat(s, VIRTIO_BALLOON_S_HTLB_PGFAIL, events[HTLB_BUDDY_PGALLOC_FAIL]);
#endif
	aero_stat(s, VIRTIO_BALLOON_S_OOM_KILL, events[OOM_KILL]);
	/* One event a zone, in the order of the zones. */
	for (zone = 0; zone < MAX_NR_ZONES; zone++)
		stalls += events[ALLOCSTALL_NORMAL - ZONE_NORMAL + zone];
	aero_stat(s, VIRTIO_BALLOON_S_ALLOC_STALL, stalls);
	aero_stat_pages(s, VIRTIO_BALLOON_S_ASYNC_SCAN, events[PGSCAN_KSWAPD]);
	aero_stat_pages(s, VIRTIO_BALLOON_S_DIRECT_SCAN, events[PGSCAN_DIRECT]);
	aero_stat_pages(s, VIRTIO_BALLOON_S_ASYNC_RECLAIM, events[PGSTEAL_KSWAPD]);
	aero_stat_pages(s, VIRTIO_BALLOON_S_DIRECT_RECLAIM, events[PGSTEAL_DIRECT]);
}

static void aero_stats_collect(struct aero_stats *s)
{
	struct sysinfo info;

	s->n = 0;
	si_meminfo(&info);
	aero_stat_pages(s, VIRTIO_BALLOON_S_MEMFREE, info.freeram);
	aero_stat_pages(s, VIRTIO_BALLOON_S_MEMTOT, info.totalram);
	aero_stat_pages(s, VIRTIO_BALLOON_S_AVAIL, max(si_mem_available(), 0L));
	aero_stat_pages(s, VIRTIO_BALLOON_S_CACHES, global_node_page_state(NR_FILE_PAGES));
	if (IS_ENABLED(CONFIG_VM_EVENT_COUNTERS))
		aero_stats_events(s);
}

/* Never runs twice at a time, so what it uses needs no lock. */
static void aero_stats_work(struct work_struct *work)
{
	struct aero_stats *s = container_of(work, struct aero_stats, work);
	struct aero_balloon *b = container_of(s, struct aero_balloon, stats);
	struct scatterlist sg;
	unsigned int len;

	if (READ_ONCE(b->stopping) || (s->sent && !virtqueue_get_buf(s->vq, &len)))
		return;
	aero_stats_collect(s);
	sg_init_one(&sg, s->values, s->n * sizeof(*s->values));
	s->sent = !virtqueue_add_outbuf(s->vq, &sg, 1, s, GFP_KERNEL);
	if (!s->sent)
		return;
	s->reports++;
	virtqueue_kick(s->vq);
}

void aero_stats_init(struct aero_stats *s)
{
	INIT_WORK(&s->work, aero_stats_work);
	s->sent = false;
}

void aero_stats_start(struct aero_balloon *b)
{
	if (b->stats.vq && !READ_ONCE(b->stopping))
		schedule_work(&b->stats.work);
}

void aero_stats_answer(struct virtqueue *vq)
{
	aero_stats_start(vq->vdev->priv);
}

void aero_stats_stop(struct aero_balloon *b)
{
	cancel_work_sync(&b->stats.work);
}
