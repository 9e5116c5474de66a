/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket: so much at once, refilled in such a time. */
#ifndef AEROSTAT_BASE_BUCKET_H
#define AEROSTAT_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Tokens mean whatever its owner counts, bytes for one. */
struct bucket_limit {
    uint64_t size;      /* tokens of a full bucket; 0: no limit */
    uint64_t burst;     /* further ones that there are once, used first */
    uint64_t refill_ms; /* the time in which an empty bucket fills; 0: no limit */
};

/* One thread's at a time. */
struct bucket {
    struct bucket_limit limit;
    uint64_t tokens;
    uint64_t burst;
    uint64_t filled_ns; /* up to when it was refilled */
};

/* Full at now_ns, of a clock that never goes back. */
void bucket_init(struct bucket *bucket, const struct bucket_limit *limit, uint64_t now_ns);

/* Takes a token; false, and none is taken, when there is none. */
bool bucket_take(struct bucket *bucket, uint64_t now_ns);

#endif
