/* SPDX-License-Identifier: Apache-2.0 */
/* A sample in which every number is another one. */
#include "tests/unit/metrics/fixture.h"

#include <stddef.h>

static uint64_t next;

/* Each uint64_t of what consists of nothing else. */
static void number(void *at, size_t size)
{
    uint64_t *values = at;
    for (size_t i = 0; i < size / sizeof(*values); i++)
        values[i] = next++;
}

static void fill_balloon(struct balloon_info *info)
{
    /* From one number to the last before the next that is no uint64_t. */
    number(&info->target_bytes, 2 * sizeof(uint64_t));
    number(&info->inflate,
           offsetof(struct balloon_info, change_done) - offsetof(struct balloon_info, inflate));
    number(&info->target_changes, 2 * sizeof(uint64_t));
    info->form = BALLOON_FORM_SG;
    info->features = (UINT64_C(1) << 63) | 1;
    info->poison_val = 0xaaaaaaaa;
    info->stats_interval_s = 5;
    info->change_done = true;
    info->change_stalled = false;
}

void fixture_fill(struct metrics_sample *out)
{
    next = 1000;
    metrics_sample_init(out, "vm-1");
    out->version = "0.1.0";
    out->state = MACHINE_RUNNING;
    out->has_machine = true;
    out->has_balloon = true;
    number(&out->startup_us,
           offsetof(struct metrics_sample, state) - offsetof(struct metrics_sample, startup_us));
    number(&out->machine, sizeof(out->machine));
    fill_balloon(&out->balloon);
    number(&out->stats.value, sizeof(out->stats.value));
    out->stats.valid = (1u << BALLOON_STAT_TAGS) - 1;
    out->stats.reports = next++;
    out->stats.age_ns = next++;
    number(&out->api, sizeof(out->api));
    number(&out->log, sizeof(out->log));
    number(&out->sink, sizeof(out->sink));
}
