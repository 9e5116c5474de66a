// SPDX-License-Identifier: GPL-2.0-only
/* The driver's counters, one "name value" a line, in <debugfs>/aerostat_balloon-<device>/stats. */

#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "balloon.h"

static void aero_show_queue(struct seq_file *m, const char *name, const struct aero_queue *q)
{
	seq_printf(m, "%s_chains %llu\n", name, q->chains);
	seq_printf(m, "%s_descriptors %llu\n", name, q->descriptors);
	seq_printf(m, "%s_notifications %llu\n", name, q->notifications);
	seq_printf(m, "%s_pages %llu\n", name, q->pages);
	seq_printf(m, "%s_pages_in_flight %lu\n", name, q->pages_in_flight);
	seq_printf(m, "%s_max_ranges %u\n", name, q->max_ranges);
}

static int stats_show(struct seq_file *m, void *unused)
{
	struct aero_balloon *b = m->private;
	int order;

	seq_printf(m, "scatter_gather %d\n", b->scatter_gather);
	spin_lock(&b->lock);
	aero_show_queue(m, "inflate", &b->inflate);
	aero_show_queue(m, "deflate", &b->deflate);
	seq_printf(m, "held_pages %lu\n", b->held.pages);
	seq_printf(m, "isolated_pages %lu\n", b->isolated_pages);
	seq_printf(m, "isolations %llu\n", b->isolations);
	for (order = 0; order <= AERO_MAX_ORDER; order++)
		seq_printf(m, "order%d held %lu allocated %llu\n", order, b->held.count[order],
			   b->allocated[order]);
	spin_unlock(&b->lock);
	seq_printf(m, "migrations %llu\n", b->migrations);
	seq_printf(m, "alloc_failures %llu\n", b->alloc_failures);
	seq_printf(m, "alloc_ns %llu\n", b->alloc_ns);
	seq_printf(m, "send_ns %llu\n", b->send_ns);
	seq_printf(m, "wait_ns %llu\n", b->wait_ns);
	seq_printf(m, "oom_calls %llu\n", b->oom_calls);
	seq_printf(m, "oom_pages %llu\n", b->oom_pages);
	seq_printf(m, "stats_reports %llu\n", b->stats.reports);
	seq_printf(m, "report_chains %llu\n", b->reporting.reports);
	seq_printf(m, "report_pages %llu\n", b->reporting.pages);
	seq_printf(m, "hint_commands %llu\n", b->hinting.commands);
	seq_printf(m, "hint_pages %llu\n", b->hinting.pages);
	seq_printf(m, "hint_sent_pages %lu\n", READ_ONCE(b->hinting.sent_pages));
	seq_printf(m, "hint_held_pages %lu\n", READ_ONCE(b->hinting.held_pages));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

void aero_debug_create(struct aero_balloon *b)
{
	char name[64];

	snprintf(name, sizeof(name), "aerostat_balloon-%s", dev_name(&b->vdev->dev));
	b->debugfs = debugfs_create_dir(name, NULL);
	debugfs_create_file("stats", 0400, b->debugfs, b, &stats_fops);
}

void aero_debug_remove(struct aero_balloon *b)
{
	debugfs_remove_recursive(b->debugfs);
}
