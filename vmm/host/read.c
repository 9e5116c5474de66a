/* SPDX-License-Identifier: Apache-2.0 */
/* Small files of /proc and /sys. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/host/host.h"

#define NS_PER_S UINT64_C(1000000000)

int host_read(const char *root, const char *path, char *out, size_t size)
{
    char full[2 * HOST_PATH_MAX];
    size_t len = 0;
    out[0] = '\0';
    if ((size_t)snprintf(full, sizeof(full), "%s%s", root, path) >= sizeof(full))
        return -ENAMETOOLONG;
    AUTO_FD int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    while (len < size - 1) {
        ssize_t got = read(fd, out + len, size - 1 - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    if (len > 0 && out[len - 1] == '\n')
        len--;
    out[len] = '\0';
    return 0;
}

int host_read_u64(const char *root, const char *path, uint64_t *out)
{
    char text[32];
    char *end;
    int rc = host_read(root, path, text, sizeof(text));
    if (rc < 0)
        return rc;
    if (strcmp(text, "max") == 0) {
        *out = UINT64_MAX;
        return 0;
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        return -EINVAL;
    *out = value;
    return 0;
}

bool host_chosen_word(const char *text, char *out, size_t size)
{
    const char *begin = strchr(text, '[');
    out[0] = '\0';
    if (begin == NULL)
        return false;
    size_t len = strcspn(begin + 1, "]");
    if (begin[1 + len] != ']' || len >= size)
        return false;
    memcpy(out, begin + 1, len);
    out[len] = '\0';
    return true;
}

/* proc_pid_stat(5): utime and stime are the 14th and the 15th field, in clock ticks. The second is
 * the name in parentheses, which may hold blanks and parentheses itself. */
int host_cpu_ns(const char *root, pid_t pid, uint64_t *out_ns)
{
    char path[40];
    char text[1024];
    unsigned long long user, system;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int rc = host_read(root, path, text, sizeof(text));
    if (rc < 0)
        return rc;
    const char *rest = strrchr(text, ')');
    if (rest == NULL || sscanf(rest + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu",
                               &user, &system) != 2)
        return -EINVAL;
    long hertz = sysconf(_SC_CLK_TCK);
    *out_ns = (uint64_t)(user + system) * (NS_PER_S / (uint64_t)(hertz > 0 ? hertz : 100));
    return 0;
}
