/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal in raw mode, and its way back however the process ends. */
#include "vmm/cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/base/num.h"

/* What ends a process from within; what is sent from outside is received by the loop (signals.h).
 */
static const int fatal_signals[] = {SIGSEGV, SIGBUS,  SIGILL, SIGFPE,
                                    SIGABRT, SIGTRAP, SIGSYS, SIGXCPU};

/* Enough for the handler and the registers that the kernel saves, AVX-512 and AMX included. */
#define HANDLER_STACK_BYTES 65536

/* What a fatal signal's handler needs: set before raw is, and then constant. */
static struct termios saved;
static int terminal_fd = -1;
static int output_fd = -1;
static struct sigaction saved_actions[ARRAY_LEN(fatal_signals)];
static atomic_bool raw;
static const char *farewell;
static size_t farewell_len;

void terminal_set_farewell(const char *text, size_t len)
{
    farewell = text;
    farewell_len = len;
}

void terminal_restore(void)
{
    if (!atomic_exchange(&raw, false))
        return;
    int saved_errno = errno;
    if (farewell_len > 0)
        terminal_say(farewell, farewell_len);
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

void terminal_forget(void)
{
    atomic_store(&raw, false);
}

void terminal_say(const char *text, size_t len)
{
    int saved_errno = errno;
    /* A terminal whose output is held (Ctrl-S) must not stop the loop. */
    struct pollfd reader = {.fd = output_fd, .events = POLLOUT};
    if (output_fd >= 0 && poll(&reader, 1, 0) == 1)
        (void)!write(output_fd, text, len);
    errno = saved_errno;
}

/* Restores the terminal, then lets the signal do what it would have done without us. */
static void on_fatal(int signo, siginfo_t *info, void *context)
{
    (void)context;
    if (atomic_load(&raw)) {
        terminal_restore();
        terminal_say("\r\n", 2);
    }
    for (size_t i = 0; i < ARRAY_LEN(fatal_signals); i++) {
        if (fatal_signals[i] == signo)
            (void)sigaction(signo, &saved_actions[i], NULL);
    }
    /* A fault happens again on return, where it belongs in a core dump; a signal that was sent has
     * to be sent again. */
    if (info->si_code <= 0)
        (void)raise(signo);
}

/* An overflow of the main thread's stack leaves no room on it for the handler. */
static void make_handler_stack(void)
{
    static char memory[HANDLER_STACK_BYTES];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};
    stack_t present;
    /* A sanitizer has one of its own, and frees the one it finds at the end. */
    if (sigaltstack(NULL, &present) == 0 && (present.ss_flags & SS_DISABLE) != 0)
        (void)sigaltstack(&stack, NULL);
}

static void catch_fatal_signals(void)
{
    struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    make_handler_stack();
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(fatal_signals); i++)
        (void)sigaction(fatal_signals[i], &action, &saved_actions[i]);
}

/* Where the user of terminal fd looks. */
static int find_output(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY)
        return fd;
    return isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDERR_FILENO;
}

int terminal_make_raw(int fd, struct err *err)
{
    static bool prepared;
    struct termios attributes;
    if (tcgetattr(fd, &attributes) < 0)
        return err_sys(err, -errno, "the terminal's state cannot be read");
    if (!prepared) {
        saved = attributes;
        terminal_fd = fd;
        output_fd = find_output(fd);
        catch_fatal_signals();
        (void)atexit(terminal_restore);
        prepared = true;
    }
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
