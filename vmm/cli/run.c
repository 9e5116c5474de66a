/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat run`. */
#include <errno.h>
#include <unistd.h>

#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/detach.h"
#include "vmm/cli/options.h"
#include "vmm/cli/registered.h"
#include "vmm/cli/session.h"

#define NS_PER_US 1000u

/* The machine, once this is the process that runs it. */
static int run_session(struct run_options *options, uint64_t start_ns, struct detach *detach)
{
    struct registered name = {0};
    struct err err = {0};
    int rc = registered_claim(&name, options->name, detach != NULL, &options->config, &err);
    if (rc == 0 && options->config.api_sock == NULL && options->wait_for_start)
        rc = err_set(&err, -EINVAL,
                     "--no-start needs a control socket to start the machine by: give --api-sock "
                     "PATH");
    if (rc < 0) {
        registered_release(&name);
        run_options_finish(options);
        log_error("%s", err.text);
        return CLI_FAILED;
    }
    struct session_plan plan = {
        .config = options->config,
        .id = name.claim == NULL ? SESSION_ID_DEFAULT : registered_name(&name),
        .console_out = STDOUT_FILENO,
        .console_input = options->console_input,
        .wait_for_start = options->wait_for_start,
        .explain_end = options->log_level == LOG_WARN,
        .started = {.start_us = start_ns / NS_PER_US},
        .name = &name,
        .detach = detach,
    };
    int status = session_run(&plan);
    registered_release(&name);
    return status;
}

int run_command(const struct cmd_line *line)
{
    struct run_options options;
    struct detach detach;
    struct err err = {0};
    int status = CLI_FAILED;
    uint64_t start_ns = clock_mono_ns();
    int rc = run_options_read(line, &options, &err);
    if (rc == 0 && !options.wait_for_start)
        rc = cfg_check(&options.config, &err);
    if (rc < 0) {
        run_options_finish(&options);
        return cmd_usage_error(line->cmd, &err);
    }
    log_set_level(options.log_level);
    if (!options.detach)
        return run_session(&options, start_ns, NULL);
    rc = detach_begin(&detach, &status, &err);
    if (rc == 0)
        return run_session(&options, start_ns, &detach);
    if (rc < 0)
        log_error("%s", err.text);
    run_options_finish(&options);
    return status;
}
