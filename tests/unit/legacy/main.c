/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the tests of the legacy devices. */
#include "tests/support/check_main.h"
#include "tests/unit/legacy/suites.h"
#include "vmm/base/num.h"

int main(void)
{
    Suite *(*const suites[])(void) = {serial_suite, i8042_suite};
    return check_run(suites, ARRAY_LEN(suites));
}
