/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Benchmark: what it costs to take memory through the balloon, beside one fallocate(2) over the
 * same memory, which is the least that any balloon can cost, and beside QEMU's balloon on it.
 *
 * Each round makes the memory anew for each form; all forms take turns in one run, each of ours
 * before QEMU's, so that noise falls on all of them. Nothing of ours sleeps, so that the processor
 * time is what a quiet machine takes; QEMU's is that of its process. Where the memory is populated
 * it is mapped by the process that frees it, as that of a running guest is.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/host.h"
#include "tests/bench/peer.h"
#include "tests/bench/series.h"
#include "vmm/base/num.h"

#define N_BACKINGS 3u

struct options {
    uint64_t size_bytes;
    unsigned rounds;
    uint16_t queue_size;
    enum form_set set;
    bool named;         /* --only was given: */
    bool only[N_FORMS]; /* these and the limit */
    bool json;
    bool set_host;
    bool no_counts;
    bool no_qemu;
    bool skip_backing[N_BACKINGS];
    bool skip_memory[2]; /* untouched, populated */
};

/* One backing's run. */
struct bench {
    const struct options *options;
    enum gm_backing backing;
    struct gm *gm;
    bool qemu;   /* there is one */
    bool counts; /* system calls can be counted */
    struct table *table;
};

static int punch_all(const struct bench *b)
{
    struct gm_region region = gm_region_at(b->gm, 0);
    return fallocate(region.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)RIG_DATA,
                     (off_t)b->options->size_bytes) == 0
               ? 0
               : -errno;
}

static int make_memory(const struct bench *b)
{
    const struct gm_range data = {.start = RIG_DATA, .len_bytes = b->options->size_bytes};
    int ret = punch_all(b);
    if (ret == 0 && b->table->setting.populated)
        ret = gm_populate(b->gm, data);
    return ret;
}

static int run_limit(const struct bench *b, struct call_counter *counter, struct sample *out)
{
    struct rig_time start = rig_now();
    if (counter != NULL)
        calls_start(counter);
    int ret = punch_all(b);
    if (counter != NULL)
        calls_stop(counter, &out->calls);
    out->time = rig_between(start, rig_now());
    out->punch_calls = 1;
    out->queue_size = b->options->queue_size;
    return ret;
}

static void run_rig(const struct bench *b, enum form_id id, struct call_counter *counter,
                    struct sample *out)
{
    struct rig_plan plan = form_plan(id, b->options->size_bytes, b->options->queue_size);
    struct rig_result result;
    rig_run(b->gm, &plan, counter, &result);
    out->time = result.time;
    out->kicks = result.info.inflate.notifications;
    out->punch_calls = result.info.punch_calls;
    out->queue_size = result.queue_size;
    out->calls = result.calls;
}

static int run_ours(const struct bench *b, enum form_id id, bool count, struct sample *out)
{
    struct call_counter *counter = NULL;
    uint64_t before;
    uint64_t after;
    int ret = count ? calls_open(0, &counter) : 0;
    if (ret == 0)
        ret = gm_allocated_bytes(b->gm, &before);
    if (ret == 0 && id == FORM_LIMIT)
        ret = run_limit(b, counter, out);
    else if (ret == 0)
        run_rig(b, id, counter, out);
    calls_close(counter);
    if (ret == 0)
        ret = gm_allocated_bytes(b->gm, &after);
    if (ret == 0)
        out->freed_bytes = sub_sat_u64(before, after);
    return ret;
}

static int run_qemu(const struct bench *b, enum form_id id, bool count, struct sample *out)
{
    struct rig_plan plan = form_plan(id, b->options->size_bytes, b->options->queue_size);
    struct peer *peer;
    struct peer_result result;
    int ret = peer_create(b->gm, b->table->setting.populated, &peer);
    if (ret < 0)
        return ret;
    ret = peer_run(peer, &plan, count, &result);
    peer_destroy(peer);
    if (ret < 0)
        return ret;
    *out = (struct sample){.time = result.time,
                           .idle_kicks = result.idle_kicks,
                           .calls = result.calls,
                           .idle_calls = result.idle_calls,
                           .kicks = result.kicks,
                           .freed_bytes = result.freed_bytes,
                           .queue_size = result.queue_size};
    return 0;
}

/* A round that counts is not timed. */
static int run_form(const struct bench *b, enum form_id id, enum who who, bool count)
{
    struct series *s = &b->table->series[id][who];
    struct sample sample = {0};
    int ret = make_memory(b);
    if (ret == 0)
        ret = who == WHO_QEMU ? run_qemu(b, id, count, &sample) : run_ours(b, id, count, &sample);
    if (ret < 0) {
        (void)fprintf(stderr, "%s, %s: %s\n", backing_name(b->backing), form_at(id)->name,
                      strerror(-ret));
        return ret;
    }
    if (count) {
        s->counted = true;
        s->calls = sample.calls;
        s->idle_calls = sample.idle_calls;
        return 0;
    }
    s->samples[s->n++] = sample;
    if (b->options->json) {
        series_print_json(b->table, id, who);
        (void)fflush(stdout);
    }
    return 0;
}

static bool is_wanted(const struct options *options, enum form_id id)
{
    const struct form *form = form_at(id);
    if (id == FORM_LIMIT)
        return true;
    return (options->named ? options->only[id] : form->set <= options->set) &&
           form->plan.run_bytes <= options->size_bytes;
}

static int run_round(const struct bench *b, bool count)
{
    int ret = 0;
    for (unsigned i = 0; ret == 0 && i < N_FORMS; i++) {
        enum form_id id = (enum form_id)i;
        if (!is_wanted(b->options, id))
            continue;
        ret = run_form(b, id, WHO_OURS, count);
        if (ret == 0 && b->qemu && form_is_qemus(id))
            ret = run_form(b, id, WHO_QEMU, count);
    }
    return ret;
}

static int run_table(struct bench *b, bool populated)
{
    const struct options *options = b->options;
    memset(b->table, 0, sizeof(*b->table));
    b->table->setting = (struct setting){.backing = b->backing,
                                         .populated = populated,
                                         .size_bytes = options->size_bytes,
                                         .rounds = options->rounds,
                                         .queue_size = options->queue_size};
    int ret = b->counts ? run_round(b, true) : 0;
    for (unsigned round = 0; ret == 0 && round < options->rounds; round++) {
        (void)fprintf(stderr, "%s, %s: round %u of %u\n", backing_name(b->backing),
                      populated ? "populated" : "untouched", round + 1, options->rounds);
        ret = run_round(b, false);
    }
    if (ret == 0 && !options->json)
        table_print(b->table);
    return ret;
}

/* What is missing is left out, and named. */
static int find_means(struct bench *b)
{
    struct call_counter *counter = NULL;
    int ret = b->options->no_counts ? -ECANCELED : calls_open(0, &counter);
    calls_close(counter);
    b->counts = ret == 0;
    if (!b->counts && !b->options->no_counts)
        (void)fprintf(stderr, "system calls: skipped: perf_event_open: %s\n", strerror(-ret));
    if (b->options->no_qemu)
        return 0;
    struct peer *peer = NULL;
    ret = peer_create(b->gm, false, &peer);
    peer_destroy(peer);
    b->qemu = ret == 0;
    if (ret == -ENOENT) {
        (void)fprintf(stderr, "qemu: skipped: qemu-system-x86_64 is not installed\n");
        return 0;
    }
    if (ret < 0)
        (void)fprintf(stderr, "qemu: %s\n", strerror(-ret));
    return ret;
}

/* In a child of its own: what the host lends it comes back at its end. */
static int run_backing(void *arg)
{
    struct bench *b = arg;
    b->gm = rig_ram_create(b->options->size_bytes, b->backing);
    if (b->gm == NULL)
        return 1;
    b->table = malloc(sizeof(*b->table));
    int ret = b->table != NULL ? find_means(b) : -ENOMEM;
    /* Rings and arrays must not be taken for memory that was not given back. */
    if (ret == 0)
        ret = gm_populate(b->gm, (struct gm_range){.start = 0, .len_bytes = RIG_DATA});
    for (int populated = 1; ret == 0 && populated >= 0; populated--) {
        if (!b->options->skip_memory[populated])
            ret = run_table(b, populated == 1);
    }
    free(b->table);
    gm_destroy(b->gm);
    return ret == 0 ? 0 : 1;
}

static int usage(void)
{
    (void)fprintf(
        stderr,
        "usage: bench_punch [--size-mib N] [--rounds N, 1 to %u] [--queue-size N]\n"
        "    [--backing 4k|thp|hugetlb-2m] [--memory populated|untouched] [--json] [--set-host]\n"
        "    [--forms quick|full|all, or --only FORM...] [--no-qemu] [--no-counts]\n"
        "--set-host: makes the host ready for each backing, and as it was afterwards\n"
        "--no-counts: without the round in which system calls are counted\n",
        ROUNDS_MAX);
    return 2;
}

static bool set_backing(struct options *options, const char *name)
{
    enum gm_backing backing;
    if (!backing_find(name, &backing))
        return false;
    for (unsigned i = 0; i < N_BACKINGS; i++)
        options->skip_backing[i] = i != (unsigned)backing;
    return true;
}

static bool set_memory(struct options *options, const char *name)
{
    options->skip_memory[0] = strcmp(name, "populated") == 0;
    options->skip_memory[1] = strcmp(name, "untouched") == 0;
    return options->skip_memory[0] || options->skip_memory[1];
}

static bool set_forms(struct options *options, const char *name)
{
    static const char *const sets[] = {
        [FORMS_QUICK] = "quick", [FORMS_FULL] = "full", [FORMS_ALL] = "all"};
    for (unsigned i = 0; i < ARRAY_LEN(sets); i++) {
        if (strcmp(sets[i], name) == 0) {
            options->set = (enum form_set)i;
            return true;
        }
    }
    return false;
}

static bool add_form(struct options *options, const char *name)
{
    enum form_id id;
    if (!form_find(name, &id))
        return false;
    options->named = true;
    options->only[id] = true;
    return true;
}

static bool set_option(struct options *out, int name)
{
    switch (name) {
    case 's':
        out->size_bytes = strtoull(optarg, NULL, 10) * MIB;
        return true;
    case 'r':
        out->rounds = (unsigned)strtoul(optarg, NULL, 10);
        return true;
    case 'q':
        out->queue_size = (uint16_t)strtoul(optarg, NULL, 10);
        return true;
    case 'b':
        return set_backing(out, optarg);
    case 'm':
        return set_memory(out, optarg);
    case 'f':
        return set_forms(out, optarg);
    case 'o':
        return add_form(out, optarg);
    default:
        return name == 0; /* a flag, set by getopt_long() */
    }
}

static bool parse(int argc, char **argv, struct options *out)
{
    enum { JSON, SET_HOST, NO_QEMU, NO_COUNTS, N_FLAGS };
    static int flags[N_FLAGS];
    static const struct option names[] = {{"size-mib", required_argument, NULL, 's'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"queue-size", required_argument, NULL, 'q'},
                                          {"backing", required_argument, NULL, 'b'},
                                          {"memory", required_argument, NULL, 'm'},
                                          {"forms", required_argument, NULL, 'f'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"json", no_argument, &flags[JSON], 1},
                                          {"set-host", no_argument, &flags[SET_HOST], 1},
                                          {"no-qemu", no_argument, &flags[NO_QEMU], 1},
                                          {"no-counts", no_argument, &flags[NO_COUNTS], 1},
                                          {NULL, 0, NULL, 0}};
    int name;
    *out =
        (struct options){.size_bytes = 4 * GIB, .rounds = 5, .queue_size = 1024, .set = FORMS_FULL};
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (!set_option(out, name))
            return false;
    }
    out->json = flags[JSON] != 0;
    out->set_host = flags[SET_HOST] != 0;
    out->no_qemu = flags[NO_QEMU] != 0;
    out->no_counts = flags[NO_COUNTS] != 0;
    return optind == argc && out->rounds >= 1 && out->rounds <= ROUNDS_MAX &&
           out->size_bytes >= 2 * MIB && is_aligned(out->size_bytes, 2 * MIB) &&
           out->queue_size >= 2 && out->queue_size <= VQ_SIZE_LIMIT;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse(argc, argv, &options))
        return usage();
    int worst = 0;
    for (unsigned i = 0; i < N_BACKINGS; i++) {
        if (options.skip_backing[i])
            continue;
        struct bench bench = {.options = &options, .backing = (enum gm_backing)i};
        int ret = host_run(bench.backing, options.size_bytes + RIG_DATA, options.set_host,
                           run_backing, &bench);
        if (ret != HOST_SKIPPED && ret > worst)
            worst = ret;
    }
    return worst;
}
