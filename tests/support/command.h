/* SPDX-License-Identifier: Apache-2.0 */
/* The real program as a child process that ends: its output and its status. */
#ifndef AEROSTAT_TESTS_COMMAND_H
#define AEROSTAT_TESTS_COMMAND_H

#include <stddef.h>
#include <sys/types.h>

/* How long a command may take before the test fails. */
#define COMMAND_DEADLINE_S 60

struct command_result {
    int status;      /* its exit status; 128 + n for signal n */
    char out[65536]; /* standard output, as far as it has room */
    char err[4096];  /* standard error, likewise */
};

/*
 * Runs program with args, which end with NULL, and input on standard input (NULL: none). Returns
 * when it has ended and nobody has its output open any more; fails the test after the deadline.
 */
void command_run(struct command_result *out, const char *program, const char *const args[],
                 const char *input);

/* Starts it without waiting, its output dropped. Returns its number. */
pid_t command_start(const char *program, const char *const args[]);

#endif
