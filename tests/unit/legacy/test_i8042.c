/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyboard controller: both ways to reset, and a probe that ends without waiting for anything.
 */
#include <check.h>
#include <stdbool.h>

#include "devices/legacy/i8042.h"
#include "tests/unit/legacy/suites.h"
#include "vmm/base/num.h"

static unsigned resets;

static void on_reset(void *arg)
{
    unsigned *count = arg;
    (*count)++;
}

static struct i8042 dev;

static void setup(void)
{
    resets = 0;
    dev = (struct i8042){.on_reset = on_reset, .arg = &resets};
}

static bool output_full(void)
{
    return i8042_read(&dev, I8042_COMMAND_PORT) & 0x01;
}

/* Linux polls for 0.5 s when a reply does not come: every question of its probe must have one. */
START_TEST(each_question_is_answered_at_once_and_once)
{
    static const struct {
        uint8_t command, answer;
    } t[] = {{0x20, 0x00}, {0xaa, 0x55}, {0xab, 0x00}, {0xa9, 0x01}, {0xd0, 0x01}};
    i8042_write(&dev, I8042_COMMAND_PORT, t[_i].command);
    ck_assert(output_full());
    ck_assert_uint_eq(i8042_read(&dev, I8042_DATA_PORT), t[_i].answer);
    ck_assert(!output_full());
    ck_assert_uint_eq(i8042_read(&dev, I8042_DATA_PORT), 0);
    ck_assert_uint_eq(resets, 0);
}
END_TEST

START_TEST(the_status_never_shows_a_busy_input_or_a_locked_keyboard)
{
    ck_assert_uint_eq(i8042_read(&dev, I8042_COMMAND_PORT), 0x14);
    i8042_write(&dev, I8042_COMMAND_PORT, 0xaa);
    ck_assert_uint_eq(i8042_read(&dev, I8042_COMMAND_PORT), 0x15);
}
END_TEST

START_TEST(the_configuration_byte_reads_back)
{
    i8042_write(&dev, I8042_COMMAND_PORT, 0x60);
    i8042_write(&dev, I8042_DATA_PORT, 0x65);
    i8042_write(&dev, I8042_COMMAND_PORT, 0x20);
    ck_assert_uint_eq(i8042_read(&dev, I8042_DATA_PORT), 0x65);
}
END_TEST

START_TEST(the_loop_test_of_a_mouse_port_comes_back_as_keyboard_data)
{
    i8042_write(&dev, I8042_COMMAND_PORT, 0xd3);
    i8042_write(&dev, I8042_DATA_PORT, 0x5a);
    ck_assert_uint_eq(i8042_read(&dev, I8042_COMMAND_PORT), 0x15);
    ck_assert_uint_eq(i8042_read(&dev, I8042_DATA_PORT), 0x5a);
}
END_TEST

START_TEST(bytes_for_a_keyboard_vanish)
{
    i8042_write(&dev, I8042_DATA_PORT, 0xed);
    i8042_write(&dev, I8042_DATA_PORT, 0xfe);
    ck_assert(!output_full());
    ck_assert_uint_eq(resets, 0);
}
END_TEST

START_TEST(the_pulse_command_resets)
{
    i8042_write(&dev, I8042_COMMAND_PORT, 0xfe);
    ck_assert_uint_eq(resets, 1);
}
END_TEST

START_TEST(the_output_port_resets_when_its_reset_line_is_low)
{
    i8042_write(&dev, I8042_COMMAND_PORT, 0xd1);
    i8042_write(&dev, I8042_DATA_PORT, 0x03);
    ck_assert_uint_eq(resets, 0);
    i8042_write(&dev, I8042_COMMAND_PORT, 0xd1);
    i8042_write(&dev, I8042_DATA_PORT, 0x02);
    ck_assert_uint_eq(resets, 1);
    /* The command took one byte. */
    i8042_write(&dev, I8042_DATA_PORT, 0x02);
    ck_assert_uint_eq(resets, 1);
}
END_TEST

START_TEST(a_new_command_forgets_one_that_waits_for_data)
{
    i8042_write(&dev, I8042_COMMAND_PORT, 0xd1);
    i8042_write(&dev, I8042_COMMAND_PORT, 0xad);
    i8042_write(&dev, I8042_DATA_PORT, 0x00);
    ck_assert_uint_eq(resets, 0);
}
END_TEST

START_TEST(no_unknown_command_or_port_does_anything)
{
    for (unsigned command = 0; command < 256; command++) {
        switch (command) {
        case 0x20:
        case 0x60:
        case 0xa9:
        case 0xaa:
        case 0xab:
        case 0xd0:
        case 0xd1:
        case 0xd3:
        case 0xfe:
            continue;
        default:
            i8042_write(&dev, I8042_COMMAND_PORT, (uint8_t)command);
            i8042_write(&dev, I8042_DATA_PORT, 0);
            ck_assert(!output_full());
        }
    }
    i8042_write(&dev, 0x61, 0xfe);
    ck_assert_uint_eq(i8042_read(&dev, 0x61), 0);
    ck_assert_uint_eq(resets, 0);
}
END_TEST

Suite *i8042_suite(void)
{
    Suite *suite = suite_create("i8042");
    TCase *tc = tcase_create("controller");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, each_question_is_answered_at_once_and_once, 0, 5);
    tcase_add_test(tc, the_status_never_shows_a_busy_input_or_a_locked_keyboard);
    tcase_add_test(tc, the_configuration_byte_reads_back);
    tcase_add_test(tc, the_loop_test_of_a_mouse_port_comes_back_as_keyboard_data);
    tcase_add_test(tc, bytes_for_a_keyboard_vanish);
    tcase_add_test(tc, the_pulse_command_resets);
    tcase_add_test(tc, the_output_port_resets_when_its_reset_line_is_low);
    tcase_add_test(tc, a_new_command_forgets_one_that_waits_for_data);
    tcase_add_test(tc, no_unknown_command_or_port_does_anything);
    suite_add_tcase(suite, tc);
    return suite;
}
