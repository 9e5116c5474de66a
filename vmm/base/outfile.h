/* SPDX-License-Identifier: Apache-2.0 */
/* Files and FIFOs that others read while we write: opened so that no reader can hold us up. */
#ifndef AEROSTAT_BASE_OUTFILE_H
#define AEROSTAT_BASE_OUTFILE_H

#include "vmm/base/err.h"

/*
 * Opens a file, created where there is none and appended to otherwise, or a FIFO, that nobody needs
 * to read yet: it keeps what fits. write(2) to *out_fd fails with EAGAIN rather than wait, and a
 * FIFO whose reader goes away raises no SIGPIPE. Any thread. Returns 0 or -errno of open(2) with a
 * sentence that begins with the path.
 */
int outfile_open(const char *path, int *out_fd, struct err *err);

#endif
