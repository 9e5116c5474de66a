/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of the keyboard controller. Each access is one step of a guest; racing accesses confuse
 * only their guest.
 */
#include "devices/legacy/i8042.h"

#include <stdatomic.h>
#include <stddef.h>

enum {
    STATUS_OUTPUT_FULL = 0x01,
    STATUS_SYSTEM = 0x04,     /* the self test has passed */
    STATUS_UNLOCKED = 0x10,   /* no keyboard lock; Linux warns without it */
    OUTPUT_RESET_LINE = 0x01, /* of the output port; active low */
};

enum {
    CMD_READ_CONFIG = 0x20,
    CMD_WRITE_CONFIG = 0x60,
    CMD_AUX_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_KBD_TEST = 0xab,
    CMD_READ_OUTPUT = 0xd0,
    CMD_WRITE_OUTPUT = 0xd1,
    CMD_AUX_LOOP = 0xd3,
    CMD_PULSE_RESET = 0xfe,
};

enum {
    REPLY_SELF_TEST_PASSED = 0x55,
    REPLY_PORT_FINE = 0x00,
    REPLY_CLOCK_STUCK_LOW = 0x01, /* how a port test says that there is no such port */
};

static void reply(struct i8042 *dev, uint8_t value)
{
    atomic_store_explicit(&dev->data, value, memory_order_relaxed);
    /* Release: pairs with the acquire in i8042_read(), which must see the data of this reply. */
    atomic_store_explicit(&dev->pending, 1, memory_order_release);
}

static void reset(struct i8042 *dev)
{
    if (dev->on_reset != NULL)
        dev->on_reset(dev->arg);
}

uint8_t i8042_read(struct i8042 *dev, uint16_t port)
{
    if (port == I8042_COMMAND_PORT) {
        uint8_t full = atomic_load_explicit(&dev->pending, memory_order_relaxed);
        return STATUS_SYSTEM | STATUS_UNLOCKED | (full ? STATUS_OUTPUT_FULL : 0);
    }
    if (port != I8042_DATA_PORT)
        return 0;
    /* Acquire: pairs with the release in reply(). */
    if (!atomic_exchange_explicit(&dev->pending, 0, memory_order_acquire))
        return 0;
    return atomic_load_explicit(&dev->data, memory_order_relaxed);
}

static void write_command(struct i8042 *dev, uint8_t command)
{
    atomic_store_explicit(&dev->command, 0, memory_order_relaxed);
    switch (command) {
    case CMD_READ_CONFIG:
        reply(dev, atomic_load_explicit(&dev->config, memory_order_relaxed));
        break;
    case CMD_SELF_TEST:
        reply(dev, REPLY_SELF_TEST_PASSED);
        break;
    case CMD_KBD_TEST:
        reply(dev, REPLY_PORT_FINE);
        break;
    case CMD_AUX_TEST:
        reply(dev, REPLY_CLOCK_STUCK_LOW);
        break;
    case CMD_READ_OUTPUT:
        reply(dev, OUTPUT_RESET_LINE);
        break;
    case CMD_WRITE_CONFIG:
    case CMD_WRITE_OUTPUT:
    case CMD_AUX_LOOP:
        atomic_store_explicit(&dev->command, command, memory_order_relaxed);
        break;
    case CMD_PULSE_RESET:
        reset(dev);
        break;
    default: /* enabling and disabling ports that have nothing attached */
        break;
    }
}

static void write_data(struct i8042 *dev, uint8_t value)
{
    switch (atomic_exchange_explicit(&dev->command, 0, memory_order_relaxed)) {
    case CMD_WRITE_CONFIG:
        atomic_store_explicit(&dev->config, value, memory_order_relaxed);
        break;
    case CMD_WRITE_OUTPUT:
        if (!(value & OUTPUT_RESET_LINE))
            reset(dev);
        break;
    case CMD_AUX_LOOP:
        /* Comes back as keyboard data: without an answer a driver waits half a second for it. */
        reply(dev, value);
        break;
    default: /* for a keyboard, and none is attached */
        break;
    }
}

void i8042_write(struct i8042 *dev, uint16_t port, uint8_t value)
{
    if (port == I8042_COMMAND_PORT)
        write_command(dev, value);
    else if (port == I8042_DATA_PORT)
        write_data(dev, value);
}
