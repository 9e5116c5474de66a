/* SPDX-License-Identifier: Apache-2.0 */
/* Tells kernel file formats apart, with a hint for files that nearly are kernels. */
#include "vmm/boot/x86_64/kernel.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/boot/x86_64/layout.h"
#include "vmm/boot/x86_64/memmap.h"

struct magic {
    uint16_t offset;
    uint8_t len;
    char bytes[7];
    const char *hint;
};

/* Files that people take for kernels, most specific first. */
static const struct magic magics[] = {
    {0, 2, "\x1f\x8b",
     "it is compressed by gzip: unpack it (gzip -d) or give the bzImage; or is this the initrd?"},
    {0, 6, "\xfd\x37\x7a\x58\x5a", "it is compressed by xz: unpack it (xz -d) or give the bzImage"},
    {0, 4, "\x28\xb5\x2f\xfd", "it is compressed by zstd: unpack it (zstd -d) or give the bzImage"},
    {0, 4, "\x02\x21\x4c\x18", "it is compressed by lz4: unpack it (lz4 -d) or give the bzImage"},
    {0, 3, "BZh", "it is compressed by bzip2: unpack it (bzip2 -d) or give the bzImage"},
    {0, 6, "070701", "it is a cpio archive: this looks like the initrd"},
    {0x38, 4, "ARM\x64", "it is an arm64 Image"},
    {0, 2, "MZ", "it is an EFI program without a Linux setup header"},
};

static int not_a_kernel(const struct boot_file *file, const uint8_t *head, size_t len,
                        struct err *err)
{
    const char *hint = "it has neither an ELF header nor a Linux setup header";
    for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
        const struct magic *m = &magics[i];
        if (len >= (size_t)m->offset + m->len && memcmp(head + m->offset, m->bytes, m->len) == 0) {
            hint = m->hint;
            break;
        }
    }
    return err_set(err, -ENOEXEC, "%s: not a bzImage or x86-64 ELF kernel: %s", file->path, hint);
}

int kernel_load(const struct boot_file *file, const struct gm *gm, struct kernel *out,
                struct err *err)
{
    uint8_t head[KERNEL_HEAD_SIZE];
    size_t len = (size_t)min_u64(sizeof(head), file->size_bytes);
    int rc = boot_file_read(file, 0, head, len, err);
    if (rc < 0)
        return rc;
    const size_t magic_at = offsetof(struct boot_params, hdr.header);
    if (len >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
        return elf_load(file, head, len, gm, out, err);
    if (len >= magic_at + 4 && memcmp(head + magic_at, "HdrS", 4) == 0)
        return bzimage_load(file, head, len, gm, out, err);
    return not_a_kernel(file, head, len, err);
}

int kernel_check_place(const struct boot_file *file, const char *what, struct gm_range r,
                       const struct gm *gm, struct err *err)
{
    uint64_t end;
    if (!gm_range_end(r, &end))
        return err_set(err, -ENOEXEC,
                       "%s: %s of %" PRIu64 " bytes at 0x%" PRIx64
                       " passes the end of the address space",
                       file->path, what, r.len_bytes, r.start);
    if (r.start < LAYOUT_HIGH_RAM)
        return err_set(err, -ENOEXEC,
                       "%s: %s is at 0x%" PRIx64 ", below 0x%" PRIx64
                       " where the tables for booting lie",
                       file->path, what, r.start, LAYOUT_HIGH_RAM);
    if (end > LAYOUT_MMIO_GAP_START)
        return err_set(err, -ENOEXEC,
                       "%s: %s at 0x%" PRIx64 " ends at 0x%" PRIx64 ", above 0x%" PRIx64
                       " where device addresses begin",
                       file->path, what, r.start, end, LAYOUT_MMIO_GAP_START);
    uint64_t ram_end = memmap_low_ram_end(gm);
    if (end > ram_end)
        return err_set(err, -E2BIG,
                       "%s: %s at 0x%" PRIx64 " ends at 0x%" PRIx64 ": the machine needs at least "
                       "%" PRIu64 " MiB of memory and has %" PRIu64 " MiB",
                       file->path, what, r.start, end, (end + MIB - 1) / MIB, ram_end / MIB);
    return 0;
}
