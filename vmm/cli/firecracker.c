/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of a program called firecracker, for tools that start that: what it takes and
 * prints, and the exit statuses that its callers know.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/api/server.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/session.h"

#define NS_PER_US 1000u

#define DEFAULT_SOCKET "/run/firecracker.socket"
#define ID_MAX         64u

/* Firecracker's. */
enum { STATUS_BAD_CONFIGURATION = 152, STATUS_BAD_ARGUMENTS = 153 };

enum {
    OPT_API_SOCK = 1,
    OPT_ID,
    OPT_CONFIG_FILE,
    OPT_NO_API,
    OPT_LOG_PATH,
    OPT_LEVEL,
    OPT_SHOW_LEVEL,
    OPT_SHOW_LOG_ORIGIN,
    OPT_METRICS_PATH,
    OPT_BOOT_TIMER,
    OPT_START_TIME_US,
    OPT_START_TIME_CPU_US,
    OPT_PARENT_CPU_TIME_US,
    OPT_HTTP_API_MAX_PAYLOAD_SIZE,
    OPT_MMDS_SIZE_LIMIT,
    OPT_NO_SECCOMP,
    OPT_VERSION,
    /* From here on they ask for what there is not. */
    OPT_MODULE,
    OPT_SECCOMP_FILTER,
    OPT_METADATA,
    OPT_ENABLE_PCI,
    OPT_SNAPSHOT_VERSION,
    OPT_DESCRIBE_SNAPSHOT,
};

static const struct cmd_option options[] = {
    {.name = "api-sock",
     .id = OPT_API_SOCK,
     .value = "PATH",
     .help = "the control socket (default: " DEFAULT_SOCKET ")"},
    {.name = "id",
     .id = OPT_ID,
     .value = "ID",
     .help = "the machine's name (default: " SESSION_ID_DEFAULT ")"},
    {.name = "config-file",
     .id = OPT_CONFIG_FILE,
     .value = "FILE",
     .help = "JSON that describes the machine, which starts at once"},
    {.name = "no-api", .id = OPT_NO_API, .help = "no control socket; needs --config-file"},
    {.name = "log-path",
     .id = OPT_LOG_PATH,
     .value = "PATH",
     .help = "a file or FIFO for messages"},
    {.name = "level",
     .id = OPT_LEVEL,
     .value = "WORD",
     .help = "Error, Warning, Info, Debug, Trace, Off"},
    {.name = "show-level", .id = OPT_SHOW_LEVEL, .help = "messages have their level"},
    {.name = "show-log-origin",
     .id = OPT_SHOW_LOG_ORIGIN,
     .help = "messages have their place in the source"},
    {.name = "metrics-path",
     .id = OPT_METRICS_PATH,
     .value = "PATH",
     .help = "a file or FIFO for metrics"},
    {.name = "boot-timer",
     .id = OPT_BOOT_TIMER,
     .help = "a guest that writes 123 to address 0xc0000000 has the time since its start logged"},
    {.name = "start-time-us",
     .id = OPT_START_TIME_US,
     .value = "N",
     .help = "when this process was started (CLOCK_MONOTONIC)"},
    {.name = "start-time-cpu-us",
     .id = OPT_START_TIME_CPU_US,
     .value = "N",
     .help = "its processor time then"},
    {.name = "parent-cpu-time-us",
     .id = OPT_PARENT_CPU_TIME_US,
     .value = "N",
     .help = "processor time that its parent spent for it"},
    {.name = "http-api-max-payload-size",
     .id = OPT_HTTP_API_MAX_PAYLOAD_SIZE,
     .value = "BYTES",
     .help = "the largest body of a request (default: 51200)"},
    {.name = "mmds-size-limit",
     .id = OPT_MMDS_SIZE_LIMIT,
     .value = "BYTES",
     .help = "is taken, and limits nothing: there is no metadata service"},
    {.name = "no-seccomp", .id = OPT_NO_SECCOMP, .help = "is taken: there are no filters"},
    {.name = "version", .id = OPT_VERSION, .help = "print the version"},
    {.name = "module",
     .id = OPT_MODULE,
     .value = "PATH",
     .help = "not supported by this version of Aerostat"},
    {.name = "seccomp-filter",
     .id = OPT_SECCOMP_FILTER,
     .value = "FILE",
     .help = "not supported by this version of Aerostat"},
    {.name = "metadata",
     .id = OPT_METADATA,
     .value = "FILE",
     .help = "not supported by this version of Aerostat"},
    {.name = "enable-pci",
     .id = OPT_ENABLE_PCI,
     .help = "not supported by this version of Aerostat"},
    {.name = "snapshot-version",
     .id = OPT_SNAPSHOT_VERSION,
     .help = "not supported by this version of Aerostat"},
    {.name = "describe-snapshot",
     .id = OPT_DESCRIBE_SNAPSHOT,
     .value = "FILE",
     .help = "not supported by this version of Aerostat"},
    {0},
};

static int copy(char **slot, const char *text, struct err *err)
{
    free(*slot);
    *slot = strdup(text);
    return *slot == NULL ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int set_id(struct session_plan *plan, const char *id, struct err *err)
{
    size_t len = strlen(id);
    size_t good = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
    if (len < 1 || len > ID_MAX || good != len)
        return err_set(err, -EINVAL, "--id: \"%.80s\" is not 1 to %u letters, digits and hyphens",
                       id, ID_MAX);
    plan->id = id;
    return 0;
}

static int set_level(struct cfg_logger *logger, const char *word, struct err *err)
{
    if (log_parse_level(word, &logger->level) < 0)
        return err_set(err, -EINVAL,
                       "--level: \"%.40s\" is not one of Error, Warning, Info, Debug, Trace, Off",
                       word);
    logger->level_given = true;
    return 0;
}

static int set_payload(struct session_plan *plan, const char *text, struct err *err)
{
    uint64_t bytes = 0;
    int rc =
        cfg_parse_count("--http-api-max-payload-size", text, 1, API_BODY_LIMIT_MAX, &bytes, err);
    if (rc == 0)
        plan->body_limit = (size_t)bytes;
    return rc;
}

static int set_time(const char *what, const char *text, uint64_t *out, struct err *err)
{
    return cfg_parse_count(what, text, 0, INT64_MAX, out, err);
}

static int apply_logger(struct vm_config *cfg, const struct cmd_given *given, struct err *err)
{
    struct cfg_logger *logger = &cfg->logger;
    logger->given = true;
    switch (given->id) {
    case OPT_LOG_PATH:
        return copy(&logger->path, given->value, err);
    case OPT_LEVEL:
        return set_level(logger, given->value, err);
    case OPT_SHOW_LEVEL:
        logger->show_level = true;
        return 0;
    default:
        logger->show_origin = true;
        return 0;
    }
}

static int apply(struct session_plan *plan, const struct cmd_given *given, struct err *err)
{
    struct metrics_start *started = &plan->started;
    const char *text = given->value;
    switch (given->id) {
    case OPT_ID:
        return set_id(plan, text, err);
    case OPT_LOG_PATH:
    case OPT_LEVEL:
    case OPT_SHOW_LEVEL:
    case OPT_SHOW_LOG_ORIGIN:
        return apply_logger(&plan->config, given, err);
    case OPT_METRICS_PATH:
        return copy(&plan->config.metrics.path, text, err);
    case OPT_BOOT_TIMER:
        plan->config.boot_timer = true;
        return 0;
    case OPT_START_TIME_US:
        return set_time("--start-time-us", text, &started->start_us, err);
    case OPT_START_TIME_CPU_US:
        return set_time("--start-time-cpu-us", text, &started->start_cpu_us, err);
    case OPT_PARENT_CPU_TIME_US:
        return set_time("--parent-cpu-time-us", text, &started->parent_cpu_us, err);
    case OPT_HTTP_API_MAX_PAYLOAD_SIZE:
        return set_payload(plan, text, err);
    default:
        return 0;
    }
}

static int refuse(const struct cmd_given *given, struct err *err)
{
    for (const struct cmd_option *o = options; o->name != NULL; o++) {
        if (o->id == given->id)
            return err_set(err, -EINVAL, "--%s: not supported by this version of Aerostat",
                           o->name);
    }
    return -EINVAL;
}

static int read_arguments(const struct cmd_line *line, struct session_plan *plan, struct err *err)
{
    bool no_api = cmd_given(line, OPT_NO_API);
    const char *sock = cmd_value(line, OPT_API_SOCK);
    int rc = 0;
    if (no_api && !cmd_given(line, OPT_CONFIG_FILE))
        return err_set(err, -EINVAL,
                       "--no-api needs --config-file: nothing else could describe "
                       "the machine");
    if (!no_api)
        rc = copy(&plan->config.api_sock, sock == NULL ? DEFAULT_SOCKET : sock, err);
    for (unsigned i = 0; i < line->n_options && rc == 0; i++)
        rc = line->options[i].id >= OPT_MODULE ? refuse(&line->options[i], err)
                                               : apply(plan, &line->options[i], err);
    return rc;
}

static int fail(struct session_plan *plan, int status, const struct err *err)
{
    cfg_finish(&plan->config);
    log_error("%s", err->text);
    return status;
}

static int print_version(void)
{
    (void)printf("Firecracker v%s\n\nThis is Aerostat %s, which speaks that version's API.\n",
                 API_FIRECRACKER_VERSION, AEROSTAT_VERSION);
    return CLI_OK;
}

static int start(const struct cmd_line *line)
{
    struct err err = {0};
    const char *file = cmd_value(line, OPT_CONFIG_FILE);
    struct session_plan plan = {
        .id = SESSION_ID_DEFAULT,
        .console_out = STDOUT_FILENO,
        .console_input = true,
        .wait_for_start = file == NULL,
        .started = {.start_us = clock_mono_ns() / NS_PER_US},
    };
    if (cmd_given(line, OPT_VERSION))
        return print_version();
    if (cfg_init(&plan.config) < 0)
        return fail(&plan, CLI_FAILED, &(struct err){"out of memory"});
    if (read_arguments(line, &plan, &err) < 0)
        return fail(&plan, STATUS_BAD_ARGUMENTS, &err);
    if (file != NULL &&
        (cfg_load(&plan.config, file, &err) < 0 || cfg_check(&plan.config, &err) < 0))
        return fail(&plan, STATUS_BAD_CONFIGURATION, &err);
    log_set_id(plan.id);
    return session_run(&plan);
}

const struct command cmd_firecracker = {
    .name = "firecracker",
    .summary = "Aerostat under the name of Firecracker, with its command line",
    .group = CMD_GROUP_RUN,
    .hidden = true,
    .synopsis = "[OPTION...]",
    .options = options,
    .run = start,
};

bool cli_is_firecracker(const char *program)
{
    const char *slash = program == NULL ? NULL : strrchr(program, '/');
    return program != NULL && strcmp(slash == NULL ? program : slash + 1, "firecracker") == 0;
}

int cli_firecracker(int argc, char **argv)
{
    struct cmd_line line;
    struct err err = {0};
    if (cmd_line_read(&cmd_firecracker, argc, argv, &line, &err) < 0) {
        log_error("%s (see --help)", err.text);
        return STATUS_BAD_ARGUMENTS;
    }
    if (line.help) {
        static const struct command *const none[] = {NULL};
        cmd_help_command(none, &cmd_firecracker, cmd_help_width(stdout), stdout);
        return CLI_OK;
    }
    return start(&line);
}
