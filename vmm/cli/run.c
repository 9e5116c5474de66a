/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat run`: a machine, its control socket and its console on one loop, until the guest, a
 * signal or the user ends it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vmm/api/server.h"
#include "vmm/base/cleanup.h"
#include "vmm/base/log.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/console.h"
#include "vmm/cli/end.h"
#include "vmm/cli/help.h"
#include "vmm/cli/options.h"
#include "vmm/event/loop.h"
#include "vmm/machine/machine.h"

/* Everything one run is made of, in the order in which it comes up. */
struct run {
    struct run_options options;
    sigset_t old_mask;
    int signal_fd;
    int signo; /* of the signal that ended the run, 0 for none */
    struct ev_loop *loop;
    struct ev_source *signals;
    struct machine *machine;
    struct api_server *api;
    struct console *console;
};

static enum machine_state target_state(void *arg)
{
    return machine_state(arg);
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

static const struct api_target_ops target_ops = {
    .state = target_state,
    .figures = target_figures,
    .balloon_info = target_balloon_info,
    .set_balloon_target = target_set_balloon,
};

static size_t console_to_guest(void *arg, const uint8_t *data, size_t len)
{
    struct run *run = arg;
    return machine_console_input(run->machine, data, len);
}

static void console_leave(void *arg)
{
    struct run *run = arg;
    machine_stop(run->machine, MACHINE_END_REQUESTED);
}

static const struct console_ops console_ops = {.input = console_to_guest, .leave = console_leave};

/* The number of the signal that came, 0 for none. */
static int read_signal(int fd)
{
    struct signalfd_siginfo info = {0};
    return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

static void on_signal(void *arg, uint32_t events)
{
    struct run *run = arg;
    (void)events;
    int signo = read_signal(run->signal_fd);
    if (signo == 0)
        return;
    if (run->signo == 0)
        run->signo = signo;
    machine_stop(run->machine, MACHINE_END_REQUESTED);
}

/* Before any thread, so that all inherit the mask and the loop alone hears of the signals. */
static int catch_signals(struct run *run, struct err *err)
{
    sigset_t mask;
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigaddset(&mask, SIGINT);
    /* nohup(1) wants a process to outlive its terminal; an ignored signal that is blocked would
     * still be received. */
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        (void)sigaddset(&mask, SIGHUP);
    /* A client or a pipe that is gone, and a terminal whose foreground is another's, are errors of
     * a call, not our end. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTTOU, SIG_IGN);
    (void)signal(SIGTTIN, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &mask, &run->old_mask) < 0)
        return err_sys(err, -errno, "signals cannot be blocked");
    run->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signal_fd < 0 ? err_sys(err, -errno, "signals cannot be received") : 0;
}

static int start_loop(struct run *run, struct err *err)
{
    int rc = ev_loop_create(&run->loop);
    if (rc == 0)
        rc = ev_fd_add(run->loop, run->signal_fd, EPOLLIN, on_signal, run, &run->signals);
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
    int rc = catch_signals(run, err);
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
    console_destroy(run->console);
    api_server_destroy(run->api);
    machine_destroy(run->machine);
    ev_source_remove(run->signals);
    ev_loop_destroy(run->loop);
    fd_close(&run->signal_fd);
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
    log_msg(level, "%s", text);
    return status;
}

int cli_run(int argc, char **argv)
{
    struct run run = {.signal_fd = -1};
    struct err err = {0};
    int rc = run_options_parse(argc, argv, &run.options, &err);
    if (rc == 0 && run.options.help) {
        run_options_finish(&run.options);
        help_print("run", stdout);
        return CLI_OK;
    }
    if (rc == 0)
        rc = cfg_check(&run.options.config, &err);
    if (rc < 0) {
        log_error("%s (see aerostat run --help)", err.text);
        run_options_finish(&run.options);
        return CLI_USAGE;
    }
    log_set_level(run.options.log_level);
    return run_machine(&run);
}
