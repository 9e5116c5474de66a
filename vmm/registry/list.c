/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the machines there are: no lock is taken, but to remove what is stale. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/path.h"
#include "vmm/registry/registry_priv.h"

/* Returns 0, or -ENOENT for what is no machine's folder. */
static int look(const struct registry *registry, const char *name, struct registry_entry *out)
{
    AUTO_FD int fd = -1;
    struct record record;
    struct stat st;
    if (registry_check_name(name, NULL) < 0 || registry_open_folder(registry, name, &fd) < 0 ||
        record_read(fd, &record) < 0)
        return -ENOENT;
    if (record.state != RECORD_STALE && record.state != RECORD_ALIVE)
        return -ENOENT;
    *out = (struct registry_entry){
        .alive = record.state == RECORD_ALIVE,
        .pid = record.pid,
        .started_ms = record.started_ms,
        .detached =
            fstatat(fd, registry_file_name(REGISTRY_CONSOLE_SOCK), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISSOCK(st.st_mode),
    };
    memcpy(out->name, name, strlen(name) + 1);
    return 0;
}

/* A growing array of entries. */
struct entries {
    struct registry_entry *array;
    size_t count;
    size_t room;
};

static int append(struct entries *entries, const struct registry_entry *entry)
{
    if (entries->count == entries->room) {
        size_t room = entries->room == 0 ? 16 : 2 * entries->room;
        struct registry_entry *bigger =
            reallocarray(entries->array, room, sizeof(entries->array[0]));
        if (bigger == NULL)
            return -ENOMEM;
        entries->array = bigger;
        entries->room = room;
    }
    entries->array[entries->count++] = *entry;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct registry_entry *left = a;
    const struct registry_entry *right = b;
    return strverscmp(left->name, right->name);
}

static int read_all(const struct registry *registry, DIR *dir, struct entries *entries)
{
    for (unsigned i = 0; i < REGISTRY_ENTRIES_MAX; i++) {
        struct registry_entry entry;
        errno = 0;
        const struct dirent *found = readdir(dir);
        if (found == NULL)
            return -errno;
        if (look(registry, found->d_name, &entry) == 0) {
            int rc = append(entries, &entry);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

int registry_list(struct registry *registry, struct registry_entry **out_entries, size_t *out_count,
                  struct err *err)
{
    char shown[PATH_SHOWN_MAX];
    struct entries entries = {0};
    path_show(registry->path, shown);
    /* An open file of its own: it has a position. */
    int fd = openat(registry->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int rc = dir == NULL ? -errno : read_all(registry, dir, &entries);
    if (dir != NULL)
        (void)closedir(dir);
    else
        fd_close(&fd);
    if (rc < 0) {
        free(entries.array);
        return err_sys(err, rc, "runtime directory %s: cannot be read", shown);
    }
    if (entries.count > 0)
        qsort(entries.array, entries.count, sizeof(entries.array[0]), compare);
    *out_entries = entries.array;
    *out_count = entries.count;
    return 0;
}

int registry_find(struct registry *registry, const char *name, struct registry_entry *out,
                  struct err *err)
{
    struct registry_entry entry;
    int rc = registry_check_name(name, err);
    if (rc < 0)
        return rc;
    if (look(registry, name, &entry) < 0)
        return err_set(err, -ENOENT, "no machine is named %s (see aerostat ps)", name);
    if (!entry.alive)
        return err_set(err, -ENOENT,
                       "machine %s does not run: its monitor (pid %d) was killed; the name can be "
                       "used again",
                       name, (int)entry.pid);
    *out = entry;
    return 0;
}

int registry_find_socket(struct registry *registry, const char *path, struct registry_entry *out)
{
    AUTO_FREE struct registry_entry *entries = NULL;
    size_t count = 0;
    struct stat wanted;
    if (stat(path, &wanted) < 0)
        return -errno;
    int rc = S_ISSOCK(wanted.st_mode) ? registry_list(registry, &entries, &count, NULL) : -ENOENT;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        char sock[REGISTRY_PATH_MAX];
        struct stat st;
        if (entries[i].alive &&
            registry_path(registry, entries[i].name, REGISTRY_API_SOCK, sock) == 0 &&
            stat(sock, &st) == 0 && st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino) {
            *out = entries[i];
            return 0;
        }
    }
    return rc < 0 ? rc : -ENOENT;
}

/* DIR locked. */
static int remove_stale(struct registry *registry, const char *name, struct err *err)
{
    AUTO_FD int fd = -1;
    struct record record;
    enum registry_file file = REGISTRY_LOCK;
    int rc = registry_open_folder(registry, name, &fd);
    if (rc == 0)
        rc = record_read(fd, &record);
    if (rc == -ENOENT || (rc == 0 && record.state == RECORD_NONE))
        return 0;
    if (rc == 0 && record.state == RECORD_ALIVE)
        return err_set(err, -EBUSY, "machine %s runs (pid %d)", name, (int)record.pid);
    if (rc == 0 && record.state == RECORD_FOREIGN)
        rc = -EPERM;
    if (rc == 0)
        rc = record_remove_files(fd, true, &file);
    if (rc < 0)
        return err_sys(err, rc, "machine %s: its %s cannot be removed", name,
                       registry_file_name(file));
    record_remove(registry, name, fd);
    return 0;
}

int registry_remove_stale(struct registry *registry, const char *name, struct err *err)
{
    int rc = registry_check_name(name, err);
    if (rc == 0)
        rc = registry_lock(registry, err);
    if (rc < 0)
        return rc;
    rc = remove_stale(registry, name, err);
    registry_unlock(registry);
    return rc;
}

int registry_watch(struct registry *registry, const char *name, int *out_fd)
{
    struct registry_entry entry;
    if (look(registry, name, &entry) < 0 || !entry.alive)
        return -ESRCH;
    AUTO_FD int fd = (int)syscall(SYS_pidfd_open, entry.pid, 0);
    if (fd < 0)
        return -errno;
    /* Who has the lock still has had it all the time: the number was his when it was looked up. */
    struct registry_entry again;
    if (look(registry, name, &again) < 0 || !again.alive || again.pid != entry.pid ||
        again.started_ms != entry.started_ms)
        return -ESRCH;
    *out_fd = take_fd(&fd);
    return 0;
}

int registry_signal(struct registry *registry, const char *name, int signo)
{
    AUTO_FD int fd = -1;
    int rc = registry_watch(registry, name, &fd);
    if (rc == 0 && syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) < 0)
        rc = -errno;
    return rc;
}
