/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket and its client. */
#include <signal.h>

#include "tests/support/check_main.h"
#include "tests/unit/api/fixture.h"

int main(void)
{
    /* As the program does: a client that is gone must not end the server. */
    signal(SIGPIPE, SIG_IGN);
    Suite *(*const suites[])(void) = {requests_suite, statistics_suite, refresh_suite,
                                      wire_suite,     library_suite,    limits_suite,
                                      socket_suite,   client_suite,     conn_suite};
    return check_run(suites, sizeof(suites) / sizeof(suites[0]));
}
