/* SPDX-License-Identifier: Apache-2.0 */
/* The file or FIFO that metrics are written to, a line of JSON at a time. */
#ifndef AEROSTAT_METRICS_SINK_H
#define AEROSTAT_METRICS_SINK_H

#include <stddef.h>

#include "vmm/base/err.h"
#include "vmm/metrics/metrics.h"

/* One thread's at a time. */
struct metrics_sink;

/* Opens path as outfile.h says. Returns 0; -ENOMEM; -errno of open(2) with a sentence. */
int metrics_sink_create(const char *path, struct metrics_sink **out_sink, struct err *err);

/* Accepts NULL. Writes nothing but the rest of a line that was begun; flush before. */
void metrics_sink_destroy(struct metrics_sink *sink);

/*
 * Writes a line with what was counted since the last line that was accepted. Never blocks. What
 * readers see are whole lines: the rest of one that did not fit is written before the next. Returns
 * 0; -EAGAIN if nobody reads, -errno of write(2) or -ENOMEM: the line was not accepted, is counted,
 * and what it said is part of the next.
 */
int metrics_flush(struct metrics_sink *sink, const struct metrics_sample *now, struct err *err);

/* For the sample to come; zeros for NULL. */
void metrics_sink_get_counts(const struct metrics_sink *sink, struct metrics_sink_counts *out);

#endif
