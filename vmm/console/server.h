/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console of a machine without a terminal: what the guest writes goes to a log file of bounded
 * size and to the clients of a Unix stream socket; what a client writes goes to the guest.
 *
 * A new client first gets the last 64 KiB. One that reads slowly loses output, and finds a mark in
 * its place, but holds up nobody; one that writes faster than the guest reads waits. A guest that
 * writes without end is slowed down by the pipe, not by dropping; each turn of the loop takes a
 * bounded part, so that everything else on it goes on.
 */
#ifndef AEROSTAT_CONSOLE_SERVER_H
#define AEROSTAT_CONSOLE_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/event/loop.h"

/* Clients at a time; a further one is told so. */
#define CONSOLE_CLIENTS_MAX 8u

struct console_server;

/* Where the clients' input goes. Called on the loop. */
struct console_server_ops {
    /* Takes up to len bytes, returns how many. */
    size_t (*input)(void *arg, const uint8_t *data, size_t len);
};

/* All borrowed, outliving the server. */
struct console_server_spec {
    int dir_fd;               /* of the folder that has the log files */
    const char *log_name;     /* the log */
    const char *log_old_name; /* what was the log before */
    uint64_t log_limit_bytes; /* of each of the two */
    const char *sock_path;    /* of the socket (mode 0600) */
    const struct console_server_ops *ops;
    void *arg;
};

/*
 * Makes the log and the socket, which must not be there yet, and serves them on loop (borrowed).
 * Returns 0 or -errno with a sentence; nothing but the log is left behind after an error. The
 * loop's thread, or before it runs.
 */
int console_server_create(const struct console_server_spec *spec, struct ev_loop *loop,
                          struct console_server **out_server, struct err *err);

/*
 * The descriptor that takes what the guest writes. It blocks while the loop is behind; writing to
 * it after the server's end is an error (EPIPE). The server's; closed by console_server_destroy().
 */
int console_server_output(const struct console_server *server);

/*
 * Logs and sends what the guest has written until now, without waiting for anybody, and ends the
 * connections. The writers of console_server_output() are gone. Accepts NULL. As
 * console_server_create().
 */
void console_server_destroy(struct console_server *server);

#endif
