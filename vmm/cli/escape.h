/* SPDX-License-Identifier: Apache-2.0 */
/* The console's escapes: Ctrl-A and a key. Plain data, no input or output. */
#ifndef AEROSTAT_CLI_ESCAPE_H
#define AEROSTAT_CLI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum escape_command {
    ESCAPE_NONE,
    ESCAPE_LEAVE, /* Ctrl-A x */
    ESCAPE_HELP,  /* Ctrl-A h */
};

/* Zero-initialise. */
struct escape {
    bool prefix; /* Ctrl-A was the last byte */
};

/*
 * Takes one byte that was typed. Returns how many bytes (0 to 2) of out go to the guest;
 * *out_command is what was asked for. Ctrl-A twice, or Ctrl-A a, is one Ctrl-A; any other key after
 * Ctrl-A stands for itself, Ctrl-A included.
 */
size_t escape_feed(struct escape *escape, uint8_t typed, uint8_t out[2],
                   enum escape_command *out_command);

#endif
