/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat doctor`: what this host has and lacks for guests that give memory back. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/api/server.h"
#include "vmm/base/log.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/doctor_priv.h"

enum { OPT_JSON = 1 };

#define NAME_COLUMN  6u
#define VALUE_COLUMN 22u

static const struct {
    const char *word;
    const char *colour;
} levels[] = {
    [DOCTOR_OK] = {"ok", "\033[32m"},
    [DOCTOR_WARN] = {"warn", "\033[33m"},
    [DOCTOR_FAIL] = {"fail", "\033[31m"},
};

struct doctor_finding *doctor_find(struct doctor *doctor, const char *name, enum doctor_level level,
                                   const char *mend, const char *fmt, ...)
{
    struct doctor_finding *finding = &doctor->findings[doctor->n];
    va_list args;
    if (doctor->n + 1 < DOCTOR_FINDINGS_MAX)
        doctor->n++;
    *finding = (struct doctor_finding){.name = name, .level = level};
    (void)snprintf(finding->mend, sizeof(finding->mend), "%s", mend == NULL ? "" : mend);
    va_start(args, fmt);
    (void)vsnprintf(finding->value, sizeof(finding->value), fmt, args);
    va_end(args);
    return finding;
}

static unsigned count(const struct doctor *doctor, enum doctor_level level)
{
    unsigned n = 0;
    for (unsigned i = 0; i < doctor->n; i++)
        n += doctor->findings[i].level == level;
    return n;
}

bool doctor_is_well(const struct doctor *doctor)
{
    return count(doctor, DOCTOR_FAIL) == 0;
}

static void print_verdict(const struct doctor *doctor, FILE *out)
{
    unsigned warnings = count(doctor, DOCTOR_WARN);
    if (!doctor_is_well(doctor))
        (void)fprintf(out, "\nGuests cannot run here: see what fails.\n");
    else if (warnings == 0)
        (void)fprintf(out, "\nGuests can run here.\n");
    else
        (void)fprintf(out, "\nGuests can run here; %u %s.\n", warnings,
                      warnings == 1 ? "thing could be better" : "things could be better");
}

void doctor_print(const struct doctor *doctor, bool colour, unsigned width, FILE *out)
{
    for (unsigned i = 0; i < doctor->n; i++) {
        const struct doctor_finding *f = &doctor->findings[i];
        (void)fprintf(out, "%s%-*s%s%-*s", colour ? levels[f->level].colour : "", (int)NAME_COLUMN,
                      levels[f->level].word, colour ? "\033[0m" : "",
                      (int)(VALUE_COLUMN - NAME_COLUMN), f->name);
        cmd_help_wrap(VALUE_COLUMN, width, f->value, out);
        /* Commands are copied: they keep their line. */
        if (f->mend[0] != '\0')
            (void)fprintf(out, "%*smend: %s\n", (int)VALUE_COLUMN, "", f->mend);
    }
    print_verdict(doctor, out);
}

int doctor_print_json(const struct doctor *doctor, FILE *out)
{
    json_t *checks = json_array();
    for (unsigned i = 0; i < doctor->n; i++) {
        const struct doctor_finding *f = &doctor->findings[i];
        json_t *check =
            json_pack("{s:s, s:s, s:s, s:s*}", "name", f->name, "level", levels[f->level].word,
                      "value", f->value, "mend", f->mend[0] == '\0' ? NULL : f->mend);
        /* Steals the reference; refuses NULL. */
        if (json_array_append_new(checks, check) < 0) {
            json_decref(checks);
            return -ENOMEM;
        }
    }
    json_t *all = json_pack("{s:b, s:o}", "ok", doctor_is_well(doctor), "checks", checks);
    if (all == NULL)
        return -ENOMEM;
    int rc = json_dumpf(all, out, JSON_INDENT(2));
    json_decref(all);
    (void)fputc('\n', out);
    return rc < 0 ? -ENOMEM : 0;
}

/* Loaded only when a control socket has its first client, who is told late. */
void doctor_examine_library(struct doctor *doctor)
{
    struct err err = {0};
    if (api_server_preload(&err) == 0)
        doctor_find(doctor, "control socket", DOCTOR_OK, NULL, "the HTTP library is there");
    else
        doctor_find(doctor, "control socket", DOCTOR_FAIL, NULL, "%.300s", err.text);
}

static int doctor_run(const struct cmd_line *line)
{
    struct doctor doctor = {.root = "", .kvm_path = "/dev/kvm"};
    bool colour = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    doctor_examine_kvm(&doctor);
    doctor_examine_return(&doctor);
    doctor_examine_memory(&doctor);
    doctor_examine_limits(&doctor);
    doctor_examine_guests(&doctor);
    doctor_examine_library(&doctor);
    if (!cmd_given(line, OPT_JSON))
        doctor_print(&doctor, colour, cmd_help_width(stdout), stdout);
    else if (doctor_print_json(&doctor, stdout) < 0)
        log_error("doctor: out of memory");
    return doctor_is_well(&doctor) ? CLI_OK : CLI_FAILED;
}

static const struct cmd_option options[] = {
    {.name = "json",
     .id = OPT_JSON,
     .help = "print JSON: ok, and the checks with name, level, value and mend"},
    {0},
};

const struct command cmd_doctor = {
    .name = "doctor",
    .summary = "say what this host has and lacks for guests",
    .group = CMD_GROUP_HOST,
    .description =
        "Looks at KVM, memory, limits and settings of this host, and really gives 4 MiB back to "
        "it. "
        "Each line says what was seen and whether that is ok; \"warn\" is worse than it could be, "
        "with \"fail\" guests do not run. Below it is the command that mends it, where there is "
        "one; nothing is changed, but that the folder for machines' names is made.",
    .options = options,
    .exit_status = "0 when guests can run, 1 otherwise.",
    .run = doctor_run,
};
