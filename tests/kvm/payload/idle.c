/* SPDX-License-Identifier: Apache-2.0 */
/* Says that it is up, and sleeps for good. */
#include "tests/kvm/payload/pl.h"

void payload_main(void)
{
    pl_puts("up\n");
    for (;;)
        __asm__ volatile("hlt");
}
