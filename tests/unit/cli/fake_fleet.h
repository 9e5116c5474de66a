/* SPDX-License-Identifier: Apache-2.0 */
/* Machines that are none: names of this process in a runtime directory of the test, and a thread
 * that answers on their control sockets as their names say. */
#ifndef AEROSTAT_TESTS_CLI_FAKE_FLEET_H
#define AEROSTAT_TESTS_CLI_FAKE_FLEET_H

#include <stddef.h>

/*
 * Makes the runtime directory, and in it a machine for each name. What it does is in the name:
 * "hang-..." never answers, "close-..." ends the connection behind each answer, "bare-..." has no
 * balloon, "mad-..." answers with nonsense; others have a balloon.
 */
void fake_fleet_start(const char *const *names, size_t n);

/* A machine is no more. */
void fake_fleet_lose(size_t i);

/* How many connections were accepted. */
unsigned fake_fleet_connections(void);

/* Ends the thread and removes everything. */
void fake_fleet_stop(void);

#endif
