/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Benchmark: what others feel of a machine whose memory is being taken: clients of its control
 * socket and of another machine's, and its own vCPU.
 *
 * Clients ask one after the other, on a new connection for each request and on one that stays,
 * while the guest sleeps; only answers that came while the host's memory was becoming less count as
 * under load. The vCPU times its own exits (see the payload), in another machine: it would keep a
 * processor from the clients.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/child.h"
#include "tests/bench/http.h"
#include "tests/bench/values.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"

#define PATH           "/balloon/statistics"
#define RAM            "memfd:aerostat-ram"
#define ROUNDS_MAX     100u
#define LOW_MEMORY_MIB 3072u /* below the devices; what is not populated costs nothing */
#define CALIBRATION_NS 50000000
#define NS_PER_S       UINT64_C(1000000000)

enum load { IDLE, PUNCH, LOADS };

/* Whose socket, and how it is asked. */
enum way { SAME_NEW, SAME_KEPT, BESIDE_NEW, BESIDE_KEPT, WAYS };

/* The payload's, in its order. */
enum op { REGISTER, CONFIG, NOTIFY, OPS };

static const char *const load_names[LOADS] = {"idle", "punch"};

static const struct {
    const char *what;
    const char *text;
} ways[WAYS] = {
    [SAME_NEW] = {"api", "API, same machine, a connection each"},
    [SAME_KEPT] = {"api_kept", "API, same machine, one connection"},
    [BESIDE_NEW] = {"api_beside", "API, machine beside, a connection each"},
    [BESIDE_KEPT] = {"api_beside_kept", "API, machine beside, one connection"},
};

static const struct {
    const char *what;
    const char *text;
} ops[OPS] = {
    [REGISTER] = {"mmio", "vCPU, read of a register"},
    [CONFIG] = {"mmio_config", "vCPU, read of the configuration"},
    [NOTIFY] = {"mmio_notify", "vCPU, kick of the other queue"},
};

struct options {
    const char *monitor;
    const char *giver; /* payloads */
    const char *sleeper;
    unsigned mib;
    unsigned rounds;
    unsigned requests; /* of each way, idle */
    bool json;
};

static void print_figures(const struct options *o, const char *what, const char *text,
                          enum load load, unsigned round, const uint64_t figures[4])
{
    static const char *const json =
        "{\"part\":\"neighbours\",\"what\":\"%s\",\"load\":\"%s\",\"round\":%u,\"n\":%" PRIu64
        ",\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64 "}\n";
    if (o->json)
        printf(json, what, load_names[load], round, figures[0], figures[1], figures[2], figures[3]);
    else
        printf("%-40s %-6s %5u %7" PRIu64 " %9.1f %9.1f %9.1f\n", text, load_names[load], round,
               figures[0], (double)figures[1] / 1e3, (double)figures[2] / 1e3,
               (double)figures[3] / 1e3);
    (void)fflush(stdout);
}

/* A machine with a control socket, which *out_socket names. */
static bool start(struct child *child, const struct options *o, const char *name,
                  const char *payload, unsigned mem_mib, char socket[96])
{
    char mem[16];
    (void)snprintf(mem, sizeof(mem), "%uM", mem_mib);
    (void)snprintf(socket, 96, "%s/%s.sock", child_folder(), name);
    const char *const args[] = {o->monitor,   "run",       "--kernel", payload,  "--mem",
                                mem,          "--balloon", "0M",       "--name", name,
                                "--api-sock", socket,      NULL};
    return child_start(child, NULL, args) && child_await(child, "up\n", NULL);
}

/* Until the guest has populated what it will give; *out_bytes is what its RAM then is. */
static bool populate(const struct options *o, struct child *child, struct child_ram *ram,
                     uint64_t *out_bytes)
{
    char line[16];
    (void)snprintf(line, sizeof(line), "%u\n", o->mib);
    if (!child_type(child, line) || !child_await(child, "populated", NULL) ||
        !child_ram_open(child, RAM, ram))
        return false;
    *out_bytes = child_ram_bytes(ram);
    return true;
}

/* The two machines' sockets, and a connection to each that stays. */
struct clients {
    char sockets[2][96];
    int kept[2];
};

static bool ask(struct clients *clients, enum way way, uint64_t *out_ns)
{
    unsigned machine = way == BESIDE_NEW || way == BESIDE_KEPT;
    bool is_new = way == SAME_NEW || way == BESIDE_NEW;
    uint64_t start_ns = clock_mono_ns();
    int fd = is_new ? http_connect(clients->sockets[machine]) : clients->kept[machine];
    bool ok = fd >= 0 && http_get(fd, PATH);
    *out_ns = clock_mono_ns() - start_ns;
    if (is_new && fd >= 0)
        close(fd);
    return ok;
}

/* Each way in turn. */
static bool ask_all(struct clients *clients, uint64_t took_ns[WAYS])
{
    bool ok = true;
    for (enum way way = 0; ok && way < WAYS; way++)
        ok = ask(clients, way, &took_ns[way]);
    return ok;
}

static void keep(struct values series[WAYS], const uint64_t took_ns[WAYS])
{
    for (enum way way = 0; way < WAYS; way++)
        values_add(&series[way], took_ns[way]);
}

/* From when the first memory has gone until all has. */
static bool ask_under_load(const struct options *o, struct clients *clients,
                           const struct child_ram *ram, uint64_t full_bytes,
                           struct values series[WAYS])
{
    uint64_t took_ns[WAYS];
    uint64_t end_ns = clock_mono_ns() + CHILD_PATIENCE_S * NS_PER_S;
    while (child_ram_bytes(ram) >= full_bytes && clock_mono_ns() < end_ns)
        ;
    while (!child_ram_gone(ram, full_bytes, o->mib * MIB) && clock_mono_ns() < end_ns) {
        if (!ask_all(clients, took_ns))
            return false;
        keep(series, took_ns);
    }
    if (clock_mono_ns() >= end_ns)
        (void)fprintf(stderr, "the guest's memory was not taken\n");
    return clock_mono_ns() < end_ns;
}

static bool ask_idle(const struct options *o, struct clients *clients, struct values series[WAYS])
{
    uint64_t took_ns[WAYS];
    for (unsigned i = 0; i < o->requests; i++) {
        if (!ask_all(clients, took_ns))
            return false;
        keep(series, took_ns);
    }
    return true;
}

static void print_ways(const struct options *o, enum load load, unsigned round,
                       struct values series[WAYS])
{
    for (enum way way = 0; way < WAYS; way++) {
        struct values *s = &series[way];
        const uint64_t figures[4] = {s->n, values_at(s, 500), values_at(s, 990),
                                     values_at(s, 1000)};
        print_figures(o, ways[way].what, ways[way].text, load, round, figures);
        values_finish(s);
    }
}

/* Under load first: after it the guest sleeps for good, which is what idle is. */
static bool measure_clients(const struct options *o, unsigned round, struct child *giver,
                            struct clients *clients)
{
    struct values under_load[WAYS] = {{0}};
    struct values idle[WAYS] = {{0}};
    struct child_ram ram = {0};
    uint64_t full_bytes = 0;
    bool ok = populate(o, giver, &ram, &full_bytes) && child_type(giver, "g") &&
              ask_under_load(o, clients, &ram, full_bytes, under_load) &&
              ask_idle(o, clients, idle);
    child_ram_close(&ram);
    print_ways(o, IDLE, round, idle);
    print_ways(o, PUNCH, round, under_load);
    return ok;
}

static bool run_clients(const struct options *o, unsigned round)
{
    struct child machines[2] = {0};
    struct clients clients = {.kept = {-1, -1}};
    bool ok =
        start(&machines[0], o, "same", o->giver, o->mib + LOW_MEMORY_MIB, clients.sockets[0]) &&
        start(&machines[1], o, "beside", o->sleeper, 128, clients.sockets[1]);
    for (unsigned i = 0; ok && i < 2; i++) {
        clients.kept[i] = http_connect(clients.sockets[i]);
        ok = clients.kept[i] >= 0;
    }
    ok = ok && measure_clients(o, round, &machines[0], &clients);
    for (unsigned i = 0; i < 2; i++) {
        if (clients.kept[i] >= 0)
            close(clients.kept[i]);
        child_end(&machines[i]);
    }
    return ok;
}

/* Guests see the host's time stamp counter at its own rate. */
static double ns_per_cycle(void)
{
    const struct timespec wait = {.tv_nsec = CALIBRATION_NS};
    uint64_t start_ns = clock_mono_ns();
    uint64_t start = __builtin_ia32_rdtsc();
    (void)nanosleep(&wait, NULL);
    uint64_t cycles = __builtin_ia32_rdtsc() - start;
    return (double)(clock_mono_ns() - start_ns) / (double)cycles;
}

/* "n=", then the figures in cycles. */
static bool read_op(struct child *child, double scale, uint64_t figures[4])
{
    static const char *const names[] = {"n=", "p50=", "p99=", "max="};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!child_await(child, names[i], NULL) || !child_number(child, &figures[i]))
            return false;
        if (i > 0)
            figures[i] = (uint64_t)((double)figures[i] * scale);
    }
    return true;
}

static bool run_vcpu(const struct options *o, unsigned round)
{
    char socket[96];
    uint64_t figures[4];
    uint64_t full_bytes = 0;
    struct child child = {0};
    struct child_ram ram = {0};
    double scale = ns_per_cycle();
    bool ok = start(&child, o, "vcpu", o->giver, o->mib + LOW_MEMORY_MIB, socket) &&
              populate(o, &child, &ram, &full_bytes) && child_type(&child, "m");
    for (enum load load = 0; ok && load < LOADS; load++) {
        for (enum op op = 0; ok && op < OPS; op++) {
            ok = read_op(&child, scale, figures);
            if (ok)
                print_figures(o, ops[op].what, ops[op].text, load, round, figures);
        }
    }
    ok = ok && child_await(&child, "given", NULL);
    if (ok && !child_ram_gone(&ram, full_bytes, o->mib * MIB)) {
        (void)fprintf(stderr, "the guest's memory was not taken\n");
        ok = false;
    }
    child_ram_close(&ram);
    child_end(&child);
    return ok;
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: bench_neighbours [--mib N] [--rounds N] [--requests N] [--json]\n"
                          "    MONITOR GIVING-PAYLOAD SLEEPING-PAYLOAD\n");
    return 2;
}

static bool parse(int argc, char **argv, struct options *out)
{
    static const struct option names[] = {{"mib", required_argument, NULL, 'm'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"requests", required_argument, NULL, 'q'},
                                          {"json", no_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    int name;
    *out = (struct options){.mib = 4096, .rounds = 3, .requests = 1000};
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (name == 'm')
            out->mib = (unsigned)strtoul(optarg, NULL, 10);
        else if (name == 'r')
            out->rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (name == 'q')
            out->requests = (unsigned)strtoul(optarg, NULL, 10);
        else if (name == 'j')
            out->json = true;
        else
            return false;
    }
    if (optind + 3 != argc)
        return false;
    out->monitor = argv[optind];
    out->giver = argv[optind + 1];
    out->sleeper = argv[optind + 2];
    return out->rounds >= 1 && out->rounds <= ROUNDS_MAX && out->mib >= 1 && out->mib <= 8192 &&
           out->requests >= 1;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse(argc, argv, &options))
        return usage();
    if (!child_make_folder())
        return 1;
    if (!options.json)
        printf("a guest gives back %u MiB of populated 4 KiB pages; %ld processors\n"
               "%-40s %-6s %5s %7s %9s %9s %9s\n",
               options.mib, sysconf(_SC_NPROCESSORS_ONLN), "", "load", "round", "n", "p50 us",
               "p99 us", "max us");
    for (unsigned round = 0; round < options.rounds; round++) {
        if (!run_clients(&options, round) || !run_vcpu(&options, round))
            return 1;
    }
    return 0;
}
