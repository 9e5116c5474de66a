/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc and /sys say of this host. root is put before each path: "" for the host itself, a
 * folder for a test. Only reads; blocking, if only for a moment; any thread.
 */
#ifndef AEROSTAT_HOST_H
#define AEROSTAT_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Longer paths are not looked at. */
#define HOST_PATH_MAX 512u

/*
 * Reads a file's first size - 1 bytes to out, without the line's end behind the last line. Returns
 * 0, -ENAMETOOLONG, or -errno of open(2) or read(2).
 */
int host_read(const char *root, const char *path, char *out, size_t size);

/* As host_read(), for a file that holds one number; "max" is UINT64_C(-1). -EINVAL for others. */
int host_read_u64(const char *root, const char *path, uint64_t *out);

/* The word that text marks as chosen: "madvise" of "always [madvise] never". False, and out empty,
 * when none is. */
bool host_chosen_word(const char *text, char *out, size_t size);

/* Of /proc/meminfo, in bytes but for the huge pages. */
struct host_memory {
    uint64_t total;
    uint64_t available;
    uint64_t swap_total;
    uint64_t swap_free;
    uint64_t huge_pages; /* of huge_page_bytes each */
    uint64_t huge_pages_free;
    uint64_t huge_page_bytes;
};

/* Returns 0, -errno of reading it, or -EINVAL when MemTotal or MemAvailable is not there. */
int host_memory(const char *root, struct host_memory *out);

/*
 * The share of the last ten seconds in which some task waited for memory, in hundredths of a
 * percent. path: "/proc/pressure/memory", or a cgroup's memory.pressure. Returns 0, -errno of
 * reading it, or -EINVAL for what is no such file.
 */
int host_pressure(const char *root, const char *path, uint32_t *out_hundredths);

/* Where a process is in the tree of control groups, and what memory it may have there. */
struct host_cgroup {
    bool v2;                  /* the memory controller is cgroup v2's */
    char path[HOST_PATH_MAX]; /* its folder, as "/sys/fs/cgroup/a/b"; empty without one */
    uint64_t limit_bytes;     /* the least of this group and those above; UINT64_MAX: none */
    uint64_t used_bytes;      /* of the group that has the least limit, of this one without */
};

/* pid 0: this process. Returns 0, or -errno when /proc does not tell. */
int host_cgroup(const char *root, pid_t pid, struct host_cgroup *out);

/* Processor time of a process, of all its threads, from /proc/PID/stat. Returns 0, -errno, or
 * -EINVAL for what is no such file. */
int host_cpu_ns(const char *root, pid_t pid, uint64_t *out_ns);

#endif
