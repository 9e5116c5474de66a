/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a name, and giving it back. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

struct registry_claim {
    struct registry *registry; /* borrowed; outlives the claim */
    char name[REGISTRY_NAME_MAX + 1];
    int folder_fd;
    int lock_fd;
    pid_t holder; /* of the name, where it could not be had */
};

#define NS_PER_MS UINT64_C(1000000)
/* How long a monitor is waited for that has been killed and is not gone yet. */
#define DYING_NS (10000 * NS_PER_MS)
#define RETRY_NS (10 * (long)NS_PER_MS)
/* So often a holder is looked at again that does not seem to be dying. */
#define DOUBTS 3u
/* In a mask of signals. */
#define SIGKILL_BIT (UINT64_C(1) << (SIGKILL - 1))

/* The sentence for a folder that cannot be used. */
static int unusable(const struct registry *registry, const char *name, int rc, struct err *err)
{
    char shown[PATH_SHOWN_MAX];
    path_show(registry->path, shown);
    if (rc == -EPERM)
        return err_set(err, rc,
                       "name %s: what is at %s/%s is not a folder of yours; choose another name, "
                       "or remove it",
                       name, shown, name);
    return err_sys(err, rc, "name %s: %s/%s cannot be made", name, shown, name);
}

/* Opens the folder of a name, which is made if need be. */
static int enter_folder(const struct registry *registry, const char *name, int *out_fd,
                        struct err *err)
{
    if (mkdirat(registry->fd, name, S_IRWXU) < 0 && errno != EEXIST)
        return unusable(registry, name, -errno, err);
    AUTO_FD int fd = -1;
    int rc = registry_open_folder(registry, name, &fd);
    if (rc < 0)
        return unusable(registry, name, rc, err);
    *out_fd = take_fd(&fd);
    return 0;
}

/* Whether the name is free, or can be made so. */
static int check_free(struct registry_claim *claim, struct err *err)
{
    const struct registry *registry = claim->registry;
    const char *name = claim->name;
    char shown[PATH_SHOWN_MAX];
    struct record record;
    int rc = record_read(claim->folder_fd, &record);
    path_show(registry->path, shown);
    if (rc < 0)
        return err_sys(err, rc, "name %s: %s/%s/lock cannot be read", name, shown, name);
    claim->holder = record.pid;
    if (record.state == RECORD_ALIVE)
        return err_set(err, -EEXIST,
                       "name %s: a running machine (pid %d) has it; choose another name, or run "
                       "'aerostat stop %s'",
                       name, (int)record.pid, name);
    if (record.state == RECORD_FOREIGN ||
        (record.state == RECORD_NONE && record_has_files(claim->folder_fd)))
        return err_set(err, -ENOTEMPTY,
                       "name %s: %s/%s holds files that no machine made; choose another name, or "
                       "remove them",
                       name, shown, name);
    return 0;
}

static int take_folder(struct registry_claim *claim, struct err *err)
{
    enum registry_file file = REGISTRY_LOCK;
    char shown[PATH_SHOWN_MAX];
    int rc = check_free(claim, err);
    if (rc < 0)
        return rc;
    path_show(claim->registry->path, shown);
    /* It is ours, or was empty. */
    if (fchmod(claim->folder_fd, S_IRWXU) < 0)
        return unusable(claim->registry, claim->name, -errno, err);
    rc = record_remove_files(claim->folder_fd, true, &file);
    if (rc < 0)
        return err_sys(err, rc, "name %s: %s/%s/%s was left behind and cannot be removed",
                       claim->name, shown, claim->name, registry_file_name(file));
    rc = record_create(claim->folder_fd, &claim->lock_fd);
    if (rc < 0)
        return err_sys(err, rc, "name %s: %s/%s/lock cannot be made", claim->name, shown,
                       claim->name);
    /* tmpfiles.d(5): a folder that is locked so is not cleaned up for its age. */
    (void)flock(claim->folder_fd, LOCK_SH | LOCK_NB);
    return 0;
}

/* DIR locked. */
static int claim_name(struct registry_claim *claim, const char *name, struct err *err)
{
    char longest[REGISTRY_PATH_MAX];
    int rc = registry_path(claim->registry, name, REGISTRY_CONSOLE_SOCK, longest);
    if (rc < 0) {
        char shown[PATH_SHOWN_MAX];
        path_show(claim->registry->path, shown);
        return err_set(err, rc,
                       "name %s: the paths of its sockets in %s would be longer than the maximum "
                       "of %u bytes; set AEROSTAT_RUNTIME_DIR to a shorter path",
                       name, shown, REGISTRY_PATH_MAX - 1);
    }
    memcpy(claim->name, name, strlen(name) + 1);
    rc = enter_folder(claim->registry, name, &claim->folder_fd, err);
    if (rc < 0)
        return rc;
    rc = take_folder(claim, err);
    if (rc < 0) {
        /* Nothing happens to a folder in use: it is not empty. */
        (void)unlinkat(claim->registry->fd, name, AT_REMOVEDIR);
        fd_close(&claim->folder_fd);
    }
    return rc;
}

/* The first "vmN" that can be had. DIR locked. */
static int claim_any(struct registry_claim *claim, struct err *err)
{
    for (unsigned n = 1; n <= REGISTRY_ENTRIES_MAX; n++) {
        char name[REGISTRY_NAME_MAX + 1];
        (void)snprintf(name, sizeof(name), "vm%u", n);
        int rc = claim_name(claim, name, err);
        if (rc != -EEXIST && rc != -ENOTEMPTY && rc != -EPERM)
            return rc;
    }
    return err_set(err, -ENOSPC, "vm1 to vm%u are taken: give the machine a name",
                   REGISTRY_ENTRIES_MAX);
}

/* One attempt. *out_holder is who has the name where that is -EEXIST. */
static int try_claim(struct registry_claim *claim, const char *name, pid_t *out_holder,
                     struct err *err)
{
    int rc = registry_lock(claim->registry, err);
    if (rc < 0)
        return rc;
    rc = name == NULL ? claim_any(claim, err) : claim_name(claim, name, err);
    *out_holder = rc == -EEXIST ? claim->holder : 0;
    registry_unlock(claim->registry);
    return rc;
}

/*
 * Whether a process is on its way out: a signal that kills is sent in no time, but the locks of a
 * process go after its memory, which takes a second where there are gigabytes.
 */
static bool is_dying(pid_t pid)
{
    /* One that cannot be seen may be in another namespace, and live. */
    if (record_proc_number(pid, "status", "Tgid:") == 0)
        return false;
    return record_proc_number(pid, "statm", "") == 0 ||
           (record_proc_number(pid, "status", "SigPnd:") & SIGKILL_BIT) != 0 ||
           (record_proc_number(pid, "status", "ShdPnd:") & SIGKILL_BIT) != 0;
}

int registry_claim(struct registry *registry, const char *name, struct registry_claim **out_claim,
                   struct err *err)
{
    int rc = name == NULL ? 0 : registry_check_name(name, err);
    if (rc < 0)
        return rc;
    AUTO_FREE struct registry_claim *claim = calloc(1, sizeof(*claim));
    if (claim == NULL)
        return err_set(err, -ENOMEM, "out of memory");
    *claim = (struct registry_claim){.registry = registry, .folder_fd = -1, .lock_fd = -1};
    uint64_t deadline_ns = clock_mono_ns() + DYING_NS;
    unsigned doubts = DOUBTS;
    for (;;) {
        pid_t holder = 0;
        rc = try_claim(claim, name, &holder, err);
        if (rc != -EEXIST || clock_mono_ns() >= deadline_ns)
            break;
        /* Between the signal and the end there are moments in which neither shows. */
        if (!is_dying(holder) && doubts-- == 0)
            break;
        (void)nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
    }
    if (rc == 0)
        *out_claim = take_ptr(claim);
    return rc;
}

const char *registry_claim_name(const struct registry_claim *claim)
{
    return claim->name;
}

int registry_claim_dir_fd(const struct registry_claim *claim)
{
    return claim->folder_fd;
}

int registry_claim_link_api(struct registry_claim *claim, const char *path, struct err *err)
{
    char cwd[PATH_MAX] = "";
    char target[2 * PATH_MAX];
    if (path[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
        return err_sys(err, -errno, "name %s: the working directory is unknown", claim->name);
    int len = snprintf(target, sizeof(target), "%s%s%s", cwd, path[0] == '/' ? "" : "/", path);
    int rc = len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
    if (rc == 0 && symlinkat(target, claim->folder_fd, registry_file_name(REGISTRY_API_SOCK)) < 0)
        rc = -errno;
    return rc < 0 ? err_sys(err, rc, "name %s: the link to its control socket cannot be made",
                            claim->name)
                  : 0;
}

void registry_release(struct registry_claim *claim)
{
    if (claim == NULL)
        return;
    enum registry_file file;
    if (registry_lock(claim->registry, NULL) == 0) {
        /* With a file that stays, the lock stays: it says whose that is. */
        if (record_remove_files(claim->folder_fd, false, &file) == 0)
            record_remove(claim->registry, claim->name, claim->folder_fd);
        registry_unlock(claim->registry);
    }
    fd_close(&claim->lock_fd);
    fd_close(&claim->folder_fd);
    free(claim);
}
