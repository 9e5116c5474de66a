/* SPDX-License-Identifier: Apache-2.0 */
/* A request and its answer, as one call or piece by piece. */
#ifndef AEROSTAT_API_CLIENT_PRIV_H
#define AEROSTAT_API_CLIENT_PRIV_H

#include "vmm/api_client/client.h"

struct exchange {
    const char *socket_path;
    int fd;
    uint64_t deadline_ns; /* 0: nothing is waited for */
    unsigned timeout_ms;
    bool keep; /* the connection, for another exchange */
    struct err *err;
    char *answer; /* with room for a NUL behind its len bytes */
    size_t len;
};

/* The sentence for a step that failed. Returns code. */
int exchange_failed(const struct exchange *x, int code, const char *step);

/* These wait until the deadline where they have to. Return 0 or -errno with a sentence. */
int exchange_connect(struct exchange *x);
int exchange_send(const struct exchange *x, const char *method, const char *path, const char *body);

/*
 * Whether nothing more has to come: Connection: close asks the server to end the connection, but
 * one that keeps it open has said all the same how much there is.
 */
bool exchange_is_complete(const struct exchange *x);

/* Of an answer that is complete, or whose connection has ended. */
int exchange_parse(struct exchange *x, struct api_response *out);

#endif
