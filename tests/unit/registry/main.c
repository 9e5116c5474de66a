/* SPDX-License-Identifier: Apache-2.0 */
/* The unit tests of vmm/registry. */
#include "tests/support/check_main.h"
#include "tests/unit/registry/suites.h"

int main(void)
{
    Suite *(*const suites[])(void) = {dir_suite, claim_suite, list_suite, hostile_suite,
                                      killed_suite};
    return check_run(suites, sizeof(suites) / sizeof(suites[0]));
}
