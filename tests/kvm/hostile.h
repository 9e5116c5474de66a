/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of guests that lie: at each checkpoint the counters must have grown by exactly
 * what the case is worth, and the control socket must answer.
 */
#ifndef AEROSTAT_TESTS_KVM_HOSTILE_H
#define AEROSTAT_TESTS_KVM_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/vm_process.h"

/* What a case adds to the counters. The honest request that ends each is not part of it. */
struct hostile_case {
    const char *name;
    uint64_t bad_request;
    uint64_t bad_chain;
    uint64_t bad_ring;
    uint64_t bad_register;
    uint64_t punched_bytes;
    uint64_t reports; /* of statistics */
    bool any; /* two sides race, or the guest reads back what it broke: only that it goes on */
    /* Requests that the test makes before the guest goes on; NULL: none. */
    const char *get;
    const char *patch;
};

struct hostile {
    struct vmp vm;
    struct hostile_case total; /* so far, with the honest requests */
};

/* Starts the monitor with a payload guest; args as for vmp_start(), without --kernel. */
void hostile_start(struct hostile *h, const char *payload, const char *const args[]);

/*
 * Expects n cases, in order, each by its name behind "prefix-" (NULL: by its name alone), and
 * checks the counters at each.
 */
void hostile_expect(struct hostile *h, const char *prefix, const struct hostile_case *cases,
                    size_t n);

/* Expects "done", a clean power-off, and a monitor that leaves nothing behind. */
void hostile_end(struct hostile *h);

#endif
