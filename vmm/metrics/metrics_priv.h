/* SPDX-License-Identifier: Apache-2.0 */
/* What both forms of the metrics are made with. */
#ifndef AEROSTAT_METRICS_PRIV_H
#define AEROSTAT_METRICS_PRIV_H

#include <stddef.h>

#include "vmm/metrics/metrics.h"

/* A method and a section that have a route, and how Firecracker's JSON begins its names. */
struct metrics_route {
    enum metrics_method method;
    enum metrics_section section;
    const char *name;
    bool firecracker; /* it counts these, too, under that name */
};

/* Sorted by method. */
extern const struct metrics_route metrics_routes[];
extern const size_t metrics_route_count;

/* "get", "put", "patch". */
extern const char *const metrics_method_names[METRICS_METHODS];

/* sample->id or what stands for it, malloc'ed, bytes that are no UTF-8 replaced by '?'; NULL when
 * memory runs out. */
char *metrics_clean_id(const struct metrics_sample *sample);

#endif
