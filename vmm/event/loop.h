/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One epoll loop: descriptors, timers, and work posted from other threads.
 *
 * Each loop is run by one thread, its owner. Objects that a loop serves are touched only by that
 * thread; others hand it work with ev_post() or ev_call(). Functions marked "owner" may be called
 * by the owning thread, or by anyone while the loop is not running.
 */
#ifndef AEROSTAT_EVENT_LOOP_H
#define AEROSTAT_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct ev_loop;
struct ev_source;

/* events: EPOLLIN, EPOLLOUT, ... as epoll(7) reports them. Owner thread. */
typedef void (*ev_fd_fn)(void *arg, uint32_t events);
/* Owner thread. */
typedef void (*ev_fn)(void *arg);

/* Returns 0, or -errno of epoll_create1(2), eventfd(2) or an allocation. Any thread. */
int ev_loop_create(struct ev_loop **out_loop);

/*
 * Releases the loop and the sources still registered with it. Accepts NULL. Must not be running;
 * works still posted are dropped.
 */
void ev_loop_destroy(struct ev_loop *loop);

/*
 * Serves the loop on the calling thread, which becomes its owner, until ev_loop_stop(). Work posted
 * before the stop is still run. Returns 0, or -errno of epoll_wait(2).
 */
int ev_loop_run(struct ev_loop *loop);

/* Makes ev_loop_run() return after the event at hand. Any thread; async-signal-safe; idempotent. */
void ev_loop_stop(struct ev_loop *loop);

/* True on the thread that is running the loop. Any thread. */
bool ev_loop_is_owner(const struct ev_loop *loop);

/*
 * Calls fn(arg, events) whenever one of events is ready on fd (level-triggered). fd stays the
 * caller's and must outlive the source. Owner. Returns 0; -EPERM if fd cannot be polled (a regular
 * file, /dev/null); -errno of epoll_ctl(2).
 */
int ev_fd_add(struct ev_loop *loop, int fd, uint32_t events, ev_fd_fn fn, void *arg,
              struct ev_source **out_source);

/* Adds a disarmed timer. Owner. Returns 0 or -errno of timerfd_create(2), epoll_ctl(2). */
int ev_timer_add(struct ev_loop *loop, ev_fn fn, void *arg, struct ev_source **out_source);

/*
 * First expiry after delay_ns, then every period_ns (0: once). delay_ns 0 disarms. Owner. Returns 0
 * or -errno of timerfd_settime(2).
 */
int ev_timer_arm(struct ev_source *timer, uint64_t delay_ns, uint64_t period_ns);

/* Unregisters and frees; fn is not called again, even for an event already fetched. Accepts NULL.
 * Owner. */
void ev_source_remove(struct ev_source *source);

/* A piece of work, embedded in what it works on. Zero-initialise, then set fn and arg. */
struct ev_work {
    ev_fn fn;
    void *arg;
    struct ev_work *next; /* the loop's, under its lock */
    bool queued;          /* the loop's, under its lock */
};

/*
 * Runs work once on the owner thread, after the events at hand; work that is already queued is not
 * queued twice, and it may post itself again. Never fails. Any thread. work must live until it ran,
 * was cancelled, or the loop is destroyed.
 */
void ev_post(struct ev_loop *loop, struct ev_work *work);

/* Takes work back if it has not started. Owner. */
void ev_cancel(struct ev_loop *loop, struct ev_work *work);

/*
 * Runs fn(arg) on the owner thread and waits for it; called on the owner thread it runs at once.
 * Any thread, with no lock held that fn or the loop's handlers take. Returns 0; -ESHUTDOWN if the
 * loop was stopped before fn could run (fn will not run).
 */
int ev_call(struct ev_loop *loop, ev_fn fn, void *arg) __attribute__((warn_unused_result));

#endif
