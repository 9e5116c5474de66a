/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest agent's parts share: answers on the console, and the commands. */
#ifndef AGENT_H
#define AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Answers: one line on the console, marked with "@ " so that it can be told from kernel messages.
 * agent_ok() and agent_error() end the answer to a command.
 */
void agent_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void agent_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
void agent_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Milliseconds since the kernel started its clock. */
long agent_uptime_ms(void);

/* boot.c: what process 1 does before it can answer. */

/* Mounts /dev, /proc, /sys and what else the commands look into. */
void boot_mount(void);
/* Opens the console as descriptors 0 to 2 and sets it raw: no echo, bytes pass unchanged. */
void boot_console(void);
/* Loads the modules that /lib/modules/load-order names. */
void boot_modules(void);
/* True if the kernel's command line has this word. */
bool boot_cmdline_has(const char *word);
/* Copies the value of key=value on the kernel's command line; false if it is not there. */
bool boot_cmdline_value(const char *key, char *out, unsigned size);
/* Loads /lib/modules/<name>.ko with these parameters. Returns 0 or -errno. */
int boot_load_module(const char *name, const char *params);

/*
 * driver.c: the commands load, unload and balloon_interrupts, each with its arguments as one
 * string; they answer.
 */
void driver_load(const char *args);
void driver_unload(const char *args);
void driver_interrupts(const char *args);
/* Gives the balloon to the driver that the kernel's command line names. */
void driver_start_chosen(void);

/*
 * shell.c: runs busybox's shell on the console, sane until it ends and raw again then. Returns
 * false where the image has none.
 */
bool shell_run(void);

#define MEMORY_MIB  ((size_t)1 << 20)
#define MEMORY_PAGE ((size_t)4096)
/* Patterns have one word a cache line: a page that was lost reads as zeroes, one that was swapped
 * as another's words. */
#define MEMORY_STRIDE ((size_t)64)

/* A word that differs in each stride and for each seed. */
uint64_t memory_pattern(uint64_t seed, uint64_t offset);

/* memory.c: each is a command with its arguments as one string, and answers. */
void memory_info(const char *args);
void memory_fill(const char *args);
void memory_fragment(const char *args);
void memory_verify(const char *args);
void memory_free(const char *args);
void memory_touch(const char *args);
void memory_vmstat(const char *args);

/* soak.c: the same. */
void soak_command(const char *args);

#endif
