/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and units of the figures of balloon and machine, in one table for all that show them: the
 * balloon's statistics, the metrics as JSON and as OpenMetrics text.
 */
#ifndef AEROSTAT_METRICS_FIGURES_H
#define AEROSTAT_METRICS_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/balloon/balloon.h"
#include "vmm/machine/machine.h"

enum metrics_unit { METRICS_COUNT, METRICS_BYTES, METRICS_NS };

/* One uint64_t in a structure. Those of one family follow each other. */
struct metrics_figure {
    const char *name; /* in JSON */
    size_t offset;
    enum metrics_unit unit;
    bool counter;       /* it only grows; otherwise it is as it is now */
    const char *family; /* in OpenMetrics text, without "aerostat_", the unit and "_total" */
    const char *label;  /* its label there, in the form of the text; NULL: none */
    const char *help;   /* one sentence on the family */
};

/* All numbers in struct balloon_info but poison_val and stats_interval_s. */
extern const struct metrics_figure metrics_balloon_figures[];
extern const size_t metrics_balloon_figure_count;

/* All of struct machine_figures. */
extern const struct metrics_figure metrics_machine_figures[];
extern const size_t metrics_machine_figure_count;

/* The statistics that a guest sends, by tag; offsets are in struct balloon_stats, names
 * Firecracker's. */
extern const struct metrics_figure metrics_guest_figures[BALLOON_STAT_TAGS];

/* The figure's value in the structure that its offset is in. */
static inline uint64_t metrics_figure_of(const struct metrics_figure *figure, const void *from)
{
    return *(const uint64_t *)(const void *)((const char *)from + figure->offset);
}

/* Firecracker's words, and "Stopped". */
const char *metrics_state_name(enum machine_state state);

/* "none", "pfn" or "sg". */
const char *metrics_form_name(enum balloon_form form);

#endif
