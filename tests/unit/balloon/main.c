/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the tests of the balloon. */
#include "tests/support/check_main.h"
#include "tests/unit/balloon/suites.h"
#include "vmm/base/num.h"

int main(void)
{
    Suite *(*const suites[])(void) = {config_suite, pfn_suite, sg_suite, turns_suite};
    return check_run(suites, ARRAY_LEN(suites));
}
