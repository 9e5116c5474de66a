/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the registry share. */
#ifndef AEROSTAT_REGISTRY_PRIV_H
#define AEROSTAT_REGISTRY_PRIV_H

#include <sys/stat.h>

#include "vmm/registry/registry.h"

/* The lock while it is made. Alone in a folder it is what a process left that was killed then. */
#define RECORD_NEW "lock.new"

struct registry {
    int fd; /* DIR; its flock(2) is the lock of all changes */
    char path[PATH_MAX];
};

/* What the lock in a machine's folder says. */
struct record {
    enum {
        RECORD_NONE,    /* there is none */
        RECORD_FOREIGN, /* something of this name that is not ours */
        RECORD_STALE,
        RECORD_ALIVE,
    } state;
    pid_t pid;           /* 0 when unknown */
    uint64_t started_ms; /* Unix time */
};

/* Waits for DIR's lock, which the caller must not have. Returns 0, or -ETIMEDOUT, -errno with a
 * sentence. */
int registry_lock(struct registry *registry, struct err *err);
void registry_unlock(struct registry *registry);

/*
 * Opens the folder of a valid name. Returns 0; -ENOENT; -EPERM when it is no folder, or not this
 * user's; -errno.
 */
int registry_open_folder(const struct registry *registry, const char *name, int *out_fd);

/* Reads the lock in a folder; takes none. Returns 0 or -errno. */
int record_read(int folder_fd, struct record *out);

/*
 * Puts a lock for this process in place, over a stale one. *out_fd holds it. DIR locked. Returns 0
 * or -errno.
 */
int record_create(int folder_fd, int *out_fd);

/*
 * The PID in a lock's content: true for one line with a number above 0, and for nothing at all (0),
 * which a host that went down may have left.
 */
bool record_parse(const char *text, size_t len, pid_t *out_pid);

/*
 * The first hexadecimal number behind label in /proc/PID/file; "" for the file's beginning. What is
 * not there is 0.
 */
uint64_t record_proc_number(pid_t pid, const char *file, const char *label);

/* Whether there is a file of a machine's, the lock aside. */
bool record_has_files(int folder_fd);

/*
 * Removes the files of a machine, the lock aside; with_socket also a dead socket that api.sock
 * links to. DIR locked. Returns 0 or -errno, *out_file the one that could not be removed.
 */
int record_remove_files(int folder_fd, bool with_socket, enum registry_file *out_file);

/* Removes the lock, then the folder if it is empty and still the one of that name. DIR locked. */
void record_remove(struct registry *registry, const char *name, int folder_fd);

#endif
