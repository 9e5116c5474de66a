/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the control. */
#ifndef AEROSTAT_CONTROL_PRIV_H
#define AEROSTAT_CONTROL_PRIV_H

#include "vmm/control/control.h"
#include "vmm/metrics/metrics.h"
#include "vmm/metrics/sink.h"

struct control {
    struct control_setup setup;
    struct vm_config cfg;
    struct machine *machine;   /* NULL: none is built */
    int serial_fd;             /* serial.serial_out_path; -1: closed */
    struct metrics_sink *sink; /* NULL: no metrics are written */
    struct metrics_api_counts counts;
    struct ev_source *flush_timer;
    uint64_t startup_us; /* until the machine ran */
    uint64_t startup_cpu_us;
    uint64_t pause_us; /* how long the last one took, and the last resume */
    uint64_t resume_us;
};

/* How long it took until now. */
void control_note_startup(struct control *control);

/* The logger's and the metrics' sections take effect: before cfg becomes the control's. Return 0 or
 * -errno with a sentence, and nothing has changed. */
int control_apply_logger(const struct vm_config *cfg, struct err *err);
int control_apply_metrics(struct control *control, const struct vm_config *cfg, struct err *err);

/* One line into the metrics' file. Returns 0; -errno with a sentence when it got lost, or when
 * there is no such file. */
int control_write_metrics(struct control *control, struct err *err);

/* OpenMetrics text, malloc'ed; NULL when memory runs out. */
char *control_metrics_text(struct control *control);

/* Accepts a control without metrics. */
void control_close_metrics(struct control *control);

#endif
