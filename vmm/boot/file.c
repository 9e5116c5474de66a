/* SPDX-License-Identifier: Apache-2.0 */
/* Opens and reads kernel and initrd files. */
#include "vmm/boot/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"

int boot_file_open(const char *path, const char *role, struct boot_file *out_file, struct err *err)
{
    struct boot_file file;
    path_show(path, file.path);
    /* O_NONBLOCK: a FIFO without a writer must be refused, not waited for. */
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_sys(err, -errno, "%s: cannot open the %s", file.path, role);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(err, -errno, "%s: cannot get the size of the %s", file.path, role);
    if (S_ISDIR(st.st_mode))
        return err_set(err, -EISDIR, "%s: the %s must be a file, this is a directory", file.path,
                       role);
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EINVAL,
                       "%s: the %s must be a regular file, this is a device, a socket or a pipe",
                       file.path, role);
    if (st.st_size <= 0)
        return err_set(err, -EINVAL, "%s: the %s is empty (0 bytes)", file.path, role);
    file.fd = take_fd(&fd);
    file.size_bytes = (uint64_t)st.st_size;
    *out_file = file;
    return 0;
}

void boot_file_close(struct boot_file *file)
{
    fd_close(&file->fd);
}

static int ended_early(const struct boot_file *file, uint64_t offset, uint64_t len, struct err *err)
{
    return err_set(err, -ENOEXEC,
                   "%s: truncated: %" PRIu64 " bytes are needed at offset %" PRIu64
                   ", the file had %" PRIu64 " bytes when it was opened",
                   file->path, len, offset, file->size_bytes);
}

int boot_file_read(const struct boot_file *file, uint64_t offset, void *dst, size_t len,
                   struct err *err)
{
    if (offset > file->size_bytes || len > file->size_bytes - offset)
        return ended_early(file, offset, len, err);
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(file->fd, (char *)dst + done, len - done, (off_t)(offset + done));
        if (n == 0)
            return ended_early(file, offset, len, err);
        if (n < 0 && errno != EINTR)
            return err_sys(err, -errno, "%s: cannot read", file->path);
        if (n > 0)
            done += (size_t)n;
    }
    return 0;
}

int boot_file_load(const struct boot_file *file, uint64_t offset, const struct gm *gm,
                   struct gm_range dst, struct err *err)
{
    if (offset > file->size_bytes || dst.len_bytes > file->size_bytes - offset)
        return ended_early(file, offset, dst.len_bytes, err);
    if (dst.len_bytes == 0)
        return 0;
    int rc = gm_read_file(gm, dst, file->fd, offset);
    if (rc == -ENODATA)
        return ended_early(file, offset, dst.len_bytes, err);
    if (rc < 0)
        return err_sys(err, rc, "%s: cannot read %" PRIu64 " bytes into guest memory at 0x%" PRIx64,
                       file->path, dst.len_bytes, dst.start);
    return 0;
}
