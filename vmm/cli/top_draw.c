/* SPDX-License-Identifier: Apache-2.0 */
/* The view of all machines as lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"
#include "vmm/cli/top_priv.h"

#define NAME_MAX_COLUMNS 24u
#define BAR_MIN_COLUMNS  10u
#define BAR_MAX_COLUMNS  48u

/* Behind the name: the columns with their blanks. */
#define FIGURE_COLUMNS 58u

/* Lines of a screen that are not machines: two above, the head, and the keys. */
#define OTHER_LINES 4u

#define RESET  "\033[0m"
#define HEAD   "\033[7m"
#define RED    "\033[31m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define BLUE   "\033[34m"
#define DIM    "\033[2m"

const struct top_column top_columns[TOP_SORTS] = {
    [TOP_SORT_NAME] = {"name", 'n'},         [TOP_SORT_MEMORY] = {"memory", 'm'},
    [TOP_SORT_TARGET] = {"target", 't'},     [TOP_SORT_BALLOON] = {"balloon", 'b'},
    [TOP_SORT_HOST] = {"host", 'h'},         [TOP_SORT_BACK] = {"back", 'r'},
    [TOP_SORT_PRESSURE] = {"pressure", 'p'}, [TOP_SORT_CPU] = {"cpu", 'c'},
};

/* 0: the largest is what is not known, and last. */
static uint64_t sort_value(const struct top_vm *vm, enum top_sort sort)
{
    switch (sort) {
    case TOP_SORT_MEMORY:
        return vm->has_ram ? vm->ram_bytes : 0;
    case TOP_SORT_TARGET:
        return vm->has_balloon ? vm->target_bytes : 0;
    case TOP_SORT_BALLOON:
        return vm->has_balloon ? vm->actual_bytes : 0;
    case TOP_SORT_HOST:
        return vm->has_ram ? vm->resident_bytes : 0;
    case TOP_SORT_BACK:
        return vm->has_balloon ? vm->returned_bytes : 0;
    case TOP_SORT_PRESSURE:
        return vm->has_pressure ? vm->pressure_hundredths : 0;
    case TOP_SORT_CPU:
        return vm->has_cpu ? vm->cpu_permille : 0;
    case TOP_SORT_NAME:
    case TOP_SORTS:
        break;
    }
    return 0;
}

struct order {
    size_t index; /* as the registry has them: by name */
    uint64_t value;
};

/* The largest first; equal ones by name. */
static int compare(const void *a, const void *b)
{
    const struct order *one = a;
    const struct order *two = b;
    if (one->value != two->value)
        return one->value > two->value ? -1 : 1;
    return one->index < two->index ? -1 : 1;
}

static struct order *sorted(const struct top *top, const struct top_view *view)
{
    struct order *order = calloc(top->n + 1, sizeof(*order));
    if (order == NULL)
        return NULL;
    for (size_t i = 0; i < top->n; i++)
        order[i] = (struct order){.index = i, .value = sort_value(&top->vms[i], view->sort)};
    qsort(order, top->n, sizeof(*order), compare);
    for (size_t i = 0; view->reverse && i < top->n / 2; i++) {
        struct order last = order[top->n - 1 - i];
        order[top->n - 1 - i] = order[i];
        order[i] = last;
    }
    return order;
}

/* "512M" or "23.4G", at most six letters for any memory that hosts have. */
static const char *size(bool known, uint64_t bytes, char out[16])
{
    if (!known)
        (void)snprintf(out, 16, "-");
    else if (bytes < 10000 * MIB)
        (void)snprintf(out, 16, "%" PRIu64 "M", bytes / MIB);
    else if (bytes < 10000 * GIB)
        (void)snprintf(out, 16, "%" PRIu64 ".%" PRIu64 "G", bytes / GIB, bytes % GIB * 10 / GIB);
    else
        (void)snprintf(out, 16, "%" PRIu64 "T", bytes / GIB / 1024);
    return out;
}

static const char *tenths(bool known, uint32_t value, char out[16])
{
    if (known)
        (void)snprintf(out, 16, "%u.%u", value / 10, value % 10);
    else
        (void)snprintf(out, 16, "-");
    return out;
}

static const char *colour(const struct top_view *view, const char *code)
{
    return view->colour ? code : "";
}

/* How many of most cells of a bar that is. */
static unsigned cells_of(uint64_t bytes, uint64_t total, unsigned most)
{
    return (unsigned)((double)min_u64(bytes, total) / (double)total * most + 0.5);
}

/* From the left what the host holds, from the right what the balloon does. */
static void bar(const struct top_vm *vm, const struct top_view *view, unsigned columns, FILE *out)
{
    unsigned most = columns - 2;
    if (!vm->has_ram || vm->ram_bytes == 0) {
        (void)fprintf(out, "%*s", (int)columns, "");
        return;
    }
    unsigned host = cells_of(vm->resident_bytes, vm->ram_bytes, most);
    unsigned balloon = vm->has_balloon ? cells_of(vm->actual_bytes, vm->ram_bytes, most) : 0;
    balloon = (unsigned)min_u64(balloon, most - host);
    (void)fprintf(out, "[%s%.*s%s%*s%s%.*s%s]", colour(view, BLUE), (int)host,
                  "################################################", colour(view, RESET),
                  (int)(most - host - balloon), "", colour(view, GREEN), (int)balloon,
                  "================================================", colour(view, RESET));
}

static const char *state(const struct top_vm *vm, const struct top_view *view,
                         const char **out_code)
{
    *out_code = "";
    if (vm->state[0] == '\0') {
        *out_code = colour(view, RED);
        return "silent";
    }
    if (strcmp(vm->state, "Not started") == 0) {
        *out_code = colour(view, DIM);
        return "waiting";
    }
    if (strcmp(vm->state, "Paused") == 0)
        *out_code = colour(view, YELLOW);
    return vm->state;
}

/* The widths that go with the longest name. */
struct layout {
    unsigned name;
    unsigned bar; /* 0: there is no room for one */
};

static struct layout lay_out(const struct top *top, const struct top_view *view)
{
    struct layout l = {.name = 4};
    for (size_t i = 0; i < top->n; i++)
        l.name = (unsigned)max_u64(l.name, strlen(top->vms[i].name));
    /* A file has room, a screen has not. */
    if (view->height != 0)
        l.name = (unsigned)min_u64(l.name, NAME_MAX_COLUMNS);
    if (view->width >= l.name + FIGURE_COLUMNS + 1 + BAR_MIN_COLUMNS)
        l.bar = (unsigned)min_u64(view->width - l.name - FIGURE_COLUMNS - 1, BAR_MAX_COLUMNS);
    return l;
}

static void row(const struct top_vm *vm, const struct top_view *view, struct layout l, FILE *out)
{
    char cells[5][16];
    char shares[2][16];
    const char *code;
    const char *word = state(vm, view, &code);
    (void)fprintf(out, "%-*.*s %s%-7s%s %6s %6s %7s %6s %6s %5s %6s", (int)l.name, (int)l.name,
                  vm->name, code, word, *code == '\0' ? "" : RESET,
                  size(vm->has_ram, vm->ram_bytes, cells[0]),
                  size(vm->has_balloon, vm->target_bytes, cells[1]),
                  size(vm->has_balloon, vm->actual_bytes, cells[2]),
                  size(vm->has_ram, vm->resident_bytes, cells[3]),
                  size(vm->has_balloon, vm->returned_bytes, cells[4]),
                  tenths(vm->has_pressure, vm->pressure_hundredths / 10, shares[0]),
                  tenths(vm->has_cpu, vm->cpu_permille, shares[1]));
    if (l.bar > 0) {
        (void)fputc(' ', out);
        bar(vm, view, l.bar, out);
    }
}

static void head(const struct top_view *view, struct layout l, FILE *out)
{
    static const char names[TOP_SORTS][8] = {"NAME", "MEM",  "TARGET", "BALLOON",
                                             "HOST", "BACK", "PSI%",   "CPU%"};
    static const int widths[TOP_SORTS] = {0, 6, 6, 7, 6, 6, 5, 6};
    char name[sizeof(names[0]) + 1];
    (void)fputs(colour(view, HEAD), out);
    for (unsigned i = 0; i < TOP_SORTS; i++) {
        /* What it is sorted by is marked where there are keys to choose it. */
        bool chosen = view->height != 0 && i == view->sort;
        (void)snprintf(name, sizeof(name), "%s%.7s", chosen ? "*" : "", names[i]);
        if (i == 0)
            (void)fprintf(out, "%-*s %-7s", (int)l.name, name, "STATE");
        else
            (void)fprintf(out, " %*s", widths[i], name);
    }
    if (l.bar > 0)
        (void)fprintf(out, " %-*s", (int)l.bar, l.bar >= 20 ? "# host  = balloon" : "#host =ball");
    (void)fputs(colour(view, RESET), out);
}

struct sums {
    size_t running;
    uint64_t ram, resident, actual, returned;
};

static struct sums add_up(const struct top *top)
{
    struct sums s = {0};
    for (size_t i = 0; i < top->n; i++) {
        const struct top_vm *vm = &top->vms[i];
        s.running += strcmp(vm->state, "Running") == 0;
        s.ram += vm->has_ram ? vm->ram_bytes : 0;
        s.resident += vm->has_ram ? vm->resident_bytes : 0;
        s.actual += vm->has_balloon ? vm->actual_bytes : 0;
        s.returned += vm->has_balloon ? vm->returned_bytes : 0;
    }
    return s;
}

/* A line that is cut where the terminal ends. */
static void line(const struct top_view *view, const char *text, const char *line_end, FILE *out)
{
    (void)fprintf(out, "%.*s%s", view->height == 0 ? 1000 : (int)view->width, text, line_end);
}

static void summary(const struct top *top, const struct top_view *view, const char *line_end,
                    FILE *out)
{
    char text[300];
    char a[16], b[16], c[16], d[16];
    struct sums s = add_up(top);
    int n = snprintf(text, sizeof(text), "aerostat  %s%s%zu machine%s, %zu running",
                     view->clock == NULL ? "" : view->clock, view->clock == NULL ? "" : "  ",
                     top->n, top->n == 1 ? "" : "s", s.running);
    if (top->has_memory)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "  host: %s of %s available",
                      size(true, top->memory.available, a), size(true, top->memory.total, b));
    if (top->has_pressure)
        (void)snprintf(text + n, sizeof(text) - (size_t)n, ", PSI %u.%02u%%",
                       top->pressure_hundredths / 100, top->pressure_hundredths % 100);
    line(view, text, line_end, out);
    (void)snprintf(text, sizeof(text),
                   "guests have %s, the host holds %s of them, balloons hold %s; %s came back",
                   size(true, s.ram, a), size(true, s.resident, b), size(true, s.actual, c),
                   size(true, s.returned, d));
    line(view, text, line_end, out);
}

int top_draw(const struct top *top, struct top_view *view, const char *line_end, FILE *out)
{
    AUTO_FREE struct order *order = sorted(top, view);
    struct layout l = lay_out(top, view);
    size_t rows = top->n;
    if (order == NULL)
        return -ENOMEM;
    if (view->height != 0)
        rows = view->height > OTHER_LINES ? view->height - OTHER_LINES : 1;
    view->first = view->height == 0 ? 0 : min_u64(view->first, sub_sat_u64(top->n, rows));
    summary(top, view, line_end, out);
    head(view, l, out);
    (void)fputs(line_end, out);
    for (size_t i = view->first; i < top->n && i - view->first < rows; i++) {
        row(&top->vms[order[i].index], view, l, out);
        (void)fputs(line_end, out);
    }
    if (top->n == 0)
        line(view, "no machine runs here (see aerostat run --help)", line_end, out);
    if (view->height != 0) {
        for (size_t i = max_u64(top->n, 1); i < rows; i++)
            (void)fputs(line_end, out);
        line(view, "q quit  sort: n m t b h r p c, again: reverse  + - interval  arrows: scroll",
             "", out);
    }
    return 0;
}
