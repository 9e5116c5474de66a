/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the virtqueue and the virtio-mmio transport. */
#include "tests/support/check_main.h"
#include "tests/unit/virtio/suites.h"

int main(void)
{
    Suite *(*const suites[])(void) = {
        chain_suite,  ring_suite,      notify_suite,  registers_suite,
        status_suite, transport_suite, threads_suite, hostile_suite,
    };
    return check_run(suites, sizeof(suites) / sizeof(suites[0]));
}
