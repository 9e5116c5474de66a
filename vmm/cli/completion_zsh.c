/* SPDX-License-Identifier: Apache-2.0 */
/* The completion script for zsh: _arguments (zshcompsys(1)) of each command. */
#include <string.h>

#include "vmm/cli/command_priv.h"
#include "vmm/cli/completion_priv.h"

static const char head[] =
    "#compdef aerostat\n"
    "# zsh completion for aerostat, from the tables of the program: do not edit.\n"
    "\n"
    "_aerostat_vms() {\n"
    "    local -a vms=(${(f)\"$(_call_program vms aerostat ps --names 2>/dev/null)\"})\n"
    "    _describe machine vms\n"
    "}\n"
    "\n"
    "_aerostat_commands() {\n"
    "    local -a commands=(\n";

static const char begin[] = "    )\n"
                            "    _describe command commands\n"
                            "}\n"
                            "\n"
                            "_aerostat() {\n"
                            "    local curcontext=$curcontext state line\n"
                            "    typeset -A opt_args\n"
                            "    _arguments -C '1: :_aerostat_commands' '*:: :->rest'\n"
                            "    [[ $state == rest ]] || return\n"
                            "    case $words[1] in\n";

/* Within single quotes, and where _arguments and _describe give ':' and brackets a meaning. */
static void quoted(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            (void)fputs("'\\''", out);
        else if (strchr(":[]\\", *text) != NULL)
            (void)fprintf(out, "\\%c", *text);
        else
            (void)fputc(*text, out);
    }
}

/* ":VALUE:what completes it". */
static void value(const char *name, enum cmd_complete complete, const char *words, FILE *out)
{
    (void)fprintf(out, ":%s:", name);
    if (words != NULL)
        (void)fprintf(out, "(%s)", words);
    else if (complete == CMD_COMPLETE_FILE)
        (void)fputs("_files", out);
    else if (complete == CMD_COMPLETE_VM)
        (void)fputs("_aerostat_vms", out);
    else if (complete == CMD_COMPLETE_COMMAND)
        (void)fputs("_aerostat_commands", out);
    else
        (void)fputc(' ', out);
}

static void option(const struct cmd_option *o, FILE *out)
{
    const char *equals = o->value == NULL ? "" : "=";
    if (o->letter != 0)
        (void)fprintf(out, " \\\n            '(-%c --%s)'{-%c,--%s%s}'[", o->letter, o->name,
                      o->letter, o->name, equals);
    else
        (void)fprintf(out, " \\\n            '--%s%s[", o->name, equals);
    quoted(o->help, out);
    (void)fputc(']', out);
    if (o->value != NULL)
        value(o->value, o->complete, o->words, out);
    (void)fputc('\'', out);
}

static void arguments(const struct command *cmd, FILE *out)
{
    (void)fputs("_arguments", out);
    for (const struct cmd_option *o = cmd->options; o != NULL && o->name != NULL; o++)
        option(o, out);
    (void)fputs(" \\\n            '(-h --help)'{-h,--help}'[show help]'", out);
    for (const struct cmd_arg *arg = cmd->args; arg != NULL && arg->name != NULL; arg++) {
        (void)fprintf(out, " \\\n            '%s", arg->many ? "*" : "");
        value(arg->name, arg->complete, arg->words, out);
        (void)fputc('\'', out);
    }
    (void)fputs(" ;;\n", out);
}

/* The commands of two words, by their second one. */
static void below(const struct command *const *table, const char *name, FILE *out)
{
    (void)fprintf(out,
                  "    %s)\n"
                  "        local -a actions=(\n",
                  name);
    for (const struct command *const *c = table; *c != NULL; c++) {
        if ((*c)->hidden || !cmd_is_below(*c, name))
            continue;
        (void)fprintf(out, "            '%s:", (*c)->name + strlen(name) + 1);
        quoted((*c)->summary, out);
        (void)fputs("'\n", out);
    }
    (void)fputs("        )\n"
                "        if (( CURRENT == 2 )); then\n"
                "            _describe action actions\n"
                "            return\n"
                "        fi\n"
                "        shift words\n"
                "        (( CURRENT-- ))\n"
                "        case $words[1] in\n",
                out);
    for (const struct command *const *c = table; *c != NULL; c++) {
        if ((*c)->hidden || !cmd_is_below(*c, name))
            continue;
        (void)fprintf(out, "        %s) ", (*c)->name + strlen(name) + 1);
        arguments(*c, out);
    }
    (void)fputs("        esac ;;\n", out);
}

void completion_zsh(const struct command *const *table, FILE *out)
{
    (void)fputs(head, out);
    for (const struct command *const *c = table; *c != NULL; c++) {
        if ((*c)->hidden || strchr((*c)->name, ' ') != NULL)
            continue;
        (void)fprintf(out, "        '%s:", (*c)->name);
        quoted((*c)->summary, out);
        (void)fputs("'\n", out);
    }
    (void)fputs(begin, out);
    for (const struct command *const *c = table; *c != NULL; c++) {
        if ((*c)->hidden || strchr((*c)->name, ' ') != NULL)
            continue;
        if ((*c)->run == NULL) {
            below(table, (*c)->name, out);
        } else {
            (void)fprintf(out, "    %s) ", (*c)->name);
            arguments(*c, out);
        }
    }
    (void)fputs("    esac\n}\n\n_aerostat \"$@\"\n", out);
}
