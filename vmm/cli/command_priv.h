/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the command tables share. */
#ifndef AEROSTAT_CLI_COMMAND_PRIV_H
#define AEROSTAT_CLI_COMMAND_PRIV_H

#include <stddef.h>

#include "vmm/cli/command.h"

/* Longest synopsis, or label of an option. */
#define CMD_LABEL_MAX 400

/* "-n, --name VALUE". */
void cmd_option_label(const struct cmd_option *option, char out[CMD_LABEL_MAX]);

/* The synopsis without "aerostat ", which the command has or which follows from its tables. */
void cmd_synopsis(const struct command *cmd, char out[CMD_LABEL_MAX]);

/* Whether cmd is one of two words of which name is the first. */
bool cmd_is_below(const struct command *cmd, const char *name);

/* How the groups are called. */
extern const char *const cmd_group_names[CMD_GROUPS];

#endif
