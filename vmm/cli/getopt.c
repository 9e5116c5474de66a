/* SPDX-License-Identifier: Apache-2.0 */
/* getopt_long(3) with errors as sentences instead of messages. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/cli/getopt_priv.h"

void cli_getopt_reset(void)
{
    /* glibc: 0 also forgets where a cluster of short options was left. */
    optind = 0;
    opterr = 0;
}

static const struct option *find_option(const struct option *options, int val)
{
    for (const struct option *o = options; o->name != NULL; o++) {
        if (val != 0 && o->val == val)
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

int cli_getopt(int argc, char **argv, const struct option *options, struct err *err)
{
    int opt = getopt_long(argc, argv, ":h", options, NULL);
    if (opt != ':' && opt != '?')
        return opt;
    const struct option *known = find_option(options, optopt);
    int rc;
    if (known != NULL && opt == ':')
        rc = err_set(err, -EINVAL, "--%s needs a value", known->name);
    else if (known != NULL)
        rc = err_set(err, -EINVAL, "--%s takes no value", known->name);
    else if (optopt >= '0' && optopt <= '9')
        rc = err_set(err, -EINVAL, "%.40s: a size cannot be negative", word_at_fault(argc, argv));
    else if (optopt != 0)
        rc = err_set(err, -EINVAL, "unknown option -%c", optopt);
    else
        rc = err_set(err, -EINVAL, "unknown or ambiguous option %.80s", argv[optind - 1]);
    (void)rc;
    return '?';
}

int cli_getopt_check(int argc, char **argv, const struct option *options, bool *out_help,
                     struct err *err)
{
    uint64_t seen = 0;
    int rc = 0;
    int opt;
    *out_help = false;
    cli_getopt_reset();
    while ((opt = cli_getopt(argc, argv, options, rc == 0 ? err : NULL)) != -1) {
        if (opt == OPT_HELP) {
            *out_help = true;
            return 0;
        }
        if (rc < 0)
            continue;
        if (opt == '?')
            rc = -EINVAL;
        else if ((seen >> opt & 1) != 0)
            rc = err_set(err, -EINVAL, "--%s is given twice", find_option(options, opt)->name);
        else
            seen |= UINT64_C(1) << opt;
    }
    return rc;
}
