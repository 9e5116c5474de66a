/* SPDX-License-Identifier: Apache-2.0 */
/* Guest RAM for tests. */
#include "tests/support/fake_ram.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/num.h"

static void must_be_ram(bool ok, const char *what, uint64_t gpa, uint64_t len_bytes)
{
    if (ok)
        return;
    fprintf(stderr, "fake RAM: %s of %" PRIu64 " bytes at 0x%" PRIx64 " is not in RAM\n", what,
            len_bytes, gpa);
    abort();
}

static struct gm *create(const struct gm_range *ranges, size_t n)
{
    struct gm *gm = NULL;
    struct err err = {0};
    if (gm_create(ranges, n, GM_BACKING_4K, &gm, &err) < 0) {
        fprintf(stderr, "fake RAM: %s\n", err.text);
        abort();
    }
    return gm;
}

struct gm *fake_ram_create(uint64_t start, uint64_t len_bytes)
{
    struct gm_range range = {.start = start, .len_bytes = len_bytes};
    return create(&range, 1);
}

struct gm *fake_ram_create_two(struct gm_range low, struct gm_range high)
{
    struct gm_range ranges[] = {low, high};
    return create(ranges, ARRAY_LEN(ranges));
}

void fake_ram_fill(const struct gm *gm, uint64_t gpa, uint64_t len_bytes, uint8_t value)
{
    struct iovec iov[GM_MAX_REGIONS];
    size_t n = 0;
    int rc = gm_iov(gm, (struct gm_range){gpa, len_bytes}, iov, ARRAY_LEN(iov), &n);
    must_be_ram(rc == 0, "fill", gpa, len_bytes);
    for (size_t i = 0; i < n; i++)
        memset(iov[i].iov_base, value, iov[i].iov_len);
}

void fake_ram_put(const struct gm *gm, uint64_t gpa, const void *src, size_t len)
{
    must_be_ram(gm_write(gm, gpa, src, len) == 0, "write", gpa, len);
}

void fake_ram_get(const struct gm *gm, uint64_t gpa, void *dst, size_t len)
{
    must_be_ram(gm_read(gm, gpa, dst, len) == 0, "read", gpa, len);
}

void fake_ram_put_le16(const struct gm *gm, uint64_t gpa, uint16_t value)
{
    value = htole16(value);
    fake_ram_put(gm, gpa, &value, sizeof(value));
}

void fake_ram_put_le32(const struct gm *gm, uint64_t gpa, uint32_t value)
{
    value = htole32(value);
    fake_ram_put(gm, gpa, &value, sizeof(value));
}

void fake_ram_put_le64(const struct gm *gm, uint64_t gpa, uint64_t value)
{
    value = htole64(value);
    fake_ram_put(gm, gpa, &value, sizeof(value));
}

uint16_t fake_ram_le16(const struct gm *gm, uint64_t gpa)
{
    uint16_t value;
    fake_ram_get(gm, gpa, &value, sizeof(value));
    return le16toh(value);
}

uint32_t fake_ram_le32(const struct gm *gm, uint64_t gpa)
{
    uint32_t value;
    fake_ram_get(gm, gpa, &value, sizeof(value));
    return le32toh(value);
}

uint64_t fake_ram_le64(const struct gm *gm, uint64_t gpa)
{
    uint64_t value;
    fake_ram_get(gm, gpa, &value, sizeof(value));
    return le64toh(value);
}

/* True if each byte of [start, start + len_bytes) of the file is value. */
static bool file_all(int fd, uint64_t start, uint64_t len_bytes, uint8_t value)
{
    uint8_t want[GM_PAGE_SIZE];
    uint8_t got[GM_PAGE_SIZE];
    memset(want, value, sizeof(want));
    for (uint64_t done = 0; done < len_bytes;) {
        size_t step = min_u64(len_bytes - done, sizeof(got));
        if (pread(fd, got, step, (off_t)(start + done)) != (ssize_t)step ||
            memcmp(got, want, step) != 0)
            return false;
        done += step;
    }
    return true;
}

bool fake_ram_all(const struct gm *gm, uint64_t gpa, uint64_t len_bytes, uint8_t value)
{
    struct gm_range r = {.start = gpa, .len_bytes = len_bytes};
    must_be_ram(gm_is_ram(gm, r), "look", gpa, len_bytes);
    for (size_t i = 0; i < gm_region_count(gm); i++) {
        struct gm_region region = gm_region_at(gm, i);
        struct gm_range piece;
        if (gm_range_clip(r, region.range, &piece) &&
            !file_all(region.fd, piece.start - region.range.start, piece.len_bytes, value))
            return false;
    }
    return true;
}

uint64_t fake_ram_allocated(const struct gm *gm)
{
    uint64_t bytes = 0;
    if (gm_allocated_bytes(gm, &bytes) < 0) {
        fprintf(stderr, "fake RAM: cannot stat its memfds\n");
        abort();
    }
    return bytes;
}
