/* SPDX-License-Identifier: Apache-2.0 */
/* From the program's command line to the command that it names. */
#include "vmm/cli/command.h"

#include <errno.h>
#include <string.h>

#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/command_priv.h"

/* More commands than there will be. */
#define NAMES_MAX 64u

const struct command *cmd_find(const struct command *const *table, const char *name)
{
    for (; *table != NULL; table++) {
        if (strcmp((*table)->name, name) == 0)
            return *table;
    }
    return NULL;
}

bool cmd_is_below(const struct command *cmd, const char *name)
{
    size_t len = strlen(name);
    return strncmp(cmd->name, name, len) == 0 && cmd->name[len] == ' ';
}

int cmd_usage_error(const struct command *cmd, const struct err *err)
{
    log_error("%s (see aerostat %s --help)", err->text, cmd->name);
    return CLI_USAGE;
}

/* What could not be written is a failure, also where its command did not look. */
static int settle(int status)
{
    bool lost = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (status != CLI_OK || !lost)
        return status;
    log_error("standard output cannot be written");
    return CLI_FAILED;
}

static int run(const struct command *const *table, const struct command *cmd, int argc, char **argv)
{
    struct cmd_line line;
    struct err err = {0};
    if (cmd_line_read(cmd, argc, argv, &line, &err) < 0)
        return cmd_usage_error(cmd, &err);
    if (!line.help)
        return settle(cmd->run(&line));
    cmd_help_command(table, cmd, cmd_help_width(stdout), stdout);
    return settle(CLI_OK);
}

/* The first words of commands, or the second ones of those below a name. */
static unsigned names_below(const struct command *const *table, const char *name,
                            const char *names[NAMES_MAX])
{
    unsigned n = 0;
    for (; *table != NULL && n < NAMES_MAX; table++) {
        const struct command *cmd = *table;
        if (cmd->hidden)
            continue;
        if (name == NULL && strchr(cmd->name, ' ') == NULL)
            names[n++] = cmd->name;
        else if (name != NULL && cmd_is_below(cmd, name))
            names[n++] = cmd->name + strlen(name) + 1;
    }
    return n;
}

/* As cmd_nearest(), and what the word begins is near, too. */
static const char *nearest_name(const char *word, const char *const *names, unsigned n)
{
    for (unsigned i = 0; strlen(word) > 1 && i < n; i++) {
        if (strncmp(word, names[i], strlen(word)) == 0)
            return names[i];
    }
    return cmd_nearest(word, names, n);
}

/* "set, show or hint" with last " or ", "set, show, hint" with last ", ". */
static void list_names(const char *const *names, unsigned n, const char *last, char *out,
                       size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < n && len < size; i++) {
        const char *between = i == 0 ? "" : i + 1 < n ? ", " : last;
        len += (size_t)snprintf(out + len, size - len, "%s%s", between, names[i]);
    }
}

/* The command is the first word of several; argv[0] is that word. */
static int run_below(const struct command *const *table, const struct command *cmd, int argc,
                     char **argv)
{
    const char *names[NAMES_MAX];
    char known[200];
    unsigned n = names_below(table, cmd->name, names);
    struct err err;
    int rc;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        cmd_help_command(table, cmd, cmd_help_width(stdout), stdout);
        return settle(CLI_OK);
    }
    list_names(names, n, argc > 1 ? ", " : " or ", known, sizeof(known));
    const char *near = argc > 1 ? nearest_name(argv[1], names, n) : NULL;
    if (argc < 2)
        rc = err_set(&err, -EINVAL, "%s needs an action: %s", cmd->name, known);
    else if (near == NULL)
        rc = err_set(&err, -EINVAL, "%s: unknown action \"%.40s\" (known: %s)", cmd->name, argv[1],
                     known);
    else
        rc = err_set(&err, -EINVAL, "%s: unknown action \"%.40s\": did you mean \"%s\"?", cmd->name,
                     argv[1], near);
    (void)rc;
    return cmd_usage_error(cmd, &err);
}

int cmd_unknown(const struct command *const *table, const char *name)
{
    const char *names[NAMES_MAX];
    const char *near = nearest_name(name, names, names_below(table, NULL, names));
    if (near != NULL)
        log_error("no command \"%.40s\": did you mean \"%s\"? (see aerostat help)", name, near);
    else
        log_error("no command \"%.40s\" (see aerostat help)", name);
    return CLI_USAGE;
}

/* `aerostat --help` and `aerostat --version` are commands, too. */
static const char *name_of(const char *word)
{
    static const char *const names[][2] = {
        {"--help", "help"}, {"-h", "help"}, {"--version", "version"}, {"-V", "version"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(word, names[i][0]) == 0)
            return names[i][1];
    }
    return word;
}

int cmd_dispatch(const struct command *const *table, int argc, char **argv)
{
    char two[100];
    if (argc < 2) {
        cmd_help_overview(table, cmd_help_width(stdout), stdout);
        (void)fflush(stdout);
        log_error("a command is missing (see aerostat help)");
        return CLI_USAGE;
    }
    const struct command *cmd = cmd_find(table, name_of(argv[1]));
    if (cmd == NULL || strchr(cmd->name, ' ') != NULL)
        return cmd_unknown(table, argv[1]);
    if (cmd->run != NULL)
        return run(table, cmd, argc - 1, argv + 1);
    (void)snprintf(two, sizeof(two), "%s %.80s", cmd->name, argc > 2 ? argv[2] : "");
    const struct command *below = cmd_find(table, two);
    if (below != NULL)
        return run(table, below, argc - 2, argv + 2);
    return run_below(table, cmd, argc - 1, argv + 1);
}
