/* SPDX-License-Identifier: Apache-2.0 */
/* Where messages and metrics go: gathered from the machine and its monitor, written each minute, on
 * demand and at the end. */
#include <errno.h>
#include <stdlib.h>

#include "vmm/base/log.h"
#include "vmm/control/control_priv.h"

int control_apply_logger(const struct vm_config *cfg, struct err *err)
{
    const struct cfg_logger *logger = &cfg->logger;
    struct err why = {0};
    if (!logger->given)
        return 0;
    int rc = logger->path == NULL ? 0 : log_open(logger->path, &why);
    if (rc < 0)
        return err_set(err, rc, "logger.log_path: %s", why.text);
    log_set_format(logger->show_level, logger->show_origin);
    log_set_level(logger->level_given ? logger->level : LOG_FIRECRACKER_LEVEL);
    return 0;
}

static void gather(struct control *control, struct metrics_sample *out)
{
    const struct machine *machine = control->machine;
    metrics_sample_init(out, control->setup.id);
    out->version = control->setup.version;
    out->emit_id = control->cfg.metrics.emit_id;
    out->properties = control->cfg.metrics.properties;
    out->startup_us = control->startup_us;
    out->startup_cpu_us = control->startup_cpu_us;
    out->pause_us = out->vmm_pause_us = control->pause_us;
    out->resume_us = out->vmm_resume_us = control->resume_us;
    out->api = control->counts;
    metrics_sink_get_counts(control->sink, &out->sink);
    if (machine == NULL)
        return;
    out->has_machine = true;
    out->state = machine_state(machine);
    machine_get_figures(machine, &out->machine);
    out->has_balloon = control->cfg.has_balloon;
    if (out->has_balloon) {
        balloon_get_info(machine_balloon(control->machine), &out->balloon);
        balloon_get_stats(machine_balloon(control->machine), &out->stats);
    }
}

void control_note_startup(struct control *control)
{
    struct metrics_sample sample = {0};
    metrics_sample_set_startup(&sample, &control->setup.started);
    control->startup_us = sample.startup_us;
    control->startup_cpu_us = sample.startup_cpu_us;
}

int control_write_metrics(struct control *control, struct err *err)
{
    struct metrics_sample sample;
    if (control->sink == NULL)
        return err_set(err, -ENOENT,
                       "metrics: there is no file for them: give metrics.metrics_path in the "
                       "configuration, or PUT /metrics before the start");
    gather(control, &sample);
    return metrics_flush(control->sink, &sample, err);
}

/* A line that gets lost is counted by the sink, and is part of the next. */
static void on_period(void *arg)
{
    struct err ignored = {0};
    (void)control_write_metrics(arg, &ignored);
}

int control_apply_metrics(struct control *control, const struct vm_config *cfg, struct err *err)
{
    struct err why = {0};
    struct metrics_sink *sink = NULL;
    if (cfg->metrics.path == NULL)
        return 0;
    if (control->sink != NULL)
        return err_set(err, -EEXIST, "metrics.metrics_path: is set already, and stays as it is");
    int rc = metrics_sink_create(cfg->metrics.path, &sink, &why);
    if (rc < 0)
        return err_set(err, rc, "metrics.metrics_path: %s", why.text);
    rc = ev_timer_add(control->setup.loop, on_period, control, &control->flush_timer);
    if (rc == 0)
        rc = ev_timer_arm(control->flush_timer, METRICS_PERIOD_NS, METRICS_PERIOD_NS);
    if (rc < 0) {
        ev_source_remove(control->flush_timer);
        control->flush_timer = NULL;
        metrics_sink_destroy(sink);
        return err_sys(err, rc, "metrics: the timer");
    }
    control->sink = sink;
    return 0;
}

void control_close_metrics(struct control *control)
{
    struct err ignored = {0};
    ev_source_remove(control->flush_timer);
    control->flush_timer = NULL;
    if (control->sink != NULL)
        (void)control_write_metrics(control, &ignored);
    metrics_sink_destroy(control->sink);
    control->sink = NULL;
}

char *control_metrics_text(struct control *control)
{
    struct metrics_sample sample;
    char *text = NULL;
    gather(control, &sample);
    return metrics_openmetrics(&sample, &text) < 0 ? NULL : text;
}
