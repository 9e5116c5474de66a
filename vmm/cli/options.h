/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines of the commands as plain data. Nothing here prints. */
#ifndef AEROSTAT_CLI_OPTIONS_H
#define AEROSTAT_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/log.h"
#include "vmm/cli/command.h"
#include "vmm/config/config.h"

/* What `aerostat run` was asked to do. */
struct run_options {
    struct vm_config config;
    enum log_level log_level;
    const char *name; /* borrowed from argv; NULL: one is found */
    bool detach;
    bool console_input;  /* false: --no-console */
    bool wait_for_start; /* --no-start */
};

/*
 * Reads a command line of cmd_run, and the file of --config, which the other options override. The
 * config is not checked yet (cfg_check()). Returns 0 or a negative errno value with a sentence;
 * *out is to be finished in either case.
 */
int run_options_read(const struct cmd_line *line, struct run_options *out, struct err *err);

/* Boots the machine and stays with it. Returns the exit status. */
int run_command(const struct cmd_line *line);

/* Accepts zeroed or finished options. */
void run_options_finish(struct run_options *options);

/* What `aerostat balloon ...` was asked to do. */
struct balloon_options {
    const char *vm;       /* borrowed from argv; NULL: api_sock says which */
    const char *api_sock; /* borrowed from argv, or what vm was found to have */
    uint64_t target_mib;  /* set */
    bool wait;            /* set */
    uint64_t wait_s;
    bool json;            /* show, watch, hint */
    uint64_t refresh_ms;  /* show; 0: the statistics that there are */
    uint64_t interval_ms; /* watch */
    uint64_t count;       /* watch; 0: without end */
    enum { HINT_START, HINT_STOP, HINT_STATUS } hint;
};

/* Reads a command line of cmd_balloon_set, _show, _watch or _hint. Returns 0, or -EINVAL with a
 * sentence.
 */
int balloon_options_read(const struct cmd_line *line, struct balloon_options *out, struct err *err);

/* They do what was asked for, and return the exit status. */
int balloon_set(const struct cmd_line *line);
int balloon_show(const struct cmd_line *line);
int balloon_hint(const struct cmd_line *line);
int balloon_watch(const struct cmd_line *line);

/* Prints lines about the machine at options->api_sock. Returns 0 or -errno with a sentence. */
int balloon_watch_run(const struct balloon_options *options, struct err *err);

#endif
