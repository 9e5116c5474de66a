/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Benchmark: what it costs to take populated memory through the balloon, beside one fallocate(2)
 * over the same memory, which is the least that any balloon can cost.
 *
 * Each round populates the memory anew for each form; all forms take turns in one run, so that
 * noise falls on all of them. Nothing sleeps, so that the processor time is what a quiet machine
 * takes; ratios are of its medians.
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "tests/bench/host.h"
#include "tests/bench/rig.h"
#include "vmm/base/num.h"

#define ROUNDS_MAX 101

struct options {
    uint64_t size_bytes;
    unsigned rounds;
    uint16_t queue_size;
    const char *only; /* a form beside the limit; NULL: all */
    bool json;
    bool set_host;
    bool skip[3]; /* by backing */
};

static const char *const backing_names[] = {
    [GM_BACKING_4K] = "4k", [GM_BACKING_THP] = "thp", [GM_BACKING_HUGETLB_2M] = "hugetlb-2m"};

/* The first is the limit, the second what page numbers are compared to. */
static const struct rig_plan forms[] = {
    {.name = "one fallocate"},
    {.name = "sg 2M", .chains = true, .run_bytes = 2 * MIB, .items = 512, .in_flight = 2},
    {.name = "sg 4M", .chains = true, .run_bytes = 4 * MIB, .items = 512, .in_flight = 2},
    {.name = "sg 64M", .chains = true, .run_bytes = 64 * MIB, .items = 512, .in_flight = 2},
    {.name = "sg 1G", .chains = true, .run_bytes = GIB, .items = 512, .in_flight = 2},
    {.name = "sg 2M shuffled",
     .chains = true,
     .shuffled = true,
     .run_bytes = 2 * MIB,
     .items = 512,
     .in_flight = 2},
    {.name = "sg 2M one by one",
     .chains = true,
     .shuffled = true,
     .run_bytes = 2 * MIB,
     .items = 1,
     .in_flight = 1},
    {.name = "sg 4K", .chains = true, .run_bytes = 4 * KIB, .items = 512, .in_flight = 2},
    {.name = "pfn 2M runs", .shuffled = true, .run_bytes = 2 * MIB, .items = 256, .in_flight = 1},
    {.name = "pfn 2M runs, 16 in flight",
     .shuffled = true,
     .run_bytes = 2 * MIB,
     .items = 256,
     .in_flight = 16},
    {.name = "pfn shuffled", .shuffled = true, .run_bytes = 4 * KIB, .items = 256, .in_flight = 1},
};

#define LIMIT   0u
#define SG      1u
#define N_FORMS ARRAY_LEN(forms)

/* What one backing's rounds are run with, and what came of them. */
struct bench {
    const struct options *options;
    enum gm_backing backing;
    struct gm *gm;
    uint64_t cpu_ns[N_FORMS][ROUNDS_MAX];
    uint64_t wall_ns[N_FORMS][ROUNDS_MAX];
    struct balloon_info last[N_FORMS];
    unsigned n[N_FORMS];
};

static bool run_limit(const struct bench *b, struct rig_result *out)
{
    struct gm_region region = gm_region_at(b->gm, 0);
    uint64_t before;
    uint64_t after;
    if (gm_allocated_bytes(b->gm, &before) < 0)
        return false;
    struct rig_time start = rig_now();
    int ret = fallocate(region.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)RIG_DATA,
                        (off_t)b->options->size_bytes);
    out->time = rig_between(start, rig_now());
    if (ret < 0 || gm_allocated_bytes(b->gm, &after) < 0)
        return false;
    out->info = (struct balloon_info){
        .punch_calls = 1, .punch_ns = out->time.wall_ns, .freed_bytes = sub_sat_u64(before, after)};
    return true;
}

/* As much of this memory as whole runs cover. */
static struct rig_plan plan_of(const struct options *options, unsigned form)
{
    struct rig_plan plan = forms[form];
    plan.queue_size = options->queue_size;
    plan.pitch_bytes = plan.run_bytes;
    plan.size_bytes = align_down(options->size_bytes, plan.run_bytes);
    /* As many descriptors as two chains in flight leave room for. */
    if (plan.chains && plan.items > 1)
        plan.items = plan.queue_size / plan.in_flight;
    return plan;
}

static bool is_form(const char *name)
{
    for (unsigned i = 0; i < N_FORMS; i++) {
        if (strcmp(forms[i].name, name) == 0)
            return true;
    }
    return false;
}

static bool is_wanted(const struct options *options, unsigned form)
{
    return form == LIMIT ||
           ((options->only == NULL || strcmp(forms[form].name, options->only) == 0) &&
            forms[form].run_bytes <= options->size_bytes);
}

static bool run_form(struct bench *b, unsigned form)
{
    const struct gm_range data = {.start = RIG_DATA, .len_bytes = b->options->size_bytes};
    struct rig_result result = {0};
    if (gm_populate(b->gm, data) < 0)
        return false;
    if (form == LIMIT) {
        if (!run_limit(b, &result))
            return false;
    } else {
        struct rig_plan plan = plan_of(b->options, form);
        rig_run(b->gm, &plan, NULL, &result);
    }
    b->cpu_ns[form][b->n[form]] = result.time.cpu_ns;
    b->wall_ns[form][b->n[form]++] = result.time.wall_ns;
    b->last[form] = result.info;
    return true;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double ratio(const struct bench *b, unsigned form, unsigned to)
{
    if (b->n[form] == 0 || b->n[to] == 0)
        return 0;
    return (double)b->cpu_ns[form][b->n[form] / 2] / (double)b->cpu_ns[to][b->n[to] / 2];
}

static double ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

static void print_text(const struct bench *b)
{
    printf("\n%s: %" PRIu64 " MiB populated, %u rounds, rings of %u\n", backing_names[b->backing],
           b->options->size_bytes / MIB, b->options->rounds, (unsigned)b->options->queue_size);
    printf("%-26s %28s %8s %7s %7s %8s %6s %8s\n", "form", "CPU ms: median (min - max)", "wall ms",
           "/limit", "/sg 2M", "calls", "kicks", "freed MiB");
    for (unsigned i = 0; i < N_FORMS; i++) {
        const struct balloon_info *info = &b->last[i];
        unsigned n = b->n[i];
        if (n == 0)
            continue;
        printf("%-26s %8.1f (%7.1f - %7.1f) %8.1f %7.2f %7.2f %8" PRIu64 " %6" PRIu64 " %8" PRIu64
               "\n",
               forms[i].name, ms(b->cpu_ns[i][n / 2]), ms(b->cpu_ns[i][0]), ms(b->cpu_ns[i][n - 1]),
               ms(b->wall_ns[i][n / 2]), ratio(b, i, LIMIT), ratio(b, i, SG), info->punch_calls,
               info->inflate.notifications, info->freed_bytes / MIB);
    }
}

static void print_json(const struct bench *b)
{
    struct utsname host;
    if (uname(&host) < 0)
        return;
    for (unsigned i = 0; i < N_FORMS; i++) {
        const struct balloon_info *info = &b->last[i];
        unsigned n = b->n[i];
        if (n == 0)
            continue;
        printf("{\"bench\": \"punch\", \"kernel\": \"%s\", \"machine\": \"%s\", ", host.release,
               host.machine);
        printf("\"backing\": \"%s\", \"form\": \"%s\", \"bytes\": %" PRIu64
               ", \"rounds\": %u, \"queue_size\": %u, ",
               backing_names[b->backing], forms[i].name, b->options->size_bytes, n,
               (unsigned)b->options->queue_size);
        printf("\"cpu_ns\": %" PRIu64 ", \"cpu_min_ns\": %" PRIu64 ", \"cpu_max_ns\": %" PRIu64
               ", \"wall_ns\": %" PRIu64 ", \"to_limit\": %.3f, \"to_sg\": %.3f, ",
               b->cpu_ns[i][n / 2], b->cpu_ns[i][0], b->cpu_ns[i][n - 1], b->wall_ns[i][n / 2],
               ratio(b, i, LIMIT), ratio(b, i, SG));
        printf("\"calls\": %" PRIu64 ", \"notifications\": %" PRIu64 ", \"freed_bytes\": %" PRIu64
               "}\n",
               info->punch_calls, info->inflate.notifications, info->freed_bytes);
    }
}

/* In a child of its own: what the host lends it comes back at its end. */
static int run_backing(void *arg)
{
    struct bench *b = arg;
    b->gm = rig_ram_create(b->options->size_bytes, b->backing);
    if (b->gm == NULL)
        return 1;
    for (unsigned round = 0; round < b->options->rounds; round++) {
        for (unsigned form = 0; form < N_FORMS; form++) {
            if (is_wanted(b->options, form) && !run_form(b, form)) {
                perror(forms[form].name);
                return 1;
            }
        }
    }
    for (unsigned form = 0; form < N_FORMS; form++) {
        qsort(b->cpu_ns[form], b->n[form], sizeof(uint64_t), compare);
        qsort(b->wall_ns[form], b->n[form], sizeof(uint64_t), compare);
    }
    if (b->options->json)
        print_json(b);
    else
        print_text(b);
    gm_destroy(b->gm);
    return 0;
}

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: bench_punch [--size-mib N] [--rounds N, 1 to %d] [--queue-size N]\n"
                  "    [--backing 4k|thp|hugetlb-2m] [--only FORM] [--json] [--set-host]\n"
                  "--set-host: makes the host ready for each backing, and as it was afterwards\n",
                  ROUNDS_MAX);
    return 2;
}

static bool set_backing(struct options *options, const char *name)
{
    bool found = false;
    for (unsigned i = 0; i < ARRAY_LEN(backing_names); i++) {
        options->skip[i] = strcmp(backing_names[i], name) != 0;
        found = found || !options->skip[i];
    }
    return found;
}

static bool parse(int argc, char **argv, struct options *out)
{
    static const struct option names[] = {
        {"size-mib", required_argument, NULL, 's'},   {"rounds", required_argument, NULL, 'r'},
        {"queue-size", required_argument, NULL, 'q'}, {"backing", required_argument, NULL, 'b'},
        {"only", required_argument, NULL, 'o'},       {"json", no_argument, NULL, 'j'},
        {"set-host", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int name;
    bool ok = true;
    *out = (struct options){.size_bytes = 4 * GIB, .rounds = 5, .queue_size = 1024};
    while (ok && (name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (name == 's')
            out->size_bytes = strtoull(optarg, NULL, 10) * MIB;
        else if (name == 'r')
            out->rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (name == 'q')
            out->queue_size = (uint16_t)strtoul(optarg, NULL, 10);
        else if (name == 'o')
            out->only = optarg;
        else if (name == 'j')
            out->json = true;
        else if (name == 'h')
            out->set_host = true;
        else
            ok = name == 'b' && set_backing(out, optarg);
    }
    return ok && optind == argc && out->rounds >= 1 && out->rounds <= ROUNDS_MAX &&
           out->size_bytes >= 2 * MIB && is_aligned(out->size_bytes, 2 * MIB) &&
           out->queue_size >= 2 && out->queue_size <= VQ_SIZE_LIMIT &&
           (out->only == NULL || is_form(out->only));
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct options options;
    if (!parse(argc, argv, &options))
        return usage();
    int worst = 0;
    for (unsigned i = 0; i < ARRAY_LEN(backing_names); i++) {
        if (options.skip[i])
            continue;
        bench = (struct bench){.options = &options, .backing = (enum gm_backing)i};
        int ret = host_run(bench.backing, options.size_bytes + RIG_DATA, options.set_host,
                           run_backing, &bench);
        if (ret != HOST_SKIPPED && ret > worst)
            worst = ret;
    }
    return worst;
}
