/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat console`: this terminal on a detached machine's console. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/log.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/console.h"
#include "vmm/cli/signals.h"
#include "vmm/cli/vm.h"
#include "vmm/event/loop.h"

#define SIGNAL_STATUS 128

struct attached {
    const char *name;
    int fd; /* the console's socket */
    struct signals signals;
    int signo; /* of the signal that ended it, 0 for none */
    bool left; /* by Ctrl-A x */
    int error; /* of standard output, 0 for none */
    struct ev_loop *loop;
    struct ev_source *output;
    struct console *console;
};

static size_t on_input(void *arg, const uint8_t *data, size_t len)
{
    struct attached *a = arg;
    ssize_t sent = send(a->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : (size_t)sent;
}

static void on_leave(void *arg)
{
    struct attached *a = arg;
    a->left = true;
    ev_loop_stop(a->loop);
}

static const struct console_ops console_ops = {.input = on_input, .leave = on_leave};

static void on_end(void *arg, int signo)
{
    struct attached *a = arg;
    a->signo = signo;
    ev_loop_stop(a->loop);
}

static void on_suspend(void *arg)
{
    struct attached *a = arg;
    console_suspend(a->console);
}

static void on_resume(void *arg)
{
    struct attached *a = arg;
    console_resume(a->console);
}

static const struct signal_ops signal_ops = {
    .end = on_end, .suspend = on_suspend, .resume = on_resume};

static int write_all(const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t put = write(STDOUT_FILENO, data, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        data += put;
        len -= (size_t)put;
    }
    return 0;
}

static void on_output(void *arg, uint32_t events)
{
    struct attached *a = arg;
    uint8_t data[4096];
    (void)events;
    ssize_t got = recv(a->fd, data, sizeof(data), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        a->error = -write_all(data, (size_t)got);
    if (got <= 0 || a->error != 0)
        ev_loop_stop(a->loop);
}

static int connect_to(const struct vm_ref *vm, int *out_fd, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct registry *registry = NULL;
    if (vm->entry.name[0] == '\0')
        return err_set(err, -ENOENT, "%s: no machine with a console has this control socket",
                       vm->api_sock);
    if (!vm->entry.detached)
        return err_set(err, -ENOENT,
                       "%s: its console is where it was started; only a machine of 'aerostat run "
                       "--detach' has one to connect to",
                       vm->entry.name);
    int rc = registry_open(false, &registry, err);
    if (rc < 0)
        return rc;
    rc = registry_path(registry, vm->entry.name, REGISTRY_CONSOLE_SOCK, addr.sun_path);
    registry_close(registry);
    AUTO_FD int fd = rc < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (rc == 0 && (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0))
        rc = -errno;
    if (rc < 0)
        return err_sys(err, rc, "%s: its console cannot be reached", vm->entry.name);
    *out_fd = take_fd(&fd);
    return 0;
}

static int bring_up(struct attached *a, struct err *err)
{
    int rc = signals_catch(&a->signals, err);
    if (rc < 0)
        return rc;
    rc = ev_loop_create(&a->loop);
    if (rc == 0)
        rc = signals_watch(&a->signals, a->loop, &signal_ops, a);
    if (rc == 0)
        rc = ev_fd_add(a->loop, a->fd, EPOLLIN, on_output, a, &a->output);
    if (rc < 0)
        return err_sys(err, rc, "the event loop cannot be created");
    return console_create(STDIN_FILENO, a->loop, &console_ops, a, &a->console, err);
}

static void take_down(struct attached *a)
{
    /* The cursor on a line of its own. */
    console_suspend(a->console);
    console_destroy(a->console);
    ev_source_remove(a->output);
    signals_finish(&a->signals);
    ev_loop_destroy(a->loop);
    fd_close(&a->fd);
}

static int explain(const struct attached *a, bool terminal)
{
    if (a->error != 0) {
        log_error("standard output: %s", strerror(a->error));
        return CLI_FAILED;
    }
    if (a->signo != 0)
        return SIGNAL_STATUS + a->signo;
    if (terminal)
        (void)fprintf(stderr, a->left ? "aerostat: %s goes on\n" : "aerostat: %s has ended\n",
                      a->name);
    return CLI_OK;
}

static int console(const struct cmd_line *line)
{
    struct vm_ref vm;
    struct err err = {0};
    struct attached a = {.fd = -1, .signals = {.fd = -1}};
    bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    int rc = vm_resolve(cmd_word(line, 0), &vm, &err);
    if (rc == 0)
        rc = connect_to(&vm, &a.fd, &err);
    if (rc == 0 && terminal)
        (void)fprintf(stderr, "aerostat: the console of %s; Ctrl-A x leaves it\n", vm.entry.name);
    a.name = vm.entry.name;
    if (rc == 0)
        rc = bring_up(&a, &err);
    if (rc == 0) {
        rc = ev_loop_run(a.loop);
        if (rc < 0)
            rc = err_sys(&err, rc, "the event loop failed");
    }
    take_down(&a);
    if (rc < 0) {
        log_error("%s", err.text);
        return CLI_FAILED;
    }
    return explain(&a, terminal);
}

static const struct cmd_arg args[] = {
    {.name = "VM",
     .help = "the name of a machine that was started with --detach",
     .needs = "a machine: see aerostat ps",
     .complete = CMD_COMPLETE_VM},
    {0},
};

const struct command cmd_console = {
    .name = "console",
    .summary = "connect this terminal to a detached machine's console",
    .group = CMD_GROUP_LOOK,
    .description =
        "Shows the last 64 KiB that the guest wrote to its serial port, and all it writes from "
        "then on; what is typed goes to the guest. Up to 8 may be connected; all see the same, and "
        "all may type. Who reads too slowly finds a mark where output is left out.",
    .args = args,
    .notes = "On a terminal, Ctrl-A x leaves (the machine goes on), Ctrl-A h helps, Ctrl-A Ctrl-A "
             "sends Ctrl-A. Otherwise standard input goes to the guest as it is, and the end of "
             "it ends nothing: the output goes on until the machine ends.",
    .exit_status = "0 after Ctrl-A x, or when the machine has ended; 1 when there is no such "
                   "console; 128+N when signal N ended it.",
    .run = console,
};
