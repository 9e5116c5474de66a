/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket serves: a machine, as narrowly as its requests need it. */
#ifndef AEROSTAT_API_TARGET_H
#define AEROSTAT_API_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/balloon/balloon.h"
#include "vmm/base/err.h"
#include "vmm/machine/machine.h"

/*
 * Called on the loop that serves the socket; none waits for the guest. Those below balloon_info()
 * are the functions of balloon.h that they are named after, and are only called when it gave true.
 */
struct api_target_ops {
    enum machine_state (*state)(void *arg);
    /* machine_pause() or machine_resume(). 0, also where it is so already, or -errno with a
     * sentence. */
    int (*set_paused)(void *arg, bool paused, struct err *err);
    void (*figures)(void *arg, struct machine_figures *out);
    /* False, and *out untouched, when the machine has no balloon. */
    bool (*balloon_info)(void *arg, struct balloon_info *out);
    int (*set_balloon_target)(void *arg, uint64_t bytes, struct err *err);
    void (*stats)(void *arg, struct balloon_stats *out);
    bool (*request_stats)(void *arg);
    int (*set_stats_interval)(void *arg, uint32_t seconds, struct err *err);
    int (*hint_start)(void *arg, bool acknowledge_on_stop, struct err *err);
    int (*hint_stop)(void *arg, struct err *err);
    void (*hint)(void *arg, struct balloon_hint_info *out);
};

struct api_target {
    const struct api_target_ops *ops; /* all set */
    void *arg;                        /* borrowed; outlives the server */
    const char *vmm_version;          /* borrowed; outlives the server */
    struct balloon_config balloon;    /* as configured */
    unsigned silence_s; /* a connection silent for so long is closed; 0: the default of 10 */
};

#endif
