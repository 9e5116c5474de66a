/* SPDX-License-Identifier: Apache-2.0 */
/* A log file of bounded size. */
#include "vmm/console/bounded_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"

int bounded_log_next_file(int dir_fd, const char *name, const char *old_name, int *out_fd)
{
    if (renameat(dir_fd, name, dir_fd, old_name) < 0 && errno != ENOENT)
        return -errno;
    int fd =
        openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return -errno;
    *out_fd = fd;
    return 0;
}

static int begin_file(struct bounded_log *log)
{
    int fd;
    int rc = bounded_log_next_file(log->dir_fd, log->name, log->old_name, &fd);
    if (rc < 0)
        return rc;
    fd_close(&log->fd);
    log->fd = fd;
    log->size_bytes = 0;
    return 0;
}

int bounded_log_open(struct bounded_log *log)
{
    log->fd = -1;
    log->size_bytes = 0;
    log->lost_bytes = 0;
    return begin_file(log);
}

void bounded_log_write(struct bounded_log *log, const uint8_t *data, size_t len)
{
    while (len > 0) {
        if ((log->fd < 0 || log->size_bytes >= log->limit_bytes) && begin_file(log) < 0) {
            log->lost_bytes += len;
            return;
        }
        size_t part = (size_t)min_u64(len, log->limit_bytes - log->size_bytes);
        ssize_t put = write(log->fd, data, part);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            log->lost_bytes += len;
            return;
        }
        log->size_bytes += (size_t)put;
        data += put;
        len -= (size_t)put;
    }
}

void bounded_log_close(struct bounded_log *log)
{
    fd_close(&log->fd);
}
