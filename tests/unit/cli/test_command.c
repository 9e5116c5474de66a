/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of commands: the program's own are sound, and what is made of a table is exact. */
#include <check.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cli/capture.h"
#include "tests/unit/cli/suites.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"

#define MAX_ARGS 16

static const struct cmd_line *ran;
static struct cmd_line line;

static int keep(const struct cmd_line *given)
{
    line = *given;
    ran = &line;
    return 7;
}

enum { COLOUR = 1, LOUD, NUMBER };

static const struct cmd_option paint_options[] = {
    {.name = "colour", .id = COLOUR, .letter = 'c', .value = "WORD", .help = "which one"},
    {.name = "loud",
     .id = LOUD,
     .letter = 'l',
     .help = "say what is done here",
     .heading = "Words"},
    {.name = "number", .id = NUMBER, .value = "N", .help = "so many times"},
    {0},
};

static const struct cmd_arg paint_args[] = {
    {.name = "VM", .help = "whose", .optional = true},
    {.name = "SIZE", .help = "how much", .needs = "a size"},
    {0},
};

static const struct command paint = {.name = "paint",
                                     .summary = "paint it",
                                     .group = CMD_GROUP_CHANGE,
                                     .options = paint_options,
                                     .args = paint_args,
                                     .run = keep};

static const struct cmd_arg many_args[] = {{.name = "VM", .help = "which", .many = true}, {0}};
static const struct command stop = {
    .name = "stop", .summary = "stop it", .args = many_args, .run = keep};
static const struct command config = {.name = "config", .summary = "files"};
static const struct command check = {.name = "config check", .summary = "look", .run = keep};
static const struct command show = {.name = "config show", .summary = "print", .run = keep};
static const struct command secret = {.name = "secret", .hidden = true, .run = keep};
static const struct command *const table[] = {&paint, &stop, &config, &check, &show, &secret, NULL};

/* Splits text at blanks, the first word being the program's. */
static int split(const char *text, char *argv[MAX_ARGS])
{
    static char words[200];
    int argc = 0;
    (void)snprintf(words, sizeof(words), "%s", text);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    return argc;
}

/* Everything that is printed, standard error behind standard output, in out. */
static int dispatch(const struct command *const *commands, const char *text, char *out, size_t size)
{
    struct capture to_out;
    struct capture to_err;
    static char *argv[MAX_ARGS]; /* the line that was read points into it */
    char said[4000];
    char error[1000];
    int argc = split(text, argv);
    ran = NULL;
    capture_begin(&to_out, STDOUT_FILENO);
    capture_begin(&to_err, STDERR_FILENO);
    int status = cmd_dispatch(commands, argc, argv);
    capture_end(&to_err, error, sizeof(error));
    capture_end(&to_out, said, sizeof(said));
    (void)snprintf(out, size, "%s%s", said, error);
    return status;
}

/* Labels of options and texts that help, manual and completion rely on. */
static void check_option(const struct command *cmd, const struct cmd_option *o, uint64_t *seen)
{
    ck_assert_msg(o->id >= 1 && o->id <= CMD_OPTION_MAX && (*seen >> o->id & 1) == 0,
                  "%s --%s: number %d", cmd->name, o->name, o->id);
    *seen |= UINT64_C(1) << o->id;
    ck_assert_msg(o->letter != 'h' && strcmp(o->name, "help") != 0, "%s", cmd->name);
    ck_assert_msg(o->help != NULL && o->help[strlen(o->help) - 1] != '.', "%s --%s", cmd->name,
                  o->name);
    for (const struct cmd_option *other = cmd->options; other != o; other++) {
        ck_assert_msg(strcmp(other->name, o->name) != 0, "%s --%s twice", cmd->name, o->name);
        ck_assert_msg(o->letter == 0 || other->letter != o->letter, "%s -%c twice", cmd->name,
                      o->letter);
    }
}

static void check_command(const struct command *cmd)
{
    uint64_t seen = 0;
    ck_assert_msg(cmd->summary != NULL && !isupper((unsigned char)cmd->summary[0]) &&
                      cmd->summary[strlen(cmd->summary) - 1] != '.',
                  "%s: summary", cmd->name);
    ck_assert_msg(cmd->synopsis == NULL ||
                      strncmp(cmd->synopsis, cmd->name, strlen(cmd->name)) == 0,
                  "%s: synopsis", cmd->name);
    for (const struct cmd_option *o = cmd->options; o != NULL && o->name != NULL; o++)
        check_option(cmd, o, &seen);
    for (const struct cmd_arg *arg = cmd->args; arg != NULL && arg->name != NULL; arg++) {
        ck_assert_msg(arg->help != NULL, "%s %s", cmd->name, arg->name);
        ck_assert_msg(!arg->many || arg[1].name == NULL, "%s %s is not last", cmd->name, arg->name);
    }
    for (const struct cmd_example *e = cmd->examples; e != NULL && e->line != NULL; e++)
        ck_assert_msg(strstr(e->line, cmd->name) != NULL, "%s: %s", cmd->name, e->line);
}

START_TEST(the_tables_of_the_program_are_sound)
{
    for (const struct command *const *cmd = cli_commands; *cmd != NULL; cmd++) {
        char first[40];
        check_command(*cmd);
        ck_assert_ptr_eq(cmd_find(cli_commands, (*cmd)->name), *cmd);
        (void)snprintf(first, sizeof(first), "%.*s", (int)strcspn((*cmd)->name, " "), (*cmd)->name);
        const struct command *above = cmd_find(cli_commands, first);
        ck_assert_msg(above != NULL && (above == *cmd || above->run == NULL), "%s", (*cmd)->name);
    }
}
END_TEST

/* Each command of the program prints a help that names it, and no line is longer than asked for
 * but by what cannot be parted. */
START_TEST(each_command_has_a_help)
{
    for (const struct command *const *cmd = cli_commands; *cmd != NULL; cmd++) {
        char text[60];
        char said[8000];
        char want[60];
        (void)snprintf(text, sizeof(text), "aerostat %s --help", (*cmd)->name);
        (void)snprintf(want, sizeof(want), "Usage: aerostat %s", (*cmd)->name);
        ck_assert_int_eq(dispatch(cli_commands, text, said, sizeof(said)), CLI_OK);
        ck_assert_msg(strncmp(said, want, strlen(want)) == 0, "%s", said);
        ck_assert_ptr_null(strstr(said, "\n\n\n"));
    }
}
END_TEST

START_TEST(options_and_words_are_told_apart)
{
    char said[500];
    ck_assert_int_eq(dispatch(table, "aerostat paint -lc red a --number=5 7", said, sizeof(said)),
                     7);
    ck_assert_str_eq(said, "");
    ck_assert_ptr_eq(line.cmd, &paint);
    ck_assert_uint_eq(line.n_options, 3);
    ck_assert_int_eq(line.options[0].id, LOUD);
    ck_assert(cmd_given(&line, LOUD));
    ck_assert_ptr_null(cmd_value(&line, LOUD));
    ck_assert_str_eq(cmd_value(&line, COLOUR), "red");
    ck_assert_str_eq(cmd_value(&line, NUMBER), "5");
    ck_assert_str_eq(cmd_word(&line, 0), "a");
    ck_assert_str_eq(cmd_word(&line, 1), "7");
    ck_assert_int_eq(dispatch(table, "aerostat paint 7", said, sizeof(said)), 7);
    ck_assert(!cmd_given(&line, LOUD));
    ck_assert_ptr_null(cmd_word(&line, 0));
    ck_assert_str_eq(cmd_word(&line, 1), "7");
    ck_assert_int_eq(dispatch(table, "aerostat stop a b c", said, sizeof(said)), 7);
    ck_assert_uint_eq(line.n_words, 3);
    ck_assert_str_eq(cmd_word(&line, 0), "a");
    ck_assert_int_eq(dispatch(table, "aerostat config show", said, sizeof(said)), 7);
    ck_assert_ptr_eq(line.cmd, &show);
    ck_assert_int_eq(dispatch(table, "aerostat secret", said, sizeof(said)), 7);
}
END_TEST

static const struct {
    const char *line;
    const char *says;
} wrong[] = {
    {"aerostat pain", "no command \"pain\": did you mean \"paint\"? (see aerostat help)"},
    {"aerostat pianr", "no command \"pianr\" (see aerostat help)"},
    {"aerostat piant", "no command \"piant\": did you mean \"paint\"? (see aerostat help)"},
    {"aerostat sotp", "no command \"sotp\": did you mean \"stop\"? (see aerostat help)"},
    {"aerostat secre", "no command \"secre\" (see aerostat help)"},
    {"aerostat config", "config needs an action: check or show (see aerostat config --help)"},
    {"aerostat config grow",
     "config: unknown action \"grow\" (known: check, show) (see aerostat config --help)"},
    {"aerostat config chekc",
     "config: unknown action \"chekc\": did you mean \"check\"? (see aerostat config --help)"},
    {"aerostat config check x", "unexpected argument \"x\" (see aerostat config check --help)"},
    {"aerostat paint", "paint needs a size (see aerostat paint --help)"},
    {"aerostat paint 1 2 3", "unexpected argument \"3\" (see aerostat paint --help)"},
    {"aerostat paint -c", "--colour needs a value (see aerostat paint --help)"},
    {"aerostat paint -c red --colour blue 1",
     "--colour is given twice (see aerostat paint --help)"},
    {"aerostat paint --loud=1 1", "--loud takes no value (see aerostat paint --help)"},
    {"aerostat paint --color=red 1",
     "unknown or ambiguous option --color=red: did you mean --colour? (see aerostat paint --help)"},
    {"aerostat paint --hlep",
     "unknown or ambiguous option --hlep: did you mean --help? (see aerostat paint --help)"},
    {"aerostat paint -number 3 1",
     "unknown option -n: did you mean --number? (see aerostat paint --help)"},
    {"aerostat paint -x 1", "unknown option -x (see aerostat paint --help)"},
    {"aerostat stop", "stop needs VM (see aerostat stop --help)"},
};

START_TEST(what_is_wrong_is_said_and_what_was_meant_is_proposed)
{
    char said[1000];
    char want[300];
    (void)snprintf(want, sizeof(want), "aerostat: error: %s\n", wrong[_i].says);
    ck_assert_int_eq(dispatch(table, wrong[_i].line, said, sizeof(said)), CLI_USAGE);
    ck_assert_str_eq(said, want);
    ck_assert_ptr_null(ran);
}
END_TEST

static const char *const words[] = {"run", "show", "version", "balloon"};

START_TEST(what_cannot_be_written_is_a_failure)
{
    char aerostat[] = "aerostat", version[] = "version", help[] = "help", ps[] = "ps", h[] = "-h";
    char *argvs[][3] = {{aerostat, version}, {aerostat, help}, {aerostat, ps, h}};
    char text[200];
    for (size_t i = 0; i < ARRAY_LEN(argvs); i++) {
        struct capture err;
        (void)fflush(stdout);
        int old = dup(STDOUT_FILENO);
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(dup2(full, STDOUT_FILENO), STDOUT_FILENO);
        capture_begin(&err, STDERR_FILENO);
        int status = cmd_dispatch(cli_commands, argvs[i][2] == NULL ? 2 : 3, argvs[i]);
        capture_end(&err, text, sizeof(text));
        ck_assert_int_eq(dup2(old, STDOUT_FILENO), STDOUT_FILENO);
        clearerr(stdout);
        close(old);
        close(full);
        ck_assert_int_eq(status, CLI_FAILED);
        ck_assert_str_eq(text, "aerostat: error: standard output cannot be written\n");
    }
}
END_TEST

START_TEST(only_near_words_are_proposed)
{
    ck_assert_str_eq(cmd_nearest("rnu", words, 4), "run");
    ck_assert_str_eq(cmd_nearest("versoin", words, 4), "version");
    ck_assert_str_eq(cmd_nearest("baloons", words, 4), "balloon");
    ck_assert_str_eq(cmd_nearest("shw", words, 4), "show");
    ck_assert_ptr_null(cmd_nearest("grow", words, 4));
    ck_assert_ptr_null(cmd_nearest("x", words, 4));
    ck_assert_ptr_null(cmd_nearest("", words, 4));
    ck_assert_ptr_null(cmd_nearest("a-word-that-is-longer-than-any-that-we-have", words, 4));
    ck_assert_ptr_null(cmd_nearest("run", words, 0));
}
END_TEST

static const char paint_help[] = "Usage: aerostat paint [OPTION...] [VM]\n"
                                 "                    SIZE\n"
                                 "Paint it.\n"
                                 "\n"
                                 "  VM                 whose\n"
                                 "  SIZE               how much\n"
                                 "  -c, --colour WORD  which one\n"
                                 "\n"
                                 "Words:\n"
                                 "  -l, --loud         say what is done\n"
                                 "                     here\n"
                                 "  --number N         so many times\n"
                                 "  -h, --help         show this\n";

START_TEST(a_help_keeps_to_its_width)
{
    char said[1000];
    FILE *out = fmemopen(said, sizeof(said), "w");
    cmd_help_command(table, &paint, 38, out);
    fclose(out);
    ck_assert_str_eq(said, paint_help);
}
END_TEST

START_TEST(the_overview_names_all_but_hidden_commands)
{
    char said[2000];
    ck_assert_int_eq(dispatch(table, "aerostat", said, sizeof(said)), CLI_USAGE);
    ck_assert_ptr_nonnull(strstr(said, "paint"));
    ck_assert_ptr_nonnull(strstr(said, "config check"));
    ck_assert_ptr_null(strstr(said, "secret"));
    ck_assert_ptr_nonnull(strstr(said, "error: a command is missing (see aerostat help)\n"));
    ck_assert_int_eq(dispatch(cli_commands, "aerostat --help", said, sizeof(said)), CLI_OK);
    ck_assert_ptr_nonnull(strstr(said, "\nRun:\n  run "));
    ck_assert_ptr_nonnull(strstr(said, "\nFirst steps:\n  aerostat "));
    ck_assert_int_eq(dispatch(cli_commands, "aerostat help run", said, sizeof(said)), CLI_OK);
    ck_assert_ptr_nonnull(strstr(said, "Usage: aerostat run"));
    ck_assert_int_eq(dispatch(cli_commands, "aerostat help ballon", said, sizeof(said)), CLI_USAGE);
    ck_assert_ptr_nonnull(strstr(said, "did you mean \"balloon\"?"));
    ck_assert_int_eq(dispatch(cli_commands, "aerostat --version", said, sizeof(said)), CLI_OK);
    ck_assert_int_eq(strncmp(said, "aerostat ", 9), 0);
}
END_TEST

Suite *command_suite(void)
{
    Suite *suite = suite_create("command");
    TCase *tc = tcase_create("command");
    tcase_add_test(tc, the_tables_of_the_program_are_sound);
    tcase_add_test(tc, each_command_has_a_help);
    tcase_add_test(tc, options_and_words_are_told_apart);
    tcase_add_loop_test(tc, what_is_wrong_is_said_and_what_was_meant_is_proposed, 0,
                        (int)ARRAY_LEN(wrong));
    tcase_add_test(tc, what_cannot_be_written_is_a_failure);
    tcase_add_test(tc, only_near_words_are_proposed);
    tcase_add_test(tc, a_help_keeps_to_its_width);
    tcase_add_test(tc, the_overview_names_all_but_hidden_commands);
    suite_add_tcase(suite, tc);
    return suite;
}
