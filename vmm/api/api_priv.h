/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the control socket: its file, its routes and their answers. */
#ifndef AEROSTAT_API_PRIV_H
#define AEROSTAT_API_PRIV_H

#include <stddef.h>
#include <sys/types.h>

#include "vmm/api/target.h"
#include "vmm/base/err.h"

/* Largest request body; Firecracker's own limit is of this order, and no request here needs 1 KiB.
 */
#define API_BODY_LIMIT 16384u

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

/* Removes the file if it is still the one that was bound. Leaves fd, which the HTTP library closes,
 * alone. */
void api_socket_unlink(struct api_socket *socket);

/* What a request is answered with. body is malloc'ed, NULL for none (or when memory ran out: status
 * is 500). */
struct api_reply {
    unsigned status;
    char *body;
};

/* Serves one complete request. body has len bytes and may be NULL when that is 0. */
void api_route(const struct api_target *target, const char *method, const char *path,
               const char *body, size_t len, struct api_reply *out);

/* {"fault_message": ...}; bytes of text that are no UTF-8 become '?'. */
void api_reply_fault(struct api_reply *out, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* GET /balloon/statistics for a machine that has a balloon. */
void api_reply_statistics(const struct api_target *target, const struct balloon_info *info,
                          struct api_reply *out);

#endif
