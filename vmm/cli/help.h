/* SPDX-License-Identifier: Apache-2.0 */
/* The help texts. */
#ifndef AEROSTAT_CLI_HELP_H
#define AEROSTAT_CLI_HELP_H

#include <stdbool.h>
#include <stdio.h>

/* Writes the help for a command, NULL for the program's. False, and nothing written, when there is
 * no such command. */
bool help_print(const char *command, FILE *out);

#endif
