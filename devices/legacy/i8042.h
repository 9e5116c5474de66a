/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A keyboard controller with a keyboard that has three keys: what operating systems reset a PC
 * with, and the way to tell a guest Ctrl+Alt+Del. Ports from vCPU threads, keys from any thread;
 * one leaf lock inside.
 *
 * Each command is answered when the write of it returns, so that a driver's probe never waits.
 * There is no port for a mouse. The keyboard speaks scan code set 2, which the controller
 * translates to set 1 while its configuration byte says so, as after power-on.
 */
#ifndef AEROSTAT_LEGACY_I8042_H
#define AEROSTAT_LEGACY_I8042_H

#include <stdint.h>

/* I/O ports 0x60 (data) and 0x64 (status, command). */
#define I8042_DATA_PORT    0x60u
#define I8042_COMMAND_PORT 0x64u
/* Bytes that wait in the keyboard at most; what it says beyond is lost. */
#define I8042_QUEUE_SIZE 16u

struct i8042;

/*
 * irq_fd is an eventfd written on each rising edge of the keyboard's interrupt line, -1 for none;
 * borrowed, outlives the device. on_reset(arg) is called when the guest pulls the reset line, on
 * its vCPU's thread, without the lock. Returns 0 or -ENOMEM.
 */
int i8042_create(int irq_fd, void (*on_reset)(void *arg), void *arg, struct i8042 **out_dev);
/* Accepts NULL. */
void i8042_destroy(struct i8042 *dev);

/* port is one of the two, any other reads 0 and ignores writes. vCPU threads. */
uint8_t i8042_read(struct i8042 *dev, uint16_t port);
void i8042_write(struct i8042 *dev, uint16_t port, uint8_t value);

/*
 * Presses Ctrl, Alt and Del, and lets them go: all of it or nothing. Any thread. Returns 0;
 * -ENODEV while no driver of the guest listens, which is when it has not enabled the keyboard's
 * interrupt, or has switched the keyboard off; -EBUSY when the guest has yet to read so much that
 * there is no room.
 */
int i8042_send_ctrl_alt_del(struct i8042 *dev);

#endif
