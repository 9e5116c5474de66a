/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the keyboard controller: the input is a script of port accesses and of keys pressed, two
 * bytes a step. A model of the configuration says after each step which interrupts and resets
 * there must have been, whether keys may be pressed, and what may wait to be read.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/legacy/i8042.h"
#include "tests/fuzz/require.h"

#define STEPS_LIMIT 4096u

#define STATUS_FULL   0x01u
#define STATUS_ALWAYS 0x14u

#define CONFIG_INTERRUPT 0x01u
#define CONFIG_OFF       0x10u
#define CONFIG_TRANSLATE 0x40u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step { STEP_COMMAND, STEP_DATA, STEP_STATUS, STEP_READ, STEP_PRESS, STEP_COUNT };

/* What a guest that knows the rules expects. */
struct model {
    struct i8042 *dev;
    int irq_fd;
    unsigned resets;
    unsigned resets_wanted;
    uint8_t config;
    uint8_t command;     /* that waits for a byte of data */
    uint8_t kbd_command; /* that waits for a parameter */
    bool silent;
    bool high; /* the interrupt line, after the last step */
};

static void on_reset(void *arg)
{
    struct model *m = arg;
    m->resets++;
}

static bool full(const struct model *m)
{
    uint8_t status = i8042_read(m->dev, I8042_COMMAND_PORT);
    require((status & ~STATUS_FULL) == STATUS_ALWAYS);
    return status & STATUS_FULL;
}

static uint64_t edges(const struct model *m)
{
    uint64_t n = 0;
    return read(m->irq_fd, &n, sizeof(n)) == (ssize_t)sizeof(n) ? n : 0;
}

static void write_command(struct model *m, uint8_t value)
{
    i8042_write(m->dev, I8042_COMMAND_PORT, value);
    m->command = 0;
    if (value == 0xad)
        m->config |= CONFIG_OFF;
    else if (value == 0xae)
        m->config &= (uint8_t)~CONFIG_OFF;
    else if (value == 0x60 || (value >= 0xd1 && value <= 0xd4))
        m->command = value;
    else if (value >= 0xf0 && !(value & 1))
        m->resets_wanted++;
}

/* A parameter changes nothing that the model has. */
static void write_keyboard(struct model *m, uint8_t value)
{
    bool is_parameter = m->kbd_command != 0 && value < 0xed;
    m->config &= (uint8_t)~CONFIG_OFF;
    m->kbd_command = 0;
    if (is_parameter)
        return;
    if (value == 0xed || value == 0xf0 || value == 0xf3)
        m->kbd_command = value;
    else if (value == 0xf5)
        m->silent = true;
    else if (value == 0xf4 || value == 0xff)
        m->silent = false;
}

static void write_data(struct model *m, uint8_t value)
{
    uint8_t command = m->command;
    i8042_write(m->dev, I8042_DATA_PORT, value);
    m->command = 0;
    if (command == 0x60)
        m->config = value & 0x7f;
    else if (command == 0xd1)
        m->resets_wanted += !(value & 1);
    else if (command == 0)
        write_keyboard(m, value);
}

/* Reads what waits, into room for more than there may be. Returns how much there was. */
static size_t drain(const struct model *m, uint8_t bytes[I8042_QUEUE_SIZE + 1])
{
    size_t n = 0;
    while (full(m)) {
        require(n < I8042_QUEUE_SIZE + 1);
        bytes[n++] = i8042_read(m->dev, I8042_DATA_PORT);
    }
    require(i8042_read(m->dev, I8042_DATA_PORT) == 0);
    return n;
}

static void expect_keys_last(struct model *m)
{
    static const uint8_t set_1[] = {0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d};
    static const uint8_t set_2[] = {0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0,
                                    0x71, 0xf0, 0x11, 0xf0, 0x14};
    bool translated = m->config & CONFIG_TRANSLATE;
    const uint8_t *keys = translated ? set_1 : set_2;
    size_t len = translated ? sizeof(set_1) : sizeof(set_2);
    uint8_t bytes[I8042_QUEUE_SIZE + 1];
    size_t n = drain(m, bytes);
    require(n >= len && memcmp(bytes + n - len, keys, len) == 0);
}

/* The argument says whether the guest reads them at once. */
static void press(struct model *m, uint8_t value)
{
    bool listens = (m->config & CONFIG_INTERRUPT) && !(m->config & CONFIG_OFF) && !m->silent;
    bool was_full = full(m);
    int ret = i8042_send_ctrl_alt_del(m->dev);
    require(listens ? ret == 0 || (ret == -EBUSY && was_full) : ret == -ENODEV);
    if (ret != 0 || !(value & 1))
        return;
    expect_keys_last(m);
    m->high = false;
    (void)edges(m);
}

static void check_line(struct model *m, bool was_high)
{
    bool high = full(m) && (m->config & CONFIG_INTERRUPT);
    require(edges(m) == (high && !was_high));
    m->high = high;
}

static void run_step(struct model *m, enum step step, uint8_t value)
{
    bool was_full;
    switch (step) {
    case STEP_COMMAND:
        write_command(m, value);
        break;
    case STEP_DATA:
        write_data(m, value);
        break;
    case STEP_STATUS:
        require(i8042_read(m->dev, (uint16_t)(0x60u + value)) == 0 || value == 0 || value == 4);
        m->high = m->high && value != 0;
        break;
    case STEP_READ:
        was_full = full(m);
        require(i8042_read(m->dev, I8042_DATA_PORT) == 0 || was_full);
        m->high = false;
        break;
    case STEP_PRESS:
        press(m, value);
        break;
    case STEP_COUNT:
        break;
    }
    check_line(m, m->high);
    require(m->resets == m->resets_wanted);
}

/* Whatever was done to it, a driver that starts anew has a keyboard. */
static void expect_usable(struct model *m)
{
    uint8_t bytes[I8042_QUEUE_SIZE + 1];
    write_command(m, 0xae);
    (void)drain(m, bytes);
    write_command(m, 0x60);
    write_data(m, CONFIG_INTERRUPT | CONFIG_TRANSLATE);
    write_data(m, 0xff);
    require(drain(m, bytes) == 2 && bytes[0] == 0xfa && bytes[1] == 0xaa);
    write_command(m, 0x20);
    require(i8042_read(m->dev, I8042_DATA_PORT) == (CONFIG_INTERRUPT | CONFIG_TRANSLATE));
    require(i8042_send_ctrl_alt_del(m->dev) == 0);
    expect_keys_last(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int irq_fd = -1;
    if (irq_fd < 0)
        irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    require(irq_fd >= 0);
    struct model m = {.irq_fd = irq_fd, .config = 0x64};
    require(i8042_create(irq_fd, on_reset, &m, &m.dev) == 0);
    for (size_t i = 0; i + 1 < size && i / 2 < STEPS_LIMIT; i += 2)
        run_step(&m, data[i] % STEP_COUNT, data[i + 1]);
    expect_usable(&m);
    (void)edges(&m);
    i8042_destroy(m.dev);
    return 0;
}
