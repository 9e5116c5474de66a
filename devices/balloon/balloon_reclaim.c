/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Working off a batch: its ranges in order and merged, in slices that leave the event loop time for
 * others. Which pages go at once, which wait for the rest of their huge page, which stay.
 */
#include <linux/virtio_balloon.h>
#include <string.h>

#include "devices/balloon/balloon_priv.h"
#include "vmm/base/clock.h"

static void count_waiting(struct balloon *b)
{
    atomic_store_explicit(&b->count.waiting_bytes, gm_pieces_waiting_bytes(b->pieces),
                          memory_order_relaxed);
}

/* Inflated: what makes whole huge pages is left in the batch, the rest waits. */
static void keep_pieces(struct balloon *b)
{
    b->batch.n_ranges = gm_pieces_give(b->pieces, b->batch.ranges, b->batch.n_ranges);
    count_waiting(b);
}

/* Deflated: what waited must not go any more. */
static void take_pieces(struct balloon *b)
{
    for (size_t i = 0; i < b->batch.n_ranges; i++)
        gm_pieces_take(b->pieces, b->batch.ranges[i]);
    count_waiting(b);
}

/*
 * Reported: the guest counts on its free pages to hold poison_val, and a hole reads as zeros
 * (5.5.6.7).
 */
static void keep_poisoned(struct balloon *b)
{
    if (!balloon_has(b, VIRTIO_BALLOON_F_PAGE_POISON) ||
        atomic_load_explicit(&b->poison_val, memory_order_relaxed) == 0)
        return;
    balloon_count(&b->count.kept_poisoned_bytes,
                  gm_ranges_total(b->batch.ranges, b->batch.n_ranges));
    b->batch.n_ranges = 0;
}

void balloon_batch_seal(struct balloon *b)
{
    struct balloon_batch *batch = &b->batch;
    size_t before = batch->n_ranges;
    batch->n_ranges = gm_ranges_merge(batch->ranges, before);
    balloon_count(&b->count.ranges_merged, before - batch->n_ranges);
    if (batch->role == BALLOON_REPORT)
        keep_poisoned(b);
    else if (batch->role == BALLOON_INFLATE && b->keep_pieces)
        keep_pieces(b);
    else if (batch->role == BALLOON_DEFLATE && b->keep_pieces)
        take_pieces(b);
    if (batch->role == BALLOON_DEFLATE && !b->config.prefault_on_deflate)
        batch->n_ranges = 0;
}

void balloon_batch_drop(struct balloon *b)
{
    b->batch.busy = false;
    b->batch.n_heads = 0;
    b->batch.n_ranges = 0;
    b->batch.next = 0;
}

/*
 * A failure costs the host memory, not the guest its balloon: counted, logged, and the driver gets
 * its chain back.
 */
void balloon_host_error(struct balloon *b, const char *what, int error)
{
    balloon_count(&b->count.host_error, 1);
    log_limited(&b->host_error_log, "balloon: %s: %s", what, strerror(error));
}

bool balloon_arm(struct balloon *b, struct ev_source *timer, uint64_t ns)
{
    int ret = ev_timer_arm(timer, ns, 0);
    if (ret < 0)
        balloon_host_error(b, "cannot set a timer", -ret);
    return ret == 0;
}

void balloon_punch(struct balloon *b, const struct gm_range *ranges, size_t n)
{
    struct gm_discard_result result;
    uint64_t start_ns = clock_mono_ns();
    int ret = gm_discard(b->gm, ranges, n, &result);
    balloon_count(&b->count.punch_ns, clock_mono_ns() - start_ns);
    balloon_count(&b->count.punch_calls, result.calls);
    balloon_count(&b->count.punched_bytes, result.punched_bytes);
    balloon_count(&b->count.freed_bytes, result.freed_bytes);
    if (ret < 0)
        balloon_host_error(b, "cannot release memory, the host keeps it", -ret);
}

static void populate(struct balloon *b, const struct gm_range *ranges, size_t n)
{
    uint64_t start_ns = clock_mono_ns();
    for (size_t i = 0; i < n; i++) {
        int ret = gm_populate(b->gm, ranges[i]);
        if (ret == 0)
            balloon_count(&b->count.prefaulted_bytes, ranges[i].len_bytes);
        else
            balloon_host_error(b, "cannot populate memory ahead", -ret);
    }
    balloon_count(&b->count.prefault_ns, clock_mono_ns() - start_ns);
}

static void work_off(struct balloon *b, const struct gm_range *ranges, size_t n)
{
    if (b->batch.role == BALLOON_DEFLATE)
        populate(b, ranges, n);
    else if (b->batch.role == BALLOON_HINT)
        balloon_hint_punch(b, ranges, n);
    else
        balloon_punch(b, ranges, n);
}

bool balloon_batch_step(struct balloon *b)
{
    struct balloon_batch *batch = &b->batch;
    struct gm_range *first = &batch->ranges[batch->next];
    size_t left = batch->n_ranges - batch->next;
    size_t n = 0;
    const uint64_t slice = batch->role == BALLOON_HINT ? b->hint_slice_bytes : BALLOON_SLICE_BYTES;
    uint64_t room = slice;
    while (n < left && n < BALLOON_SLICE_RANGES && first[n].len_bytes <= room)
        room -= first[n++].len_bytes;
    if (n > 0) {
        work_off(b, first, n);
        batch->next += n;
    } else if (left > 0) {
        /*
         * The cut is where no huge page is: one that straddles it would be released by neither
         * side.
         */
        struct gm_range part = *first;
        part.len_bytes = align_down(part.start + slice, GM_HUGE_SIZE) - part.start;
        first->start += part.len_bytes;
        first->len_bytes -= part.len_bytes;
        work_off(b, &part, 1);
    }
    return batch->next == batch->n_ranges;
}

bool balloon_pieces_go(const struct balloon *b)
{
    return gm_discard_granule(b->gm) == GM_PAGE_SIZE;
}

void balloon_pieces_schedule(struct balloon *b)
{
    if (!b->keep_pieces || !balloon_pieces_go(b))
        return;
    count_waiting(b);
    if (gm_pieces_waiting_bytes(b->pieces) == 0) {
        b->pieces_since_ns = 0;
        b->flushing = false;
        return;
    }
    uint64_t now = clock_mono_ns();
    if (b->pieces_since_ns == 0)
        b->pieces_since_ns = now;
    uint64_t left = sub_sat_u64(b->pieces_since_ns + BALLOON_PIECES_MAX_NS, now);
    if (b->flushing)
        left = 0;
    /* 1: a delay of 0 would disarm the timer. */
    (void)balloon_arm(b, b->pieces_timer, max_u64(min_u64(left, BALLOON_PIECES_IDLE_NS), 1));
}

/*
 * What is pending on the inflate queue is not looked at before this batch is done, nor is a deflate
 * acknowledged. Between two batches both have their turn, for which the second waits: its timer
 * alone would come before.
 */
void balloon_pieces_flush(void *arg)
{
    struct balloon *b = arg;
    struct balloon_batch *batch = &b->batch;
    b->pieces_since_ns = 0;
    b->flushing = true;
    if (batch->busy)
        return;
    if (b->turn_posted && !b->flush_yielded) {
        b->flush_yielded = true;
        balloon_pieces_schedule(b);
        return;
    }
    b->flush_yielded = false;
    batch->role = BALLOON_INFLATE;
    batch->n_ranges = gm_pieces_flush(b->pieces, batch->ranges, BALLOON_BATCH_RANGES);
    batch->busy = batch->n_ranges > 0;
    b->flushing = gm_pieces_waiting_bytes(b->pieces) > 0;
    if (batch->busy)
        balloon_post_turn(b, BALLOON_INFLATE);
}

void balloon_pieces_forget(struct balloon *b)
{
    b->pieces_since_ns = 0;
    b->flushing = false;
    b->flush_yielded = false;
    (void)balloon_arm(b, b->pieces_timer, 0);
    if (b->pieces == NULL)
        return;
    gm_pieces_forget(b->pieces);
    count_waiting(b);
}
