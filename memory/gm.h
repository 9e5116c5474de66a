/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory: RAM regions on sealed memfds, and the only way from a guest-physical address to
 * host memory.
 *
 * Every address and length may come from a hostile guest; each call checks them against the
 * regions. The object is immutable after gm_create(), so that all calls are safe from any thread;
 * the bytes themselves are shared with the guest, which may change them at any moment: copy once,
 * then use only the copy.
 */
#ifndef AEROSTAT_MEMORY_GM_H
#define AEROSTAT_MEMORY_GM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "memory/range.h"
#include "vmm/base/err.h"

#define GM_PAGE_SIZE   UINT64_C(4096)
#define GM_HUGE_SIZE   (UINT64_C(2) << 20)
#define GM_MAX_REGIONS 4u

/* Host pages behind guest RAM. */
enum gm_backing {
    GM_BACKING_4K,  /* memfd, pages of 4096 bytes */
    GM_BACKING_THP, /* memfd with MADV_HUGEPAGE; falls back to 4 KiB where the host forbids it */
    /*
     * memfd with MFD_HUGETLB, pages of 2 MiB from the host's pool. All are reserved when RAM is
     * created; one that is given back is not reserved any more, and must still be there when the
     * guest wants it again.
     */
    GM_BACKING_HUGETLB_2M,
};

struct gm;

/* A RAM region as the hypervisor's memory slot needs it. Borrowed from the gm. */
struct gm_region {
    struct gm_range range;
    void *host; /* start of the shared mapping; for KVM memory slots only */
    int fd;     /* the memfd; offset 0 is range.start */
};

/*
 * Creates RAM for n ascending, disjoint, page-aligned ranges (with 2 MiB backing: 2 MiB-aligned
 * ones). Pages are not populated. The memfds are sealed against SHRINK, GROW and further SEALs, and
 * not against WRITE, which would make punching holes fail. The mappings are excluded from core
 * dumps, lie between inaccessible guard areas of at least 2 MiB, and are MAP_NORESERVE but for
 * hugetlb.
 * Returns 0; -EINVAL for bad ranges; -ENOMEM when the pool of huge pages is too small; -errno of
 * memfd_create(2), ftruncate(2), fcntl(2), mmap(2), madvise(2); each with a sentence in err.
 */
int gm_create(const struct gm_range *ranges, size_t n, enum gm_backing backing, struct gm **out_gm,
              struct err *err);

/* Unmaps and closes everything. Accepts NULL. No other thread may use gm. */
void gm_destroy(struct gm *gm);

/* 1 to GM_MAX_REGIONS. */
size_t gm_region_count(const struct gm *gm);

/* i < gm_region_count(). */
struct gm_region gm_region_at(const struct gm *gm, size_t i);

/* Sum of the regions. */
uint64_t gm_size_bytes(const struct gm *gm);

/* As given to gm_create(). */
enum gm_backing gm_backing(const struct gm *gm);

/* Smallest piece that gm_discard() can free: 4096 or 2 MiB (hugetlb). */
uint64_t gm_discard_granule(const struct gm *gm);

/* True if every byte of r is RAM (r may span adjacent regions), hence also if r is empty. */
bool gm_is_ram(const struct gm *gm, struct gm_range r);

/*
 * Copies. All or nothing: -EFAULT, with nothing copied, unless the whole range is RAM. May span
 * adjacent regions. Touching a page populates it, reading included: a memfd has no shared zero
 * page.
 */
int gm_read(const struct gm *gm, uint64_t gpa, void *dst, size_t len)
    __attribute__((warn_unused_result));
int gm_write(const struct gm *gm, uint64_t gpa, const void *src, size_t len)
    __attribute__((warn_unused_result));
int gm_zero(const struct gm *gm, uint64_t gpa, uint64_t len) __attribute__((warn_unused_result));

/*
 * One atomic little-endian access, naturally aligned, for fields shared with the guest (ring
 * indices). -EFAULT outside RAM or misaligned.
 */
int gm_load_le16_acquire(const struct gm *gm, uint64_t gpa, uint16_t *out)
    __attribute__((warn_unused_result));
int gm_load_le16_relaxed(const struct gm *gm, uint64_t gpa, uint16_t *out)
    __attribute__((warn_unused_result));
int gm_store_le16_release(const struct gm *gm, uint64_t gpa, uint16_t value)
    __attribute__((warn_unused_result));

/*
 * The host memory of r as at most cap iovecs, in order, for one system call. *out_n is how many.
 * -EFAULT if r is not RAM, -E2BIG if cap is too small (GM_MAX_REGIONS always suffices).
 */
int gm_iov(const struct gm *gm, struct gm_range r, struct iovec *iov, size_t cap, size_t *out_n)
    __attribute__((warn_unused_result));

/*
 * Fills r from file descriptor fd at offset, without a bounce buffer. One call at a time: the
 * memfds' file positions are used. -EFAULT if r is not RAM and -EOVERFLOW if offset + length is no
 * file offset (nothing is read); -ENODATA if the file ends early and -errno of sendfile(2) or
 * pread(2) (what was read before stays).
 */
int gm_read_file(const struct gm *gm, struct gm_range r, int fd, uint64_t offset)
    __attribute__((warn_unused_result));

/* What one gm_discard() call did. */
struct gm_discard_result {
    uint64_t punched_bytes; /* whole granules that fallocate(2) was asked to punch */
    uint64_t freed_bytes;   /* by how much the memfds' allocated blocks fell; see gm_discard() */
    uint32_t calls;         /* fallocate(2) calls that were made */
};

/*
 * Gives the host pages of n ranges back to the kernel. The ranges must be ascending and disjoint,
 * as gm_ranges_merge() leaves them; each is cut inward to whole granules, and cut to the regions it
 * touches: parts that are not RAM are left out. Reads of a punched page return zeros afterwards.
 * freed_bytes compares st_blocks before and after; pages that the guest populates elsewhere
 * meanwhile are subtracted, so that it can be too small, never above punched_bytes.
 * One range that fails does not keep the others. Returns 0 or the first -errno of fallocate(2) or
 * fstat(2); *out says what was done in either case.
 */
int gm_discard(struct gm *gm, const struct gm_range *ranges, size_t n,
               struct gm_discard_result *out) __attribute__((warn_unused_result));

/*
 * Populates r with zeroed pages where it has holes, and writable for this process, in one go: a
 * fault of the guest then finds its page there. What is there already keeps its content. Returns 0;
 * -EFAULT if r is not RAM; -errno of madvise(2), -EINVAL before Linux 5.14 (some may be populated).
 */
int gm_populate(const struct gm *gm, struct gm_range r) __attribute__((warn_unused_result));

/* Bytes that the memfds hold allocated (st_blocks). Returns 0 or -errno of fstat(2). */
int gm_allocated_bytes(const struct gm *gm, uint64_t *out_bytes)
    __attribute__((warn_unused_result));

/*
 * Bytes of r that are populated, by SEEK_DATA and SEEK_HOLE (hugetlb: mincore(2), as hugetlbfs
 * shows no holes): exact for r, slower than gm_allocated_bytes(). -EFAULT if r is not RAM; -errno
 * of lseek(2) or mincore(2).
 */
int gm_populated_bytes(const struct gm *gm, struct gm_range r, uint64_t *out_bytes)
    __attribute__((warn_unused_result));

/*
 * For GM_BACKING_THP: whether the host's shmem_enabled setting defeats the choice. *out is a static
 * word of that file (for a warning) or NULL when nothing is wrong or the file is not there.
 */
void gm_thp_obstacle(const char **out_setting);

#endif
