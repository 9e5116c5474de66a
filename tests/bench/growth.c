/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Benchmark: what the cost of taking memory grows with. One thing is changed at a time:
 *
 *   memory      the size of guest RAM; the same 512 ranges of 2 MiB are taken
 *   spread      the distance from one of 512 ranges of 2 MiB to the next; a device that notes what
 *               it was given touches more memory of its own for the first time
 *   ranges      their number; 2 MiB each, a gap behind each, so that none merges with another
 *   queue_size  entries of the ring; 1 GiB is taken in order as descriptors of one page each
 *
 * Memory is not populated unless --populated is given, which populates the ranges only: then the
 * host's freeing of pages is in the time.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/host.h"
#include "tests/bench/rig.h"
#include "tests/bench/series.h"
#include "vmm/base/num.h"

#define POINTS_MAX 7u

struct curve {
    const char *by;
    uint64_t x[POINTS_MAX];
    unsigned n;
    struct rig_plan (*plan)(uint64_t x);
    uint64_t (*ram_bytes)(uint64_t x);
};

struct options {
    const char *by; /* one curve; NULL: all */
    enum gm_backing backing;
    unsigned rounds;
    bool populated;
    bool json;
    bool set_host;
};

/* One point's measurements. */
struct point {
    uint64_t wall_ns[ROUNDS_MAX];
    uint64_t cpu_ns[ROUNDS_MAX];
    struct rig_result last;
    struct call_counts calls;
    bool counted;
};

static struct rig_plan plan_of_spread(uint64_t x)
{
    return (struct rig_plan){.chains = true,
                             .run_bytes = 2 * MIB,
                             .pitch_bytes = x,
                             .size_bytes = GIB,
                             .items = 512,
                             .in_flight = 1,
                             .queue_size = 512};
}

static struct rig_plan plan_of_memory(uint64_t x)
{
    (void)x;
    return plan_of_spread(4 * MIB);
}

static struct rig_plan plan_of_ranges(uint64_t x)
{
    return (struct rig_plan){.chains = true,
                             .run_bytes = 2 * MIB,
                             .pitch_bytes = 4 * MIB,
                             .size_bytes = x * 2 * MIB,
                             .items = (uint32_t)x,
                             .in_flight = 1,
                             .queue_size = 4096};
}

static struct rig_plan plan_of_queue_size(uint64_t x)
{
    return (struct rig_plan){.chains = true,
                             .run_bytes = 4 * KIB,
                             .pitch_bytes = 4 * KIB,
                             .size_bytes = GIB,
                             .items = (uint32_t)x,
                             .in_flight = 1,
                             .queue_size = (uint16_t)x};
}

static uint64_t ram_of_memory(uint64_t x)
{
    return x;
}

static uint64_t ram_for_all(uint64_t x)
{
    (void)x;
    return 16 * GIB;
}

static uint64_t ram_of_queue_size(uint64_t x)
{
    (void)x;
    return GIB;
}

static const struct curve curves[] = {
    {"memory", {2 * GIB, 4 * GIB, 8 * GIB, 16 * GIB}, 4, plan_of_memory, ram_of_memory},
    {"spread", {4 * MIB, 8 * MIB, 16 * MIB, 32 * MIB}, 4, plan_of_spread, ram_for_all},
    {"ranges", {64, 128, 256, 512, 1024, 2048, 4096}, 7, plan_of_ranges, ram_for_all},
    {"queue_size", {64, 128, 256, 512, 1024, 2048, 4096}, 7, plan_of_queue_size, ram_of_queue_size},
};

static int populate(const struct gm *gm, const struct rig_plan *plan)
{
    int ret = 0;
    for (uint64_t i = 0; ret == 0 && i < plan->size_bytes / plan->run_bytes; i++) {
        struct gm_range run = {.start = RIG_DATA + i * plan->pitch_bytes,
                               .len_bytes = plan->run_bytes};
        ret = gm_populate(gm, run);
    }
    return ret;
}

/* On RAM of its own, which nobody has touched before. */
static int run_point(const struct options *options, const struct curve *curve, uint64_t x,
                     struct call_counter *counter, struct rig_result *out)
{
    const struct rig_plan plan = curve->plan(x);
    struct gm *gm = rig_ram_create(curve->ram_bytes(x), options->backing);
    if (gm == NULL)
        return -ENOMEM;
    int ret = options->populated ? populate(gm, &plan) : 0;
    if (ret == 0)
        rig_run(gm, &plan, counter, out);
    gm_destroy(gm);
    return ret;
}

static void print_json(const struct options *options, const struct curve *curve, unsigned i,
                       unsigned round, const struct point *p)
{
    const struct rig_plan plan = curve->plan(curve->x[i]);
    const struct balloon_info *info = &p->last.info;
    printf("{\"part\":\"growth\",\"by\":\"%s\",\"x\":%" PRIu64
           ",\"who\":\"aerostat\",\"round\":%u,\"wall_ns\":%" PRIu64 ",\"cpu_ns\":%" PRIu64 ",",
           curve->by, curve->x[i], round, p->wall_ns[round], p->cpu_ns[round]);
    printf("\"backing\":\"%s\",\"populated\":%s,\"mem_bytes\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"ranges\":%" PRIu64 ",\"queue_size\":%u,",
           backing_name(options->backing), options->populated ? "true" : "false",
           curve->ram_bytes(curve->x[i]), plan.size_bytes, plan.size_bytes / plan.run_bytes,
           (unsigned)plan.queue_size);
    printf("\"release_calls\":%" PRIu64 ",\"kicks\":%" PRIu64 ",\"descriptors\":%" PRIu64 ",",
           info->punch_calls, info->inflate.notifications, info->inflate.descriptors);
    if (p->counted)
        printf("\"syscalls\":%" PRIu64 "}\n", p->calls.all);
    else
        printf("\"syscalls\":null}\n");
}

static void print_text(const struct options *options, const struct curve *curve,
                       struct point *points)
{
    unsigned n = options->rounds;
    printf("\nby %s: %s, %s, %u rounds\n%14s %30s %8s %10s %6s %11s %9s\n", curve->by,
           backing_name(options->backing), options->populated ? "populated" : "untouched", n,
           curve->by, "CPU ms: median (min - max)", "wall ms", "releasing", "kicks", "descriptors",
           "syscalls");
    for (unsigned i = 0; i < curve->n; i++) {
        struct point *p = &points[i];
        const struct balloon_info *info = &p->last.info;
        const struct spread cpu = spread_ms(p->cpu_ns, n);
        printf("%14" PRIu64 " %8.2f (%8.2f - %8.2f) %8.2f %10" PRIu64 " %6" PRIu64 " %11" PRIu64,
               curve->x[i], cpu.median, cpu.min, cpu.max, spread_ms(p->wall_ns, n).median,
               info->punch_calls, info->inflate.notifications, info->inflate.descriptors);
        if (p->counted)
            printf(" %9" PRIu64 "\n", p->calls.all);
        else
            printf(" %9s\n", "-");
    }
}

static int count_calls(const struct options *options, const struct curve *curve, uint64_t x,
                       struct point *p)
{
    struct call_counter *counter = NULL;
    p->counted = calls_open(0, &counter) == 0;
    int ret = run_point(options, curve, x, counter, &p->last);
    calls_close(counter);
    p->calls = p->last.calls;
    return ret;
}

static int time_it(const struct options *options, const struct curve *curve, uint64_t x,
                   unsigned round, struct point *p)
{
    int ret = run_point(options, curve, x, NULL, &p->last);
    p->wall_ns[round] = p->last.time.wall_ns;
    p->cpu_ns[round] = p->last.time.cpu_ns;
    return ret;
}

/* The points take turns, so that noise falls on all of them. */
static int run_curve(const struct options *options, const struct curve *curve)
{
    static struct point points[POINTS_MAX];
    int ret = 0;
    memset(points, 0, sizeof(points));
    for (unsigned i = 0; ret == 0 && i < curve->n; i++)
        ret = count_calls(options, curve, curve->x[i], &points[i]);
    for (unsigned at = 0; ret == 0 && at < options->rounds * curve->n; at++) {
        unsigned round = at / curve->n;
        unsigned i = at % curve->n;
        ret = time_it(options, curve, curve->x[i], round, &points[i]);
        if (ret == 0 && options->json)
            print_json(options, curve, i, round, &points[i]);
    }
    if (ret == 0 && !options->json)
        print_text(options, curve, points);
    return ret;
}

static int run_curves(void *arg)
{
    const struct options *options = arg;
    struct call_counter *counter = NULL;
    int ret = calls_open(0, &counter);
    calls_close(counter);
    if (ret < 0)
        (void)fprintf(stderr, "system calls: skipped: perf_event_open: %s\n", strerror(-ret));
    for (unsigned i = 0; i < ARRAY_LEN(curves); i++) {
        if (options->by != NULL && strcmp(options->by, curves[i].by) != 0)
            continue;
        ret = run_curve(options, &curves[i]);
        if (ret < 0) {
            (void)fprintf(stderr, "by %s: %s\n", curves[i].by, strerror(-ret));
            return 1;
        }
    }
    return 0;
}

static bool is_curve(const char *by)
{
    for (unsigned i = 0; i < ARRAY_LEN(curves); i++) {
        if (strcmp(curves[i].by, by) == 0)
            return true;
    }
    return false;
}

static bool parse(int argc, char **argv, struct options *out)
{
    static const struct option names[] = {{"by", required_argument, NULL, 'b'},
                                          {"backing", required_argument, NULL, 'm'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"populated", no_argument, NULL, 'p'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"set-host", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    bool ok = true;
    int name;
    *out = (struct options){.rounds = 9};
    while (ok && (name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (name == 'b')
            out->by = optarg;
        else if (name == 'r')
            out->rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (name == 'p')
            out->populated = true;
        else if (name == 'j')
            out->json = true;
        else if (name == 'h')
            out->set_host = true;
        else
            ok = name == 'm' && backing_find(optarg, &out->backing);
    }
    return ok && optind == argc && out->rounds >= 1 && out->rounds <= ROUNDS_MAX &&
           out->backing != GM_BACKING_HUGETLB_2M && (out->by == NULL || is_curve(out->by));
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse(argc, argv, &options)) {
        (void)fprintf(
            stderr,
            "usage: bench_growth [--by memory|spread|ranges|queue_size] [--backing 4k|thp]\n"
            "    [--rounds N, 1 to %u] [--populated] [--json] [--set-host]\n"
            "--set-host: makes the host ready for thp, and as it was afterwards\n",
            ROUNDS_MAX);
        return 2;
    }
    return host_run(options.backing, 0, options.set_host, run_curves, &options);
}
