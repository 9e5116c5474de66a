/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the program. Each prints to standard output and error, and returns the exit
 * status. Main thread. */
#ifndef AEROSTAT_CLI_H
#define AEROSTAT_CLI_H

#include "vmm/cli/command.h"

/*
 * Exit statuses: 0 success, 1 failure at run time, 2 bad usage or configuration. `run` also returns
 * 128 + n when signal n ended the machine.
 */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

extern const struct command cmd_run;
extern const struct command cmd_stop;
extern const struct command cmd_ps;
extern const struct command cmd_show;
extern const struct command cmd_console;
extern const struct command cmd_pause;
extern const struct command cmd_resume;
extern const struct command cmd_balloon;
extern const struct command cmd_balloon_set;
extern const struct command cmd_balloon_show;
extern const struct command cmd_balloon_watch;
extern const struct command cmd_balloon_hint;
extern const struct command cmd_config;
extern const struct command cmd_config_check;
extern const struct command cmd_config_show;
extern const struct command cmd_firecracker;
extern const struct command cmd_doctor;
extern const struct command cmd_top;
extern const struct command cmd_completion;
extern const struct command cmd_manual;
extern const struct command cmd_version;
extern const struct command cmd_help;

/* All of them, in the order of help and manual; ends with NULL. */
extern const struct command *const cli_commands[];

/* What `aerostat --help` ends with: from nothing to a guest that gives memory back. */
extern const struct cmd_example cli_first_steps[];

/* Whether the program was started by the name firecracker; then it is one command. argv[0] is the
 * program. Returns the exit status. */
bool cli_is_firecracker(const char *program);
int cli_firecracker(int argc, char **argv);

#endif
