/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `aerostat top`: what is known of the machines, and how it is shown. Main thread. */
#ifndef AEROSTAT_CLI_TOP_PRIV_H
#define AEROSTAT_CLI_TOP_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/api_client/conn.h"
#include "vmm/base/err.h"
#include "vmm/host/host.h"
#include "vmm/registry/registry.h"

/* A machine that does not answer so long is shown as silent, and not waited for again. */
#define TOP_PATIENCE_MS 250u

/* One machine; a figure counts where its flag says so. */
struct top_vm {
    char name[REGISTRY_NAME_MAX + 1];
    pid_t pid;
    uint64_t started_ms;
    char state[16]; /* as the control socket says; empty: it does not answer */
    bool has_ram;
    uint64_t ram_bytes;
    uint64_t resident_bytes; /* what the host holds of them */
    bool has_balloon;
    uint64_t target_bytes;
    uint64_t actual_bytes;
    uint64_t returned_bytes; /* by how much the host's memory fell for the balloon, all in all */
    bool has_pressure;       /* of the control group that the monitor is in, with others perhaps */
    uint32_t pressure_hundredths;
    bool has_cpu;
    uint32_t cpu_permille; /* of one processor, since the refresh before */

    /* How it is asked. */
    struct api_conn *conn;
    enum top_step { TOP_IDLE, TOP_ASK_STATE, TOP_ASK_BALLOON, TOP_ASK_HOST } step;
    bool silent; /* did not answer in time */
    bool seen;   /* in the list of this refresh */
    uint64_t cpu_ns;
    uint64_t cpu_at_ns;
    char pressure_path[HOST_PATH_MAX + 20]; /* empty: the host's only */
};

/* All of them. Zero-initialise, with root set. */
struct top {
    const char *root;          /* before /proc and /sys: "" but in tests */
    unsigned patience_ms;      /* 0: TOP_PATIENCE_MS */
    struct registry *registry; /* NULL while there is no runtime directory */
    struct top_vm *vms;        /* in the order of the registry */
    size_t n;
    bool has_memory;
    struct host_memory memory;
    bool has_pressure;
    uint32_t pressure_hundredths;
};

/*
 * Looks who there is, and asks each; waits for answers, at most patience_ms. Shares of
 * processor time need two of them. Returns 0, or -errno with a sentence where the machines cannot
 * be listed.
 */
int top_refresh(struct top *top, struct err *err);
void top_finish(struct top *top);

/* What a machine's answers mean; body as GET "/", "/balloon/statistics" or "/vm/host" have it.
 * False for what is none. */
bool top_read_state(struct top_vm *vm, const char *body, size_t len);
bool top_read_balloon(struct top_vm *vm, const char *body, size_t len);
bool top_read_host(struct top_vm *vm, const char *body, size_t len);

enum top_sort {
    TOP_SORT_NAME,
    TOP_SORT_MEMORY,
    TOP_SORT_TARGET,
    TOP_SORT_BALLOON,
    TOP_SORT_HOST,
    TOP_SORT_BACK,
    TOP_SORT_PRESSURE,
    TOP_SORT_CPU,
    TOP_SORTS
};

/* "name", "memory" and so on, and the key that chooses it. */
struct top_column {
    const char *word;
    char key;
};
extern const struct top_column top_columns[TOP_SORTS];

/* How it is to be shown. */
struct top_view {
    enum top_sort sort;
    bool reverse; /* the smallest first; of names, the last */
    bool colour;
    unsigned width;
    unsigned height; /* lines of a screen; 0: as many as there are, and no keys */
    size_t first;    /* of the machines on the screen; is brought into range */
    unsigned interval_s;
    const char *clock; /* "12:34:56", or NULL */
};

/* Each line ends with line_end. Returns 0 or -ENOMEM. */
int top_draw(const struct top *top, struct top_view *view, const char *line_end, FILE *out);

/* One object, in one line or several. Returns 0 or -ENOMEM. */
int top_print_json(const struct top *top, bool one_line, FILE *out);

/* What a key changes of a view; keys are what a terminal sends in raw mode. */
enum top_action { TOP_GO_ON, TOP_QUIT, TOP_SUSPEND, TOP_INTERVAL };
enum top_action top_keys(struct top_view *view, const char *keys, size_t len);

/* The view on the whole terminal until the user quits or a signal comes. Returns the exit status.
 */
int top_screen(struct top *top, struct top_view *view);

#endif
