/* SPDX-License-Identifier: Apache-2.0 */
/* The epoll loop: dispatch of descriptors and timers, and the queue of posted work. */
#include "vmm/event/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"

#define EVENTS_PER_WAIT 32
#define NS_PER_S        UINT64_C(1000000000)

struct ev_source {
    struct ev_loop *loop;
    int fd;
    bool is_timer; /* fd is a timerfd of our own */
    bool removed;  /* waits in the graveyard for the end of the dispatch */
    uint32_t events;
    ev_fd_fn on_fd;
    ev_fn on_timer;
    void *arg;
    struct ev_source *prev, *next; /* live list, or graveyard by next */
};

struct ev_loop {
    int epoll_fd;
    int wake_fd;
    _Atomic bool stop;
    bool dispatching;
    struct ev_source *live;
    struct ev_source *graveyard;

    /* Guards everything below. Nothing is taken inside it. */
    pthread_mutex_t lock;
    bool running;
    bool closed; /* a run has ended and no other has begun: calls are refused */
    pthread_t owner;
    struct ev_work *head, *tail;
    size_t queued;
};

static void wake(const struct ev_loop *loop)
{
    uint64_t one = 1;
    ssize_t ignored = write(loop->wake_fd, &one, sizeof(one));
    (void)ignored; /* EAGAIN: the counter is full, so the loop is awake already. */
}

static void on_wake(void *arg, uint32_t events)
{
    struct ev_loop *loop = arg;
    (void)events;
    uint64_t count;
    ssize_t ignored = read(loop->wake_fd, &count, sizeof(count));
    (void)ignored;
}

int ev_loop_create(struct ev_loop **out_loop)
{
    struct ev_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return -ENOMEM;
    int ret;
    struct ev_source *source;
    pthread_mutex_init(&loop->lock, NULL);
    loop->wake_fd = -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        goto fail_errno;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0)
        goto fail_errno;
    ret = ev_fd_add(loop, loop->wake_fd, EPOLLIN, on_wake, loop, &source);
    if (ret < 0)
        goto fail;
    *out_loop = loop;
    return 0;

fail_errno:
    ret = -errno;
fail:
    ev_loop_destroy(loop);
    return ret;
}

static void bury(struct ev_loop *loop)
{
    while (loop->graveyard != NULL) {
        struct ev_source *source = loop->graveyard;
        loop->graveyard = source->next;
        free(source);
    }
}

void ev_loop_destroy(struct ev_loop *loop)
{
    if (loop == NULL)
        return;
    while (loop->live != NULL)
        ev_source_remove(loop->live);
    bury(loop);
    fd_close(&loop->wake_fd);
    fd_close(&loop->epoll_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

static struct ev_work *pop_work(struct ev_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct ev_work *work = loop->head;
    if (work != NULL) {
        loop->head = work->next;
        if (loop->head == NULL)
            loop->tail = NULL;
        work->next = NULL;
        work->queued = false;
        loop->queued--;
    }
    pthread_mutex_unlock(&loop->lock);
    return work;
}

/* Runs what is queued now and leaves what that queues for the next round: work cannot starve
 * descriptors. */
static bool run_works(struct ev_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    size_t left = loop->queued;
    pthread_mutex_unlock(&loop->lock);
    struct ev_work *work;
    while (left-- > 0 && (work = pop_work(loop)) != NULL)
        work->fn(work->arg); /* may free work */
    pthread_mutex_lock(&loop->lock);
    bool more = loop->queued > 0;
    pthread_mutex_unlock(&loop->lock);
    return more;
}

static void dispatch(struct ev_source *source, uint32_t events)
{
    if (source->removed)
        return;
    if (!source->is_timer) {
        source->on_fd(source->arg, events);
        return;
    }
    uint64_t expirations;
    if (read(source->fd, &expirations, sizeof(expirations)) == (ssize_t)sizeof(expirations))
        source->on_timer(source->arg);
}

static void set_running(struct ev_loop *loop, bool running)
{
    pthread_mutex_lock(&loop->lock);
    loop->running = running;
    loop->closed = !running;
    loop->owner = pthread_self();
    pthread_mutex_unlock(&loop->lock);
}

int ev_loop_run(struct ev_loop *loop)
{
    int ret = 0;
    bool more = true; /* work may have been posted before the run */
    set_running(loop, true);
    while (!atomic_load_explicit(&loop->stop, memory_order_acquire)) {
        struct epoll_event events[EVENTS_PER_WAIT];
        int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_WAIT, more ? 0 : -1);
        if (n < 0 && errno != EINTR) {
            ret = -errno;
            break;
        }
        loop->dispatching = true;
        for (int i = 0; i < n; i++)
            dispatch(events[i].data.ptr, events[i].events);
        more = run_works(loop);
        loop->dispatching = false;
        bury(loop);
    }
    /* Whoever waits in ev_call() was queued before this point, and is served; later calls are
     * refused. */
    pthread_mutex_lock(&loop->lock);
    loop->closed = true;
    pthread_mutex_unlock(&loop->lock);
    (void)run_works(loop);
    set_running(loop, false);
    atomic_store_explicit(&loop->stop, false, memory_order_relaxed);
    return ret;
}

void ev_loop_stop(struct ev_loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    wake(loop);
}

bool ev_loop_is_owner(const struct ev_loop *loop)
{
    struct ev_loop *l = (struct ev_loop *)loop;
    pthread_mutex_lock(&l->lock);
    bool owner = l->running && pthread_equal(l->owner, pthread_self());
    pthread_mutex_unlock(&l->lock);
    return owner;
}

static int add_source(struct ev_loop *loop, const struct ev_source *model,
                      struct ev_source **out_source)
{
    struct ev_source *source = malloc(sizeof(*source));
    if (source == NULL)
        return -ENOMEM;
    *source = *model;
    source->loop = loop;
    struct epoll_event event = {.events = source->events, .data.ptr = source};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0) {
        int ret = -errno;
        free(source);
        return ret;
    }
    source->next = loop->live;
    if (loop->live != NULL)
        loop->live->prev = source;
    loop->live = source;
    *out_source = source;
    return 0;
}

int ev_fd_add(struct ev_loop *loop, int fd, uint32_t events, ev_fd_fn fn, void *arg,
              struct ev_source **out_source)
{
    struct ev_source model = {.fd = fd, .events = events, .on_fd = fn, .arg = arg};
    return add_source(loop, &model, out_source);
}

int ev_timer_add(struct ev_loop *loop, ev_fn fn, void *arg, struct ev_source **out_source)
{
    AUTO_FD int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct ev_source model = {
        .fd = fd, .is_timer = true, .events = EPOLLIN, .on_timer = fn, .arg = arg};
    int ret = add_source(loop, &model, out_source);
    if (ret == 0)
        (void)take_fd(&fd);
    return ret;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

int ev_timer_arm(struct ev_source *timer, uint64_t delay_ns, uint64_t period_ns)
{
    struct itimerspec spec = {.it_value = timespec_of(delay_ns),
                              .it_interval = timespec_of(period_ns)};
    return timerfd_settime(timer->fd, 0, &spec, NULL) < 0 ? -errno : 0;
}

void ev_source_remove(struct ev_source *source)
{
    if (source == NULL || source->removed)
        return;
    struct ev_loop *loop = source->loop;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    if (source->is_timer)
        fd_close(&source->fd);
    if (source->prev != NULL)
        source->prev->next = source->next;
    else
        loop->live = source->next;
    if (source->next != NULL)
        source->next->prev = source->prev;
    /* An event fetched in the same epoll_wait() may still point here. */
    source->removed = true;
    source->next = loop->graveyard;
    loop->graveyard = source;
    if (!loop->dispatching)
        bury(loop);
}

/* Caller holds the lock. */
static void enqueue(struct ev_loop *loop, struct ev_work *work)
{
    if (work->queued)
        return;
    work->queued = true;
    work->next = NULL;
    if (loop->tail != NULL)
        loop->tail->next = work;
    else
        loop->head = work;
    loop->tail = work;
    loop->queued++;
}

void ev_post(struct ev_loop *loop, struct ev_work *work)
{
    pthread_mutex_lock(&loop->lock);
    enqueue(loop, work);
    pthread_mutex_unlock(&loop->lock);
    wake(loop);
}

void ev_cancel(struct ev_loop *loop, struct ev_work *work)
{
    pthread_mutex_lock(&loop->lock);
    struct ev_work *prev = NULL;
    for (struct ev_work *at = loop->head; at != NULL; prev = at, at = at->next) {
        if (at != work)
            continue;
        if (prev != NULL)
            prev->next = at->next;
        else
            loop->head = at->next;
        if (loop->tail == at)
            loop->tail = prev;
        at->queued = false;
        at->next = NULL;
        loop->queued--;
        break;
    }
    pthread_mutex_unlock(&loop->lock);
}

struct call {
    struct ev_work work;
    ev_fn fn;
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    bool done;
};

static void run_call(void *arg)
{
    struct call *call = arg;
    call->fn(call->arg);
    /* Signalled under the lock: the waiter destroys the condition as soon as it sees done. */
    pthread_mutex_lock(&call->lock);
    call->done = true;
    pthread_cond_signal(&call->done_cond);
    pthread_mutex_unlock(&call->lock);
}

int ev_call(struct ev_loop *loop, ev_fn fn, void *arg)
{
    if (ev_loop_is_owner(loop)) {
        fn(arg);
        return 0;
    }
    struct call call = {.fn = fn,
                        .arg = arg,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .done_cond = PTHREAD_COND_INITIALIZER};
    call.work = (struct ev_work){.fn = run_call, .arg = &call};
    pthread_mutex_lock(&loop->lock);
    bool refused = loop->closed;
    if (!refused)
        enqueue(loop, &call.work);
    pthread_mutex_unlock(&loop->lock);
    if (!refused) {
        wake(loop);
        pthread_mutex_lock(&call.lock);
        while (!call.done)
            pthread_cond_wait(&call.done_cond, &call.lock);
        pthread_mutex_unlock(&call.lock);
    }
    pthread_cond_destroy(&call.done_cond);
    pthread_mutex_destroy(&call.lock);
    return refused ? -ESHUTDOWN : 0;
}
