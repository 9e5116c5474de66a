/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 16550A UART as the guest's console. Registers from vCPU threads, input from the io loop; one
 * leaf lock inside, not held while a byte is written out.
 *
 * The transmitter is always empty: a byte is out when the register write returns. The receive FIFO
 * is deeper than the 16 bytes that a 16550A announces, so that pasted text survives until the guest
 * looks.
 */
#ifndef AEROSTAT_LEGACY_SERIAL_H
#define AEROSTAT_LEGACY_SERIAL_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/bucket.h"

#define SERIAL_PORT_COUNT 8u
/* Bytes of input that wait for the guest at most. */
#define SERIAL_INPUT_SIZE 256u

struct serial;

/*
 * out_fd gets each byte the guest sends, -1 drops them; irq_fd is an eventfd written on each rising
 * interrupt edge, -1 for none. Both borrowed, outlive the device. Returns 0 or -ENOMEM.
 */
int serial_create(int out_fd, int irq_fd, struct serial **out_serial);
/* Where output that cannot go out has gone. */
struct serial_counters {
    uint64_t dropped_bytes; /* nobody took them */
    uint64_t limited_bytes; /* over the limit */
};

/*
 * From now on a byte that out_fd does not take at once is dropped rather than waited for, and so is
 * one over the limit. Before the vCPUs run.
 */
void serial_set_lossy(struct serial *serial, const struct bucket_limit *limit);

/* Any thread. */
void serial_get_counters(struct serial *serial, struct serial_counters *out);

/* Accepts NULL. */
void serial_destroy(struct serial *serial);

/*
 * One register, offset 0..7 (anything else reads 0 and ignores writes). vCPU threads. A write of
 * the transmit register blocks while out_fd does, unless it is lossy; a signal (EINTR) or an error
 * drops the byte, so that a vCPU can always be stopped.
 */
uint8_t serial_read(struct serial *serial, uint64_t offset);
void serial_write(struct serial *serial, uint64_t offset, uint8_t value);

/*
 * How many bytes serial_input() would take now: none while the guest has the UART in loopback. Any
 * thread.
 */
size_t serial_input_room(struct serial *serial);
/* Puts up to len bytes in the receive FIFO, returns how many fitted. Any thread. */
size_t serial_input(struct serial *serial, const uint8_t *data, size_t len);

#endif
