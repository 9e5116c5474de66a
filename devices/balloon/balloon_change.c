/* SPDX-License-Identifier: Apache-2.0 */
/* How the guest follows a change of target: how long it takes, and whether it gets anywhere. */
#include <inttypes.h>

#include "devices/balloon/balloon_priv.h"
#include "vmm/base/clock.h"

static uint64_t busy_ns(const struct balloon *b)
{
    return atomic_load_explicit(&b->count.busy_ns, memory_order_relaxed);
}

void balloon_set_actual_locked(struct balloon *b, uint32_t pages)
{
    struct balloon_change *change = &b->change;
    uint32_t before = atomic_load_explicit(&b->actual, memory_order_relaxed);
    atomic_store_explicit(&b->actual, pages, memory_order_relaxed);
    if (change->done || pages == before)
        return;
    change->progress_ns = clock_mono_ns();
    if (change->stalled) {
        change->stalled = false;
        ev_post(b->loop, &b->change_work);
    }
    if (pages != change->to)
        return;
    change->end_ns = change->progress_ns;
    change->end_busy_ns = busy_ns(b);
    change->done = true;
}

void balloon_forget_actual(struct balloon *b)
{
    pthread_mutex_lock(&b->lock);
    balloon_set_actual_locked(b, 0);
    pthread_mutex_unlock(&b->lock);
}

static void restart_watch_locked(struct balloon *b)
{
    if (b->change.done)
        return;
    b->change.progress_ns = clock_mono_ns();
    b->change.stalled = false;
    ev_post(b->loop, &b->change_work);
}

void balloon_change_restart_watch(struct balloon *b)
{
    pthread_mutex_lock(&b->lock);
    restart_watch_locked(b);
    pthread_mutex_unlock(&b->lock);
}

void balloon_set_paused(struct balloon *balloon, bool paused)
{
    pthread_mutex_lock(&balloon->lock);
    balloon->change.paused = paused;
    if (!paused)
        restart_watch_locked(balloon);
    pthread_mutex_unlock(&balloon->lock);
}

void balloon_set_num_pages(struct balloon *b, uint32_t pages)
{
    pthread_mutex_lock(&b->lock);
    if (atomic_load_explicit(&b->num_pages, memory_order_relaxed) != pages) {
        uint32_t actual = atomic_load_explicit(&b->actual, memory_order_relaxed);
        uint64_t now = clock_mono_ns();
        uint64_t busy = busy_ns(b);
        b->change = (struct balloon_change){
            .from = actual,
            .to = pages,
            .start_ns = now,
            .progress_ns = now,
            .end_ns = now,
            .start_busy_ns = busy,
            .end_busy_ns = busy,
            .done = actual == pages,
            .paused = b->change.paused,
            .count = b->change.count + 1,
            .stalls = b->change.stalls,
        };
        atomic_store_explicit(&b->num_pages, pages, memory_order_relaxed);
        if (!b->change.done)
            ev_post(b->loop, &b->change_work);
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

/*
 * One look a stall: once a change is found stalled nothing runs until the guest moves again, so
 * that a target out of reach costs nothing here.
 */
void balloon_change_watch(void *arg)
{
    struct balloon *b = arg;
    pthread_mutex_lock(&b->lock);
    struct balloon_change *change = &b->change;
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
