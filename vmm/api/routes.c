/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of the control socket, in one table: Firecracker's, then ours, then Firecracker's
 * for what does not exist here. */
#include <string.h>

#include "vmm/api/api_priv.h"
#include "vmm/base/num.h"

/* What a request asks of the machine. */
enum {
    BEFORE = 1u << 0,    /* that it has not started */
    AFTER = 1u << 1,     /* that it has */
    BALLOON = 1u << 2,   /* that it has a balloon */
    REFRESHES = 1u << 3, /* it takes refresh_ms */
    NO_BODY = 1u << 4,   /* it may come without a body */
};

static const struct route {
    const char *method;
    const char *path;
    void (*serve)(const struct api_request *request, struct api_reply *out);
    unsigned needs;
    enum metrics_method method_id;
    enum metrics_section counts_as;
    enum cfg_section section; /* of api_put_section() */
} routes[] = {
    {"GET", "/", api_get_instance, 0, METRICS_GET, METRICS_INSTANCE, 0},
    {"GET", "/version", api_get_version, 0, METRICS_GET, METRICS_VERSION, 0},
    {"GET", "/vm/config", api_get_config, 0, METRICS_GET, METRICS_VM_CONFIG, 0},
    {"PATCH", "/vm", api_patch_vm, AFTER, METRICS_PATCH, METRICS_VM, 0},
    {"PUT", "/actions", api_put_action, 0, METRICS_PUT, METRICS_ACTIONS, 0},
    {"PUT", "/boot-source", api_put_section, BEFORE, METRICS_PUT, METRICS_BOOT_SOURCE,
     CFG_SECTION_BOOT_SOURCE},
    {"GET", "/machine-config", api_get_machine, 0, METRICS_GET, METRICS_MACHINE_CONFIG, 0},
    {"PUT", "/machine-config", api_put_section, BEFORE, METRICS_PUT, METRICS_MACHINE_CONFIG,
     CFG_SECTION_MACHINE},
    {"PATCH", "/machine-config", api_patch_machine, BEFORE, METRICS_PATCH, METRICS_MACHINE_CONFIG,
     0},
    {"GET", "/balloon", api_get_balloon, BALLOON, METRICS_GET, METRICS_BALLOON, 0},
    {"PUT", "/balloon", api_put_section, BEFORE, METRICS_PUT, METRICS_BALLOON, CFG_SECTION_BALLOON},
    {"PATCH", "/balloon", api_patch_balloon, BALLOON, METRICS_PATCH, METRICS_BALLOON, 0},
    {"GET", "/balloon/statistics", api_get_statistics, AFTER | BALLOON | REFRESHES, METRICS_GET,
     METRICS_BALLOON_STATISTICS, 0},
    {"PATCH", "/balloon/statistics", api_patch_statistics, BALLOON, METRICS_PATCH,
     METRICS_BALLOON_STATISTICS, 0},
    {"PATCH", "/balloon/hinting/start", api_start_hinting, AFTER | BALLOON | NO_BODY, METRICS_PATCH,
     METRICS_BALLOON_HINTING, 0},
    {"PATCH", "/balloon/hinting/stop", api_stop_hinting, AFTER | BALLOON | NO_BODY, METRICS_PATCH,
     METRICS_BALLOON_HINTING, 0},
    {"GET", "/balloon/hinting/status", api_get_hinting, AFTER | BALLOON, METRICS_GET,
     METRICS_BALLOON_HINTING, 0},
    {"PUT", "/logger", api_put_section, BEFORE, METRICS_PUT, METRICS_LOGGER, CFG_SECTION_LOGGER},
    {"PUT", "/metrics", api_put_section, BEFORE, METRICS_PUT, METRICS_METRICS, CFG_SECTION_METRICS},
    {"PUT", "/serial", api_put_section, BEFORE, METRICS_PUT, METRICS_SERIAL, CFG_SECTION_SERIAL},
    {"GET", "/vm/host", api_get_host, AFTER, METRICS_GET, METRICS_VM_HOST, 0},
    {"GET", "/metrics/prometheus", api_get_metrics, 0, METRICS_GET, METRICS_METRICS, 0},
};

/* A device that comes later moves from here to the table above. With every method of Firecracker's;
 * a path that ends with '/' stands for all below it. */
static const struct missing {
    const char *path;
    const char *what;
    enum metrics_section counts_as;
} missing[] = {
    {"/drives/", "block devices are", METRICS_DRIVE},
    {"/network-interfaces/", "network devices are", METRICS_NETWORK},
    {"/pmem/", "persistent memory devices are", METRICS_PMEM},
    {"/vsock", "vsock devices are", METRICS_VSOCK},
    {"/entropy", "entropy devices are", METRICS_ENTROPY},
    {"/hotplug/memory", "hotplugged memory is", METRICS_HOTPLUG_MEMORY},
    {"/cpu-config", "custom CPU templates are", METRICS_CPU_CONFIG},
    {"/mmds", "the metadata service is", METRICS_MMDS},
    {"/mmds/config", "the metadata service is", METRICS_MMDS},
    {"/snapshot/create", "snapshots are", METRICS_SNAPSHOT},
    {"/snapshot/load", "snapshots are", METRICS_SNAPSHOT},
};

static const struct missing *find_missing(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
        size_t len = strlen(missing[i].path);
        bool below = missing[i].path[len - 1] == '/';
        if (below ? strncmp(path, missing[i].path, len) == 0 && path[len] != '\0'
                  : strcmp(path, missing[i].path) == 0)
            return &missing[i];
    }
    return NULL;
}

/* Firecracker's methods; METRICS_METHODS for others, and for DELETE, of which it counts nothing. */
static bool is_method(const char *method, enum metrics_method *out)
{
    static const struct {
        const char *word;
        enum metrics_method id;
    } methods[] = {{"GET", METRICS_GET},
                   {"PUT", METRICS_PUT},
                   {"PATCH", METRICS_PATCH},
                   {"DELETE", METRICS_METHODS}};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        *out = methods[i].id;
        if (strcmp(methods[i].word, method) == 0)
            return true;
    }
    return false;
}

static void count(const struct api_target *t, enum metrics_method method,
                  enum metrics_section section, const struct api_reply *reply)
{
    if (method == METRICS_METHODS)
        return;
    struct metrics_api_count *count = &t->ops->counts(t->arg)->by[method][section];
    count->requests++;
    count->fails += reply->status >= 400;
}

static const struct route *find_route(const struct api_request *request)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (strcmp(routes[i].method, request->method) == 0 &&
            strcmp(routes[i].path, request->path) == 0)
            return &routes[i];
    }
    return NULL;
}

/* Whether the request has the form it must have; the fault is in *out if not. */
static bool check_form(const struct route *route, const struct api_request *request,
                       struct api_reply *out)
{
    bool is_get = strcmp(request->method, "GET") == 0;
    const char *bad = request->bad_parameter;
    if (bad == NULL && request->refresh_ms != NULL && (route->needs & REFRESHES) == 0)
        bad = "refresh_ms";
    if (bad != NULL)
        api_reply_fault(out, 400, "Unknown or repeated query parameter: %.40s", bad);
    else if (is_get && request->len > 0)
        api_reply_fault(out, 400, "GET request cannot have a body.");
    else if (!is_get && request->len == 0 && (route->needs & NO_BODY) == 0)
        api_reply_fault(out, 400, "Empty %s request.", request->method);
    else
        return true;
    return false;
}

/* Whether its time has come, and there is what it is about. */
static bool check_machine(const struct route *route, const struct api_target *t,
                          struct api_reply *out)
{
    bool started = t->ops->state(t->arg) != MACHINE_NOT_STARTED;
    if ((route->needs & BEFORE) != 0 && started)
        api_reply_fault(out, 400, API_TOO_LATE);
    else if ((route->needs & AFTER) != 0 && !started)
        api_reply_fault(out, 400, API_TOO_EARLY);
    else if ((route->needs & BALLOON) != 0 && !t->ops->config(t->arg)->has_balloon)
        api_reply_fault(out, 400,
                        "The machine has no balloon: start it with --balloon SIZE or a balloon "
                        "section in its configuration.");
    else
        return true;
    return false;
}

static void serve(const struct route *route, const struct api_request *request,
                  struct api_reply *out)
{
    const struct api_target *t = request->target;
    struct api_request routed = *request;
    routed.section = route->section;
    if (check_form(route, request, out) && check_machine(route, t, out))
        route->serve(&routed, out);
    /* One that waits is counted when it is answered. */
    if (out->status != 0)
        count(t, route->method_id, route->counts_as, out);
}

void api_route(const struct api_request *request, struct api_reply *out)
{
    const struct api_target *t = request->target;
    const struct route *route = find_route(request);
    const struct missing *device = NULL;
    enum metrics_method method;
    if (route == NULL && is_method(request->method, &method))
        device = find_missing(request->path);
    if (route != NULL) {
        serve(route, request, out);
    } else if (device != NULL) {
        api_reply_fault(out, 400, "%.200s: %s not supported by this version of Aerostat",
                        request->path, device->what);
        count(t, method, device->counts_as, out);
    } else {
        api_reply_fault(out, 400, "Invalid request method and/or path: %.20s %.200s",
                        request->method, request->path);
        t->ops->counts(t->arg)->unknown++;
    }
}
