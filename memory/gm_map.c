/* SPDX-License-Identifier: Apache-2.0 */
/* Creation of guest RAM: memfds, their seals, and their mappings between guard areas. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/gm_priv.h"
#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"

/* Linux 6.3; older headers lack it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/*
 * Never F_SEAL_WRITE: fallocate(2) then refuses to punch. MFD_NOEXEC_SEAL adds F_SEAL_EXEC by
 * itself, which brings F_SEAL_WRITE along only on files with an executable bit; these have none.
 */
#define RAM_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

#define POOL_DIR "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static int check_range(const struct gm_range *ranges, size_t i, uint64_t align, struct err *err)
{
    struct gm_range r = ranges[i];
    uint64_t end;
    if (r.len_bytes == 0 || !gm_range_end(r, &end) || end > GM_ADDRESS_LIMIT)
        return err_set(err, -EINVAL,
                       "guest RAM region %zu: %" PRIu64 " bytes at 0x%" PRIx64
                       " are empty or pass the last physical address, 0x%" PRIx64,
                       i, r.len_bytes, r.start, GM_ADDRESS_LIMIT - 1);
    if (!is_aligned(r.start, align) || !is_aligned(r.len_bytes, align))
        return err_set(err, -EINVAL,
                       "guest RAM region %zu: %" PRIu64 " bytes at 0x%" PRIx64
                       " are not multiples of the backing page of %" PRIu64 " bytes",
                       i, r.len_bytes, r.start, align);
    if (i > 0 && r.start < ranges[i - 1].start + ranges[i - 1].len_bytes)
        return err_set(err, -EINVAL,
                       "guest RAM region %zu: its start 0x%" PRIx64
                       " is below the end of the region before it",
                       i, r.start);
    return 0;
}

static int create_memfd(enum gm_backing backing)
{
    unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    if (backing == GM_BACKING_HUGETLB_2M)
        flags |= MFD_HUGETLB | MFD_HUGE_2MB;
    int fd = memfd_create("aerostat-ram", flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("aerostat-ram", flags);
    return fd;
}

static uint64_t pool_number(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    uint64_t number;
    if (fscanf(file, "%" SCNu64, &number) != 1)
        number = 0;
    fclose(file);
    return number;
}

/* Says what the pool lacks, when the last left_bytes of RAM could not be reserved. */
static int pool_error(uint64_t size_bytes, uint64_t left_bytes, struct err *err)
{
    uint64_t total = pool_number(POOL_DIR "nr_hugepages");
    uint64_t available =
        sub_sat_u64(pool_number(POOL_DIR "free_hugepages"), pool_number(POOL_DIR "resv_hugepages"));
    uint64_t needed = size_bytes / GM_HUGE_SIZE;
    uint64_t had = available + (size_bytes - left_bytes) / GM_HUGE_SIZE;
    return err_set(err, -ENOMEM,
                   "guest RAM on huge pages: %" PRIu64 " pages of 2 MiB are needed, the host has "
                   "%" PRIu64 " to spare; run `sysctl vm.nr_hugepages=%" PRIu64
                   "` or choose another backing",
                   needed, had, total + sub_sat_u64(needed, had));
}

/*
 * Maps the memfd inside a larger inaccessible reservation, so that an access beyond either end
 * faults and cannot land in another mapping. Aligned to 2 MiB, as huge pages and the hypervisor's
 * large page tables want it.
 */
static int map_slot(struct gm_slot *slot, int fd, enum gm_backing backing)
{
    size_t len = slot->region.range.len_bytes;
    size_t reserved_len = len + 3 * GM_HUGE_SIZE;
    char *reserved =
        mmap(NULL, reserved_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED)
        return -errno;
    slot->reserved = reserved;
    slot->reserved_len = reserved_len;

    size_t skip = GM_HUGE_SIZE + (-(uintptr_t)reserved & (GM_HUGE_SIZE - 1));
    /*
     * Huge pages are reserved here and now: a pool that runs dry later would kill the guest with
     * SIGBUS.
     */
    int reserve = backing == GM_BACKING_HUGETLB_2M ? 0 : MAP_NORESERVE;
    void *host =
        mmap(reserved + skip, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | reserve, fd, 0);
    if (host == MAP_FAILED)
        return -errno;
    slot->region.host = host;

    if (madvise(host, len, MADV_DONTDUMP) < 0)
        return -errno;
    /* EINVAL: a kernel without transparent huge pages; 4 KiB pages do as well. */
    if (backing == GM_BACKING_THP && madvise(host, len, MADV_HUGEPAGE) < 0 && errno != EINVAL)
        return -errno;
    return 0;
}

/* Memfd and mapping of gm's slot; left_bytes of RAM, this region included, have none yet. */
static int create_region(const struct gm *gm, struct gm_slot *slot, uint64_t left_bytes,
                         struct err *err)
{
    enum gm_backing backing = gm->backing;
    struct gm_range range = slot->region.range;
    AUTO_FD int fd = create_memfd(backing);
    if (fd < 0)
        return err_sys(err, -errno, "guest RAM at 0x%" PRIx64 ": cannot create a memfd%s",
                       range.start,
                       backing == GM_BACKING_HUGETLB_2M ? " on huge pages of 2 MiB" : "");
    if (ftruncate(fd, (off_t)range.len_bytes) < 0)
        return err_sys(err, -errno,
                       "guest RAM at 0x%" PRIx64 ": cannot size its memfd to %" PRIu64 " bytes",
                       range.start, range.len_bytes);
    if (fcntl(fd, F_ADD_SEALS, RAM_SEALS) < 0)
        return err_sys(err, -errno, "guest RAM at 0x%" PRIx64 ": cannot seal its memfd",
                       range.start);
    int rc = map_slot(slot, fd, backing);
    if (rc == -ENOMEM && slot->reserved != NULL && backing == GM_BACKING_HUGETLB_2M)
        return pool_error(gm->size_bytes, left_bytes, err);
    if (rc < 0)
        return err_sys(err, rc, "guest RAM at 0x%" PRIx64 ": cannot map %" PRIu64 " bytes",
                       range.start, range.len_bytes);
    slot->region.fd = take_fd(&fd);
    return 0;
}

int gm_create(const struct gm_range *ranges, size_t n, enum gm_backing backing, struct gm **out_gm,
              struct err *err)
{
    if (n == 0 || n > GM_MAX_REGIONS)
        return err_set(err, -EINVAL, "guest RAM: %zu regions, allowed are 1 to %u", n,
                       GM_MAX_REGIONS);
    uint64_t align = backing == GM_BACKING_HUGETLB_2M ? GM_HUGE_SIZE : GM_PAGE_SIZE;
    for (size_t i = 0; i < n; i++) {
        int rc = check_range(ranges, i, align, err);
        if (rc < 0)
            return rc;
    }

    struct gm *gm = calloc(1, sizeof(*gm));
    if (gm == NULL)
        return err_set(err, -ENOMEM, "guest RAM: out of memory");
    gm->backing = backing;
    gm->size_bytes = gm_ranges_total(ranges, n);
    uint64_t left_bytes = gm->size_bytes;
    for (size_t i = 0; i < n; i++) {
        struct gm_slot *slot = &gm->slot[gm->n++];
        slot->region = (struct gm_region){.range = ranges[i], .fd = -1};
        int rc = create_region(gm, slot, left_bytes, err);
        if (rc < 0) {
            gm_destroy(gm);
            return rc;
        }
        left_bytes -= ranges[i].len_bytes;
    }
    *out_gm = gm;
    return 0;
}

void gm_destroy(struct gm *gm)
{
    if (gm == NULL)
        return;
    for (size_t i = 0; i < gm->n; i++) {
        struct gm_slot *slot = &gm->slot[i];
        if (slot->reserved != NULL)
            munmap(slot->reserved, slot->reserved_len);
        fd_close(&slot->region.fd);
    }
    free(gm);
}

size_t gm_region_count(const struct gm *gm)
{
    return gm->n;
}

struct gm_region gm_region_at(const struct gm *gm, size_t i)
{
    return gm->slot[i].region;
}

uint64_t gm_size_bytes(const struct gm *gm)
{
    return gm->size_bytes;
}

enum gm_backing gm_backing(const struct gm *gm)
{
    return gm->backing;
}
