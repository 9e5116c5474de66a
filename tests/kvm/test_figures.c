/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine counts of itself while a payload guest drives its balloon and its console. */
#include "tests/kvm/kvm_main.h"
#include "tests/kvm/machine_fixture.h"
#include "vmm/base/num.h"

static struct mfix fix;

static struct machine_figures figures(void)
{
    struct machine_figures now;
    machine_get_figures(fix.machine, &now);
    return now;
}

START_TEST(exits_are_counted_by_kind)
{
    mfix_create(&fix, PAYLOAD_DIR "/payload_sg", 128 * MIB, 1);
    struct machine_figures now = figures();
    ck_assert_uint_eq(now.exits_io_in + now.exits_io_out, 0);
    ck_assert_uint_eq(now.exits_mmio_read + now.exits_mmio_write, 0);
    mfix_start(&fix);
    /* Its registers tell the driver what the device is, and the device that the driver is there.
     * The test's own deadline ends it if one of these does not come. */
    do {
        (void)usleep(100);
        now = figures();
    } while (now.exits_mmio_read == 0 || now.exits_mmio_write == 0 || now.exits_io_in == 0 ||
             now.exits_io_out == 0);
    ck_assert_uint_eq(now.vcpu_failures, 0);
    mfix_destroy(&fix);
}
END_TEST

static Suite *figures_suite(void)
{
    Suite *suite = suite_create("figures");
    TCase *tc = tcase_create("figures");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, exits_are_counted_by_kind);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(figures_suite);
}
