/* SPDX-License-Identifier: Apache-2.0 */
/* How the guest follows a change of target: how long it takes, and whether it gets anywhere. */
#include <inttypes.h>

#include "devices/balloon/balloon_priv.h"
#include "vmm/base/clock.h"

static uint64_t busy_ns(const struct balloon *b)
{
    return atomic_load_explicit(&b->count.busy_ns, memory_order_relaxed);
}

/* Whether memory that the guest has given is still to be punched. Any thread. */
static bool waits(const struct balloon *b)
{
    return balloon_pieces_go(b) &&
           atomic_load_explicit(&b->count.waiting_bytes, memory_order_relaxed) > 0;
}

static void end_locked(struct balloon *b, uint64_t now)
{
    b->change.end_ns = now;
    b->change.end_busy_ns = busy_ns(b);
    b->change.done = true;
}

void balloon_set_actual_locked(struct balloon *b, uint32_t pages)
{
    struct balloon_change *change = &b->change;
    uint32_t before = atomic_load_explicit(&b->actual, memory_order_relaxed);
    atomic_store_explicit(&b->actual, pages, memory_order_relaxed);
    uint32_t distance = pages < change->to ? change->to - pages : pages - change->to;
    /* To and fro is no progress. */
    if (change->done || pages == before || distance >= change->nearest)
        return;
    change->nearest = distance;
    change->progress_ns = clock_mono_ns();
    if (change->stalled) {
        change->stalled = false;
        ev_post(b->loop, &b->change_work);
    }
    if (distance > 0)
        return;
    if (waits(b)) {
        change->reached = true;
        ev_post(b->loop, &b->change_work);
    } else {
        end_locked(b, change->progress_ns);
    }
}

void balloon_change_settle(struct balloon *b)
{
    if (waits(b))
        return;
    pthread_mutex_lock(&b->lock);
    if (b->change.reached && !b->change.done)
        end_locked(b, clock_mono_ns());
    pthread_mutex_unlock(&b->lock);
}

void balloon_forget_actual(struct balloon *b)
{
    pthread_mutex_lock(&b->lock);
    balloon_set_actual_locked(b, 0);
    b->change.nearest = UINT32_MAX;
    pthread_mutex_unlock(&b->lock);
}

static void watch_anew_locked(struct balloon *b)
{
    if (b->change.done)
        return;
    b->change.progress_ns = clock_mono_ns();
    b->change.stalled = false;
    ev_post(b->loop, &b->change_work);
}

/* Measures from actual, as it is now, to num_pages. */
static void begin_locked(struct balloon *b)
{
    uint32_t from = atomic_load_explicit(&b->actual, memory_order_relaxed);
    uint32_t to = atomic_load_explicit(&b->num_pages, memory_order_relaxed);
    uint64_t now = clock_mono_ns();
    uint64_t busy = busy_ns(b);
    b->change = (struct balloon_change){
        .from = from,
        .to = to,
        .nearest = from < to ? to - from : from - to,
        .start_ns = now,
        .end_ns = now,
        .start_busy_ns = busy,
        .end_busy_ns = busy,
        .reached = from == to,
        .done = from == to && !waits(b),
        .paused = b->change.paused,
        .count = b->change.count,
        .stalls = b->change.stalls,
    };
    watch_anew_locked(b);
}

void balloon_change_restart(struct balloon *b)
{
    pthread_mutex_lock(&b->lock);
    if (b->change.done)
        begin_locked(b);
    else
        watch_anew_locked(b);
    pthread_mutex_unlock(&b->lock);
}

void balloon_set_paused(struct balloon *balloon, bool paused)
{
    pthread_mutex_lock(&balloon->lock);
    balloon->change.paused = paused;
    if (!paused)
        watch_anew_locked(balloon);
    pthread_mutex_unlock(&balloon->lock);
}

void balloon_set_num_pages(struct balloon *b, uint32_t pages)
{
    pthread_mutex_lock(&b->lock);
    if (atomic_load_explicit(&b->num_pages, memory_order_relaxed) != pages) {
        atomic_store_explicit(&b->num_pages, pages, memory_order_relaxed);
        b->change.count++;
        begin_locked(b);
    }
    pthread_mutex_unlock(&b->lock);
}

static void log_stall(struct balloon *b, uint32_t actual, uint32_t to)
{
    log_limited(&b->stall_log,
                "balloon: at %" PRIu64 " MiB, and no nearer to the target of %" PRIu64
                " MiB for %u s: the guest %s",
                actual * BALLOON_PAGE_SIZE / MIB, to * BALLOON_PAGE_SIZE / MIB,
                (unsigned)(BALLOON_STALL_NS / UINT64_C(1000000000)),
                actual < to ? "gives no more" : "takes none back");
}

static bool is_reached(struct balloon *b)
{
    pthread_mutex_lock(&b->lock);
    bool reached = b->change.reached && !b->change.done;
    pthread_mutex_unlock(&b->lock);
    return reached;
}

/*
 * One look a stall: once a change is found stalled nothing runs until the guest moves again, so
 * that a target out of reach costs nothing here.
 */
void balloon_change_watch(void *arg)
{
    struct balloon *b = arg;
    if (is_reached(b))
        balloon_pieces_flush(b);
    balloon_change_settle(b);
    pthread_mutex_lock(&b->lock);
    struct balloon_change *change = &b->change;
    /* While the device works, it is not the guest that keeps waiting. */
    if (b->batch.busy || b->pending != 0)
        change->progress_ns = clock_mono_ns();
    uint64_t idle = clock_mono_ns() - change->progress_ns;
    bool under_way = !change->done && !change->stalled && !change->paused;
    if (under_way && idle >= BALLOON_STALL_NS) {
        change->stalled = true;
        change->stalls++;
    }
    bool newly = under_way && change->stalled;
    uint32_t to = change->to;
    pthread_mutex_unlock(&b->lock);
    /* A guest that is still booting has no driver yet, and nothing is wrong with it. */
    if (newly && balloon_form(b) != BALLOON_FORM_NONE)
        log_stall(b, atomic_load_explicit(&b->actual, memory_order_relaxed), to);
    if (under_way && !newly)
        (void)balloon_arm(b, b->change_timer, BALLOON_STALL_NS - idle);
}

void balloon_change_info(const struct balloon *b, struct balloon_info *out)
{
    pthread_mutex_lock(balloon_lock_of(b));
    struct balloon_change change = b->change;
    pthread_mutex_unlock(balloon_lock_of(b));
    uint64_t end_ns = change.done ? change.end_ns : clock_mono_ns();
    uint64_t end_busy_ns = change.done ? change.end_busy_ns : busy_ns(b);
    out->change_from_bytes = change.from * BALLOON_PAGE_SIZE;
    out->change_to_bytes = change.to * BALLOON_PAGE_SIZE;
    out->change_ns = end_ns - change.start_ns;
    /* A turn is counted when it ends, so that one may be credited to the next change. */
    out->change_busy_ns = min_u64(end_busy_ns - change.start_busy_ns, out->change_ns);
    out->change_done = change.done;
    out->change_stalled = change.stalled;
    out->target_changes = change.count;
    out->stalls = change.stalls;
}
