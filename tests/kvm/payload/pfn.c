/* SPDX-License-Identifier: Apache-2.0 */
/* Inflates by arrays of page frame numbers, in any order and in several buffers a kick, then
 * deflates. */
#include "tests/kvm/payload/pl.h"

#define AREA        (16 * PL_MIB)
#define PFNS        256u
#define PFN_OF(gpa) ((uint32_t)((gpa) >> 12))

static uint32_t arrays[8][PFNS] __attribute__((aligned(4096)));

void payload_main(void)
{
    struct pl_queue inflate, deflate;
    pl_balloon_init(PL_F_VERSION_1, &inflate, &deflate);
    pl_touch(AREA, 16 * PL_MIB);
    /* Descending, as a guest's allocator often hands them out. */
    for (uint32_t a = 0; a < 8; a++) {
        for (uint32_t i = 0; i < PFNS; i++)
            arrays[a][i] = PFN_OF(AREA + (a + 1) * PL_MIB) - 1 - i;
    }
    pl_checkpoint("populated");

    pl_desc(&inflate, 0, (uint64_t)arrays[0], sizeof(arrays[0]), 0, 0);
    pl_publish(&inflate, 0);
    pl_kick(&inflate);
    pl_require(pl_wait_used(&inflate), "one array is not returned");
    pl_checkpoint("one-array");

    for (uint16_t a = 1; a < 8; a++) {
        pl_desc(&inflate, a, (uint64_t)arrays[a], sizeof(arrays[a]), 0, 0);
        pl_publish(&inflate, a);
    }
    pl_kick(&inflate);
    pl_require(pl_wait_used(&inflate), "seven arrays in one kick are not returned");
    pl_checkpoint("seven-arrays");
    pl_value("dirty", pl_count_dirty(AREA, 8 * PL_MIB));
    pl_value("kept", pl_count_dirty(AREA + 8 * PL_MIB, 8 * PL_MIB));

    pl_desc(&deflate, 0, (uint64_t)arrays[0], sizeof(arrays[0]), 0, 0);
    pl_publish(&deflate, 0);
    pl_kick(&deflate);
    pl_require(pl_wait_used(&deflate), "deflate is not acknowledged");
    pl_puts("done\n");
}
