/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the control socket: one HTTP request a connection, and what the answers mean.
 * Blocking; any thread. */
#ifndef AEROSTAT_API_CLIENT_H
#define AEROSTAT_API_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/base/err.h"

/* Largest answer that is accepted, header included. */
#define API_RESPONSE_LIMIT ((size_t)256 << 10)

struct api_response {
    unsigned status; /* of HTTP */
    char *body;      /* NUL-terminated; release with api_response_finish() */
    size_t len;
};

/*
 * Sends method, path and body (JSON; NULL: none) to the server at the socket, and waits at most
 * timeout_ms for the whole answer. Any HTTP status is a success. Returns 0; -errno of connect(2);
 * -ETIMEDOUT; -EPROTO for what is no HTTP answer; -EFBIG beyond API_RESPONSE_LIMIT; with a sentence
 * that names the socket.
 */
int api_request(const char *socket_path, const char *method, const char *path, const char *body,
                unsigned timeout_ms, struct api_response *out, struct err *err);

/* Accepts a zeroed or finished one. */
void api_response_finish(struct api_response *response);

/*
 * As api_request(), and an HTTP status of 400 or more is an error too: -EREMOTEIO, err holding the
 * server's fault_message.
 */
int api_call(const char *socket_path, const char *method, const char *path, const char *body,
             unsigned timeout_ms, struct api_response *out, struct err *err);

/*
 * The unsigned integer at key, or at key of the object at section (NULL: the top level). Returns 0,
 * or -EPROTO with a sentence when it is not there.
 */
int api_body_u64(const struct api_response *response, const char *section, const char *key,
                 uint64_t *out_value, struct err *err);

/*
 * As api_body_u64(), for a string, or for a boolean as "true" or "false"; *out_equals is whether it
 * is text.
 */
int api_body_equals(const struct api_response *response, const char *section, const char *key,
                    const char *text, bool *out_equals, struct err *err);

/*
 * As api_body_u64(), for a string, of which so much is copied as out has room for.
 */
int api_body_text(const struct api_response *response, const char *section, const char *key,
                  char *out, size_t size, struct err *err);

/*
 * Writes the body's members as lines "key value", in order; members of nested objects follow
 * without a prefix. Returns 0 or -EPROTO with a sentence when the body is no JSON object.
 */
int api_body_print(const struct api_response *response, FILE *out, struct err *err);

#endif
