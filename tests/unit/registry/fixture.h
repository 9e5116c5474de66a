/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime directory of its own for each test, which the environment names. */
#ifndef AEROSTAT_TESTS_REGISTRY_FIXTURE_H
#define AEROSTAT_TESTS_REGISTRY_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "vmm/registry/registry.h"

struct fixture {
    char top[64]; /* the test's folder */
    char dir[96]; /* the runtime directory in it */
    struct registry *registry;
    struct err err;
};

extern struct fixture fx;

/* Makes and opens the runtime directory. */
void fixture_setup(void);
/* Removes everything. */
void fixture_teardown(void);

/* The path of name in the runtime directory; one of four buffers in turn. */
const char *fixture_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Writes a file. */
void fixture_write(const char *path, const char *text);
/* Whether there is something of that name, be it a dangling link. */
bool fixture_exists(const char *path);
/* How many entries a folder has. */
unsigned fixture_count(const char *path);

/* Claims a name; fails the test where that is impossible. */
struct registry_claim *fixture_claim(const char *name);

/*
 * A process that claims name, makes the files of a detached machine and waits. Returns when it has
 * done so.
 */
pid_t fixture_monitor(const char *name);
/* SIGKILL, and waits. */
void fixture_kill(pid_t pid);

#endif
