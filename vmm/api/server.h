/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: HTTP/1.1 over a Unix stream socket, served on the io loop. Requests and
 * answers are those of Firecracker's API, so far as there are such devices, and some of ours;
 * docs/api.md has them. An error is answered with status 400 and {"fault_message": "..."}; with 413
 * or 503 where the server has too much of something.
 *
 * GET /balloon/statistics?refresh_ms=N (1 to 10000) asks the guest for fresh statistics, and is
 * answered when they have come, or after N ms with what there is; at once without a driver that
 * could send any. At most 8 requests may wait so; a further one gets 503.
 */
#ifndef AEROSTAT_API_SERVER_H
#define AEROSTAT_API_SERVER_H

#include "vmm/api/target.h"
#include "vmm/base/err.h"
#include "vmm/event/loop.h"

struct api_server;

/* Whose requests and answers these are. */
#define API_FIRECRACKER_VERSION "1.14.0"

/* The largest limit that may be set for the body of a request. */
#define API_BODY_LIMIT_MAX (1u << 20)

/*
 * Loads the HTTP library, which otherwise happens when the first client connects: for a process
 * that could not do so any more by then (in a jail), and for one that wants to know whether it is
 * there. Returns 0, or -ENOENT with a sentence. Any thread.
 */
int api_server_preload(struct err *err);

/*
 * Binds path (mode 0600, refused when something is there already) and serves it on loop. target is
 * copied; what it points to, and loop, are borrowed and outlive the server. Returns 0 or -errno
 * with a sentence; nothing is left behind after an error. The loop's thread, or before it runs.
 * Should the HTTP library be gone when the first client comes, that is logged, clients get status
 * 503, and it is tried again.
 */
int api_server_create(const char *path, const struct api_target *target, struct ev_loop *loop,
                      struct api_server **out_server, struct err *err);

/* Closes connections and removes the socket file if it is still ours. Accepts NULL. As
 * api_server_create(). */
void api_server_destroy(struct api_server *server);

#endif
