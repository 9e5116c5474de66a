/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat ps`: the running machines. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/vm.h"
#include "vmm/config/config.h"

enum { OPT_JSON = 1, OPT_NAMES, OPT_VERBOSE };

static uint64_t now_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* "123M", or "-" where it is not known. */
static const char *mib(bool known, uint64_t bytes, char out[24])
{
    (void)snprintf(out, 24, known ? "%" PRIu64 "M" : "-", bytes / MIB);
    return out;
}

static void print_row(const struct vm_ref *vm, int name_width)
{
    struct vm_figures f;
    char age[24];
    char ram[24];
    char target[24];
    char actual[24];
    char resident[24];
    (void)vm_ask(vm, &f, NULL);
    vm_format_time(sub_sat_u64(now_ms(), vm->entry.started_ms), age);
    (void)printf("%-*s %8d  %-11s %8s %8s %8s %8s %8s\n", name_width, vm->entry.name,
                 (int)vm->entry.pid, f.state[0] == '\0' ? "No answer" : f.state, age,
                 mib(f.has_host, f.ram_bytes, ram), mib(f.has_balloon, f.target_bytes, target),
                 mib(f.has_balloon, f.actual_bytes, actual),
                 mib(f.has_host, f.resident_bytes, resident));
}

static void print_table(const struct vm_ref *vms, size_t count)
{
    int width = 4;
    for (size_t i = 0; i < count; i++) {
        int len = (int)strlen(vms[i].entry.name);
        width = len > width ? len : width;
    }
    (void)printf("%-*s %8s  %-11s %8s %8s %8s %8s %8s\n", width, "NAME", "PID", "STATE", "AGE",
                 "MEMORY", "TARGET", "BALLOON", "RESIDENT");
    for (size_t i = 0; i < count; i++)
        print_row(&vms[i], width);
}

/* json_null() for what is not known. */
static json_t *number(bool known, uint64_t value)
{
    return known ? json_integer((json_int_t)value) : json_null();
}

static json_t *describe(const struct vm_ref *vm)
{
    struct vm_figures f;
    (void)vm_ask(vm, &f, NULL);
    return json_pack(
        "{s:s, s:i, s:o, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", vm->entry.name,
        "pid", (int)vm->entry.pid, "state", f.state[0] == '\0' ? json_null() : json_string(f.state),
        "started_ms", (json_int_t)vm->entry.started_ms, "detached", (int)vm->entry.detached,
        "api_sock", cfg_json_text(vm->api_sock), "uptime_ms", number(f.has_host, f.uptime_ms),
        "ram_bytes", number(f.has_host, f.ram_bytes), "resident_bytes",
        number(f.has_host, f.resident_bytes), "target_bytes", number(f.has_balloon, f.target_bytes),
        "actual_bytes", number(f.has_balloon, f.actual_bytes), "returned_bytes",
        number(f.has_balloon, f.returned_bytes));
}

static int print_json(const struct vm_ref *vms, size_t count, struct err *err)
{
    json_t *all = json_array();
    int rc = all == NULL ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = json_array_append_new(all, describe(&vms[i]));
    if (rc == 0)
        rc = json_dumpf(all, stdout, JSON_INDENT(2));
    json_decref(all);
    (void)printf("\n");
    return rc < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int ps(const struct cmd_line *line)
{
    AUTO_FREE struct vm_ref *vms = NULL;
    size_t count = 0;
    struct err err = {0};
    if (cmd_given(line, OPT_VERBOSE))
        log_set_level(LOG_INFO);
    int rc = vm_list(&vms, &count, &err);
    if (rc == 0 && cmd_given(line, OPT_JSON))
        rc = print_json(vms, count, &err);
    else if (rc == 0 && cmd_given(line, OPT_NAMES))
        for (size_t i = 0; i < count; i++)
            (void)printf("%s\n", vms[i].entry.name);
    else if (rc == 0)
        print_table(vms, count);
    if (rc < 0)
        log_error("%s", err.text);
    return rc < 0 ? CLI_FAILED : CLI_OK;
}

static const struct cmd_option options[] = {
    {.name = "json",
     .id = OPT_JSON,
     .help = "print an array of objects; null is what a machine does not have or does not tell"},
    {.name = "names", .id = OPT_NAMES, .help = "print the names only, and ask no machine"},
    {.name = "verbose",
     .id = OPT_VERBOSE,
     .letter = 'v',
     .help = "say what was left by killed monitors, and is removed"},
    {0},
};

const struct command cmd_ps = {
    .name = "ps",
    .summary = "list the running machines",
    .group = CMD_GROUP_LOOK,
    .description = "Lists the machines of this user that run, whether they were started on a "
                   "terminal or detached.",
    .options = options,
    .notes =
        "MEMORY is the guest's, TARGET what its balloon is asked for, BALLOON what that holds, "
        "RESIDENT what the host holds for the guest; a machine without a balloon has \"-\".\n\n"
        "The machines' folders are in $AEROSTAT_RUNTIME_DIR; else in $XDG_RUNTIME_DIR/aerostat; "
        "else in /run/aerostat for root, /tmp/aerostat-UID for others. What a killed monitor left "
        "there is removed.",
    .run = ps,
};
