/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Benchmark: many machines on one host that give memory back at the same time.
 *
 * Each guest populates its memory, and its monitor is stopped (SIGSTOP) until all are there. All
 * go on at once: each guest sends one chain and sleeps. The time is until the last one's memfd has
 * become smaller by all of it. What each monitor uses is looked at afterwards, with idle guests.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/child.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"

#define MACHINES_MAX   1000u
#define COUNTS_MAX     16u
#define ROUNDS_MAX     100u
#define LOW_MEMORY_MIB 32u /* the guest's own, below what it gives */
#define RAM            "memfd:aerostat-ram"
#define POLL_NS        1000000
#define NS_PER_MS      1e6
#define NS_PER_S       UINT64_C(1000000000)

struct options {
    const char *monitor;
    const char *payload;
    unsigned counts[COUNTS_MAX];
    size_t n_counts;
    unsigned rounds;
    unsigned mib; /* that each gives back */
    unsigned idle_s;
    bool json;
};

struct machine {
    struct child child;
    struct child_ram ram;
    uint64_t full_bytes; /* of RAM, populated */
};

/* What one round of one count came to. */
struct outcome {
    uint64_t wall_ns;
    uint64_t cpu_ns;
    uint64_t freed_bytes;
    uint64_t private_bytes; /* of all; likewise the rest */
    uint64_t fds;
    uint64_t threads;
    uint64_t idle_wall_ns;
    uint64_t idle_cpu_ns;
};

static struct machine machines[MACHINES_MAX];

static bool start_one(const struct options *o, struct machine *m, unsigned number)
{
    char mem[16];
    char mib[16];
    char socket[96];
    (void)snprintf(mem, sizeof(mem), "%uM", o->mib + LOW_MEMORY_MIB);
    (void)snprintf(mib, sizeof(mib), "%u\n", o->mib);
    (void)snprintf(socket, sizeof(socket), "%s/%u.sock", child_folder(), number);
    const char *const args[] = {o->monitor,  "run", "--kernel",   o->payload, "--mem", mem,
                                "--balloon", "0M",  "--api-sock", socket,     NULL};
    /* Typed ahead: the guest reads it when it gets there. */
    if (!child_start(&m->child, NULL, args) || !child_type(&m->child, mib) ||
        !child_await(&m->child, "populated", NULL) || !child_ram_open(&m->child, RAM, &m->ram) ||
        kill(m->child.pid, SIGSTOP) < 0 || !child_type(&m->child, "g"))
        return false;
    m->full_bytes = child_ram_bytes(&m->ram);
    return true;
}

/* Looks only at those that were not there before. */
static bool await_all(const struct options *o, unsigned n)
{
    const struct timespec step = {.tv_nsec = POLL_NS};
    uint64_t end_ns = clock_mono_ns() + CHILD_PATIENCE_S * NS_PER_S;
    for (unsigned done = 0; done < n;) {
        while (done < n &&
               child_ram_gone(&machines[done].ram, machines[done].full_bytes, o->mib * MIB))
            done++;
        if (done < n && clock_mono_ns() > end_ns) {
            (void)fprintf(stderr, "machine %u of %u has not given its memory back\n", done, n);
            return false;
        }
        if (done < n)
            (void)nanosleep(&step, NULL);
    }
    return true;
}

static uint64_t cpu_of_all(unsigned n)
{
    uint64_t sum_ns = 0;
    for (unsigned i = 0; i < n; i++)
        sum_ns += child_cpu_ns(&machines[i].child);
    return sum_ns;
}

static bool give(const struct options *o, unsigned n, struct outcome *out)
{
    uint64_t cpu_ns = cpu_of_all(n);
    uint64_t start_ns = clock_mono_ns();
    for (unsigned i = 0; i < n; i++)
        (void)kill(machines[i].child.pid, SIGCONT);
    if (!await_all(o, n))
        return false;
    out->wall_ns = clock_mono_ns() - start_ns;
    out->cpu_ns = cpu_of_all(n) - cpu_ns;
    for (unsigned i = 0; i < n; i++)
        out->freed_bytes += machines[i].full_bytes - child_ram_bytes(&machines[i].ram);
    return true;
}

/* A second for what is still under way. */
static bool look_at_idle(const struct options *o, unsigned n, struct outcome *out)
{
    (void)sleep(1);
    uint64_t start_ns = clock_mono_ns();
    uint64_t cpu_ns = cpu_of_all(n);
    (void)sleep(o->idle_s);
    out->idle_cpu_ns = cpu_of_all(n) - cpu_ns;
    out->idle_wall_ns = clock_mono_ns() - start_ns;
    for (unsigned i = 0; i < n; i++) {
        struct child_memory memory;
        if (!child_memory(&machines[i].child, RAM, &memory))
            return false;
        out->private_bytes += memory.private_bytes;
        out->fds += child_count(&machines[i].child, "fd");
        out->threads += child_count(&machines[i].child, "task");
    }
    return true;
}

static bool run_round(const struct options *o, unsigned n, struct outcome *out)
{
    bool ok = true;
    for (unsigned i = 0; ok && i < n; i++)
        ok = start_one(o, &machines[i], i);
    ok = ok && give(o, n, out) && look_at_idle(o, n, out);
    for (unsigned i = 0; i < n; i++) {
        child_ram_close(&machines[i].ram);
        child_end(&machines[i].child);
    }
    return ok;
}

static void print_json(const struct options *o, unsigned n, unsigned round,
                       const struct outcome *out)
{
    printf("{\"part\":\"growth\",\"by\":\"vms\",\"x\":%u,\"who\":\"aerostat\",\"round\":%u,"
           "\"wall_ns\":%" PRIu64 ",\"cpu_ns\":%" PRIu64 ",\"bytes_each\":%" PRIu64
           ",\"freed_bytes\":%" PRIu64,
           n, round, out->wall_ns, out->cpu_ns, o->mib * MIB, out->freed_bytes);
    printf(",\"private_bytes_each\":%" PRIu64 ",\"fds_each\":%" PRIu64 ",\"threads_each\":%" PRIu64
           ",\"idle_wall_ns\":%" PRIu64 ",\"idle_cpu_ns\":%" PRIu64 "}\n",
           out->private_bytes / n, out->fds / n, out->threads / n, out->idle_wall_ns,
           out->idle_cpu_ns);
    (void)fflush(stdout);
}

static void print_head(const struct options *o)
{
    printf("each gives back %u MiB of populated 4 KiB pages; %ld processors\n", o->mib,
           sysconf(_SC_NPROCESSORS_ONLN));
    printf("%5s %5s %9s %9s %10s %12s %5s %7s %15s\n", "VMs", "round", "wall ms", "CPU ms",
           "freed MiB", "KiB each", "fds", "threads", "idle CPU ms/s");
}

static void print_row(unsigned n, unsigned round, const struct outcome *out)
{
    printf("%5u %5u %9.1f %9.1f %10" PRIu64 " %12" PRIu64 " %5" PRIu64 " %7" PRIu64 " %15.3f\n", n,
           round, (double)out->wall_ns / NS_PER_MS, (double)out->cpu_ns / NS_PER_MS,
           out->freed_bytes / MIB, out->private_bytes / n / KIB, out->fds / n, out->threads / n,
           1e3 * (double)out->idle_cpu_ns / (double)out->idle_wall_ns);
    (void)fflush(stdout);
}

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: bench_machines [--counts N,N,...] [--rounds N] [--mib N] [--idle-s N]\n"
                  "    [--json] MONITOR PAYLOAD\n"
                  "At most %u counts of at most %u machines; --mib: what each gives back.\n",
                  COUNTS_MAX, MACHINES_MAX);
    return 2;
}

static bool parse_counts(const char *text, struct options *out)
{
    char *end = NULL;
    for (out->n_counts = 0; out->n_counts < COUNTS_MAX; text = end + 1) {
        unsigned long n = strtoul(text, &end, 10);
        if (n < 1 || n > MACHINES_MAX)
            return false;
        out->counts[out->n_counts++] = (unsigned)n;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
    }
    return false;
}

static bool parse(int argc, char **argv, struct options *out)
{
    static const struct option names[] = {
        {"counts", required_argument, NULL, 'c'}, {"rounds", required_argument, NULL, 'r'},
        {"mib", required_argument, NULL, 'm'},    {"idle-s", required_argument, NULL, 'i'},
        {"json", no_argument, NULL, 'j'},         {NULL, 0, NULL, 0}};
    int name;
    bool ok = parse_counts("1,10,30,100", out);
    out->rounds = 3;
    out->mib = 64;
    out->idle_s = 3;
    while (ok && (name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (name == 'r')
            out->rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (name == 'm')
            out->mib = (unsigned)strtoul(optarg, NULL, 10);
        else if (name == 'i')
            out->idle_s = (unsigned)strtoul(optarg, NULL, 10);
        else if (name == 'j')
            out->json = true;
        else
            ok = name == 'c' && parse_counts(optarg, out);
    }
    if (!ok || optind + 2 != argc)
        return false;
    out->monitor = argv[optind];
    out->payload = argv[optind + 1];
    return out->rounds >= 1 && out->rounds <= ROUNDS_MAX && out->mib >= 1 && out->mib <= 2048 &&
           out->idle_s >= 1;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    if (!parse(argc, argv, &options))
        return usage();
    if (!child_make_folder())
        return 1;
    if (!options.json)
        print_head(&options);
    for (unsigned round = 0; round < options.rounds; round++) {
        for (size_t i = 0; i < options.n_counts; i++) {
            struct outcome out = {0};
            unsigned n = options.counts[i];
            if (!run_round(&options, n, &out))
                return 1;
            if (options.json)
                print_json(&options, n, round, &out);
            else
                print_row(n, round, &out);
        }
    }
    return 0;
}
