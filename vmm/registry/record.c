/* SPDX-License-Identifier: Apache-2.0 */
/* The lock in a machine's folder, and what is removed under it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"
#include "vmm/registry/registry_priv.h"

#define NS_PER_MS UINT64_C(1000000)
/* "PID\n", and more than the largest PID needs. */
#define RECORD_MAX 16u
/* Between bind(2) and listen(2) of a socket that somebody makes just now. */
#define LISTEN_NS (20 * (long)NS_PER_MS)

bool record_parse(const char *text, size_t len, pid_t *out_pid)
{
    *out_pid = 0;
    if (len == 0)
        return true;
    if (len > RECORD_MAX || text[len - 1] != '\n' || len == 1 || text[0] == '0')
        return false;
    uint64_t pid = 0;
    for (size_t i = 0; i + 1 < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        pid = pid * 10 + (uint64_t)(text[i] - '0');
    }
    if (pid > INT_MAX)
        return false;
    *out_pid = (pid_t)pid;
    return true;
}

/* Whether a process has the lock. It is not taken, so that looking disturbs nobody. */
static int is_locked(int fd, bool *out_locked)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
        return -errno;
    *out_locked = lock.l_type != F_UNLCK;
    return 0;
}

int record_read(int folder_fd, struct record *out)
{
    struct record record = {.state = RECORD_FOREIGN};
    /* A FIFO is not waited for. */
    AUTO_FD int fd = openat(folder_fd, registry_file_name(REGISTRY_LOCK),
                            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT && errno != ELOOP && errno != ENXIO && errno != EACCES)
        return -errno;
    if (fd < 0) {
        record.state = errno == ENOENT ? RECORD_NONE : RECORD_FOREIGN;
        *out = record;
        return 0;
    }
    struct stat st;
    char text[RECORD_MAX + 1];
    if (fstat(fd, &st) < 0)
        return -errno;
    ssize_t len = S_ISREG(st.st_mode) ? read(fd, text, sizeof(text)) : -1;
    if (st.st_uid == geteuid() && len >= 0 && record_parse(text, (size_t)len, &record.pid)) {
        bool locked;
        int rc = is_locked(fd, &locked);
        if (rc < 0)
            return rc;
        record.state = locked ? RECORD_ALIVE : RECORD_STALE;
        record.started_ms =
            (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / NS_PER_MS;
    }
    *out = record;
    return 0;
}

int record_create(int folder_fd, int *out_fd)
{
    char text[RECORD_MAX + 1];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    /* What a process left that was killed right here. */
    if (unlinkat(folder_fd, RECORD_NEW, 0) < 0 && errno != ENOENT)
        return -errno;
    AUTO_FD int fd =
        openat(folder_fd, RECORD_NEW, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int rc = 0;
    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
        rc = -errno;
    if (rc == 0) {
        ssize_t put = write(fd, text, (size_t)len);
        if (put != len)
            rc = put < 0 ? -errno : -ENOSPC;
    }
    /* Complete and locked, when it gets its name. */
    if (rc == 0 &&
        renameat(folder_fd, RECORD_NEW, folder_fd, registry_file_name(REGISTRY_LOCK)) < 0)
        rc = -errno;
    if (rc < 0) {
        (void)unlinkat(folder_fd, RECORD_NEW, 0);
        return rc;
    }
    *out_fd = take_fd(&fd);
    return 0;
}

uint64_t record_proc_number(pid_t pid, const char *file, const char *label)
{
    char path[64];
    char text[4096];
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (len < 0)
        return 0;
    text[len] = '\0';
    const char *at = strstr(text, label);
    return at == NULL ? 0 : strtoull(at + strlen(label), NULL, 16);
}

bool record_has_files(int folder_fd)
{
    struct stat st;
    for (unsigned file = 0; file < REGISTRY_FILES; file++) {
        if (file != REGISTRY_LOCK &&
            fstatat(folder_fd, registry_file_name(file), &st, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    }
    return false;
}

/* Whether nobody listens on socket name in the folder. */
static bool refuses(int folder_fd, const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    /* By the descriptor, so that it is the folder we looked at, and the path is short. */
    int len =
        snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", folder_fd, name);
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || len < 0 || (size_t)len >= sizeof(addr.sun_path))
        return false;
    return connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 && errno == ECONNREFUSED;
}

/* Whether name in the folder is a socket of ours that nobody serves. */
static bool is_dead_socket(int folder_fd, const char *name)
{
    struct stat st;
    struct stat again;
    if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(st.st_mode) ||
        st.st_uid != geteuid() || !refuses(folder_fd, name))
        return false;
    (void)nanosleep(&(struct timespec){.tv_nsec = LISTEN_NS}, NULL);
    return fstatat(folder_fd, name, &again, AT_SYMLINK_NOFOLLOW) == 0 &&
           again.st_dev == st.st_dev && again.st_ino == st.st_ino && refuses(folder_fd, name);
}

/* The control socket that a killed monitor had elsewhere: its path may be wanted again. */
static void remove_linked_socket(int folder_fd)
{
    char target[PATH_MAX];
    ssize_t len =
        readlinkat(folder_fd, registry_file_name(REGISTRY_API_SOCK), target, sizeof(target) - 1);
    if (len <= 0 || target[0] != '/')
        return;
    target[len] = '\0';
    char *name = strrchr(target, '/');
    *name++ = '\0';
    AUTO_FD int parent = open(target[0] == '\0' ? "/" : target, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0 && *name != '\0' && is_dead_socket(parent, name))
        (void)unlinkat(parent, name, 0);
}

int record_remove_files(int folder_fd, bool with_socket, enum registry_file *out_file)
{
    if (with_socket)
        remove_linked_socket(folder_fd);
    for (unsigned file = 0; file < REGISTRY_FILES; file++) {
        if (file != REGISTRY_LOCK && unlinkat(folder_fd, registry_file_name(file), 0) < 0 &&
            errno != ENOENT) {
            *out_file = file;
            return -errno;
        }
    }
    return 0;
}

void record_remove(struct registry *registry, const char *name, int folder_fd)
{
    struct stat ours;
    struct stat named;
    (void)unlinkat(folder_fd, registry_file_name(REGISTRY_LOCK), 0);
    (void)unlinkat(folder_fd, RECORD_NEW, 0);
    if (fstat(folder_fd, &ours) == 0 &&
        fstatat(registry->fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        ours.st_dev == named.st_dev && ours.st_ino == named.st_ino)
        (void)unlinkat(registry->fd, name, AT_REMOVEDIR);
}
