/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to GET /balloon/statistics: Firecracker's four figures, what the guest last reported
 * of itself under Firecracker's names, and all of ours below "guest" and "host".
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/api/api_priv.h"
#include "vmm/base/num.h"
#include "vmm/metrics/figures.h"

#define NS_PER_MS UINT64_C(1000000)

/*
 * Numbers here are signed, of 64 bits (Firecracker's schema says int64, too): a larger one, which
 * only a guest that lies about itself can cause, is shown as the largest.
 */
static int put_u64(json_t *object, const char *name, uint64_t value)
{
    return json_object_set_new(object, name, json_integer((json_int_t)min_u64(value, INT64_MAX)));
}

static int put_figures(json_t *object, const struct metrics_figure *figures, size_t n,
                       const void *from)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = put_u64(object, figures[i].name, metrics_figure_of(&figures[i], from));
    return rc;
}

/* What the guest sent last, tag by tag, and how old that is. */
static int put_guest(json_t *root, const struct balloon_stats *stats)
{
    json_t *guest = json_object();
    int rc = guest == NULL ? -1 : 0;
    for (unsigned tag = 0; tag < BALLOON_STAT_TAGS && rc == 0; tag++) {
        if ((stats->valid >> tag & 1) != 0)
            rc = put_u64(root, metrics_guest_figures[tag].name, stats->value[tag]);
    }
    if (rc == 0)
        rc = put_u64(guest, "reports", stats->reports);
    if (rc == 0 && stats->reports > 0)
        rc = put_u64(guest, "age_ms", stats->age_ns / NS_PER_MS);
    else if (rc == 0)
        rc = json_object_set_new(guest, "age_ms", json_null());
    if (rc == 0)
        rc = json_object_set(root, "guest", guest);
    json_decref(guest);
    return rc;
}

static int put_hint(json_t *host, const struct api_target *target)
{
    struct balloon_hint_info hint = {0};
    if (!target->ops->config(target->arg)->balloon.free_page_hinting)
        return 0;
    target->ops->hint(target->arg, &hint);
    int rc = put_u64(host, "hint_host_cmd", hint.host_cmd);
    if (rc == 0 && hint.guest_cmd_valid)
        rc = put_u64(host, "hint_guest_cmd", hint.guest_cmd);
    return rc;
}

static int put_host(json_t *host, const struct balloon_info *info,
                    const struct machine_figures *machine)
{
    /* All 64 bits may be set, which a signed JSON integer of jansson cannot say. */
    char features[24];
    (void)snprintf(features, sizeof(features), "0x%" PRIx64, info->features);
    int rc = json_object_set_new(host, "form", json_string(metrics_form_name(info->form)));
    if (rc == 0)
        rc = json_object_set_new(host, "features", json_string(features));
    if (rc == 0)
        rc = put_u64(host, "poison_val", info->poison_val);
    if (rc == 0)
        rc = put_u64(host, "stats_interval_s", info->stats_interval_s);
    if (rc == 0)
        rc = put_figures(host, metrics_balloon_figures, metrics_balloon_figure_count, info);
    if (rc == 0)
        rc = json_object_set_new(host, "change_done", json_boolean(info->change_done));
    if (rc == 0)
        rc = json_object_set_new(host, "change_stalled", json_boolean(info->change_stalled));
    if (rc == 0)
        rc = put_figures(host, metrics_machine_figures, metrics_machine_figure_count, machine);
    return rc;
}

void api_reply_statistics(const struct api_target *target, struct api_reply *out)
{
    struct balloon_info all = {0};
    const struct balloon_info *info = &all;
    struct machine_figures machine = {0};
    target->ops->balloon_info(target->arg, &all);
    struct balloon_stats stats = {0};
    target->ops->figures(target->arg, &machine);
    target->ops->stats(target->arg, &stats);
    json_t *root = json_object();
    json_t *host = json_object();
    int rc = put_u64(root, "target_pages", info->target_bytes / BALLOON_PAGE_SIZE);
    if (rc == 0)
        rc = put_u64(root, "actual_pages", info->actual_bytes / BALLOON_PAGE_SIZE);
    if (rc == 0)
        rc = put_u64(root, "target_mib", info->target_bytes / MIB);
    if (rc == 0)
        rc = put_u64(root, "actual_mib", info->actual_bytes / MIB);
    if (rc == 0)
        rc = put_guest(root, &stats);
    if (rc == 0)
        rc = put_host(host, info, &machine);
    if (rc == 0)
        rc = put_hint(host, target);
    if (rc == 0)
        rc = json_object_set(root, "host", host);
    out->body = rc == 0 ? json_dumps(root, JSON_COMPACT) : NULL;
    out->status = out->body == NULL ? 500 : 200;
    json_decref(host);
    json_decref(root);
}
