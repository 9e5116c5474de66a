/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat completion`, and the script for bash. */
#include <string.h>

#include "vmm/base/log.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/command_priv.h"
#include "vmm/cli/completion_priv.h"

/* Words that come before: from the command line's beginning on, which option or argument is
 * completed. */
static const char bash_head[] =
    "# bash completion for aerostat, from the tables of the program: do not edit.\n"
    "\n"
    "_aerostat_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
    "_aerostat_vms() { _aerostat_words \"$(\"${COMP_WORDS[0]}\" ps --names 2>/dev/null)\"; }\n"
    "_aerostat_files() {\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "}\n"
    "\n";

static const char bash_begin[] =
    "_aerostat() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local command=${COMP_WORDS[1]} first=2 words=0 word i\n"
    "    COMPREPLY=()\n";

static const char bash_count[] = "    # \"--option=value\" comes as three words.\n"
                                 "    [ \"$cur\" != = ] || cur=''\n"
                                 "    [ \"$prev\" != = ] || prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
                                 "    _aerostat_value \"$command\" \"$prev\" && return\n"
                                 "    if [[ $cur == -* ]]; then\n"
                                 "        _aerostat_options \"$command\"\n"
                                 "        return\n"
                                 "    fi\n"
                                 "    for ((i = first; i < COMP_CWORD; i++)); do\n"
                                 "        word=${COMP_WORDS[i]}\n"
                                 "        if [[ $word != -* ]]; then\n"
                                 "            words=$((words + 1))\n"
                                 "        elif _aerostat_value \"$command\" \"$word\"; then\n"
                                 "            i=$((i + 1))\n"
                                 "            [ \"${COMP_WORDS[i]}\" != = ] || i=$((i + 1))\n"
                                 "        fi\n"
                                 "    done\n"
                                 "    COMPREPLY=()\n"
                                 "    _aerostat_argument \"$command\" \"$words\"\n"
                                 "}\n"
                                 "complete -F _aerostat aerostat\n";

static void first_words(const struct command *const *table, FILE *out)
{
    const char *between = "";
    for (; *table != NULL; table++) {
        if (!(*table)->hidden && strchr((*table)->name, ' ') == NULL) {
            (void)fprintf(out, "%s%s", between, (*table)->name);
            between = " ";
        }
    }
}

/* What is offered for a value. */
static void offer(const struct command *const *table, enum cmd_complete complete, const char *words,
                  FILE *out)
{
    if (words != NULL)
        (void)fprintf(out, "_aerostat_words '%s'", words);
    else if (complete == CMD_COMPLETE_FILE)
        (void)fputs("_aerostat_files", out);
    else if (complete == CMD_COMPLETE_VM)
        (void)fputs("_aerostat_vms", out);
    else if (complete == CMD_COMPLETE_COMMAND) {
        (void)fputs("_aerostat_words '", out);
        first_words(table, out);
        (void)fputc('\'', out);
    } else {
        (void)fputc(':', out);
    }
}

/* _aerostat_value COMMAND OPTION: offers values, and succeeds where the option has one. */
static void bash_values(const struct command *const *table, FILE *out)
{
    (void)fputs("_aerostat_value() {\n    case \"$1 $2\" in\n", out);
    for (const struct command *const *cmd = table; *cmd != NULL; cmd++) {
        for (const struct cmd_option *o = (*cmd)->options; o != NULL && o->name != NULL; o++) {
            if ((*cmd)->hidden || o->value == NULL)
                continue;
            (void)fprintf(out, "    '%s --%s'", (*cmd)->name, o->name);
            if (o->letter != 0)
                (void)fprintf(out, " | '%s -%c'", (*cmd)->name, o->letter);
            (void)fputs(") ", out);
            offer(table, o->complete, o->words, out);
            (void)fputs(" ;;\n", out);
        }
    }
    (void)fputs("    *) return 1 ;;\n    esac\n}\n\n", out);
}

static void bash_options(const struct command *const *table, FILE *out)
{
    (void)fputs("_aerostat_options() {\n    case \"$1\" in\n", out);
    for (const struct command *const *cmd = table; *cmd != NULL; cmd++) {
        if ((*cmd)->hidden || (*cmd)->run == NULL)
            continue;
        (void)fprintf(out, "    '%s') _aerostat_words '", (*cmd)->name);
        for (const struct cmd_option *o = (*cmd)->options; o != NULL && o->name != NULL; o++)
            (void)fprintf(out, "--%s ", o->name);
        (void)fputs("--help' ;;\n", out);
    }
    (void)fputs("    *) _aerostat_words '--help' ;;\n    esac\n}\n\n", out);
}

/* _aerostat_argument COMMAND N: offers words for the argument behind n others. */
static void bash_arguments(const struct command *const *table, FILE *out)
{
    (void)fputs("_aerostat_argument() {\n    case \"$1 $2\" in\n", out);
    for (const struct command *const *cmd = table; *cmd != NULL; cmd++) {
        unsigned n = 0;
        for (const struct cmd_arg *arg = (*cmd)->args; arg != NULL && arg->name != NULL; arg++) {
            if (!(*cmd)->hidden && arg->many)
                (void)fprintf(out, "    '%s '*) ", (*cmd)->name);
            else if (!(*cmd)->hidden)
                (void)fprintf(out, "    '%s %u') ", (*cmd)->name, n++);
            else
                continue;
            offer(table, arg->complete, arg->words, out);
            (void)fputs(" ;;\n", out);
        }
    }
    (void)fputs("    *) ;;\n    esac\n}\n\n", out);
}

/* The second words of a command's name. */
static void bash_second_words(const struct command *const *table, const char *name, FILE *out)
{
    const char *between = "";
    for (; *table != NULL; table++) {
        if (!(*table)->hidden && cmd_is_below(*table, name)) {
            (void)fprintf(out, "%s%s", between, (*table)->name + strlen(name) + 1);
            between = " ";
        }
    }
}

void completion_bash(const struct command *const *table, FILE *out)
{
    (void)fputs(bash_head, out);
    bash_values(table, out);
    bash_options(table, out);
    bash_arguments(table, out);
    (void)fputs(bash_begin, out);
    (void)fputs("    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        _aerostat_words '", out);
    first_words(table, out);
    (void)fputs(" --help --version'\n        return\n    fi\n", out);
    for (const struct command *const *cmd = table; *cmd != NULL; cmd++) {
        if ((*cmd)->hidden || (*cmd)->run != NULL)
            continue;
        (void)fprintf(out,
                      "    if [ \"$command\" = %s ]; then\n"
                      "        if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
                      "            _aerostat_words '",
                      (*cmd)->name);
        bash_second_words(table, (*cmd)->name, out);
        (void)fputs("'\n            return\n        fi\n"
                    "        command+=\" ${COMP_WORDS[2]}\" first=3\n    fi\n",
                    out);
    }
    (void)fputs(bash_count, out);
}

static int completion(const struct cmd_line *line)
{
    const char *shell = cmd_word(line, 0);
    if (strcmp(shell, "bash") == 0) {
        completion_bash(cli_commands, stdout);
    } else if (strcmp(shell, "zsh") == 0) {
        completion_zsh(cli_commands, stdout);
    } else {
        log_error("completion: \"%.40s\" is not one of bash, zsh", shell);
        return CLI_USAGE;
    }
    return CLI_OK;
}

static const struct cmd_arg args[] = {
    {.name = "SHELL", .help = "bash or zsh", .words = "bash zsh"},
    {0},
};

static const struct cmd_example examples[] = {
    {"source <(aerostat completion bash)", "complete in this shell, from now on"},
    {"aerostat completion zsh > ~/.zfunc/_aerostat", "for zsh, in a folder of its $fpath"},
    {0},
};

const struct command cmd_completion = {
    .name = "completion",
    .summary = "print a completion script for bash or zsh",
    .group = CMD_GROUP_HOST,
    .args = args,
    .examples = examples,
    .run = completion,
};
