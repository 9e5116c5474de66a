/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `aerostat balloon`. */
#include <errno.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/cli/getopt_priv.h"
#include "vmm/cli/options.h"

/* A day; longer waits are loops of the caller. */
#define WAIT_MAX_S 86400u

/* The control socket's own bound. */
#define REFRESH_MAX_MS 10000u

enum { OPT_API_SOCK = 1, OPT_WAIT, OPT_JSON, OPT_REFRESH };

static const struct option set_flags[] = {
    {"api-sock", required_argument, NULL, OPT_API_SOCK},
    {"wait", required_argument, NULL, OPT_WAIT},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static const struct option show_flags[] = {
    {"api-sock", required_argument, NULL, OPT_API_SOCK},
    {"json", no_argument, NULL, OPT_JSON},
    {"refresh", required_argument, NULL, OPT_REFRESH},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static const struct option hint_flags[] = {
    {"api-sock", required_argument, NULL, OPT_API_SOCK},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

/* Reads the flags; optind is then the index of the first word that is none. */
static int read_flags(int argc, char **argv, const struct option *flags,
                      struct balloon_options *out, struct err *err)
{
    bool help = false;
    int opt;
    int rc = cli_getopt_check(argc, argv, flags, &help, err);
    if (help)
        out->action = BALLOON_HELP;
    if (rc < 0 || help)
        return rc;
    cli_getopt_reset();
    while ((opt = cli_getopt(argc, argv, flags, err)) != -1) {
        switch (opt) {
        case OPT_API_SOCK:
            out->api_sock = optarg;
            break;
        case OPT_WAIT:
            out->wait = true;
            if (cfg_parse_count("--wait", optarg, 1, WAIT_MAX_S, &out->wait_s, err) < 0)
                return -EINVAL;
            break;
        case OPT_JSON:
            out->json = true;
            break;
        case OPT_REFRESH:
            if (cfg_parse_count("--refresh", optarg, 1, REFRESH_MAX_MS, &out->refresh_ms, err) < 0)
                return -EINVAL;
            break;
        default:
            return -EINVAL;
        }
    }
    return 0;
}

static int read_target(const char *text, struct balloon_options *out, struct err *err)
{
    uint64_t bytes = 0;
    int rc = cfg_parse_size("balloon set", text, &bytes, err);
    if (rc < 0)
        return rc;
    if (!is_aligned(bytes, MIB))
        return err_set(err, -EINVAL, "balloon set: %.40s is not a whole number of MiB", text);
    out->target_mib = bytes / MIB;
    return 0;
}

static int read_hint(const char *text, struct balloon_options *out, struct err *err)
{
    static const char *const words[] = {
        [HINT_START] = "start", [HINT_STOP] = "stop", [HINT_STATUS] = "status"};
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i], text) == 0) {
            out->hint = i;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "balloon hint: \"%.40s\" is not one of start, stop, status", text);
}

/* What can be asked of a balloon. read is for the one word that follows, NULL where there is none;
 * needs says what is missing without it. */
static const struct action {
    const char *name;
    int action;
    const struct option *flags;
    int (*read)(const char *text, struct balloon_options *out, struct err *err);
    const char *needs;
} actions[] = {
    {"set", BALLOON_SET, set_flags, read_target, "a size, as in: balloon set 512M"},
    {"show", BALLOON_SHOW, show_flags, NULL, NULL},
    {"hint", BALLOON_HINT, hint_flags, read_hint, "a word: start, stop or status"},
};

static int read_action(const struct action *action, int argc, char **argv,
                       struct balloon_options *out, struct err *err)
{
    out->action = action->action;
    int rc = read_flags(argc, argv, action->flags, out, err);
    if (rc < 0 || out->action == BALLOON_HELP)
        return rc;
    int words = action->read == NULL ? 0 : 1;
    if (argc - optind < words)
        return err_set(err, -EINVAL, "balloon %s needs %s", action->name, action->needs);
    if (argc - optind > words)
        return err_set(err, -EINVAL, "unexpected argument \"%.80s\"", argv[optind + words]);
    if (out->api_sock == NULL)
        return err_set(err, -EINVAL, "balloon %s needs --api-sock PATH", action->name);
    return words == 0 ? 0 : action->read(argv[optind], out, err);
}

int balloon_options_parse(int argc, char **argv, struct balloon_options *out, struct err *err)
{
    *out = (struct balloon_options){0};
    if (argc < 2)
        return err_set(err, -EINVAL, "balloon needs an action: set, show or hint");
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        /* The action takes the place of the program's name. */
        if (strcmp(argv[1], actions[i].name) == 0)
            return read_action(&actions[i], argc - 1, argv + 1, out, err);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return 0;
    return err_set(err, -EINVAL, "balloon: unknown action \"%.40s\" (known: set, show, hint)",
                   argv[1]);
}
