/* SPDX-License-Identifier: Apache-2.0 */
/* Shell completion from the tables. */
#ifndef AEROSTAT_CLI_COMPLETION_PRIV_H
#define AEROSTAT_CLI_COMPLETION_PRIV_H

#include "vmm/cli/command.h"

/* Write a script for the shell. Names of machines come from `aerostat ps --names`. */
void completion_bash(const struct command *const *table, FILE *out);
void completion_zsh(const struct command *const *table, FILE *out);

#endif
