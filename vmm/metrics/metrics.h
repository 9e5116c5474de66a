/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine and its monitor count, as one line of JSON in Firecracker's layout and as
 * OpenMetrics text. docs/metrics.md lists all of it. Nothing here gathers or keeps anything: a
 * caller fills a sample. Any thread, for distinct samples.
 */
#ifndef AEROSTAT_METRICS_H
#define AEROSTAT_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/balloon/balloon.h"
#include "vmm/base/log.h"
#include "vmm/machine/machine.h"
#include "vmm/metrics/api_counts.h"

/* Firecracker writes a line so often, besides on demand and at the end. */
#define METRICS_PERIOD_NS UINT64_C(60000000000)

/* What became of lines for a struct metrics_sink. */
struct metrics_sink_counts {
    uint64_t lines;  /* accepted */
    uint64_t missed; /* not written since nobody read: what they counted is in the next */
    uint64_t fails;  /* not written for another reason, a full disk for one; the same holds */
};

/*
 * How long it took to get going, in Firecracker's sense: from when the process began to when the
 * machine, or without one the control socket, was ready. Who starts the process may say when that
 * was, as Firecracker's --start-time-us, --start-time-cpu-us and --parent-cpu-time-us do.
 */
struct metrics_start {
    uint64_t start_us;      /* CLOCK_MONOTONIC; 0: not known, and the time counts as 0 */
    uint64_t start_cpu_us;  /* CLOCK_PROCESS_CPUTIME_ID; 0 unless it was said */
    uint64_t parent_cpu_us; /* spent for us by who started us */
};

/* All at one moment, counters since the start. Zero-initialise, or metrics_sample_init(). */
struct metrics_sample {
    const char *id;         /* borrowed; NULL: "anonymous-instance" */
    const char *version;    /* borrowed; NULL: none */
    bool emit_id;           /* JSON: Firecracker's metrics.emit_id; OpenMetrics always has it */
    const char *properties; /* borrowed; JSON: an object's text, metrics.properties; NULL: none */

    uint64_t time_ms; /* since 1970 */
    uint64_t startup_us;
    uint64_t startup_cpu_us;
    /* How long the last pause and resume took to happen: the whole request, and without the API. */
    uint64_t pause_us;
    uint64_t resume_us;
    uint64_t vmm_pause_us;
    uint64_t vmm_resume_us;

    enum machine_state state;
    bool has_machine;
    struct machine_figures machine;
    bool has_balloon;
    struct balloon_info balloon;
    struct balloon_stats stats;

    struct metrics_api_counts api;
    struct log_counts log;
    struct metrics_sink_counts sink;
};

/* An empty sample with id, the time and the log's counters. */
void metrics_sample_init(struct metrics_sample *out, const char *id);

/* Sets startup_us and startup_cpu_us to what has passed until now. */
void metrics_sample_set_startup(struct metrics_sample *sample, const struct metrics_start *start);

/*
 * One line of JSON without a line feed; malloc'ed. Counters are what came since last, NULL for
 * none, as Firecracker has them; figures that go up and down, and durations, are as they are.
 * Returns 0 or -ENOMEM.
 */
int metrics_json(const struct metrics_sample *now, const struct metrics_sample *last, char **out);

/* Counters since the start; ends with "# EOF". Malloc'ed. Returns 0 or -ENOMEM. */
int metrics_openmetrics(const struct metrics_sample *now, char **out);

/* The media type of that text. */
#define METRICS_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

#endif
