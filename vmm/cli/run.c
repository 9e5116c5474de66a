/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat run`. */
#include <unistd.h>

#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/options.h"
#include "vmm/cli/session.h"

#define NS_PER_US 1000u

int run_command(const struct cmd_line *line)
{
    struct run_options options;
    struct err err = {0};
    uint64_t start_ns = clock_mono_ns();
    int rc = run_options_read(line, &options, &err);
    if (rc == 0 && !options.wait_for_start)
        rc = cfg_check(&options.config, &err);
    if (rc < 0) {
        run_options_finish(&options);
        return cmd_usage_error(line->cmd, &err);
    }
    log_set_level(options.log_level);
    struct session_plan plan = {
        .config = options.config,
        .id = SESSION_ID_DEFAULT,
        .console_out = STDOUT_FILENO,
        .console_input = options.console_input,
        .wait_for_start = options.wait_for_start,
        .explain_end = options.log_level == LOG_WARN,
        .started = {.start_us = start_ns / NS_PER_US},
    };
    return session_run(&plan);
}
