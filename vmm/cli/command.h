/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands as tables: the command line that each takes, its --help, its manual page and its shell
 * completion come from one struct command. A new command is a file with such a struct, and a line
 * in commands.c. Main thread only (getopt).
 */
#ifndef AEROSTAT_CLI_COMMAND_H
#define AEROSTAT_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "vmm/base/err.h"

/* Under which heading `aerostat --help` lists a command. */
enum cmd_group { CMD_GROUP_RUN, CMD_GROUP_LOOK, CMD_GROUP_CHANGE, CMD_GROUP_HOST, CMD_GROUPS };

/* What a shell offers for a value. Words, where there are some, are offered in any case. */
enum cmd_complete { CMD_COMPLETE_NONE, CMD_COMPLETE_FILE, CMD_COMPLETE_VM, CMD_COMPLETE_COMMAND };

/* Options have the numbers 1 to CMD_OPTION_MAX, unique in their command. */
#define CMD_OPTION_MAX 63

/* --help and -h are every command's, and in no table. */
struct cmd_option {
    const char *name; /* without its dashes; NULL ends a table */
    int id;
    char letter;       /* a short form, 0: none; not 'h' */
    const char *value; /* how its value is called, "SIZE"; NULL: it takes none */
    const char *help;  /* begins in lower case, without a full stop; is wrapped */
    const char *words; /* the values that it knows, with blanks between, or NULL */
    enum cmd_complete complete;
    const char *heading; /* of this and the options that follow; NULL: as the one before */
};

/* A word of the command line that is no option. */
struct cmd_arg {
    const char *name;  /* "VM"; NULL ends a table */
    const char *help;  /* as an option's */
    const char *needs; /* ends the sentence "balloon set needs ..."; NULL: the name */
    const char *words; /* as an option's */
    enum cmd_complete complete;
    bool optional; /* takes a word only if there are more than the others need */
    bool many;     /* the last one: any number of words, at least one unless it is optional */
};

struct cmd_example {
    const char *line; /* NULL ends a table */
    const char *what; /* it does, as an option's help */
};

struct cmd_line;

/* Texts are wrapped; an empty line ("\n\n") parts paragraphs. Optional members may be NULL. */
struct command {
    const char *name;    /* one word, or two: "balloon set" */
    const char *summary; /* as an option's help: what it does, in a line */
    enum cmd_group group;
    bool hidden;             /* from help, manual and completion */
    const char *synopsis;    /* lines behind "aerostat "; NULL: name, [OPTION...] and arguments */
    const char *description; /* sentences; NULL: the summary */
    const struct cmd_option *options;
    const struct cmd_arg *args;
    const char *notes; /* paragraphs behind the options */
    const char *exit_status;
    const struct cmd_example *examples;
    /* Does it and returns the exit status. NULL: it is the first word of commands of two, and only
     * says what they have in common. */
    int (*run)(const struct cmd_line *line);
};

/* A command line that fits its table. Values and words are borrowed from argv. */
struct cmd_line {
    const struct command *cmd;
    bool help; /* is asked for, whatever else was wrong; the rest is then empty */
    unsigned n_options;
    struct cmd_given {
        int id;
        const char *value;         /* NULL: the option takes none */
    } options[CMD_OPTION_MAX + 1]; /* as they were given, each at most once */
    unsigned n_words;
    char **words; /* that are no options, as they were given */
};

/*
 * Reads argv, argv[0] being the command's (last) name, and moves its options before its words.
 * Returns 0, or -EINVAL with a sentence for what is unknown, misused, given twice, missing, or too
 * much.
 */
int cmd_line_read(const struct command *cmd, int argc, char **argv, struct cmd_line *out,
                  struct err *err);

/* Whether the option is there. */
bool cmd_given(const struct cmd_line *line, int id);

/* The option's value; NULL when it is not there. */
const char *cmd_value(const struct cmd_line *line, int id);

/*
 * The word of the argument at index in cmd->args, the first word of one of many; NULL when it is an
 * optional one and not there.
 */
const char *cmd_word(const struct cmd_line *line, unsigned index);

/* Tells the user what is wrong with a value. Returns the exit status, CLI_USAGE. */
int cmd_usage_error(const struct command *cmd, const struct err *err);

/*
 * Runs the command that argv names, argv[0] being the program, among those of the table, which ends
 * with NULL; or says what is wrong. Returns the exit status.
 */
int cmd_dispatch(const struct command *const *table, int argc, char **argv);

/* The command of that name, one or two words; NULL when there is none. */
const struct command *cmd_find(const struct command *const *table, const char *name);

/*
 * The one of n words that a misspelt one may have meant, the nearest by the number of letters that
 * are wrong, missing, too much or swapped; NULL when none is near.
 */
const char *cmd_nearest(const char *word, const char *const *words, unsigned n);

/* Says that there is no command of that name, and which may have been meant. Returns the exit
 * status, CLI_USAGE. */
int cmd_unknown(const struct command *const *table, const char *name);

/* Writes the program's help, its commands grouped, the first steps at the end. */
void cmd_help_program(const struct command *const *table, const struct cmd_example *first_steps,
                      unsigned width, FILE *out);

/* Writes the few lines that `aerostat` alone prints. */
void cmd_help_overview(const struct command *const *table, unsigned width, FILE *out);

/* Writes a command's help, no line longer than width where words allow it. The table is for the
 * commands below one of two words. */
void cmd_help_command(const struct command *const *table, const struct command *cmd, unsigned width,
                      FILE *out);

/* Write manual pages: of the program, and of a command. */
void cmd_manual_program(const struct command *const *table, const struct cmd_example *first_steps,
                        FILE *out);
void cmd_manual_command(const struct command *const *table, const struct command *cmd, FILE *out);

/* Writes text, the first word at column and each further line indented to it, and ends the line. */
void cmd_help_wrap(unsigned column, unsigned width, const char *text, FILE *out);

/* A width to wrap text to for that stream: its terminal's, at most 100, or 80. */
unsigned cmd_help_width(FILE *out);

#endif
