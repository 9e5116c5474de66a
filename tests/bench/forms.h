/* SPDX-License-Identifier: Apache-2.0 */
/* The forms in which memory is given back that bench_punch compares. */
#ifndef AEROSTAT_BENCH_FORMS_H
#define AEROSTAT_BENCH_FORMS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/plan.h"

/* Each set has what those before it have. */
enum form_set {
    FORMS_QUICK, /* what page numbers and chains are judged by */
    FORMS_FULL,  /* every size of range */
    FORMS_ALL,   /* and what tells the parts of their cost apart */
};

enum form_id {
    FORM_LIMIT, /* one fallocate(2) over all of it: the least that any balloon can cost */
    FORM_SG_4K,
    FORM_SG_64K,
    FORM_SG_2M,
    FORM_SG_4M,
    FORM_SG_64M,
    FORM_SG_1G,
    FORM_SG_SHUFFLED,
    FORM_SG_SINGLY,
    FORM_PFN,
    FORM_PFN_RUNS,
    FORM_PFN_MANY,
    FORM_PFN_SHUFFLED,
    N_FORMS,
};

struct form {
    const char *name;
    enum form_set set;
    enum form_id versus;  /* what QEMU's balloon does with the same memory in the same order */
    struct rig_plan plan; /* run_bytes 0: all of the memory in one run. The limit has none. */
};

const struct form *form_at(enum form_id id);

/* False when there is no form of this name. */
bool form_find(const char *name, enum form_id *out);

/* QEMU's balloon takes page numbers only. */
bool form_is_qemus(enum form_id id);

/* For as much of size_bytes as whole runs cover; 0 bytes in it when none fits. */
struct rig_plan form_plan(enum form_id id, uint64_t size_bytes, uint16_t queue_size);

#endif
