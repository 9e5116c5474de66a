/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `aerostat balloon`. */
#include <errno.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/cli/getopt_priv.h"
#include "vmm/cli/options.h"

/* A day; longer waits are loops of the caller. */
#define WAIT_MAX_S 86400u

enum { OPT_API_SOCK = 1, OPT_WAIT, OPT_JSON };

static const struct option set_flags[] = {
    {"api-sock", required_argument, NULL, OPT_API_SOCK},
    {"wait", required_argument, NULL, OPT_WAIT},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static const struct option show_flags[] = {
    {"api-sock", required_argument, NULL, OPT_API_SOCK},
    {"json", no_argument, NULL, OPT_JSON},
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

int balloon_options_parse(int argc, char **argv, struct balloon_options *out, struct err *err)
{
    *out = (struct balloon_options){0};
    if (argc < 2)
        return err_set(err, -EINVAL, "balloon needs an action: set or show");
    bool set = strcmp(argv[1], "set") == 0;
    if (!set && strcmp(argv[1], "show") != 0) {
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
            return 0;
        return err_set(err, -EINVAL, "balloon: unknown action \"%.40s\" (known: set, show)",
                       argv[1]);
    }
    out->action = set ? BALLOON_SET : BALLOON_SHOW;
    /* The action takes the place of the program's name. */
    argc--;
    argv++;
    int rc = read_flags(argc, argv, set ? set_flags : show_flags, out, err);
    if (rc < 0 || out->action == BALLOON_HELP)
        return rc;
    int words = set ? 1 : 0;
    if (argc - optind < words)
        return err_set(err, -EINVAL, "balloon set needs a size, as in: balloon set 512M");
    if (argc - optind > words)
        return err_set(err, -EINVAL, "unexpected argument \"%.80s\"", argv[optind + words]);
    if (out->api_sock == NULL)
        return err_set(err, -EINVAL, "balloon %s needs --api-sock PATH", argv[0]);
    return set ? read_target(argv[optind], out, err) : 0;
}
