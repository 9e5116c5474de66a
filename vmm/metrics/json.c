/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as Firecracker lays them out, with ours below "aerostat". Functions that build return 0,
 * or -1 when memory runs out; jansson takes a NULL value for such a failure, too.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/base/num.h"
#include "vmm/metrics/figures.h"
#include "vmm/metrics/metrics_priv.h"

#define NS_PER_MS UINT64_C(1000000)

/* What there is to tell: counters as differences of the two. */
struct line {
    const struct metrics_sample *now;
    const struct metrics_sample *last;
};

/* Jansson's numbers are signed; only a guest that lies about itself gets there. */
static int put(json_t *object, const char *name, uint64_t value)
{
    return json_object_set_new(object, name, json_integer((json_int_t)min_u64(value, INT64_MAX)));
}

#define SINCE(line, field) sub_sat_u64((line)->now->field, (line)->last->field)

/* A named number; so that a section is a table on its builder's stack. */
struct entry {
    const char *name;
    uint64_t value;
};

static json_t *section_of(const struct entry *entries, size_t n)
{
    json_t *section = json_object();
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = put(section, entries[i].name, entries[i].value);
    if (rc == 0)
        return section;
    json_decref(section);
    return NULL;
}

static json_t *api_server(const struct line *line)
{
    const struct entry entries[] = {
        {"process_startup_time_us", line->now->startup_us},
        {"process_startup_time_cpu_us", line->now->startup_cpu_us},
    };
    return section_of(entries, ARRAY_LEN(entries));
}

/* As Firecracker counts: its counts are of notifications for the queues of pages and statistics,
 * and of ranges for those of free pages, and what is freed are the bytes that it discarded. */
static json_t *balloon(const struct line *line)
{
    const struct entry entries[] = {
        {"inflate_count", SINCE(line, balloon.inflate.notifications)},
        {"stats_updates_count", SINCE(line, balloon.stats.notifications)},
        {"deflate_count", SINCE(line, balloon.deflate.notifications)},
        {"event_fails", SINCE(line, balloon.bad_chain) + SINCE(line, balloon.bad_ring) +
                            SINCE(line, balloon.host_error)},
        {"free_page_report_count", SINCE(line, balloon.report.descriptors)},
        {"free_page_report_freed",
         sub_sat_u64(SINCE(line, balloon.report.bytes), SINCE(line, balloon.kept_poisoned_bytes))},
        {"free_page_hint_count", SINCE(line, balloon.hint.descriptors)},
        {"free_page_hint_freed",
         sub_sat_u64(SINCE(line, balloon.hint.bytes), SINCE(line, balloon.kept_written_bytes))},
    };
    return section_of(entries, ARRAY_LEN(entries));
}

static json_t *deprecated_api(const struct line *line)
{
    const struct entry entries[] = {{"deprecated_http_api_calls", SINCE(line, api.deprecated)}};
    return section_of(entries, ARRAY_LEN(entries));
}

static int put_route(json_t *section, const struct line *line, const struct metrics_route *route)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s_count", route->name);
    int rc = put(section, name, SINCE(line, api.by[route->method][route->section].requests));
    if (rc < 0 || (route->firecracker && route->method == METRICS_GET))
        return rc;
    (void)snprintf(name, sizeof(name), "%s_fails", route->name);
    return put(section, name, SINCE(line, api.by[route->method][route->section].fails));
}

/* The requests that Firecracker counts, or those that it does not. */
static json_t *requests(const struct line *line, enum metrics_method method, bool firecracker)
{
    json_t *section = json_object();
    int rc = 0;
    for (size_t i = 0; i < metrics_route_count && rc == 0; i++) {
        if (metrics_routes[i].method == method && metrics_routes[i].firecracker == firecracker)
            rc = put_route(section, line, &metrics_routes[i]);
    }
    if (rc == 0)
        return section;
    json_decref(section);
    return NULL;
}

static json_t *get_requests(const struct line *line)
{
    return requests(line, METRICS_GET, true);
}

static json_t *put_requests(const struct line *line)
{
    return requests(line, METRICS_PUT, true);
}

static json_t *patch_requests(const struct line *line)
{
    return requests(line, METRICS_PATCH, true);
}

static json_t *latencies(const struct line *line)
{
    const struct entry entries[] = {
        {"pause_vm", line->now->pause_us},
        {"resume_vm", line->now->resume_us},
        {"vmm_pause_vm", line->now->vmm_pause_us},
        {"vmm_resume_vm", line->now->vmm_resume_us},
    };
    return section_of(entries, ARRAY_LEN(entries));
}

static json_t *logger(const struct line *line)
{
    const struct entry entries[] = {
        {"missed_metrics_count", SINCE(line, sink.missed)},
        {"metrics_fails", SINCE(line, sink.fails)},
        {"missed_log_count", SINCE(line, log.lost)},
        {"rate_limited_log_count", SINCE(line, log.rate_limited)},
    };
    return section_of(entries, ARRAY_LEN(entries));
}

static json_t *vcpu(const struct line *line)
{
    const struct entry entries[] = {
        {"exit_io_in", SINCE(line, machine.exits_io_in)},
        {"exit_io_out", SINCE(line, machine.exits_io_out)},
        {"exit_mmio_read", SINCE(line, machine.exits_mmio_read)},
        {"exit_mmio_write", SINCE(line, machine.exits_mmio_write)},
        {"failures", SINCE(line, machine.vcpu_failures)},
    };
    return section_of(entries, ARRAY_LEN(entries));
}

static json_t *uart(const struct line *line)
{
    const struct entry entries[] = {
        {"missed_write_count", SINCE(line, machine.serial_dropped_bytes)},
        {"rate_limiter_dropped_bytes", SINCE(line, machine.serial_limited_bytes)},
    };
    return section_of(entries, ARRAY_LEN(entries));
}

/* Figures of two samples, from where the table's offsets count. */
static int put_figures(json_t *section, const struct metrics_figure *figures, size_t n,
                       const void *now, const void *last)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint64_t value = metrics_figure_of(&figures[i], now);
        if (figures[i].counter)
            value = sub_sat_u64(value, metrics_figure_of(&figures[i], last));
        rc = put(section, figures[i].name, value);
    }
    return rc;
}

static json_t *own_machine(const struct line *line)
{
    json_t *section = json_object();
    if (put_figures(section, metrics_machine_figures, metrics_machine_figure_count,
                    &line->now->machine, &line->last->machine) == 0)
        return section;
    json_decref(section);
    return NULL;
}

static json_t *own_balloon(const struct line *line)
{
    const struct balloon_info *info = &line->now->balloon;
    char features[24];
    (void)snprintf(features, sizeof(features), "0x%" PRIx64, info->features);
    json_t *section =
        json_pack("{s:s, s:s, s:I, s:I, s:b, s:b}", "form", metrics_form_name(info->form),
                  "features", features, "poison_val", (json_int_t)info->poison_val,
                  "stats_interval_s", (json_int_t)info->stats_interval_s, "change_done",
                  (int)info->change_done, "change_stalled", (int)info->change_stalled);
    if (put_figures(section, metrics_balloon_figures, metrics_balloon_figure_count, info,
                    &line->last->balloon) == 0)
        return section;
    json_decref(section);
    return NULL;
}

/* The guest's own counters are not ours to subtract from: it may begin anew. */
static json_t *own_guest(const struct line *line)
{
    const struct balloon_stats *stats = &line->now->stats;
    json_t *section = json_object();
    int rc = put(section, "reports", SINCE(line, stats.reports));
    if (rc == 0)
        rc = json_object_set_new(section, "age_ms",
                                 stats->reports == 0
                                     ? json_null()
                                     : json_integer((json_int_t)(stats->age_ns / NS_PER_MS)));
    for (unsigned tag = 0; tag < BALLOON_STAT_TAGS && rc == 0; tag++) {
        if ((stats->valid >> tag & 1) != 0)
            rc = put(section, metrics_guest_figures[tag].name, stats->value[tag]);
    }
    if (rc == 0)
        return section;
    json_decref(section);
    return NULL;
}

static int put_own_requests(json_t *own, const struct line *line)
{
    static const char *const names[METRICS_METHODS] = {"get_api_requests", "put_api_requests",
                                                       "patch_api_requests"};
    int rc = put(own, "unknown_api_requests", SINCE(line, api.unknown));
    for (unsigned method = 0; method < METRICS_METHODS && rc == 0; method++)
        rc = json_object_set_new(own, names[method],
                                 requests(line, (enum metrics_method)method, false));
    return rc;
}

static json_t *own(const struct line *line)
{
    const struct metrics_sample *now = line->now;
    json_t *section =
        json_pack("{s:s*, s:s}", "version", now->version, "state", metrics_state_name(now->state));
    int rc = section == NULL ? -1 : 0;
    if (rc == 0 && now->has_machine)
        rc = json_object_set_new(section, "machine", own_machine(line));
    if (rc == 0 && now->has_balloon)
        rc = json_object_set_new(section, "balloon", own_balloon(line));
    if (rc == 0 && now->has_balloon)
        rc = json_object_set_new(section, "guest", own_guest(line));
    if (rc == 0)
        rc = put_own_requests(section, line);
    if (rc == 0)
        return section;
    json_decref(section);
    return NULL;
}

/* What comes before the sections; the timestamp is first, as Firecracker promises. */
static int put_head(json_t *root, const struct metrics_sample *now)
{
    int rc = put(root, "utc_timestamp_ms", now->time_ms);
    if (rc == 0 && now->emit_id) {
        char *id = metrics_clean_id(now);
        rc = json_object_set_new(root, "id", json_string(id));
        free(id);
    }
    if (rc == 0 && now->properties != NULL)
        rc = json_object_set_new(root, "properties",
                                 json_loads(now->properties, JSON_REJECT_DUPLICATES, NULL));
    return rc;
}

int metrics_json(const struct metrics_sample *now, const struct metrics_sample *last, char **out)
{
    static const struct metrics_sample nothing;
    static const struct {
        const char *name;
        json_t *(*build)(const struct line *line);
    } sections[] = {
        {"api_server", api_server},
        {"balloon", balloon},
        {"deprecated_api", deprecated_api},
        {"get_api_requests", get_requests},
        {"latencies_us", latencies},
        {"logger", logger},
        {"patch_api_requests", patch_requests},
        {"put_api_requests", put_requests},
        {"uart", uart},
        {"vcpu", vcpu},
        {"aerostat", own},
    };
    const struct line line = {now, last == NULL ? &nothing : last};
    json_t *root = json_object();
    int rc = put_head(root, now);
    for (size_t i = 0; i < ARRAY_LEN(sections) && rc == 0; i++)
        rc = json_object_set_new(root, sections[i].name, sections[i].build(&line));
    char *text = rc == 0 ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (text == NULL)
        return -ENOMEM;
    *out = text;
    return 0;
}
