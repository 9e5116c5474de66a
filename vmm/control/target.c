/* SPDX-License-Identifier: Apache-2.0 */
/* The control as the control socket's requests need it. */
#include <errno.h>

#include "vmm/base/clock.h"
#include "vmm/control/control_priv.h"

#define NS_PER_US 1000u

static enum machine_state get_state(void *arg)
{
    const struct control *control = arg;
    return control->machine == NULL ? MACHINE_NOT_STARTED : machine_state(control->machine);
}

static const struct vm_config *get_config(void *arg)
{
    struct control *control = arg;
    struct balloon_info info = {0};
    if (control->machine != NULL && control->cfg.has_balloon) {
        balloon_get_info(machine_balloon(control->machine), &info);
        control->cfg.balloon.target_bytes = info.target_bytes;
        control->cfg.balloon.stats_interval_s = (uint32_t)info.stats_interval_s;
    }
    return &control->cfg;
}

/* A section that takes effect now, which may fail, is tried before it counts. */
static int apply(struct control *control, enum cfg_section section, const struct vm_config *next,
                 struct err *err)
{
    if (section == CFG_SECTION_LOGGER)
        return control_apply_logger(next, err);
    if (section == CFG_SECTION_METRICS)
        return control_apply_metrics(control, next, err);
    return 0;
}

static int put(void *arg, enum cfg_section section, const char *body, size_t len, struct err *err)
{
    struct control *control = arg;
    struct vm_config next;
    int rc = cfg_copy(&control->cfg, &next);
    if (rc < 0)
        return err_set(err, rc, "out of memory");
    rc = cfg_put(&next, section, body, len, err);
    if (rc == 0)
        rc = apply(control, section, &next, err);
    if (rc < 0) {
        cfg_finish(&next);
        return rc;
    }
    cfg_finish(&control->cfg);
    control->cfg = next;
    return 0;
}

static int patch_machine(void *arg, const char *body, size_t len, struct err *err)
{
    struct control *control = arg;
    return cfg_patch_machine(&control->cfg, body, len, err);
}

static int start(void *arg, struct err *err)
{
    return control_start(arg, err);
}

static int set_paused(void *arg, bool paused, struct err *err)
{
    struct control *control = arg;
    uint64_t begin_ns = clock_mono_ns();
    int rc = paused ? machine_pause(control->machine, err) : machine_resume(control->machine, err);
    uint64_t took_us = (clock_mono_ns() - begin_ns) / NS_PER_US;
    if (rc == 0 && paused)
        control->pause_us = took_us;
    else if (rc == 0)
        control->resume_us = took_us;
    return rc;
}

static int send_ctrl_alt_del(void *arg, struct err *err)
{
    struct control *control = arg;
    return machine_send_ctrl_alt_del(control->machine, err);
}

static void stop(void *arg)
{
    control_stop(arg, MACHINE_END_REQUESTED);
}

static int flush_metrics(void *arg, struct err *err)
{
    return control_write_metrics(arg, err);
}

static char *metrics_text(void *arg)
{
    return control_metrics_text(arg);
}

static struct metrics_api_counts *get_counts(void *arg)
{
    struct control *control = arg;
    return &control->counts;
}

static void get_figures(void *arg, struct machine_figures *out)
{
    const struct control *control = arg;
    machine_get_figures(control->machine, out);
}

static struct balloon *balloon_of(void *arg)
{
    const struct control *control = arg;
    return machine_balloon(control->machine);
}

static int set_balloon_target(void *arg, uint64_t bytes, struct err *err)
{
    struct control *control = arg;
    if (control->machine != NULL)
        return balloon_set_target(balloon_of(arg), bytes, err);
    control->cfg.balloon.target_bytes = bytes;
    return 0;
}

static int set_stats_interval(void *arg, uint32_t seconds, struct err *err)
{
    struct control *control = arg;
    if (control->machine != NULL)
        return balloon_set_stats_interval(balloon_of(arg), seconds, err);
    control->cfg.balloon.stats_interval_s = seconds;
    return 0;
}

static void balloon_info(void *arg, struct balloon_info *out)
{
    balloon_get_info(balloon_of(arg), out);
}

static void stats(void *arg, struct balloon_stats *out)
{
    balloon_get_stats(balloon_of(arg), out);
}

static bool request_stats(void *arg)
{
    return balloon_request_stats(balloon_of(arg));
}

static int hint_start(void *arg, bool acknowledge_on_stop, struct err *err)
{
    return balloon_hint_start(balloon_of(arg), acknowledge_on_stop, err);
}

static int hint_stop(void *arg, struct err *err)
{
    return balloon_hint_stop(balloon_of(arg), err);
}

static void hint(void *arg, struct balloon_hint_info *out)
{
    balloon_get_hint(balloon_of(arg), out);
}

const struct api_target_ops control_api_ops = {
    .state = get_state,
    .config = get_config,
    .put = put,
    .patch_machine = patch_machine,
    .start = start,
    .set_paused = set_paused,
    .send_ctrl_alt_del = send_ctrl_alt_del,
    .stop = stop,
    .flush_metrics = flush_metrics,
    .metrics_text = metrics_text,
    .counts = get_counts,
    .figures = get_figures,
    .set_balloon_target = set_balloon_target,
    .set_stats_interval = set_stats_interval,
    .balloon_info = balloon_info,
    .stats = stats,
    .request_stats = request_stats,
    .hint_start = hint_start,
    .hint_stop = hint_stop,
    .hint = hint,
};
