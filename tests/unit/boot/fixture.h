/* SPDX-License-Identifier: Apache-2.0 */
/* Tiny kernels that are right in every field, for tests to make one field wrong. */
#ifndef AEROSTAT_TESTS_BOOT_FIXTURE_H
#define AEROSTAT_TESTS_BOOT_FIXTURE_H

#include <asm/bootparam.h>
#include <check.h>
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/gm.h"
#include "vmm/boot/boot.h"

#define FX_CODE_GPA  UINT64_C(0x100000)
#define FX_CODE_VA   UINT64_C(0xffffffff80100000)
#define FX_DATA_GPA  UINT64_C(0x102000)
#define FX_DATA_SIZE UINT64_C(0x3000) /* with bss */
#define FX_ENTRY     UINT64_C(0x100040)

/* An ELF file: three program headers, a note with the PVH entry and Linux's, code and data. */
struct fx_elf {
    Elf64_Ehdr eh;
    Elf64_Phdr code_ph;
    Elf64_Phdr data_ph;
    Elf64_Phdr note_ph;
    Elf64_Nhdr nh;
    char note_name[4];
    uint8_t note_desc[8];
    Elf64_Nhdr linux_nh;
    char linux_name[8];
    uint8_t linux_desc[4];
    uint8_t code[4096];
    uint8_t data[512];
};

/*
 * Enters by PVH: the segment of notes ends before Linux's. Setting note_ph.p_type = PT_NULL makes
 * it enter by the 64-bit protocol, and so does fx_elf_add_linux_note().
 */
void fx_elf_init(struct fx_elf *elf);

/* Makes the segment of notes end behind Linux's. */
void fx_elf_add_linux_note(struct fx_elf *elf);

#define FX_BZ_SETUP_BYTES ((4 + 1) * 512)
#define FX_BZ_PREF        UINT64_C(0x200000)

/* A bzImage of protocol 2.15, relocatable, 4 setup sectors. */
struct fx_bz {
    uint8_t boot_sector[0x1f1];
    struct setup_header hdr;
    uint8_t setup[FX_BZ_SETUP_BYTES - 0x1f1 - sizeof(struct setup_header)];
    uint8_t code[8192];
} __attribute__((packed));

void fx_bz_init(struct fx_bz *bz);

/* RAM of mib MiB around the gap. Fails the test on error. */
struct gm *fx_gm(uint64_t mib);

/* A file with len bytes of data, open until the test ends. Returns its path, in a static buffer. */
const char *fx_file(const void *data, size_t len);

/* Error sentence of the last fx_boot(). */
extern struct err fx_err;

/* boot_load() of a kernel of len bytes with one vCPU and nothing else. */
int fx_boot(const void *kernel, size_t len, struct gm *gm, struct boot_entry *out);

/* Little-endian values in guest memory. Fail the test outside RAM. */
uint64_t fx_peek(const struct gm *gm, uint64_t gpa, size_t bytes);

/* Sum of the bytes: 0 for what has a right checksum. */
uint8_t fx_sum(const struct gm *gm, uint64_t gpa, size_t len);

/* Fails the test unless the sentence has text in it. */
void fx_expect_sentence(const char *text);

/* The suites. */
Suite *elf_suite(void);
Suite *bzimage_suite(void);
Suite *tables_suite(void);
Suite *acpi_suite(void);
Suite *aml_suite(void);
Suite *input_suite(void);

#endif
