/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl+Alt+Del, from the call of the machine to the bytes and the interrupt that its guest gets. */
#include <errno.h>
#include <sched.h>

#include "tests/kvm/kvm_main.h"
#include "tests/kvm/machine_fixture.h"
#include "vmm/base/num.h"

static struct mfix fix;
static struct err err;

static const uint8_t pressed[] = {0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d};

static void expect_refusal(int errnum, const char *sentence)
{
    err = (struct err){{0}};
    ck_assert_int_eq(machine_send_ctrl_alt_del(fix.machine, &err), -errnum);
    ck_assert_str_eq(err.text, sentence);
}

static void expect_sent(void)
{
    int ret = machine_send_ctrl_alt_del(fix.machine, &err);
    ck_assert_msg(ret == 0, "%s", err.text);
}

static void expect_keys(unsigned int times)
{
    for (size_t i = 0; i < times * sizeof(pressed); i++)
        ck_assert_uint_eq(mfix_value(&fix, "key"), pressed[i % sizeof(pressed)]);
    ck_assert_uint_eq(mfix_value(&fix, "keys"), times * sizeof(pressed));
}

static void start(void)
{
    mfix_create(&fix, PAYLOAD_DIR "/payload_keyboard", 128 * MIB, 1);
    expect_refusal(EINVAL, "the machine cannot be sent Ctrl+Alt+Del: it has not started");
    mfix_start(&fix);
    mfix_expect(&fix, "at deaf");
}

START_TEST(ctrl_alt_del_reaches_a_guest_that_listens_and_says_when_none_does)
{
    start();
    expect_refusal(ENODEV, "Ctrl+Alt+Del: no driver of the guest listens to its keyboard (i8042): "
                           "it has not started yet, or there is none: Linux needs "
                           "CONFIG_SERIO_I8042, CONFIG_KEYBOARD_ATKBD and CONFIG_VT");
    mfix_continue(&fix);
    mfix_expect(&fix, "at listening");
    expect_sent();
    expect_sent();
    expect_refusal(EBUSY, "Ctrl+Alt+Del: the guest has not read the keys that were sent before: "
                          "there is no room for more in the 16 bytes of its keyboard");
    mfix_continue(&fix);
    ck_assert_uint_eq(mfix_value(&fix, "interrupt"), 1);
    expect_keys(2);
    mfix_expect(&fix, "at listening again");
    ck_assert_int_eq(machine_pause(fix.machine, &err), 0);
    expect_sent();
    ck_assert_int_eq(machine_resume(fix.machine, &err), 0);
    mfix_continue(&fix);
    expect_keys(1);
    mfix_expect(&fix, "at end");
    mfix_continue(&fix);
    /* The test's own deadline ends it if the machine does not. */
    while (machine_end_reason(fix.machine) == MACHINE_END_NONE)
        (void)sched_yield();
    ck_assert_int_eq(machine_end_reason(fix.machine), MACHINE_END_RESET);
    while (machine_state(fix.machine) != MACHINE_STOPPED)
        (void)sched_yield();
    expect_refusal(EINVAL, "the machine cannot be sent Ctrl+Alt+Del: it has ended");
    mfix_destroy(&fix);
}
END_TEST

static Suite *keyboard_suite(void)
{
    Suite *suite = suite_create("keyboard");
    TCase *tc = tcase_create("keyboard");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, ctrl_alt_del_reaches_a_guest_that_listens_and_says_when_none_does);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(keyboard_suite);
}
