/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls of a thread or of a process, counted by the kernel's tracepoint at their entry
 * (perf_event_open(2)). Counting makes each call slower: what is counted is not timed.
 */
#ifndef AEROSTAT_BENCH_CALLS_H
#define AEROSTAT_BENCH_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct call_counts {
    uint64_t all;
    uint64_t release; /* of these: fallocate(2) and madvise(2), whether or not they freed memory */
};

struct call_counter;

/*
 * For the calling thread (pid 0), or for all threads that process pid has now. Returns 0; -ENOENT
 * when the kernel has no such tracepoint; -EACCES or -EPERM without the right to it; other -errno
 * of perf_event_open(2).
 */
int calls_open(pid_t pid, struct call_counter **out) __attribute__((warn_unused_result));
/* Accepts NULL. */
void calls_close(struct call_counter *c);

/* From calls_start() to calls_stop(), what these two themselves call left out. */
void calls_start(struct call_counter *c);
void calls_stop(struct call_counter *c, struct call_counts *out);

#endif
