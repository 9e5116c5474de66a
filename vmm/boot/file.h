/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel or initrd file: opened once, sized once, never trusted to stay that long. */
#ifndef AEROSTAT_BOOT_FILE_H
#define AEROSTAT_BOOT_FILE_H

#include <stdint.h>

#include "memory/gm.h"
#include "vmm/base/err.h"
#include "vmm/base/path.h"

struct boot_file {
    int fd;
    uint64_t size_bytes;
    char path[PATH_SHOWN_MAX]; /* for sentences; shortened */
};

/*
 * Opens a regular, non-empty file. role ("kernel", "initrd") goes into the sentences. The caller
 * ends it with boot_file_close(). Returns 0; -errno of open(2) or fstat(2); -EISDIR for a
 * directory; -EINVAL for an empty file and for what is neither file nor directory.
 */
int boot_file_open(const char *path, const char *role, struct boot_file *out_file, struct err *err);

/* Accepts an object whose fd is -1. */
void boot_file_close(struct boot_file *file);

/*
 * Reads exactly len bytes. Returns 0; -ENOEXEC when the file ends before them; -errno of
 * pread(2).
 */
int boot_file_read(const struct boot_file *file, uint64_t offset, void *dst, size_t len,
                   struct err *err);

/*
 * Reads [offset, offset + dst.len_bytes) straight into guest memory. dst has been checked to be
 * RAM. Returns as boot_file_read().
 */
int boot_file_load(const struct boot_file *file, uint64_t offset, const struct gm *gm,
                   struct gm_range dst, struct err *err);

/* Closes the file at the end of the scope. */
#define AUTO_BOOT_FILE __attribute__((cleanup(boot_file_close)))

#endif
