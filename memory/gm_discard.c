/* SPDX-License-Identifier: Apache-2.0 */
/* Giving guest RAM back to the host, and counting what the host holds. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/gm_priv.h"
#include "vmm/base/num.h"

/* stat(2): st_blocks counts 512-byte units whatever st_blksize says. */
#define STAT_BLOCK_BYTES 512u

/* How much one mincore(2) call looks at: its answer, a byte a page, stays on the stack. */
#define MINCORE_STEP_BYTES (16 * MIB)

uint64_t gm_discard_granule(const struct gm *gm)
{
    return gm->backing == GM_BACKING_HUGETLB_2M ? GM_HUGE_SIZE : GM_PAGE_SIZE;
}

static int allocated_bytes(int fd, uint64_t *out_bytes)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    *out_bytes = (uint64_t)st.st_blocks * STAT_BLOCK_BYTES;
    return 0;
}

/*
 * Punching, not madvise(MADV_DONTNEED): on a shared mapping that only unmaps, and the pages stay in
 * the memfd.
 */
static int punch(const struct gm_region *region, struct gm_range piece)
{
    int rc;
    do {
        rc = fallocate(region->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       (off_t)(piece.start - region->range.start), (off_t)piece.len_bytes);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : 0;
}

/* Adds to *out what was done in this region. */
static int discard_in_region(const struct gm_region *region, uint64_t granule,
                             const struct gm_range *ranges, size_t n, struct gm_discard_result *out)
{
    uint64_t before = 0;
    uint64_t punched = 0;
    bool counted = false;
    int first_error = 0;
    for (size_t i = 0; i < n; i++) {
        struct gm_range piece;
        if (!gm_range_clip(ranges[i], region->range, &piece) ||
            !gm_range_align_inward(piece, granule, &piece))
            continue;
        if (!counted) {
            int rc = allocated_bytes(region->fd, &before);
            if (rc < 0)
                return rc;
            counted = true;
        }
        int rc = punch(region, piece);
        out->calls++;
        if (rc == 0)
            punched += piece.len_bytes;
        else if (first_error == 0)
            first_error = rc;
    }
    out->punched_bytes += punched;
    if (punched == 0)
        return first_error;
    uint64_t after;
    int rc = allocated_bytes(region->fd, &after);
    if (rc == 0)
        out->freed_bytes += min_u64(sub_sat_u64(before, after), punched);
    return first_error < 0 ? first_error : rc;
}

int gm_discard(struct gm *gm, const struct gm_range *ranges, size_t n,
               struct gm_discard_result *out)
{
    *out = (struct gm_discard_result){0};
    int first_error = 0;
    for (size_t i = 0; i < gm->n; i++) {
        int rc = discard_in_region(&gm->slot[i].region, gm_discard_granule(gm), ranges, n, out);
        if (first_error == 0)
            first_error = rc;
    }
    return first_error;
}

int gm_populate(const struct gm *gm, struct gm_range r)
{
    if (!gm_is_ram(gm, r))
        return -EFAULT;
    while (r.len_bytes > 0) {
        uint64_t piece;
        void *host = gm_first_piece(gm, r, &piece);
        int rc;
        do {
            rc = madvise(host, piece, MADV_POPULATE_WRITE);
        } while (rc < 0 && errno == EINTR);
        if (rc < 0)
            return -errno;
        r.start += piece;
        r.len_bytes -= piece;
    }
    return 0;
}

int gm_allocated_bytes(const struct gm *gm, uint64_t *out_bytes)
{
    uint64_t total = 0;
    for (size_t i = 0; i < gm->n; i++) {
        uint64_t bytes = 0;
        int rc = allocated_bytes(gm->slot[i].region.fd, &bytes);
        if (rc < 0)
            return rc;
        total += bytes;
    }
    *out_bytes = total;
    return 0;
}

/* Populated bytes of [pos, end) of a memfd on tmpfs, which tells data from holes page by page. */
static int count_data(int fd, uint64_t pos, uint64_t end, uint64_t *out_bytes)
{
    uint64_t total = 0;
    while (pos < end) {
        off_t data = lseek(fd, (off_t)pos, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        if (data < 0)
            return -errno;
        if ((uint64_t)data >= end)
            break;
        off_t hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0)
            return -errno;
        total += min_u64((uint64_t)hole, end) - (uint64_t)data;
        /* Equal when the page was punched out between the two calls; always make headway. */
        pos = max_u64((uint64_t)hole, (uint64_t)data + 1);
    }
    *out_bytes = total;
    return 0;
}

/*
 * Populated bytes of [pos, end) of a hugetlb memfd that is mapped at map. hugetlbfs takes a whole
 * file for data in lseek(2); but guest RAM there is populated only through this mapping, whose page
 * tables mincore(2) reads.
 */
static int count_resident(char *map, uint64_t pos, uint64_t end, uint64_t *out_bytes)
{
    unsigned char resident[MINCORE_STEP_BYTES / GM_PAGE_SIZE];
    uint64_t total = 0;
    for (uint64_t step = align_down(pos, GM_PAGE_SIZE); step < end; step += MINCORE_STEP_BYTES) {
        uint64_t stop = min_u64(step + MINCORE_STEP_BYTES, end);
        if (mincore(map + step, stop - step, resident) < 0)
            return -errno;
        for (uint64_t page = step; page < stop; page += GM_PAGE_SIZE) {
            if (resident[(page - step) / GM_PAGE_SIZE] & 1)
                total += min_u64(page + GM_PAGE_SIZE, stop) - max_u64(page, pos);
        }
    }
    *out_bytes = total;
    return 0;
}

int gm_populated_bytes(const struct gm *gm, struct gm_range r, uint64_t *out_bytes)
{
    if (!gm_is_ram(gm, r))
        return -EFAULT;
    uint64_t total = 0;
    for (size_t i = 0; i < gm->n; i++) {
        const struct gm_region *region = &gm->slot[i].region;
        struct gm_range piece;
        if (!gm_range_clip(r, region->range, &piece))
            continue;
        uint64_t pos = piece.start - region->range.start;
        uint64_t bytes = 0;
        int rc = gm->backing == GM_BACKING_HUGETLB_2M
                     ? count_resident(region->host, pos, pos + piece.len_bytes, &bytes)
                     : count_data(region->fd, pos, pos + piece.len_bytes, &bytes);
        if (rc < 0)
            return rc;
        total += bytes;
    }
    *out_bytes = total;
    return 0;
}
