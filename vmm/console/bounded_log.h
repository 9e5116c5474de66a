/* SPDX-License-Identifier: Apache-2.0 */
/* A log file of bounded size: when it is full it becomes the old one, and a new one begins. */
#ifndef AEROSTAT_CONSOLE_BOUNDED_LOG_H
#define AEROSTAT_CONSOLE_BOUNDED_LOG_H

#include <stddef.h>
#include <stdint.h>

/* The two files together have at most twice limit_bytes. One thread at a time. */
struct bounded_log {
    int dir_fd;           /* borrowed; outlives the log */
    const char *name;     /* borrowed; outlives the log */
    const char *old_name; /* likewise */
    uint64_t limit_bytes;
    int fd;              /* -1 while there is none */
    uint64_t size_bytes; /* of the present file */
    uint64_t lost_bytes; /* that could not be written */
};

/*
 * Renames what is called name, if anything, to old_name, and makes name anew (mode 0600; links are
 * not followed). *out_fd appends to it. Returns 0 or -errno.
 */
int bounded_log_next_file(int dir_fd, const char *name, const char *old_name, int *out_fd);

/* Makes the first file; the members from dir_fd to limit_bytes are set. Returns 0 or -errno. */
int bounded_log_open(struct bounded_log *log);

/* Appends; what a full or broken disk does not take is counted as lost. */
void bounded_log_write(struct bounded_log *log, const uint8_t *data, size_t len);

/* Closes the file. Idempotent. */
void bounded_log_close(struct bounded_log *log);

#endif
