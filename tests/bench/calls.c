/* SPDX-License-Identifier: Apache-2.0 */
/* Two counters a thread: all system calls, and those that release memory. */
#include "tests/bench/calls.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/num.h"

#define THREADS_MAX 64u

struct call_counter {
    int all[THREADS_MAX];
    int release[THREADS_MAX];
    size_t n;
    struct call_counts start;
    struct call_counts own; /* what starting and stopping add */
};

static int tracepoint_id(uint64_t *out)
{
    static const char *const paths[] = {
        "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
        "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id"};
    int ret = -ENOENT;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char text[32];
        FILE *file = fopen(paths[i], "re");
        /* A file that is there but may not be read says more than one that is not there. */
        if (file == NULL && errno != ENOENT)
            ret = -errno;
        if (file == NULL)
            continue;
        bool ok = fgets(text, sizeof(text), file) != NULL;
        (void)fclose(file);
        *out = ok ? strtoull(text, NULL, 10) : 0;
        return ok ? 0 : -EIO;
    }
    return ret;
}

static int open_event(uint64_t id, pid_t tid, const char *filter)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .config = id};
    int fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (filter == NULL || ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter) == 0)
        return fd;
    int ret = -errno;
    close(fd);
    return ret;
}

static int add_thread(struct call_counter *c, uint64_t id, pid_t tid)
{
    char filter[64];
    (void)snprintf(filter, sizeof(filter), "id == %ld || id == %ld", (long)SYS_fallocate,
                   (long)SYS_madvise);
    if (c->n == THREADS_MAX)
        return -E2BIG;
    int all = open_event(id, tid, NULL);
    if (all < 0)
        return all;
    int release = open_event(id, tid, filter);
    if (release < 0) {
        close(all);
        return release;
    }
    c->all[c->n] = all;
    c->release[c->n++] = release;
    return 0;
}

static int add_process(struct call_counter *c, uint64_t id, pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return -errno;
    int ret = 0;
    const struct dirent *task;
    while (ret == 0 && (task = readdir(tasks)) != NULL) {
        if (task->d_name[0] != '.')
            ret = add_thread(c, id, (pid_t)strtol(task->d_name, NULL, 10));
    }
    (void)closedir(tasks);
    return ret;
}

static uint64_t read_sum(const int *fds, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t value = 0;
        if (read(fds[i], &value, sizeof(value)) == (ssize_t)sizeof(value))
            sum += value;
    }
    return sum;
}

void calls_start(struct call_counter *c)
{
    c->start.release = read_sum(c->release, c->n);
    c->start.all = read_sum(c->all, c->n);
}

void calls_stop(struct call_counter *c, struct call_counts *out)
{
    out->all = sub_sat_u64(read_sum(c->all, c->n), c->start.all + c->own.all);
    out->release = sub_sat_u64(read_sum(c->release, c->n), c->start.release + c->own.release);
}

int calls_open(pid_t pid, struct call_counter **out)
{
    uint64_t id;
    int ret = tracepoint_id(&id);
    if (ret < 0)
        return ret;
    struct call_counter *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return -ENOMEM;
    ret = pid == 0 ? add_thread(c, id, 0) : add_process(c, id, pid);
    if (ret < 0) {
        calls_close(c);
        return ret;
    }
    struct call_counts own;
    calls_start(c);
    calls_stop(c, &own);
    /* Of another process that rests nothing of this is seen. */
    if (pid == 0)
        c->own = own;
    *out = c;
    return 0;
}

void calls_close(struct call_counter *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++) {
        close(c->all[i]);
        close(c->release[i]);
    }
    free(c);
}
