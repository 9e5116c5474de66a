/* SPDX-License-Identifier: Apache-2.0 */
/* What the server and its clients share. */
#ifndef AEROSTAT_CONSOLE_SERVER_PRIV_H
#define AEROSTAT_CONSOLE_SERVER_PRIV_H

#include <stdbool.h>

#include "vmm/console/bounded_log.h"
#include "vmm/console/history_priv.h"
#include "vmm/console/server.h"

/* A client. */
struct console_client {
    struct console_server *server; /* NULL: the place is free */
    int fd;
    struct ev_source *source; /* NULL when even that failed: no longer served */
    uint32_t events;          /* that source watches */
    bool blocked;             /* the socket takes no more output now */
    bool output_ended;        /* it does not read any longer */
    bool input_ended;
    bool gone;         /* closed by its other end; what it wrote last is still for the guest */
    uint64_t position; /* in the history: what is sent next */
    size_t mark_start; /* what is still to be sent of the mark is [mark_start, mark_end) */
    size_t mark_end;
    char mark[80];
    size_t start; /* input that the guest has not taken yet is [start, end) */
    size_t end;
    uint8_t pending[1024];
};

struct console_server {
    struct console_server_spec spec;
    struct ev_loop *loop; /* borrowed */
    int output_read;      /* the pipe from the guest */
    int output_write;
    struct ev_source *output; /* NULL while the timer watches instead */
    struct ev_source *output_timer;
    int listen_fd;
    struct ev_source *listener; /* NULL while accept(2) has failed and the timer waits */
    struct ev_source *accept_timer;
    struct ev_source *input_timer; /* asks the guest again whether it takes input */
    uint64_t input_progress_ns;    /* when it last did */
    bool bound;                    /* sock_path is ours */
    struct bounded_log log;
    struct history history;
    struct console_client clients[CONSOLE_CLIENTS_MAX];
};

/* Serves fd, which is the client's from here on, also where that fails. client's place is free. */
void console_client_open(struct console_client *client, struct console_server *server, int fd);
/* Ends the connection and frees the place. Idempotent. */
void console_client_close(struct console_client *client);
/* Sends what there is, as far as the socket takes it. May end the connection. */
void console_client_send(struct console_client *client);
/*
 * Gives the guest what the client has written. Returns whether something is left. May end the
 * connection.
 */
bool console_client_forward(struct console_client *client);
/* Asks the guest again before long: it has not taken everything. */
void console_server_retry_input(struct console_server *server);

#endif
