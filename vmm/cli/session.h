/* SPDX-License-Identifier: Apache-2.0 */
/* A machine with its control socket and its console, from start to end: what all commands that run
 * one have in common. */
#ifndef AEROSTAT_CLI_SESSION_H
#define AEROSTAT_CLI_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/cli/detach.h"
#include "vmm/cli/registered.h"
#include "vmm/config/config.h"
#include "vmm/metrics/metrics.h"

/* What a machine is called that was given no name; Firecracker's word. */
#define SESSION_ID_DEFAULT "anonymous-instance"

struct session_plan {
    struct vm_config config; /* owned: the session finishes it */
    const char *id;          /* the machine's name; borrowed, as it lives until the end */
    int console_out;         /* borrowed: where the guest's console goes */
    bool console_input;      /* standard input goes to the guest */
    bool wait_for_start;     /* do not start the machine: a client of the control socket does */
    bool explain_end;        /* on a terminal, say why the machine ended even without errors */
    size_t body_limit;       /* of requests; 0: the default */
    struct metrics_start started; /* when the process was */
    struct registered *name;      /* borrowed; NULL: the machine has none */
    struct detach *detach;        /* borrowed, needs a name; NULL: the caller's terminal is ours */
};

/* Main thread. Returns the exit status; errors were logged. */
int session_run(struct session_plan *plan);

#endif
