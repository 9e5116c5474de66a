/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping vCPUs out of the guest for a while. */
#include "vmm/machine/gate.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define KICK_REPEAT_NS 1000000
#define NS_PER_S       1000000000

enum pass_state {
    PASS_OUT,
    PASS_IN,
    PASS_KICKED, /* in, and somebody who closed the gate waits for it */
};

void gate_init(struct gate *gate, gate_kick_fn kick, void *arg)
{
    pthread_condattr_t attr;
    *gate = (struct gate){.kick = kick, .arg = arg};
    pthread_mutex_init(&gate->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&gate->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void gate_finish(struct gate *gate)
{
    pthread_cond_destroy(&gate->changed);
    pthread_mutex_destroy(&gate->lock);
}

static bool may_pass(struct gate *gate)
{
    return atomic_load(&gate->holders) == 0 && !atomic_load(&gate->ended);
}

/* False once the gate has ended. */
static bool wait_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (atomic_load(&gate->holders) != 0 && !atomic_load(&gate->ended))
        pthread_cond_wait(&gate->changed, &gate->lock);
    bool ended = atomic_load(&gate->ended);
    pthread_mutex_unlock(&gate->lock);
    return !ended;
}

bool gate_enter(struct gate *gate, uint32_t i, void (*rearm)(void *), void *rearm_arg)
{
    do {
        rearm(rearm_arg);
        /*
         * Sequentially consistent, like all accesses here that name no order: either this thread
         * sees the holder below, or the holder sees this state and kicks, after rearm().
         */
        atomic_store(&gate->passes[i].state, PASS_IN);
        if (may_pass(gate))
            return true;
        gate_leave(gate, i);
    } while (wait_open(gate));
    return false;
}

void gate_leave(struct gate *gate, uint32_t i)
{
    if (atomic_exchange(&gate->passes[i].state, PASS_OUT) != PASS_KICKED)
        return;
    /* Who kicked holds the lock until all its signals are sent. */
    pthread_mutex_lock(&gate->lock);
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
    /* A signal that is pending is taken at the end of a system call: of this one, lest it interrupt
     * one that matters, such as a write to the console. */
    sigset_t blocked;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &blocked);
}

/* Caller holds the lock. True if all are out; kicks those that are not. */
static bool kick_all(struct gate *gate, bool again)
{
    bool all_out = true;
    for (uint32_t i = 0; i < GATE_PASSES_MAX; i++) {
        int seen = PASS_IN;
        bool first = atomic_compare_exchange_strong(&gate->passes[i].state, &seen, PASS_KICKED);
        if (!first && seen == PASS_OUT)
            continue;
        all_out = false;
        if (first || again)
            gate->kick(gate->arg, i);
    }
    return all_out;
}

void gate_close(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    atomic_fetch_add(&gate->holders, 1);
    bool again = false;
    while (!kick_all(gate, again)) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += KICK_REPEAT_NS;
        if (until.tv_nsec >= NS_PER_S) {
            until.tv_nsec -= NS_PER_S;
            until.tv_sec++;
        }
        again = pthread_cond_timedwait(&gate->changed, &gate->lock, &until) != 0;
    }
    pthread_mutex_unlock(&gate->lock);
}

void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    uint32_t before = atomic_fetch_sub(&gate->holders, 1);
    assert(before > 0);
    if (before == 1)
        pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void gate_end(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    atomic_store(&gate->ended, true);
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}
