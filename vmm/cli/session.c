/* SPDX-License-Identifier: Apache-2.0 */
/* A machine, its control socket and its console on one loop, until the guest, a signal or the user
 * ends it. */
#include "vmm/cli/session.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/api/server.h"
#include "vmm/base/log.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/console.h"
#include "vmm/cli/end.h"
#include "vmm/cli/signals.h"
#include "vmm/control/control.h"
#include "vmm/event/loop.h"

/* Everything one session is made of, in the order in which it comes up. */
struct session {
    struct session_plan *plan;
    struct signals signals;
    int signo;      /* of the signal that ended it, 0 for none */
    bool requested; /* by a signal, or from the console */
    struct ev_loop *loop;
    struct control *control;
    char *api_sock; /* NULL: none */
    struct api_server *api;
    struct console *console;
    struct console_server *server; /* of a detached machine's console */
};

static size_t console_to_guest(void *arg, const uint8_t *data, size_t len)
{
    struct session *session = arg;
    return control_console_input(session->control, data, len);
}

static const struct console_server_ops server_ops = {.input = console_to_guest};

static void console_leave(void *arg)
{
    struct session *session = arg;
    session->requested = true;
    control_stop(session->control, MACHINE_END_REQUESTED);
}

static const struct console_ops console_ops = {.input = console_to_guest, .leave = console_leave};

static void on_end(void *arg, int signo)
{
    struct session *session = arg;
    if (session->signo == 0)
        session->signo = signo;
    session->requested = true;
    control_stop(session->control, MACHINE_END_REQUESTED);
}

static void on_suspend(void *arg)
{
    struct session *session = arg;
    console_suspend(session->console);
}

static void on_resume(void *arg)
{
    struct session *session = arg;
    console_resume(session->console);
}

static const struct signal_ops signal_ops = {
    .end = on_end, .suspend = on_suspend, .resume = on_resume};

static int start_loop(struct session *session, struct err *err)
{
    int rc = ev_loop_create(&session->loop);
    if (rc == 0)
        rc = signals_watch(&session->signals, session->loop, &signal_ops, session);
    return rc < 0 ? err_sys(err, rc, "the event loop cannot be created") : 0;
}

/* Instead of the caller's terminal. */
static int start_server(struct session *session, struct err *err)
{
    struct session_plan *plan = session->plan;
    char path[REGISTRY_PATH_MAX];
    if (plan->detach == NULL)
        return 0;
    int rc = registry_path(plan->name->registry, registered_name(plan->name), REGISTRY_CONSOLE_SOCK,
                           path);
    if (rc < 0)
        return err_sys(err, rc, "console socket");
    rc = detach_open_console(plan->detach, plan->name->claim, path, session->loop, &server_ops,
                             session, &session->server, err);
    if (rc < 0)
        return rc;
    plan->console_out = console_server_output(session->server);
    plan->console_input = false;
    return 0;
}

static int start_control(struct session *session, struct err *err)
{
    struct session_plan *plan = session->plan;
    const struct control_setup setup = {
        .loop = session->loop,
        .id = plan->id,
        .version = AEROSTAT_VERSION,
        .started = plan->started,
        .console_out = plan->console_out,
    };
    session->api_sock = plan->config.api_sock;
    plan->config.api_sock = NULL;
    return control_create(&plan->config, &setup, &session->control, err);
}

static int start_api(struct session *session, struct err *err)
{
    if (session->api_sock == NULL)
        return 0;
    struct api_target target = {
        .ops = &control_api_ops,
        .arg = session->control,
        .vmm_version = AEROSTAT_VERSION,
        .id = session->plan->id,
        .body_limit = session->plan->body_limit,
    };
    return api_server_create(session->api_sock, &target, session->loop, &session->api, err);
}

static int start_console(struct session *session, struct err *err)
{
    if (!session->plan->console_input)
        return 0;
    return console_create(STDIN_FILENO, session->loop, &console_ops, session, &session->console,
                          err);
}

static int bring_up(struct session *session, struct err *err)
{
    int rc = signals_catch(&session->signals, err);
    if (rc == 0)
        rc = start_loop(session, err);
    if (rc == 0)
        rc = start_server(session, err);
    if (rc == 0)
        rc = start_control(session, err);
    if (rc == 0 && !session->plan->wait_for_start)
        rc = control_build(session->control, err);
    if (rc == 0)
        rc = start_api(session, err);
    if (rc == 0)
        rc = start_console(session, err);
    if (rc == 0 && !session->plan->wait_for_start)
        rc = control_start(session->control, err);
    if (rc == 0 && session->plan->detach != NULL)
        rc = detach_done(session->plan->detach, session->loop, err);
    return rc;
}

/* In reverse, the terminal first: what is logged from here on finds it as it was. */
static void take_down(struct session *session)
{
    if (session->requested)
        console_suspend(session->console);
    console_destroy(session->console);
    api_server_destroy(session->api);
    /* Terminal and socket are as they were: a second signal may end us at once. */
    signals_release(&session->signals);
    control_destroy(session->control);
    /* The last the guest has written is in its pipe. */
    console_server_destroy(session->server);
    if (session->plan->detach != NULL)
        detach_finish(session->plan->detach);
    signals_finish(&session->signals);
    ev_loop_destroy(session->loop);
    free(session->api_sock);
    cfg_finish(&session->plan->config);
}

int session_run(struct session_plan *plan)
{
    struct session session = {.plan = plan, .signals = {.fd = -1}};
    struct err err = {0};
    enum log_level level = LOG_ERROR;
    const char *text = err.text;
    int status = CLI_FAILED;
    int rc = bring_up(&session, &err);
    if (rc == 0) {
        rc = ev_loop_run(session.loop);
        if (rc < 0) {
            text = strerror(-rc);
            control_stop(session.control, MACHINE_END_ERROR);
        } else {
            status = end_status(control_end_reason(session.control), session.signo, &level, &text);
        }
    }
    take_down(&session);
    /* Who watched the guest's console is told why it fell silent; a script asks for that. */
    if (plan->explain_end && isatty(STDIN_FILENO))
        log_set_level(LOG_INFO);
    log_msg(level, "%s", text);
    return status;
}
