/* SPDX-License-Identifier: Apache-2.0 */
/* getopt_long(3) with errors as sentences instead of messages. */
#ifndef AEROSTAT_CLI_GETOPT_PRIV_H
#define AEROSTAT_CLI_GETOPT_PRIV_H

#include <getopt.h>
#include <stdbool.h>

#include "vmm/base/err.h"

/* What -h and --help return; a command's own options are numbered from 1. */
#define OPT_HELP 'h'

/* Starts a new command line. */
void cli_getopt_reset(void);

/*
 * The next option's val, -1 after the last one, or '?' for a bad option, with a sentence in err.
 * options must hold {"help", no_argument, NULL, OPT_HELP} and end with a zeroed entry.
 */
int cli_getopt(int argc, char **argv, const struct option *options, struct err *err);

/*
 * Goes over the whole command line, before its values count. *out_help is whether help is asked
 * for, whatever else is wrong with it; without that, returns -EINVAL with a sentence for the first
 * option that is unknown, misused or given twice. Otherwise 0, optind the index of the first word
 * that is no option. Values are numbered below 64, but for OPT_HELP.
 */
int cli_getopt_check(int argc, char **argv, const struct option *options, bool *out_help,
                     struct err *err);

#endif
