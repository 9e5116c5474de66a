/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to a control socket that is kept for one request after the other, and waits for
 * nothing: its owner polls. One thread at a time. */
#ifndef AEROSTAT_API_CLIENT_CONN_H
#define AEROSTAT_API_CLIENT_CONN_H

#include "vmm/api_client/client.h"

struct api_conn;

/* Connects when something is asked. Returns 0 or -ENOMEM. */
int api_conn_create(const char *socket_path, struct api_conn **out_conn);

/* Accepts NULL. */
void api_conn_destroy(struct api_conn *conn);

/*
 * Asks GET path; what was asked before and is not answered is given up. Connects where needed, and
 * anew where the server had ended the connection. Returns 0, or -errno with a sentence.
 */
int api_conn_ask(struct api_conn *conn, const char *path, struct err *err);

/* What to poll for input; -1 when nothing is asked. */
int api_conn_fd(const struct api_conn *conn);

/*
 * Takes what has come. Returns 0 when the answer is complete, of any HTTP status; -EAGAIN when it
 * is not yet; -errno with a sentence, and nothing is asked any more.
 */
int api_conn_receive(struct api_conn *conn, struct api_response *out, struct err *err);

#endif
