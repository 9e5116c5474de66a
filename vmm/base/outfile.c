/* SPDX-License-Identifier: Apache-2.0 */
/* Files and FIFOs that others read while we write. */
#include "vmm/base/outfile.h"

#include <errno.h>
#include <fcntl.h>

#include "vmm/base/path.h"

#define OPEN_FLAGS (O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

int outfile_open(const char *path, int *out_fd, struct err *err)
{
    char shown[PATH_SHOWN_MAX];
    /* To read, too: a FIFO that we ourselves could read can be opened before its reader comes, and
     * never is without one. Where that is forbidden, it has to be there. */
    int fd = open(path, O_RDWR | OPEN_FLAGS, 0644);
    if (fd < 0 && errno == EACCES)
        fd = open(path, O_WRONLY | OPEN_FLAGS, 0644);
    if (fd < 0) {
        int rc = -errno;
        path_show(path, shown);
        return err_sys(err, rc, "%s: cannot be opened for writing", shown);
    }
    *out_fd = fd;
    return 0;
}
