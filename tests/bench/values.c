/* SPDX-License-Identifier: Apache-2.0 */
/* A growing array, sorted when it is asked. */
#include "tests/bench/values.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_ROOM 64
#define PER_MILLE  1000

void values_add(struct values *series, uint64_t value)
{
    if (series->n == series->room) {
        size_t room = series->room == 0 ? FIRST_ROOM : 2 * series->room;
        uint64_t *values = realloc(series->values, room * sizeof(*values));
        if (values == NULL) {
            perror("a series of measurements");
            exit(1);
        }
        series->values = values;
        series->room = room;
    }
    series->values[series->n++] = value;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t values_at(struct values *series, unsigned per_mille)
{
    if (series->n == 0)
        return 0;
    qsort(series->values, series->n, sizeof(series->values[0]), ascending);
    size_t at = series->n * per_mille / PER_MILLE;
    return series->values[at < series->n ? at : series->n - 1];
}

void values_finish(struct values *series)
{
    free(series->values);
    *series = (struct values){0};
}
