/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyboard controller: the ways to reset, a probe that ends without waiting for anything, and
 * a keyboard that presses Ctrl+Alt+Del for whoever listens. Nothing a guest writes is more than a
 * mistake of its own.
 */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/legacy/i8042.h"
#include "tests/unit/legacy/suites.h"
#include "vmm/base/num.h"

#define FULL         0x01u /* of the status: a byte waits */
#define ACK          0xfau
#define REFUSED      0xfeu
#define LISTENING    0x45u /* configuration: interrupt on, keyboard on, translated */
#define KBD_COMMANDS 16    /* cases of the table of keyboard commands */
#define SET_2        0x05u /* the same, not translated */

static const uint8_t pressed[] = {0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d};
static const uint8_t pressed_set_2[] = {0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0,
                                        0x71, 0xf0, 0x11, 0xf0, 0x14};

static struct i8042 *dev;
static unsigned resets;
static int irq_fd;

static void on_reset(void *arg)
{
    unsigned *count = arg;
    (*count)++;
}

static void setup(void)
{
    resets = 0;
    irq_fd = eventfd(0, EFD_NONBLOCK);
    ck_assert_int_ge(irq_fd, 0);
    ck_assert_int_eq(i8042_create(irq_fd, on_reset, &resets, &dev), 0);
}

static void teardown(void)
{
    i8042_destroy(dev);
    close(irq_fd);
}

static void command(uint8_t value)
{
    i8042_write(dev, I8042_COMMAND_PORT, value);
}

static void data(uint8_t value)
{
    i8042_write(dev, I8042_DATA_PORT, value);
}

static void configure(uint8_t value)
{
    command(0x60);
    data(value);
}

static uint8_t configuration(void)
{
    command(0x20);
    return i8042_read(dev, I8042_DATA_PORT);
}

static bool output_full(void)
{
    return i8042_read(dev, I8042_COMMAND_PORT) & FULL;
}

static uint8_t take(void)
{
    return i8042_read(dev, I8042_DATA_PORT);
}

static void expect_nothing(void)
{
    ck_assert(!output_full());
    ck_assert_uint_eq(take(), 0);
}

/* What waits is this, in this order, and nothing more. */
static void expect_bytes(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ck_assert_msg(output_full(), "byte %zu of %zu is missing", i, len);
        ck_assert_uint_eq(take(), bytes[i]);
    }
    expect_nothing();
}
#define EXPECT(...) expect_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

/* How often the interrupt rose since the last call. */
static uint64_t edges(void)
{
    uint64_t n = 0;
    return read(irq_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Linux polls for 0.5 s when a reply does not come: every question of its probe must have one. */
START_TEST(each_question_is_answered_at_once_and_once)
{
    static const struct {
        uint8_t command, answer;
    } t[] = {{0x20, 0x64}, {0xaa, 0x55}, {0xab, 0x00}, {0xa9, 0x01}, {0xd0, 0x03}};
    command(t[_i].command);
    EXPECT(t[_i].answer);
    ck_assert_uint_eq(resets, 0);
}
END_TEST

START_TEST(the_status_never_shows_a_busy_input_or_a_locked_keyboard)
{
    ck_assert_uint_eq(i8042_read(dev, I8042_COMMAND_PORT), 0x14);
    command(0xaa);
    ck_assert_uint_eq(i8042_read(dev, I8042_COMMAND_PORT), 0x15);
}
END_TEST

START_TEST(the_configuration_byte_reads_back)
{
    configure(0x25);
    ck_assert_uint_eq(configuration(), 0x25);
    configure(0xff);
    ck_assert_uint_eq(configuration(), 0x7f);
}
END_TEST

START_TEST(the_keyboard_is_switched_by_commands_and_on_by_what_it_is_told)
{
    command(0xad);
    ck_assert_uint_eq(configuration() & 0x10, 0x10);
    command(0xae);
    ck_assert_uint_eq(configuration() & 0x10, 0);
    command(0xad);
    data(0xee);
    ck_assert_uint_eq(configuration() & 0x10, 0);
    EXPECT(0xee);
}
END_TEST

START_TEST(the_loop_test_of_a_mouse_port_comes_back_as_keyboard_data)
{
    command(0xd3);
    data(0x5a);
    ck_assert_uint_eq(i8042_read(dev, I8042_COMMAND_PORT), 0x15);
    EXPECT(0x5a);
    command(0xd2);
    data(0x5b);
    EXPECT(0x5b);
}
END_TEST

START_TEST(a_byte_for_a_mouse_goes_nowhere)
{
    command(0xd4);
    data(0xff);
    expect_nothing();
}
END_TEST

START_TEST(a_newer_answer_takes_the_place_of_one_not_read)
{
    command(0xaa);
    command(0xab);
    EXPECT(0x00);
}
END_TEST

START_TEST(an_answer_of_the_controller_comes_before_the_keyboards)
{
    data(0xee);
    command(0xaa);
    EXPECT(0x55, 0xee);
}
END_TEST

/* Every command of pulses whose bit 0 is clear. */
START_TEST(the_pulse_command_resets)
{
    unsigned wanted = 0;
    for (unsigned value = 0xf0; value <= 0xff; value++) {
        command((uint8_t)value);
        wanted += !(value & 1);
        ck_assert_uint_eq(resets, wanted);
    }
}
END_TEST

START_TEST(the_output_port_resets_when_its_reset_line_is_low)
{
    command(0xd1);
    data(0x03);
    ck_assert_uint_eq(resets, 0);
    command(0xd1);
    data(0x02);
    ck_assert_uint_eq(resets, 1);
    /* The command took one byte. */
    data(0x02);
    ck_assert_uint_eq(resets, 1);
}
END_TEST

START_TEST(a_new_command_forgets_one_that_waits_for_data)
{
    command(0xd1);
    command(0xad);
    data(0x00);
    ck_assert_uint_eq(resets, 0);
}
END_TEST

START_TEST(no_unknown_command_or_port_does_anything)
{
    static const uint8_t known[] = {0x20, 0x60, 0xa9, 0xaa, 0xab, 0xad,
                                    0xae, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4};
    for (unsigned value = 0; value < 0xf0; value++) {
        bool skip = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            skip |= known[i] == value;
        if (skip)
            continue;
        command((uint8_t)value);
        ck_assert(!output_full());
        ck_assert_uint_eq(configuration(), 0x64);
    }
    i8042_write(dev, 0x61, 0xfe);
    ck_assert_uint_eq(i8042_read(dev, 0x61), 0);
    expect_nothing();
    ck_assert_uint_eq(resets, 0);
}
END_TEST

START_TEST(the_keyboard_answers_every_command)
{
    static const struct {
        uint8_t sent[2], sent_len, answer[4], answer_len;
    } t[] = {
        {{0xff}, 1, {ACK, 0xaa}, 2},
        {{0xf2}, 1, {ACK, 0xab, 0x41}, 3},
        {{0xed, 0x07}, 2, {ACK, ACK}, 2},
        {{0xf3, 0x20}, 2, {ACK, ACK}, 2},
        {{0xf0, 0x00}, 2, {ACK, ACK, 2}, 3},
        {{0xf0, 0x02}, 2, {ACK, ACK}, 2},
        {{0xf0, 0x01}, 2, {ACK, REFUSED}, 2},
        {{0xf0, 0x03}, 2, {ACK, REFUSED}, 2},
        {{0xf4}, 1, {ACK}, 1},
        {{0xf5}, 1, {ACK}, 1},
        {{0xf6}, 1, {ACK}, 1},
        {{0xee}, 1, {0xee}, 1},
        {{0xfe}, 1, {REFUSED}, 1},
        {{0x00}, 1, {REFUSED}, 1},
        /* A driver that starts anew in the middle of a command. */
        {{0xed, 0xff}, 2, {ACK, 0xaa}, 2},
        {{0xf0, 0xf2}, 2, {ACK, ACK, 0xab, 0x41}, 4},
    };
    ck_assert_uint_eq(ARRAY_LEN(t), KBD_COMMANDS);
    for (size_t i = 0; i < t[_i].sent_len; i++)
        data(t[_i].sent[i]);
    expect_bytes(t[_i].answer, t[_i].answer_len);
}
END_TEST

START_TEST(without_translation_the_keyboard_names_itself_as_it_is)
{
    configure(SET_2);
    data(0xf2);
    EXPECT(ACK, 0xab, 0x83);
}
END_TEST

START_TEST(each_byte_raises_the_interrupt_once_while_it_is_enabled)
{
    data(0xf2);
    ck_assert_uint_eq(edges(), 0);
    /* What waits already is told of when the interrupt is enabled. */
    configure(LISTENING);
    ck_assert_uint_eq(edges(), 1);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_ne(take(), 0);
        ck_assert_uint_eq(edges(), 1);
        ck_assert(output_full());
        ck_assert_uint_eq(edges(), 0);
    }
    ck_assert_uint_ne(take(), 0);
    ck_assert_uint_eq(edges(), 0);
    command(0xaa);
    ck_assert_uint_eq(edges(), 1);
    command(0xab);
    ck_assert_uint_eq(edges(), 0);
}
END_TEST

START_TEST(no_interrupt_comes_while_the_keyboard_is_off)
{
    configure(LISTENING);
    data(0xee);
    ck_assert_uint_eq(edges(), 1);
    command(0xad);
    expect_nothing();
    command(0xae);
    ck_assert_uint_eq(edges(), 1);
    EXPECT(0xee);
}
END_TEST

START_TEST(ctrl_alt_del_is_pressed_and_let_go)
{
    configure(LISTENING);
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), 0);
    ck_assert_uint_eq(edges(), 1);
    expect_bytes(pressed, sizeof(pressed));
    ck_assert_uint_eq(edges(), sizeof(pressed) - 1);
    configure(SET_2);
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), 0);
    expect_bytes(pressed_set_2, sizeof(pressed_set_2));
}
END_TEST

/* How a guest looks that has no driver for it, or one that does not listen. */
START_TEST(nothing_is_pressed_for_a_guest_that_does_not_listen)
{
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), -ENODEV);
    configure(0x40);
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), -ENODEV);
    configure(LISTENING | 0x10);
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), -ENODEV);
    configure(LISTENING);
    data(0xf5);
    EXPECT(ACK);
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), -ENODEV);
    expect_nothing();
    data(0xf4);
    EXPECT(ACK);
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), 0);
}
END_TEST

START_TEST(keys_are_pressed_whole_or_not_at_all)
{
    configure(SET_2);
    for (size_t waiting = 0; waiting < I8042_QUEUE_SIZE; waiting++) {
        bool fits = waiting + sizeof(pressed_set_2) <= I8042_QUEUE_SIZE;
        for (size_t i = 0; i < waiting; i++)
            data(0xee);
        ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), fits ? 0 : -EBUSY);
        for (size_t i = 0; i < waiting; i++)
            ck_assert_uint_eq(take(), 0xee);
        expect_bytes(pressed_set_2, fits ? sizeof(pressed_set_2) : 0);
    }
}
END_TEST

START_TEST(a_reset_of_the_keyboard_forgets_what_it_had_to_say)
{
    configure(LISTENING);
    data(0xf5);
    ck_assert_uint_eq(take(), ACK);
    data(0xf4);
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), 0);
    data(0xff);
    EXPECT(ACK, 0xaa);
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), 0);
}
END_TEST

/* What a guest never reads is bounded, and the keyboard works again when it is read. */
START_TEST(a_flood_of_keyboard_commands_fills_the_queue_and_no_more)
{
    for (unsigned i = 0; i < 100000; i++)
        data((uint8_t)(0xed + i % 18)); /* all but the reset */
    unsigned waiting = 0;
    while (output_full() && waiting < 1000) {
        (void)take();
        waiting++;
    }
    ck_assert_uint_eq(waiting, I8042_QUEUE_SIZE);
    data(0xff);
    EXPECT(ACK, 0xaa);
    configure(LISTENING);
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), 0);
    ck_assert_uint_eq(resets, 0);
}
END_TEST

START_TEST(a_flood_of_controller_commands_leaves_one_answer)
{
    for (unsigned i = 0; i < 100000; i++)
        command((uint8_t)(i % 0xf0));
    command(0xaa);
    EXPECT(0x55);
    ck_assert_uint_eq(resets, 0);
}
END_TEST

/* An event descriptor that is full, as when nobody takes the interrupts, must not hold up a vCPU.
 */
START_TEST(interrupts_that_nobody_takes_cost_no_time)
{
    uint64_t all = UINT64_MAX - 1;
    ck_assert_int_eq(write(irq_fd, &all, sizeof(all)), sizeof(all));
    configure(LISTENING);
    ck_assert_int_eq(i8042_send_ctrl_alt_del(dev), 0);
    expect_bytes(pressed, sizeof(pressed));
}
END_TEST

static TCase *controller_case(void)
{
    TCase *tc = tcase_create("controller");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, each_question_is_answered_at_once_and_once, 0, 5);
    tcase_add_test(tc, the_status_never_shows_a_busy_input_or_a_locked_keyboard);
    tcase_add_test(tc, the_configuration_byte_reads_back);
    tcase_add_test(tc, the_keyboard_is_switched_by_commands_and_on_by_what_it_is_told);
    tcase_add_test(tc, the_loop_test_of_a_mouse_port_comes_back_as_keyboard_data);
    tcase_add_test(tc, a_byte_for_a_mouse_goes_nowhere);
    tcase_add_test(tc, a_newer_answer_takes_the_place_of_one_not_read);
    tcase_add_test(tc, an_answer_of_the_controller_comes_before_the_keyboards);
    tcase_add_test(tc, the_pulse_command_resets);
    tcase_add_test(tc, the_output_port_resets_when_its_reset_line_is_low);
    tcase_add_test(tc, a_new_command_forgets_one_that_waits_for_data);
    tcase_add_test(tc, no_unknown_command_or_port_does_anything);
    return tc;
}

static TCase *keyboard_case(void)
{
    TCase *tc = tcase_create("keyboard");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, the_keyboard_answers_every_command, 0, KBD_COMMANDS);
    tcase_add_test(tc, without_translation_the_keyboard_names_itself_as_it_is);
    tcase_add_test(tc, each_byte_raises_the_interrupt_once_while_it_is_enabled);
    tcase_add_test(tc, no_interrupt_comes_while_the_keyboard_is_off);
    tcase_add_test(tc, ctrl_alt_del_is_pressed_and_let_go);
    tcase_add_test(tc, nothing_is_pressed_for_a_guest_that_does_not_listen);
    tcase_add_test(tc, keys_are_pressed_whole_or_not_at_all);
    tcase_add_test(tc, a_reset_of_the_keyboard_forgets_what_it_had_to_say);
    tcase_add_test(tc, a_flood_of_keyboard_commands_fills_the_queue_and_no_more);
    tcase_add_test(tc, a_flood_of_controller_commands_leaves_one_answer);
    tcase_add_test(tc, interrupts_that_nobody_takes_cost_no_time);
    return tc;
}

Suite *i8042_suite(void)
{
    Suite *suite = suite_create("i8042");
    suite_add_tcase(suite, controller_case());
    suite_add_tcase(suite, keyboard_case());
    return suite;
}
