/* SPDX-License-Identifier: Apache-2.0 */
/* Freezing and pausing a machine that is busy: nothing runs meanwhile, nothing is lost, and it can
 * always be ended. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kvm/kvm_main.h"
#include "tests/kvm/machine_fixture.h"
#include "tests/support/vm_process.h"
#include "vmm/base/num.h"
#include "vmm/machine/machine_priv.h"

#define PAYLOAD PAYLOAD_DIR "/payload_load"
#define VCPUS   2u
#define CYCLES  1000
#define PAUSES  20

static struct mfix fix;
static uint64_t rounds_gpa;

struct progress {
    uint64_t rounds[VCPUS];
};

static struct progress progress(void)
{
    struct progress now;
    ck_assert_int_eq(gm_read(fix.machine->gm, rounds_gpa, &now, sizeof(now)), 0);
    return now;
}

/* Of vCPU 1, or of both, of which the first has more to do for a round. The test's own deadline
 * ends it if one stands still. */
static void await_progress(bool of_all)
{
    struct progress before = progress();
    for (uint32_t i = of_all ? 0 : 1; i < VCPUS; i++) {
        while (progress().rounds[i] == before.rounds[i])
            (void)usleep(100);
    }
}

static void expect_standstill(void)
{
    struct progress before = progress();
    (void)usleep(100);
    struct progress after = progress();
    ck_assert_mem_eq(&before, &after, sizeof(before));
}

static void start(void)
{
    mfix_create(&fix, PAYLOAD, 128 * MIB, VCPUS);
    mfix_start(&fix);
    (void)mfix_value(&fix, "clock");
    rounds_gpa = mfix_value(&fix, "rounds");
    mfix_expect(&fix, "going");
}

/* What was typed ends the load; all chains that the guest sent came back, or it says "fail:". */
static void expect_all_chains(void)
{
    struct balloon_info info;
    mfix_continue(&fix);
    uint64_t chains = mfix_value(&fix, "chains");
    balloon_get_info(machine_balloon(fix.machine), &info);
    ck_assert_uint_eq(info.inflate.chains, chains);
    ck_assert_uint_eq(info.bad_chain + info.bad_request + info.bad_ring + info.host_error, 0);
}

START_TEST(a_thousand_freezes_under_load_stop_every_vcpu_and_lose_nothing)
{
    start();
    for (int i = 0; i < CYCLES; i++) {
        machine_guest_ops.freeze(fix.machine);
        expect_standstill();
        machine_guest_ops.thaw(fix.machine);
        if (i % 8 == 0)
            await_progress(i % 64 == 0);
    }
    expect_all_chains();
    mfix_destroy(&fix);
}
END_TEST

static struct gm_bitmap *written;

/* On the reclaim loop, which vCPU 0 asks for a reset now and then. */
static void freeze_and_look(void *arg)
{
    const struct balloon_guest_ops *ops = &machine_guest_ops;
    struct machine *machine = arg;
    ops->freeze(machine);
    ck_assert_int_eq(ops->written(machine, written), 0);
    struct gm_range ram = {.start = 0, .len_bytes = 128 * MIB}, found;
    ck_assert(gm_bitmap_find(written, ram, true, &found));
    gm_bitmap_reset(written);
    /* Nobody wrote since. */
    ck_assert_int_eq(ops->written(machine, written), 0);
    ck_assert(!gm_bitmap_find(written, ram, true, &found));
    expect_standstill();
    ops->thaw(machine);
}

START_TEST(a_freeze_on_the_reclaim_loop_does_not_wait_for_a_vcpu_that_waits_for_the_loop)
{
    start();
    ck_assert_int_eq(gm_bitmap_create(fix.machine->gm, &written), 0);
    ck_assert_int_eq(machine_guest_ops.track_writes(fix.machine, true), 0);
    for (int i = 0; i < CYCLES / 2; i++) {
        await_progress(i % 16 == 0);
        ck_assert_int_eq(ev_call(fix.machine->reclaim_loop, freeze_and_look, fix.machine), 0);
    }
    ck_assert_int_eq(machine_guest_ops.track_writes(fix.machine, false), 0);
    ck_assert_int_eq(machine_guest_ops.written(fix.machine, written), -EINVAL);
    expect_all_chains();
    gm_bitmap_destroy(written);
    mfix_destroy(&fix);
}
END_TEST

static void freeze_and_thaw(void *arg)
{
    machine_guest_ops.freeze(arg);
    machine_guest_ops.thaw(arg);
}

/* The vCPU waits in the monitor for a reader: frozen as it is, and not to be interrupted. */
START_TEST(freezing_a_machine_that_waits_for_its_console_loses_no_byte)
{
    int waiting = 0;
    mfix_create(&fix, PAYLOAD_DIR "/payload_talk", 128 * MIB, 1);
    int room = fcntl(fix.console_fd, F_SETPIPE_SZ, 4096);
    ck_assert_int_gt(room, 0);
    mfix_start(&fix);
    while (waiting < room)
        ck_assert_int_eq(ioctl(fix.console_fd, FIONREAD, &waiting), 0);
    for (int i = 0; i < 100; i++)
        freeze_and_thaw(fix.machine);
    for (uint64_t n = 0; n < 800; n++) {
        freeze_and_thaw(fix.machine);
        ck_assert_uint_eq(mfix_value(&fix, "line"), n);
    }
    mfix_expect(&fix, "done");
    mfix_destroy(&fix);
}
END_TEST

START_TEST(a_pause_outlasts_freezes_and_targets_set_meanwhile)
{
    struct err err = {{0}};
    start();
    for (int i = 0; i < PAUSES; i++) {
        ck_assert_int_eq(machine_pause(fix.machine, &err), 0);
        ck_assert_int_eq(machine_state(fix.machine), MACHINE_PAUSED);
        ck_assert_int_eq(machine_pause(fix.machine, &err), 0);
        ck_assert_int_eq(ev_call(fix.machine->reclaim_loop, freeze_and_thaw, fix.machine), 0);
        expect_standstill();
        uint64_t target = (uint64_t)(i + 1) * MIB;
        struct balloon_info info;
        ck_assert_int_eq(balloon_set_target(machine_balloon(fix.machine), target, &err), 0);
        balloon_get_info(machine_balloon(fix.machine), &info);
        ck_assert_uint_eq(info.target_bytes, target);
        ck_assert_int_eq(machine_resume(fix.machine, &err), 0);
        ck_assert_int_eq(machine_resume(fix.machine, &err), 0);
        ck_assert_int_eq(machine_state(fix.machine), MACHINE_RUNNING);
        await_progress(true);
    }
    expect_all_chains();
    mfix_destroy(&fix);
}
END_TEST

START_TEST(only_a_machine_that_runs_can_be_paused)
{
    struct err err = {{0}};
    mfix_create(&fix, PAYLOAD, 128 * MIB, VCPUS);
    ck_assert_int_eq(machine_pause(fix.machine, &err), -EINVAL);
    ck_assert_str_eq(err.text, "the machine cannot be paused: it has not started");
    ck_assert_int_eq(machine_resume(fix.machine, &err), -EINVAL);
    ck_assert_str_eq(err.text, "the machine cannot be resumed: it has not started");
    mfix_start(&fix);
    machine_stop(fix.machine, MACHINE_END_REQUESTED);
    ck_assert_int_eq(machine_pause(fix.machine, &err), -EINVAL);
    ck_assert_str_eq(err.text, "the machine cannot be paused: it has ended");
    ck_assert_int_eq(machine_resume(fix.machine, &err), -EINVAL);
    ck_assert_str_eq(err.text, "the machine cannot be resumed: it has ended");
    ck_assert_int_eq(machine_state(fix.machine), MACHINE_STOPPED);
    mfix_destroy(&fix);
}
END_TEST

static void hold(void *arg)
{
    machine_guest_ops.freeze(arg);
}

/* Who holds the machine when it is destroyed: a pause, the reclaim loop, both. */
START_TEST(a_machine_that_is_held_can_be_destroyed)
{
    struct err err = {{0}};
    start();
    if (_i != 1)
        ck_assert_int_eq(machine_pause(fix.machine, &err), 0);
    if (_i != 0)
        ck_assert_int_eq(ev_call(fix.machine->reclaim_loop, hold, fix.machine), 0);
    expect_standstill();
    machine_stop(fix.machine, MACHINE_END_REQUESTED);
    ck_assert_int_eq(machine_resume(fix.machine, &err), -EINVAL);
    mfix_destroy(&fix);
}
END_TEST

static struct vmp vm;

static void set_state(const char *state)
{
    char body[64], reply[8192], expected[64];
    (void)snprintf(body, sizeof(body), "{\"state\": \"%s\"}", state);
    ck_assert_int_eq(vmp_http(vm.sock, "PATCH", "/vm", body, reply, sizeof(reply)), 204);
    ck_assert_int_eq(vmp_http(vm.sock, "GET", "/", NULL, reply, sizeof(reply)), 200);
    (void)snprintf(expected, sizeof(expected), "\"%s\"",
                   strcmp(state, "Resumed") == 0 ? "Running" : state);
    ck_assert_msg(strstr(reply, expected) != NULL, "no %s in %s", expected, reply);
}

static uint64_t start_monitor(void)
{
    const char *const args[] = {"--kernel", PAYLOAD,     "--mem", "128M", "--cpus",
                                "2",        "--balloon", "0M",    NULL};
    vmp_start(&vm, AEROSTAT_MONITOR, args);
    uint64_t clock = vmp_expect_value(&vm, "clock");
    (void)vmp_expect_value(&vm, "rounds");
    vmp_expect(&vm, "going");
    return clock;
}

/* The device has served what was sent before the pause; then nothing more comes. */
static uint64_t settled_chains(void)
{
    uint64_t before, now = vmp_stat(&vm, "inflate_chains");
    do {
        before = now;
        (void)usleep(20000);
        now = vmp_stat(&vm, "inflate_chains");
    } while (now != before);
    return now;
}

static void pause_and_resume(unsigned int mib)
{
    char body[64], reply[8192];
    set_state("Paused");
    uint64_t chains = settled_chains();
    (void)snprintf(body, sizeof(body), "{\"amount_mib\": %u}", mib);
    ck_assert_int_eq(vmp_http(vm.sock, "PATCH", "/balloon", body, reply, sizeof(reply)), 204);
    ck_assert_uint_eq(vmp_stat(&vm, "target_mib"), mib);
    ck_assert_uint_eq(vmp_stat(&vm, "inflate_chains"), chains);
    set_state("Resumed");
    while (vmp_stat(&vm, "inflate_chains") == chains)
        (void)usleep(1000);
}

/* _i: whether it is paused on the way, which the guest's clock shows if it has one. */
START_TEST(all_chains_come_back_over_pauses_in_the_middle_of_inflating)
{
    uint64_t clock = start_monitor();
    for (unsigned int i = 0; _i == 1 && i < PAUSES; i++)
        pause_and_resume(i + 1);
    vmp_continue(&vm);
    uint64_t chains = vmp_expect_value(&vm, "chains");
    ck_assert_uint_eq(vmp_expect_value(&vm, "stopped"), clock & (uint64_t)_i);
    vmp_expect(&vm, "done");
    ck_assert_uint_gt(chains, 0);
    int status = vmp_wait(&vm);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(a_paused_machine_ends_on_a_signal)
{
    (void)start_monitor();
    set_state("Paused");
    ck_assert_int_eq(kill(vm.pid, SIGTERM), 0);
    int status = vmp_wait(&vm);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 128 + SIGTERM);
}
END_TEST

static Suite *pause_suite(void)
{
    Suite *suite = suite_create("pause");
    TCase *tc = tcase_create("pause");
    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, a_thousand_freezes_under_load_stop_every_vcpu_and_lose_nothing);
    tcase_add_test(tc,
                   a_freeze_on_the_reclaim_loop_does_not_wait_for_a_vcpu_that_waits_for_the_loop);
    tcase_add_test(tc, freezing_a_machine_that_waits_for_its_console_loses_no_byte);
    tcase_add_test(tc, a_pause_outlasts_freezes_and_targets_set_meanwhile);
    tcase_add_test(tc, only_a_machine_that_runs_can_be_paused);
    tcase_add_loop_test(tc, a_machine_that_is_held_can_be_destroyed, 0, 3);
    tcase_add_loop_test(tc, all_chains_come_back_over_pauses_in_the_middle_of_inflating, 0, 2);
    tcase_add_test(tc, a_paused_machine_ends_on_a_signal);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(pause_suite);
}
