/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest RAM of the balloon's fuzz target, and a second set of books about it: which pages the guest
 * has named on which queue, which chains the device holds, what unnamed pages contain.
 *
 * Looks on through the linker's --wrap for vq_pop, vq_push, gm_discard and balloon_batch_step, and
 * aborts when the device breaks a promise (docs/balloon.md). One balloon at a time, one thread.
 */
#ifndef AEROSTAT_TESTS_FUZZ_SHADOW_H
#define AEROSTAT_TESTS_FUZZ_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/balloon/balloon.h"

/*
 * Guest RAM: 1 MiB, and with huge backing two huge pages more, far above, since nothing less can
 * come back as a whole.
 */
#define SHADOW_LOW_BYTES  (UINT64_C(1) << 20)
#define SHADOW_HIGH_START (UINT64_C(4) << 30)
#define SHADOW_HIGH_BYTES (UINT64_C(4) << 20)

/* How the machine's part of hinting behaves: call n fails if bit n % 8 of failures is set. */
extern const struct balloon_guest_ops shadow_guest_ops;

/*
 * Begins an input: RAM as it always begins, no driver. A slice has at most slice_ranges ranges, or
 * as many as the device likes if that is 0: so little RAM would never make more than one slice.
 * Returns the RAM, which stays the shadow's.
 */
struct gm *shadow_begin(const struct balloon_config *config, enum gm_backing backing,
                        uint8_t failures, uint8_t slice_ranges);

/* The balloon that is watched from here on. */
void shadow_watch(struct balloon *balloon);

/* A driver is about to set DRIVER_OK with these features, on the queues that have started. */
void shadow_start(uint64_t features);

/* The device was reset: what it held is forgotten. */
void shadow_reset(void);

/* The guest stores to its memory. False, and nothing is stored, if that is not all RAM. */
bool shadow_store(uint64_t gpa, const void *src, size_t len);

/* Aborts unless the counters agree with what was seen. May be called between any two events. */
void shadow_check_counters(void);

/* Grows with each chain taken or given back and each punch: how far the device has got. */
uint64_t shadow_progress(void);

/*
 * Aborts if the device holds a chain of a working queue that it should have given back, or a page
 * that it should have released. For when no work is left and no time is to be waited for.
 */
void shadow_check_chains(void);

/* Aborts unless every page that was never named, and is none of the device's, has its content. */
void shadow_check_memory(void);

/* Puts RAM back in order for the next input. */
void shadow_end(void);

#endif
