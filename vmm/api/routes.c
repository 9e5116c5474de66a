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

struct request {
    const struct api_target *target;
    const char *body;
    size_t len;
};

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
    case MACHINE_STOPPED:
        return "Stopped";
    case MACHINE_NOT_STARTED:
        break;
    }
    return "Not started";
}

static void get_instance(const struct request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    reply_json(out, 200,
               json_pack("{s:s, s:s, s:s, s:s}", "app_name", "Aerostat", "id", INSTANCE_ID, "state",
                         state_name(t->ops->state(t->arg)), "vmm_version", t->vmm_version));
}

static void get_version(const struct request *request, struct api_reply *out)
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

static void get_balloon(const struct request *request, struct api_reply *out)
{
    const struct balloon_config *config = &request->target->balloon;
    struct balloon_info info;
    if (!need_balloon(request->target, &info, out))
        return;
    reply_json(out, 200,
               json_pack("{s:I, s:b, s:i, s:b, s:b, s:s, s:b}", "amount_mib",
                         (json_int_t)(info.target_bytes / MIB), "deflate_on_oom",
                         (int)config->deflate_on_oom, "stats_polling_interval_s", 0,
                         "free_page_hinting", 0, "free_page_reporting", 0, "scatter_gather",
                         cfg_scatter_gather_name(config->scatter_gather), "must_tell_host",
                         (int)config->must_tell_host));
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

static void patch_balloon(const struct request *request, struct api_reply *out)
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
    if (rc < 0)
        api_reply_fault(out, 400, "%s", err.text);
    else
        *out = (struct api_reply){.status = 204};
}

static void get_statistics(const struct request *request, struct api_reply *out)
{
    struct balloon_info info;
    if (need_balloon(request->target, &info, out))
        api_reply_statistics(request->target, &info, out);
}

static const struct route {
    const char *method;
    const char *path;
    void (*serve)(const struct request *request, struct api_reply *out);
} routes[] = {
    {"GET", "/", get_instance},
    {"GET", "/version", get_version},
    {"GET", "/balloon", get_balloon},
    {"PATCH", "/balloon", patch_balloon},
    {"GET", "/balloon/statistics", get_statistics},
};

void api_route(const struct api_target *target, const char *method, const char *path,
               const char *body, size_t len, struct api_reply *out)
{
    const struct request request = {target, body == NULL ? "" : body, len};
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (strcmp(routes[i].method, method) != 0 || strcmp(routes[i].path, path) != 0)
            continue;
        if (strcmp(method, "GET") == 0 && len > 0)
            api_reply_fault(out, 400, "GET request cannot have a body.");
        else
            routes[i].serve(&request, out);
        return;
    }
    api_reply_fault(out, 400, "Invalid request method and/or path: %.20s %.200s", method, path);
}
