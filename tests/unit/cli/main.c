/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines, console and terminal. */
#include "tests/support/check_main.h"
#include "tests/unit/cli/suites.h"

int main(void)
{
    Suite *(*const suites[])(void) = {command_suite,  doctor_suite,  options_suite, escape_suite,
                                      end_suite,      balloon_suite, signals_suite, console_suite,
                                      terminal_suite, top_suite,     top_ask_suite, vm_suite};
    return check_run(suites, sizeof(suites) / sizeof(suites[0]));
}
