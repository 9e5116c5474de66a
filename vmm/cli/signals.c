/* SPDX-License-Identifier: Apache-2.0 */
/* The signals of a run, received on the io loop: those that end it, and those of job control. */
#include "vmm/cli/signals.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"

/* Sent from outside, and deadly by default (signal(7)): the run ends in order. Faults of our own
 * are the terminal's (terminal.c). */
static const int ends[] = {SIGTERM,   SIGINT,  SIGHUP,  SIGQUIT, SIGUSR1, SIGUSR2,  SIGALRM,
                           SIGVTALRM, SIGPROF, SIGPOLL, SIGPWR,  SIGXCPU, SIGSTKFLT};

/* Where no orphaned process group is concerned (setpgid(2)), SIGTSTP comes from a shell that will
 * send SIGCONT. */
static const int job_control[] = {SIGTSTP, SIGCONT};

/* A client or pipe that is gone, a limit on file sizes, and a terminal whose foreground is
 * another's are errors of a call, not our end. */
static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGTTOU, SIGTTIN};

/* Those that were not ignored by who started us; a blocked signal would be received all the same.
 */
static void add_wanted(sigset_t *mask, const int *signos, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sigaction inherited;
        if (sigaction(signos[i], NULL, &inherited) == 0 && inherited.sa_handler != SIG_IGN)
            (void)sigaddset(mask, signos[i]);
    }
}

int signals_catch(struct signals *s, struct err *err)
{
    sigset_t mask;
    (void)sigemptyset(&mask);
    add_wanted(&mask, ends, ARRAY_LEN(ends));
    add_wanted(&mask, job_control, ARRAY_LEN(job_control));
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        (void)signal(ignored[i], SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &mask, &s->old_mask) < 0)
        return err_sys(err, -errno, "signals cannot be blocked");
    s->fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->fd < 0) {
        int rc = -errno;
        (void)sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
        return err_sys(err, rc, "signals cannot be received");
    }
    return 0;
}

/*
 * Stops as the signal would have done without us, by its default action: which does not stop an
 * orphaned process group, that nobody would continue.
 */
static void stop(struct signals *s)
{
    sigset_t mask;
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGTSTP);
    s->ops->suspend(s->arg);
    (void)raise(SIGTSTP);
    (void)sigprocmask(SIG_UNBLOCK, &mask, NULL);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
    s->ops->resume(s->arg);
}

static void on_signal(void *arg, uint32_t events)
{
    struct signals *s = arg;
    struct signalfd_siginfo info = {0};
    (void)events;
    if (read(s->fd, &info, sizeof(info)) != sizeof(info))
        return;
    int signo = (int)info.ssi_signo;
    if (signo == SIGTSTP)
        stop(s);
    else if (signo == SIGCONT)
        s->ops->resume(s->arg);
    else
        s->ops->end(s->arg, signo);
}

int signals_watch(struct signals *s, struct ev_loop *loop, const struct signal_ops *ops, void *arg)
{
    s->ops = ops;
    s->arg = arg;
    return ev_fd_add(loop, s->fd, EPOLLIN, on_signal, s, &s->source);
}

void signals_release(struct signals *s)
{
    if (s->fd >= 0)
        (void)sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
}

void signals_finish(struct signals *s)
{
    signals_release(s);
    ev_source_remove(s->source);
    s->source = NULL;
    fd_close(&s->fd);
}
