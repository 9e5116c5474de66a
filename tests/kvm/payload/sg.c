/* SPDX-License-Identifier: Apache-2.0 */
/* Inflates by scatter-gather chains: one long chain, several in one kick, then deflates and
 * inflates again. */
#include "tests/kvm/payload/pl.h"

#define FIRST  (16 * PL_MIB)
#define SECOND (24 * PL_MIB)
#define PIECE  (64u * 1024)
#define STRIDE (128u * 1024) /* every other piece: nothing can be merged */

void payload_main(void)
{
    struct pl_queue inflate, deflate;
    pl_balloon_init(PL_F_VERSION_1 | PL_F_SG, &inflate, &deflate);
    pl_touch(FIRST, 8 * PL_MIB);
    pl_touch(SECOND, 8 * PL_MIB);
    pl_checkpoint("populated");

    pl_chain(&inflate, 0, PL_RING, FIRST, PIECE, STRIDE);
    pl_publish(&inflate, 0);
    pl_kick(&inflate);
    pl_require(pl_wait_used(&inflate), "one chain of 64 descriptors is not returned");
    pl_require(inflate.used->ring[0].id == 0 && inflate.used->ring[0].len == 0, "used element");
    pl_checkpoint("one-chain");

    for (uint16_t i = 0; i < 8; i++) {
        pl_chain(&inflate, (uint16_t)(i * 8), 8, SECOND + i * 8 * (uint64_t)STRIDE, PIECE, STRIDE);
        pl_publish(&inflate, (uint16_t)(i * 8));
    }
    pl_kick(&inflate);
    pl_require(pl_wait_used(&inflate), "eight chains in one kick are not returned");
    pl_checkpoint("eight-chains");

    uint64_t dirty = 0, kept = 0;
    for (uint64_t i = 0; i < PL_RING; i++) {
        dirty += pl_count_dirty(FIRST + i * STRIDE, PIECE);
        dirty += pl_count_dirty(SECOND + i * STRIDE, PIECE);
        kept += pl_count_dirty(FIRST + i * STRIDE + PIECE, PIECE);
        kept += pl_count_dirty(SECOND + i * STRIDE + PIECE, PIECE);
    }
    pl_value("dirty", dirty);
    pl_value("kept", kept);

    pl_chain(&deflate, 0, PL_RING, FIRST, PIECE, STRIDE);
    pl_publish(&deflate, 0);
    pl_kick(&deflate);
    pl_require(pl_wait_used(&deflate), "deflate is not acknowledged");
    pl_touch(FIRST, 8 * PL_MIB);
    pl_checkpoint("deflated");

    /* Device-writable buffers, and one range in two touching halves. */
    pl_desc(&inflate, 0, FIRST + 4 * PL_MIB, 4 * PL_MIB, PL_WRITE | PL_NEXT, 1);
    pl_desc(&inflate, 1, FIRST, 4 * PL_MIB, PL_WRITE, 0);
    pl_publish(&inflate, 0);
    pl_kick(&inflate);
    pl_require(pl_wait_used(&inflate), "writable chain is not returned");
    pl_checkpoint("again");
    pl_puts("done\n");
}
