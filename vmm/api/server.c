/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd without threads of its own, driven by the io loop through its epoll descriptor and
 * a timer. */
#include "vmm/api/server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmm/api/api_priv.h"
#include "vmm/base/log.h"

#define NS_PER_MS UINT64_C(1000000)
/* A client is a person or a script on this host: few, and quick. */
#define CONNECTION_LIMIT     16u
#define CONNECTION_MEMORY    ((size_t)16 << 10)
#define CONNECTION_TIMEOUT_S 10u
/* How often the library is called while it is at its limit and does not listen. */
#define FULL_NS (500 * NS_PER_MS)
/* How often the library is called at the end, to send what it has been given. */
#define LAST_RUNS 4u
/* Past this much of a body that is too large anyway, the connection is cut instead of answered. */
#define DISCARD_LIMIT ((size_t)2 * API_BODY_LIMIT_MAX)

struct api_server {
    struct api_target target;
    struct ev_loop *loop; /* borrowed */
    struct api_socket socket;
    struct MHD_Daemon *daemon;
    struct ev_source *readiness;
    struct ev_source *timer;
    struct api_waits waits;
    size_t body_limit;
    bool ending; /* no request is taken any more */
};

/* One request under way: its body so far. */
struct exchange {
    struct api_wait wait;
    bool waited;
    size_t len;  /* bytes of body that came, also those that were dropped */
    char body[]; /* server->body_limit */
};

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct api_reply *reply)
{
    static char none[] = "";
    char *body = reply->body == NULL ? none : reply->body;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(body), body, reply->body == NULL ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(reply->body);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  reply->content_type == NULL ? "application/json"
                                                              : reply->content_type);
    enum MHD_Result queued = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse_body(const struct api_server *server,
                                   struct MHD_Connection *connection)
{
    struct api_reply reply = {0};
    api_reply_fault(&reply, MHD_HTTP_CONTENT_TOO_LARGE,
                    "The request body is larger than the maximum of %zu bytes.",
                    server->body_limit);
    return send_reply(connection, &reply);
}

static bool announces_too_much(const struct api_server *server, struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length != NULL && strtoull(length, NULL, 10) > server->body_limit;
}

/* The library's iterator over the parameters of the query; arg is a struct api_request. */
static enum MHD_Result take_parameter(void *arg, enum MHD_ValueKind kind, const char *key,
                                      const char *value)
{
    (void)kind;
    struct api_request *request = arg;
    if (strcmp(key, "refresh_ms") == 0 && request->refresh_ms == NULL)
        request->refresh_ms = value == NULL ? "" : value;
    else
        request->bad_parameter = key;
    return MHD_YES;
}

/* The request is complete: answers it, or has it wait. */
static enum MHD_Result answer(struct api_server *server, struct exchange *exchange,
                              struct MHD_Connection *connection, const char *method,
                              const char *path)
{
    struct api_request request = {
        .target = &server->target,
        .method = method,
        .path = path,
        .body = exchange->body,
        .len = exchange->len,
        .waited = exchange->waited,
    };
    struct api_reply reply = {0};
    (void)MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_parameter, &request);
    api_route(&request, &reply);
    if (reply.status != 0)
        return send_reply(connection, &reply);
    exchange->waited = api_waits_add(&server->waits, &exchange->wait, connection, &reply);
    if (exchange->waited)
        return MHD_YES;
    api_reply_fault(&reply, MHD_HTTP_SERVICE_UNAVAILABLE,
                    "%u requests wait for statistics already; ask again later, or without "
                    "refresh_ms.",
                    API_WAIT_LIMIT);
    return send_reply(connection, &reply);
}

/* Called first with the header, then with pieces of the body, at last with *size 0: the request is
 * complete; and once more so when a request that waited is resumed. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    (void)version;
    struct api_server *server = arg;
    struct exchange *exchange = *state;
    if (server->ending)
        return MHD_NO;
    if (exchange == NULL) {
        if (announces_too_much(server, connection))
            return refuse_body(server, connection);
        *state = calloc(1, sizeof(*exchange) + server->body_limit);
        return *state == NULL ? MHD_NO : MHD_YES;
    }
    if (*size > 0) {
        if (*size > DISCARD_LIMIT - exchange->len)
            return MHD_NO;
        if (*size <= server->body_limit && exchange->len <= server->body_limit - *size)
            memcpy(exchange->body + exchange->len, data, *size);
        exchange->len += *size;
        *size = 0;
        return MHD_YES;
    }
    if (exchange->len > server->body_limit)
        return refuse_body(server, connection);
    return answer(server, exchange, connection, method, url);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)connection;
    (void)code;
    const struct exchange *exchange = *state;
    /* The library ends no request whose connection is suspended. */
    assert(exchange == NULL || exchange->wait.connection == NULL);
    free(*state);
    *state = NULL;
}

static void on_library_message(void *arg, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_library_message(void *arg, const char *fmt, va_list args)
{
    (void)arg;
    char text[300];
    (void)vsnprintf(text, sizeof(text), fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("control socket: %s", text);
}

/* Neither paths nor parameters have anything to escape: what a client writes is what is compared,
 * and shown in faults. The library would also end a path at a %00. */
static size_t keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

static unsigned connections(const struct api_server *server)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info == NULL ? 0 : info->num_connections;
}

/*
 * Lets the library work. A connection that timed out is shut down by one run and closed by the
 * next; at the connection limit the library stops listening, and takes that up again only at the
 * start of a run after the one that closed connections. No event would bring these runs: they are
 * made at once.
 */
static void run_until_settled(struct api_server *server)
{
    (void)MHD_run(server->daemon);
    for (unsigned i = 0; i <= CONNECTION_LIMIT; i++) {
        unsigned before = connections(server);
        (void)MHD_run(server->daemon);
        if (connections(server) >= before)
            return;
    }
}

/* Lets the library work, then asks it when it wants to be called even if nothing comes. */
static void serve(struct api_server *server)
{
    run_until_settled(server);
    MHD_UNSIGNED_LONG_LONG ms = 0;
    uint64_t delay_ns = 0;
    if (MHD_get_timeout(server->daemon, &ms) == MHD_YES)
        delay_ns = ms == 0 ? 1 : ms * NS_PER_MS;
    /* A connection shut down by the very last run, at the limit, is in no timeout any more. */
    if (connections(server) >= CONNECTION_LIMIT && (delay_ns == 0 || delay_ns > FULL_NS))
        delay_ns = FULL_NS;
    (void)ev_timer_arm(server->timer, delay_ns, 0);
}

static void on_ready(void *arg, uint32_t events)
{
    (void)events;
    serve(arg);
}

static void on_timer(void *arg)
{
    serve(arg);
}

static int start_daemon(struct api_server *server, struct err *err)
{
    unsigned silence_s = server->target.silence_s;
    if (silence_s == 0)
        silence_s = CONNECTION_TIMEOUT_S;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
        server, MHD_OPTION_EXTERNAL_LOGGER, on_library_message, NULL, MHD_OPTION_LISTEN_SOCKET,
        server->socket.fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTION_LIMIT, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, silence_s, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, NULL, MHD_OPTION_END);
    if (server->daemon == NULL)
        return err_set(err, -EIO, "control socket %s: the HTTP server cannot be started",
                       server->socket.path);
    return 0;
}

static int attach(struct api_server *server, struct err *err)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int rc = info == NULL ? -EIO : ev_timer_add(server->loop, on_timer, server, &server->timer);
    if (rc == 0)
        rc = api_waits_init(&server->waits, &server->target, server->loop, on_timer, server);
    if (rc == 0)
        rc = ev_fd_add(server->loop, info->epoll_fd, EPOLLIN, on_ready, server, &server->readiness);
    if (rc < 0)
        return err_sys(err, rc, "control socket %s: cannot be watched", server->socket.path);
    return 0;
}

int api_server_create(const char *path, const struct api_target *target, struct ev_loop *loop,
                      struct api_server **out_server, struct err *err)
{
    struct api_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return err_set(err, -ENOMEM, "control socket %s: out of memory", path);
    server->target = *target;
    server->loop = loop;
    server->body_limit = target->body_limit == 0 ? API_BODY_LIMIT : target->body_limit;
    int rc = api_socket_open(path, &server->socket, err);
    if (rc < 0) {
        free(server);
        return rc;
    }
    rc = start_daemon(server, err);
    if (rc == 0)
        rc = attach(server, err);
    if (rc < 0) {
        api_server_destroy(server);
        return rc;
    }
    *out_server = server;
    return 0;
}

void api_server_destroy(struct api_server *server)
{
    if (server == NULL)
        return;
    ev_source_remove(server->readiness);
    ev_source_remove(server->timer);
    server->ending = true;
    /* The library may be stopped only when no connection is suspended. */
    api_waits_finish(&server->waits);
    /* First the name, so that no client finds a socket that nobody serves. */
    api_socket_unlink(&server->socket);
    /* Also the request that ended the machine has its answer. */
    for (unsigned i = 0; server->daemon != NULL && i < LAST_RUNS; i++)
        (void)MHD_run(server->daemon);
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    else if (fcntl(server->socket.fd, F_GETFD) >= 0)
        /* A start that fails late closes it, one that fails early does not. */
        (void)close(server->socket.fd);
    free(server);
}
