/* SPDX-License-Identifier: Apache-2.0 */
/* Says more than a small pipe holds. */
#include "tests/kvm/payload/pl.h"

void payload_main(void)
{
    for (uint64_t n = 0; n < 800; n++)
        pl_value("line", n);
    pl_puts("done\n");
}
