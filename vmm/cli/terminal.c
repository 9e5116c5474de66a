/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal in raw mode, and its way back however the process ends. */
#include "vmm/cli/terminal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <termios.h>

#include "vmm/base/num.h"

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};

/* What a fatal signal's handler needs: set before raw is, and then constant. */
static struct termios saved;
static int terminal_fd = -1;
static struct sigaction saved_actions[ARRAY_LEN(fatal_signals)];
static atomic_bool raw;

void terminal_restore(void)
{
    if (!atomic_exchange(&raw, false))
        return;
    int saved_errno = errno;
    /* A process in the background would be stopped by SIGTTOU in tcsetattr(3) unless that is
     * blocked. */
    sigset_t ttou;
    sigset_t old;
    (void)sigemptyset(&ttou);
    (void)sigaddset(&ttou, SIGTTOU);
    (void)pthread_sigmask(SIG_BLOCK, &ttou, &old);
    (void)tcsetattr(terminal_fd, TCSANOW, &saved);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved_errno;
}

/* Restores the terminal, then lets the signal do what it would have done without us. */
static void on_fatal(int signo, siginfo_t *info, void *context)
{
    (void)context;
    terminal_restore();
    for (size_t i = 0; i < ARRAY_LEN(fatal_signals); i++) {
        if (fatal_signals[i] == signo)
            (void)sigaction(signo, &saved_actions[i], NULL);
    }
    /* A fault happens again on return, where it belongs in a core dump; a signal that was sent has
     * to be sent again. */
    if (info->si_code <= 0)
        (void)raise(signo);
}

static void catch_fatal_signals(void)
{
    struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO};
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(fatal_signals); i++)
        (void)sigaction(fatal_signals[i], &action, &saved_actions[i]);
}

int terminal_make_raw(int fd, struct err *err)
{
    static bool prepared;
    struct termios attributes;
    if (tcgetattr(fd, &saved) < 0)
        return err_sys(err, -errno, "the terminal's state cannot be read");
    terminal_fd = fd;
    if (!prepared) {
        catch_fatal_signals();
        (void)atexit(terminal_restore);
        prepared = true;
    }
    attributes = saved;
    cfmakeraw(&attributes);
    attributes.c_cc[VMIN] = 1;
    attributes.c_cc[VTIME] = 0;
    /* Before the change: a signal in between restores what is still there. */
    atomic_store(&raw, true);
    if (tcsetattr(fd, TCSANOW, &attributes) < 0) {
        int rc = -errno;
        atomic_store(&raw, false);
        return err_sys(err, rc, "the terminal cannot be put in raw mode");
    }
    return 0;
}
