/* SPDX-License-Identifier: Apache-2.0 */
/* One run of the balloon's fuzz target: its input, and what both halves of the target do with it.
 */
#ifndef AEROSTAT_TESTS_FUZZ_BALLOON_H
#define AEROSTAT_TESTS_FUZZ_BALLOON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/balloon/balloon_priv.h"

#define N_VQS 5u
#define MS    UINT64_C(1000000)

enum flags {
    FLAG_THP = 1,
    FLAG_PREFAULT = 2,
    FLAG_EVENT_IDX = 4,
    FLAG_SG_OFF = 8,
    FLAG_SG_BIT3 = 16,
    FLAG_RAW_RINGS = 32, /* the driver leaves in its rings what memory holds */
};

struct header {
    uint8_t flags;
    uint8_t offered;  /* the standard's feature bits 0 to 5 */
    uint8_t accepted; /* the same, and bit 7: scatter-gather */
    uint8_t failures; /* see shadow_begin() */
    uint8_t poison;   /* poison_val, which is written before DRIVER_OK */
    uint8_t ready;    /* bit n: queue n is set up */
    uint8_t size_log2[N_VQS];
    uint8_t slice;           /* ranges worked off in one turn, at most; 0: as the device has it */
    uint16_t area[N_VQS][3]; /* descriptors, avail, used: addresses in units of 16 bytes */
    uint16_t image;          /* where the rest of the input lies, in the same units */
    uint16_t script_len;
};

/* The driver's view of a queue, for the events that send something whole. */
struct driver_vq {
    uint16_t next_desc;
    uint16_t avail_idx;
};

struct run {
    struct header h;
    const uint8_t *script;
    size_t left;
    struct gm *gm;
    struct ev_loop *loop;
    struct balloon *balloon;
    struct vdev *dev;
    struct vq vqs[VDEV_MAX_VQS];
    struct driver_vq driver[N_VQS];
    bool reset_asked;
};

extern struct run run;

/* fuzz_balloon.c. */

/* The device is reset, as its transport would. */
void run_reset(void);
/* DRIVER_OK, with the features of struct header's accepted. */
void run_start(uint8_t accepted);
/* One round of posted turns. */
void run_step(void);

/* balloon_events.c: takes the next event from the script and lets it happen. */
void run_event(void);

#endif
