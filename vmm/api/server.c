/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd without threads of its own, loaded and started for the first client, driven by the
 * io loop through its epoll descriptor and a timer. */
#include "vmm/api/server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/api/api_priv.h"
#include "vmm/api/library.h"
#include "vmm/base/log.h"

#define NS_PER_MS UINT64_C(1000000)
/* A client is a person or a script on this host: few, and quick. */
#define CONNECTION_LIMIT     16u
#define CONNECTION_MEMORY    ((size_t)16 << 10)
#define CONNECTION_TIMEOUT_S 10u
/* How often the library is called while it is at its limit and does not listen; and the time from a
 * start of it that failed to the next, which are as many messages. */
#define FULL_NS  (500 * NS_PER_MS)
#define RETRY_NS (500 * NS_PER_MS)
/* How often the library is called at the end, to send what it has been given. */
#define LAST_RUNS 4u
/* Past this much of a body that is too large anyway, the connection is cut instead of answered. */
#define DISCARD_LIMIT ((size_t)2 * API_BODY_LIMIT_MAX)

struct api_server {
    struct api_target target;
    struct ev_loop *loop; /* borrowed */
    struct api_socket socket;
    struct api_library library;  /* once it is loaded */
    struct MHD_Daemon *daemon;   /* NULL until there was a client */
    struct ev_source *readiness; /* of the socket, then of the daemon */
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

static enum MHD_Result send_reply(const struct api_server *server,
                                  struct MHD_Connection *connection, struct api_reply *reply)
{
    const struct api_library *library = &server->library;
    static char none[] = "";
    char *body = reply->body == NULL ? none : reply->body;
    struct MHD_Response *response = library->create_response_from_buffer(
        strlen(body), body, reply->body == NULL ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(reply->body);
        return MHD_NO;
    }
    (void)library->add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                       reply->content_type == NULL ? "application/json"
                                                                   : reply->content_type);
    enum MHD_Result queued = library->queue_response(connection, reply->status, response);
    library->destroy_response(response);
    return queued;
}

static enum MHD_Result refuse_body(const struct api_server *server,
                                   struct MHD_Connection *connection)
{
    struct api_reply reply = {0};
    api_reply_fault(&reply, MHD_HTTP_CONTENT_TOO_LARGE,
                    "The request body is larger than the maximum of %zu bytes.",
                    server->body_limit);
    return send_reply(server, connection, &reply);
}

static bool announces_too_much(const struct api_server *server, struct MHD_Connection *connection)
{
    const char *length = server->library.lookup_connection_value(connection, MHD_HEADER_KIND,
                                                                 MHD_HTTP_HEADER_CONTENT_LENGTH);
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
    (void)server->library.get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_parameter,
                                                &request);
    api_route(&request, &reply);
    if (reply.status != 0)
        return send_reply(server, connection, &reply);
    exchange->waited = api_waits_add(&server->waits, &exchange->wait, connection, &reply);
    if (exchange->waited)
        return MHD_YES;
    api_reply_fault(&reply, MHD_HTTP_SERVICE_UNAVAILABLE,
                    "%u requests wait for statistics already; ask again later, or without "
                    "refresh_ms.",
                    API_WAIT_LIMIT);
    return send_reply(server, connection, &reply);
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
        server->library.get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
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
    (void)server->library.run(server->daemon);
    for (unsigned i = 0; i <= CONNECTION_LIMIT; i++) {
        unsigned before = connections(server);
        (void)server->library.run(server->daemon);
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
    if (server->library.get_timeout(server->daemon, &ms) == MHD_YES)
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

/* Whether fd is still a descriptor of the socket. */
static bool is_socket(int fd, const struct api_socket *socket)
{
    struct stat its, other;
    return fstat(fd, &other) == 0 && fstat(socket->fd, &its) == 0 && other.st_dev == its.st_dev &&
           other.st_ino == its.st_ino;
}

/* The library gets a descriptor of its own, which it closes in the end. */
static int start_daemon(struct api_server *server, struct err *err)
{
    unsigned silence_s = server->target.silence_s;
    int fd = fcntl(server->socket.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, -errno, "the HTTP server cannot be started");
    if (silence_s == 0)
        silence_s = CONNECTION_TIMEOUT_S;
    server->daemon = server->library.start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
        server, MHD_OPTION_EXTERNAL_LOGGER, on_library_message, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
        CONNECTION_LIMIT, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, silence_s, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_END);
    if (server->daemon != NULL)
        return 0;
    /* A start that fails late has closed it, one that fails early has not; meanwhile another thread
     * may have got the number. */
    if (is_socket(fd, &server->socket))
        (void)close(fd);
    return err_set(err, -EIO, "the HTTP server cannot be started");
}

/* From now on the library's events are waited for, instead of the socket's. */
static int attach_daemon(struct api_server *server, struct err *err)
{
    struct ev_source *readiness = NULL;
    const union MHD_DaemonInfo *info =
        server->library.get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    int rc = info == NULL
                 ? -EIO
                 : ev_fd_add(server->loop, info->epoll_fd, EPOLLIN, on_ready, server, &readiness);
    if (rc < 0) {
        server->library.stop_daemon(server->daemon);
        server->daemon = NULL;
        return err_sys(err, rc, "the HTTP server cannot be watched");
    }
    ev_source_remove(server->readiness);
    server->readiness = readiness;
    return 0;
}

/* The first client: until now nobody needed the library. */
static void on_client(void *arg, uint32_t events)
{
    struct api_server *server = arg;
    struct err err = {0};
    (void)events;
    int rc = api_library_load(&server->library, &err);
    if (rc == 0)
        rc = start_daemon(server, &err);
    if (rc == 0)
        rc = attach_daemon(server, &err);
    if (rc == 0) {
        serve(server);
        return;
    }
    log_error("control socket %s: %s", server->socket.path, err.text);
    api_socket_refuse(&server->socket, err.text);
    /* Who comes next is made to wait: without a free descriptor this one is there still. */
    ev_source_remove(server->readiness);
    server->readiness = NULL;
    (void)ev_timer_arm(server->timer, RETRY_NS, 0);
}

static void await_client(struct api_server *server)
{
    if (ev_fd_add(server->loop, server->socket.fd, EPOLLIN, on_client, server, &server->readiness) <
        0)
        (void)ev_timer_arm(server->timer, RETRY_NS, 0);
}

static void on_timer(void *arg)
{
    struct api_server *server = arg;
    if (server->daemon != NULL)
        serve(server);
    else
        await_client(server);
}

/* What can go wrong while there is somebody to tell: the rest happens when the first client comes.
 */
static int prepare(struct api_server *server, struct err *err)
{
    struct err why = {0};
    if (!api_library_in_place() && api_library_load(&server->library, &why) < 0)
        return err_set(err, -ENOENT, "control socket %s: %.500s", server->socket.path, why.text);
    int rc = ev_timer_add(server->loop, on_timer, server, &server->timer);
    if (rc == 0)
        rc = api_waits_init(&server->waits, &server->target, &server->library, server->loop,
                            on_timer, server);
    if (rc == 0)
        rc = ev_fd_add(server->loop, server->socket.fd, EPOLLIN, on_client, server,
                       &server->readiness);
    if (rc < 0)
        return err_sys(err, rc, "control socket %s: cannot be watched", server->socket.path);
    return 0;
}

int api_server_preload(struct err *err)
{
    struct api_library library;
    return api_library_load(&library, err);
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
    rc = prepare(server, err);
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
    if (server->daemon != NULL) {
        /* Also the request that ended the machine has its answer. */
        for (unsigned i = 0; i < LAST_RUNS; i++)
            (void)server->library.run(server->daemon);
        server->library.stop_daemon(server->daemon);
    }
    api_socket_close(&server->socket);
    free(server);
}
