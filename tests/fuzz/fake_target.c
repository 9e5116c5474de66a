/* SPDX-License-Identifier: Apache-2.0 */
/* The served machine of fuzz targets. */
#include "tests/fuzz/fake_target.h"

#include <errno.h>
#include <string.h>

#include "tests/fuzz/require.h"

void fake_target_init(struct fake_target *fake, const char *text)
{
    *fake = (struct fake_target){.state = MACHINE_NOT_STARTED};
    require(cfg_init(&fake->config) == 0);
    if (*text != '\0')
        require(cfg_parse(&fake->config, "fake", text, strlen(text), NULL) == 0);
}

void fake_target_finish(struct fake_target *fake)
{
    cfg_finish(&fake->config);
}

static enum machine_state get_state(void *arg)
{
    const struct fake_target *fake = arg;
    return fake->state;
}

static const struct vm_config *get_config(void *arg)
{
    const struct fake_target *fake = arg;
    return &fake->config;
}

static int put(void *arg, enum cfg_section section, const char *body, size_t len, struct err *err)
{
    struct fake_target *fake = arg;
    require(fake->state == MACHINE_NOT_STARTED);
    return cfg_put(&fake->config, section, body, len, err);
}

static int patch_machine(void *arg, const char *body, size_t len, struct err *err)
{
    struct fake_target *fake = arg;
    require(fake->state == MACHINE_NOT_STARTED);
    return cfg_patch_machine(&fake->config, body, len, err);
}

static int start(void *arg, struct err *err)
{
    struct fake_target *fake = arg;
    require(fake->state == MACHINE_NOT_STARTED);
    int rc = cfg_check(&fake->config, err);
    if (rc == 0)
        fake->state = MACHINE_RUNNING;
    return rc;
}

static int set_paused(void *arg, bool paused, struct err *err)
{
    struct fake_target *fake = arg;
    require(fake->state != MACHINE_NOT_STARTED);
    if (fake->state == MACHINE_STOPPED)
        return err_set(err, -EINVAL, "the machine has stopped");
    fake->state = paused ? MACHINE_PAUSED : MACHINE_RUNNING;
    return 0;
}

static int send_ctrl_alt_del(void *arg, struct err *err)
{
    const struct fake_target *fake = arg;
    require(fake->state != MACHINE_NOT_STARTED);
    return err_set(err, -ENODEV, "the guest has no keyboard");
}

static void stop(void *arg)
{
    struct fake_target *fake = arg;
    fake->stops++;
}

static int flush_metrics(void *arg, struct err *err)
{
    const struct fake_target *fake = arg;
    require(fake->state != MACHINE_NOT_STARTED);
    return fake->config.metrics.path == NULL ? err_set(err, -ENOENT, "no file for metrics") : 0;
}

static char *metrics_text(void *arg)
{
    (void)arg;
    return strdup("# EOF\n");
}

static struct metrics_api_counts *get_counts(void *arg)
{
    struct fake_target *fake = arg;
    return &fake->counts;
}

static void figures(void *arg, struct machine_figures *out)
{
    const struct fake_target *fake = arg;
    require(fake->state != MACHINE_NOT_STARTED);
    *out = (struct machine_figures){.ram_bytes = fake->config.mem_bytes, .vcpu_ns = UINT64_MAX};
}

static int set_balloon_target(void *arg, uint64_t bytes, struct err *err)
{
    struct fake_target *fake = arg;
    (void)err;
    require(fake->config.has_balloon && bytes < fake->config.mem_bytes);
    fake->config.balloon.target_bytes = bytes;
    return 0;
}

static int set_stats_interval(void *arg, uint32_t seconds, struct err *err)
{
    struct fake_target *fake = arg;
    (void)err;
    require(fake->config.has_balloon && seconds <= CFG_STATS_INTERVAL_MAX_S);
    fake->config.balloon.stats_interval_s = seconds;
    return 0;
}

static void require_balloon(const struct fake_target *fake)
{
    require(fake->config.has_balloon && fake->state != MACHINE_NOT_STARTED);
}

static void balloon_info(void *arg, struct balloon_info *out)
{
    const struct fake_target *fake = arg;
    require_balloon(fake);
    *out = (struct balloon_info){.target_bytes = fake->config.balloon.target_bytes,
                                 .features = UINT64_MAX,
                                 .stats_interval_s = fake->config.balloon.stats_interval_s};
}

static void stats(void *arg, struct balloon_stats *out)
{
    require_balloon(arg);
    *out = (struct balloon_stats){.valid = 3, .value = {UINT64_MAX, 1}, .reports = 1};
}

static bool request_stats(void *arg)
{
    const struct fake_target *fake = arg;
    require_balloon(fake);
    return fake->can_report;
}

static int hint_start(void *arg, bool acknowledge_on_stop, struct err *err)
{
    struct fake_target *fake = arg;
    (void)acknowledge_on_stop;
    require_balloon(fake);
    if (!fake->config.balloon.free_page_hinting)
        return err_set(err, -EINVAL, "hinting is off");
    fake->hint.host_cmd = 2;
    return 0;
}

static int hint_stop(void *arg, struct err *err)
{
    struct fake_target *fake = arg;
    require_balloon(fake);
    if (!fake->config.balloon.free_page_hinting)
        return err_set(err, -EINVAL, "hinting is off");
    fake->hint.host_cmd = 1;
    return 0;
}

static void hint(void *arg, struct balloon_hint_info *out)
{
    const struct fake_target *fake = arg;
    require_balloon(fake);
    require(fake->config.balloon.free_page_hinting);
    *out = fake->hint;
}

const struct api_target_ops fake_target_ops = {
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
    .figures = figures,
    .set_balloon_target = set_balloon_target,
    .set_stats_interval = set_stats_interval,
    .balloon_info = balloon_info,
    .stats = stats,
    .request_stats = request_stats,
    .hint_start = hint_start,
    .hint_stop = hint_stop,
    .hint = hint,
};
