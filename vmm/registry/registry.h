/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of running machines: one folder a name, DIR/NAME/ (mode 0700), in the runtime directory
 * DIR. It holds
 *
 *     lock           a lock (F_OFD_SETLK) that the monitor has for its life; content "PID\n"
 *     api.sock       the control socket, or a symbolic link to where it is
 *     console.sock   detached machines only: the console
 *     console.log    detached machines only: what the guest wrote, console.log.1 the part before
 *     log            detached machines only: the monitor's messages, log.1 the part before
 *
 * A folder whose lock nobody has is stale: its monitor was killed. Whoever claims the name, or
 * removes stale ones, removes what it left.
 *
 * lock comes into being locked and complete, before the other files, and goes after them: so these
 * are only ever touched where a lock of ours says what they are, and a process that is killed at
 * any moment leaves nothing that stops the next. Claims, releases and removals of one DIR happen
 * one after the other, under a flock(2) of DIR; looking takes no lock. No symbolic link is
 * followed (but api.sock, by who connects to it), and what belongs to another user is left alone.
 *
 * Blocking, if only for a moment; one thread at a time for each object.
 */
#ifndef AEROSTAT_REGISTRY_H
#define AEROSTAT_REGISTRY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/base/err.h"

#define REGISTRY_NAME_MAX 64u
/* More than so many entries of DIR are not looked at. */
#define REGISTRY_ENTRIES_MAX 65536u
/* Room for the path of a file in a machine's folder, NUL included: that of a socket address. */
#define REGISTRY_PATH_MAX 108u

/* The files of a machine. */
enum registry_file {
    REGISTRY_LOCK,
    REGISTRY_API_SOCK,
    REGISTRY_CONSOLE_SOCK,
    REGISTRY_CONSOLE_LOG,
    REGISTRY_CONSOLE_LOG_OLD,
    REGISTRY_LOG,
    REGISTRY_LOG_OLD,
    REGISTRY_FILES
};

struct registry;
struct registry_claim;

/* What is known of a name. */
struct registry_entry {
    char name[REGISTRY_NAME_MAX + 1];
    bool alive;          /* false: stale */
    pid_t pid;           /* of the monitor, 0 when it is not known */
    uint64_t started_ms; /* when the name was claimed, Unix time */
    bool detached;       /* there is a console socket */
};

/* "api.sock" and so on. */
const char *registry_file_name(enum registry_file file);

/*
 * Whether a machine may be called so: 1 to 64 letters, digits, "_", "." and "-", not beginning with
 * "." or "-". Returns 0 or -EINVAL with a sentence.
 */
int registry_check_name(const char *name, struct err *err);

/*
 * Opens the runtime directory: $AEROSTAT_RUNTIME_DIR; else $XDG_RUNTIME_DIR/aerostat; else
 * /run/aerostat for root, /tmp/aerostat-UID for others. create makes its last component, with mode
 * 0700. It must belong to this user and be writable for nobody else. Returns 0; -ENOENT when there
 * is none and create is false; -errno; with a sentence.
 */
int registry_open(bool create, struct registry **out_registry, struct err *err);

/* Accepts NULL. Claims must be released before. */
void registry_close(struct registry *registry);

/* The runtime directory's path. Lives as long as the registry. */
const char *registry_dir(const struct registry *registry);

/*
 * Takes a name for this process, NULL for the first of "vm1", "vm2" ... that is free, and removes
 * what a killed monitor left under it. registry is borrowed and outlives the claim. Returns 0;
 * -EINVAL for a bad name; -EEXIST when a running machine has it (one that is dying, since it was
 * killed, is waited for, up to 10 s); -ENOTEMPTY where its folder holds
 * such files and no lock, so that somebody else made them; -EPERM where the folder is not ours;
 * -ENAMETOOLONG when the sockets' paths would be; -ETIMEDOUT when DIR stays locked for seconds;
 * -errno; with a sentence. After a fork(2) that the claim survives, only one process may release
 * it.
 */
int registry_claim(struct registry *registry, const char *name, struct registry_claim **out_claim,
                   struct err *err);

/* The name. Lives as long as the claim. */
const char *registry_claim_name(const struct registry_claim *claim);

/* The machine's folder, for *at() calls. Lives as long as the claim. */
int registry_claim_dir_fd(const struct registry_claim *claim);

/*
 * Makes api.sock a symbolic link to path, which is made absolute. When this process is killed, the
 * socket there is removed with what else is stale. Returns 0 or -errno with a sentence.
 */
int registry_claim_link_api(struct registry_claim *claim, const char *path, struct err *err);

/*
 * Gives the name back, and removes the machine's files; foreign files in its folder stay. Where
 * that is impossible, the folder stays, stale. Accepts NULL.
 */
void registry_release(struct registry_claim *claim);

/*
 * All names, stale ones too, in order (vm2 before vm10), in an array to be freed. What is no folder
 * of ours with a lock in it is left out. Returns 0 or -errno with a sentence.
 */
int registry_list(struct registry *registry, struct registry_entry **out_entries, size_t *out_count,
                  struct err *err);

/* A running machine by its name. Returns 0; -EINVAL; -ENOENT; with a sentence. */
int registry_find(struct registry *registry, const char *name, struct registry_entry *out,
                  struct err *err);

/*
 * The running machine whose control socket path is. Returns 0; -ENOENT when path is no socket of a
 * machine here; -errno; without a sentence.
 */
int registry_find_socket(struct registry *registry, const char *path, struct registry_entry *out);

/*
 * Removes what a killed monitor left under a name. Returns 0, also when nothing is there; -EBUSY
 * when the machine runs; -errno; with a sentence.
 */
int registry_remove_stale(struct registry *registry, const char *name, struct err *err);

/*
 * Sends signo to the monitor of a running machine; never to another process that has its number
 * now. Returns 0; -ESRCH when it has ended; -errno.
 */
int registry_signal(struct registry *registry, const char *name, int signo);

/*
 * A descriptor that becomes readable (poll(2)) when the monitor of a running machine has ended; the
 * caller closes it. Returns 0; -ESRCH when it has ended already; -errno.
 */
int registry_watch(struct registry *registry, const char *name, int *out_fd);

/*
 * Writes the path of a machine's file to out. Returns 0, or -ENAMETOOLONG when it does not fit, or
 * -EINVAL for a bad name.
 */
int registry_path(const struct registry *registry, const char *name, enum registry_file file,
                  char out[REGISTRY_PATH_MAX]);

#endif
