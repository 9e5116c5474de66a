/* SPDX-License-Identifier: Apache-2.0 */
/* Prints raw measurements as JSON, and medians as a table. */
#include "tests/bench/series.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/num.h"

static const char *const backing_names[] = {
    [GM_BACKING_4K] = "4k", [GM_BACKING_THP] = "thp", [GM_BACKING_HUGETLB_2M] = "hugetlb-2m"};

const char *backing_name(enum gm_backing backing)
{
    return backing_names[backing];
}

bool backing_find(const char *name, enum gm_backing *out)
{
    for (unsigned i = 0; i < ARRAY_LEN(backing_names); i++) {
        if (strcmp(backing_names[i], name) == 0) {
            *out = (enum gm_backing)i;
            return true;
        }
    }
    return false;
}

static const char *who_name(enum form_id id, enum who who)
{
    if (id == FORM_LIMIT)
        return "limit";
    return who == WHO_QEMU ? "qemu" : "aerostat";
}

static const char *kind_name(enum form_id id)
{
    if (id == FORM_LIMIT)
        return "fallocate";
    return form_at(id)->plan.chains ? "sg" : "pfn";
}

/* The limit's range is all of the memory. */
static struct rig_plan plan_of(const struct table *t, enum form_id id)
{
    return form_plan(id, t->setting.size_bytes, t->setting.queue_size);
}

static void print_count(const char *key, bool known, uint64_t value)
{
    if (known)
        printf("\"%s\":%" PRIu64 ",", key, value);
    else
        printf("\"%s\":null,", key);
}

static void print_counts(const struct series *s, enum who who)
{
    const struct sample *last = &s->samples[s->n - 1];
    bool own = who == WHO_OURS;
    print_count("release_calls", own || s->counted,
                s->counted ? s->calls.release : last->punch_calls);
    print_count("syscalls", s->counted, s->calls.all);
    if (own)
        return;
    print_count("idle_syscalls", s->counted, s->idle_calls.all);
    printf("\"idle_wall_ns\":%" PRIu64 ",\"idle_cpu_ns\":%" PRIu64 ",", last->idle_kicks.wall_ns,
           last->idle_kicks.cpu_ns);
}

void series_print_json(const struct table *t, enum form_id id, enum who who)
{
    const struct series *s = &t->series[id][who];
    const struct sample *last = &s->samples[s->n - 1];
    const struct rig_plan plan = plan_of(t, id);
    printf("{\"part\":\"host\",\"who\":\"%s\",\"form\":\"%s\",\"range_bytes\":%" PRIu64
           ",\"order\":\"%s\",\"items\":%" PRIu32 ",\"in_flight\":%" PRIu32 ",",
           who_name(id, who), kind_name(id), plan.run_bytes,
           plan.shuffled ? "shuffled" : "ascending", plan.items, plan.in_flight);
    printf("\"backing\":\"%s\",\"populated\":%s,\"bytes\":%" PRIu64 ",\"queue_size\":%u,",
           backing_name(t->setting.backing), t->setting.populated ? "true" : "false",
           plan.size_bytes, (unsigned)last->queue_size);
    printf("\"round\":%u,\"wall_ns\":%" PRIu64 ",\"cpu_ns\":%" PRIu64 ",\"kicks\":%" PRIu64 ",",
           s->n - 1, last->time.wall_ns, last->time.cpu_ns, last->kicks);
    print_counts(s, who);
    printf("\"freed_bytes\":%" PRIu64 "}\n", last->freed_bytes);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

struct spread spread_ms(uint64_t *ns, unsigned n)
{
    qsort(ns, n, sizeof(ns[0]), compare);
    return (struct spread){.min = (double)ns[0] / 1e6,
                           .median = (double)ns[n / 2] / 1e6,
                           .max = (double)ns[n - 1] / 1e6};
}

static struct spread cpu_ms(const struct series *s)
{
    uint64_t values[ROUNDS_MAX];
    for (unsigned i = 0; i < s->n; i++)
        values[i] = s->samples[i].time.cpu_ns;
    return spread_ms(values, s->n);
}

static struct spread wall_ms(const struct series *s)
{
    uint64_t values[ROUNDS_MAX];
    for (unsigned i = 0; i < s->n; i++)
        values[i] = s->samples[i].time.wall_ns;
    return spread_ms(values, s->n);
}

/* What freed less than this, or did not even try to, has not done the same work. */
static bool did_the_same(const struct series *s, const struct series *as)
{
    uint64_t freed = s->samples[s->n - 1].freed_bytes;
    if (s->counted && s->calls.release == 0)
        return false;
    return freed >= as->samples[as->n - 1].freed_bytes / 10 * 9;
}

static void print_ratio(const struct series *fast, const struct series *slow)
{
    if (fast->n == 0 || slow->n == 0)
        printf(" %8s", "-");
    else if (!did_the_same(slow, fast) || !did_the_same(fast, slow))
        printf(" %8s", "unlike");
    else
        printf(" %8.2f", cpu_ms(slow).median / cpu_ms(fast).median);
}

static void print_row(const struct table *t, enum form_id id, enum who who)
{
    const struct series *s = &t->series[id][who];
    const struct sample *last = &s->samples[s->n - 1];
    const struct spread cpu = cpu_ms(s);
    static const struct series none;
    printf("%-8s %-25s %8.2f (%8.2f - %8.2f) %8.2f", who_name(id, who), form_at(id)->name,
           cpu.median, cpu.min, cpu.max, wall_ms(s).median);
    print_ratio(s, &t->series[FORM_LIMIT][WHO_OURS]);
    print_ratio(s, who == WHO_QEMU ? &none : &t->series[form_at(id)->versus][WHO_QEMU]);
    printf(" %6" PRIu64, last->kicks);
    if (s->counted)
        printf(" %9" PRIu64 " %9" PRIu64, s->calls.release, s->calls.all);
    else
        printf(" %9s %9s", "-", "-");
    printf(" %8" PRIu64 "\n", last->freed_bytes / MIB);
}

/* So that nobody takes the test channel's cost for the balloon's. */
static void print_channel(const struct table *t)
{
    for (unsigned i = 0; i < N_FORMS; i++) {
        const struct series *s = &t->series[i][WHO_QEMU];
        if (s->n == 0)
            continue;
        const struct sample *last = &s->samples[s->n - 1];
        printf(
            "qemu, %s: its %" PRIu64
            " kicks with nothing to do take %.2f ms of its processor time, %.2f ms by the clock\n",
            form_at((enum form_id)i)->name, last->kicks, (double)last->idle_kicks.cpu_ns / 1e6,
            (double)last->idle_kicks.wall_ns / 1e6);
    }
}

void table_print(const struct table *t)
{
    const struct setting *set = &t->setting;
    printf("\n%s: %" PRIu64 " MiB %s, %u rounds, rings of %u\n", backing_name(set->backing),
           set->size_bytes / MIB, set->populated ? "populated" : "untouched", set->rounds,
           (unsigned)set->queue_size);
    printf("%-8s %-25s %30s %8s %8s %8s %6s %9s %9s %8s\n", "who", "form",
           "CPU ms: median (min - max)", "wall ms", "of limit", "x qemu", "kicks", "releasing",
           "syscalls", "freed MiB");
    for (unsigned i = 0; i < N_FORMS; i++) {
        for (unsigned who = 0; who < N_WHO; who++) {
            if (t->series[i][who].n > 0)
                print_row(t, (enum form_id)i, (enum who)who);
        }
    }
    print_channel(t);
}
