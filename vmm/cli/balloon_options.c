/* SPDX-License-Identifier: Apache-2.0 */
/* The command lines of `aerostat balloon`. */
#include <errno.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/options.h"
#include "vmm/cli/vm.h"

/* A day; longer waits are loops of the caller. */
#define WAIT_MAX_S 86400u

/* The control socket's own bound. */
#define REFRESH_MAX_MS 10000u

#define INTERVAL_MIN_MS     20u
#define INTERVAL_DEFAULT_MS 1000u
#define INTERVAL_MAX_MS     3600000u
#define COUNT_MAX           UINT32_MAX

enum { OPT_API_SOCK = 1, OPT_WAIT, OPT_JSON, OPT_REFRESH, OPT_INTERVAL, OPT_COUNT };

#define API_SOCK_OPTION                                                                            \
    {                                                                                              \
        .name = "api-sock", .id = OPT_API_SOCK, .value = "PATH",                                   \
        .help = "the machine's control socket, instead of VM", .complete = CMD_COMPLETE_FILE       \
    }

#define VM_ARG                                                                                     \
    {                                                                                              \
        .name = "VM", .help = "a machine's name, or its control socket's path with a slash in it", \
        .complete = CMD_COMPLETE_VM, .optional = true                                              \
    }

const struct command cmd_balloon = {
    .name = "balloon",
    .summary = "the memory that machines give back",
    .group = CMD_GROUP_CHANGE,
    .synopsis = "balloon set|show|watch|hint [VM] [OPTION...]",
    .description =
        "Sets, shows or watches the balloon of a running machine, or has the guest hint at its "
        "free pages.",
};

static const struct cmd_option set_options[] = {
    API_SOCK_OPTION,
    {.name = "wait",
     .id = OPT_WAIT,
     .value = "SECONDS",
     .help = "wait until the balloon has that size; exit status 1 when it does not get there, or "
             "stops moving"},
    {0},
};

static const struct cmd_arg set_args[] = {
    VM_ARG,
    {.name = "SIZE",
     .help = "what the guest gives up: a whole number with K, M or G behind it; alone it is MiB",
     .needs = "a size, as in: balloon set vm1 512M"},
    {0},
};

static const struct cmd_example set_examples[] = {
    {"aerostat balloon set vm1 1G --wait 10",
     "take a GiB from the guest, and say how long that took"},
    {"aerostat balloon set 0 --api-sock ./vm.sock", "give all memory back to the guest"},
    {0},
};

const struct command cmd_balloon_set = {
    .name = "balloon set",
    .summary = "ask a running machine's balloon for a size",
    .group = CMD_GROUP_CHANGE,
    .synopsis =
        "balloon set VM SIZE [--wait SECONDS]\nballoon set SIZE --api-sock PATH [--wait SECONDS]",
    .description = "Asks the guest of a running machine to give up memory, or to take it back.",
    .options = set_options,
    .args = set_args,
    .examples = set_examples,
    .run = balloon_set,
};

static const struct cmd_option show_options[] = {
    API_SOCK_OPTION,
    {.name = "json",
     .id = OPT_JSON,
     .help = "print the control socket's answer as it is, instead of lines of key and value"},
    {.name = "refresh",
     .id = OPT_REFRESH,
     .value = "MS",
     .help = "ask the guest for fresh statistics, and wait for them, up to 10000 ms"},
    {0},
};

static const struct cmd_arg look_args[] = {VM_ARG, {0}};

const struct command cmd_balloon_show = {
    .name = "balloon show",
    .summary = "show a running machine's balloon and its counters",
    .group = CMD_GROUP_LOOK,
    .synopsis = "balloon show VM [--json] [--refresh MS]\nballoon show --api-sock PATH [--json] "
                "[--refresh MS]",
    .description = "Shows what the guest says of the balloon and what the host got back.",
    .options = show_options,
    .args = look_args,
    .run = balloon_show,
};

static const struct cmd_option watch_options[] = {
    API_SOCK_OPTION,
    {.name = "interval",
     .id = OPT_INTERVAL,
     .value = "MS",
     .help = "look so often, 20 to 3600000 ms (default: 1000)"},
    {.name = "count", .id = OPT_COUNT, .value = "N", .help = "end after N lines"},
    {.name = "json", .id = OPT_JSON, .help = "print a JSON object a line"},
    {0},
};

static const struct cmd_example watch_examples[] = {
    {"aerostat balloon watch vm1 --interval 100", "see a change happen, ten lines a second"},
    {0},
};

const struct command cmd_balloon_watch = {
    .name = "balloon watch",
    .summary = "print a line whenever a running machine's balloon has changed",
    .group = CMD_GROUP_LOOK,
    .synopsis = "balloon watch VM [OPTION...]\nballoon watch --api-sock PATH [OPTION...]",
    .description =
        "Looks once a second, and prints a line when something has changed: the seconds since the "
        "start, what the balloon is asked for, what it holds, what the host holds for the guest, "
        "and what the host has got back by the balloon so far. Until Ctrl-C, or the machine's "
        "end.",
    .options = watch_options,
    .args = look_args,
    .exit_status = "0 after N lines, or when the machine has ended; 1 when it does not answer at "
                   "all; 130 after Ctrl-C.",
    .examples = watch_examples,
    .run = balloon_watch,
};

static const struct cmd_option hint_options[] = {
    API_SOCK_OPTION,
    {.name = "json", .id = OPT_JSON, .help = "print the status as the control socket answers it"},
    {0},
};

static const struct cmd_arg hint_args[] = {
    VM_ARG,
    {.name = "ACTION",
     .help = "start a round of hints, stop it (the guest may use its pages again), or show its "
             "status",
     .needs = "a word: start, stop or status",
     .words = "start stop status"},
    {0},
};

const struct command cmd_balloon_hint = {
    .name = "balloon hint",
    .summary = "have a running machine's guest hint at its free pages",
    .group = CMD_GROUP_CHANGE,
    .synopsis = "balloon hint VM start|stop|status [--json]\n"
                "balloon hint start|stop|status --api-sock PATH [--json]",
    .description = "Has the guest name its free pages, which the host takes back until the guest "
                   "uses them again. The machine needs free page hinting.",
    .options = hint_options,
    .args = hint_args,
    .run = balloon_hint,
};

static int read_target(const char *text, struct balloon_options *out, struct err *err)
{
    uint64_t bytes = 0;
    int rc = cfg_parse_size("balloon set", text, &bytes, err);
    if (rc < 0)
        return rc;
    if (!is_aligned(bytes, MIB))
        return err_set(err, -EINVAL, "balloon set: %.40s is not a whole number of MiB", text);
    out->target_mib = bytes / MIB;
    return 0;
}

static int read_hint(const char *text, struct balloon_options *out, struct err *err)
{
    static const char *const words[] = {
        [HINT_START] = "start", [HINT_STOP] = "stop", [HINT_STATUS] = "status"};
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i], text) == 0) {
            out->hint = i;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "balloon hint: \"%.40s\" is not one of start, stop, status", text);
}

static int apply(const struct cmd_given *given, struct balloon_options *out, struct err *err)
{
    switch (given->id) {
    case OPT_API_SOCK:
        out->api_sock = given->value;
        return 0;
    case OPT_WAIT:
        out->wait = true;
        return cfg_parse_count("--wait", given->value, 1, WAIT_MAX_S, &out->wait_s, err);
    case OPT_JSON:
        out->json = true;
        return 0;
    case OPT_INTERVAL:
        return cfg_parse_count("--interval", given->value, INTERVAL_MIN_MS, INTERVAL_MAX_MS,
                               &out->interval_ms, err);
    case OPT_COUNT:
        return cfg_parse_count("--count", given->value, 1, COUNT_MAX, &out->count, err);
    default:
        return cfg_parse_count("--refresh", given->value, 1, REFRESH_MAX_MS, &out->refresh_ms, err);
    }
}

int balloon_options_read(const struct cmd_line *line, struct balloon_options *out, struct err *err)
{
    int rc = 0;
    *out = (struct balloon_options){.interval_ms = INTERVAL_DEFAULT_MS};
    for (unsigned i = 0; rc == 0 && i < line->n_options; i++)
        rc = apply(&line->options[i], out, err);
    out->vm = cmd_word(line, 0);
    if (rc == 0 && out->vm == NULL && out->api_sock == NULL)
        rc = vm_missing(line->cmd->name, err);
    if (rc == 0 && out->vm != NULL && out->api_sock != NULL)
        rc = err_set(err, -EINVAL, "%s: both a machine (%.80s) and --api-sock were given",
                     line->cmd->name, out->vm);
    if (rc == 0 && line->cmd == &cmd_balloon_set)
        rc = read_target(cmd_word(line, 1), out, err);
    if (rc == 0 && line->cmd == &cmd_balloon_hint)
        rc = read_hint(cmd_word(line, 1), out, err);
    if (rc == 0 && line->cmd == &cmd_balloon_hint && out->json && out->hint != HINT_STATUS)
        rc = err_set(err, -EINVAL, "balloon hint %s: --json is for status", cmd_word(line, 1));
    return rc;
}
