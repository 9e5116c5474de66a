/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulk_punch PID BYTES: takes the end of a guest's memory file away, of which so many bytes are
 * populated, in one call, under a monitor that stands still and has it mapped as before; prints
 * "ns=N freed_bytes=N". That is what the host's kernel takes at least to get such memory back. The
 * guest does not survive it: the monitor stays stopped, for the caller to kill.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/clock.h"

#define BLOCK_SIZE 512
#define TRIES      1000

static bool is_memfd(const char *path)
{
    static const char prefix[] = "/memfd:";
    char target[256];
    ssize_t n = readlink(path, target, sizeof(target));
    return n >= (ssize_t)strlen(prefix) && memcmp(target, prefix, strlen(prefix)) == 0;
}

/* The largest memfd that the process has; -1 if it has none. */
static int open_memory(const char *pid, struct stat *out)
{
    char path[300];
    int found = -1;
    (void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *fds = opendir(path);
    if (fds == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(fds)) != NULL;) {
        struct stat st;
        (void)snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, entry->d_name);
        if (!is_memfd(path) || stat(path, &st) < 0 || (found >= 0 && st.st_size <= out->st_size))
            continue;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (found >= 0)
            (void)close(found);
        found = fd;
        *out = st;
    }
    (void)closedir(fds);
    return found;
}

/* The state of a thread, as in /proc/PID/stat; 0 when it has none any more. */
static char state_of(const char *pid, const char *tid)
{
    char path[300];
    char line[256] = "";
    (void)snprintf(path, sizeof(path), "/proc/%s/task/%s/stat", pid, tid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    const char *name_end = fgets(line, sizeof(line), file) != NULL ? strrchr(line, ')') : NULL;
    (void)fclose(file);
    return name_end != NULL && name_end[1] == ' ' ? name_end[2] : (char)0;
}

static bool all_stopped(const char *pid)
{
    char path[300];
    bool stopped = true;
    (void)snprintf(path, sizeof(path), "/proc/%s/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return false;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char state = entry->d_name[0] == '.' ? (char)0 : state_of(pid, entry->d_name);
        stopped = stopped && (state == 0 || state == 'T');
    }
    (void)closedir(tasks);
    return stopped;
}

static bool stop(const char *pid)
{
    if (kill(atoi(pid), SIGSTOP) < 0)
        return false;
    for (int i = 0; i < TRIES && !all_stopped(pid); i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return all_stopped(pid);
}

/* Where so many populated bytes lie before the end of the file; -1 if there are not so many. */
static off_t find_start(int fd, const struct stat *st, off_t len)
{
    off_t skip = st->st_blocks * BLOCK_SIZE - len;
    off_t end = 0;
    if (skip < 0)
        return -1;
    for (;;) {
        off_t data = lseek(fd, end, SEEK_DATA);
        end = data < 0 ? data : lseek(fd, data, SEEK_HOLE);
        if (end < 0)
            return -1;
        if (end - data > skip)
            return data + skip;
        skip -= end - data;
    }
}

int main(int argc, char **argv)
{
    struct stat before = {0};
    struct stat after;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: bulk_punch PID BYTES\n");
        return 2;
    }
    off_t len = (off_t)strtoll(argv[2], NULL, 10);
    int fd = open_memory(argv[1], &before);
    off_t start = -1;
    if (fd >= 0 && stop(argv[1]) && fstat(fd, &before) == 0)
        start = find_start(fd, &before, len);
    if (start < 0) {
        (void)fprintf(stderr, "bulk_punch: process %s does not stand still with so much memory\n",
                      argv[1]);
        return 1;
    }
    uint64_t begin = clock_mono_ns();
    int rc =
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, before.st_size - start);
    uint64_t took = clock_mono_ns() - begin;
    if (rc < 0 || fstat(fd, &after) < 0) {
        perror("bulk_punch: fallocate");
        return 1;
    }
    (void)printf("ns=%" PRIu64 " freed_bytes=%" PRIu64 "\n", took,
                 (uint64_t)(before.st_blocks - after.st_blocks) * BLOCK_SIZE);
    return 0;
}
