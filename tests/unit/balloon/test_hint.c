/* SPDX-License-Identifier: Apache-2.0 */
/* Free page hinting: commands, and that no page goes which the guest may have used again. */
#include <check.h>
#include <errno.h>
#include <linux/virtio_balloon.h>

#include "devices/balloon/balloon_priv.h"
#include "tests/unit/balloon/fixture.h"
#include "tests/unit/balloon/suites.h"

#define HINT   2
#define CMD_ID 0x108
#define STOP   0
#define DONE   1

/* Takes two slices. */
#define LONG (uint32_t)(BALLOON_HINT_SLICE_BYTES * 3 / 2)

static void setup(void)
{
    fx_create((struct balloon_config){.free_page_hinting = true});
    fx_start_all(F_HINT);
    fx_pause();
}

static struct balloon_hint_info hint(void)
{
    struct balloon_hint_info out;
    balloon_get_hint(fx.balloon, &out);
    return out;
}

/* Starts a round. Returns its command, as the guest reads it. */
static uint32_t start(bool acknowledge)
{
    struct err err;
    ck_assert_int_eq(balloon_hint_start(fx.balloon, acknowledge, &err), 0);
    fx_step();
    uint32_t cmd = mock_read32(&fx.driver, CMD_ID);
    ck_assert_uint_eq(hint().host_cmd, cmd);
    return cmd;
}

static void hand_in(struct mock_seg seg)
{
    ck_assert_int_ge(mock_add(&fx.driver, HINT, &seg, 1), 0);
    mock_publish(&fx.driver, HINT);
}

/* The vCPUs have had their time after each slice. */
static void let_rest(void)
{
    while (fx.balloon->hint_resting) {
        balloon_hint_rested(fx.balloon);
        fx_step();
    }
}

static void command(uint32_t cmd)
{
    fake_ram_put_le32(fx.gm, BUFFERS + mock_get_used_idx(&fx.driver, HINT) * 4, cmd);
    hand_in((struct mock_seg){.gpa = BUFFERS + mock_get_used_idx(&fx.driver, HINT) * 4, .len = 4});
    fx_notify(HINT);
    fx_step();
    let_rest();
}

static void pages(uint64_t gpa, uint32_t n)
{
    hand_in((struct mock_seg){.gpa = gpa, .len = (uint32_t)(n * PAGE), .writable = true});
    fx_notify(HINT);
    fx_step();
    let_rest();
}

static uint16_t used(void)
{
    return mock_get_used_idx(&fx.driver, HINT);
}

START_TEST(a_round_frees_what_is_hinted_and_ends_with_done)
{
    ck_assert_uint_eq(mock_read32(&fx.driver, CMD_ID), STOP);
    uint32_t cmd = start(true);
    ck_assert_uint_ge(cmd, 2);
    ck_assert(fx.guest.tracking);
    fake_ram_fill(fx.gm, DATA, 8 * PAGE, 0x5a);
    command(cmd);
    ck_assert(hint().guest_cmd_valid);
    ck_assert_uint_eq(hint().guest_cmd, cmd);
    pages(DATA, 8);
    ck_assert_uint_eq(fx_populated(DATA, 8), 0);
    ck_assert_uint_eq(fx.guest.freezes, 1);
    ck_assert_uint_eq(used(), 2);
    (void)mock_take_isr(&fx.driver);
    command(STOP);
    ck_assert_uint_eq(mock_read32(&fx.driver, CMD_ID), DONE);
    ck_assert_uint_eq(mock_take_isr(&fx.driver) & 2, 2);
    ck_assert_uint_eq(hint().host_cmd, DONE);
    ck_assert_uint_eq(hint().guest_cmd, STOP);
    ck_assert(!fx.guest.tracking);
    ck_assert_uint_eq(fx_info().hint.bytes, 8 * PAGE);
    ck_assert_uint_eq(fx_info().freed_bytes, 8 * PAGE);
    ck_assert_uint_eq(used(), 3);
}
END_TEST

START_TEST(what_was_written_since_the_command_is_kept)
{
    uint32_t cmd = start(true);
    fake_ram_fill(fx.gm, DATA, 8 * PAGE, 0x5a);
    fx.guest.written = (struct gm_range){DATA + 2 * PAGE, 3 * PAGE};
    command(cmd);
    pages(DATA, 8);
    ck_assert_uint_eq(fx_populated(DATA, 8), 3);
    ck_assert(fake_ram_all(fx.gm, DATA + 2 * PAGE, 3 * PAGE, 0x5a));
    ck_assert_uint_eq(fx_info().kept_written_bytes, 3 * PAGE);
    ck_assert_uint_eq(fx_info().punched_bytes, 5 * PAGE);
    /* It stays written, however often the machine is asked. */
    fx.guest.written = (struct gm_range){0};
    pages(DATA, 8);
    ck_assert(fake_ram_all(fx.gm, DATA + 2 * PAGE, 3 * PAGE, 0x5a));
}
END_TEST

START_TEST(a_new_round_forgets_what_was_written_in_the_last)
{
    uint32_t cmd = start(true);
    fx.guest.written = (struct gm_range){DATA, PAGE};
    command(cmd);
    pages(DATA, 1);
    command(STOP);
    fx.guest.written = (struct gm_range){0};
    fake_ram_fill(fx.gm, DATA, PAGE, 0x5a);
    uint32_t next = start(true);
    ck_assert_uint_ne(next, cmd);
    command(next);
    pages(DATA, 1);
    ck_assert_uint_eq(fx_populated(DATA, 1), 0);
    ck_assert_uint_eq(fx.guest.starts, 2);
}
END_TEST

START_TEST(pages_under_no_or_a_wrong_command_are_kept_and_given_back)
{
    fake_ram_fill(fx.gm, DATA, PAGE, 0x5a);
    pages(DATA, 1);
    uint32_t cmd = start(true);
    pages(DATA, 1);
    const uint32_t wrong[] = {cmd + 1, cmd - 1, UINT32_MAX, DONE, STOP};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        command(wrong[i]);
        pages(DATA, 1);
    }
    ck_assert(fake_ram_all(fx.gm, DATA, PAGE, 0x5a));
    ck_assert_uint_eq(fx_info().hint_stale_bytes, 7 * PAGE);
    ck_assert_uint_eq(fx_info().hint.bytes, 0);
    ck_assert_uint_eq(used(), 12);
    ck_assert_uint_eq(fx.guest.freezes, 0);
    ck_assert_uint_eq(hint().host_cmd, cmd);
}
END_TEST

START_TEST(after_stop_the_same_command_counts_no_more)
{
    uint32_t cmd = start(false);
    command(cmd);
    command(STOP);
    fake_ram_fill(fx.gm, DATA, PAGE, 0x5a);
    command(cmd);
    pages(DATA, 1);
    ck_assert(fake_ram_all(fx.gm, DATA, PAGE, 0x5a));
}
END_TEST

START_TEST(the_same_command_in_one_batch_with_its_stop_counts_no_more_either)
{
    uint32_t cmd = start(false);
    const uint32_t cmds[] = {cmd, STOP, cmd};
    for (size_t i = 0; i < ARRAY_LEN(cmds); i++) {
        fake_ram_put_le32(fx.gm, BUFFERS + 4 * i, cmds[i]);
        hand_in((struct mock_seg){.gpa = BUFFERS + 4 * i, .len = 4});
    }
    fx_notify(HINT);
    fake_ram_fill(fx.gm, DATA, PAGE, 0x5a);
    pages(DATA, 1);
    ck_assert(fake_ram_all(fx.gm, DATA, PAGE, 0x5a));
    ck_assert_uint_eq(fx_info().host_error, 0);
    ck_assert_uint_eq(fx_info().hint_stale_bytes, PAGE);
}
END_TEST

START_TEST(without_acknowledge_the_driver_waits_for_the_host)
{
    struct err err;
    uint32_t cmd = start(false);
    command(cmd);
    command(STOP);
    ck_assert_uint_eq(mock_read32(&fx.driver, CMD_ID), cmd);
    ck_assert_int_eq(balloon_hint_stop(fx.balloon, &err), 0);
    ck_assert_uint_eq(hint().host_cmd, DONE);
    fx_step();
    ck_assert_uint_eq(mock_read32(&fx.driver, CMD_ID), DONE);
}
END_TEST

START_TEST(after_done_nothing_that_was_hinted_before_is_touched)
{
    struct err err;
    uint32_t cmd = start(true);
    command(cmd);
    fake_ram_fill(fx.gm, DATA, LONG, 0x5a);
    hand_in((struct mock_seg){.gpa = DATA, .len = LONG, .writable = true});
    fx_notify(HINT);
    uint64_t punched = fx_info().punched_bytes;
    ck_assert_uint_eq(punched, BALLOON_HINT_SLICE_BYTES);
    ck_assert_int_eq(balloon_hint_stop(fx.balloon, &err), 0);
    fx_step();
    ck_assert_uint_eq(mock_read32(&fx.driver, CMD_ID), DONE);
    let_rest();
    ck_assert_uint_eq(fx_info().punched_bytes, BALLOON_HINT_SLICE_BYTES);
    ck_assert_uint_eq(used(), 2);
}
END_TEST

START_TEST(a_stop_behind_many_pages_waits_for_them)
{
    uint32_t cmd = start(true);
    command(cmd);
    fake_ram_put_le32(fx.gm, BUFFERS + 64, STOP);
    hand_in((struct mock_seg){.gpa = DATA, .len = LONG, .writable = true});
    hand_in((struct mock_seg){.gpa = BUFFERS + 64, .len = 4});
    fx_notify(HINT);
    ck_assert_uint_eq(mock_read32(&fx.driver, CMD_ID), cmd);
    let_rest();
    ck_assert_uint_eq(mock_read32(&fx.driver, CMD_ID), DONE);
    ck_assert_uint_eq(fx_info().punched_bytes, LONG);
    ck_assert_uint_eq(fx.guest.freezes, 2);
}
END_TEST

START_TEST(between_two_slices_the_vcpus_get_time_and_others_their_turn)
{
    const struct mock_seg page = {.gpa = DATA + 44 * MIB, .len = PAGE};
    uint32_t cmd = start(true);
    command(cmd);
    hand_in((struct mock_seg){.gpa = DATA, .len = LONG, .writable = true});
    fx_notify(HINT);
    for (unsigned turns = 0; turns < 5; turns++)
        fx_step();
    ck_assert_uint_eq(fx.guest.freezes, 1);
    ck_assert_int_ge(mock_add(&fx.driver, INFLATE, &page, 1), 0);
    mock_publish(&fx.driver, INFLATE);
    fx_notify(INFLATE);
    let_rest();
    ck_assert_uint_eq(fx.guest.freezes, 2);
    ck_assert_uint_eq(mock_get_used_idx(&fx.driver, INFLATE), 1);
    /* A new buffer of hints rests as well; inflation does not. */
    pages(DATA, 1);
    hand_in((struct mock_seg){.gpa = DATA, .len = 4096, .writable = true});
    fx.balloon->hint_resting = true;
    fx_notify(HINT);
    fx_step();
    ck_assert_uint_eq(fx.guest.freezes, 3);
    ck_assert_int_ge(mock_add(&fx.driver, INFLATE, &page, 1), 0);
    mock_publish(&fx.driver, INFLATE);
    fx_notify(INFLATE);
    ck_assert_uint_eq(mock_get_used_idx(&fx.driver, INFLATE), 2);
    let_rest();
    ck_assert_uint_eq(fx.guest.freezes, 4);
}
END_TEST

START_TEST(a_machine_that_cannot_record_writes_hints_nothing)
{
    struct err err;
    fx.guest.track_fails = -ENOSYS;
    ck_assert_int_eq(balloon_hint_start(fx.balloon, true, &err), 0);
    fx_step();
    ck_assert_uint_eq(hint().host_cmd, DONE);
    ck_assert_uint_eq(mock_read32(&fx.driver, CMD_ID), DONE);
    ck_assert_uint_eq(fx_info().host_error, 1);
    command(2);
    fake_ram_fill(fx.gm, DATA, PAGE, 0x5a);
    pages(DATA, 1);
    ck_assert(fake_ram_all(fx.gm, DATA, PAGE, 0x5a));
}
END_TEST

START_TEST(what_cannot_be_known_to_be_unwritten_is_kept)
{
    uint32_t cmd = start(true);
    command(cmd);
    fake_ram_fill(fx.gm, DATA, 2 * PAGE, 0x5a);
    fx.guest.written_fails = -EIO;
    pages(DATA, 2);
    ck_assert(fake_ram_all(fx.gm, DATA, 2 * PAGE, 0x5a));
    ck_assert_uint_eq(fx_info().host_error, 1);
    ck_assert_uint_eq(fx_info().kept_written_bytes, 0);
    ck_assert_uint_eq(used(), 2);
}
END_TEST

START_TEST(commands_of_a_wrong_shape_are_bad_requests)
{
    const struct mock_seg t[] = {{.gpa = BUFFERS, .len = 0},
                                 {.gpa = BUFFERS, .len = 3},
                                 {.gpa = BUFFERS, .len = 5},
                                 {.gpa = BUFFERS, .len = 4096},
                                 {.gpa = LOW_SIZE - 2, .len = 4},
                                 {.gpa = UINT64_MAX, .len = 4},
                                 {.gpa = BUFFERS, .len = 4, .writable = true}};
    uint32_t cmd = start(true);
    fake_ram_put_le32(fx.gm, BUFFERS, cmd);
    hand_in(t[_i]);
    fx_notify(HINT);
    fx_step();
    ck_assert(!hint().guest_cmd_valid);
    ck_assert_uint_eq(fx_info().bad_request, 1);
    ck_assert_uint_eq(used(), 1);
}
END_TEST

START_TEST(hinting_needs_a_driver_that_can)
{
    struct err err = {0};
    fx_resume();
    mock_driver_reset(&fx.driver);
    ck_assert_int_eq(balloon_hint_start(fx.balloon, true, &err), -EINVAL);
    ck_assert_str_eq(err.text, "balloon hinting: no driver that can hint runs in the guest");
    fx_start_all(0);
    ck_assert_int_eq(balloon_hint_start(fx.balloon, true, &err), -EINVAL);
    ck_assert_int_eq(balloon_hint_stop(fx.balloon, &err), -EINVAL);
    fx_finish();
    fx_create((struct balloon_config){0});
    ck_assert_int_eq(balloon_hint_start(fx.balloon, true, &err), -EINVAL);
    ck_assert_str_eq(err.text, "balloon hinting: is off; switch it on with free_page_hinting in "
                               "the configuration");
}
END_TEST

START_TEST(a_command_that_comes_with_a_reset_is_not_issued_to_the_next_driver)
{
    struct err err;
    ck_assert_int_eq(balloon_hint_start(fx.balloon, true, &err), 0);
    fx_resume();
    mock_driver_reset(&fx.driver);
    fx_start_all(0);
    fx_pause();
    fx.balloon->hint.host_cmd = 9;
    balloon_hint_apply(fx.balloon);
    ck_assert(!fx.guest.tracking);
    ck_assert_uint_eq(mock_read32(&fx.driver, CMD_ID), STOP);
    ck_assert_uint_eq(hint().host_cmd, STOP);
}
END_TEST

START_TEST(a_reset_ends_the_round)
{
    uint32_t cmd = start(true);
    command(cmd);
    fx_resume();
    mock_driver_reset(&fx.driver);
    fx_start_all(F_HINT);
    fx_pause();
    ck_assert_uint_eq(mock_read32(&fx.driver, CMD_ID), STOP);
    ck_assert_uint_eq(hint().host_cmd, STOP);
    ck_assert(!hint().guest_cmd_valid);
    ck_assert(!fx.guest.tracking);
    ck_assert_uint_gt(start(true), cmd);
}
END_TEST

Suite *hint_suite(void)
{
    Suite *suite = suite_create("balloon: hinting");
    TCase *tc = tcase_create("hint");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, fx_finish);
    tcase_add_test(tc, a_round_frees_what_is_hinted_and_ends_with_done);
    tcase_add_test(tc, what_was_written_since_the_command_is_kept);
    tcase_add_test(tc, a_new_round_forgets_what_was_written_in_the_last);
    tcase_add_test(tc, pages_under_no_or_a_wrong_command_are_kept_and_given_back);
    tcase_add_test(tc, after_stop_the_same_command_counts_no_more);
    tcase_add_test(tc, the_same_command_in_one_batch_with_its_stop_counts_no_more_either);
    tcase_add_test(tc, without_acknowledge_the_driver_waits_for_the_host);
    tcase_add_test(tc, after_done_nothing_that_was_hinted_before_is_touched);
    tcase_add_test(tc, a_stop_behind_many_pages_waits_for_them);
    tcase_add_test(tc, between_two_slices_the_vcpus_get_time_and_others_their_turn);
    tcase_add_test(tc, a_machine_that_cannot_record_writes_hints_nothing);
    tcase_add_test(tc, what_cannot_be_known_to_be_unwritten_is_kept);
    tcase_add_loop_test(tc, commands_of_a_wrong_shape_are_bad_requests, 0, 7);
    tcase_add_test(tc, hinting_needs_a_driver_that_can);
    tcase_add_test(tc, a_command_that_comes_with_a_reset_is_not_issued_to_the_next_driver);
    tcase_add_test(tc, a_reset_ends_the_round);
    suite_add_tcase(suite, tc);
    return suite;
}
