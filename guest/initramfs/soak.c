/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Background threads that map memory, fill it with a pattern, check all of it, and give it back,
 * at random: a page that somebody else took or gave away shows up as wrong words.
 *
 * They run in a process of their own. Should the kernel kill it for want of memory, the agent,
 * which is this machine's init, is there to say so.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOAK_THREADS_MAX 16u
#define SOAK_MIB_MAX     (UINT64_C(1) << 20)
/* Mappings of one thread at a time. */
#define SOAK_SLOTS 24u

/* Between the agent and the process: a shared page. */
struct soak_shared {
    atomic_bool stop;
    _Atomic uint64_t rounds; /* mappings filled, rewritten or given back */
    _Atomic uint64_t verified_bytes;
    _Atomic uint64_t mismatches; /* words */
    /* The first of them; valid once first_set is. */
    atomic_bool first_claimed;
    atomic_bool first_set;
    uint64_t first_address;
    uint64_t first_expected;
    uint64_t first_found;
};

struct soak_slot {
    unsigned char *base; /* NULL: empty */
    size_t len_bytes;
    uint64_t generation;
};

struct soak_thread {
    pthread_t thread;
    unsigned index;
    uint64_t seed;
    uint64_t random;
    uint64_t generation;
    size_t budget_bytes; /* what it may still map */
    size_t largest_bytes;
    struct soak_slot slots[SOAK_SLOTS];
};

static struct soak_shared *shared;
static pid_t soak_pid;

/* xorshift; the state is never 0. */
static uint64_t next_random(struct soak_thread *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

static uint64_t word_at(const struct soak_thread *t, const struct soak_slot *slot, size_t offset)
{
    return memory_pattern(t->seed + slot->generation, (uintptr_t)slot->base + offset);
}

static void note_mismatch(const unsigned char *at, uint64_t expected, uint64_t found)
{
    atomic_fetch_add(&shared->mismatches, 1);
    if (atomic_exchange(&shared->first_claimed, true))
        return;
    shared->first_address = (uintptr_t)at;
    shared->first_expected = expected;
    shared->first_found = found;
    atomic_store(&shared->first_set, true);
}

static void slot_verify(const struct soak_thread *t, const struct soak_slot *slot)
{
    for (size_t offset = 0; offset < slot->len_bytes; offset += MEMORY_STRIDE) {
        uint64_t expected = word_at(t, slot, offset);
        uint64_t found;
        memcpy(&found, slot->base + offset, sizeof(found));
        if (found != expected)
            note_mismatch(slot->base + offset, expected, found);
    }
    atomic_fetch_add(&shared->verified_bytes, slot->len_bytes);
}

static void slot_write(struct soak_thread *t, struct soak_slot *slot)
{
    slot->generation = ++t->generation;
    for (size_t offset = 0; offset < slot->len_bytes; offset += MEMORY_STRIDE) {
        uint64_t word = word_at(t, slot, offset);
        memcpy(slot->base + offset, &word, sizeof(word));
    }
}

/* As often a few pages as a large piece, and half of the latter without huge pages. */
static void slot_map(struct soak_thread *t, struct soak_slot *slot)
{
    uint64_t dice = next_random(t);
    size_t most = (dice & 1) ? t->largest_bytes : 64 * MEMORY_PAGE;
    size_t pages = (size_t)(next_random(t) % (most / MEMORY_PAGE)) + 1;
    size_t len_bytes = pages * MEMORY_PAGE;
    void *base;

    if (len_bytes > t->budget_bytes)
        return;
    base = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return;
    if (dice & 2)
        madvise(base, len_bytes, MADV_NOHUGEPAGE);
    *slot = (struct soak_slot){.base = base, .len_bytes = len_bytes};
    t->budget_bytes -= len_bytes;
    slot_write(t, slot);
}

static void slot_unmap(struct soak_thread *t, struct soak_slot *slot)
{
    munmap(slot->base, slot->len_bytes);
    t->budget_bytes += slot->len_bytes;
    slot->base = NULL;
}

static void *soak_run(void *arg)
{
    struct soak_thread *t = arg;
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(t->index % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
    pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
    while (!atomic_load(&shared->stop)) {
        struct soak_slot *slot = &t->slots[next_random(t) % SOAK_SLOTS];
        if (slot->base == NULL) {
            slot_map(t, slot);
        } else {
            slot_verify(t, slot);
            if (next_random(t) % 3 == 0)
                slot_write(t, slot);
            else
                slot_unmap(t, slot);
        }
        atomic_fetch_add(&shared->rounds, 1);
    }
    for (unsigned i = 0; i < SOAK_SLOTS; i++)
        if (t->slots[i].base != NULL)
            slot_verify(t, &t->slots[i]);
    return NULL;
}

/* The process: its exit status is 0 when all threads ran to their end. */
static void soak_process(uint64_t seed, size_t mib, unsigned threads)
{
    struct soak_thread *all = calloc(threads, sizeof(*all));

    if (all == NULL)
        _exit(1);
    for (unsigned i = 0; i < threads; i++) {
        struct soak_thread *t = &all[i];
        *t = (struct soak_thread){.index = i, .seed = memory_pattern(seed, i * MEMORY_STRIDE)};
        t->random = t->seed | 1;
        t->budget_bytes = mib * MEMORY_MIB / threads;
        t->largest_bytes = t->budget_bytes / 4;
        if (pthread_create(&t->thread, NULL, soak_run, t) != 0)
            _exit(1);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(all[i].thread, NULL);
    _exit(0);
}

static void soak_start(const char *args)
{
    uint64_t seed;
    uint64_t mib;
    unsigned threads;

    if (sscanf(args, "%" SCNu64 " %" SCNu64 " %u", &seed, &mib, &threads) != 3 || threads == 0 ||
        threads > SOAK_THREADS_MAX || mib < threads || mib > SOAK_MIB_MAX) {
        agent_error("soak start wants SEED MIB THREADS, at most %u threads with a MiB each at "
                    "least, not '%s'",
                    SOAK_THREADS_MAX, args);
        return;
    }
    if (soak_pid > 0) {
        agent_error("soak runs already; stop it first");
        return;
    }
    if (shared == NULL)
        shared =
            mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        shared = NULL;
        agent_error("mapping a page: %s", strerror(errno));
        return;
    }
    memset(shared, 0, sizeof(*shared));
    soak_pid = fork();
    if (soak_pid == 0)
        soak_process(seed, mib, threads);
    if (soak_pid < 0)
        agent_error("a process to soak: %s", strerror(errno));
    else
        agent_ok("soak started seed=%" PRIu64 " mib=%" PRIu64 " threads=%u", seed, mib, threads);
}

/* True if the process has not ended in a way it should not. */
static bool soak_lives(int options)
{
    int status = 0;
    pid_t ended = waitpid(soak_pid, &status, options);

    if (ended == 0)
        return true;
    soak_pid = 0;
    if (ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (ended > 0 && WIFSIGNALED(status))
        agent_line("FAIL soak: its process was killed by signal %d", WTERMSIG(status));
    else
        agent_line("FAIL soak: its process could not do its work");
    return false;
}

static void soak_report(bool alive)
{
    uint64_t mismatches = atomic_load(&shared->mismatches);
    void (*answer)(const char *format, ...) = alive && mismatches == 0 ? agent_ok : agent_error;

    if (atomic_load(&shared->first_set))
        agent_line("FAIL soak: first wrong word at 0x%" PRIx64 ": expected 0x%016" PRIx64
                   ", found 0x%016" PRIx64,
                   shared->first_address, shared->first_expected, shared->first_found);
    answer("soak rounds=%" PRIu64 " verified_mib=%" PRIu64 " mismatches=%" PRIu64,
           atomic_load(&shared->rounds), atomic_load(&shared->verified_bytes) / MEMORY_MIB,
           mismatches);
}

void soak_command(const char *args)
{
    if (strncmp(args, "start ", 6) == 0) {
        soak_start(args + 6);
    } else if (strcmp(args, "check") != 0 && strcmp(args, "stop") != 0) {
        agent_error("soak wants start, check or stop, not '%s'", args);
    } else if (soak_pid <= 0) {
        agent_error("soak does not run");
    } else if (strcmp(args, "check") == 0) {
        soak_report(soak_lives(WNOHANG));
    } else {
        atomic_store(&shared->stop, true);
        soak_report(soak_lives(0));
    }
}
