/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as OpenMetrics 1.0 text: families with their type, unit and help, then their samples. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"
#include "vmm/metrics/figures.h"
#include "vmm/metrics/metrics_priv.h"

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_US UINT64_C(1000)

/* The text while it is made. Errors stay in the stream and are looked at in the end. */
struct text {
    FILE *out;
    const char *id;
};

struct family {
    const char *name; /* without "aerostat_", unit and "_total" */
    enum metrics_unit unit;
    bool counter;
    const char *help;
};

static const char *unit_suffix(enum metrics_unit unit)
{
    static const char *const suffixes[] = {
        [METRICS_COUNT] = "", [METRICS_BYTES] = "_bytes", [METRICS_NS] = "_seconds"};
    return suffixes[unit];
}

static void put_family(const struct text *t, const struct family *f)
{
    const char *suffix = unit_suffix(f->unit);
    fprintf(t->out, "# TYPE aerostat_%s%s %s\n", f->name, suffix, f->counter ? "counter" : "gauge");
    if (f->unit != METRICS_COUNT)
        fprintf(t->out, "# UNIT aerostat_%s%s %s\n", f->name, suffix, suffix + 1);
    fprintf(t->out, "# HELP aerostat_%s%s %s.\n", f->name, suffix, f->help);
}

/* A label's value between its quotes. */
static void put_escaped(FILE *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            (void)fputc('\\', out);
        if (*value == '\n')
            (void)fputs("\\n", out);
        else
            (void)fputc(*value, out);
    }
}

static void put_labels(const struct text *t, const char *label)
{
    (void)fputs("{id=\"", t->out);
    put_escaped(t->out, t->id);
    fprintf(t->out, "\"%s%s}", label == NULL ? "" : ",", label == NULL ? "" : label);
}

/* label is in the form of the text; NULL: none. */
static void put_value(const struct text *t, const struct family *f, const char *label,
                      uint64_t value)
{
    fprintf(t->out, "aerostat_%s%s%s", f->name, unit_suffix(f->unit), f->counter ? "_total" : "");
    put_labels(t, label);
    if (f->unit == METRICS_NS)
        fprintf(t->out, " %" PRIu64 ".%09" PRIu64 "\n", value / NS_PER_S, value % NS_PER_S);
    else
        fprintf(t->out, " %" PRIu64 "\n", value);
}

/* A family of one. */
static void put_one(const struct text *t, const char *name, enum metrics_unit unit, bool counter,
                    uint64_t value, const char *help)
{
    const struct family f = {name, unit, counter, help};
    put_family(t, &f);
    put_value(t, &f, NULL, value);
}

static struct family family_of(const struct metrics_figure *figure)
{
    return (struct family){figure->family, figure->unit, figure->counter, figure->help};
}

/* The table's order keeps the samples of a family together. */
static void put_figures(const struct text *t, const struct metrics_figure *figures, size_t n,
                        const void *from)
{
    for (size_t i = 0; i < n; i++) {
        const struct family f = family_of(&figures[i]);
        if (figures[i].label == NULL || i == 0 ||
            strcmp(figures[i - 1].family, figures[i].family) != 0)
            put_family(t, &f);
        put_value(t, &f, figures[i].label, metrics_figure_of(&figures[i], from));
    }
}

static void put_monitor(const struct text *t, const struct metrics_sample *now)
{
    static const enum machine_state states[] = {MACHINE_NOT_STARTED, MACHINE_RUNNING,
                                                MACHINE_PAUSED, MACHINE_STOPPED};
    char label[64];
    (void)snprintf(label, sizeof(label), "version=\"%s\"",
                   now->version == NULL ? "" : now->version);
    (void)fputs("# TYPE aerostat_build info\n# HELP aerostat_build The monitor.\n"
                "aerostat_build_info",
                t->out);
    put_labels(t, label);
    (void)fputs(" 1\n# TYPE aerostat_state stateset\n"
                "# HELP aerostat_state What the machine does.\n",
                t->out);
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        (void)snprintf(label, sizeof(label), "aerostat_state=\"%s\"",
                       metrics_state_name(states[i]));
        (void)fputs("aerostat_state", t->out);
        put_labels(t, label);
        fprintf(t->out, " %d\n", states[i] == now->state);
    }
}

static void put_times(const struct text *t, const struct metrics_sample *now)
{
    put_one(t, "startup", METRICS_NS, false, now->startup_us * NS_PER_US,
            "From the beginning of the process to a machine that is ready, 0 where not known");
    put_one(t, "startup_cpu", METRICS_NS, false, now->startup_cpu_us * NS_PER_US,
            "Processor time that this took");
    put_one(t, "last_pause", METRICS_NS, false, now->pause_us * NS_PER_US,
            "How long the last request to pause took");
    put_one(t, "last_resume", METRICS_NS, false, now->resume_us * NS_PER_US,
            "How long the last request to resume took");
}

/* What the balloon has beside its table. */
static void put_balloon(const struct text *t, const struct balloon_info *info)
{
    char label[64];
    put_figures(t, metrics_balloon_figures, metrics_balloon_figure_count, info);
    put_one(t, "balloon_change_done", METRICS_COUNT, false, info->change_done,
            "Whether the guest has reached the last target");
    put_one(t, "balloon_change_stalled", METRICS_COUNT, false, info->change_stalled,
            "Whether it has come no nearer for some seconds");
    put_one(t, "balloon_stats_interval", METRICS_NS, false, info->stats_interval_s * NS_PER_S,
            "How often the guest is asked for its statistics");
    (void)snprintf(label, sizeof(label),
                   "form=\"%s\",features=\"0x%" PRIx64 "\",poison_val=\"0x%" PRIx32 "\"",
                   metrics_form_name(info->form), info->features, info->poison_val);
    (void)fputs("# TYPE aerostat_balloon_driver info\n"
                "# HELP aerostat_balloon_driver What the driver in the guest negotiated.\n"
                "aerostat_balloon_driver_info",
                t->out);
    put_labels(t, label);
    (void)fputs(" 1\n", t->out);
}

static void put_guest(const struct text *t, const struct balloon_stats *stats)
{
    put_one(t, "guest_reports", METRICS_COUNT, true, stats->reports,
            "Reports of statistics that the guest sent");
    if (stats->reports > 0)
        put_one(t, "guest_report_age", METRICS_NS, false, stats->age_ns, "Since the last of them");
    for (unsigned tag = 0; tag < BALLOON_STAT_TAGS; tag++) {
        if ((stats->valid >> tag & 1) != 0)
            put_figures(t, &metrics_guest_figures[tag], 1, stats);
    }
}

static void put_requests(const struct text *t, const struct metrics_api_counts *api, bool fails)
{
    const struct family f = {fails ? "api_request_failures" : "api_requests", METRICS_COUNT, true,
                             fails ? "Requests that were answered with a fault"
                                   : "Requests to the control socket"};
    char label[96];
    put_family(t, &f);
    for (size_t i = 0; i < metrics_route_count; i++) {
        const struct metrics_route *route = &metrics_routes[i];
        const struct metrics_api_count *count = &api->by[route->method][route->section];
        (void)snprintf(label, sizeof(label), "method=\"%s\",section=\"%s\"",
                       metrics_method_names[route->method], route->name);
        put_value(t, &f, label, fails ? count->fails : count->requests);
    }
}

static void put_outputs(const struct text *t, const struct metrics_sample *now)
{
    put_one(t, "api_unknown_requests", METRICS_COUNT, true, now->api.unknown,
            "Requests that no route took");
    put_one(t, "api_deprecated_requests", METRICS_COUNT, true, now->api.deprecated,
            "Requests that used what Firecracker calls deprecated");
    put_one(t, "log_lost", METRICS_COUNT, true, now->log.lost,
            "Messages that could not be written");
    put_one(t, "log_rate_limited", METRICS_COUNT, true, now->log.rate_limited,
            "Messages that a guest caused and that were held back");
    put_one(t, "metrics_lines", METRICS_COUNT, true, now->sink.lines,
            "Lines written to the metrics file");
    put_one(t, "metrics_missed", METRICS_COUNT, true, now->sink.missed,
            "Lines not written to the metrics file since nobody reads it");
    put_one(t, "metrics_failures", METRICS_COUNT, true, now->sink.fails,
            "Lines not written to the metrics file for another reason");
}

static void put_all(const struct text *t, const struct metrics_sample *now)
{
    put_monitor(t, now);
    put_times(t, now);
    if (now->has_machine)
        put_figures(t, metrics_machine_figures, metrics_machine_figure_count, &now->machine);
    if (now->has_balloon) {
        put_balloon(t, &now->balloon);
        put_guest(t, &now->stats);
    }
    put_requests(t, &now->api, false);
    put_requests(t, &now->api, true);
    put_outputs(t, now);
    (void)fputs("# EOF\n", t->out);
}

int metrics_openmetrics(const struct metrics_sample *now, char **out)
{
    AUTO_FREE char *id = metrics_clean_id(now);
    char *text = NULL;
    size_t len = 0;
    FILE *stream = id == NULL ? NULL : open_memstream(&text, &len);
    if (stream == NULL)
        return -ENOMEM;
    put_all(&(struct text){stream, id}, now);
    bool failed = ferror(stream) != 0;
    if (fclose(stream) != 0 || failed) {
        free(text);
        return -ENOMEM;
    }
    *out = text;
    return 0;
}
