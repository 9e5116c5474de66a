/* SPDX-License-Identifier: Apache-2.0 */
/* The real monitor as a child process: its console by pipes, its statistics by the control socket.
 */
#ifndef AEROSTAT_TESTS_VM_PROCESS_H
#define AEROSTAT_TESTS_VM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How long anything here may take before the test fails: far above what it needs on a loaded
 * machine. */
#define VMP_DEADLINE_S 60

struct vmp {
    pid_t pid;
    int in_fd;  /* the guest's serial input */
    int out_fd; /* the guest's serial output */
    char dir[64];
    char sock[96];
    char pending[4096]; /* output that was read but not yet asked for */
    size_t pending_len;
};

/*
 * Runs `monitor run args... --api-sock SOCK`, with a socket in a folder of its own. args ends with
 * NULL. Fails the test if it cannot be started.
 */
void vmp_start(struct vmp *vm, const char *monitor, const char *const args[]);

/* Next line of the console without its line end; false at its end. Fails the test after the
 * deadline. */
bool vmp_read_line(struct vmp *vm, char *line, size_t size);

/* Reads lines until one equals text; a line that begins with "fail:" fails the test. */
void vmp_expect(struct vmp *vm, const char *text);

/* Reads a line "name=value", returns the value. */
uint64_t vmp_expect_value(struct vmp *vm, const char *name);

/* Types one byte on the guest's console. */
void vmp_continue(struct vmp *vm);

/* The number behind a key of GET /balloon/statistics, wherever it is nested. Fails the test if it
 * is not there. */
uint64_t vmp_stat(struct vmp *vm, const char *key);

/*
 * Waits until that number is value; fails the test after the deadline. For what the guest cannot
 * see happen, such as the count of a notification whose buffers were found without it.
 */
void vmp_await_stat(struct vmp *vm, const char *key, uint64_t value);

/*
 * One HTTP request over the control socket with an optional JSON body. Fills reply (NUL-terminated,
 * head and body), returns the status code; 0 if nobody answers.
 */
int vmp_http(const char *sock, const char *method, const char *path, const char *body, char *reply,
             size_t size);

/* Waits for the end and returns the status of waitpid(2). Also checks that the socket is gone, and
 * removes the folder. */
int vmp_wait(struct vmp *vm);

#endif
