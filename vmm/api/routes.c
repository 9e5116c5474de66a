/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of the control socket, in one table, and their answers. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/api/api_priv.h"
#include "vmm/base/num.h"
#include "vmm/config/config.h"

/* A machine has no name of its own yet; this is what Firecracker answers without --id. */
#define INSTANCE_ID "anonymous-instance"

/* Takes root, NULL for a failed allocation. */
static void reply_json(struct api_reply *out, unsigned status, json_t *root)
{
    out->body = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    out->status = out->body == NULL ? 500 : status;
    json_decref(root);
}

void api_reply_fault(struct api_reply *out, unsigned status, const char *fmt, ...)
{
    char text[800];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    json_t *message = json_string(text);
    if (message == NULL) {
        for (char *c = text; *c != '\0'; c++) {
            if ((unsigned char)*c > 0x7e)
                *c = '?';
        }
        message = json_string(text);
    }
    reply_json(out, status, json_pack("{s:o}", "fault_message", message));
}

static const char *state_name(enum machine_state state)
{
    switch (state) {
    case MACHINE_RUNNING:
        return "Running";
    case MACHINE_PAUSED:
        return "Paused";
    case MACHINE_STOPPED:
        return "Stopped";
    case MACHINE_NOT_STARTED:
        break;
    }
    return "Not started";
}

static void get_instance(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    reply_json(out, 200,
               json_pack("{s:s, s:s, s:s, s:s}", "app_name", "Aerostat", "id", INSTANCE_ID, "state",
                         state_name(t->ops->state(t->arg)), "vmm_version", t->vmm_version));
}

static void get_version(const struct api_request *request, struct api_reply *out)
{
    reply_json(out, 200, json_pack("{s:s}", "aerostat_version", request->target->vmm_version));
}

/* True with *info filled in; otherwise the fault is in *out. */
static bool need_balloon(const struct api_target *target, struct balloon_info *info,
                         struct api_reply *out)
{
    if (target->ops->balloon_info(target->arg, info))
        return true;
    api_reply_fault(out, 400,
                    "The machine has no balloon: start it with --balloon SIZE or a balloon section "
                    "in its configuration.");
    return false;
}

static void get_balloon(const struct api_request *request, struct api_reply *out)
{
    const struct balloon_config *config = &request->target->balloon;
    struct balloon_info info;
    if (!need_balloon(request->target, &info, out))
        return;
    reply_json(out, 200,
               json_pack("{s:I, s:b, s:I, s:b, s:b, s:s, s:b, s:b, s:b}", "amount_mib",
                         (json_int_t)(info.target_bytes / MIB), "deflate_on_oom",
                         (int)config->deflate_on_oom, "stats_polling_interval_s",
                         (json_int_t)info.stats_interval_s, "free_page_hinting",
                         (int)config->free_page_hinting, "free_page_reporting",
                         (int)config->free_page_reporting, "scatter_gather",
                         cfg_scatter_gather_name(config->scatter_gather), "must_tell_host",
                         (int)config->must_tell_host, "page_poison", (int)config->page_poison,
                         "prefault_on_deflate", (int)config->prefault_on_deflate));
}

/* Nothing on success, otherwise the sentence. */
static void reply_done(struct api_reply *out, int rc, const struct err *err)
{
    if (rc < 0)
        api_reply_fault(out, 400, "%s", err->text);
    else
        *out = (struct api_reply){.status = 204};
}

/* The balloon's own answer counts bytes; who asked in MiB is answered in MiB. */
static int check_room(const struct api_target *t, uint64_t bytes, struct err *err)
{
    struct machine_figures figures = {0};
    t->ops->figures(t->arg, &figures);
    if (bytes < figures.ram_bytes)
        return 0;
    return err_set(err, -EINVAL,
                   "balloon: a target of %" PRIu64 " MiB is not below the guest memory of %" PRIu64
                   " MiB",
                   bytes / MIB, figures.ram_bytes / MIB);
}

static void patch_balloon(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct balloon_info info;
    struct err err = {0};
    uint64_t bytes = 0;
    if (!need_balloon(t, &info, out))
        return;
    int rc = cfg_parse_balloon_update(request->body, request->len, &bytes, &err);
    if (rc == 0)
        rc = check_room(t, bytes, &err);
    if (rc == 0)
        rc = t->ops->set_balloon_target(t->arg, bytes, &err);
    reply_done(out, rc, &err);
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

static void get_statistics(const struct api_request *request, struct api_reply *out)
{
    struct balloon_info info;
    struct err err = {0};
    uint64_t wait_ms = 0;
    if (!need_balloon(request->target, &info, out))
        return;
    if (request->refresh_ms != NULL && cfg_parse_count("refresh_ms", request->refresh_ms, 1,
                                                       API_REFRESH_MAX_MS, &wait_ms, &err) < 0) {
        api_reply_fault(out, 400, "%s", err.text);
        return;
    }
    if (wait_ms > 0 && !request->waited && ask_guest(request->target, wait_ms, out))
        return;
    api_reply_statistics(request->target, &info, out);
}

static void patch_statistics(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct balloon_info info;
    struct err err = {0};
    uint32_t seconds = 0;
    if (!need_balloon(t, &info, out))
        return;
    int rc = cfg_parse_stats_update(request->body, request->len, &seconds, &err);
    if (rc == 0)
        rc = t->ops->set_stats_interval(t->arg, seconds, &err);
    reply_done(out, rc, &err);
}

static void start_hinting(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct balloon_info info;
    struct err err = {0};
    bool acknowledge = false;
    if (!need_balloon(t, &info, out))
        return;
    int rc = cfg_parse_hint_start(request->body, request->len, &acknowledge, &err);
    if (rc == 0)
        rc = t->ops->hint_start(t->arg, acknowledge, &err);
    reply_done(out, rc, &err);
}

/* A body means nothing here; Firecracker takes one, too. */
static void stop_hinting(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct balloon_info info;
    struct err err = {0};
    if (need_balloon(t, &info, out))
        reply_done(out, t->ops->hint_stop(t->arg, &err), &err);
}

static void get_hinting(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct balloon_info info;
    struct balloon_hint_info hint = {0};
    if (!need_balloon(t, &info, out))
        return;
    if (!t->balloon.free_page_hinting) {
        api_reply_fault(
            out, 400,
            "balloon hinting: is off; switch it on with free_page_hinting in the configuration");
        return;
    }
    t->ops->hint(t->arg, &hint);
    reply_json(out, 200,
               json_pack("{s:I, s:o}", "host_cmd", (json_int_t)hint.host_cmd, "guest_cmd",
                         hint.guest_cmd_valid ? json_integer(hint.guest_cmd) : json_null()));
}

static void patch_vm(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct err err = {0};
    bool paused = false;
    int rc = cfg_parse_vm_state(request->body, request->len, &paused, &err);
    if (rc == 0)
        rc = t->ops->set_paused(t->arg, paused, &err);
    reply_done(out, rc, &err);
}

static const struct route {
    const char *method;
    const char *path;
    void (*serve)(const struct api_request *request, struct api_reply *out);
    bool refreshes; /* takes refresh_ms */
} routes[] = {
    {"GET", "/", get_instance, false},
    {"GET", "/version", get_version, false},
    {"PATCH", "/vm", patch_vm, false},
    {"GET", "/balloon", get_balloon, false},
    {"PATCH", "/balloon", patch_balloon, false},
    {"GET", "/balloon/statistics", get_statistics, true},
    {"PATCH", "/balloon/statistics", patch_statistics, false},
    {"PATCH", "/balloon/hinting/start", start_hinting, false},
    {"PATCH", "/balloon/hinting/stop", stop_hinting, false},
    {"GET", "/balloon/hinting/status", get_hinting, false},
};

static void serve(const struct route *route, const struct api_request *request,
                  struct api_reply *out)
{
    const char *bad = request->bad_parameter;
    if (bad == NULL && request->refresh_ms != NULL && !route->refreshes)
        bad = "refresh_ms";
    if (bad != NULL)
        api_reply_fault(out, 400, "Unknown or repeated query parameter: %.40s", bad);
    else if (strcmp(request->method, "GET") == 0 && request->len > 0)
        api_reply_fault(out, 400, "GET request cannot have a body.");
    else
        route->serve(request, out);
}

void api_route(const struct api_request *request, struct api_reply *out)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (strcmp(routes[i].method, request->method) == 0 &&
            strcmp(routes[i].path, request->path) == 0) {
            serve(&routes[i], request, out);
            return;
        }
    }
    api_reply_fault(out, 400, "Invalid request method and/or path: %.20s %.200s", request->method,
                    request->path);
}
