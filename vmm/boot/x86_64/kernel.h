/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel file formats of x86-64 and what their loaders find out. */
#ifndef AEROSTAT_BOOT_X86_64_KERNEL_H
#define AEROSTAT_BOOT_X86_64_KERNEL_H

#include <asm/bootparam.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/gm.h"
#include "vmm/base/err.h"
#include "vmm/boot/boot.h"
#include "vmm/boot/file.h"

/* A loaded kernel. */
struct kernel {
    enum boot_protocol protocol;
    uint64_t entry_gpa;
    struct gm_range span;      /* all it uses until it reads the memory map: image, bss, scratch */
    uint64_t initrd_end_max;   /* first address behind the highest place for an initrd */
    uint64_t cmdline_max;      /* bytes, without the NUL */
    struct setup_header setup; /* what the zero page starts from; zero for BOOT_PVH */
};

/* Bytes from the start of a kernel file that are enough to tell its format. */
#define KERNEL_HEAD_SIZE 0x290u

/*
 * Tells the format of file and loads it into gm. Returns 0; -ENOEXEC or -E2BIG with a sentence;
 * -errno of reading.
 */
int kernel_load(const struct boot_file *file, const struct gm *gm, struct kernel *out,
                struct err *err);

/* As kernel_load(), for an ELF64 vmlinux. head has head_len <= KERNEL_HEAD_SIZE bytes of it. */
int elf_load(const struct boot_file *file, const uint8_t *head, size_t head_len,
             const struct gm *gm, struct kernel *out, struct err *err);

/* As kernel_load(), for a bzImage. */
int bzimage_load(const struct boot_file *file, const uint8_t *head, size_t head_len,
                 const struct gm *gm, struct kernel *out, struct err *err);

/*
 * Whether what (part of file, for the sentence) may lie at r: in RAM, above the boot data below
 * 1 MiB, under the device gap. Returns 0; -ENOEXEC when no machine could have it there; -E2BIG when
 * a machine with more memory could.
 */
int kernel_check_place(const struct boot_file *file, const char *what, struct gm_range r,
                       const struct gm *gm, struct err *err);

/* The notes of a PT_NOTE segment, borrowed. */
struct elf_notes {
    const uint8_t *bytes;
    size_t len;
    uint64_t align;   /* of the segment: says how notes are padded */
    const char *path; /* of the file, for sentences */
};

/* What a note describes; within elf_notes.bytes. */
struct elf_desc {
    const uint8_t *bytes;
    size_t len;
};

/*
 * Finds the first note of owner with type. Returns 1 with *out; 0 when there is none; -ENOEXEC with
 * a sentence when a note before it overruns the segment.
 */
int elf_find_note(const struct elf_notes *notes, const char *owner, uint32_t type,
                  struct elf_desc *out, struct err *err);

/*
 * The physical entry that the XEN_ELFNOTE_PHYS32_ENTRY note names. Returns as elf_find_note(), and
 * -ENOEXEC with a sentence when the entry has an impossible size.
 */
int elf_find_pvh_entry(const struct elf_notes *notes, uint64_t *out_entry, struct err *err);

#endif
