/* SPDX-License-Identifier: Apache-2.0 */
/* One client of the console: output from the history, as it takes it; input as the guest takes it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/base/clock.h"
#include "vmm/base/num.h"
#include "vmm/console/server_priv.h"

/* What the kernel keeps for a client that does not read. */
#define SEND_BUFFER_BYTES (64 << 10)

static void on_ready(void *arg, uint32_t events);
static void read_input(struct console_client *c);

/* Watches what can happen next. */
static void rearm(struct console_client *c)
{
    uint32_t events = 0;
    if (c->gone)
        return;
    if (!c->input_ended && c->start == c->end)
        events |= EPOLLIN;
    if (c->blocked && !c->output_ended)
        events |= EPOLLOUT;
    if (c->source != NULL && events == c->events)
        return;
    ev_source_remove(c->source);
    c->source = NULL;
    c->events = events;
    if (ev_fd_add(c->server->loop, c->fd, events, on_ready, c, &c->source) < 0)
        console_client_close(c);
}

/* Skips what the history no longer has, and half of what it has, so that the next loss is not at
 * hand; leaves a mark. */
static void skip_lost(struct console_client *c)
{
    const struct history *h = &c->server->history;
    if (c->position >= history_start(h))
        return;
    uint64_t next = h->end - HISTORY_BYTES / 2;
    int len = snprintf(c->mark, sizeof(c->mark),
                       "\r\n[aerostat: %" PRIu64 " bytes of output are left out here]\r\n",
                       next - c->position);
    c->mark_start = 0;
    c->mark_end = (size_t)len;
    c->position = next;
}

/* Sends one piece. Returns how much was sent, 0 when the socket takes no more, or -errno. */
static ssize_t send_piece(struct console_client *c, const void *data, size_t len)
{
    ssize_t sent = send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return sent < 0 ? -errno : sent;
}

/* Sends the next piece, *out_more whether there was one. */
static ssize_t send_next(struct console_client *c, bool *out_more)
{
    const uint8_t *data;
    *out_more = true;
    if (c->mark_start == c->mark_end)
        skip_lost(c);
    if (c->mark_start < c->mark_end) {
        ssize_t sent = send_piece(c, c->mark + c->mark_start, c->mark_end - c->mark_start);
        c->mark_start += sent > 0 ? (size_t)sent : 0;
        return sent;
    }
    size_t len = history_peek(&c->server->history, c->position, &data);
    if (len == 0) {
        *out_more = false;
        return 0;
    }
    ssize_t sent = send_piece(c, data, len);
    c->position += sent > 0 ? (uint64_t)sent : 0;
    return sent;
}

void console_client_send(struct console_client *c)
{
    bool more = true;
    ssize_t sent;
    /* At most a mark and the history. */
    do {
        sent = send_next(c, &more);
    } while (sent > 0);
    /* Who has only ended its own reading (shutdown(2)) may go on to write; epoll tells, at once
     * too, when its other end is closed. */
    if (sent < 0)
        c->output_ended = true;
    c->blocked = more || c->output_ended;
    rearm(c);
}

bool console_client_forward(struct console_client *c)
{
    struct console_server *s = c->server;
    if (c->start < c->end) {
        size_t taken = s->spec.ops->input(s->spec.arg, c->pending + c->start, c->end - c->start);
        c->start += taken;
        if (taken > 0)
            s->input_progress_ns = clock_mono_ns();
    }
    if (c->start < c->end)
        return true;
    c->start = c->end = 0;
    if (c->gone)
        read_input(c);
    else
        rearm(c);
    return c->start < c->end;
}

/* Reads what fits, which is only asked for when nothing is pending. */
static void read_input(struct console_client *c)
{
    ssize_t got = recv(c->fd, c->pending, sizeof(c->pending), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0) {
        console_client_close(c);
        return;
    }
    if (got == 0 && c->gone) {
        console_client_close(c);
        return;
    }
    if (got == 0) {
        /* It may still read, as `echo command | socat - UNIX:...` does. */
        c->input_ended = true;
        rearm(c);
        return;
    }
    c->end = (size_t)got;
    c->server->input_progress_ns = clock_mono_ns();
    rearm(c);
    console_server_retry_input(c->server);
}

/* The other end was closed: output has nowhere to go, and epoll nothing new to say. */
static void lose(struct console_client *c)
{
    c->gone = true;
    c->blocked = true;
    ev_source_remove(c->source);
    c->source = NULL;
    if (c->start == c->end)
        read_input(c);
}

static void on_ready(void *arg, uint32_t events)
{
    struct console_client *c = arg;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        lose(c);
        return;
    }
    if ((events & EPOLLOUT) != 0)
        console_client_send(c);
    if ((events & EPOLLIN) != 0 && c->server != NULL && !c->gone) {
        read_input(c);
        if (c->server != NULL)
            (void)console_client_forward(c);
    }
}

void console_client_open(struct console_client *c, struct console_server *server, int fd)
{
    int bytes = SEND_BUFFER_BYTES;
    *c = (struct console_client){
        .server = server,
        .fd = fd,
        .position = history_start(&server->history),
    };
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    console_client_send(c);
}

void console_client_close(struct console_client *c)
{
    if (c->server == NULL)
        return;
    ev_source_remove(c->source);
    (void)close(c->fd);
    *c = (struct console_client){.fd = -1};
}
