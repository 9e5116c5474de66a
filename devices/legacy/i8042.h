/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a keyboard controller that operating systems reset a PC with, and as much more as
 * lets a driver that probes it find out at once that no keyboard and no mouse are attached. Atomic
 * fields, no lock.
 */
#ifndef AEROSTAT_LEGACY_I8042_H
#define AEROSTAT_LEGACY_I8042_H

#include <stdint.h>

/* I/O ports 0x60 (data) and 0x64 (status, command). */
#define I8042_DATA_PORT    0x60u
#define I8042_COMMAND_PORT 0x64u

/* Zero-initialise, then set on_reset and arg. */
struct i8042 {
    void (*on_reset)(void *arg); /* the guest pulled the reset line (0xfe, or 0xd1); vCPU thread */
    void *arg;
    _Atomic uint8_t pending; /* 1 while a reply waits in the data port */
    _Atomic uint8_t data;
    _Atomic uint8_t command; /* a command that waits for its data byte, or 0 */
    _Atomic uint8_t config;  /* the controller's configuration byte (commands 0x20 and 0x60) */
};

/* port is one of the two, any other reads 0 and ignores writes. vCPU threads. */
uint8_t i8042_read(struct i8042 *dev, uint16_t port);
void i8042_write(struct i8042 *dev, uint16_t port, uint8_t value);

#endif
