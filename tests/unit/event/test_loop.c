/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: descriptors, timers, posted work, calls from other threads, stopping. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/support/check_main.h"
#include "vmm/base/clock.h"
#include "vmm/event/loop.h"

#define MS UINT64_C(1000000)

static struct ev_loop *loop;
static pthread_t thread;

static void *run_loop(void *arg)
{
    ck_assert_int_eq(ev_loop_run(arg), 0);
    return NULL;
}

static void setup(void)
{
    ck_assert_int_eq(ev_loop_create(&loop), 0);
}

static void teardown(void)
{
    ev_loop_destroy(loop);
}

static void start_thread(void)
{
    ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, loop), 0);
}

static void stop_thread(void)
{
    ev_loop_stop(loop);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

struct counter {
    int count;
    int stop_at;
    struct ev_source *source;
    struct ev_work work;
};

static void count_and_stop(void *arg)
{
    struct counter *c = arg;
    if (++c->count == c->stop_at)
        ev_loop_stop(loop);
}

START_TEST(a_timer_fires_once_after_its_delay)
{
    struct counter c = {.stop_at = 1};
    ck_assert_int_eq(ev_timer_add(loop, count_and_stop, &c, &c.source), 0);
    ck_assert_int_eq(ev_timer_arm(c.source, 5 * MS, 0), 0);
    uint64_t before = clock_mono_ns();
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ck_assert_uint_ge(clock_mono_ns() - before, 5 * MS);
    ck_assert_int_eq(c.count, 1);
}
END_TEST

START_TEST(a_periodic_timer_fires_until_it_is_disarmed)
{
    struct counter c = {.stop_at = 3};
    ck_assert_int_eq(ev_timer_add(loop, count_and_stop, &c, &c.source), 0);
    ck_assert_int_eq(ev_timer_arm(c.source, 1, MS), 0);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ck_assert_int_eq(c.count, 3);

    ck_assert_int_eq(ev_timer_arm(c.source, 0, 0), 0);
    struct counter other = {.stop_at = 1};
    ck_assert_int_eq(ev_timer_add(loop, count_and_stop, &other, &other.source), 0);
    ck_assert_int_eq(ev_timer_arm(other.source, 5 * MS, 0), 0);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ck_assert_int_eq(c.count, 3);
}
END_TEST

static void read_byte(void *arg, uint32_t events)
{
    int *fd = arg;
    char byte;
    ck_assert_uint_eq(events & EPOLLIN, EPOLLIN);
    ck_assert_int_eq(read(*fd, &byte, 1), 1);
    ev_loop_stop(loop);
}

START_TEST(a_readable_descriptor_calls_its_handler)
{
    int fds[2];
    struct ev_source *source;
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(ev_fd_add(loop, fds[0], EPOLLIN, read_byte, &fds[0], &source), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ev_source_remove(source);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(what_cannot_be_polled_is_refused_with_eperm)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct ev_source *source;
    ck_assert_int_eq(ev_fd_add(loop, fd, EPOLLIN, read_byte, &fd, &source), -EPERM);
    close(fd);
}
END_TEST

struct pair {
    struct ev_source *mine, *other;
    int calls;
};

static void remove_both(void *arg, uint32_t events)
{
    struct pair *p = arg;
    (void)events;
    p->calls++;
    ev_source_remove(p->mine);
    ev_source_remove(p->other);
    ev_loop_stop(loop);
}

START_TEST(a_source_removed_by_another_handler_is_not_called_any_more)
{
    int fds[2];
    struct pair p = {0};
    ck_assert_int_eq(pipe(fds), 0);
    int copy = dup(fds[0]);
    ck_assert_int_eq(ev_fd_add(loop, fds[0], EPOLLIN, remove_both, &p, &p.mine), 0);
    ck_assert_int_eq(ev_fd_add(loop, copy, EPOLLIN, remove_both, &p, &p.other), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ck_assert_int_eq(p.calls, 1);
    close(copy);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(work_posted_twice_before_it_runs_runs_once)
{
    struct counter c = {.stop_at = 1};
    c.work = (struct ev_work){.fn = count_and_stop, .arg = &c};
    ev_post(loop, &c.work);
    ev_post(loop, &c.work);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ck_assert_int_eq(c.count, 1);
}
END_TEST

START_TEST(cancelled_work_does_not_run)
{
    struct counter a = {0}, b = {0}, c = {.stop_at = 1};
    a.work = (struct ev_work){.fn = count_and_stop, .arg = &a};
    b.work = (struct ev_work){.fn = count_and_stop, .arg = &b};
    c.work = (struct ev_work){.fn = count_and_stop, .arg = &c};
    ev_post(loop, &a.work);
    ev_post(loop, &b.work);
    ev_post(loop, &c.work);
    ev_cancel(loop, &a.work);
    ev_cancel(loop, &c.work);
    ev_post(loop, &c.work);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ck_assert_int_eq(a.count, 0);
    ck_assert_int_eq(b.count, 1);
    ck_assert_int_eq(c.count, 1);
}
END_TEST

static void post_again(void *arg)
{
    struct counter *c = arg;
    c->count++;
    ev_post(loop, &c->work);
}

START_TEST(work_that_posts_itself_for_ever_does_not_starve_a_timer)
{
    struct counter endless = {0}, timer = {.stop_at = 1};
    endless.work = (struct ev_work){.fn = post_again, .arg = &endless};
    ev_post(loop, &endless.work);
    ck_assert_int_eq(ev_timer_add(loop, count_and_stop, &timer, &timer.source), 0);
    ck_assert_int_eq(ev_timer_arm(timer.source, 5 * MS, 0), 0);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ck_assert_int_gt(endless.count, 1);
    ev_cancel(loop, &endless.work);
}
END_TEST

static void note_thread(void *arg)
{
    pthread_t *where = arg;
    *where = pthread_self();
    ck_assert(ev_loop_is_owner(loop));
}

START_TEST(a_call_runs_on_the_owner_and_is_awaited)
{
    pthread_t where = pthread_self();
    start_thread();
    ck_assert_int_eq(ev_call(loop, note_thread, &where), 0);
    ck_assert(pthread_equal(where, thread));
    ck_assert(!ev_loop_is_owner(loop));
    stop_thread();
}
END_TEST

START_TEST(a_call_after_the_stop_is_refused_and_does_not_run)
{
    struct counter c = {0};
    start_thread();
    stop_thread();
    ck_assert_int_eq(ev_call(loop, count_and_stop, &c), -ESHUTDOWN);
    ck_assert_int_eq(c.count, 0);
}
END_TEST

#define CALLERS          4
#define CALLS_PER_CALLER 500

static _Atomic int refused;
static int served; /* owner thread only */

static void serve(void *arg)
{
    (void)arg;
    served++;
}

static void *call_many(void *arg)
{
    int *ok = arg;
    for (int i = 0; i < CALLS_PER_CALLER; i++) {
        if (ev_call(loop, serve, NULL) == 0)
            (*ok)++;
        else
            atomic_fetch_add(&refused, 1);
    }
    return NULL;
}

/* Every call is either served or refused, also those that meet the stop half-way. */
START_TEST(no_call_is_lost_when_the_loop_stops_under_many_callers)
{
    pthread_t callers[CALLERS];
    int ok[CALLERS] = {0}, total = 0;
    atomic_store(&refused, 0);
    served = 0;
    start_thread();
    for (int i = 0; i < CALLERS; i++)
        ck_assert_int_eq(pthread_create(&callers[i], NULL, call_many, &ok[i]), 0);
    ck_assert_int_eq(ev_call(loop, serve, NULL), 0);
    stop_thread();
    for (int i = 0; i < CALLERS; i++) {
        ck_assert_int_eq(pthread_join(callers[i], NULL), 0);
        total += ok[i];
    }
    ck_assert_int_eq(total + 1, served);
    ck_assert_int_eq(total + atomic_load(&refused), CALLERS * CALLS_PER_CALLER);
}
END_TEST

START_TEST(a_stopped_loop_can_run_again)
{
    struct counter c = {.stop_at = 1};
    ev_loop_stop(loop);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    c.work = (struct ev_work){.fn = count_and_stop, .arg = &c};
    ev_post(loop, &c.work);
    ck_assert_int_eq(ev_loop_run(loop), 0);
    ck_assert_int_eq(c.count, 1);
}
END_TEST

static Suite *loop_suite(void)
{
    Suite *suite = suite_create("loop");
    TCase *tc = tcase_create("loop");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_timer_fires_once_after_its_delay);
    tcase_add_test(tc, a_periodic_timer_fires_until_it_is_disarmed);
    tcase_add_test(tc, a_readable_descriptor_calls_its_handler);
    tcase_add_test(tc, what_cannot_be_polled_is_refused_with_eperm);
    tcase_add_test(tc, a_source_removed_by_another_handler_is_not_called_any_more);
    tcase_add_test(tc, work_posted_twice_before_it_runs_runs_once);
    tcase_add_test(tc, cancelled_work_does_not_run);
    tcase_add_test(tc, work_that_posts_itself_for_ever_does_not_starve_a_timer);
    tcase_add_test(tc, a_call_runs_on_the_owner_and_is_awaited);
    tcase_add_test(tc, a_call_after_the_stop_is_refused_and_does_not_run);
    tcase_add_test(tc, no_call_is_lost_when_the_loop_stops_under_many_callers);
    tcase_add_test(tc, a_stopped_loop_can_run_again);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    Suite *(*const suites[])(void) = {loop_suite};
    return check_run(suites, 1);
}
