/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the machine's unit tests. */
#include "tests/unit/machine/suites.h"
#include "vmm/base/num.h"

int main(void)
{
    Suite *(*const suites[])(void) = {bus_suite, gate_suite};
    return check_run(suites, ARRAY_LEN(suites));
}
