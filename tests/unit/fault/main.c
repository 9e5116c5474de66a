/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of everything around the balloon on a host whose n-th call fails. */
#include "tests/support/check_main.h"
#include "tests/unit/fault/rig.h"
#include "vmm/base/log.h"

int main(void)
{
    log_set_level(LOG_ERROR);
    Suite *(*const suites[])(void) = {build_suite, session_suite};
    return check_run(suites, sizeof(suites) / sizeof(suites[0]));
}
