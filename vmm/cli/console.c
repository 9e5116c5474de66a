/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input to the guest's serial port: no byte is lost to a slow guest, and no guest can hold
 * up the escapes. */
#include "vmm/cli/console.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/escape.h"
#include "vmm/cli/terminal.h"

#define NS_PER_MS UINT64_C(1000000)
/* The serial port's FIFO holds 16 bytes and tells nobody when it has room again. */
#define RETRY_NS      (2 * NS_PER_MS)
#define DEAF_RETRY_NS (50 * NS_PER_MS)
/* How often a file that cannot be polled is read. */
#define FILE_NS (10 * NS_PER_MS)
/* How often a terminal is looked at whose foreground is another's: not every shell sends SIGCONT to
 * what it brings there. */
#define AWAY_NS (500 * NS_PER_MS)
/* After so long without a byte taken, a guest no longer listens: what is typed is dropped, for the
 * sake of the escapes. */
#define DEAF_NS (1000 * NS_PER_MS)

static const char help_text[] = "\r\naerostat: Ctrl-A x leaves, Ctrl-A h shows this help, "
                                "Ctrl-A Ctrl-A sends Ctrl-A\r\n";

struct console {
    int fd;
    struct ev_loop *loop;
    const struct console_ops *ops;
    void *arg;
    struct ev_source *input; /* NULL while paused, at the end, or for what cannot be polled */
    struct ev_source *timer;
    bool tty;      /* fd is a terminal */
    bool terminal; /* and ours: raw, and read */
    bool polled;   /* epoll takes fd; otherwise the timer reads it */
    bool ended;
    bool suspended;
    struct escape escape;
    uint64_t progress_ns; /* when the guest last took a byte, or had none to take */
    size_t start;         /* pending bytes are [start, end) */
    size_t end;
    uint8_t pending[4096];
};

static void on_input(void *arg, uint32_t events);

static void forward(struct console *c)
{
    uint64_t now = clock_mono_ns();
    size_t taken = 0;
    if (c->start < c->end)
        taken = c->ops->input(c->arg, c->pending + c->start, c->end - c->start);
    c->start += taken;
    if (c->start == c->end)
        c->start = c->end = 0;
    if (taken > 0 || c->end == 0)
        c->progress_ns = now;
}

static size_t room(struct console *c)
{
    if (c->start > 0) {
        memmove(c->pending, c->pending + c->start, c->end - c->start);
        c->end -= c->start;
        c->start = 0;
    }
    return sizeof(c->pending) - c->end;
}

static bool guest_is_deaf(const struct console *c)
{
    return c->end > c->start && clock_mono_ns() - c->progress_ns >= DEAF_NS;
}

static void typed(struct console *c, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t out[2];
        enum escape_command command;
        size_t n = escape_feed(&c->escape, data[i], out, &command);
        if (command == ESCAPE_LEAVE)
            c->ops->leave(c->arg);
        else if (command == ESCAPE_HELP)
            terminal_say(help_text, sizeof(help_text) - 1);
        else if (n <= room(c)) {
            memcpy(c->pending + c->end, out, n);
            c->end += n;
        }
    }
}

static void let_go(struct console *c)
{
    c->terminal = false;
    log_set_raw_terminal(false);
}

/* What a failed read means: the end, unless it was only somebody else's turn. */
static void read_failed(struct console *c)
{
    pid_t foreground = c->terminal ? tcgetpgrp(c->fd) : -1;
    if (errno == EIO && foreground >= 0 && foreground != getpgrp()) {
        terminal_forget();
        let_go(c);
    } else {
        c->ended = true;
    }
}

/* Whether a read would not block. The descriptor may be shared with processes that read it too, and
 * that O_NONBLOCK would disturb. */
static bool has_input(const struct console *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return !c->polled || poll(&p, 1, 0) == 1;
}

/* Reads what there is, at most what can be kept; a deaf guest's terminal is read all the same. */
static void read_some(struct console *c)
{
    uint8_t data[1024];
    /* A byte typed may become two: Ctrl-A and a key that is no escape. */
    size_t want = c->terminal ? room(c) / 2 : room(c);
    if (c->terminal && guest_is_deaf(c))
        want = sizeof(data);
    want = want < sizeof(data) ? want : sizeof(data);
    if (want == 0 || !has_input(c))
        return;
    ssize_t got = read(c->fd, data, want);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got < 0) {
        read_failed(c);
        return;
    }
    if (got == 0) {
        c->ended = true;
        return;
    }
    if (c->terminal) {
        typed(c, data, (size_t)got);
    } else {
        memcpy(c->pending + c->end, data, (size_t)got);
        c->end += (size_t)got;
    }
}

/* Waits for what can happen next. A paused source is removed: epoll would report a hang-up of it
 * without pause. */
static void rearm(struct console *c)
{
    bool full = room(c) < 2 && !(c->terminal && guest_is_deaf(c));
    bool away = c->tty && !c->terminal;
    bool want_input = c->polled && !c->ended && !full && !away;
    if (!want_input) {
        ev_source_remove(c->input);
        c->input = NULL;
    } else if (c->input == NULL && ev_fd_add(c->loop, c->fd, EPOLLIN, on_input, c, &c->input) < 0) {
        c->ended = true;
    }
    uint64_t delay = 0;
    if (c->end > c->start)
        delay = guest_is_deaf(c) ? DEAF_RETRY_NS : RETRY_NS;
    else if (away && !c->suspended)
        delay = AWAY_NS;
    else if (!c->polled && !c->ended)
        delay = FILE_NS;
    (void)ev_timer_arm(c->timer, delay, 0);
}

/* A terminal whose foreground we are gets into raw mode; any other is left alone. */
static int take_terminal(struct console *c, struct err *err)
{
    if (tcgetpgrp(c->fd) != getpgrp()) {
        if (c->terminal) {
            terminal_forget();
            let_go(c);
        }
        return 0;
    }
    int rc = terminal_make_raw(c->fd, err);
    if (rc == 0) {
        c->terminal = true;
        log_set_raw_terminal(true);
    }
    return rc;
}

static void on_input(void *arg, uint32_t events)
{
    struct console *c = arg;
    (void)events;
    read_some(c);
    forward(c);
    rearm(c);
}

static void on_timer(void *arg)
{
    struct console *c = arg;
    if (c->tty && !c->terminal && !c->suspended)
        (void)take_terminal(c, NULL);
    if (!c->polled && !c->ended)
        read_some(c);
    forward(c);
    rearm(c);
}

/* Finds out whether epoll takes the descriptor: rearm() then watches it whenever it is wanted. */
static int watch(struct console *c, struct err *err)
{
    int rc = ev_fd_add(c->loop, c->fd, EPOLLIN, on_input, c, &c->input);
    c->polled = rc == 0;
    if (rc < 0 && rc != -EPERM)
        return err_sys(err, rc, "console: standard input cannot be watched");
    return 0;
}

int console_create(int in_fd, struct ev_loop *loop, const struct console_ops *ops, void *arg,
                   struct console **out_console, struct err *err)
{
    struct console *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return err_set(err, -ENOMEM, "console: out of memory");
    c->fd = in_fd;
    c->loop = loop;
    c->ops = ops;
    c->arg = arg;
    c->progress_ns = clock_mono_ns();
    c->tty = isatty(in_fd);
    int rc = ev_timer_add(loop, on_timer, c, &c->timer);
    if (rc < 0)
        rc = err_sys(err, rc, "console: no timer");
    if (rc == 0)
        rc = watch(c, err);
    if (rc == 0 && c->tty)
        rc = take_terminal(c, err);
    if (rc < 0) {
        console_destroy(c);
        return rc;
    }
    if (c->tty && !c->terminal)
        log_info("running in the background: the terminal is not read");
    rearm(c);
    *out_console = c;
    return 0;
}

void console_suspend(struct console *c)
{
    if (c == NULL)
        return;
    c->suspended = true;
    if (c->terminal) {
        terminal_restore();
        terminal_say("\r\n", 2);
        let_go(c);
    }
    rearm(c);
}

void console_resume(struct console *c)
{
    if (c == NULL || !c->tty)
        return;
    c->suspended = false;
    /* Where the terminal cannot be taken now, the timer tries again. */
    (void)take_terminal(c, NULL);
    rearm(c);
}

void console_destroy(struct console *c)
{
    if (c == NULL)
        return;
    ev_source_remove(c->input);
    ev_source_remove(c->timer);
    if (c->terminal) {
        terminal_restore();
        let_go(c);
    }
    free(c);
}
