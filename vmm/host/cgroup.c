/* SPDX-License-Identifier: Apache-2.0 */
/* The control group of a process, and its memory limit. cgroups(7). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/host/host.h"

#define CGROUP_TEXT_MAX 4096u
/* Groups within groups; deeper ones' limits are not looked for further up. */
#define DEPTH_MAX 64u

/* Where the controllers are mounted: alone, or v2 beside those of v1. */
static const char *const v2_mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
#define V1_MOUNT "/sys/fs/cgroup/memory"

/* Whether the comma-separated list has "memory". */
static bool has_memory(const char *list, size_t len)
{
    static const char word[] = "memory";
    while (len > 0) {
        size_t item = strcspn(list, ",:");
        item = item < len ? item : len;
        if (item == sizeof(word) - 1 && memcmp(list, word, item) == 0)
            return true;
        item += item < len;
        list += item;
        len -= item;
    }
    return false;
}

/* The group of the hierarchy "0::" (v2), or of the one with the memory controller (v1). */
static bool find_group(const char *text, bool v2, const char **out, size_t *out_len)
{
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *list = strchr(line, ':');
        const char *group = list == NULL ? NULL : strchr(list + 1, ':');
        if (group == NULL)
            return false;
        size_t list_len = (size_t)(group - list) - 1;
        if (v2 ? list_len == 0 : has_memory(list + 1, list_len)) {
            *out = group + 1;
            *out_len = strcspn(group + 1, "\n");
            return true;
        }
    }
    return false;
}

static bool read_in(const char *root, const char *folder, const char *file, uint64_t *out)
{
    char path[HOST_PATH_MAX + 40];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, file);
    return host_read_u64(root, path, out) == 0;
}

/* Goes up to the mount. v1 says "no limit" by a number near 2^63. */
static void find_limit(const char *root, size_t mount_len, struct host_cgroup *cgroup)
{
    const char *limit_file = cgroup->v2 ? "memory.max" : "memory.limit_in_bytes";
    const char *used_file = cgroup->v2 ? "memory.current" : "memory.usage_in_bytes";
    char folder[HOST_PATH_MAX];
    (void)snprintf(folder, sizeof(folder), "%s", cgroup->path);
    cgroup->limit_bytes = UINT64_MAX;
    (void)read_in(root, folder, used_file, &cgroup->used_bytes);
    for (unsigned depth = 0; depth < DEPTH_MAX && strlen(folder) >= mount_len; depth++) {
        uint64_t limit = UINT64_MAX;
        if (read_in(root, folder, limit_file, &limit) && limit < (UINT64_C(1) << 62) &&
            limit < cgroup->limit_bytes) {
            cgroup->limit_bytes = limit;
            (void)read_in(root, folder, used_file, &cgroup->used_bytes);
        }
        char *slash = strrchr(folder, '/');
        if (slash == NULL)
            break;
        *slash = '\0';
    }
}

static bool set_path(struct host_cgroup *cgroup, const char *mount, const char *group, size_t len)
{
    if (len == 1 && *group == '/')
        len = 0;
    int n = snprintf(cgroup->path, sizeof(cgroup->path), "%s%.*s", mount, (int)len, group);
    return n > 0 && (size_t)n < sizeof(cgroup->path);
}

/* Whether v2 at that mount has the memory controller. */
static bool v2_has_memory(const char *root, const char *mount)
{
    char path[HOST_PATH_MAX];
    char text[256];
    (void)snprintf(path, sizeof(path), "%s/cgroup.controllers", mount);
    if (host_read(root, path, text, sizeof(text)) < 0)
        return false;
    for (char *at = text; *at != '\0'; at++)
        *at = *at == ' ' ? ',' : *at;
    return has_memory(text, strlen(text));
}

int host_cgroup(const char *root, pid_t pid, struct host_cgroup *out)
{
    char path[40] = "/proc/self/cgroup";
    char text[CGROUP_TEXT_MAX];
    const char *group;
    size_t len;
    *out = (struct host_cgroup){.limit_bytes = UINT64_MAX};
    if (pid != 0)
        (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    int rc = host_read(root, path, text, sizeof(text));
    if (rc < 0)
        return rc;
    for (size_t i = 0; find_group(text, true, &group, &len) && i < 2; i++) {
        if (v2_has_memory(root, v2_mounts[i]) && set_path(out, v2_mounts[i], group, len)) {
            out->v2 = true;
            find_limit(root, strlen(v2_mounts[i]), out);
            return 0;
        }
    }
    if (find_group(text, false, &group, &len) && set_path(out, V1_MOUNT, group, len))
        find_limit(root, strlen(V1_MOUNT), out);
    else
        out->path[0] = '\0';
    return 0;
}
