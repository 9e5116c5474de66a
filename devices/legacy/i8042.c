/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of the keyboard controller and of the keyboard behind it. Each access is one step of
 * constant work; what a guest does out of order confuses only itself.
 */
#include "devices/legacy/i8042.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    STATUS_OUTPUT_FULL = 0x01,
    STATUS_SYSTEM = 0x04,     /* the self test has passed */
    STATUS_UNLOCKED = 0x10,   /* no keyboard lock; Linux warns without it */
    OUTPUT_RESET_LINE = 0x01, /* of the output port; active low */
    OUTPUT_A20_LINE = 0x02,   /* always on: nothing here wraps at 1 MiB */
    PULSE_RESET_LINE = 0x01,  /* of commands 0xf0 to 0xff: lines whose bits are 0 are pulsed */
};

/* The configuration byte. */
enum {
    CONFIG_KBD_INTERRUPT = 0x01,
    CONFIG_SYSTEM = 0x04,
    CONFIG_KBD_OFF = 0x10, /* the keyboard keeps what it has to say */
    CONFIG_AUX_OFF = 0x20,
    CONFIG_TRANSLATE = 0x40,
    CONFIG_WRITABLE = 0x7f,
    /* As firmware leaves a PC, but for the interrupt, which tells of a driver. */
    CONFIG_POWER_ON = CONFIG_SYSTEM | CONFIG_AUX_OFF | CONFIG_TRANSLATE,
};

enum {
    CMD_READ_CONFIG = 0x20,
    CMD_WRITE_CONFIG = 0x60,
    CMD_AUX_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_KBD_TEST = 0xab,
    CMD_KBD_OFF = 0xad,
    CMD_KBD_ON = 0xae,
    CMD_READ_OUTPUT = 0xd0,
    CMD_WRITE_OUTPUT = 0xd1,
    CMD_KBD_LOOP = 0xd2,
    CMD_AUX_LOOP = 0xd3,
    CMD_AUX_WRITE = 0xd4,
    CMD_PULSE_FIRST = 0xf0,
};

enum {
    REPLY_SELF_TEST_PASSED = 0x55,
    REPLY_PORT_FINE = 0x00,
    REPLY_CLOCK_STUCK_LOW = 0x01, /* how a port test says that there is no such port */
};

enum {
    KBD_SET_LEDS = 0xed, /* the first of the commands: what is below is a parameter */
    KBD_ECHO = 0xee,
    KBD_SCAN_CODE_SET = 0xf0,
    KBD_IDENTIFY = 0xf2,
    KBD_SET_RATE = 0xf3,
    KBD_ENABLE = 0xf4,
    KBD_DISABLE = 0xf5,
    KBD_DEFAULTS = 0xf6,
    KBD_RESET = 0xff,
};

enum {
    KBD_ACK = 0xfa,
    KBD_REFUSED = 0xfe, /* "resend": how a keyboard says that it does not know a command */
    KBD_TEST_PASSED = 0xaa,
    SCAN_CODE_SET = 2, /* the only one */
};

/* What differs with translation: scan codes, and the second byte of the keyboard's identity. */
static const uint8_t identity[] = {0xab, 0x83};
static const uint8_t identity_translated[] = {0xab, 0x41};
/* Ctrl, Alt, Del down; Del, Alt, Ctrl up. */
static const uint8_t keys[] = {0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14};
static const uint8_t keys_translated[] = {0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d};

struct i8042 {
    int irq_fd;
    void (*on_reset)(void *arg);
    void *arg;
    /* Guards all below. Leaf: nothing is taken inside it. */
    pthread_mutex_t lock;
    uint8_t config;
    uint8_t command;     /* of the controller, that waits for its data byte; or 0 */
    uint8_t kbd_command; /* of the keyboard, that waits for its parameter; or 0 */
    bool silent;         /* the keyboard does not tell of keys */
    bool line_high;      /* the interrupt line, to find its rising edges */
    bool replied;        /* the controller's answer waits, before what the keyboard says */
    uint8_t reply;
    size_t first; /* index of the oldest byte in queue */
    size_t count;
    uint8_t queue[I8042_QUEUE_SIZE]; /* what the keyboard says */
};

int i8042_create(int irq_fd, void (*on_reset)(void *arg), void *arg, struct i8042 **out_dev)
{
    struct i8042 *dev = calloc(1, sizeof(*dev));
    if (dev == NULL)
        return -ENOMEM;
    dev->irq_fd = irq_fd;
    dev->on_reset = on_reset;
    dev->arg = arg;
    dev->config = CONFIG_POWER_ON;
    pthread_mutex_init(&dev->lock, NULL);
    *out_dev = dev;
    return 0;
}

void i8042_destroy(struct i8042 *dev)
{
    if (dev == NULL)
        return;
    pthread_mutex_destroy(&dev->lock);
    free(dev);
}

static bool kbd_byte_waits(const struct i8042 *dev)
{
    return dev->count > 0 && !(dev->config & CONFIG_KBD_OFF);
}

static bool output_full(const struct i8042 *dev)
{
    return dev->replied || kbd_byte_waits(dev);
}

/*
 * Follows a change of state with the interrupt line; each rising edge is one write to irq_fd. Lock
 * held.
 */
static void update_line(struct i8042 *dev)
{
    bool high = output_full(dev) && (dev->config & CONFIG_KBD_INTERRUPT);
    bool rose = high && !dev->line_high;
    dev->line_high = high;
    if (!rose || dev->irq_fd < 0)
        return;
    uint64_t one = 1;
    ssize_t ignored = write(dev->irq_fd, &one, sizeof(one));
    (void)ignored;
}

/* The answer to a newer command takes the place of one that nobody read. */
static void reply(struct i8042 *dev, uint8_t value)
{
    dev->replied = true;
    dev->reply = value;
}

static void kbd_say(struct i8042 *dev, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len && dev->count < I8042_QUEUE_SIZE; i++)
        dev->queue[(dev->first + dev->count++) % I8042_QUEUE_SIZE] = bytes[i];
}

static void kbd_say_byte(struct i8042 *dev, uint8_t byte)
{
    kbd_say(dev, &byte, 1);
}

static void kbd_identify(struct i8042 *dev)
{
    if (dev->config & CONFIG_TRANSLATE)
        kbd_say(dev, identity_translated, sizeof(identity_translated));
    else
        kbd_say(dev, identity, sizeof(identity));
}

static void kbd_parameter(struct i8042 *dev, uint8_t command, uint8_t value)
{
    bool other_set = command == KBD_SCAN_CODE_SET && value != 0 && value != SCAN_CODE_SET;
    kbd_say_byte(dev, other_set ? KBD_REFUSED : KBD_ACK);
    if (command == KBD_SCAN_CODE_SET && value == 0)
        kbd_say_byte(dev, SCAN_CODE_SET);
}

static void kbd_new_command(struct i8042 *dev, uint8_t command)
{
    switch (command) {
    case KBD_SET_LEDS:
    case KBD_SCAN_CODE_SET:
    case KBD_SET_RATE:
        dev->kbd_command = command;
        kbd_say_byte(dev, KBD_ACK);
        break;
    case KBD_ECHO:
        kbd_say_byte(dev, KBD_ECHO);
        break;
    case KBD_IDENTIFY:
        kbd_say_byte(dev, KBD_ACK);
        kbd_identify(dev);
        break;
    case KBD_DISABLE:
        dev->silent = true;
        kbd_say_byte(dev, KBD_ACK);
        break;
    case KBD_ENABLE:
        dev->silent = false;
        kbd_say_byte(dev, KBD_ACK);
        break;
    case KBD_DEFAULTS:
        kbd_say_byte(dev, KBD_ACK);
        break;
    case KBD_RESET:
        dev->count = 0;
        dev->silent = false;
        kbd_say_byte(dev, KBD_ACK);
        kbd_say_byte(dev, KBD_TEST_PASSED);
        break;
    default:
        kbd_say_byte(dev, KBD_REFUSED);
        break;
    }
}

/* A byte for the keyboard, whose interface it enables. */
static void kbd_write(struct i8042 *dev, uint8_t value)
{
    uint8_t command = dev->kbd_command;
    dev->kbd_command = 0;
    dev->config &= (uint8_t)~CONFIG_KBD_OFF;
    /* A driver that starts anew does not know of a command left half. */
    if (command != 0 && value < KBD_SET_LEDS)
        kbd_parameter(dev, command, value);
    else
        kbd_new_command(dev, value);
}

static uint8_t take_byte(struct i8042 *dev)
{
    /* The line falls with the byte: one that follows is a new edge. */
    dev->line_high = false;
    if (dev->replied) {
        dev->replied = false;
        return dev->reply;
    }
    if (!kbd_byte_waits(dev))
        return 0;
    uint8_t byte = dev->queue[dev->first];
    dev->first = (dev->first + 1) % I8042_QUEUE_SIZE;
    dev->count--;
    return byte;
}

static uint8_t read_status(const struct i8042 *dev)
{
    return STATUS_SYSTEM | STATUS_UNLOCKED | (output_full(dev) ? STATUS_OUTPUT_FULL : 0);
}

uint8_t i8042_read(struct i8042 *dev, uint16_t port)
{
    uint8_t value = 0;
    pthread_mutex_lock(&dev->lock);
    if (port == I8042_COMMAND_PORT)
        value = read_status(dev);
    else if (port == I8042_DATA_PORT)
        value = take_byte(dev);
    update_line(dev);
    pthread_mutex_unlock(&dev->lock);
    return value;
}

/* Returns whether the command resets. */
static bool write_command(struct i8042 *dev, uint8_t command)
{
    dev->command = 0;
    switch (command) {
    case CMD_READ_CONFIG:
        reply(dev, dev->config);
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
    case CMD_KBD_OFF:
        dev->config |= CONFIG_KBD_OFF;
        break;
    case CMD_KBD_ON:
        dev->config &= (uint8_t)~CONFIG_KBD_OFF;
        break;
    case CMD_READ_OUTPUT:
        reply(dev, OUTPUT_RESET_LINE | OUTPUT_A20_LINE);
        break;
    case CMD_WRITE_CONFIG:
    case CMD_WRITE_OUTPUT:
    case CMD_KBD_LOOP:
    case CMD_AUX_LOOP:
    case CMD_AUX_WRITE:
        dev->command = command;
        break;
    default: /* what is not here: the mouse's port, the controller's memory */
        return command >= CMD_PULSE_FIRST && !(command & PULSE_RESET_LINE);
    }
    return false;
}

/* Returns whether the byte resets. */
static bool write_data(struct i8042 *dev, uint8_t value)
{
    uint8_t command = dev->command;
    dev->command = 0;
    switch (command) {
    case CMD_WRITE_CONFIG:
        dev->config = value & CONFIG_WRITABLE;
        break;
    case CMD_WRITE_OUTPUT:
        return !(value & OUTPUT_RESET_LINE);
    case CMD_KBD_LOOP:
    case CMD_AUX_LOOP:
        /*
         * The mouse's comes back as keyboard data, which says that there is no mouse port: without
         * an answer a driver waits half a second for it.
         */
        reply(dev, value);
        break;
    case CMD_AUX_WRITE: /* nobody is there */
        break;
    default:
        kbd_write(dev, value);
        break;
    }
    return false;
}

void i8042_write(struct i8042 *dev, uint16_t port, uint8_t value)
{
    bool resets = false;
    pthread_mutex_lock(&dev->lock);
    if (port == I8042_COMMAND_PORT)
        resets = write_command(dev, value);
    else if (port == I8042_DATA_PORT)
        resets = write_data(dev, value);
    update_line(dev);
    pthread_mutex_unlock(&dev->lock);
    if (resets && dev->on_reset != NULL)
        dev->on_reset(dev->arg);
}

static int press(struct i8042 *dev, const uint8_t *codes, size_t len)
{
    if (len > I8042_QUEUE_SIZE - dev->count)
        return -EBUSY;
    kbd_say(dev, codes, len);
    update_line(dev);
    return 0;
}

int i8042_send_ctrl_alt_del(struct i8042 *dev)
{
    int ret = -ENODEV;
    pthread_mutex_lock(&dev->lock);
    bool listens = (dev->config & CONFIG_KBD_INTERRUPT) && !(dev->config & CONFIG_KBD_OFF);
    if (listens && !dev->silent && (dev->config & CONFIG_TRANSLATE))
        ret = press(dev, keys_translated, sizeof(keys_translated));
    else if (listens && !dev->silent)
        ret = press(dev, keys, sizeof(keys));
    pthread_mutex_unlock(&dev->lock);
    return ret;
}
