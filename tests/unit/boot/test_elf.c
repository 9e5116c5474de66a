/* SPDX-License-Identifier: Apache-2.0 */
/* ELF kernels: right ones, and every lie that their headers can tell. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/boot/fixture.h"
#include "vmm/base/num.h"
#include "vmm/boot/x86_64/kernel.h"
#include "vmm/boot/x86_64/layout.h"

static struct gm *gm;
static struct fx_elf elf;

static void setup(void)
{
    gm = fx_gm(16);
    fx_elf_init(&elf);
}

static void teardown(void)
{
    gm_destroy(gm);
}

static int boot(struct boot_entry *out)
{
    return fx_boot(&elf, sizeof(elf), gm, out);
}

START_TEST(a_kernel_with_the_pvh_note_is_loaded_and_entered_by_it)
{
    struct boot_entry entry;
    ck_assert_msg(boot(&entry) == 0, "%s", fx_err.text);
    ck_assert_int_eq(entry.protocol, BOOT_PVH);
    ck_assert_uint_eq(entry.rip, FX_ENTRY);
    ck_assert_uint_eq(entry.info_gpa, LAYOUT_START_INFO);
    ck_assert_uint_eq(entry.cr3, 0);
    uint8_t loaded[sizeof(elf.code)];
    ck_assert_int_eq(gm_read(gm, FX_CODE_GPA, loaded, sizeof(loaded)), 0);
    ck_assert_mem_eq(loaded, elf.code, sizeof(loaded));
    ck_assert_int_eq(gm_read(gm, FX_DATA_GPA, loaded, sizeof(elf.data)), 0);
    ck_assert_mem_eq(loaded, elf.data, sizeof(elf.data));
    ck_assert_uint_eq(fx_peek(gm, FX_DATA_GPA + sizeof(elf.data), 8), 0);
}
END_TEST

START_TEST(a_kernel_without_the_note_is_entered_at_its_physical_entry)
{
    struct boot_entry entry;
    elf.note_ph.p_type = PT_NULL;
    ck_assert_msg(boot(&entry) == 0, "%s", fx_err.text);
    ck_assert_int_eq(entry.protocol, BOOT_LINUX64);
    ck_assert_uint_eq(entry.rip, FX_CODE_GPA + 0x80);
    ck_assert_uint_eq(entry.info_gpa, LAYOUT_ZERO_PAGE);
    ck_assert_uint_eq(entry.cr3, LAYOUT_PAGE_TABLES);
}
END_TEST

START_TEST(a_virtual_entry_is_translated_through_its_segment)
{
    struct boot_entry entry;
    elf.note_ph.p_type = PT_NULL;
    elf.eh.e_entry = FX_CODE_VA + 0x123;
    ck_assert_msg(boot(&entry) == 0, "%s", fx_err.text);
    ck_assert_uint_eq(entry.rip, FX_CODE_GPA + 0x123);
}
END_TEST

START_TEST(the_pvh_note_may_have_four_bytes)
{
    struct boot_entry entry;
    elf.nh.n_descsz = 4;
    memset(elf.note_desc + 4, 0xff, 4);
    elf.note_ph.p_filesz -= 4;
    ck_assert_msg(boot(&entry) == 0, "%s", fx_err.text);
    ck_assert_uint_eq(entry.rip, FX_ENTRY);
}
END_TEST

static void expect_linux64(uint64_t rip)
{
    struct boot_entry entry;
    ck_assert_msg(boot(&entry) == 0, "%s", fx_err.text);
    ck_assert_int_eq(entry.protocol, BOOT_LINUX64);
    ck_assert_uint_eq(entry.rip, rip);
    ck_assert_uint_eq(entry.info_gpa, LAYOUT_ZERO_PAGE);
    ck_assert_uint_eq(entry.cr3, LAYOUT_PAGE_TABLES);
}

static void expect_pvh(void)
{
    struct boot_entry entry;
    ck_assert_msg(boot(&entry) == 0, "%s", fx_err.text);
    ck_assert_int_eq(entry.protocol, BOOT_PVH);
    ck_assert_uint_eq(entry.rip, FX_ENTRY);
    ck_assert_uint_eq(entry.info_gpa, LAYOUT_START_INFO);
}

START_TEST(linux_is_entered_by_its_64_bit_entry_though_it_has_the_pvh_note)
{
    fx_elf_add_linux_note(&elf);
    expect_linux64(FX_CODE_GPA + 0x80);
}
END_TEST

START_TEST(the_linux_note_may_be_in_another_segment_and_before_the_pvh_note)
{
    /* The data segment's header comes first, and code alone is enough to load. */
    elf.data_ph = elf.note_ph;
    elf.data_ph.p_offset = offsetof(struct fx_elf, linux_nh);
    elf.data_ph.p_filesz = offsetof(struct fx_elf, code) - offsetof(struct fx_elf, linux_nh);
    expect_linux64(FX_CODE_GPA + 0x80);
}
END_TEST

START_TEST(linux_with_a_pvh_entry_in_no_segment_still_has_the_other)
{
    fx_elf_add_linux_note(&elf);
    memset(elf.note_desc, 0xff, sizeof(elf.note_desc));
    expect_linux64(FX_CODE_GPA + 0x80);
}
END_TEST

static const uint64_t outside[] = {
    0,
    FX_CODE_GPA - 1,
    FX_CODE_GPA + 0x1000,
    FX_DATA_GPA + 512, /* bss */
    FX_CODE_VA + 0x80, /* Linux's is physical */
    UINT64_MAX,
};

START_TEST(linux_with_an_entry_in_no_segment_is_entered_by_pvh)
{
    fx_elf_add_linux_note(&elf);
    elf.eh.e_entry = outside[_i];
    expect_pvh();
}
END_TEST

#define NOT_LINUX(name, statement)                                                                 \
    static void name(void)                                                                         \
    {                                                                                              \
        statement;                                                                                 \
    }

NOT_LINUX(linux_other_type, elf.linux_nh.n_type = 0)
NOT_LINUX(linux_other_owner, elf.linux_name[4] = 's')
NOT_LINUX(linux_longer_owner, elf.linux_nh.n_namesz = 7)
NOT_LINUX(linux_without_nul, elf.linux_nh.n_namesz = 5)
NOT_LINUX(linux_cut, elf.note_ph.p_filesz -= sizeof(elf.linux_desc))
NOT_LINUX(linux_name_overruns, elf.linux_nh.n_namesz = UINT32_MAX)
NOT_LINUX(linux_desc_overruns, elf.linux_nh.n_descsz = 5)
NOT_LINUX(linux_behind_the_segment,
          elf.note_ph.p_filesz = offsetof(struct fx_elf, linux_nh) - offsetof(struct fx_elf, nh))
NOT_LINUX(linux_past_the_end, elf.data_ph = elf.note_ph; elf.note_ph.p_offset = sizeof(elf) - 1;
          elf.linux_name[0] = 'l')
NOT_LINUX(linux_huge, elf.data_ph = elf.note_ph; elf.note_ph.p_filesz = UINT64_MAX;
          elf.linux_name[0] = 'l')

static void (*const not_linux[])(void) = {
    linux_other_type,   linux_other_owner,   linux_longer_owner,  linux_without_nul,
    linux_cut,          linux_name_overruns, linux_desc_overruns, linux_behind_the_segment,
    linux_past_the_end, linux_huge,
};

START_TEST(what_is_not_quite_the_linux_note_leaves_pvh)
{
    fx_elf_add_linux_note(&elf);
    not_linux[_i]();
    expect_pvh();
}
END_TEST

/* A row gives notes as they lie in the file, and what must be found. */
static const struct {
    const char *what;
    size_t align;
    size_t len;
    uint32_t words[12];
    int rc;
    uint64_t entry;
} notes[] = {
#define XEN 0x006e6558u
#define GNU 0x00554e47u
    {"no bytes", 4, 0, {0}, 0, 0},
    {"less than a note header", 4, 11, {4, 4, 18}, 0, 0},
    {"nothing left for the description", 4, 36, {4, 1, 3, GNU, 255, 4, 4, 18, XEN}, -ENOEXEC, 0},
    {"after a padded description", 4, 40, {4, 1, 3, GNU, 0xff, 4, 4, 18, XEN, 77}, 1, 77},
    {"8-byte padding", 8, 48, {4, 1, 3, GNU, 0xff, 0, 4, 8, 18, XEN, 9, 0}, 1, 9},
    {"another owner", 4, 20, {4, 4, 18, GNU, 5}, 0, 0},
    {"another type", 4, 20, {4, 4, 19, XEN, 5}, 0, 0},
    {"owner without NUL", 4, 20, {3, 4, 18, XEN, 5}, 0, 0},
    {"2-byte description", 4, 20, {4, 2, 18, XEN, 5}, -ENOEXEC, 0},
    {"no description", 4, 16, {4, 0, 18, XEN}, -ENOEXEC, 0},
    {"16-byte description", 4, 32, {4, 16, 18, XEN, 5, 0, 0, 0}, -ENOEXEC, 0},
    {"name of 2^32 - 1 bytes", 4, 20, {UINT32_MAX, 4, 18, XEN, 5}, -ENOEXEC, 0},
    {"description of 2^32 - 1 bytes", 4, 20, {4, UINT32_MAX, 18, XEN, 5}, -ENOEXEC, 0},
    {"both", 4, 20, {UINT32_MAX, UINT32_MAX, 18, XEN, 5}, -ENOEXEC, 0},
    {"description one byte too long", 4, 20, {4, 5, 18, XEN, 5}, -ENOEXEC, 0},
    {"name is cut", 4, 14, {4, 0, 18, XEN}, -ENOEXEC, 0},
    {"name fills the segment", 4, 16, {8, 4, 18, XEN}, -ENOEXEC, 0},
#undef XEN
#undef GNU
};

START_TEST(notes_are_walked_within_their_segment)
{
    /* A copy of the exact length, so that a sanitizer sees a read behind it. */
    size_t len = notes[_i].len;
    uint8_t *copy = malloc(len > 0 ? len : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, notes[_i].words, len);
    uint64_t entry = 0;
    struct elf_notes in = {.bytes = copy, .len = len, .align = notes[_i].align, .path = "k"};
    int rc = elf_find_pvh_entry(&in, &entry, &fx_err);
    free(copy);
    ck_assert_msg(rc == notes[_i].rc, "%s: %d", notes[_i].what, rc);
    ck_assert_uint_eq(entry, notes[_i].entry);
}
END_TEST

#define LIE(name, statement)                                                                       \
    static void name(void)                                                                         \
    {                                                                                              \
        statement;                                                                                 \
    }

LIE(class32, elf.eh.e_ident[EI_CLASS] = ELFCLASS32)
LIE(big_endian, elf.eh.e_ident[EI_DATA] = ELFDATA2MSB)
LIE(arm, elf.eh.e_machine = EM_AARCH64)
LIE(shared, elf.eh.e_type = ET_DYN)
LIE(object, elf.eh.e_type = ET_REL)
LIE(phnum0, elf.eh.e_phnum = 0)
LIE(phnum65, elf.eh.e_phnum = 65)
LIE(phnum_max, elf.eh.e_phnum = PN_XNUM)
LIE(phnum64, elf.eh.e_phnum = 64; elf.eh.e_phoff = sizeof(elf) - 100)
LIE(phentsize0, elf.eh.e_phentsize = 0)
LIE(phentsize55, elf.eh.e_phentsize = 55)
LIE(phentsize_max, elf.eh.e_phentsize = UINT16_MAX)
LIE(phoff_end, elf.eh.e_phoff = sizeof(elf))
LIE(phoff_cut, elf.eh.e_phoff = sizeof(elf) - 3 * sizeof(Elf64_Phdr) + 1)
LIE(phoff_wrap, elf.eh.e_phoff = UINT64_MAX - 10)
LIE(phoff_sign, elf.eh.e_phoff = UINT64_C(1) << 63)
LIE(no_load, elf.code_ph.p_type = elf.data_ph.p_type = PT_NULL)
LIE(no_memory, elf.code_ph.p_memsz = elf.data_ph.p_memsz = 0)
LIE(filesz_above_memsz, elf.data_ph.p_memsz = elf.data_ph.p_filesz - 1)
LIE(offset_past_end, elf.data_ph.p_offset += 1)
LIE(offset_wrap, elf.data_ph.p_offset = UINT64_MAX - 100)
LIE(filesz_huge, elf.data_ph.p_filesz = elf.data_ph.p_memsz = UINT64_MAX)
LIE(below_1m, elf.code_ph.p_paddr = 0xff000)
LIE(at_zero, elf.code_ph.p_paddr = 0)
LIE(at_page_tables, elf.data_ph.p_paddr = LAYOUT_PAGE_TABLES)
LIE(in_gap, elf.data_ph.p_paddr = LAYOUT_MMIO_GAP_START)
LIE(into_gap, elf.data_ph.p_paddr = LAYOUT_MMIO_GAP_START - 0x1000)
LIE(above_gap, elf.data_ph.p_paddr = LAYOUT_MMIO_GAP_END)
LIE(wraps, elf.data_ph.p_paddr = UINT64_MAX - 0xfff)
LIE(memsz_wraps, elf.data_ph.p_memsz = UINT64_MAX)
LIE(past_ram, elf.data_ph.p_paddr = 16 * MIB - 0x1000)
LIE(bss_past_ram, elf.data_ph.p_memsz = 16 * MIB)
LIE(overlap, elf.data_ph.p_paddr = FX_CODE_GPA + 0xfff)
LIE(same_place, elf.data_ph.p_paddr = FX_CODE_GPA)
LIE(bss_overlap, elf.code_ph.p_memsz = 0x2001)
LIE(note_past_end, elf.note_ph.p_offset = sizeof(elf) - 1)
LIE(note_huge, elf.note_ph.p_filesz = 0x10001)
LIE(note_huge_64, elf.note_ph.p_filesz = UINT64_MAX)
LIE(note_odd_size, fx_elf_add_linux_note(&elf); elf.nh.n_descsz = 7)
LIE(linux_no_entry, fx_elf_add_linux_note(&elf); elf.eh.e_entry = 0; elf.note_desc[4] = 1)
LIE(note_entry_far, memset(elf.note_desc, 0xff, 8))
LIE(note_entry_high, elf.note_desc[4] = 1)
LIE(note_entry_in_bss, elf.note_desc[0] = 0x00; elf.note_desc[1] = 0x30)
LIE(entry_zero, elf.note_ph.p_type = PT_NULL; elf.eh.e_entry = 0)
LIE(entry_before, elf.note_ph.p_type = PT_NULL; elf.eh.e_entry = FX_CODE_GPA - 1)
LIE(entry_after, elf.note_ph.p_type = PT_NULL; elf.eh.e_entry = FX_CODE_GPA + 0x1000)
LIE(entry_in_bss, elf.note_ph.p_type = PT_NULL; elf.eh.e_entry = FX_DATA_GPA + 512)
LIE(entry_max, elf.note_ph.p_type = PT_NULL; elf.eh.e_entry = UINT64_MAX)

static const struct {
    void (*tell)(void);
    int rc;
    const char *sentence;
} lies[] = {
    {class32, -ENOEXEC, "not a 64-bit one"},
    {big_endian, -ENOEXEC, "not little-endian"},
    {arm, -ENOEXEC, "another processor"},
    {shared, -ENOEXEC, "ET_EXEC"},
    {object, -ENOEXEC, "ET_EXEC"},
    {phnum0, -ENOEXEC, "0 program headers"},
    {phnum65, -ENOEXEC, "65 program headers"},
    {phnum_max, -ENOEXEC, "65535 program headers"},
    {phnum64, -ENOEXEC, "truncated"},
    {phentsize0, -ENOEXEC, "0 bytes instead of 56"},
    {phentsize55, -ENOEXEC, "55 bytes instead of 56"},
    {phentsize_max, -ENOEXEC, "65535 bytes instead of 56"},
    {phoff_end, -ENOEXEC, "truncated"},
    {phoff_cut, -ENOEXEC, "truncated"},
    {phoff_wrap, -ENOEXEC, "truncated"},
    {phoff_sign, -ENOEXEC, "truncated"},
    {no_load, -ENOEXEC, "no segment to load"},
    {no_memory, -ENOEXEC, "no segment to load"},
    {filesz_above_memsz, -ENOEXEC, "512 bytes in the file and 511 in memory"},
    {offset_past_end, -ENOEXEC, "truncated: ELF segment 1"},
    {offset_wrap, -ENOEXEC, "truncated: ELF segment 1"},
    {filesz_huge, -ENOEXEC, "truncated: ELF segment 1"},
    {below_1m, -ENOEXEC, "below 0x100000"},
    {at_zero, -ENOEXEC, "below 0x100000"},
    {at_page_tables, -ENOEXEC, "below 0x100000"},
    {in_gap, -ENOEXEC, "device addresses"},
    {into_gap, -ENOEXEC, "device addresses"},
    {above_gap, -ENOEXEC, "device addresses"},
    {wraps, -ENOEXEC, "end of the address space"},
    {memsz_wraps, -ENOEXEC, "end of the address space"},
    {past_ram, -E2BIG, "at least 17 MiB of memory and has 16 MiB"},
    {bss_past_ram, -E2BIG, "at least 18 MiB of memory and has 16 MiB"},
    {overlap, -ENOEXEC, "segments 0 and 1 overlap"},
    {same_place, -ENOEXEC, "segments 0 and 1 overlap"},
    {bss_overlap, -ENOEXEC, "segments 0 and 1 overlap"},
    {note_past_end, -ENOEXEC, "truncated"},
    {note_huge, -ENOEXEC, "65537 bytes of notes, above 65536"},
    {note_huge_64, -ENOEXEC, "bytes of notes"},
    {note_odd_size, -ENOEXEC, "PVH entry note has 7 bytes"},
    {linux_no_entry, -ENOEXEC, "PVH entry 0x100100040 is in no loaded segment"},
    {note_entry_far, -ENOEXEC, "PVH entry 0xffffffffffffffff is in no loaded segment"},
    {note_entry_high, -ENOEXEC, "PVH entry 0x100100040 is in no loaded segment"},
    {note_entry_in_bss, -ENOEXEC, "PVH entry 0x103000 is in no loaded segment"},
    {entry_zero, -ENOEXEC, "ELF entry 0x0 is in no loaded segment"},
    {entry_before, -ENOEXEC, "is in no loaded segment"},
    {entry_after, -ENOEXEC, "is in no loaded segment"},
    {entry_in_bss, -ENOEXEC, "is in no loaded segment"},
    {entry_max, -ENOEXEC, "is in no loaded segment"},
};

START_TEST(a_lying_header_is_refused_with_a_sentence)
{
    struct boot_entry entry = {.rip = 1};
    lies[_i].tell();
    int rc = boot(&entry);
    fx_expect_sentence(lies[_i].sentence);
    fx_expect_sentence("/proc/self/fd/");
    ck_assert_int_eq(rc, lies[_i].rc);
    ck_assert_uint_eq(entry.rip, 1);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    for (size_t len = 1; len < sizeof(elf); len += len < offsetof(struct fx_elf, code) ? 1 : 61) {
        int rc = fx_boot(&elf, len, gm, NULL);
        ck_assert_msg(rc == -ENOEXEC, "%zu bytes: %d", len, rc);
        ck_assert_str_ne(fx_err.text, "");
    }
}
END_TEST

START_TEST(a_file_that_shrinks_after_it_was_opened_is_refused)
{
    const char *path = fx_file(&elf, sizeof(elf));
    AUTO_BOOT_FILE struct boot_file file = {.fd = -1};
    ck_assert_int_eq(boot_file_open(path, "kernel", &file, &fx_err), 0);
    struct kernel kernel;
    ck_assert_int_eq(truncate(path, sizeof(elf) - 1), 0);
    ck_assert_int_eq(kernel_load(&file, gm, &kernel, &fx_err), -ENOEXEC);
    fx_expect_sentence("truncated: 512 bytes are needed");
    ck_assert_int_eq(truncate(path, 100), 0);
    ck_assert_int_eq(kernel_load(&file, gm, &kernel, &fx_err), -ENOEXEC);
    fx_expect_sentence("truncated");
}
END_TEST

Suite *elf_suite(void)
{
    Suite *s = suite_create("elf");
    TCase *t = tcase_create("elf");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_kernel_with_the_pvh_note_is_loaded_and_entered_by_it);
    tcase_add_test(t, a_kernel_without_the_note_is_entered_at_its_physical_entry);
    tcase_add_test(t, a_virtual_entry_is_translated_through_its_segment);
    tcase_add_test(t, the_pvh_note_may_have_four_bytes);
    tcase_add_test(t, linux_is_entered_by_its_64_bit_entry_though_it_has_the_pvh_note);
    tcase_add_test(t, the_linux_note_may_be_in_another_segment_and_before_the_pvh_note);
    tcase_add_test(t, linux_with_a_pvh_entry_in_no_segment_still_has_the_other);
    tcase_add_loop_test(t, linux_with_an_entry_in_no_segment_is_entered_by_pvh, 0,
                        ARRAY_LEN(outside));
    tcase_add_loop_test(t, what_is_not_quite_the_linux_note_leaves_pvh, 0, ARRAY_LEN(not_linux));
    tcase_add_loop_test(t, notes_are_walked_within_their_segment, 0, ARRAY_LEN(notes));
    tcase_add_loop_test(t, a_lying_header_is_refused_with_a_sentence, 0, ARRAY_LEN(lies));
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, a_file_that_shrinks_after_it_was_opened_is_refused);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
