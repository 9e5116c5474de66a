/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket serves: a machine, as narrowly as its requests need it. */
#ifndef AEROSTAT_API_TARGET_H
#define AEROSTAT_API_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/balloon/balloon.h"
#include "vmm/base/err.h"
#include "vmm/config/config.h"
#include "vmm/machine/machine.h"
#include "vmm/metrics/metrics.h"

/*
 * Called on the loop that serves the socket; none waits for the guest. Those that return an int
 * give 0, or -errno with a sentence for the client.
 */
struct api_target_ops {
    enum machine_state (*state)(void *arg);
    /* The description as it is now, the balloon's target and interval included. Valid until the
     * loop goes on. */
    const struct vm_config *(*config)(void *arg);
    /* Before the start only: cfg_put(), cfg_patch_machine(), and whatever takes effect at once. */
    int (*put)(void *arg, enum cfg_section section, const char *body, size_t len, struct err *err);
    int (*patch_machine)(void *arg, const char *body, size_t len, struct err *err);
    int (*start)(void *arg, struct err *err);
    /* machine_pause() or machine_resume(); 0 also where it is so already. */
    int (*set_paused)(void *arg, bool paused, struct err *err);
    int (*send_ctrl_alt_del)(void *arg, struct err *err);
    /* Ends the machine, or the wait for one; the loop stops when it next can. */
    void (*stop)(void *arg);
    int (*flush_metrics)(void *arg, struct err *err);
    /* OpenMetrics text, malloc'ed; NULL when memory runs out. */
    char *(*metrics_text)(void *arg);
    struct metrics_api_counts *(*counts)(void *arg);
    /* After the start only. */
    void (*figures)(void *arg, struct machine_figures *out);
    /* Only when the description has a balloon. Before the start they change the description. */
    int (*set_balloon_target)(void *arg, uint64_t bytes, struct err *err);
    int (*set_stats_interval)(void *arg, uint32_t seconds, struct err *err);
    /* The functions of balloon.h that they are named after: with a balloon, after the start. */
    void (*balloon_info)(void *arg, struct balloon_info *out);
    void (*stats)(void *arg, struct balloon_stats *out);
    bool (*request_stats)(void *arg);
    int (*hint_start)(void *arg, bool acknowledge_on_stop, struct err *err);
    int (*hint_stop)(void *arg, struct err *err);
    void (*hint)(void *arg, struct balloon_hint_info *out);
};

struct api_target {
    const struct api_target_ops *ops; /* all set */
    void *arg;                        /* borrowed; outlives the server, as the texts do */
    const char *vmm_version;
    const char *id;     /* the machine's name */
    size_t body_limit;  /* bytes of a request's body; 0: the default, Firecracker's 51200 */
    unsigned silence_s; /* a connection silent for so long is closed; 0: the default of 10 */
};

#endif
