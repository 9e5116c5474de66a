/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat run`: a machine, its control socket and its console on one loop, until the guest, a
 * signal or the user ends it. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/api/server.h"
#include "vmm/base/log.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/console.h"
#include "vmm/cli/end.h"
#include "vmm/cli/options.h"
#include "vmm/cli/signals.h"
#include "vmm/event/loop.h"
#include "vmm/machine/machine.h"

/* Everything one run is made of, in the order in which it comes up. */
struct run {
    struct run_options options;
    struct signals signals;
    int signo;      /* of the signal that ended the run, 0 for none */
    bool requested; /* by a signal, or from the console */
    struct ev_loop *loop;
    struct machine *machine;
    struct api_server *api;
    struct console *console;
};

static enum machine_state target_state(void *arg)
{
    return machine_state(arg);
}

static int target_set_paused(void *arg, bool paused, struct err *err)
{
    return paused ? machine_pause(arg, err) : machine_resume(arg, err);
}

static void target_figures(void *arg, struct machine_figures *out)
{
    machine_get_figures(arg, out);
}

static bool target_balloon_info(void *arg, struct balloon_info *out)
{
    struct balloon *balloon = machine_balloon(arg);
    if (balloon != NULL)
        balloon_get_info(balloon, out);
    return balloon != NULL;
}

static int target_set_balloon(void *arg, uint64_t bytes, struct err *err)
{
    return balloon_set_target(machine_balloon(arg), bytes, err);
}

static void target_stats(void *arg, struct balloon_stats *out)
{
    balloon_get_stats(machine_balloon(arg), out);
}

static bool target_request_stats(void *arg)
{
    return balloon_request_stats(machine_balloon(arg));
}

static int target_set_stats_interval(void *arg, uint32_t seconds, struct err *err)
{
    return balloon_set_stats_interval(machine_balloon(arg), seconds, err);
}

static int target_hint_start(void *arg, bool acknowledge_on_stop, struct err *err)
{
    return balloon_hint_start(machine_balloon(arg), acknowledge_on_stop, err);
}

static int target_hint_stop(void *arg, struct err *err)
{
    return balloon_hint_stop(machine_balloon(arg), err);
}

static void target_hint(void *arg, struct balloon_hint_info *out)
{
    balloon_get_hint(machine_balloon(arg), out);
}

static const struct api_target_ops target_ops = {
    .state = target_state,
    .set_paused = target_set_paused,
    .figures = target_figures,
    .balloon_info = target_balloon_info,
    .set_balloon_target = target_set_balloon,
    .stats = target_stats,
    .request_stats = target_request_stats,
    .set_stats_interval = target_set_stats_interval,
    .hint_start = target_hint_start,
    .hint_stop = target_hint_stop,
    .hint = target_hint,
};

static size_t console_to_guest(void *arg, const uint8_t *data, size_t len)
{
    struct run *run = arg;
    return machine_console_input(run->machine, data, len);
}

static void console_leave(void *arg)
{
    struct run *run = arg;
    run->requested = true;
    machine_stop(run->machine, MACHINE_END_REQUESTED);
}

static const struct console_ops console_ops = {.input = console_to_guest, .leave = console_leave};

static void on_end(void *arg, int signo)
{
    struct run *run = arg;
    if (run->signo == 0)
        run->signo = signo;
    run->requested = true;
    machine_stop(run->machine, MACHINE_END_REQUESTED);
}

static void on_suspend(void *arg)
{
    struct run *run = arg;
    console_suspend(run->console);
}

static void on_resume(void *arg)
{
    struct run *run = arg;
    console_resume(run->console);
}

static const struct signal_ops signal_ops = {
    .end = on_end, .suspend = on_suspend, .resume = on_resume};

static int start_loop(struct run *run, struct err *err)
{
    int rc = ev_loop_create(&run->loop);
    if (rc == 0)
        rc = signals_watch(&run->signals, run->loop, &signal_ops, run);
    return rc < 0 ? err_sys(err, rc, "the event loop cannot be created") : 0;
}

static int start_api(struct run *run, struct err *err)
{
    const struct vm_config *cfg = &run->options.config;
    if (cfg->api_sock == NULL)
        return 0;
    struct api_target target = {
        .ops = &target_ops,
        .arg = run->machine,
        .vmm_version = AEROSTAT_VERSION,
        .balloon = cfg->balloon,
    };
    return api_server_create(cfg->api_sock, &target, run->loop, &run->api, err);
}

static int start_console(struct run *run, struct err *err)
{
    if (!run->options.console_input)
        return 0;
    return console_create(STDIN_FILENO, run->loop, &console_ops, run, &run->console, err);
}

static int bring_up(struct run *run, struct err *err)
{
    int rc = signals_catch(&run->signals, err);
    if (rc == 0)
        rc = start_loop(run, err);
    if (rc == 0)
        rc = machine_create(&run->options.config, run->loop, STDOUT_FILENO, &run->machine, err);
    if (rc == 0)
        rc = start_api(run, err);
    if (rc == 0)
        rc = start_console(run, err);
    if (rc == 0)
        rc = machine_start(run->machine, err);
    return rc;
}

/* In reverse, the terminal first: what is logged from here on finds it as it was. */
static void take_down(struct run *run)
{
    if (run->requested)
        console_suspend(run->console);
    console_destroy(run->console);
    api_server_destroy(run->api);
    /* Terminal and socket are as they were: a second signal may end us at once. */
    signals_release(&run->signals);
    machine_destroy(run->machine);
    signals_finish(&run->signals);
    ev_loop_destroy(run->loop);
    run_options_finish(&run->options);
}

static int run_machine(struct run *run)
{
    struct err err = {0};
    enum log_level level = LOG_ERROR;
    const char *text = err.text;
    int status = CLI_FAILED;
    int rc = bring_up(run, &err);
    if (rc == 0) {
        rc = ev_loop_run(run->loop);
        if (rc < 0) {
            text = strerror(-rc);
            machine_stop(run->machine, MACHINE_END_ERROR);
        } else {
            status = end_status(machine_end_reason(run->machine), run->signo, &level, &text);
        }
    }
    take_down(run);
    /* Who watched the guest's console is told why it fell silent; a script asks for that. */
    if (run->options.log_level == LOG_WARN && isatty(STDIN_FILENO))
        log_set_level(LOG_INFO);
    log_msg(level, "%s", text);
    return status;
}

int run_command(const struct cmd_line *line)
{
    struct run run = {.signals = {.fd = -1}};
    struct err err = {0};
    int rc = run_options_read(line, &run.options, &err);
    if (rc == 0)
        rc = cfg_check(&run.options.config, &err);
    if (rc < 0) {
        run_options_finish(&run.options);
        return cmd_usage_error(line->cmd, &err);
    }
    log_set_level(run.options.log_level);
    return run_machine(&run);
}
