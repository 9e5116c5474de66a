/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate in front of the guest. Each vCPU passes it to run guest code and steps out when it is
 * back; whoever closes it waits until all are out, and keeps them out. A vCPU that is in the
 * monitor, whatever it waits for there, is out: closing never waits for one.
 */
#ifndef AEROSTAT_MACHINE_GATE_H
#define AEROSTAT_MACHINE_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define GATE_PASSES_MAX 32u

/*
 * Makes vCPU i leave the guest, or not enter it if it is about to. Called with the gate's lock
 * held, while vCPU i cannot get past gate_leave(); repeated until it has left.
 */
typedef void (*gate_kick_fn)(void *arg, uint32_t i);

struct gate_pass {
    _Atomic int state; /* enum pass_state */
    char padding[60];  /* vCPUs write theirs at each exit: none in another's cache line */
};

struct gate {
    struct gate_pass passes[GATE_PASSES_MAX];
    gate_kick_fn kick;
    void *arg;
    _Atomic uint32_t holders; /* how many keep it closed; written under the lock */
    _Atomic bool ended;       /* nobody passes any more; written under the lock */
    pthread_mutex_t lock;     /* guards sleeping below; nothing is taken inside it */
    pthread_cond_t changed;   /* a kicked vCPU is out, the gate is open, or it has ended */
};

/* An open gate. arg is borrowed. */
void gate_init(struct gate *gate, gate_kick_fn kick, void *arg);
/* Nobody may be at the gate. */
void gate_finish(struct gate *gate);

/*
 * Waits until the gate is open, and passes. rearm(rearm_arg) is called before: what a kick left
 * behind is to be cleared there, and a kick that comes later is for this passage. False, without
 * passing, once the gate has ended. vCPU i's thread.
 */
bool gate_enter(struct gate *gate, uint32_t i, void (*rearm)(void *), void *rearm_arg);

/* Is out again. When it returns, no kick of gate_close() is on its way to this thread. */
void gate_leave(struct gate *gate, uint32_t i);

/*
 * Returns when all are out; they stay out until gate_open() was called as often as this. Any thread
 * that has not passed, several at once.
 */
void gate_close(struct gate *gate);
void gate_open(struct gate *gate);

/* Lets those that wait at the gate return, and nobody pass again. Any thread; idempotent. */
void gate_end(struct gate *gate);

#endif
