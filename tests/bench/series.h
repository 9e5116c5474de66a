/* SPDX-License-Identifier: Apache-2.0 */
/* What bench_punch measured, as lines of JSON and as a table. */
#ifndef AEROSTAT_BENCH_SERIES_H
#define AEROSTAT_BENCH_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/gm.h"
#include "tests/bench/calls.h"
#include "tests/bench/forms.h"
#include "tests/bench/rig.h"

#define ROUNDS_MAX 101u

enum who {
    WHO_OURS, /* the limit too */
    WHO_QEMU,
    N_WHO,
};

/* Under which conditions a series was measured. */
struct setting {
    enum gm_backing backing;
    bool populated;
    uint64_t size_bytes;
    unsigned rounds;
    uint16_t queue_size; /* asked for */
};

/* One measurement. */
struct sample {
    struct rig_time time;
    struct rig_time idle_kicks; /* QEMU: what of time is the test channel's, by kicks alone */
    uint64_t kicks;
    uint64_t freed_bytes;     /* by how much the memfd's blocks fell */
    uint64_t punch_calls;     /* fallocate(2) calls as the device counts its own; QEMU does not */
    uint16_t queue_size;      /* that the device gave */
    struct call_counts calls; /* 0 where they were not counted */
    struct call_counts idle_calls; /* QEMU: of idle_kicks */
};

/* All measurements of a form. */
struct series {
    struct sample samples[ROUNDS_MAX];
    unsigned n;
    bool counted; /* system calls, in a round of its own: */
    struct call_counts calls;
    struct call_counts idle_calls;
};

struct table {
    struct setting setting;
    struct series series[N_FORMS][N_WHO];
};

const char *backing_name(enum gm_backing backing);

/* False when there is no backing of this name. */
bool backing_find(const char *name, enum gm_backing *out);

/* In milliseconds. */
struct spread {
    double min;
    double median;
    double max;
};

/* Of n (at least one) times, which are sorted. */
struct spread spread_ms(uint64_t *ns, unsigned n);

/* The last sample of the series as one line. */
void series_print_json(const struct table *t, enum form_id id, enum who who);

/*
 * One row a series. "of limit" and "x qemu" are how many times as fast as the limit, and as QEMU
 * with the same memory in the same order, by medians of processor time: above 1 is faster.
 */
void table_print(const struct table *t);

#endif
