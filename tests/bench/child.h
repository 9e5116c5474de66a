/* SPDX-License-Identifier: Apache-2.0 */
/* A machine monitor as a child process, ours or another: its console by pipes, what it uses by
 * /proc. */
#ifndef AEROSTAT_BENCH_CHILD_H
#define AEROSTAT_BENCH_CHILD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How long a guest may take for anything here. */
#define CHILD_PATIENCE_S 120

struct child {
    pid_t pid;
    int in_fd;         /* the guest's serial input */
    int out_fd;        /* and output */
    uint64_t start_ns; /* CLOCK_MONOTONIC just before fork(2) */
    /* The same clock at its first KVM_RUN; 0: not yet, or not asked for. */
    const _Atomic uint64_t *first_run_ns;
    char text[8192]; /* the end of what the guest has sent */
    size_t len;
};

/*
 * Makes a folder for sockets, whose path child_folder() returns, and which is removed at the end of
 * the program. The monitors have their runtime directory in it. False with a message.
 */
bool child_make_folder(void);
const char *child_folder(void);

/*
 * Starts a program. first_run is the library of first_run.c, or NULL: nothing is preloaded. args
 * begins with the program, which is looked for in PATH, and ends with NULL. False with a message.
 */
bool child_start(struct child *child, const char *first_run, const char *const args[]);

/*
 * Reads what the guest sends until text is in it, which is taken out with all before it. *out_ns
 * (may be NULL) is when that was read. False with a message when the guest ends, sends "fail:" or
 * has no patience.
 */
bool child_await(struct child *child, const char *text, uint64_t *out_ns);

/* The number that follows in the same line, after child_await() of what is before it. */
bool child_number(struct child *child, uint64_t *out_value);

/* Sends the guest a line. */
bool child_type(const struct child *child, const char *line);

/* Ends it, by force when it does not go by itself. Accepts one that did not start. */
void child_end(struct child *child);

/* Bytes of memory in all its mappings but guest RAM, pages that are shared counted in part (Pss),
 * and bytes of guest RAM. */
struct child_memory {
    uint64_t private_bytes;
    uint64_t ram_bytes;
};

/* ram is what the name of guest RAM's mapping has in it. */
bool child_memory(const struct child *child, const char *ram, struct child_memory *out);

/* Processor time of all its threads, also those that have ended. */
uint64_t child_cpu_ns(const struct child *child);

/* How many entries /proc/PID/what has: "fd", "task". */
uint64_t child_count(const struct child *child, const char *what);

/* The memfds that are its RAM: one below the devices, one above them. */
#define CHILD_RAM_MAX 2u

struct child_ram {
    int fds[CHILD_RAM_MAX];
    unsigned n;
};

/* ram is what their names have in them. False with a message when there is none. */
bool child_ram_open(const struct child *child, const char *ram, struct child_ram *out);
/* Bytes that the host has given it. */
uint64_t child_ram_bytes(const struct child_ram *ram);
/* Whether so much of the full_bytes that it was has gone, but for some pages that the guest may
 * have touched since. */
bool child_ram_gone(const struct child_ram *ram, uint64_t full_bytes, uint64_t bytes);
void child_ram_close(struct child_ram *ram);

#endif
