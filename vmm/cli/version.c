/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat version` and `aerostat help`. */
#include <stdio.h>

#include "vmm/base/log.h"
#include "vmm/cli/cli.h"

static int version(const struct cmd_line *line)
{
    (void)line;
    (void)printf("aerostat %s\n", AEROSTAT_VERSION);
    return CLI_OK;
}

const struct command cmd_version = {
    .name = "version",
    .summary = "print the version",
    .group = CMD_GROUP_HOST,
    .run = version,
};

static int help(const struct cmd_line *line)
{
    char name[100];
    const char *last = line->n_words > 1 ? line->words[1] : NULL;
    if (line->n_words == 0) {
        cmd_help_program(cli_commands, cli_first_steps, cmd_help_width(stdout), stdout);
        return CLI_OK;
    }
    if (line->n_words > 2) {
        log_error("unexpected argument \"%.80s\" (see aerostat help)", line->words[2]);
        return CLI_USAGE;
    }
    (void)snprintf(name, sizeof(name), "%.40s%s%.40s", line->words[0], last == NULL ? "" : " ",
                   last == NULL ? "" : last);
    const struct command *cmd = cmd_find(cli_commands, name);
    if (cmd == NULL)
        return cmd_unknown(cli_commands, name);
    cmd_help_command(cli_commands, cmd, cmd_help_width(stdout), stdout);
    return CLI_OK;
}

static const struct cmd_arg help_args[] = {
    {.name = "COMMAND",
     .help = "one word or two, as in: help balloon set",
     .complete = CMD_COMPLETE_COMMAND,
     .optional = true,
     .many = true},
    {0},
};

const struct command cmd_help = {
    .name = "help",
    .summary = "explain a command, or list them all",
    .group = CMD_GROUP_HOST,
    .synopsis = "help [COMMAND]",
    .args = help_args,
    .run = help,
};
