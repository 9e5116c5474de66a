/* SPDX-License-Identifier: Apache-2.0 */
/* Places the initrd as high as it may be, so that the kernel has room to unpack below it. */
#include "vmm/boot/initrd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>

#include "vmm/base/num.h"

/* True and *out_start = the highest aligned start in [low, high) for size bytes, a page multiple.
 */
static bool place_below(uint64_t low, uint64_t high, uint64_t size, uint64_t *out_start)
{
    high = align_down(high, GM_PAGE_SIZE);
    if (high < size || high - size < low)
        return false;
    *out_start = high - size;
    return true;
}

int initrd_place(uint64_t size_bytes, struct gm_range bounds, struct gm_range kernel,
                 uint64_t *out_start)
{
    uint64_t low = bounds.start;
    uint64_t high, kernel_end, size;
    if (!gm_range_end(bounds, &high) || !gm_range_end(kernel, &kernel_end) ||
        !align_up(size_bytes, GM_PAGE_SIZE, &size))
        return -E2BIG;
    /* Whole pages: the kernel frees those of the initrd, which must not hold anything else. */
    if (place_below(max_u64(low, kernel_end), high, size, out_start))
        return 0;
    if (place_below(low, min_u64(high, kernel.start), size, out_start))
        return 0;
    return -E2BIG;
}

int initrd_load(const char *path, const struct gm *gm, struct gm_range bounds,
                struct gm_range kernel, struct gm_range *out, struct err *err)
{
    AUTO_BOOT_FILE struct boot_file file = {.fd = -1};
    int rc = boot_file_open(path, "initrd", &file, err);
    if (rc < 0)
        return rc;
    uint64_t start;
    if (initrd_place(file.size_bytes, bounds, kernel, &start) < 0)
        return err_set(err, -E2BIG,
                       "%s: the initrd of %" PRIu64 " bytes does not fit between 0x%" PRIx64
                       " and 0x%" PRIx64 " beside the kernel at 0x%" PRIx64 " (%" PRIu64
                       " bytes when it runs): give the machine more memory",
                       file.path, file.size_bytes, bounds.start, bounds.start + bounds.len_bytes,
                       kernel.start, kernel.len_bytes);
    struct gm_range dst = {.start = start, .len_bytes = file.size_bytes};
    rc = boot_file_load(&file, 0, gm, dst, err);
    if (rc < 0)
        return rc;
    *out = dst;
    return 0;
}
