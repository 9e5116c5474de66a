/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that is kept, and waits for nothing. */
#include "vmm/api_client/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/api_client/client_priv.h"
#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"

/* Room that an answer is given at first; most need no more. */
#define FIRST_ROOM     8192u
#define PATH_MAX_BYTES 128u

struct api_conn {
    struct exchange x;
    char *socket_path;
    size_t room; /* bytes at x.answer */
    bool asked;
    bool used; /* an answer came over this connection: the server may have ended it since */
    char path[PATH_MAX_BYTES];
};

int api_conn_create(const char *socket_path, struct api_conn **out_conn)
{
    struct api_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return -ENOMEM;
    conn->x.fd = -1;
    conn->x.keep = true;
    conn->socket_path = strdup(socket_path);
    conn->x.socket_path = conn->socket_path;
    conn->x.answer = malloc(FIRST_ROOM);
    conn->room = FIRST_ROOM;
    if (conn->socket_path == NULL || conn->x.answer == NULL) {
        api_conn_destroy(conn);
        return -ENOMEM;
    }
    *out_conn = conn;
    return 0;
}

static void drop(struct api_conn *conn)
{
    fd_close(&conn->x.fd);
    conn->asked = false;
    conn->used = false;
    conn->x.len = 0;
}

void api_conn_destroy(struct api_conn *conn)
{
    if (conn == NULL)
        return;
    drop(conn);
    free(conn->socket_path);
    free(conn->x.answer);
    free(conn);
}

/* The request that is in conn->path. */
static int ask(struct api_conn *conn)
{
    int rc = conn->x.fd >= 0 ? 0 : exchange_connect(&conn->x);
    if (rc == 0)
        rc = exchange_send(&conn->x, "GET", conn->path, NULL);
    conn->asked = rc == 0;
    if (rc < 0)
        drop(conn);
    return rc;
}

int api_conn_ask(struct api_conn *conn, const char *path, struct err *err)
{
    conn->x.err = err;
    /* An answer that is still to come would be taken for the next one's. */
    if (conn->asked)
        drop(conn);
    if (strlen(path) >= sizeof(conn->path))
        return exchange_failed(&conn->x, -E2BIG, "the request's path");
    (void)snprintf(conn->path, sizeof(conn->path), "%s", path);
    conn->x.len = 0;
    return ask(conn);
}

int api_conn_fd(const struct api_conn *conn)
{
    return conn->asked ? conn->x.fd : -1;
}

/* Room for at least one more byte, and the NUL behind it. */
static int make_room(struct api_conn *conn)
{
    if (conn->x.len + 1 < conn->room)
        return 0;
    if (conn->x.len > API_RESPONSE_LIMIT)
        return exchange_failed(&conn->x, -EFBIG, "receiving");
    char *more = realloc(conn->x.answer, conn->room * 2);
    if (more == NULL)
        return exchange_failed(&conn->x, -ENOMEM, "receiving");
    conn->x.answer = more;
    conn->room *= 2;
    return 0;
}

static int finish(struct api_conn *conn, struct api_response *out)
{
    int rc = exchange_parse(&conn->x, out);
    conn->asked = false;
    conn->used = true;
    if (rc < 0)
        drop(conn);
    return rc;
}

/* The server ended the connection. It may have done so before it read this request. */
static int ended(struct api_conn *conn, struct api_response *out)
{
    if (conn->x.len == 0 && conn->used) {
        drop(conn);
        int rc = ask(conn);
        return rc < 0 ? rc : -EAGAIN;
    }
    int rc = exchange_parse(&conn->x, out);
    drop(conn);
    return rc;
}

int api_conn_receive(struct api_conn *conn, struct api_response *out, struct err *err)
{
    conn->x.err = err;
    for (;;) {
        int rc = make_room(conn);
        if (rc < 0) {
            drop(conn);
            return rc;
        }
        ssize_t got =
            recv(conn->x.fd, conn->x.answer + conn->x.len, conn->room - 1 - conn->x.len, 0);
        if (got > 0) {
            conn->x.len += (size_t)got;
            if (exchange_is_complete(&conn->x))
                return finish(conn, out);
        } else if (got == 0 || errno == ECONNRESET) {
            return ended(conn, out);
        } else if (errno == EAGAIN) {
            return -EAGAIN;
        } else if (errno != EINTR) {
            rc = exchange_failed(&conn->x, -errno, "receiving");
            drop(conn);
            return rc;
        }
    }
}
