/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory filled from files. */
#include <errno.h>
#include <stdbool.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "memory/gm_priv.h"
#include "vmm/base/num.h"

/* Most that one call is asked for; a call moves at most 2 GiB less a page. */
#define FILE_STEP_BYTES (64 * MIB)

/* What is still to come from the file, and where it goes. */
struct transfer {
    int fd;
    off_t offset;
    const struct gm_region *region;
    struct gm_range to; /* lies in region */
};

static void advance(struct transfer *t, size_t moved)
{
    t->to.start += moved;
    t->to.len_bytes -= moved;
}

/*
 * From file to memfd inside the kernel: the pages are neither cleared nor faulted in one by one
 * first, which halves the time. Returns 0 when all is done or the two files do not allow it.
 */
static int send_pages(struct transfer *t)
{
    if (lseek(t->region->fd, (off_t)(t->to.start - t->region->range.start), SEEK_SET) < 0)
        return -errno;
    while (t->to.len_bytes > 0) {
        ssize_t moved =
            sendfile(t->region->fd, t->fd, &t->offset, min_u64(t->to.len_bytes, FILE_STEP_BYTES));
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved < 0)
            return errno == EINVAL || errno == ENOSYS ? 0 : -errno;
        if (moved == 0)
            return -ENODATA;
        advance(t, (size_t)moved);
    }
    return 0;
}

/*
 * Only a fault brings a transparent huge page, a write to the memfd small ones: reading through the
 * mapping takes a third of the time then, and the guest's kernel lies on huge pages. With small
 * pages it would take twice the time.
 */
static bool by_huge_pages(const struct gm *gm, struct gm_range to)
{
    const char *obstacle;
    if (gm->backing != GM_BACKING_THP || to.len_bytes < GM_HUGE_SIZE)
        return false;
    gm_thp_obstacle(&obstacle);
    return obstacle == NULL;
}

/* Through the mapping, also for backing that cannot be written to (hugetlb). */
static int read_pages(struct transfer *t)
{
    while (t->to.len_bytes > 0) {
        char *host = (char *)t->region->host + (t->to.start - t->region->range.start);
        ssize_t got = pread(t->fd, host, min_u64(t->to.len_bytes, FILE_STEP_BYTES), t->offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -ENODATA;
        t->offset += got;
        advance(t, (size_t)got);
    }
    return 0;
}

int gm_read_file(const struct gm *gm, struct gm_range r, int fd, uint64_t offset)
{
    uint64_t end;
    if (!gm_is_ram(gm, r))
        return -EFAULT;
    if (!add_u64(offset, r.len_bytes, &end) || end > INT64_MAX)
        return -EOVERFLOW;
    for (size_t i = 0; i < gm->n; i++) {
        struct transfer t = {.fd = fd, .offset = (off_t)offset, .region = &gm->slot[i].region};
        if (!gm_range_clip(r, t.region->range, &t.to))
            continue;
        t.offset += (off_t)(t.to.start - r.start);
        int rc = by_huge_pages(gm, t.to) ? 0 : send_pages(&t);
        if (rc == 0)
            rc = read_pages(&t);
        if (rc < 0)
            return rc;
    }
    return 0;
}
