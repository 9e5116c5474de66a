/* SPDX-License-Identifier: Apache-2.0 */
/* A machine inside the test's own process, with a payload guest: for what no socket shows. */
#ifndef AEROSTAT_TESTS_MACHINE_FIXTURE_H
#define AEROSTAT_TESTS_MACHINE_FIXTURE_H

#include <stdint.h>
#include <stdio.h>

#include "vmm/event/loop.h"
#include "vmm/machine/machine.h"

struct mfix {
    struct ev_loop *loop; /* not run: the test's thread stands for its owner */
    struct machine *machine;
    FILE *console; /* what the guest sends */
    int console_fd;
};

/* Builds a machine with a balloon; not started. Fails the test if that fails. */
void mfix_create(struct mfix *fix, const char *payload, uint64_t mem_bytes, uint32_t vcpus);
void mfix_start(struct mfix *fix);
void mfix_destroy(struct mfix *fix);

/* Reads console lines until one equals text; "fail:" fails the test. */
void mfix_expect(struct mfix *fix, const char *text);
/* Reads a line "name=value", returns the value. */
uint64_t mfix_value(struct mfix *fix, const char *name);
/* Types one byte. */
void mfix_continue(struct mfix *fix);

#endif
