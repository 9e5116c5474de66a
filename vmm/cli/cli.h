/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the program. Each prints to standard output and error, and returns the exit
 * status. */
#ifndef AEROSTAT_CLI_H
#define AEROSTAT_CLI_H

/*
 * Exit statuses: 0 success, 1 failure at run time, 2 bad usage or configuration. cli_run() also
 * returns 128 + n when signal n ended the machine.
 */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* One command of the program; argv[0] is its name. Main thread. */
int cli_run(int argc, char **argv);
int cli_balloon(int argc, char **argv);
int cli_help(int argc, char **argv);
int cli_version(int argc, char **argv);

#endif
