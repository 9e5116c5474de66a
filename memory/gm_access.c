/* SPDX-License-Identifier: Apache-2.0 */
/* From guest-physical addresses to host memory: checks, copies, atomic accesses, iovecs. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "memory/gm_priv.h"
#include "vmm/base/num.h"

void *gm_first_piece(const struct gm *gm, struct gm_range r, uint64_t *out_len)
{
    uint64_t end;
    if (r.len_bytes == 0 || !add_u64(r.start, r.len_bytes, &end))
        return NULL;
    for (size_t i = 0; i < gm->n; i++) {
        const struct gm_region *region = &gm->slot[i].region;
        /* Regions ascend: what begins before this one is in none of those that follow either. */
        if (r.start < region->range.start)
            return NULL;
        uint64_t offset = r.start - region->range.start;
        if (offset >= region->range.len_bytes)
            continue;
        *out_len = min_u64(r.len_bytes, region->range.len_bytes - offset);
        return (char *)region->host + offset;
    }
    return NULL;
}

/* Cuts the first len bytes, at most all of them, off r. */
static void range_advance(struct gm_range *r, uint64_t len)
{
    r->start += len;
    r->len_bytes -= len;
}

bool gm_is_ram(const struct gm *gm, struct gm_range r)
{
    while (r.len_bytes > 0) {
        uint64_t len;
        if (gm_first_piece(gm, r, &len) == NULL)
            return false;
        range_advance(&r, len);
    }
    return true;
}

int gm_read(const struct gm *gm, uint64_t gpa, void *dst, size_t len)
{
    struct gm_range r = {.start = gpa, .len_bytes = len};
    if (!gm_is_ram(gm, r))
        return -EFAULT;
    char *to = dst;
    while (r.len_bytes > 0) {
        uint64_t piece;
        const void *from = gm_first_piece(gm, r, &piece);
        memcpy(to, from, piece);
        to += piece;
        range_advance(&r, piece);
    }
    return 0;
}

int gm_write(const struct gm *gm, uint64_t gpa, const void *src, size_t len)
{
    struct gm_range r = {.start = gpa, .len_bytes = len};
    if (!gm_is_ram(gm, r))
        return -EFAULT;
    const char *from = src;
    while (r.len_bytes > 0) {
        uint64_t piece;
        void *to = gm_first_piece(gm, r, &piece);
        memcpy(to, from, piece);
        from += piece;
        range_advance(&r, piece);
    }
    return 0;
}

int gm_zero(const struct gm *gm, uint64_t gpa, uint64_t len)
{
    struct gm_range r = {.start = gpa, .len_bytes = len};
    if (!gm_is_ram(gm, r))
        return -EFAULT;
    while (r.len_bytes > 0) {
        uint64_t piece;
        void *to = gm_first_piece(gm, r, &piece);
        memset(to, 0, piece);
        range_advance(&r, piece);
    }
    return 0;
}

/*
 * Regions start and end on pages, so an aligned field lies in one region and is aligned in the host
 * as well.
 */
static uint16_t *le16_at(const struct gm *gm, uint64_t gpa)
{
    uint64_t len;
    if (!is_aligned(gpa, sizeof(uint16_t)))
        return NULL;
    return gm_first_piece(gm, (struct gm_range){gpa, sizeof(uint16_t)}, &len);
}

int gm_load_le16_acquire(const struct gm *gm, uint64_t gpa, uint16_t *out)
{
    const uint16_t *field = le16_at(gm, gpa);
    if (field == NULL)
        return -EFAULT;
    *out = le16toh(__atomic_load_n(field, __ATOMIC_ACQUIRE));
    return 0;
}

int gm_load_le16_relaxed(const struct gm *gm, uint64_t gpa, uint16_t *out)
{
    const uint16_t *field = le16_at(gm, gpa);
    if (field == NULL)
        return -EFAULT;
    *out = le16toh(__atomic_load_n(field, __ATOMIC_RELAXED));
    return 0;
}

int gm_store_le16_release(const struct gm *gm, uint64_t gpa, uint16_t value)
{
    uint16_t *field = le16_at(gm, gpa);
    if (field == NULL)
        return -EFAULT;
    __atomic_store_n(field, htole16(value), __ATOMIC_RELEASE);
    return 0;
}

int gm_iov(const struct gm *gm, struct gm_range r, struct iovec *iov, size_t cap, size_t *out_n)
{
    if (!gm_is_ram(gm, r))
        return -EFAULT;
    size_t n = 0;
    while (r.len_bytes > 0) {
        if (n == cap)
            return -E2BIG;
        uint64_t len = 0;
        iov[n].iov_base = gm_first_piece(gm, r, &len);
        iov[n].iov_len = len;
        n++;
        range_advance(&r, len);
    }
    *out_n = n;
    return 0;
}
