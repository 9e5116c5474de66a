/* SPDX-License-Identifier: Apache-2.0 */
/* One GET after the other on one connection to a control socket, as the command line's client does
 * not. */
#ifndef AEROSTAT_BENCH_HTTP_H
#define AEROSTAT_BENCH_HTTP_H

#include <stdbool.h>

/* A connection to the socket, or -1 with a message; the caller closes it. */
int http_connect(const char *socket);

/* Asks and reads the whole answer, which has to be "200". False with a message. */
bool http_get(int fd, const char *path);

#endif
