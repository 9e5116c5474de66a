/* SPDX-License-Identifier: Apache-2.0 */
/* A console server whose loop a thread runs, and a guest that takes input at its own pace. */
#ifndef AEROSTAT_TESTS_CONSOLE_FIXTURE_H
#define AEROSTAT_TESTS_CONSOLE_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/console/server.h"

#define FIXTURE_LOG_LIMIT 100000u

struct fixture {
    char dir[64];
    char sock[96];
    int dir_fd;
    struct ev_loop *loop;
    pthread_t thread;
    struct console_server *server;
    struct err err;
    /* What the guest takes with one call, and what it took. */
    atomic_size_t step;
    atomic_size_t taken;
    uint8_t input[65536];
};

extern struct fixture fx;

/* A folder, a server in it, its loop running. */
void fixture_setup(void);
/* Stops the loop, and runs it again; the server may be touched in between. */
void fixture_stop(void);
void fixture_run(void);
/* Destroys all. */
void fixture_teardown(void);

/* The guest writes. */
void fixture_print(const void *data, size_t len);
/* A client, whose reads wait for 20 s at most. */
int fixture_connect(void);
/* Reads len bytes, which must come. */
void fixture_read(int fd, void *out, size_t len);
/* Reads until nothing comes for ms; returns how much. */
size_t fixture_read_all(int fd, uint8_t *out, size_t size, int ms);
/* Waits until the guest has taken len bytes altogether. */
void fixture_await_input(size_t len);
/* The size of a file in the folder, -1 when there is none. */
long long fixture_size(const char *name);
/* Bytes that tell their position. */
void fixture_pattern(uint8_t *out, size_t len, uint64_t position);

#endif
