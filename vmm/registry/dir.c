/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime directory: where it is, whose it is, and the lock of changes to it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/clock.h"
#include "vmm/base/path.h"
#include "vmm/registry/registry_priv.h"

#define NS_PER_MS UINT64_C(1000000)
/* A change takes less than a millisecond; a process that is stopped in the middle of one must not
 * stop all others for good. */
#define LOCK_WAIT_NS  (5000 * NS_PER_MS)
#define LOCK_RETRY_NS (2 * (long)NS_PER_MS)

static int find_path(char out[PATH_MAX], struct err *err)
{
    const char *own = getenv("AEROSTAT_RUNTIME_DIR");
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    int len;
    if (own != NULL && own[0] != '\0')
        len = snprintf(out, PATH_MAX, "%s", own);
    else if (xdg != NULL && xdg[0] != '\0')
        len = snprintf(out, PATH_MAX, "%s/aerostat", xdg);
    else if (geteuid() == 0)
        len = snprintf(out, PATH_MAX, "/run/aerostat");
    else
        len = snprintf(out, PATH_MAX, "/tmp/aerostat-%u", (unsigned)geteuid());
    if (len < 0 || len >= PATH_MAX)
        return err_set(err, -ENAMETOOLONG,
                       "runtime directory: its path has more than %d bytes; set "
                       "AEROSTAT_RUNTIME_DIR to a shorter one",
                       PATH_MAX - 1);
    /* A slash at the end would have a symbolic link followed. */
    while (len > 1 && out[len - 1] == '/')
        out[--len] = '\0';
    return 0;
}

/* Relative paths are made absolute: a detached monitor may be asked from anywhere. */
static int make_absolute(char path[PATH_MAX], struct err *err)
{
    char cwd[PATH_MAX];
    if (path[0] == '/')
        return 0;
    if (getcwd(cwd, sizeof(cwd)) == NULL)
        return err_sys(err, -errno, "runtime directory: the working directory is unknown");
    size_t have = strlen(cwd);
    size_t more = strlen(path);
    if (have + 1 + more >= PATH_MAX)
        return err_set(err, -ENAMETOOLONG, "runtime directory: its path is too long");
    memmove(path + have + 1, path, more + 1);
    memcpy(path, cwd, have);
    path[have] = '/';
    return 0;
}

static int check_ownership(int fd, const char *shown, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(err, -errno, "runtime directory %s: cannot be examined", shown);
    if (st.st_uid != geteuid())
        return err_set(
            err, -EPERM,
            "runtime directory %s: belongs to user %u, not to user %u who runs this; set "
            "AEROSTAT_RUNTIME_DIR to a directory of your own",
            shown, (unsigned)st.st_uid, (unsigned)geteuid());
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return err_set(err, -EPERM,
                       "runtime directory %s: others may write to it (mode %04o); run 'chmod "
                       "go-w' on it",
                       shown, (unsigned)st.st_mode & 07777);
    return 0;
}

int registry_open(bool create, struct registry **out_registry, struct err *err)
{
    AUTO_FREE struct registry *registry = calloc(1, sizeof(*registry));
    if (registry == NULL)
        return err_set(err, -ENOMEM, "runtime directory: out of memory");
    int rc = find_path(registry->path, err);
    if (rc == 0)
        rc = make_absolute(registry->path, err);
    if (rc < 0)
        return rc;
    char shown[PATH_SHOWN_MAX];
    path_show(registry->path, shown);
    if (create && mkdir(registry->path, S_IRWXU) < 0 && errno != EEXIST)
        return err_sys(err, -errno,
                       "runtime directory %s: cannot be created (AEROSTAT_RUNTIME_DIR names "
                       "another)",
                       shown);
    AUTO_FD int fd = open(registry->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return err_set(err, -ENOTDIR,
                       "runtime directory %s: is not a directory; set AEROSTAT_RUNTIME_DIR to one",
                       shown);
    if (fd < 0)
        return err_sys(err, -errno, "runtime directory %s: cannot be opened", shown);
    rc = check_ownership(fd, shown, err);
    if (rc < 0)
        return rc;
    registry->fd = take_fd(&fd);
    *out_registry = take_ptr(registry);
    return 0;
}

void registry_close(struct registry *registry)
{
    if (registry == NULL)
        return;
    fd_close(&registry->fd);
    free(registry);
}

const char *registry_dir(const struct registry *registry)
{
    return registry->path;
}

int registry_lock(struct registry *registry, struct err *err)
{
    char shown[PATH_SHOWN_MAX];
    uint64_t deadline = clock_mono_ns() + LOCK_WAIT_NS;
    while (flock(registry->fd, LOCK_EX | LOCK_NB) < 0) {
        path_show(registry->path, shown);
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_sys(err, -errno, "runtime directory %s: cannot be locked", shown);
        if (clock_mono_ns() >= deadline)
            return err_set(err, -ETIMEDOUT,
                           "runtime directory %s: another process has it locked, and does not go "
                           "on; see 'lslocks' or 'fuser' for which",
                           shown);
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_RETRY_NS}, NULL);
    }
    return 0;
}

void registry_unlock(struct registry *registry)
{
    (void)flock(registry->fd, LOCK_UN);
}

int registry_open_folder(const struct registry *registry, const char *name, int *out_fd)
{
    AUTO_FD int fd = openat(registry->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != geteuid())
        return -EPERM;
    *out_fd = take_fd(&fd);
    return 0;
}
