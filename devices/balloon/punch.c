/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Releasing a batch: ranges in order and merged, in slices that leave the event loop time for
 * others.
 */
#include <inttypes.h>
#include <string.h>

#include "devices/balloon/balloon_priv.h"
#include "vmm/base/clock.h"

void balloon_batch_seal(struct balloon *b)
{
    struct balloon_batch *batch = &b->batch;
    size_t before = batch->n_ranges;
    batch->n_ranges = gm_ranges_merge(batch->ranges, before);
    batch->next = 0;
    balloon_count(&b->count.ranges_merged, before - batch->n_ranges);
}

void balloon_batch_drop(struct balloon *b)
{
    b->batch.n_heads = 0;
    b->batch.n_ranges = 0;
    b->batch.next = 0;
}

/*
 * A failure costs the host memory, not the guest its balloon: counted, logged, and the driver gets
 * its chain back.
 */
static void discard(struct balloon *b, const struct gm_range *ranges, size_t n)
{
    struct gm_discard_result result;
    uint64_t start_ns = clock_mono_ns();
    int ret = gm_discard(b->gm, ranges, n, &result);
    balloon_count(&b->count.punch_ns, clock_mono_ns() - start_ns);
    balloon_count(&b->count.punch_calls, result.calls);
    balloon_count(&b->count.punched_bytes, result.punched_bytes);
    balloon_count(&b->count.freed_bytes, result.freed_bytes);
    if (ret == 0)
        return;
    balloon_count(&b->count.host_error, 1);
    log_limited(&b->host_error_log,
                "balloon: cannot release %zu ranges from 0x%" PRIx64 " on: %s; the host keeps them",
                n, ranges[0].start, strerror(-ret));
}

bool balloon_batch_punch(struct balloon *b)
{
    struct balloon_batch *batch = &b->batch;
    struct gm_range *first = &batch->ranges[batch->next];
    size_t left = batch->n_ranges - batch->next;
    size_t n = 0;
    uint64_t room = BALLOON_SLICE_BYTES;
    while (n < left && n < BALLOON_SLICE_RANGES && first[n].len_bytes <= room)
        room -= first[n++].len_bytes;
    if (n > 0) {
        discard(b, first, n);
        batch->next += n;
    } else if (left > 0) {
        /*
         * The cut is where no huge page is: one that straddles it would be released by neither
         * side.
         */
        struct gm_range part = *first;
        part.len_bytes = align_down(part.start + BALLOON_SLICE_BYTES, GM_HUGE_SIZE) - part.start;
        first->start += part.len_bytes;
        first->len_bytes -= part.len_bytes;
        discard(b, &part, 1);
    }
    return batch->next == batch->n_ranges;
}
