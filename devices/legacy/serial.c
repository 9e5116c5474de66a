/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers, receive FIFO and interrupt line of a 16550A. Bit names are those of
 * <linux/serial_reg.h>.
 */
#include "devices/legacy/serial.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/base/clock.h"

/* What the FIFO of a 16550A holds; in loopback the guest can count it. */
#define FIFO_DEPTH 16u
/*
 * Only the four interrupt enables of a 16550A: a driver takes a writable bit above them for another
 * chip.
 */
#define IER_MASK (UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI)
#define MCR_MASK (UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | UART_MCR_LOOP)

struct serial {
    int out_fd;
    int irq_fd;
    bool lossy;
    /* Guards all below. Leaf: nothing is taken inside it. */
    pthread_mutex_t lock;
    uint8_t ier;
    uint8_t fcr;
    uint8_t lcr;
    uint8_t mcr;
    uint8_t scr;
    uint8_t divisor[2];
    bool thr_empty_pending; /* the THR-empty interrupt has not been acknowledged yet */
    bool overrun;           /* a byte looped back met a full FIFO; until LSR is read */
    bool line_high;         /* the interrupt line, to find its rising edges */
    struct bucket bucket;   /* of output, where it is lossy */
    struct serial_counters counters;
    size_t first; /* index of the oldest byte in fifo */
    size_t count;
    uint8_t fifo[SERIAL_INPUT_SIZE];
};

int serial_create(int out_fd, int irq_fd, struct serial **out_serial)
{
    struct serial *serial = calloc(1, sizeof(*serial));
    if (serial == NULL)
        return -ENOMEM;
    serial->out_fd = out_fd;
    serial->irq_fd = irq_fd;
    /*
     * A divisor of 12 is 9600 baud; a driver that inherits the line's speed must not divide by 0.
     */
    serial->divisor[0] = 12;
    pthread_mutex_init(&serial->lock, NULL);
    *out_serial = serial;
    return 0;
}

void serial_set_lossy(struct serial *serial, const struct bucket_limit *limit)
{
    serial->lossy = true;
    bucket_init(&serial->bucket, limit, clock_mono_ns());
}

void serial_get_counters(struct serial *serial, struct serial_counters *out)
{
    pthread_mutex_lock(&serial->lock);
    *out = serial->counters;
    pthread_mutex_unlock(&serial->lock);
}

void serial_destroy(struct serial *serial)
{
    if (serial == NULL)
        return;
    pthread_mutex_destroy(&serial->lock);
    free(serial);
}

/*
 * The highest interrupt that is pending and enabled, in the order of priority of the 16550A; lock
 * held.
 */
static uint8_t interrupt_id(const struct serial *serial)
{
    if ((serial->ier & UART_IER_RLSI) && serial->overrun)
        return UART_IIR_RLSI;
    if ((serial->ier & UART_IER_RDI) && serial->count > 0)
        return UART_IIR_RDI;
    if ((serial->ier & UART_IER_THRI) && serial->thr_empty_pending)
        return UART_IIR_THRI;
    return UART_IIR_NO_INT;
}

/*
 * Follows a change of state with the interrupt line; each rising edge is one write to irq_fd. Lock
 * held.
 */
static void update_line(struct serial *serial)
{
    bool high = interrupt_id(serial) != UART_IIR_NO_INT;
    bool rose = high && !serial->line_high;
    serial->line_high = high;
    if (!rose || serial->irq_fd < 0)
        return;
    uint64_t one = 1;
    ssize_t ignored = write(serial->irq_fd, &one, sizeof(one));
    (void)ignored;
}

static void fifo_put(struct serial *serial, uint8_t byte)
{
    serial->fifo[(serial->first + serial->count) % SERIAL_INPUT_SIZE] = byte;
    serial->count++;
}

static uint8_t fifo_take(struct serial *serial)
{
    if (serial->count == 0)
        return 0;
    uint8_t byte = serial->fifo[serial->first];
    serial->first = (serial->first + 1) % SERIAL_INPUT_SIZE;
    serial->count--;
    return byte;
}

/*
 * In loopback the transmitter feeds the receiver, with the FIFO depth that the chip announces. Lock
 * held.
 */
static void loop_back(struct serial *serial, uint8_t byte)
{
    size_t depth = (serial->fcr & UART_FCR_ENABLE_FIFO) ? FIFO_DEPTH : 1;
    if (serial->count >= depth)
        serial->overrun = true;
    else
        fifo_put(serial, byte);
}

static uint8_t read_iir(struct serial *serial)
{
    uint8_t id = interrupt_id(serial);
    /* Reading IIR acknowledges THR empty, and only when that is what it reports. */
    if (id == UART_IIR_THRI)
        serial->thr_empty_pending = false;
    if (serial->fcr & UART_FCR_ENABLE_FIFO)
        id |= 0xc0; /* both FIFO bits: a 16550A, not the 16550 with its broken FIFO */
    return id;
}

static uint8_t read_lsr(struct serial *serial)
{
    uint8_t lsr = UART_LSR_THRE | UART_LSR_TEMT;
    if (serial->count > 0)
        lsr |= UART_LSR_DR;
    if (serial->overrun)
        lsr |= UART_LSR_OE;
    serial->overrun = false;
    return lsr;
}

/*
 * Without loopback the other end is there and ready; in loopback the modem outputs come back as
 * inputs.
 */
static uint8_t read_msr(const struct serial *serial)
{
    if (!(serial->mcr & UART_MCR_LOOP))
        return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
    uint8_t msr = 0;
    if (serial->mcr & UART_MCR_DTR)
        msr |= UART_MSR_DSR;
    if (serial->mcr & UART_MCR_RTS)
        msr |= UART_MSR_CTS;
    if (serial->mcr & UART_MCR_OUT1)
        msr |= UART_MSR_RI;
    if (serial->mcr & UART_MCR_OUT2)
        msr |= UART_MSR_DCD;
    return msr;
}

static uint8_t read_locked(struct serial *serial, uint64_t offset)
{
    bool dlab = serial->lcr & UART_LCR_DLAB;
    switch (offset) {
    case UART_RX:
        return dlab ? serial->divisor[0] : fifo_take(serial);
    case UART_IER:
        return dlab ? serial->divisor[1] : serial->ier;
    case UART_IIR:
        return read_iir(serial);
    case UART_LCR:
        return serial->lcr;
    case UART_MCR:
        return serial->mcr;
    case UART_LSR:
        return read_lsr(serial);
    case UART_MSR:
        return read_msr(serial);
    case UART_SCR:
        return serial->scr;
    default:
        return 0;
    }
}

uint8_t serial_read(struct serial *serial, uint64_t offset)
{
    pthread_mutex_lock(&serial->lock);
    uint8_t value = read_locked(serial, offset);
    update_line(serial);
    pthread_mutex_unlock(&serial->lock);
    return value;
}

static void write_ier(struct serial *serial, uint8_t value)
{
    uint8_t enabled = value & IER_MASK & (uint8_t)~serial->ier;
    serial->ier = value & IER_MASK;
    /*
     * Enabling the THR-empty interrupt raises it when the register is empty, which it always is
     * here.
     */
    if (enabled & UART_IER_THRI)
        serial->thr_empty_pending = true;
}

static void write_fcr(struct serial *serial, uint8_t value)
{
    bool toggled = (serial->fcr ^ value) & UART_FCR_ENABLE_FIFO;
    serial->fcr = value;
    if (toggled || (value & UART_FCR_CLEAR_RCVR))
        serial->count = 0;
}

static void write_locked(struct serial *serial, uint64_t offset, uint8_t value)
{
    bool dlab = serial->lcr & UART_LCR_DLAB;
    switch (offset) {
    case UART_TX:
        if (dlab)
            serial->divisor[0] = value;
        else if (serial->mcr & UART_MCR_LOOP)
            loop_back(serial, value);
        break;
    case UART_IER:
        if (dlab)
            serial->divisor[1] = value;
        else
            write_ier(serial, value);
        break;
    case UART_FCR:
        write_fcr(serial, value);
        break;
    case UART_LCR:
        serial->lcr = value;
        break;
    case UART_MCR:
        serial->mcr = value & MCR_MASK;
        break;
    case UART_SCR:
        serial->scr = value;
        break;
    default: /* LSR and MSR are read-only */
        break;
    }
}

/*
 * The lock is not held here: a terminal that does not take the byte must not stop input or other
 * vCPUs. False when the byte was dropped.
 */
static bool transmit(const struct serial *serial, uint8_t byte)
{
    if (serial->out_fd < 0)
        return true;
    while (write(serial->out_fd, &byte, 1) < 0) {
        if (errno != EAGAIN || serial->lossy)
            return false;
        /* Somebody else made the open file non-blocking. A signal ends the wait, and drops the
         * byte. */
        struct pollfd reader = {.fd = serial->out_fd, .events = POLLOUT};
        if (poll(&reader, 1, -1) < 0)
            return false;
    }
    return true;
}

/* Lock held, but for the time in which the byte goes out. */
static void send_locked(struct serial *serial, uint8_t byte)
{
    if (serial->lossy && !bucket_take(&serial->bucket, clock_mono_ns())) {
        serial->counters.limited_bytes++;
        return;
    }
    pthread_mutex_unlock(&serial->lock);
    bool sent = transmit(serial, byte);
    pthread_mutex_lock(&serial->lock);
    if (!sent)
        serial->counters.dropped_bytes++;
}

void serial_write(struct serial *serial, uint64_t offset, uint8_t value)
{
    pthread_mutex_lock(&serial->lock);
    bool sends = offset == UART_TX && !(serial->lcr & UART_LCR_DLAB);
    if (sends && !(serial->mcr & UART_MCR_LOOP))
        send_locked(serial, value);
    else
        write_locked(serial, offset, value);
    if (sends)
        serial->thr_empty_pending = true;
    update_line(serial);
    pthread_mutex_unlock(&serial->lock);
}

static size_t room_locked(const struct serial *serial)
{
    return (serial->mcr & UART_MCR_LOOP) ? 0 : SERIAL_INPUT_SIZE - serial->count;
}

size_t serial_input_room(struct serial *serial)
{
    pthread_mutex_lock(&serial->lock);
    size_t room = room_locked(serial);
    pthread_mutex_unlock(&serial->lock);
    return room;
}

size_t serial_input(struct serial *serial, const uint8_t *data, size_t len)
{
    pthread_mutex_lock(&serial->lock);
    size_t room = room_locked(serial);
    size_t taken = len < room ? len : room;
    for (size_t i = 0; i < taken; i++)
        fifo_put(serial, data[i]);
    update_line(serial);
    pthread_mutex_unlock(&serial->lock);
    return taken;
}
