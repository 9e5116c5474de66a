/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input to the guest's serial port: no byte is lost to a slow guest, and no guest can hold
 * up the escapes. */
#include "vmm/cli/console.h"

#include <errno.h>
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
    bool terminal;
    bool polled; /* epoll takes fd; otherwise the timer reads it */
    bool ended;
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
            (void)!write(STDERR_FILENO, help_text, sizeof(help_text) - 1);
        else if (n <= room(c)) {
            memcpy(c->pending + c->end, out, n);
            c->end += n;
        }
    }
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
    if (want == 0)
        return;
    ssize_t got = read(c->fd, data, want);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) {
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
    bool want_input = c->polled && !c->ended && !full;
    if (!want_input) {
        ev_source_remove(c->input);
        c->input = NULL;
    } else if (c->input == NULL && ev_fd_add(c->loop, c->fd, EPOLLIN, on_input, c, &c->input) < 0) {
        c->ended = true;
    }
    uint64_t delay = 0;
    if (c->end > c->start)
        delay = guest_is_deaf(c) ? DEAF_RETRY_NS : RETRY_NS;
    else if (!c->polled && !c->ended)
        delay = FILE_NS;
    (void)ev_timer_arm(c->timer, delay, 0);
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
    if (!c->polled && !c->ended)
        read_some(c);
    forward(c);
    rearm(c);
}

/* Whether fd is to be read at all; a terminal that is gets into raw mode. */
static int take_terminal(struct console *c, bool *out_read, struct err *err)
{
    *out_read = true;
    if (!isatty(c->fd))
        return 0;
    if (tcgetpgrp(c->fd) != getpgrp()) {
        log_info("running in the background: the terminal is not read");
        *out_read = false;
        return 0;
    }
    int rc = terminal_make_raw(c->fd, err);
    if (rc == 0) {
        c->terminal = true;
        log_set_raw_terminal(true);
    }
    return rc;
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
    bool readable = false;
    int rc = ev_timer_add(loop, on_timer, c, &c->timer);
    if (rc < 0)
        rc = err_sys(err, rc, "console: no timer");
    else
        rc = take_terminal(c, &readable, err);
    if (rc == 0 && readable) {
        rc = ev_fd_add(loop, in_fd, EPOLLIN, on_input, c, &c->input);
        c->polled = rc == 0;
        if (rc == -EPERM)
            rc = ev_timer_arm(c->timer, FILE_NS, 0);
        if (rc < 0)
            rc = err_sys(err, rc, "console: standard input cannot be watched");
    }
    if (rc < 0) {
        console_destroy(c);
        return rc;
    }
    *out_console = c;
    return 0;
}

void console_destroy(struct console *c)
{
    if (c == NULL)
        return;
    ev_source_remove(c->input);
    ev_source_remove(c->timer);
    if (c->terminal) {
        terminal_restore();
        log_set_raw_terminal(false);
    }
    free(c);
}
