/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about the machine as a whole: what it is made of, its state, and the host's side of it.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/api/api_priv.h"
#include "vmm/api/server.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"
#include "vmm/metrics/figures.h"

#define NS_PER_MS UINT64_C(1000000)

/* Takes root, NULL for a failed allocation. */
static void reply_json(struct api_reply *out, json_t *root)
{
    api_reply_text(out, root == NULL ? NULL : json_dumps(root, JSON_COMPACT));
    json_decref(root);
}

void api_get_instance(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    reply_json(out,
               json_pack("{s:s, s:s, s:s, s:s}", "app_name", "Aerostat", "id", t->id, "state",
                         metrics_state_name(t->ops->state(t->arg)), "vmm_version", t->vmm_version));
}

void api_get_version(const struct api_request *request, struct api_reply *out)
{
    reply_json(out, json_pack("{s:s, s:s}", "firecracker_version", API_FIRECRACKER_VERSION,
                              "aerostat_version", request->target->vmm_version));
}

void api_get_config(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    api_reply_text(out, cfg_to_json(t->ops->config(t->arg), false));
}

void api_get_machine(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    api_reply_text(out, cfg_section_to_json(t->ops->config(t->arg), CFG_SECTION_MACHINE));
}

void api_put_section(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct err err = {0};
    int rc = t->ops->put(t->arg, request->section, request->body, request->len, &err);
    api_reply_done(out, rc, &err);
}

void api_patch_machine(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct err err = {0};
    api_reply_done(out, t->ops->patch_machine(t->arg, request->body, request->len, &err), &err);
}

void api_patch_vm(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct err err = {0};
    bool paused = false;
    int rc = cfg_parse_vm_state(request->body, request->len, &paused, &err);
    if (rc == 0)
        rc = t->ops->set_paused(t->arg, paused, &err);
    api_reply_done(out, rc, &err);
}

static int act(const struct api_target *t, enum cfg_action action, struct err *err)
{
    bool started = t->ops->state(t->arg) != MACHINE_NOT_STARTED;
    switch (action) {
    case CFG_ACTION_START:
        return started ? err_set(err, -EINVAL, API_TOO_LATE) : t->ops->start(t->arg, err);
    case CFG_ACTION_CTRL_ALT_DEL:
        return started ? t->ops->send_ctrl_alt_del(t->arg, err)
                       : err_set(err, -EINVAL, API_TOO_EARLY);
    case CFG_ACTION_FLUSH_METRICS:
        return started ? t->ops->flush_metrics(t->arg, err) : err_set(err, -EINVAL, API_TOO_EARLY);
    case CFG_ACTION_STOP:
        t->ops->stop(t->arg);
        break;
    }
    return 0;
}

void api_put_action(const struct api_request *request, struct api_reply *out)
{
    struct err err = {0};
    enum cfg_action action = CFG_ACTION_START;
    int rc = cfg_parse_action(request->body, request->len, &action, &err);
    if (rc == 0)
        rc = act(request->target, action, &err);
    api_reply_done(out, rc, &err);
}

/* Numbers of JSON are signed here: a time or a size that does not fit is none that there is. */
static json_int_t number(uint64_t value)
{
    return (json_int_t)min_u64(value, INT64_MAX);
}

void api_get_host(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct machine_figures f = {0};
    t->ops->figures(t->arg, &f);
    reply_json(out, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "pid",
                              (json_int_t)getpid(), "uptime_ms", number(f.uptime_ns / NS_PER_MS),
                              "ram_bytes", number(f.ram_bytes), "ram_allocated_bytes",
                              number(f.ram_allocated_bytes), "bad_register", number(f.bad_register),
                              "unclaimed_accesses", number(f.unclaimed_accesses), "vcpu_ns",
                              number(f.vcpu_ns), "monitor_ns", number(f.monitor_ns)));
}

void api_get_metrics(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    api_reply_text(out, t->ops->metrics_text(t->arg));
    out->content_type = METRICS_OPENMETRICS_TYPE;
}
