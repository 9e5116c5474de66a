/* SPDX-License-Identifier: Apache-2.0 */
/* Names of machines, and of their files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/registry/registry_priv.h"

/* So much of a bad name is shown. */
#define NAME_SHOWN 20u

static const char *const file_names[REGISTRY_FILES] = {
    [REGISTRY_LOCK] = "lock",
    [REGISTRY_API_SOCK] = "api.sock",
    [REGISTRY_CONSOLE_SOCK] = "console.sock",
    [REGISTRY_CONSOLE_LOG] = "console.log",
    [REGISTRY_CONSOLE_LOG_OLD] = "console.log.1",
    [REGISTRY_LOG] = "log",
    [REGISTRY_LOG_OLD] = "log.1",
};

const char *registry_file_name(enum registry_file file)
{
    return file_names[file];
}

int registry_check_name(const char *name, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_.-";
    size_t len = strlen(name);
    size_t good = strspn(name, allowed);
    if (len == 0)
        return err_set(err, -EINVAL, "the name is empty");
    /* What else it has in it is nothing to print. */
    if (good < len)
        return err_set(err, -EINVAL,
                       "name %.*s...: its character %zu is none of the letters, digits, \"_\", "
                       "\".\" and \"-\" that a name is made of",
                       (int)min_u64(good, NAME_SHOWN), name, good + 1);
    if (len > REGISTRY_NAME_MAX)
        return err_set(err, -EINVAL, "name %.*s...: %zu characters are above the maximum of %u",
                       (int)NAME_SHOWN, name, len, REGISTRY_NAME_MAX);
    if (name[0] == '.' || name[0] == '-')
        return err_set(err, -EINVAL, "name %s: begins with \"%c\"; begin with a letter or a digit",
                       name, name[0]);
    return 0;
}

int registry_path(const struct registry *registry, const char *name, enum registry_file file,
                  char out[REGISTRY_PATH_MAX])
{
    if (registry_check_name(name, NULL) < 0)
        return -EINVAL;
    char path[PATH_MAX + REGISTRY_NAME_MAX + 32];
    int len = snprintf(path, sizeof(path), "%s/%s/%s", registry->path, name, file_names[file]);
    if (len < 0 || (size_t)len >= REGISTRY_PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(out, path, (size_t)len + 1);
    return 0;
}
