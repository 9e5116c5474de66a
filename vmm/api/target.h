/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket serves: a machine, as narrowly as its requests need it. */
#ifndef AEROSTAT_API_TARGET_H
#define AEROSTAT_API_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/balloon/balloon.h"
#include "vmm/base/err.h"
#include "vmm/machine/machine.h"

/* Called on the loop that serves the socket. */
struct api_target_ops {
    enum machine_state (*state)(void *arg);
    void (*figures)(void *arg, struct machine_figures *out);
    /* False, and *out untouched, when the machine has no balloon. */
    bool (*balloon_info)(void *arg, struct balloon_info *out);
    /* As balloon_set_target(). Only called when balloon_info() gave true. */
    int (*set_balloon_target)(void *arg, uint64_t bytes, struct err *err);
};

struct api_target {
    const struct api_target_ops *ops; /* all set */
    void *arg;                        /* borrowed; outlives the server */
    const char *vmm_version;          /* borrowed; outlives the server */
    struct balloon_config balloon;    /* as configured */
    unsigned silence_s; /* a connection silent for so long is closed; 0: the default of 10 */
};

#endif
