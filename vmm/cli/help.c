/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of --help, from the tables. */
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/base/num.h"
#include "vmm/cli/command.h"
#include "vmm/cli/command_priv.h"

#define WIDTH_DEFAULT 80u
#define WIDTH_MIN     40u
#define WIDTH_MAX     100u

/* Longer labels have a line of their own. */
#define LABEL_COLUMN_MAX 28u

const char *const cmd_group_names[CMD_GROUPS] = {
    [CMD_GROUP_RUN] = "Run",
    [CMD_GROUP_LOOK] = "Look",
    [CMD_GROUP_CHANGE] = "Change",
    [CMD_GROUP_HOST] = "Host",
};

/* Somewhere to write lines that are no longer than width. */
struct page {
    FILE *out;
    unsigned width;
};

static void pad(const struct page *page, unsigned n)
{
    (void)fprintf(page->out, "%*s", (int)n, "");
}

/* Text from column at on, further lines from column indent on. Ends the line. */
static void wrap(const struct page *page, unsigned at, unsigned indent, const char *text)
{
    unsigned column = at;
    bool first = true;
    while (*text != '\0') {
        unsigned word = (unsigned)strcspn(text, " \n");
        if (!first && column + 1 + word > page->width) {
            (void)fputc('\n', page->out);
            pad(page, indent);
            column = indent;
            first = true;
        }
        column += (unsigned)fprintf(page->out, "%s%.*s", first ? "" : " ", (int)word, text);
        first = false;
        text += word;
        if (*text == ' ') {
            text++;
        } else if (*text == '\n') {
            (void)fputc('\n', page->out);
            column = 0;
            first = true;
            text++;
        }
    }
    (void)fputc('\n', page->out);
}

void cmd_help_wrap(unsigned column, unsigned width, const char *text, FILE *out)
{
    struct page page = {out, width};
    wrap(&page, column, column, text);
}

/* A label, and what it means in the column behind all labels. */
static void entry(const struct page *page, const char *label, unsigned column, const char *text)
{
    unsigned at = (unsigned)fprintf(page->out, "  %s", label);
    if (at + 2 > column) {
        (void)fputc('\n', page->out);
        at = 0;
    }
    pad(page, column - at);
    wrap(page, column, column, text);
}

static void widen(unsigned *column, const char *label)
{
    unsigned want = 4 + (unsigned)strlen(label);
    if (want <= LABEL_COLUMN_MAX)
        *column = (unsigned)max_u64(*column, want);
}

unsigned cmd_help_width(FILE *out)
{
    struct winsize size = {0};
    if (ioctl(fileno(out), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return WIDTH_DEFAULT;
    return (unsigned)min_u64(max_u64(size.ws_col, WIDTH_MIN), WIDTH_MAX);
}

void cmd_option_label(const struct cmd_option *option, char out[CMD_LABEL_MAX])
{
    char letter[8] = "";
    if (option->letter != 0)
        (void)snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    (void)snprintf(out, CMD_LABEL_MAX, "%s--%s%s%s", letter, option->name,
                   option->value == NULL ? "" : " ", option->value == NULL ? "" : option->value);
}

void cmd_synopsis(const struct command *cmd, char out[CMD_LABEL_MAX])
{
    if (cmd->synopsis != NULL) {
        (void)snprintf(out, CMD_LABEL_MAX, "%s", cmd->synopsis);
        return;
    }
    bool has_options = cmd->options != NULL && cmd->options[0].name != NULL;
    size_t len =
        (size_t)snprintf(out, CMD_LABEL_MAX, "%s%s", cmd->name, has_options ? " [OPTION...]" : "");
    for (const struct cmd_arg *arg = cmd->args; arg != NULL && arg->name != NULL; arg++) {
        if (len < CMD_LABEL_MAX)
            len += (size_t)snprintf(out + len, CMD_LABEL_MAX - len, " %s%s%s%s",
                                    arg->optional ? "[" : "", arg->name, arg->many ? "..." : "",
                                    arg->optional ? "]" : "");
    }
}

static void usage(const struct page *page, const struct command *cmd)
{
    char lines[CMD_LABEL_MAX];
    const char *before = "Usage: ";
    char *rest = lines;
    cmd_synopsis(cmd, lines);
    for (char *line; (line = strsep(&rest, "\n")) != NULL; before = "       ") {
        (void)fprintf(page->out, "%saerostat ", before);
        wrap(page, 16, 20, line);
    }
}

/* A summary is no sentence. */
static void sentence(const struct page *page, const char *summary)
{
    (void)fprintf(page->out, "%c%s.\n", summary[0] >= 'a' ? summary[0] - ('a' - 'A') : summary[0],
                  summary + 1);
}

static unsigned option_column(const struct command *cmd)
{
    unsigned column = 12;
    char label[CMD_LABEL_MAX];
    for (const struct cmd_option *o = cmd->options; o != NULL && o->name != NULL; o++) {
        cmd_option_label(o, label);
        widen(&column, label);
    }
    for (const struct cmd_arg *arg = cmd->args; arg != NULL && arg->name != NULL; arg++)
        widen(&column, arg->name);
    return column;
}

static void options(const struct page *page, const struct command *cmd)
{
    unsigned column = option_column(cmd);
    char label[CMD_LABEL_MAX];
    bool above = cmd->args != NULL;
    if (above)
        (void)fputc('\n', page->out);
    for (const struct cmd_arg *arg = cmd->args; arg != NULL && arg->name != NULL; arg++)
        entry(page, arg->name, column, arg->help);
    for (const struct cmd_option *o = cmd->options; o != NULL && o->name != NULL; o++) {
        if (o->heading != NULL)
            (void)fprintf(page->out, "\n%s:\n", o->heading);
        else if (!above)
            (void)fputc('\n', page->out);
        above = true;
        cmd_option_label(o, label);
        entry(page, label, column, o->help);
    }
    if (!above || (cmd->options != NULL && cmd->options[0].heading != NULL))
        (void)fputc('\n', page->out);
    entry(page, "-h, --help", column, "show this");
}

static void commands_below(const struct page *page, const struct command *const *table,
                           const char *name)
{
    unsigned column = 0;
    for (const struct command *const *c = table; *c != NULL; c++) {
        if (!(*c)->hidden && cmd_is_below(*c, name))
            widen(&column, (*c)->name);
    }
    (void)fputc('\n', page->out);
    for (const struct command *const *c = table; *c != NULL; c++) {
        if (!(*c)->hidden && cmd_is_below(*c, name))
            entry(page, (*c)->name, column, (*c)->summary);
    }
    (void)fprintf(page->out, "\n`aerostat %s ACTION --help` explains one of them.\n", name);
}

/* Each on a line, what it does below it. */
static void examples(const struct page *page, const struct cmd_example *examples)
{
    (void)fputs("\nExamples:\n", page->out);
    for (; examples->line != NULL; examples++) {
        (void)fprintf(page->out, "  %s\n      ", examples->line);
        wrap(page, 6, 6, examples->what);
    }
}

void cmd_help_command(const struct command *const *table, const struct command *cmd, unsigned width,
                      FILE *out)
{
    struct page page = {out, width};
    usage(&page, cmd);
    if (cmd->description != NULL)
        wrap(&page, 0, 0, cmd->description);
    else
        sentence(&page, cmd->summary);
    if (cmd->run == NULL)
        commands_below(&page, table, cmd->name);
    else
        options(&page, cmd);
    if (cmd->notes != NULL) {
        (void)fputc('\n', out);
        wrap(&page, 0, 0, cmd->notes);
    }
    if (cmd->exit_status != NULL) {
        (void)fputs("\nExit status: ", out);
        wrap(&page, 13, 0, cmd->exit_status);
    }
    if (cmd->examples != NULL)
        examples(&page, cmd->examples);
}

static bool is_listed(const struct command *cmd, enum cmd_group group)
{
    return !cmd->hidden && cmd->run != NULL && cmd->group == group;
}

static void group(const struct page *page, const struct command *const *table, enum cmd_group which,
                  unsigned column)
{
    bool any = false;
    for (; *table != NULL; table++) {
        if (!is_listed(*table, which))
            continue;
        if (!any)
            (void)fprintf(page->out, "\n%s:\n", cmd_group_names[which]);
        any = true;
        entry(page, (*table)->name, column, (*table)->summary);
    }
}

static const char about[] = "A microVM monitor for Linux/KVM whose guests give memory back.";

void cmd_help_program(const struct command *const *table, const struct cmd_example *first_steps,
                      unsigned width, FILE *out)
{
    struct page page = {out, width};
    unsigned column = 0;
    for (const struct command *const *c = table; *c != NULL; c++)
        widen(&column, (*c)->name);
    (void)fprintf(out, "Usage: aerostat COMMAND [OPTION...]\n");
    wrap(&page, 0, 0, about);
    for (unsigned g = 0; g < CMD_GROUPS; g++)
        group(&page, table, (enum cmd_group)g, column);
    (void)fputs("\n`aerostat help COMMAND` explains a command, and so does its option --help.\n"
                "\nFirst steps:\n",
                out);
    for (const struct cmd_example *e = first_steps; e->line != NULL; e++)
        (void)fprintf(out, "  %s\n", e->line);
}

void cmd_help_overview(const struct command *const *table, unsigned width, FILE *out)
{
    struct page page = {out, width};
    (void)fprintf(out, "Usage: aerostat COMMAND [OPTION...]\n");
    wrap(&page, 0, 0, about);
    (void)fputc('\n', out);
    for (unsigned g = 0; g < CMD_GROUPS; g++) {
        unsigned at = (unsigned)fprintf(out, "  %-8s", cmd_group_names[g]);
        for (const struct command *const *c = table; *c != NULL; c++) {
            if (!is_listed(*c, (enum cmd_group)g))
                continue;
            if (at + 2 + strlen((*c)->name) > width)
                at = (unsigned)fprintf(out, "\n%10s", "") - 1;
            at += (unsigned)fprintf(out, "  %s", (*c)->name);
        }
        (void)fputc('\n', out);
    }
    (void)fputs("\n`aerostat --help` says what they do.\n", out);
}
