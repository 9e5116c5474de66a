/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the control socket: its file, its routes and their answers, and the requests that
 * wait. */
#ifndef AEROSTAT_API_PRIV_H
#define AEROSTAT_API_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/api/target.h"
#include "vmm/base/err.h"
#include "vmm/event/loop.h"

/* Largest request body where no other limit is set: Firecracker's. No request here needs 1 KiB. */
#define API_BODY_LIMIT 51200u

/* Firecracker's words for requests that come at the wrong time. */
#define API_TOO_LATE  "The requested operation is not supported after starting the microVM."
#define API_TOO_EARLY "The requested operation is not supported before starting the microVM."

/* The longest that a request may have fresh statistics waited for. */
#define API_REFRESH_MAX_MS 10000u

/* How many requests may wait at once, of the connections that there may be; the others always find
 * one that is free. */
#define API_WAIT_LIMIT 8u

/* A listening socket and the file it is bound to. */
struct api_socket {
    int fd;
    char *path;
    dev_t dev;
    ino_t ino;
};

/*
 * Binds and listens. Returns 0; -ENAMETOOLONG; -EADDRINUSE when something is at path, err telling a
 * live socket from a stale one and from another file; -errno of the socket calls.
 */
int api_socket_open(const char *path, struct api_socket *out, struct err *err);

/* Removes the file if it is still the one that was bound. Clients are not served by it any more,
 * but those that have connected may be. */
void api_socket_unlink(struct api_socket *socket);

/* Closes it, and frees what it has. */
void api_socket_close(struct api_socket *socket);

/*
 * Answers all who have connected with status 503 and that sentence, and hangs up, without the HTTP
 * library. Who has not sent its request by now may not see the answer.
 */
void api_socket_refuse(const struct api_socket *socket, const char *sentence);

/* One complete request. */
struct api_request {
    const struct api_target *target;
    const char *method;
    const char *path;
    const char *refresh_ms;    /* the query parameter; NULL: none */
    const char *bad_parameter; /* the name of one that is unknown or repeated; NULL: none */
    const char *body;          /* not NULL */
    size_t len;                /* of body */
    bool waited;               /* asked again, after api_route() said to wait */
    enum cfg_section section;  /* for api_put_section(), by the table of requests */
};

/* What a request is answered with. body is malloc'ed, NULL for none (or when memory ran out: status
 * is 500). */
struct api_reply {
    unsigned status;
    char *body;
    const char *content_type; /* of a body that is no JSON; NULL: JSON */
    /* With status 0: not answered yet. To be asked again, waited set, when the guest has sent more
     * than so many reports of its statistics, at the latest after wait_ms. */
    uint64_t reports;
    uint64_t wait_ms;
};

/* Serves a request. */
void api_route(const struct api_request *request, struct api_reply *out);

/* {"fault_message": ...}; bytes of text that are no UTF-8 become '?'. */
void api_reply_fault(struct api_reply *out, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Status 200 with a malloc'ed text, or 500 where it is NULL. */
void api_reply_text(struct api_reply *out, char *text);

/* Nothing on success, otherwise the sentence. */
void api_reply_done(struct api_reply *out, int rc, const struct err *err);

/* GET /balloon/statistics. */
void api_reply_statistics(const struct api_target *target, struct api_reply *out);

/* One request each, as the table in routes.c has them. */
void api_get_instance(const struct api_request *request, struct api_reply *out);
void api_get_version(const struct api_request *request, struct api_reply *out);
void api_get_config(const struct api_request *request, struct api_reply *out);
void api_get_machine(const struct api_request *request, struct api_reply *out);
void api_put_section(const struct api_request *request, struct api_reply *out);
void api_patch_machine(const struct api_request *request, struct api_reply *out);
void api_patch_vm(const struct api_request *request, struct api_reply *out);
void api_put_action(const struct api_request *request, struct api_reply *out);
void api_get_host(const struct api_request *request, struct api_reply *out);
void api_get_metrics(const struct api_request *request, struct api_reply *out);
void api_get_balloon(const struct api_request *request, struct api_reply *out);
void api_patch_balloon(const struct api_request *request, struct api_reply *out);
void api_get_statistics(const struct api_request *request, struct api_reply *out);
void api_patch_statistics(const struct api_request *request, struct api_reply *out);
void api_start_hinting(const struct api_request *request, struct api_reply *out);
void api_stop_hinting(const struct api_request *request, struct api_reply *out);
void api_get_hinting(const struct api_request *request, struct api_reply *out);

struct MHD_Connection;
struct api_library;

/* A request that may wait. Zero-initialise. */
struct api_wait {
    struct MHD_Connection *connection; /* suspended; NULL while it does not wait */
    uint64_t reports;
    uint64_t deadline_ns;
    struct api_wait *next;
};

/* Those that do. */
struct api_waits {
    const struct api_target *target;   /* borrowed; outlives this */
    const struct api_library *library; /* the same; loaded before the first that waits */
    struct ev_source *timer;
    ev_fn on_resumed;
    void *arg;
    struct api_wait *first;
    unsigned count;
};

/*
 * Calls on_resumed(arg) after connections were resumed: the library is to be run then. Returns 0 or
 * -errno of ev_timer_add(). The loop's thread, or before it runs, as all of these.
 */
int api_waits_init(struct api_waits *waits, const struct api_target *target,
                   const struct api_library *library, struct ev_loop *loop, ev_fn on_resumed,
                   void *arg);

/* Resumes what waits still, without a further call of on_resumed. Accepts a zeroed one. */
void api_waits_finish(struct api_waits *waits);

/*
 * Suspends the connection until what reply asks for has come, or its client has gone. wait stays
 * the caller's, and must live until it no longer waits. False, and nothing is done, when
 * API_WAIT_LIMIT requests wait already. In the library's request handler only.
 */
bool api_waits_add(struct api_waits *waits, struct api_wait *wait,
                   struct MHD_Connection *connection, const struct api_reply *reply);

#endif
