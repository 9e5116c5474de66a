/* SPDX-License-Identifier: Apache-2.0 */
/* Scope-based release of descriptors. */
#include "vmm/base/cleanup.h"

#include <errno.h>

void fd_close(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    close(*fd);
    *fd = -1;
    errno = saved;
}
