/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket: so much at once, refilled in such a time. */
#include "vmm/base/bucket.h"

#include "vmm/base/num.h"

#define NS_PER_MS UINT64_C(1000000)

void bucket_init(struct bucket *bucket, const struct bucket_limit *limit, uint64_t now_ns)
{
    *bucket = (struct bucket){
        .limit = *limit,
        .tokens = limit->size,
        .burst = limit->burst,
        .filled_ns = now_ns,
    };
}

/* Whole tokens alone; what is left of the time counts the next time. 128 bits hold every product.
 */
static void refill(struct bucket *bucket, uint64_t now_ns)
{
    unsigned __int128 full_ns = (unsigned __int128)bucket->limit.refill_ms * NS_PER_MS;
    unsigned __int128 passed_ns = now_ns - bucket->filled_ns;
    if (passed_ns >= full_ns) {
        bucket->tokens = bucket->limit.size;
        bucket->filled_ns = now_ns;
        return;
    }
    unsigned __int128 gained = passed_ns * bucket->limit.size / full_ns;
    if (gained == 0)
        return;
    bucket->filled_ns += (uint64_t)(gained * full_ns / bucket->limit.size);
    bucket->tokens += min_u64((uint64_t)gained, bucket->limit.size - bucket->tokens);
}

bool bucket_take(struct bucket *bucket, uint64_t now_ns)
{
    if (bucket->limit.size == 0 || bucket->limit.refill_ms == 0)
        return true;
    if (bucket->burst > 0) {
        bucket->burst--;
        return true;
    }
    refill(bucket, now_ns);
    if (bucket->tokens == 0)
        return false;
    bucket->tokens--;
    return true;
}
