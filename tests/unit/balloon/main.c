/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the tests of the balloon. */
#include "tests/support/check_main.h"
#include "tests/unit/balloon/suites.h"
#include "vmm/base/num.h"

int main(void)
{
    Suite *(*const suites[])(void) = {change_suite,       config_suite,        hint_suite,
                                      hostile_race_suite, hostile_reset_suite, pfn_suite,
                                      pieces_suite,       queues_suite,        report_suite,
                                      sg_suite,           stats_suite,         turns_suite};
    return check_run(suites, ARRAY_LEN(suites));
}
