/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a command line by its command's table: getopt_long(3), with errors as sentences. */
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <string.h>

#include "vmm/cli/command.h"

#define OPT_HELP 'h'

/* What getopt_long(3) wants to know of a table. */
struct syntax {
    const struct command *cmd;
    struct option options[CMD_OPTION_MAX + 2]; /* with --help, and the end */
    char letters[2 * (CMD_OPTION_MAX + 1) + 2];
};

static void syntax_init(struct syntax *s, const struct command *cmd)
{
    unsigned n = 0;
    char *letter = s->letters;
    *s = (struct syntax){.cmd = cmd};
    *letter++ = ':';
    *letter++ = OPT_HELP;
    for (const struct cmd_option *o = cmd->options; o != NULL && o->name != NULL; o++) {
        int has_value = o->value == NULL ? no_argument : required_argument;
        s->options[n++] = (struct option){o->name, has_value, NULL, o->id};
        if (o->letter != 0)
            *letter++ = o->letter;
        if (o->letter != 0 && o->value != NULL)
            *letter++ = ':';
    }
    s->options[n] = (struct option){"help", no_argument, NULL, OPT_HELP};
}

static const struct cmd_option help_option = {.name = "help", .id = OPT_HELP};

/* By what getopt_long(3) returned or left in optopt; NULL for an unknown one. */
static const struct cmd_option *option_of(const struct command *cmd, int opt)
{
    if (opt == OPT_HELP)
        return &help_option;
    for (const struct cmd_option *o = cmd->options; o != NULL && o->name != NULL; o++) {
        if (opt != 0 && (o->id == opt || o->letter == opt))
            return o;
    }
    return NULL;
}

/* The word in which getopt_long(3) found a short option that there is none of. */
static const char *word_at_fault(int argc, char **argv)
{
    /* It goes on to the next word only at the end of one. */
    const char *last = argv[optind - 1];
    bool ended = last[0] == '-' && last[1] == optopt && last[2] == '\0';
    return ended || optind >= argc ? last : argv[optind];
}

/* The long option that a word with one or two dashes may have meant, or NULL. */
static const char *nearest_option(const struct syntax *s, const char *word)
{
    const char *names[CMD_OPTION_MAX + 1];
    char name[42];
    unsigned n = 0;
    word += strspn(word, "-");
    size_t len = strcspn(word, "=");
    if (len >= sizeof(name))
        return NULL;
    memcpy(name, word, len);
    name[len] = '\0';
    while (n <= CMD_OPTION_MAX && s->options[n].name != NULL) {
        names[n] = s->options[n].name;
        n++;
    }
    return cmd_nearest(name, names, n);
}

static int unknown(const struct syntax *s, int argc, char **argv, struct err *err)
{
    bool is_long = optopt == 0;
    const char *word = is_long ? argv[optind - 1] : word_at_fault(argc, argv);
    /* Of short options, "-kernel" is one that was meant to be long. */
    const char *near = is_long || strlen(word) > 3 ? nearest_option(s, word) : NULL;
    if (is_long && near == NULL)
        return err_set(err, -EINVAL, "unknown or ambiguous option %.80s", word);
    if (is_long)
        return err_set(err, -EINVAL, "unknown or ambiguous option %.80s: did you mean --%s?", word,
                       near);
    if (optopt >= '0' && optopt <= '9')
        return err_set(err, -EINVAL, "%.40s: a size cannot be negative", word);
    if (near != NULL)
        return err_set(err, -EINVAL, "unknown option -%c: did you mean --%s?", optopt, near);
    return err_set(err, -EINVAL, "unknown option -%c", optopt);
}

/* opt is ':' or '?'. */
static int misused(const struct syntax *s, int opt, int argc, char **argv, struct err *err)
{
    const struct cmd_option *option = option_of(s->cmd, optopt);
    if (option == NULL)
        return unknown(s, argc, argv, err);
    return err_set(err, -EINVAL, opt == ':' ? "--%s needs a value" : "--%s takes no value",
                   option->name);
}

/* One that was found. */
static int take(const struct syntax *s, int opt, struct cmd_line *line, struct err *err)
{
    const struct cmd_option *option = option_of(s->cmd, opt);
    if (cmd_given(line, option->id))
        return err_set(err, -EINVAL, "--%s is given twice", option->name);
    line->options[line->n_options++] =
        (struct cmd_given){option->id, option->value == NULL ? NULL : optarg};
    return 0;
}

/* Goes on behind an error, whose sentence stays, as somebody may ask for help. */
static int read_options(int argc, char **argv, struct cmd_line *line, struct err *err)
{
    struct syntax s;
    int rc = 0;
    int opt;
    syntax_init(&s, line->cmd);
    /* glibc: 0 also forgets where a cluster of short options was left. */
    optind = 0;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, s.letters, s.options, NULL)) != -1) {
        if (opt == OPT_HELP) {
            line->help = true;
            return 0;
        }
        if (rc < 0)
            continue;
        rc =
            opt == ':' || opt == '?' ? misused(&s, opt, argc, argv, err) : take(&s, opt, line, err);
    }
    line->n_words = (unsigned)(argc - optind);
    line->words = argv + optind;
    return rc;
}

/* How many words the arguments need. */
static unsigned words_needed(const struct command *cmd)
{
    unsigned n = 0;
    for (const struct cmd_arg *arg = cmd->args; arg != NULL && arg->name != NULL; arg++)
        n += !arg->optional;
    return n;
}

/* The argument that wants for a word, when there are n words. */
static const struct cmd_arg *first_missing(const struct command *cmd, unsigned n)
{
    const struct cmd_arg *arg = cmd->args;
    for (; arg->optional || n > 0; arg++)
        n -= !arg->optional;
    return arg;
}

static int check_words(const struct cmd_line *line, struct err *err)
{
    const struct command *cmd = line->cmd;
    unsigned most = 0;
    bool many = false;
    for (const struct cmd_arg *arg = cmd->args; arg != NULL && arg->name != NULL; arg++) {
        most++;
        many = many || arg->many;
    }
    if (line->n_words < words_needed(cmd)) {
        const struct cmd_arg *arg = first_missing(cmd, line->n_words);
        return err_set(err, -EINVAL, "%s needs %s", cmd->name,
                       arg->needs == NULL ? arg->name : arg->needs);
    }
    if (line->n_words > most && !many)
        return err_set(err, -EINVAL, "unexpected argument \"%.80s\"", line->words[most]);
    return 0;
}

int cmd_line_read(const struct command *cmd, int argc, char **argv, struct cmd_line *out,
                  struct err *err)
{
    *out = (struct cmd_line){.cmd = cmd};
    int rc = read_options(argc, argv, out, err);
    if (out->help)
        *out = (struct cmd_line){.cmd = cmd, .help = true};
    return rc < 0 || out->help ? rc : check_words(out, err);
}

bool cmd_given(const struct cmd_line *line, int id)
{
    for (unsigned i = 0; i < line->n_options; i++) {
        if (line->options[i].id == id)
            return true;
    }
    return false;
}

const char *cmd_value(const struct cmd_line *line, int id)
{
    for (unsigned i = 0; i < line->n_options; i++) {
        if (line->options[i].id == id)
            return line->options[i].value;
    }
    return NULL;
}

const char *cmd_word(const struct cmd_line *line, unsigned index)
{
    unsigned spare = line->n_words - words_needed(line->cmd);
    unsigned word = 0;
    for (unsigned i = 0;; i++) {
        bool there = !line->cmd->args[i].optional || spare > 0;
        if (i == index)
            return there && word < line->n_words ? line->words[word] : NULL;
        if (there)
            word++;
        if (there && line->cmd->args[i].optional)
            spare--;
    }
}
