/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements of one thing, and what of them is printed. */
#ifndef AEROSTAT_BENCH_VALUES_H
#define AEROSTAT_BENCH_VALUES_H

#include <stddef.h>
#include <stdint.h>

/* A zeroed one is empty. */
struct values {
    uint64_t *list;
    size_t n;
    size_t room;
};

/* Ends the program when there is no memory for it. */
void values_add(struct values *values, uint64_t value);

/* The value that per_mille thousandths of them are below: 500 is the median, 1000 the largest. 0 of
 * none. Sorts them. */
uint64_t values_at(struct values *values, unsigned per_mille);

void values_finish(struct values *values);

#endif
