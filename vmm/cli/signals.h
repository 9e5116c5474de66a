/* SPDX-License-Identifier: Apache-2.0 */
/* The signals of a run, received on the io loop: those that end it, and those of job control. */
#ifndef AEROSTAT_CLI_SIGNALS_H
#define AEROSTAT_CLI_SIGNALS_H

#include <signal.h>

#include "vmm/base/err.h"
#include "vmm/event/loop.h"

/* Called on the loop. */
struct signal_ops {
    /* signo came, whose default action ends a process. */
    void (*end)(void *arg, int signo);
    /* The process is about to be stopped (SIGTSTP). */
    void (*suspend)(void *arg);
    /* The process goes on (SIGCONT), or was not stopped after all. May come without suspend(). */
    void (*resume)(void *arg);
};

/* Zero-initialise, with fd -1. */
struct signals {
    int fd; /* signalfd(2); -1 before signals_catch() */
    sigset_t old_mask;
    struct ev_source *source;
    const struct signal_ops *ops;
    void *arg; /* borrowed; outlives the signals */
};

/*
 * Blocks the signals for this thread and those it will make, but those that were ignored when the
 * program started, as nohup(1) has it. Ignores SIGPIPE, SIGXFSZ, SIGTTIN, SIGTTOU. Before any other
 * thread. Returns 0 or -errno with a sentence.
 */
int signals_catch(struct signals *signals, struct err *err);

/* Hands what was caught to ops. After signals_catch(), once. The loop's thread, or before it runs.
 * Returns 0 or -errno. */
int signals_watch(struct signals *signals, struct ev_loop *loop, const struct signal_ops *ops,
                  void *arg);

/* From here on signals do again what they did before. Idempotent. As signals_watch(). */
void signals_release(struct signals *signals);

/* Stops watching, too. Before the loop is destroyed. Accepts what was never caught. */
void signals_finish(struct signals *signals);

#endif
