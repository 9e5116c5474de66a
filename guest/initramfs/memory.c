/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about memory: how much there is, and patterns in it that must survive. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What fill or fragment left: one mapping at a time, of which every step-th page is there. */
static struct {
    unsigned char *base;
    size_t len_bytes;
    size_t step;
    uint64_t seed;
} held;

static void *map_anonymous(size_t len_bytes, int flags)
{
    return mmap(NULL, len_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

uint64_t memory_pattern(uint64_t seed, uint64_t offset)
{
    uint64_t x = (offset / MEMORY_STRIDE + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ seed;

    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

static bool parse_mib(const char *args, size_t *out_bytes, uint64_t *out_seed)
{
    char *end;
    unsigned long long mib;

    errno = 0;
    mib = strtoull(args, &end, 10);
    if (end == args || errno != 0 || mib == 0 || mib > SIZE_MAX / MEMORY_MIB) {
        agent_error("wants a number of MiB, not '%s'", args);
        return false;
    }
    *out_bytes = (size_t)mib * MEMORY_MIB;
    *out_seed = strtoull(end, NULL, 0);
    return true;
}

void memory_info(const char *args)
{
    static const char *const wanted[] = {"MemTotal", "MemFree", "MemAvailable"};
    unsigned long long value[3] = {0};
    char line[128];
    FILE *info = fopen("/proc/meminfo", "re");

    (void)args;
    if (info == NULL) {
        agent_error("/proc/meminfo: %s", strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), info) != NULL)
        for (size_t i = 0; i < 3; i++) {
            size_t n = strlen(wanted[i]);
            if (strncmp(line, wanted[i], n) == 0 && line[n] == ':')
                value[i] = strtoull(line + n + 1, NULL, 10);
        }
    fclose(info);
    agent_ok("MemTotal=%llu MemFree=%llu MemAvailable=%llu", value[0], value[1], value[2]);
}

/* vmstat NAME: one of the kernel's counters, oom_kill for instance. */
void memory_vmstat(const char *args)
{
    char line[128];
    size_t n = strlen(args);
    FILE *counters = fopen("/proc/vmstat", "re");

    if (counters == NULL) {
        agent_error("/proc/vmstat: %s", strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), counters) != NULL)
        if (n > 0 && strncmp(line, args, n) == 0 && line[n] == ' ') {
            agent_ok("%s=%llu", args, strtoull(line + n, NULL, 10));
            fclose(counters);
            return;
        }
    fclose(counters);
    agent_error("/proc/vmstat has no '%s'", args);
}

static void release_held(void)
{
    if (held.base != NULL)
        munmap(held.base, held.len_bytes);
    held.base = NULL;
    held.len_bytes = 0;
}

/* Maps so much in place of what was held. False, with an answer, when that cannot be. */
static bool hold(size_t len_bytes, uint64_t seed, size_t step)
{
    void *base;

    release_held();
    base = map_anonymous(len_bytes, 0);
    if (base == MAP_FAILED) {
        agent_error("mapping %zu MiB: %s", len_bytes / MEMORY_MIB, strerror(errno));
        return false;
    }
    /* A process started later must not keep it when it is freed here. */
    madvise(base, len_bytes, MADV_DONTFORK);
    held.base = base;
    held.len_bytes = len_bytes;
    held.step = step;
    held.seed = seed;
    return true;
}

static void write_pattern(void)
{
    for (size_t offset = 0; offset < held.len_bytes; offset += MEMORY_STRIDE) {
        uint64_t word = memory_pattern(held.seed, offset);
        memcpy(held.base + offset, &word, sizeof(word));
    }
}

/* fill MIB [SEED]: the kernel's default for transparent huge pages decides which pages it gets. */
void memory_fill(const char *args)
{
    size_t len_bytes;
    uint64_t seed;
    long start_ms = agent_uptime_ms();

    if (!parse_mib(args, &len_bytes, &seed) || !hold(len_bytes, seed, 1))
        return;
    write_pattern();
    agent_ok("filled mib=%zu pages=%zu seed=%llu ms=%ld", len_bytes / MEMORY_MIB,
             len_bytes / MEMORY_PAGE, (unsigned long long)seed, agent_uptime_ms() - start_ms);
}

/*
 * fragment MIB [SEED]: fills so much in single pages, which a kernel hands out one beside the other
 * while it can, and frees every other one of them: what is free then has no neighbours.
 */
void memory_fragment(const char *args)
{
    size_t len_bytes;
    uint64_t seed;

    if (!parse_mib(args, &len_bytes, &seed) || !hold(len_bytes, seed, 2))
        return;
    madvise(held.base, len_bytes, MADV_NOHUGEPAGE);
    write_pattern();
    for (size_t offset = MEMORY_PAGE; offset < len_bytes; offset += 2 * MEMORY_PAGE)
        madvise(held.base + offset, MEMORY_PAGE, MADV_DONTNEED);
    agent_ok("fragmented mib=%zu freed_mib=%zu", len_bytes / MEMORY_MIB,
             len_bytes / 2 / MEMORY_MIB);
}

static bool page_is_right(size_t page_offset)
{
    for (size_t offset = page_offset; offset < page_offset + MEMORY_PAGE; offset += MEMORY_STRIDE) {
        uint64_t word;
        memcpy(&word, held.base + offset, sizeof(word));
        if (word != memory_pattern(held.seed, offset))
            return false;
    }
    return true;
}

void memory_verify(const char *args)
{
    size_t wrong = 0;
    size_t first_wrong = 0;
    size_t pages = held.len_bytes / MEMORY_PAGE;
    size_t checked = 0;

    (void)args;
    if (held.base == NULL) {
        agent_error("nothing is filled");
        return;
    }
    for (size_t page = 0; page < pages; page += held.step) {
        checked++;
        if (!page_is_right(page * MEMORY_PAGE) && wrong++ == 0)
            first_wrong = page;
    }
    if (wrong > 0)
        agent_error("verified pages=%zu wrong=%zu first_wrong=%zu", checked, wrong, first_wrong);
    else
        agent_ok("verified pages=%zu wrong=0", checked);
}

void memory_free(const char *args)
{
    size_t len_bytes = held.len_bytes;

    (void)args;
    release_held();
    agent_ok("freed mib=%zu", len_bytes / MEMORY_MIB);
}

/* Makes the caller what the kernel kills first when memory runs out, instead of this machine's
 * init. */
static void be_expendable(void)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "we");

    if (file == NULL)
        return;
    (void)fputs("1000", file);
    fclose(file);
}

static void touch_pages(size_t len_bytes, volatile size_t *touched)
{
    volatile unsigned char *base = map_anonymous(len_bytes, 0);

    be_expendable();
    if (base == MAP_FAILED)
        _exit(1);
    for (*touched = 0; *touched < len_bytes; *touched += MEMORY_PAGE)
        base[*touched] = 1;
    _exit(0);
}

/*
 * touch MIB: the host has memory behind these pages then, and the guest does not use them. A
 * process of its own does it, so that asking for more than there is ends only that: then every free
 * page was touched.
 */
void memory_touch(const char *args)
{
    size_t len_bytes;
    uint64_t unused;
    int status = 0;
    volatile size_t *touched;
    long start_ms = agent_uptime_ms();
    pid_t pid;

    if (!parse_mib(args, &len_bytes, &unused))
        return;
    touched = mmap(NULL, MEMORY_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (touched == MAP_FAILED) {
        agent_error("mapping a page: %s", strerror(errno));
        return;
    }
    pid = fork();
    if (pid == 0)
        touch_pages(len_bytes, touched);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        agent_error("a process to touch memory: %s", strerror(errno));
    else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        agent_error("mapping %zu MiB failed", len_bytes / MEMORY_MIB);
    else
        agent_ok("touched mib=%zu ms=%ld", *touched / MEMORY_MIB, agent_uptime_ms() - start_ms);
    munmap((void *)touched, MEMORY_PAGE);
}
