/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulk_punch PID BYTES: takes so many populated bytes of a guest's memory away, in one call for
 * each file that it consists of, under a monitor that stands still and has it mapped as before;
 * prints "ns=N freed_bytes=N calls=N". That is what the host's kernel takes at least to get such
 * memory back. The guest does not survive it: the monitor stays stopped, for the caller to kill.
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
#define FILES_MAX  8

struct file {
    int fd;
    ino_t inode;
    off_t size;
    off_t start; /* from here to the end it is taken away; size: not at all */
};

static bool is_memfd(const char *path)
{
    static const char prefix[] = "/memfd:";
    char target[256];
    ssize_t n = readlink(path, target, sizeof(target));
    return n >= (ssize_t)strlen(prefix) && memcmp(target, prefix, strlen(prefix)) == 0;
}

static bool is_known(const struct file *files, int n, ino_t inode)
{
    for (int i = 0; i < n; i++)
        if (files[i].inode == inode)
            return true;
    return false;
}

/* Returns how many memfds the process has. */
static int open_memory(const char *pid, struct file *files)
{
    char path[300];
    int n = 0;
    (void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *fds = opendir(path);
    if (fds == NULL)
        return 0;
    for (struct dirent *entry; n < FILES_MAX && (entry = readdir(fds)) != NULL;) {
        struct stat st;
        (void)snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, entry->d_name);
        if (!is_memfd(path) || stat(path, &st) < 0 || is_known(files, n, st.st_ino))
            continue;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd >= 0)
            files[n++] = (struct file){.fd = fd, .inode = st.st_ino, .size = st.st_size};
    }
    (void)closedir(fds);
    return n;
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

static off_t populated(const struct file *file)
{
    struct stat st;
    return fstat(file->fd, &st) == 0 ? st.st_blocks * BLOCK_SIZE : 0;
}

/* Where a file begins once so many populated bytes of it are left out; its size if there are none
 * behind. */
static off_t skip_populated(const struct file *file, off_t skip)
{
    off_t end = 0;
    for (;;) {
        off_t data = lseek(file->fd, end, SEEK_DATA);
        end = data < 0 ? data : lseek(file->fd, data, SEEK_HOLE);
        if (end < 0)
            return file->size;
        if (end - data > skip)
            return data + skip;
        skip -= end - data;
    }
}

/* Chooses what to take away, from the last file on. Returns whether there is so much. */
static bool choose(struct file *files, int n, off_t len)
{
    for (int i = n - 1; i >= 0; i--) {
        off_t there = populated(&files[i]);
        off_t take = there < len ? there : len;
        files[i].start = take > 0 ? skip_populated(&files[i], there - take) : files[i].size;
        len -= take;
    }
    return len == 0;
}

/* Returns how many calls it took; -1 if one failed. */
static int punch(const struct file *files, int n)
{
    int calls = 0;
    for (int i = 0; i < n; i++) {
        if (files[i].start == files[i].size)
            continue;
        if (fallocate(files[i].fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, files[i].start,
                      files[i].size - files[i].start) < 0)
            return -1;
        calls++;
    }
    return calls;
}

static off_t all_populated(const struct file *files, int n)
{
    off_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += populated(&files[i]);
    return sum;
}

int main(int argc, char **argv)
{
    struct file files[FILES_MAX];
    if (argc != 3) {
        (void)fprintf(stderr, "usage: bulk_punch PID BYTES\n");
        return 2;
    }
    int n = open_memory(argv[1], files);
    if (!stop(argv[1]) || !choose(files, n, (off_t)strtoll(argv[2], NULL, 10))) {
        (void)fprintf(stderr, "bulk_punch: process %s does not stand still with so much memory\n",
                      argv[1]);
        return 1;
    }
    off_t before = all_populated(files, n);
    uint64_t begin = clock_mono_ns();
    int calls = punch(files, n);
    uint64_t took = clock_mono_ns() - begin;
    if (calls < 0) {
        perror("bulk_punch: fallocate");
        return 1;
    }
    (void)printf("ns=%" PRIu64 " freed_bytes=%jd calls=%d\n", took,
                 (intmax_t)(before - all_populated(files, n)), calls);
    return 0;
}
