/* SPDX-License-Identifier: Apache-2.0 */
/* The books of shadow.c that shadow_queues.c writes in. */
#ifndef AEROSTAT_TESTS_FUZZ_SHADOW_PRIV_H
#define AEROSTAT_TESTS_FUZZ_SHADOW_PRIV_H

#include "devices/balloon/balloon_priv.h"
#include "tests/fuzz/shadow.h"

#define PAGE BALLOON_PAGE_SIZE
/* Of the larger RAM. */
#define SHADOW_PAGES ((SHADOW_LOW_BYTES + SHADOW_HIGH_BYTES) / PAGE)
/* A device holds one batch of chains and one statistics buffer. */
#define SHADOW_HELD_MAX (BALLOON_TURN_CHAINS + 1u)

struct shadow_page {
    uint64_t given_seq;    /* when an inflate chain last named it; 0: not since it was taken back */
    uint64_t punched_seq;  /* when it was last punched */
    uint16_t inflate_held; /* inflate chains that the device holds and that name it */
    uint16_t report_held;
    bool hinted;  /* under the command that is current */
    bool written; /* since write tracking began */
    bool ever_named;
    bool device_writes; /* holds a used ring */
    bool stored;        /* by the driver, in this input */
};

/* A chain that was taken and not given back. */
struct shadow_chain {
    uint16_t vq;
    uint16_t head;
    enum balloon_role role;
    uint64_t seq;
    uint8_t names[SHADOW_PAGES / 8]; /* a bit a page */
};

/* What the counters must say. */
struct shadow_counters {
    uint64_t chains[BALLOON_ROLES];
    uint64_t descriptors[BALLOON_ROLES];
    uint64_t bytes[BALLOON_ROLES];
    uint64_t used[VDEV_MAX_VQS];
    uint64_t bad_request;
    uint64_t bad_chain;
    uint64_t punch_calls;
    uint64_t punched_bytes;
    uint64_t host_error;
};

struct shadow {
    struct gm *gm;
    size_t n_pages;
    struct balloon *balloon;
    struct balloon_config config;
    uint64_t features; /* of the driver that runs; 0: none */
    uint8_t failures;
    uint8_t slice_ranges;
    unsigned calls; /* of what may fail */
    bool tracking;
    bool frozen;
    uint64_t seq;       /* counts what happens */
    uint32_t guest_cmd; /* what the driver said last on the hinting queue */
    uint32_t host_cmd;  /* under which pages are hinted now */
    size_t n_held;
    struct shadow_chain held[SHADOW_HELD_MAX];
    struct shadow_counters expect;
    struct balloon_info last; /* as read last: counters never go back */
    bool change_done;         /* as seen last, of change number change_count */
    uint64_t change_count;
    struct shadow_page page[SHADOW_PAGES];
    uint8_t content[SHADOW_PAGES][PAGE];
};

extern struct shadow shadow;

/* The number of the page at gpa, which must be in RAM. */
size_t shadow_page_of(uint64_t gpa);

#endif
