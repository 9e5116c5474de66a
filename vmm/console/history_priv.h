/* SPDX-License-Identifier: Apache-2.0 */
/* The last part of what the guest wrote: where new clients begin, and slow ones lag behind. */
#ifndef AEROSTAT_CONSOLE_HISTORY_PRIV_H
#define AEROSTAT_CONSOLE_HISTORY_PRIV_H

#include <stddef.h>
#include <stdint.h>

#define HISTORY_BYTES ((size_t)64 << 10)

/* Zero-initialise. Positions count all bytes there ever were. */
struct history {
    uint64_t end; /* position behind the newest byte */
    uint8_t bytes[HISTORY_BYTES];
};

void history_append(struct history *history, const uint8_t *data, size_t len);

/* The position of the oldest byte that is kept. */
uint64_t history_start(const struct history *history);

/* The bytes from position, which lies between start and end, that lie in one piece. */
size_t history_peek(const struct history *history, uint64_t position, const uint8_t **out_data);

#endif
