/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat stop`: asks the guests to shut down, then the monitors to end, then ends them. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/api_client/client.h"
#include "vmm/base/cleanup.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/vm.h"
#include "vmm/config/config.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)
#define GRACE_S   10u
/* An hour; longer waits are loops of the caller. */
#define GRACE_MAX_S 3600u
/* A monitor that is told to end gives the memory of its guest back first. */
#define TOLD_NS   (5 * NS_PER_S)
#define KILLED_NS (10 * NS_PER_S)
/* One monitor that hangs must not hold up the end of others for long. */
#define ANSWER_MS 1000u
/* How often a terminal is told that it takes a while. */
#define SHOW_NS      NS_PER_S
#define ASK_AGAIN_NS (250 * NS_PER_MS)

enum { OPT_ALL = 1, OPT_GRACE };

/* A machine on its way to the end. */
struct stopping {
    struct vm_ref vm;
    int fd; /* readable when it has ended; -1 when that has been seen */
    enum { STOP_ASKED, STOP_TOLD, STOP_KILLED } step;
    uint64_t deadline_ns; /* of the step */
    uint64_t ask_ns;      /* when a guest is asked again that could not hear; 0: it could */
    bool asked;           /* the guest has heard */
    bool hangs;           /* the monitor has not answered: it is not asked for more */
    bool failed;
    struct err deaf; /* why it could not */
};

/* A name's lock says that a monitor has it. Who listens on any other socket must say so itself,
 * lest a path that was mistaken ends somebody else's server. */
static int check_monitor(const struct vm_ref *vm, struct err *err)
{
    struct api_response response = {0};
    char app[16] = "";
    if (vm->entry.name[0] != '\0')
        return 0;
    int rc = api_call(vm->api_sock, "GET", "/", NULL, ANSWER_MS, &response, err);
    if (rc == 0)
        rc = api_body_text(&response, NULL, "app_name", app, sizeof(app), err);
    api_response_finish(&response);
    if (rc == 0 && strcmp(app, "Aerostat") != 0)
        rc = err_set(err, -EPROTO, "control socket %s: \"%s\" serves it", vm->api_sock, app);
    return rc;
}

static bool is_gone(int pidfd)
{
    struct pollfd monitor = {.fd = pidfd, .events = POLLIN};
    return poll(&monitor, 1, 0) == 1;
}

/* A guest that is not up yet, and one whose monitor is busy, are asked again. */
static void ask(struct stopping *s)
{
    int rc = vm_request(&s->vm, "PUT", "/actions", "{\"action_type\":\"SendCtrlAltDel\"}",
                        ANSWER_MS, &s->deaf);
    s->ask_ns = rc < 0 ? clock_mono_ns() + ASK_AGAIN_NS : 0;
    if (rc == 0) {
        s->asked = true;
        s->deaf.text[0] = '\0';
    }
}

static void begin(struct stopping *s, uint64_t grace_ns)
{
    char state[VM_STATE_MAX];
    s->step = STOP_ASKED;
    s->deadline_ns = clock_mono_ns() + grace_ns;
    if (grace_ns == 0)
        return;
    s->hangs = vm_state(&s->vm, state, &s->deaf) == -ETIMEDOUT;
    if (s->hangs)
        return;
    if (strcmp(state, "Not started") == 0) {
        /* There is nobody to ask. */
        s->deadline_ns = clock_mono_ns();
        return;
    }
    /* A guest that stands still hears nothing. */
    if (strcmp(state, "Paused") == 0)
        (void)vm_request(&s->vm, "PATCH", "/vm", "{\"state\":\"Resumed\"}", ANSWER_MS, NULL);
    ask(s);
}

static void tell(struct stopping *s)
{
    s->step = STOP_TOLD;
    if (s->hangs ||
        vm_request(&s->vm, "PUT", "/actions", "{\"action_type\":\"Stop\"}", ANSWER_MS, NULL) < 0) {
        (void)syscall(SYS_pidfd_send_signal, s->fd, SIGTERM, NULL, 0);
    }
    s->deadline_ns = clock_mono_ns() + TOLD_NS;
}

static void end(struct stopping *s)
{
    s->step = STOP_KILLED;
    s->deadline_ns = clock_mono_ns() + KILLED_NS;
    if (syscall(SYS_pidfd_send_signal, s->fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        log_error("%s: cannot be killed: %s", vm_label(&s->vm), strerror(errno));
}

/* What a killed monitor could not remove itself. */
static void clean_up(const struct stopping *s)
{
    struct registry *registry = NULL;
    if (s->vm.entry.name[0] == '\0' || registry_open(false, &registry, NULL) < 0)
        return;
    (void)registry_remove_stale(registry, s->vm.entry.name, NULL);
    registry_close(registry);
}

/* Where somebody looks, how many are left while it takes a while; cleared for 0. */
static void show_wait(size_t left, uint64_t since_ns)
{
    static bool shown;
    if (!isatty(STDERR_FILENO) || (left == 0 && !shown))
        return;
    if (left == 0)
        (void)fprintf(stderr, "\r\033[K");
    else if (clock_mono_ns() - since_ns >= SHOW_NS)
        (void)fprintf(stderr, "\rwaiting for %zu machine%s, %u s\033[K", left, left == 1 ? "" : "s",
                      (unsigned)((clock_mono_ns() - since_ns) / NS_PER_S));
    else
        return;
    shown = left > 0;
}

static void has_ended(struct stopping *s, uint64_t start_ns)
{
    double seconds = (double)(clock_mono_ns() - start_ns) / (double)NS_PER_S;
    show_wait(0, 0);
    const char *label = vm_label(&s->vm);
    fd_close(&s->fd);
    if (s->step == STOP_KILLED) {
        clean_up(s);
        (void)printf("%s: killed after %.1f s: its monitor did not end\n", label, seconds);
    } else if (s->step == STOP_ASKED) {
        (void)printf("%s: shut down after %.1f s\n", label, seconds);
    } else if (s->deaf.text[0] != '\0') {
        (void)printf("%s: ended after %.1f s: its guest could not be asked\n", label, seconds);
        log_warn("%s", s->deaf.text);
    } else {
        (void)printf("%s: ended after %.1f s%s\n", label, seconds,
                     s->asked ? ": its guest did not shut down" : "");
    }
}

/* When something is to be done about this machine, if it has not ended. */
static uint64_t due_ns(const struct stopping *s)
{
    if (s->step == STOP_ASKED && s->ask_ns != 0)
        return min_u64(s->ask_ns, s->deadline_ns);
    return s->deadline_ns;
}

/* It has not ended in time. */
static void next_step(struct stopping *s)
{
    switch (s->step) {
    case STOP_ASKED:
        if (clock_mono_ns() < s->deadline_ns)
            ask(s);
        else
            tell(s);
        break;
    case STOP_TOLD:
        end(s);
        break;
    default:
        show_wait(0, 0);
        log_error("%s: its monitor (pid %d) does not end", vm_label(&s->vm), (int)s->vm.entry.pid);
        s->failed = true;
        fd_close(&s->fd);
    }
}

/* Until something is to be done or shown, in ms; -1 when all have ended. */
static int time_left(const struct stopping *all, size_t count)
{
    uint64_t next = UINT64_MAX;
    uint64_t now = clock_mono_ns();
    for (size_t i = 0; i < count; i++) {
        if (all[i].fd >= 0)
            next = min_u64(next, due_ns(&all[i]));
    }
    if (next == UINT64_MAX)
        return -1;
    return (int)min_u64((sub_sat_u64(next, now) + NS_PER_MS - 1) / NS_PER_MS, SHOW_NS / NS_PER_MS);
}

static void await_all(struct stopping *all, struct pollfd *fds, size_t count, uint64_t start_ns)
{
    int ms;
    while ((ms = time_left(all, count)) >= 0) {
        size_t left = 0;
        for (size_t i = 0; i < count; i++) {
            fds[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
            left += all[i].fd >= 0;
        }
        show_wait(left, start_ns);
        (void)poll(fds, (nfds_t)count, ms);
        for (size_t i = 0; i < count; i++) {
            if (all[i].fd >= 0 && fds[i].revents != 0)
                has_ended(&all[i], start_ns);
            else if (all[i].fd >= 0 && clock_mono_ns() >= due_ns(&all[i]))
                next_step(&all[i]);
        }
    }
}

/* Finds the monitor, and begins unless it has ended. */
static void find_and_begin(struct stopping *s, uint64_t grace_ns)
{
    struct err err = {0};
    int rc = vm_watch(&s->vm, &s->fd);
    if (rc == -ESRCH) {
        (void)printf("%s: had ended already\n", vm_label(&s->vm));
    } else if (rc < 0) {
        log_error("%s: its monitor cannot be watched: %s", vm_label(&s->vm), strerror(-rc));
        s->failed = true;
    } else if (check_monitor(&s->vm, &err) < 0 && !is_gone(s->fd)) {
        log_error("no monitor is known by this socket, nothing is stopped: %s", err.text);
        s->failed = true;
        fd_close(&s->fd);
    } else {
        begin(s, grace_ns);
    }
}

/* Ends count machines. Returns the exit status. */
static int stop_all(struct stopping *all, size_t count, uint64_t grace_ns)
{
    AUTO_FREE struct pollfd *fds = calloc(count + 1, sizeof(*fds));
    uint64_t start_ns = clock_mono_ns();
    int status = CLI_OK;
    if (fds == NULL)
        return CLI_FAILED;
    for (size_t i = 0; i < count; i++)
        find_and_begin(&all[i], grace_ns);
    await_all(all, fds, count, start_ns);
    for (size_t i = 0; i < count; i++)
        status = all[i].failed ? CLI_FAILED : status;
    return status;
}

/* Those that are named; one that does not exist is an error, and the others are stopped. */
static size_t take_named(const struct cmd_line *line, struct stopping *out, int *status)
{
    size_t count = 0;
    for (unsigned i = 0; i < line->n_words; i++) {
        struct err err = {0};
        out[count] = (struct stopping){.fd = -1};
        if (vm_resolve(line->words[i], &out[count].vm, &err) == 0) {
            count++;
        } else {
            log_error("%s", err.text);
            *status = CLI_FAILED;
        }
    }
    return count;
}

static int stop_listed(uint64_t grace_ns)
{
    AUTO_FREE struct vm_ref *vms = NULL;
    struct err err = {0};
    size_t count = 0;
    if (vm_list(&vms, &count, &err) < 0) {
        log_error("%s", err.text);
        return CLI_FAILED;
    }
    AUTO_FREE struct stopping *all = calloc(count + 1, sizeof(*all));
    if (all == NULL)
        return CLI_FAILED;
    for (size_t i = 0; i < count; i++)
        all[i] = (struct stopping){.vm = vms[i], .fd = -1};
    return stop_all(all, count, grace_ns);
}

static int stop(const struct cmd_line *line)
{
    struct err err = {0};
    uint64_t grace_s = GRACE_S;
    const char *grace = cmd_value(line, OPT_GRACE);
    int rc = grace == NULL ? 0 : cfg_parse_count("--grace", grace, 0, GRACE_MAX_S, &grace_s, &err);
    if (rc == 0 && cmd_given(line, OPT_ALL) && line->n_words > 0)
        rc = err_set(&err, -EINVAL, "stop: --all takes no names, but \"%.80s\" was given",
                     line->words[0]);
    if (rc == 0 && !cmd_given(line, OPT_ALL) && line->n_words == 0)
        rc = vm_missing("stop", &err);
    if (rc < 0)
        return cmd_usage_error(line->cmd, &err);
    if (cmd_given(line, OPT_ALL))
        return stop_listed(grace_s * NS_PER_S);
    AUTO_FREE struct stopping *all = calloc(line->n_words, sizeof(*all));
    int status = CLI_OK;
    if (all == NULL)
        return CLI_FAILED;
    size_t count = take_named(line, all, &status);
    int stopped = stop_all(all, count, grace_s * NS_PER_S);
    return status == CLI_OK ? stopped : status;
}

static const struct cmd_option options[] = {
    {.name = "all", .id = OPT_ALL, .help = "stop every machine that aerostat ps lists"},
    {.name = "grace",
     .id = OPT_GRACE,
     .value = "SECONDS",
     .help = "how long a guest has to shut down, 0 not to ask it (default: 10)"},
    {0},
};

static const struct cmd_arg args[] = {
    {.name = "VM",
     .help = "a machine's name, or its control socket's path with a slash in it",
     .complete = CMD_COMPLETE_VM,
     .optional = true,
     .many = true},
    {0},
};

static const struct cmd_example examples[] = {
    {"aerostat stop web", "ask web to shut down, and end it after 10 s if it does not"},
    {"aerostat stop --all --grace 0", "end everything at once"},
    {0},
};

const struct command cmd_stop = {
    .name = "stop",
    .summary = "shut machines down",
    .group = CMD_GROUP_RUN,
    .synopsis = "stop [--grace SECONDS] VM...\nstop [--grace SECONDS] --all",
    .description =
        "Presses Ctrl+Alt+Del in the guests, by which Linux shuts down, and waits. A guest that "
        "does not listen, since it is still booting, is asked again. A machine that has not ended "
        "after the grace time is told to end without its guest; one whose monitor does not do even "
        "that in 5 s is killed. A paused machine is resumed to be asked. Who serves a socket that "
        "no "
        "named machine has must answer as a monitor does, or is left alone.",
    .options = options,
    .args = args,
    .exit_status = "0 when all have ended, by whatever means; 1 when one has not, or does not "
                   "exist; 2 for a bad command line.",
    .examples = examples,
    .run = stop,
};
