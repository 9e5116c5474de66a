/* SPDX-License-Identifier: Apache-2.0 */
/* The unit tests of vmm/console. */
#include "tests/support/check_main.h"
#include "tests/unit/console/suites.h"

int main(void)
{
    Suite *(*const suites[])(void) = {log_suite, output_suite, input_suite};
    return check_run(suites, sizeof(suites) / sizeof(suites[0]));
}
