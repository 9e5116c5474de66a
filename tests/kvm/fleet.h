/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime directory for one test program, and what is in it. */
#ifndef AEROSTAT_TESTS_KVM_FLEET_H
#define AEROSTAT_TESTS_KVM_FLEET_H

#include <check.h>
#include <stdbool.h>
#include <sys/types.h>

#include "tests/support/command.h"

#define IDLE_GUEST PAYLOAD_DIR "/payload_idle"
#define ECHO_GUEST PAYLOAD_DIR "/payload_echo"

/* The runtime directory, which the environment names. */
extern char fleet_dir[64];
/* Of the last aerostat(). */
extern struct command_result result;

/* Runs the program with these words. */
#define aerostat(...)                                                                              \
    command_run(&result, AEROSTAT_MONITOR, (const char *const[]){__VA_ARGS__, NULL}, NULL)

/* Before and after all tests: makes the directory; kills what runs in it and removes it. */
void fleet_setup(void);
void fleet_teardown(void);
/* Before each test: kills and removes what another one that failed has left. */
void fleet_sweep(void);

/* The monitor's number, from the lock; fails the test when there is none. */
pid_t fleet_pid(const char *name);
/* Waits until that process has ended. */
void fleet_expect_gone(pid_t pid);
/* The directory is empty. */
void fleet_expect_empty(void);
/* How often word is in text. */
unsigned fleet_count(const char *text, const char *word);
/* The path of a file in the directory; one of four buffers in turn. */
const char *fleet_path(const char *name, const char *file);

#endif
