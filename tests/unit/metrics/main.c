/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics' tests. */
#include "tests/support/check_main.h"
#include "tests/unit/metrics/suites.h"
#include "vmm/base/num.h"

int main(void)
{
    Suite *(*const suites[])(void) = {docs_suite, json_suite, openmetrics_suite, sink_suite};
    return check_run(suites, ARRAY_LEN(suites));
}
