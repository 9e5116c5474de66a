/* SPDX-License-Identifier: Apache-2.0 */
/* The host's settings that decide whether guest RAM gets the pages it was created for. */
#ifndef AEROSTAT_BENCH_HOST_H
#define AEROSTAT_BENCH_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/gm.h"

#define HOST_SKIPPED 77

/*
 * Calls run(arg) in a child process, on a host that has pages of this backing for bytes of RAM.
 * With may_change, which takes root, the host is set so and set back afterwards, also when the
 * child dies or this process is told to end. Returns what run returned; 1 if the child died;
 * HOST_SKIPPED, with the reason on stderr, when the host is not so or cannot be set.
 */
int host_run(enum gm_backing backing, uint64_t bytes, bool may_change, int (*run)(void *arg),
             void *arg);

#endif
