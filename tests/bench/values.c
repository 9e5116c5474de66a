/* SPDX-License-Identifier: Apache-2.0 */
/* A growing array, sorted when it is asked. */
#include "tests/bench/values.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_ROOM 64
#define PER_MILLE  1000

void values_add(struct values *v, uint64_t value)
{
    if (v->n == v->room) {
        size_t room = v->room == 0 ? FIRST_ROOM : 2 * v->room;
        uint64_t *list = realloc(v->list, room * sizeof(*list));
        if (list == NULL) {
            perror("measurements");
            exit(1);
        }
        v->list = list;
        v->room = room;
    }
    v->list[v->n++] = value;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t values_at(struct values *v, unsigned per_mille)
{
    if (v->n == 0)
        return 0;
    qsort(v->list, v->n, sizeof(v->list[0]), ascending);
    size_t at = v->n * per_mille / PER_MILLE;
    return v->list[at < v->n ? at : v->n - 1];
}

void values_finish(struct values *v)
{
    free(v->list);
    *v = (struct values){0};
}
