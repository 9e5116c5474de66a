/* SPDX-License-Identifier: Apache-2.0 */
/* The gate in front of the guest, with threads for vCPUs whose guest code counts. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/machine/suites.h"
#include "vmm/machine/gate.h"

#define RUNNERS 3u
#define CYCLES  2000
#define SIGNAL  SIGUSR1

/* What runner i does in the guest: leave after a few steps, after one, or only when it is kicked.
 */
static const unsigned int steps[RUNNERS] = {50, 1, 0};

struct runner {
    pthread_t thread; /* set by the thread itself before it enters */
    uint32_t id;
    _Atomic bool kicked; /* as a vCPU's immediate_exit */
    _Atomic bool inside;
    _Atomic uint64_t counted;
    _Atomic uint64_t rounds;
};

static struct gate gate;
static struct runner runners[RUNNERS];
static pthread_t threads[RUNNERS];

/* True on a thread that is past gate_leave(), where no kick may interrupt it. */
static _Thread_local volatile sig_atomic_t outside;
static _Atomic unsigned int late_signals;

static void on_signal(int signo)
{
    (void)signo;
    if (outside)
        atomic_fetch_add(&late_signals, 1);
}

static void kick(void *arg, uint32_t i)
{
    (void)arg;
    atomic_store(&runners[i].kicked, true);
    (void)pthread_kill(runners[i].thread, SIGNAL);
}

static void rearm(void *arg)
{
    struct runner *self = arg;
    outside = 0;
    atomic_store(&self->kicked, false);
}

static void guest_code(struct runner *self)
{
    unsigned int n = steps[self->id];
    atomic_store(&self->inside, true);
    for (unsigned int i = 0; (n == 0 || i < n) && !atomic_load(&self->kicked); i++) {
        atomic_fetch_add(&self->counted, 1);
        (void)sched_yield();
    }
    /* Some take their time to leave. */
    if (n == 0)
        (void)usleep(20);
    atomic_store(&self->inside, false);
}

static void *run(void *arg)
{
    struct runner *self = arg;
    self->thread = pthread_self();
    while (gate_enter(&gate, self->id, rearm, self)) {
        guest_code(self);
        gate_leave(&gate, self->id);
        outside = 1;
        (void)sched_yield();
        atomic_fetch_add(&self->rounds, 1);
        outside = 0;
    }
    return NULL;
}

static void setup(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGNAL, &action, NULL);
    gate_init(&gate, kick, NULL);
    memset(runners, 0, sizeof(runners));
    for (uint32_t i = 0; i < RUNNERS; i++)
        runners[i].id = i;
    atomic_store(&late_signals, 0);
}

static void start(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run, &runners[i]), 0);
}

static void stop(uint32_t n)
{
    gate_end(&gate);
    for (uint32_t i = 0; i < n; i++) {
        atomic_store(&runners[i].kicked, true);
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    gate_finish(&gate);
}

static uint64_t counted(uint32_t i)
{
    return atomic_load(&runners[i].counted);
}

/* Guest code of n runners goes on; the test's own deadline ends it otherwise. */
static void await_progress(uint32_t n)
{
    uint64_t before[RUNNERS];
    for (uint32_t i = 0; i < n; i++)
        before[i] = counted(i);
    for (uint32_t i = 0; i < n; i++) {
        while (counted(i) == before[i])
            (void)sched_yield();
    }
}

static void expect_standstill(uint32_t n)
{
    uint64_t before[RUNNERS];
    for (uint32_t i = 0; i < n; i++) {
        ck_assert(!atomic_load(&runners[i].inside));
        before[i] = counted(i);
    }
    (void)usleep(10);
    for (uint32_t i = 0; i < n; i++)
        ck_assert_uint_eq(counted(i), before[i]);
}

START_TEST(a_closed_gate_has_nobody_behind_it_and_an_open_one_lets_all_go_on)
{
    setup();
    start(RUNNERS);
    for (int i = 0; i < CYCLES; i++) {
        gate_close(&gate);
        expect_standstill(RUNNERS);
        gate_open(&gate);
        if (i % 8 == 0)
            await_progress(RUNNERS);
    }
    stop(RUNNERS);
    ck_assert_uint_eq(atomic_load(&late_signals), 0);
}
END_TEST

START_TEST(the_gate_opens_when_the_last_holder_opens_it)
{
    setup();
    start(RUNNERS);
    await_progress(RUNNERS);
    gate_close(&gate);
    gate_close(&gate);
    gate_open(&gate);
    expect_standstill(RUNNERS);
    gate_open(&gate);
    await_progress(RUNNERS);
    stop(RUNNERS);
}
END_TEST

static void *close_and_open(void *arg)
{
    (void)arg;
    for (int i = 0; i < CYCLES; i++) {
        gate_close(&gate);
        expect_standstill(RUNNERS);
        gate_open(&gate);
    }
    return NULL;
}

START_TEST(holders_on_several_threads_do_not_disturb_each_other)
{
    pthread_t other;
    setup();
    start(RUNNERS);
    ck_assert_int_eq(pthread_create(&other, NULL, close_and_open, NULL), 0);
    (void)close_and_open(NULL);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    await_progress(RUNNERS);
    stop(RUNNERS);
    ck_assert_uint_eq(atomic_load(&late_signals), 0);
}
END_TEST

static sem_t answer, asks;

/* A vCPU that is in the monitor and waits there for whoever closes the gate. */
static void *ask(void *arg)
{
    struct runner *self = arg;
    self->thread = pthread_self();
    ck_assert(gate_enter(&gate, self->id, rearm, self));
    gate_leave(&gate, self->id);
    sem_post(&asks);
    while (sem_wait(&answer) != 0)
        ck_abort_msg("a kick interrupted a thread that was outside");
    return gate_enter(&gate, self->id, rearm, self) ? self : NULL;
}

START_TEST(closing_does_not_wait_for_a_vcpu_that_waits_outside)
{
    void *ended = &gate;
    setup();
    ck_assert_int_eq(sem_init(&answer, 0, 0), 0);
    ck_assert_int_eq(sem_init(&asks, 0, 0), 0);
    ck_assert_int_eq(pthread_create(&threads[0], NULL, ask, &runners[0]), 0);
    ck_assert_int_eq(sem_wait(&asks), 0);
    gate_close(&gate);
    sem_post(&answer);
    /* It waits at the gate now, or will: ended it lets nobody pass, though it never opened. */
    gate_end(&gate);
    ck_assert_int_eq(pthread_join(threads[0], &ended), 0);
    ck_assert_ptr_null(ended);
    gate_finish(&gate);
}
END_TEST

START_TEST(an_ended_gate_can_be_closed_and_opened_and_lets_nobody_pass)
{
    setup();
    start(RUNNERS);
    stop(RUNNERS);
    gate_init(&gate, kick, NULL);
    gate_close(&gate);
    gate_end(&gate);
    gate_open(&gate);
    ck_assert(!gate_enter(&gate, 0, rearm, &runners[0]));
    gate_finish(&gate);
}
END_TEST

Suite *gate_suite(void)
{
    Suite *suite = suite_create("gate");
    TCase *tc = tcase_create("gate");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_closed_gate_has_nobody_behind_it_and_an_open_one_lets_all_go_on);
    tcase_add_test(tc, the_gate_opens_when_the_last_holder_opens_it);
    tcase_add_test(tc, holders_on_several_threads_do_not_disturb_each_other);
    tcase_add_test(tc, closing_does_not_wait_for_a_vcpu_that_waits_outside);
    tcase_add_test(tc, an_ended_gate_can_be_closed_and_opened_and_lets_nobody_pass);
    suite_add_tcase(suite, tc);
    return suite;
}
