/* SPDX-License-Identifier: Apache-2.0 */
/* Loads an ELF64 vmlinux (System V ABI, ELF-64) by its program headers. */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"
#include "vmm/boot/x86_64/kernel.h"
#include "vmm/boot/x86_64/layout.h"
#include "vmm/boot/x86_64/memmap.h"

/* A vmlinux has about five program headers and some hundred bytes of notes. */
#define PHDRS_MAX      64u
#define NOTE_BYTES_MAX (64u * 1024u)

/* Note type of the 32-bit physical entry, by owner "Xen" (xen/include/public/elfnote.h). */
#define XEN_NOTE_PHYS32_ENTRY 18u

/* Note type of the build salt, mostly empty, by owner "Linux" (include/linux/build-salt.h). */
#define LINUX_NOTE_BUILD_SALT 0x100u

struct elf_image {
    Elf64_Phdr phdrs[PHDRS_MAX];
    size_t count;
    uint64_t entry; /* e_entry */
};

static int refuse(const struct boot_file *file, struct err *err, const char *why)
{
    return err_set(err, -ENOEXEC, "%s: not a bzImage or x86-64 ELF kernel: %s", file->path, why);
}

static int check_ident(const struct boot_file *file, const Elf64_Ehdr *eh, struct err *err)
{
    if (eh->e_ident[EI_CLASS] != ELFCLASS64)
        return refuse(file, err, "the ELF file is not a 64-bit one");
    if (eh->e_ident[EI_DATA] != ELFDATA2LSB)
        return refuse(file, err, "the ELF file is not little-endian");
    if (le16toh(eh->e_machine) != EM_X86_64)
        return refuse(file, err, "the ELF file is for another processor");
    if (le16toh(eh->e_type) != ET_EXEC)
        return refuse(file, err, "the ELF file is not a statically linked executable (ET_EXEC)");
    return 0;
}

static void phdr_to_host(Elf64_Phdr *ph)
{
    ph->p_type = le32toh(ph->p_type);
    ph->p_offset = le64toh(ph->p_offset);
    ph->p_vaddr = le64toh(ph->p_vaddr);
    ph->p_paddr = le64toh(ph->p_paddr);
    ph->p_filesz = le64toh(ph->p_filesz);
    ph->p_memsz = le64toh(ph->p_memsz);
    ph->p_align = le64toh(ph->p_align);
}

static int read_headers(const struct boot_file *file, const uint8_t *head, size_t head_len,
                        struct elf_image *image, struct err *err)
{
    Elf64_Ehdr eh;
    if (head_len < sizeof(eh))
        return refuse(file, err, "the file ends within the ELF header");
    memcpy(&eh, head, sizeof(eh));
    int rc = check_ident(file, &eh, err);
    if (rc < 0)
        return rc;
    image->entry = le64toh(eh.e_entry);
    image->count = le16toh(eh.e_phnum);
    uint16_t entsize = le16toh(eh.e_phentsize);
    if (image->count == 0 || image->count > PHDRS_MAX)
        return err_set(err, -ENOEXEC, "%s: the ELF file has %zu program headers, not 1 to %u",
                       file->path, image->count, PHDRS_MAX);
    if (entsize != sizeof(Elf64_Phdr))
        return err_set(err, -ENOEXEC, "%s: ELF program headers of %u bytes instead of %zu",
                       file->path, entsize, sizeof(Elf64_Phdr));
    rc = boot_file_read(file, le64toh(eh.e_phoff), image->phdrs, image->count * sizeof(Elf64_Phdr),
                        err);
    for (size_t i = 0; rc == 0 && i < image->count; i++)
        phdr_to_host(&image->phdrs[i]);
    return rc;
}

/* A segment without memory is nothing to load. */
static bool is_load(const Elf64_Phdr *ph)
{
    return ph->p_type == PT_LOAD && ph->p_memsz > 0;
}

static struct gm_range phys_range(const Elf64_Phdr *ph)
{
    return (struct gm_range){.start = ph->p_paddr, .len_bytes = ph->p_memsz};
}

static bool in_file(const struct boot_file *file, const Elf64_Phdr *ph)
{
    uint64_t end;
    return add_u64(ph->p_offset, ph->p_filesz, &end) && end <= file->size_bytes;
}

static int check_segment(const struct boot_file *file, const struct elf_image *image, size_t i,
                         const struct gm *gm, struct err *err)
{
    const Elf64_Phdr *ph = &image->phdrs[i];
    if (!in_file(file, ph))
        return err_set(err, -ENOEXEC,
                       "%s: truncated: ELF segment %zu has %" PRIu64 " bytes at offset %" PRIu64
                       ", the file only %" PRIu64 " bytes",
                       file->path, i, ph->p_filesz, ph->p_offset, file->size_bytes);
    if (ph->p_filesz > ph->p_memsz)
        return err_set(err, -ENOEXEC,
                       "%s: ELF segment %zu has %" PRIu64 " bytes in the file and %" PRIu64
                       " in memory",
                       file->path, i, ph->p_filesz, ph->p_memsz);
    char what[48];
    (void)snprintf(what, sizeof(what), "ELF segment %zu", i);
    int rc = kernel_check_place(file, what, phys_range(ph), gm, err);
    for (size_t j = 0; rc == 0 && j < i; j++)
        if (is_load(&image->phdrs[j]) &&
            gm_range_overlaps(phys_range(ph), phys_range(&image->phdrs[j])))
            rc = err_set(err, -ENOEXEC, "%s: ELF segments %zu and %zu overlap in memory",
                         file->path, j, i);
    return rc;
}

/* Checks all segments before the first byte is loaded. */
static int check_segments(const struct boot_file *file, const struct elf_image *image,
                          const struct gm *gm, struct gm_range *out_span, struct err *err)
{
    uint64_t start = UINT64_MAX, end = 0;
    for (size_t i = 0; i < image->count; i++) {
        const Elf64_Phdr *ph = &image->phdrs[i];
        if (!is_load(ph))
            continue;
        int rc = check_segment(file, image, i, gm, err);
        if (rc < 0)
            return rc;
        start = min_u64(start, ph->p_paddr);
        end = max_u64(end, ph->p_paddr + ph->p_memsz);
    }
    if (end == 0)
        return refuse(file, err, "the ELF file has no segment to load (PT_LOAD)");
    *out_span = (struct gm_range){.start = start, .len_bytes = end - start};
    return 0;
}

static int load_segments(const struct boot_file *file, const struct elf_image *image,
                         const struct gm *gm, struct err *err)
{
    for (size_t i = 0; i < image->count; i++) {
        const Elf64_Phdr *ph = &image->phdrs[i];
        if (!is_load(ph))
            continue;
        struct gm_range dst = {.start = ph->p_paddr, .len_bytes = ph->p_filesz};
        int rc = boot_file_load(file, ph->p_offset, gm, dst, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int elf_find_note(const struct elf_notes *notes, const char *owner, uint32_t type,
                  struct elf_desc *out, struct err *err)
{
    /* Notes of 8-byte aligned segments are padded to 8 bytes, all others to 4. */
    const uint64_t pad = notes->align == 8 ? 8 : 4;
    const size_t owner_size = strlen(owner) + 1;
    uint64_t at = 0;
    while (at < notes->len && notes->len - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr nh;
        memcpy(&nh, notes->bytes + at, sizeof(nh));
        uint64_t namesz = le32toh(nh.n_namesz), descsz = le32toh(nh.n_descsz);
        uint64_t name_at = at + sizeof(nh), desc_at, next;
        /* Sums of a position below 2^17 and two 32-bit sizes do not wrap. */
        if (!align_up(name_at + namesz, pad, &desc_at) || desc_at + descsz > notes->len ||
            !align_up(desc_at + descsz, pad, &next))
            return err_set(err, -ENOEXEC,
                           "%s: the ELF note at byte %" PRIu64 " of its segment claims %" PRIu64
                           " + %" PRIu64 " bytes, the segment has %zu",
                           notes->path, at, namesz, descsz, notes->len);
        if (le32toh(nh.n_type) == type && namesz == owner_size &&
            memcmp(notes->bytes + name_at, owner, owner_size) == 0) {
            *out = (struct elf_desc){.bytes = notes->bytes + desc_at, .len = (size_t)descsz};
            return 1;
        }
        at = next;
    }
    return 0;
}

int elf_find_pvh_entry(const struct elf_notes *notes, uint64_t *out_entry, struct err *err)
{
    struct elf_desc desc;
    int found = elf_find_note(notes, "Xen", XEN_NOTE_PHYS32_ENTRY, &desc, err);
    if (found <= 0)
        return found;
    if (desc.len != 4 && desc.len != 8)
        return err_set(err, -ENOEXEC, "%s: the PVH entry note has %zu bytes instead of 4 or 8",
                       notes->path, desc.len);
    uint64_t entry = 0;
    memcpy(&entry, desc.bytes, desc.len);
    *out_entry = le64toh(entry);
    return 1;
}

/* Reads the notes of segment i into memory that the caller frees. */
static int read_notes(const struct boot_file *file, const struct elf_image *image, size_t i,
                      struct elf_notes *out, uint8_t **out_bytes, struct err *err)
{
    const Elf64_Phdr *ph = &image->phdrs[i];
    if (ph->p_filesz > NOTE_BYTES_MAX)
        return err_set(err, -ENOEXEC,
                       "%s: ELF segment %zu has %" PRIu64 " bytes of notes, above %u", file->path,
                       i, ph->p_filesz, NOTE_BYTES_MAX);
    uint8_t *bytes = malloc((size_t)ph->p_filesz + 1);
    if (bytes == NULL)
        return err_sys(err, -ENOMEM, "%s: cannot read the ELF notes", file->path);
    *out_bytes = bytes;
    *out = (struct elf_notes){
        .bytes = bytes,
        .len = (size_t)ph->p_filesz,
        .align = ph->p_align,
        .path = file->path,
    };
    return boot_file_read(file, ph->p_offset, bytes, out->len, err);
}

/* Returns 1 with *out_entry, 0 without such a note, -errno. */
static int find_pvh_note(const struct boot_file *file, const struct elf_image *image,
                         uint64_t *out_entry, struct err *err)
{
    for (size_t i = 0; i < image->count; i++) {
        if (image->phdrs[i].p_type != PT_NOTE)
            continue;
        AUTO_FREE uint8_t *bytes = NULL;
        struct elf_notes notes;
        int rc = read_notes(file, image, i, &notes, &bytes, err);
        if (rc == 0)
            rc = elf_find_pvh_entry(&notes, out_entry, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/*
 * Whether a note says that this is Linux: each vmlinux has it since 4.19. Notes that cannot be read
 * are none, since the PVH entry is known already.
 */
static bool is_linux(const struct boot_file *file, const struct elf_image *image)
{
    for (size_t i = 0; i < image->count; i++) {
        if (image->phdrs[i].p_type != PT_NOTE)
            continue;
        AUTO_FREE uint8_t *bytes = NULL;
        struct elf_notes notes;
        struct elf_desc desc;
        if (read_notes(file, image, i, &notes, &bytes, NULL) == 0 &&
            elf_find_note(&notes, "Linux", LINUX_NOTE_BUILD_SALT, &desc, NULL) == 1)
            return true;
    }
    return false;
}

/* Whether addr, physical or virtual, is in the part of a segment that comes from the file. */
static bool find_entry(const struct elf_image *image, uint64_t addr, bool virtual,
                       uint64_t *out_phys)
{
    for (size_t i = 0; i < image->count; i++) {
        const Elf64_Phdr *ph = &image->phdrs[i];
        uint64_t base = virtual ? ph->p_vaddr : ph->p_paddr;
        if (is_load(ph) && addr >= base && addr - base < ph->p_filesz) {
            *out_phys = ph->p_paddr + (addr - base);
            return true;
        }
    }
    return false;
}

/*
 * Linux has both entries. By PVH it first looks for Xen in 256 places of CPUID, an exit to the host
 * each; by the 64-bit entry, which is where its own decompressor goes to, it does not. That one's
 * address is physical, and has to be in a segment: else it is PVH after all.
 */
static bool prefers_linux64(const struct boot_file *file, const struct elf_image *image)
{
    uint64_t entry_gpa;
    return find_entry(image, image->entry, false, &entry_gpa) && is_linux(file, image);
}

static int set_entry(const struct boot_file *file, const struct elf_image *image,
                     struct kernel *out, struct err *err)
{
    uint64_t addr = image->entry;
    int found = find_pvh_note(file, image, &addr, err);
    if (found < 0)
        return found;
    bool pvh = found == 1 && !prefers_linux64(file, image);
    if (!pvh)
        addr = image->entry;
    out->protocol = pvh ? BOOT_PVH : BOOT_LINUX64;
    /* Linux links vmlinux at virtual addresses with a physical e_entry; others keep it virtual. */
    if (find_entry(image, addr, false, &out->entry_gpa) ||
        (!pvh && find_entry(image, addr, true, &out->entry_gpa)))
        return 0;
    return err_set(err, -ENOEXEC, "%s: the %s 0x%" PRIx64 " is in no loaded segment", file->path,
                   pvh ? "PVH entry" : "ELF entry", addr);
}

int elf_load(const struct boot_file *file, const uint8_t *head, size_t head_len,
             const struct gm *gm, struct kernel *out, struct err *err)
{
    struct elf_image image;
    int rc = read_headers(file, head, head_len, &image, err);
    if (rc < 0)
        return rc;
    struct kernel kernel = {
        .initrd_end_max = memmap_low_ram_end(gm),
        .cmdline_max = LAYOUT_CMDLINE_MAX - 1,
    };
    rc = check_segments(file, &image, gm, &kernel.span, err);
    if (rc == 0)
        rc = set_entry(file, &image, &kernel, err);
    if (rc == 0)
        rc = load_segments(file, &image, gm, err);
    if (rc < 0)
        return rc;
    if (kernel.protocol == BOOT_LINUX64)
        kernel.setup = (struct setup_header){
            .boot_flag = htole16(0xaa55),
            .header = htole32(0x53726448), /* "HdrS" */
            .version = htole16(0x020f),
            .loadflags = LOADED_HIGH,
            .initrd_addr_max = htole32((uint32_t)(kernel.initrd_end_max - 1)),
            .cmdline_size = htole32((uint32_t)kernel.cmdline_max),
        };
    *out = kernel;
    return 0;
}
