/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP library, libmicrohttpd, which is not linked: it brings gnutls and ten further libraries,
 * which take a third of a start and most of the monitor's own memory. Machines that nobody speaks
 * to go without.
 */
#ifndef AEROSTAT_API_LIBRARY_H
#define AEROSTAT_API_LIBRARY_H

#include <microhttpd.h>
#include <stdbool.h>

#include "vmm/base/err.h"

/* What is called of it: MHD_run and so on. */
#define API_LIBRARY_FUNCTIONS(X)                                                                   \
    X(add_response_header)                                                                         \
    X(create_response_from_buffer)                                                                 \
    X(destroy_response)                                                                            \
    X(get_connection_info)                                                                         \
    X(get_connection_values)                                                                       \
    X(get_daemon_info)                                                                             \
    X(get_timeout)                                                                                 \
    X(lookup_connection_value)                                                                     \
    X(queue_response)                                                                              \
    X(resume_connection)                                                                           \
    X(run)                                                                                         \
    X(start_daemon)                                                                                \
    X(stop_daemon)                                                                                 \
    X(suspend_connection)

/* Its functions, without their prefix. */
struct api_library {
#define API_LIBRARY_MEMBER(name) __typeof__(&MHD_##name) name;
    API_LIBRARY_FUNCTIONS(API_LIBRARY_MEMBER)
#undef API_LIBRARY_MEMBER
};

/*
 * Loads it, for the life of the process; again, that costs next to nothing. Returns 0; -ENOENT with
 * a sentence when it cannot be loaded, and *out is untouched. Any thread.
 */
int api_library_load(struct api_library *out, struct err *err);

/* The same for the library of that name: for tests. */
int api_library_load_as(const char *soname, struct api_library *out, struct err *err);

/* Whether its file is where it was when this was built, for a promise that costs no loading. */
bool api_library_in_place(void);

#endif
