/* SPDX-License-Identifier: Apache-2.0 */
/* getopt_long(3) with errors as sentences instead of messages. */
#include <errno.h>
#include <stddef.h>

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
    else if (optopt != 0)
        rc = err_set(err, -EINVAL, "unknown option -%c", optopt);
    else
        rc = err_set(err, -EINVAL, "unknown or ambiguous option %.80s", argv[optind - 1]);
    (void)rc;
    return '?';
}
