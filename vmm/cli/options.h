/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines of the commands as plain data. Nothing here prints. */
#ifndef AEROSTAT_CLI_OPTIONS_H
#define AEROSTAT_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/log.h"
#include "vmm/config/config.h"

/* What `aerostat run` was asked to do. */
struct run_options {
    struct vm_config config;
    enum log_level log_level;
    bool console_input; /* false: --no-console */
    bool help;          /* asked for, whatever else was wrong; the rest is then as by default */
};

/*
 * Reads argv, and the file of --config, which flags override wherever they stand. The config is not
 * checked yet (cfg_check()). Returns 0 or a negative errno value with a sentence; *out is to be
 * finished in either case. Not thread-safe (getopt).
 */
int run_options_parse(int argc, char **argv, struct run_options *out, struct err *err);

/* Accepts zeroed or finished options. */
void run_options_finish(struct run_options *options);

/* What `aerostat balloon` was asked to do. */
struct balloon_options {
    enum { BALLOON_HELP, BALLOON_SET, BALLOON_SHOW, BALLOON_HINT } action;
    const char *api_sock; /* borrowed from argv */
    uint64_t target_mib;  /* set */
    bool wait;            /* set */
    uint64_t wait_s;
    bool json;           /* show */
    uint64_t refresh_ms; /* show; 0: the statistics that there are */
    enum { HINT_START, HINT_STOP, HINT_STATUS } hint;
};

/* As run_options_parse(); nothing to finish. */
int balloon_options_parse(int argc, char **argv, struct balloon_options *out, struct err *err);

#endif
