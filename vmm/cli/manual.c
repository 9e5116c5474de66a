/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages (man-pages(7), groff_man(7)) from the tables: `aerostat manual FOLDER`, which the
 * build runs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/log.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/command_priv.h"

/* A character of text; a dash is one that can be typed. */
static void put_char(char c, FILE *out)
{
    static const struct {
        char c;
        const char *escape;
    } escapes[] = {{'\\', "\\e"},  {'-', "\\-"},   {'\'', "\\(aq"},
                   {'`', "\\(ga"}, {'^', "\\(ha"}, {'~', "\\(ti"}};
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (escapes[i].c == c) {
            (void)fputs(escapes[i].escape, out);
            return;
        }
    }
    (void)fputc(c, out);
}

/* Text within a line. */
static void put(const char *text, FILE *out)
{
    for (; *text != '\0'; text++)
        put_char(*text, out);
}

/* Text as lines of its own; an empty line becomes a new paragraph, of the given macro. */
static void put_text(const char *text, const char *paragraph, FILE *out)
{
    bool at_start = true;
    for (; *text != '\0'; text++) {
        /* A dot there would be a request. */
        if (at_start && *text == '.')
            (void)fputs("\\&", out);
        at_start = *text == '\n';
        if (text[0] == '\n' && text[1] == '\n') {
            (void)fprintf(out, "\n%s\n", paragraph);
            text++;
        } else if (*text == '\n') {
            (void)fputs("\n.br\n", out);
        } else {
            put_char(*text, out);
        }
    }
    (void)fputc('\n', out);
}

/* "aerostat-balloon-set". */
static void page_name(const struct command *cmd, char out[CMD_LABEL_MAX])
{
    int n = snprintf(out, CMD_LABEL_MAX, "aerostat-%s", cmd->name);
    for (char *c = out; n > 0 && *c != '\0'; c++)
        *c = *c == ' ' ? '-' : *c;
}

static void put_title(const char *name, FILE *out)
{
    (void)fputs(".\\\" From the tables of the program: do not edit.\n.TH \"", out);
    for (; *name != '\0'; name++)
        put_char(*name >= 'a' && *name <= 'z' ? (char)(*name - ('a' - 'A')) : *name, out);
    (void)fprintf(out, "\" 1 \"\" \"Aerostat %s\" \"Aerostat\"\n", AEROSTAT_VERSION);
    /* Left-aligned, and no word is parted: options are searched for. */
    (void)fputs(".nh\n.ad l\n", out);
}

static void put_name(const char *name, const char *summary, FILE *out)
{
    (void)fputs(".SH NAME\n", out);
    put(name, out);
    (void)fputs(" \\- ", out);
    put(summary, out);
    (void)fputc('\n', out);
}

static void put_synopsis(const struct command *cmd, FILE *out)
{
    char lines[CMD_LABEL_MAX];
    char *rest = lines;
    cmd_synopsis(cmd, lines);
    (void)fputs(".SH SYNOPSIS\n.nf\n", out);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        size_t name = strlen(cmd->name);
        (void)fputs("\\fBaerostat ", out);
        for (size_t i = 0; line[i] != '\0'; i++) {
            if (i == name)
                (void)fputs("\\fR", out);
            put_char(line[i], out);
        }
        (void)fputs("\\fR\n", out);
    }
    (void)fputs(".fi\n", out);
}

static void put_options(const struct command *cmd, FILE *out)
{
    (void)fputs(".SH OPTIONS\n", out);
    for (const struct cmd_arg *arg = cmd->args; arg != NULL && arg->name != NULL; arg++) {
        (void)fputs(".TP\n\\fI", out);
        put(arg->name, out);
        (void)fputs("\\fR\n", out);
        put_text(arg->help, ".IP", out);
    }
    for (const struct cmd_option *o = cmd->options; o != NULL && o->name != NULL; o++) {
        if (o->heading != NULL) {
            (void)fputs(".SS ", out);
            put(o->heading, out);
            (void)fputc('\n', out);
        }
        (void)fputs(".TP\n", out);
        if (o->letter != 0)
            (void)fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
        (void)fputs("\\fB\\-\\-", out);
        put(o->name, out);
        (void)fprintf(out, "\\fR%s%s%s\n", o->value == NULL ? "" : " \\fI",
                      o->value == NULL ? "" : o->value, o->value == NULL ? "" : "\\fR");
        put_text(o->help, ".IP", out);
    }
    if (cmd->options != NULL && cmd->options[0].heading != NULL)
        (void)fputs(".SS Help\n", out);
    (void)fputs(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nshow a short form of this\n", out);
}

static void put_examples(const char *heading, const struct cmd_example *examples, FILE *out)
{
    (void)fprintf(out, ".SH %s\n", heading);
    for (; examples->line != NULL; examples++) {
        (void)fputs(".TP\n\\fB", out);
        put(examples->line, out);
        (void)fputs("\\fR\n", out);
        put_text(examples->what, ".IP", out);
    }
}

/* The commands of a group, or those below a name. */
static void put_commands(const struct command *const *table, const char *name, enum cmd_group group,
                         FILE *out)
{
    char page[CMD_LABEL_MAX];
    for (; *table != NULL; table++) {
        const struct command *cmd = *table;
        bool in = name != NULL ? cmd_is_below(cmd, name) : cmd->run != NULL && cmd->group == group;
        if (cmd->hidden || !in)
            continue;
        page_name(cmd, page);
        (void)fputs(".TP\n\\fB", out);
        put(page, out);
        (void)fputs("\\fR(1)\n", out);
        put_text(cmd->summary, ".IP", out);
    }
}

void cmd_manual_command(const struct command *const *table, const struct command *cmd, FILE *out)
{
    char name[CMD_LABEL_MAX];
    page_name(cmd, name);
    put_title(name, out);
    put_name(name, cmd->summary, out);
    put_synopsis(cmd, out);
    (void)fputs(".SH DESCRIPTION\n", out);
    put_text(cmd->description != NULL ? cmd->description : cmd->summary, ".PP", out);
    if (cmd->run == NULL) {
        (void)fputs(".SH COMMANDS\n", out);
        put_commands(table, cmd->name, cmd->group, out);
    } else {
        put_options(cmd, out);
    }
    if (cmd->notes != NULL) {
        (void)fputs(".SH NOTES\n", out);
        put_text(cmd->notes, ".PP", out);
    }
    (void)fputs(".SH EXIT STATUS\n", out);
    put_text(cmd->exit_status != NULL ? cmd->exit_status
                                      : "0 on success, 1 on failure, 2 for a bad command line.",
             ".PP", out);
    if (cmd->examples != NULL)
        put_examples("EXAMPLES", cmd->examples, out);
    (void)fputs(".SH SEE ALSO\n\\fBaerostat\\fR(1)\n", out);
}

void cmd_manual_program(const struct command *const *table, const struct cmd_example *first_steps,
                        FILE *out)
{
    put_title("aerostat", out);
    put_name("aerostat", "microVM monitor for Linux/KVM whose guests give memory back", out);
    (void)fputs(".SH SYNOPSIS\n\\fBaerostat\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]\n", out);
    (void)fputs(".SH DESCRIPTION\n", out);
    put_text("Starts small virtual machines from a command line or from a Firecracker "
             "configuration file, and takes memory back from them in milliseconds.",
             ".PP", out);
    (void)fputs(".SH COMMANDS\n", out);
    for (unsigned g = 0; g < CMD_GROUPS; g++) {
        (void)fprintf(out, ".SS %s\n", cmd_group_names[g]);
        put_commands(table, NULL, (enum cmd_group)g, out);
    }
    (void)fputs(".SH EXIT STATUS\n", out);
    put_text("0 on success, 1 on failure, 2 for a bad command line or configuration.", ".PP", out);
    (void)fputs(".SH ENVIRONMENT\n.TP\n\\fBAEROSTAT_RUNTIME_DIR\\fR\n", out);
    put_text("where running machines are registered; without it $XDG_RUNTIME_DIR/aerostat, "
             "/run/aerostat for root, or /tmp/aerostat-UID",
             ".IP", out);
    (void)fputs(".TP\n\\fBNO_COLOR\\fR\n", out);
    put_text("no colours, also on a terminal", ".IP", out);
    put_examples("FIRST STEPS", first_steps, out);
}

/* Opens FOLDER/NAME.1. */
static int open_page(const char *folder, const char *name, FILE **out_file)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s.1", folder, name) >= sizeof(path))
        return -ENAMETOOLONG;
    *out_file = fopen(path, "we");
    return *out_file == NULL ? -errno : 0;
}

static int close_page(FILE *file)
{
    bool failed = ferror(file) != 0;
    return fclose(file) != 0 || failed ? -EIO : 0;
}

static int write_pages(const char *folder)
{
    FILE *out;
    int rc = open_page(folder, "aerostat", &out);
    if (rc < 0)
        return rc;
    cmd_manual_program(cli_commands, cli_first_steps, out);
    rc = close_page(out);
    for (const struct command *const *cmd = cli_commands; rc == 0 && *cmd != NULL; cmd++) {
        char name[CMD_LABEL_MAX];
        if ((*cmd)->hidden)
            continue;
        page_name(*cmd, name);
        rc = open_page(folder, name, &out);
        if (rc < 0)
            return rc;
        cmd_manual_command(cli_commands, *cmd, out);
        rc = close_page(out);
    }
    return rc;
}

static int manual(const struct cmd_line *line)
{
    const char *folder = cmd_word(line, 0);
    int rc = write_pages(folder);
    if (rc == 0)
        return CLI_OK;
    log_error("manual pages in %.200s: %s", folder, strerror(-rc));
    return CLI_FAILED;
}

static const struct cmd_arg args[] = {
    {.name = "FOLDER", .help = "where they go", .complete = CMD_COMPLETE_FILE},
    {0},
};

const struct command cmd_manual = {
    .name = "manual",
    .summary = "write the manual pages",
    .group = CMD_GROUP_HOST,
    .hidden = true,
    .args = args,
    .run = manual,
};
