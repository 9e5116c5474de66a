/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a bzImage for the 64-bit entry (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol").
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/boot/x86_64/kernel.h"

#define SETUP_AT offsetof(struct boot_params, hdr)
/* The byte at 0x201 says how far behind 0x202 the header ends. */
#define SETUP_END_AT   (offsetof(struct boot_params, hdr.jump) + 1)
#define SETUP_END_BASE offsetof(struct boot_params, hdr.header)

#define SECTOR_SIZE         512u
#define SETUP_SECTS_DEFAULT 4u      /* a file that says 0 means 4 */
#define VERSION_MIN         0x020cu /* 2.12 of Linux 3.8: xloadflags */
#define ENTRY64_OFFSET      0x200u

_Static_assert(SETUP_AT + sizeof(struct setup_header) <= KERNEL_HEAD_SIZE,
               "the head of the file has the setup header");

/* What the setup header says of the file. */
struct bzimage {
    struct setup_header setup;
    uint64_t code_offset; /* of the protected-mode code in the file */
    uint64_t code_bytes;
    uint64_t load_gpa;
};

static int read_setup(const struct boot_file *file, const uint8_t *head, size_t head_len,
                      struct setup_header *out, struct err *err)
{
    size_t need = offsetof(struct boot_params, hdr.handover_offset);
    size_t end = SETUP_END_BASE + head[SETUP_END_AT];
    if (end < need)
        return err_set(err, -ENOEXEC,
                       "%s: the Linux setup header ends at 0x%zx; with protocol 2.12 it goes to "
                       "0x%zx",
                       file->path, end, need);
    end = (size_t)min_u64(end, SETUP_AT + sizeof(*out));
    if (head_len < end)
        return err_set(err, -ENOEXEC,
                       "%s: truncated: the Linux setup header goes to byte %zu, the file has "
                       "%" PRIu64,
                       file->path, end, file->size_bytes);
    *out = (struct setup_header){0};
    memcpy(out, head + SETUP_AT, end - SETUP_AT);
    return 0;
}

static int check_setup(const struct boot_file *file, const struct setup_header *setup,
                       struct err *err)
{
    unsigned version = le16toh(setup->version);
    if (le16toh(setup->boot_flag) != 0xaa55)
        return err_set(err, -ENOEXEC, "%s: the boot flag is 0x%04x instead of 0xaa55", file->path,
                       le16toh(setup->boot_flag));
    if (version < VERSION_MIN)
        return err_set(err, -ENOEXEC,
                       "%s: boot protocol %u.%02u is too old: 2.12 (Linux 3.8) or later is needed",
                       file->path, version >> 8, version & 0xff);
    if (!(setup->loadflags & LOADED_HIGH))
        return err_set(err, -ENOEXEC, "%s: a zImage, which loads below 1 MiB, not a bzImage",
                       file->path);
    if (!(le16toh(setup->xloadflags) & XLF_KERNEL_64))
        return err_set(err, -ENOEXEC, "%s: a 32-bit kernel: it has no 64-bit entry", file->path);
    return 0;
}

/* Where the protected-mode code is in the file. */
static int find_code(const struct boot_file *file, struct bzimage *image, struct err *err)
{
    uint64_t sects = image->setup.setup_sects;
    if (sects == 0)
        sects = SETUP_SECTS_DEFAULT;
    /* syssize counts units of 16 bytes; what is behind (signatures) is not loaded. */
    uint64_t bytes = (uint64_t)le32toh(image->setup.syssize) * 16;
    image->code_offset = (sects + 1) * SECTOR_SIZE;
    uint64_t in_file = sub_sat_u64(file->size_bytes, image->code_offset);
    /* Rounding may put the end up to 15 bytes behind that of the file. */
    if (in_file + 15 < bytes)
        return err_set(err, -ENOEXEC,
                       "%s: truncated: the setup header speaks of %" PRIu64 " bytes at offset "
                       "%" PRIu64 ", the file has %" PRIu64 " bytes",
                       file->path, bytes, image->code_offset, file->size_bytes);
    image->code_bytes = min_u64(bytes, in_file);
    if (image->code_bytes <= ENTRY64_OFFSET)
        return err_set(err, -ENOEXEC,
                       "%s: %" PRIu64 " bytes of kernel code do not reach the 64-bit entry at 0x%x",
                       file->path, image->code_bytes, ENTRY64_OFFSET);
    return 0;
}

/*
 * Loads at pref_address: the kernel moves itself there from any lower place, so that no other
 * place below it would need less memory.
 */
static int find_load_address(const struct boot_file *file, struct bzimage *image, struct err *err)
{
    uint64_t align = le32toh(image->setup.kernel_alignment);
    image->load_gpa = le64toh(image->setup.pref_address);
    if (!image->setup.relocatable_kernel)
        return 0;
    if (align == 0 || !is_aligned(align, GM_PAGE_SIZE) || (align & (align - 1)) != 0)
        return err_set(err, -ENOEXEC,
                       "%s: the kernel alignment 0x%" PRIx64
                       " is not a power of two of 4096 or more",
                       file->path, align);
    if (!align_up(image->load_gpa, align, &image->load_gpa))
        return err_set(err, -ENOEXEC, "%s: the preferred address 0x%" PRIx64 " cannot be aligned",
                       file->path, image->load_gpa);
    return 0;
}

/*
 * What a boot loader fills in, or leaves at zero ("write" and "modify" in boot.rst): the kernel
 * follows the addresses, and a file's would be of no machine.
 */
static void drop_loader_fields(struct setup_header *setup)
{
    setup->realmode_swtch = 0;
    setup->start_sys_seg = 0;
    setup->type_of_loader = 0;
    setup->loadflags &= (uint8_t)~CAN_USE_HEAP;
    setup->setup_move_size = 0;
    setup->code32_start = 0;
    setup->ramdisk_image = 0;
    setup->ramdisk_size = 0;
    setup->bootsect_kludge = 0;
    setup->heap_end_ptr = 0;
    setup->ext_loader_ver = 0;
    setup->ext_loader_type = 0;
    setup->cmd_line_ptr = 0;
    setup->hardware_subarch = 0;
    setup->hardware_subarch_data = 0;
    setup->setup_data = 0;
}

int bzimage_load(const struct boot_file *file, const uint8_t *head, size_t head_len,
                 const struct gm *gm, struct kernel *out, struct err *err)
{
    struct bzimage image;
    int rc = read_setup(file, head, head_len, &image.setup, err);
    if (rc == 0)
        rc = check_setup(file, &image.setup, err);
    if (rc == 0)
        rc = find_code(file, &image, err);
    if (rc == 0)
        rc = find_load_address(file, &image, err);
    if (rc < 0)
        return rc;
    struct gm_range span = {
        .start = image.load_gpa,
        .len_bytes = max_u64(le32toh(image.setup.init_size), image.code_bytes),
    };
    rc = kernel_check_place(file, "the kernel (init_size)", span, gm, err);
    if (rc < 0)
        return rc;
    struct gm_range dst = {.start = image.load_gpa, .len_bytes = image.code_bytes};
    rc = boot_file_load(file, image.code_offset, gm, dst, err);
    if (rc < 0)
        return rc;
    drop_loader_fields(&image.setup);
    *out = (struct kernel){
        .protocol = BOOT_LINUX64,
        .entry_gpa = image.load_gpa + ENTRY64_OFFSET,
        .span = span,
        .initrd_end_max = (uint64_t)le32toh(image.setup.initrd_addr_max) + 1,
        .cmdline_max = le32toh(image.setup.cmdline_size),
        .setup = image.setup,
    };
    return 0;
}
