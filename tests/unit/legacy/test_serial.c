/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The UART as a driver probes and uses it: identification, FIFO, loopback, interrupt edges, output
 * that fails.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "devices/legacy/serial.h"
#include "tests/unit/legacy/suites.h"
#include "vmm/base/num.h"

static struct serial *uart;
static int irq_fd;
static int out_pipe[2];

static void setup(void)
{
    irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ck_assert_int_ge(irq_fd, 0);
    ck_assert_int_eq(pipe2(out_pipe, O_NONBLOCK | O_CLOEXEC), 0);
    ck_assert_int_eq(serial_create(out_pipe[1], irq_fd, &uart), 0);
}

static void teardown(void)
{
    serial_destroy(uart);
    close(irq_fd);
    close(out_pipe[0]);
    close(out_pipe[1]);
}

/* Interrupt edges since the last call. */
static uint64_t edges(void)
{
    uint64_t n = 0;
    return read(irq_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void input(const char *text)
{
    ck_assert_uint_eq(serial_input(uart, (const uint8_t *)text, strlen(text)), strlen(text));
}

static void expect_output(const char *want)
{
    char got[64] = {0};
    ssize_t n = read(out_pipe[0], got, sizeof(got) - 1);
    ck_assert_int_eq(n, (ssize_t)strlen(want));
    ck_assert_str_eq(got, want);
}

START_TEST(a_sent_byte_comes_out_and_the_transmitter_is_empty_again)
{
    serial_write(uart, UART_TX, 'h');
    serial_write(uart, UART_TX, 'i');
    expect_output("hi");
    ck_assert_uint_eq(serial_read(uart, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}
END_TEST

START_TEST(a_probe_finds_a_16550a_with_four_interrupt_enables)
{
    serial_write(uart, UART_IER, 0xff);
    ck_assert_uint_eq(serial_read(uart, UART_IER), 0x0f);
    serial_write(uart, UART_IER, 0);
    ck_assert_uint_eq(serial_read(uart, UART_IER), 0);
    ck_assert_uint_eq(serial_read(uart, UART_IIR), UART_IIR_NO_INT);
    serial_write(uart, UART_FCR, UART_FCR_ENABLE_FIFO);
    ck_assert_uint_eq(serial_read(uart, UART_IIR), 0xc0 | UART_IIR_NO_INT);
    serial_write(uart, UART_SCR, 0xa5);
    ck_assert_uint_eq(serial_read(uart, UART_SCR), 0xa5);
    serial_write(uart, UART_MCR, 0xff);
    ck_assert_uint_eq(serial_read(uart, UART_MCR), 0x1f);
}
END_TEST

START_TEST(loopback_returns_modem_outputs_as_inputs)
{
    static const struct {
        uint8_t mcr, msr;
    } t[] = {
        {0, UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS},
        {UART_MCR_DTR | UART_MCR_RTS, UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS},
        {UART_MCR_LOOP, 0},
        {UART_MCR_LOOP | UART_MCR_DTR, UART_MSR_DSR},
        {UART_MCR_LOOP | UART_MCR_RTS, UART_MSR_CTS},
        {UART_MCR_LOOP | UART_MCR_OUT1, UART_MSR_RI},
        {UART_MCR_LOOP | UART_MCR_OUT2, UART_MSR_DCD},
        {UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS, UART_MSR_DCD | UART_MSR_CTS},
    };
    serial_write(uart, UART_MCR, t[_i].mcr);
    ck_assert_uint_eq(serial_read(uart, UART_MSR), t[_i].msr);
}
END_TEST

START_TEST(loopback_receives_sixteen_bytes_then_overruns_and_sends_nothing_out)
{
    serial_write(uart, UART_FCR, UART_FCR_ENABLE_FIFO);
    serial_write(uart, UART_MCR, UART_MCR_LOOP);
    for (unsigned i = 0; i < 17; i++)
        serial_write(uart, UART_TX, (uint8_t)i);
    ck_assert_uint_eq(serial_read(uart, UART_LSR),
                      UART_LSR_THRE | UART_LSR_TEMT | UART_LSR_DR | UART_LSR_OE);
    for (unsigned i = 0; i < 16; i++)
        ck_assert_uint_eq(serial_read(uart, UART_RX), i);
    ck_assert_uint_eq(serial_read(uart, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
    ck_assert_int_eq(read(out_pipe[0], &(char){0}, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(loopback_without_fifo_holds_one_byte)
{
    serial_write(uart, UART_MCR, UART_MCR_LOOP);
    serial_write(uart, UART_TX, 'a');
    serial_write(uart, UART_TX, 'b');
    ck_assert_uint_eq(serial_read(uart, UART_RX), 'a');
    ck_assert_uint_eq(serial_read(uart, UART_LSR) & UART_LSR_DR, 0);
}
END_TEST

START_TEST(no_input_is_taken_in_loopback)
{
    serial_write(uart, UART_MCR, UART_MCR_LOOP);
    ck_assert_uint_eq(serial_input_room(uart), 0);
    ck_assert_uint_eq(serial_input(uart, (const uint8_t *)"x", 1), 0);
    serial_write(uart, UART_MCR, 0);
    ck_assert_uint_eq(serial_input_room(uart), SERIAL_INPUT_SIZE);
}
END_TEST

START_TEST(the_divisor_latch_hides_data_and_interrupt_enable)
{
    serial_write(uart, UART_IER, UART_IER_RLSI);
    serial_write(uart, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
    serial_write(uart, UART_DLL, 0x34);
    serial_write(uart, UART_DLM, 0x12);
    ck_assert_uint_eq(serial_read(uart, UART_DLL), 0x34);
    ck_assert_uint_eq(serial_read(uart, UART_DLM), 0x12);
    serial_write(uart, UART_LCR, UART_LCR_WLEN8);
    ck_assert_uint_eq(serial_read(uart, UART_LCR), UART_LCR_WLEN8);
    ck_assert_uint_eq(serial_read(uart, UART_IER), UART_IER_RLSI);
    ck_assert_int_eq(read(out_pipe[0], &(char){0}, 1), -1);
}
END_TEST

START_TEST(input_raises_one_edge_until_it_is_drained)
{
    serial_write(uart, UART_IER, UART_IER_RDI);
    ck_assert_uint_eq(edges(), 0);
    input("ab");
    input("c");
    ck_assert_uint_eq(edges(), 1);
    ck_assert_uint_eq(serial_read(uart, UART_IIR), UART_IIR_RDI);
    ck_assert_uint_eq(serial_read(uart, UART_RX), 'a');
    ck_assert_uint_eq(serial_read(uart, UART_RX), 'b');
    ck_assert_uint_eq(edges(), 0);
    ck_assert_uint_eq(serial_read(uart, UART_RX), 'c');
    ck_assert_uint_eq(serial_read(uart, UART_IIR), UART_IIR_NO_INT);
    input("d");
    ck_assert_uint_eq(edges(), 1);
}
END_TEST

START_TEST(input_that_waits_interrupts_once_it_is_enabled)
{
    input("a");
    ck_assert_uint_eq(edges(), 0);
    serial_write(uart, UART_IER, UART_IER_RDI);
    ck_assert_uint_eq(edges(), 1);
}
END_TEST

START_TEST(enabling_the_transmit_interrupt_asserts_it_each_time)
{
    for (int round = 0; round < 2; round++) {
        serial_write(uart, UART_IER, UART_IER_THRI);
        ck_assert_uint_eq(edges(), 1);
        ck_assert_uint_eq(serial_read(uart, UART_IIR), UART_IIR_THRI);
        ck_assert_uint_eq(serial_read(uart, UART_IIR), UART_IIR_NO_INT);
        serial_write(uart, UART_IER, 0);
    }
}
END_TEST

START_TEST(each_byte_sent_after_an_acknowledge_raises_the_transmit_interrupt)
{
    serial_write(uart, UART_IER, UART_IER_THRI);
    (void)serial_read(uart, UART_IIR);
    (void)edges();
    serial_write(uart, UART_TX, 'a');
    ck_assert_uint_eq(edges(), 1);
    ck_assert_uint_eq(serial_read(uart, UART_IIR), UART_IIR_THRI);
    serial_write(uart, UART_TX, 'b');
    ck_assert_uint_eq(edges(), 1);
}
END_TEST

START_TEST(line_status_goes_before_data_and_data_before_transmit)
{
    serial_write(uart, UART_FCR, UART_FCR_ENABLE_FIFO);
    serial_write(uart, UART_MCR, UART_MCR_LOOP);
    for (unsigned i = 0; i < 17; i++)
        serial_write(uart, UART_TX, (uint8_t)i);
    serial_write(uart, UART_IER, UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI);
    ck_assert_uint_eq(edges(), 1);
    ck_assert_uint_eq(serial_read(uart, UART_IIR), 0xc0 | UART_IIR_RLSI);
    (void)serial_read(uart, UART_LSR);
    ck_assert_uint_eq(serial_read(uart, UART_IIR), 0xc0 | UART_IIR_RDI);
    serial_write(uart, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
    ck_assert_uint_eq(serial_read(uart, UART_IIR), 0xc0 | UART_IIR_THRI);
    ck_assert_uint_eq(serial_read(uart, UART_IIR), 0xc0 | UART_IIR_NO_INT);
}
END_TEST

START_TEST(the_input_fifo_takes_what_fits_and_keeps_the_order)
{
    uint8_t bytes[SERIAL_INPUT_SIZE + 44];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    /* Starts in the middle of the buffer, so that it wraps. */
    input("0123456789");
    for (int i = 0; i < 10; i++)
        (void)serial_read(uart, UART_RX);
    ck_assert_uint_eq(serial_input(uart, bytes, sizeof(bytes)), SERIAL_INPUT_SIZE);
    ck_assert_uint_eq(serial_input_room(uart), 0);
    ck_assert_uint_eq(serial_input(uart, bytes, 1), 0);
    for (size_t i = 0; i < SERIAL_INPUT_SIZE; i++)
        ck_assert_uint_eq(serial_read(uart, UART_RX), bytes[i]);
    ck_assert_uint_eq(serial_read(uart, UART_RX), 0);
}
END_TEST

START_TEST(switching_the_fifo_on_drops_what_it_held)
{
    input("old");
    serial_write(uart, UART_FCR, UART_FCR_ENABLE_FIFO);
    ck_assert_uint_eq(serial_input_room(uart), SERIAL_INPUT_SIZE);
    input("new");
    serial_write(uart, UART_FCR, UART_FCR_ENABLE_FIFO);
    ck_assert_uint_eq(serial_read(uart, UART_RX), 'n');
}
END_TEST

START_TEST(offsets_behind_the_registers_read_zero_and_ignore_writes)
{
    static const uint64_t offset[] = {8, 255, 0x100000000, UINT64_MAX};
    serial_write(uart, offset[_i], 0xff);
    ck_assert_uint_eq(serial_read(uart, offset[_i]), 0);
    ck_assert_int_eq(read(out_pipe[0], &(char){0}, 1), -1);
}
END_TEST

START_TEST(read_only_registers_ignore_writes)
{
    serial_write(uart, UART_LSR, 0xff);
    serial_write(uart, UART_MSR, 0xff);
    ck_assert_uint_eq(serial_read(uart, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
    ck_assert_uint_eq(serial_read(uart, UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
}
END_TEST

static void fill_output(void)
{
    while (write(out_pipe[1], &(char){0}, 1) == 1)
        ;
}

static void on_alarm(int signo)
{
    (void)signo;
}

START_TEST(a_signal_ends_the_wait_for_a_full_output_and_drops_the_byte)
{
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct itimerval often = {.it_interval.tv_usec = 10000, .it_value.tv_usec = 10000};
    fill_output();
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    serial_write(uart, UART_TX, 'x');
    ck_assert_int_eq(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
    ck_assert_uint_eq(serial_read(uart, UART_LSR) & UART_LSR_THRE, UART_LSR_THRE);
}
END_TEST

static void *drain_until_x(void *arg)
{
    bool *seen = arg;
    char byte = 0;
    while (byte != 'x') {
        if (read(out_pipe[0], &byte, 1) != 1)
            (void)sched_yield();
    }
    *seen = true;
    return NULL;
}

/* Who shares the pipe may make it non-blocking: that loses no byte. */
START_TEST(a_full_output_is_waited_for)
{
    pthread_t reader;
    bool seen = false;
    fill_output();
    ck_assert_int_eq(pthread_create(&reader, NULL, drain_until_x, &seen), 0);
    serial_write(uart, UART_TX, 'x');
    ck_assert_int_eq(pthread_join(reader, NULL), 0);
    ck_assert(seen);
}
END_TEST

START_TEST(a_lossy_output_that_is_full_drops_and_counts)
{
    struct serial_counters counters;
    unsigned filled = 0;
    serial_set_lossy(uart, &(struct bucket_limit){0});
    while (write(out_pipe[1], "x", 1) == 1)
        filled++;
    ck_assert_uint_gt(filled, 0);
    serial_write(uart, UART_TX, 'a');
    serial_write(uart, UART_TX, 'b');
    serial_get_counters(uart, &counters);
    ck_assert_uint_eq(counters.dropped_bytes, 2);
    ck_assert_uint_eq(counters.limited_bytes, 0);
    ck_assert_uint_eq(serial_read(uart, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}
END_TEST

START_TEST(output_over_its_limit_is_dropped_and_counted)
{
    struct serial_counters counters;
    const struct bucket_limit limit = {.size = 2, .burst = 1, .refill_ms = 3600000};
    serial_set_lossy(uart, &limit);
    for (const char *c = "abcdef"; *c != '\0'; c++)
        serial_write(uart, UART_TX, (uint8_t)*c);
    expect_output("abc");
    serial_get_counters(uart, &counters);
    ck_assert_uint_eq(counters.limited_bytes, 3);
    ck_assert_uint_eq(counters.dropped_bytes, 0);
}
END_TEST

START_TEST(a_missing_output_drops_bytes_and_lets_the_guest_go_on)
{
    struct serial *mute = NULL;
    ck_assert_int_eq(serial_create(-1, -1, &mute), 0);
    serial_write(mute, UART_IER, UART_IER_THRI);
    serial_write(mute, UART_TX, 'x');
    ck_assert_uint_eq(serial_read(mute, UART_IIR), UART_IIR_THRI);
    serial_destroy(mute);
    serial_destroy(NULL);
}
END_TEST

enum { STREAM_BYTES = 20000 };

static void *feed(void *arg)
{
    (void)arg;
    for (unsigned sent = 0; sent < STREAM_BYTES;) {
        uint8_t byte = (uint8_t)sent;
        sent += (unsigned)serial_input(uart, &byte, 1);
    }
    return NULL;
}

START_TEST(input_from_another_thread_arrives_whole_and_in_order)
{
    serial_write(uart, UART_IER, UART_IER_RDI | UART_IER_THRI);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, feed, NULL), 0);
    for (unsigned got = 0; got < STREAM_BYTES;) {
        if (!(serial_read(uart, UART_LSR) & UART_LSR_DR))
            continue;
        ck_assert_uint_eq(serial_read(uart, UART_RX), (uint8_t)got);
        got++;
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

Suite *serial_suite(void)
{
    Suite *suite = suite_create("serial");
    TCase *tc = tcase_create("uart");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_sent_byte_comes_out_and_the_transmitter_is_empty_again);
    tcase_add_test(tc, a_probe_finds_a_16550a_with_four_interrupt_enables);
    tcase_add_loop_test(tc, loopback_returns_modem_outputs_as_inputs, 0, 8);
    tcase_add_test(tc, loopback_receives_sixteen_bytes_then_overruns_and_sends_nothing_out);
    tcase_add_test(tc, loopback_without_fifo_holds_one_byte);
    tcase_add_test(tc, no_input_is_taken_in_loopback);
    tcase_add_test(tc, the_divisor_latch_hides_data_and_interrupt_enable);
    tcase_add_test(tc, input_raises_one_edge_until_it_is_drained);
    tcase_add_test(tc, input_that_waits_interrupts_once_it_is_enabled);
    tcase_add_test(tc, enabling_the_transmit_interrupt_asserts_it_each_time);
    tcase_add_test(tc, each_byte_sent_after_an_acknowledge_raises_the_transmit_interrupt);
    tcase_add_test(tc, line_status_goes_before_data_and_data_before_transmit);
    tcase_add_test(tc, the_input_fifo_takes_what_fits_and_keeps_the_order);
    tcase_add_test(tc, switching_the_fifo_on_drops_what_it_held);
    tcase_add_loop_test(tc, offsets_behind_the_registers_read_zero_and_ignore_writes, 0, 4);
    tcase_add_test(tc, read_only_registers_ignore_writes);
    tcase_add_test(tc, a_signal_ends_the_wait_for_a_full_output_and_drops_the_byte);
    tcase_add_test(tc, a_full_output_is_waited_for);
    tcase_add_test(tc, a_lossy_output_that_is_full_drops_and_counts);
    tcase_add_test(tc, output_over_its_limit_is_dropped_and_counted);
    tcase_add_test(tc, a_missing_output_drops_bytes_and_lets_the_guest_go_on);
    tcase_add_test(tc, input_from_another_thread_arrives_whole_and_in_order);
    suite_add_tcase(suite, tc);
    return suite;
}
