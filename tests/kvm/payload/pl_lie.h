/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What guests that lie have in common. A case is a lie, an honest request that has to work
 * afterwards (with a reset before it where the lie calls for one), and a checkpoint by its name,
 * at which the test on the host looks at the counters.
 */
#ifndef AEROSTAT_TESTS_PAYLOAD_PL_LIE_H
#define AEROSTAT_TESTS_PAYLOAD_PL_LIE_H

#include "tests/kvm/payload/pl.h"

#define LIE_INFLATE 0u
#define LIE_DEFLATE 1u

/* Memory that no lie names: what the honest requests give away. */
#define LIE_HONEST (8 * PL_MIB)
/* Memory for lies. */
#define LIE_AREA (16 * PL_MIB)

/* The queues, by index. */
extern struct pl_queue lie_q[PL_QUEUES];

/* Reset, handshake, queues 0 .. n - 1 empty and ready, DRIVER_OK. */
void lie_start(uint64_t features, uint16_t n);
/* The same with the features and queues of the last lie_start(). */
void lie_restart(void);

/* Gives a page away through the inflate queue and sees it come back empty. */
void lie_honest(const char *after);

/* Ends a case: an honest request, then the checkpoint. */
void lie_end(const char *name);
/* Ends a case that needs a reset: restarts, then lie_end(). */
void lie_end_restarted(const char *name);
/* Ends a case that breaks a ring: waits for DEVICE_NEEDS_RESET, then lie_end_restarted(). */
void lie_end_broken(const char *name);

/* Publishes head on queue q, kicks, and waits until it is used. */
void lie_send(uint16_t q, uint16_t head, const char *name);
/* A chain of the single descriptor 0. */
void lie_send_one(uint16_t q, uint64_t addr, uint32_t len, uint16_t flags, const char *name);

/* "prefix-name", in a buffer that the next call overwrites. */
const char *lie_name(const char *prefix, const char *name);

#endif
