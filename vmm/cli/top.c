/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat top`: all machines of this host, live on a terminal, as lines or JSON elsewhere. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/top_priv.h"
#include "vmm/config/config.h"

enum { OPT_INTERVAL = 1, OPT_COUNT, OPT_SORT, OPT_JSON };

#define INTERVAL_MAX_S     3600u
#define INTERVAL_DEFAULT_S 2u
#define COUNT_MAX          1000000u
#define PLAIN_WIDTH        100u

/* How long processor time is measured for a single view. */
#define FIRST_NS (500 * 1000 * 1000L)

/* What was asked for. */
struct ask {
    struct top_view view;
    bool json;
    bool repeat;    /* --interval or --count is given */
    uint64_t count; /* 0: without end */
};

static int read_sort(const char *text, struct top_view *view, struct err *err)
{
    for (unsigned i = 0; i < TOP_SORTS; i++) {
        if (strcmp(top_columns[i].word, text) == 0) {
            view->sort = (enum top_sort)i;
            return 0;
        }
    }
    return err_set(err, -EINVAL,
                   "--sort: \"%.40s\" is not one of name, memory, target, balloon, host, back, "
                   "pressure, cpu",
                   text);
}

static int read_line(const struct cmd_line *line, struct ask *out, struct err *err)
{
    uint64_t seconds = INTERVAL_DEFAULT_S;
    int rc = 0;
    *out = (struct ask){.json = cmd_given(line, OPT_JSON)};
    out->repeat = cmd_given(line, OPT_INTERVAL) || cmd_given(line, OPT_COUNT);
    if (cmd_given(line, OPT_INTERVAL))
        rc = cfg_parse_count("--interval", cmd_value(line, OPT_INTERVAL), 1, INTERVAL_MAX_S,
                             &seconds, err);
    if (rc == 0 && cmd_given(line, OPT_COUNT))
        rc = cfg_parse_count("--count", cmd_value(line, OPT_COUNT), 1, COUNT_MAX, &out->count, err);
    if (rc == 0 && cmd_given(line, OPT_SORT))
        rc = read_sort(cmd_value(line, OPT_SORT), &out->view, err);
    out->view.interval_s = (unsigned)seconds;
    out->view.width = PLAIN_WIDTH;
    return rc;
}

static int print(const struct top *top, struct ask *ask)
{
    int rc = ask->json ? top_print_json(top, ask->repeat, stdout)
                       : top_draw(top, &ask->view, "\n", stdout);
    if (rc == 0 && ask->repeat && !ask->json)
        (void)fputc('\n', stdout);
    /* Who reads may be gone. */
    return rc == 0 && fflush(stdout) != 0 ? -EPIPE : rc;
}

/* Views as text, one or several. */
static int plain(struct top *top, struct ask *ask, struct err *err)
{
    struct timespec pause = {.tv_nsec = FIRST_NS};
    int rc = top_refresh(top, err);
    for (uint64_t i = 0; rc == 0; pause = (struct timespec){.tv_sec = ask->view.interval_s}) {
        (void)nanosleep(&pause, NULL);
        rc = top_refresh(top, err);
        if (rc < 0)
            break;
        rc = print(top, ask);
        if (rc == -EPIPE)
            return 0;
        if (rc < 0)
            return err_sys(err, rc, "top");
        i++;
        if (!ask->repeat || i == ask->count)
            break;
    }
    return rc;
}

static int run(const struct cmd_line *line)
{
    struct top top = {.root = ""};
    struct ask ask;
    struct err err = {0};
    int status = CLI_OK;
    if (read_line(line, &ask, &err) < 0)
        return cmd_usage_error(line->cmd, &err);
    bool live = !ask.json && ask.count == 0 && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (live) {
        ask.view.colour = getenv("NO_COLOR") == NULL;
        status = top_screen(&top, &ask.view);
    } else if (plain(&top, &ask, &err) < 0) {
        log_error("%s", err.text);
        status = CLI_FAILED;
    }
    top_finish(&top);
    return status;
}

static const struct cmd_option options[] = {
    {.name = "interval",
     .id = OPT_INTERVAL,
     .letter = 'i',
     .value = "SECONDS",
     .help = "refresh so often, 1 to 3600 (default: 2); where this is no terminal: print a view so "
             "often instead of one"},
    {.name = "count",
     .id = OPT_COUNT,
     .letter = 'n',
     .value = "N",
     .help = "print N views as lines, also on a terminal, and end"},
    {.name = "sort",
     .id = OPT_SORT,
     .letter = 's',
     .value = "WORD",
     .help =
         "by name, or the largest first by memory, target, balloon, host, back, pressure or cpu",
     .words = "name memory target balloon host back pressure cpu"},
    {.name = "json",
     .id = OPT_JSON,
     .help = "print JSON, with --interval or --count a line for each view; null is what is not "
             "known"},
    {0},
};

static const struct cmd_example examples[] = {
    {"aerostat top", "watch all machines of this host"},
    {"aerostat top --json | jq '.vms[] | select(.resident_bytes > 1e9) | .name'",
     "the machines of which the host holds more than 1 GB"},
    {0},
};

const struct command cmd_top = {
    .name = "top",
    .summary = "watch all machines of this host, and what they give back",
    .group = CMD_GROUP_LOOK,
    .description =
        "Shows the machines of this user on the whole terminal, again every two seconds. "
        "Where standard output is no terminal, it prints one view as lines and ends.",
    .options = options,
    .notes =
        "MEM is the guest's memory, TARGET what its balloon is asked for, BALLOON what that holds "
        "by the guest's word; HOST is what the host holds of the guest's memory, BACK by how much "
        "that fell for the balloon, all in all. PSI% is how much of the last ten seconds tasks of "
        "the monitor's control group waited for memory (\"-\" where it has none of cgroup v2; the "
        "first line has the whole host's), CPU% the monitor's processor time, guest included, 100 "
        "for one processor.\n\n"
        "The bar is the guest's memory: # from the left is what the host holds, = from the right "
        "what the balloon does.\n\n"
        "Keys: q quits; n, m, t, b, h, r, p, c sort by name, memory, target, balloon, host, back, "
        "pressure, CPU, and the same key again reverses that; + and - change the interval; arrows "
        "and page keys scroll.",
    .exit_status =
        "0; 1 when machines cannot be listed; 2 for a bad command line; 128+N when signal "
        "N ended it.",
    .examples = examples,
    .run = run,
};
