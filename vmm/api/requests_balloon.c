/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about the balloon. The table of requests sees to it that the machine has one. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "vmm/api/api_priv.h"
#include "vmm/base/num.h"

void api_get_balloon(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    api_reply_text(out, cfg_section_to_json(t->ops->config(t->arg), CFG_SECTION_BALLOON));
}

/* What the configuration refuses is refused here too. */
static int check_room(const struct api_target *t, uint64_t bytes, struct err *err)
{
    uint64_t ram_bytes = t->ops->config(t->arg)->mem_bytes;
    if (bytes < ram_bytes)
        return 0;
    return err_set(err, -EINVAL,
                   "balloon: a target of %" PRIu64 " MiB is not below the guest memory of %" PRIu64
                   " MiB",
                   bytes / MIB, ram_bytes / MIB);
}

void api_patch_balloon(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct err err = {0};
    uint64_t bytes = 0;
    int rc = cfg_parse_balloon_update(request->body, request->len, &bytes, &err);
    if (rc == 0)
        rc = check_room(t, bytes, &err);
    if (rc == 0)
        rc = t->ops->set_balloon_target(t->arg, bytes, &err);
    api_reply_done(out, rc, &err);
}

/* True with the wait in *out if the guest was asked for statistics. */
static bool ask_guest(const struct api_target *t, uint64_t wait_ms, struct api_reply *out)
{
    struct balloon_stats stats = {0};
    /* Before it is asked. A report that was on its way already may be what is counted next. */
    t->ops->stats(t->arg, &stats);
    if (!t->ops->request_stats(t->arg))
        return false;
    *out = (struct api_reply){.reports = stats.reports, .wait_ms = wait_ms};
    return true;
}

void api_get_statistics(const struct api_request *request, struct api_reply *out)
{
    struct err err = {0};
    uint64_t wait_ms = 0;
    if (request->refresh_ms != NULL && cfg_parse_count("refresh_ms", request->refresh_ms, 1,
                                                       API_REFRESH_MAX_MS, &wait_ms, &err) < 0) {
        api_reply_fault(out, 400, "%s", err.text);
        return;
    }
    if (wait_ms > 0 && !request->waited && ask_guest(request->target, wait_ms, out))
        return;
    api_reply_statistics(request->target, out);
}

void api_patch_statistics(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct err err = {0};
    uint32_t seconds = 0;
    int rc = cfg_parse_stats_update(request->body, request->len, &seconds, &err);
    if (rc == 0)
        rc = t->ops->set_stats_interval(t->arg, seconds, &err);
    api_reply_done(out, rc, &err);
}

void api_start_hinting(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct err err = {0};
    bool acknowledge = false;
    int rc = cfg_parse_hint_start(request->body, request->len, &acknowledge, &err);
    if (rc == 0)
        rc = t->ops->hint_start(t->arg, acknowledge, &err);
    api_reply_done(out, rc, &err);
}

/* A body means nothing here; Firecracker takes one, too. */
void api_stop_hinting(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct err err = {0};
    api_reply_done(out, t->ops->hint_stop(t->arg, &err), &err);
}

void api_get_hinting(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct balloon_hint_info hint = {0};
    if (!t->ops->config(t->arg)->balloon.free_page_hinting) {
        api_reply_fault(
            out, 400,
            "balloon hinting: is off; switch it on with free_page_hinting in the configuration");
        return;
    }
    t->ops->hint(t->arg, &hint);
    json_t *root = json_pack("{s:I, s:o}", "host_cmd", (json_int_t)hint.host_cmd, "guest_cmd",
                             hint.guest_cmd_valid ? json_integer(hint.guest_cmd) : json_null());
    api_reply_text(out, root == NULL ? NULL : json_dumps(root, JSON_COMPACT));
    json_decref(root);
}
