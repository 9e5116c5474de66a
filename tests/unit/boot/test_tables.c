/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel finds beside itself, read back byte by byte: offsets are those of the ABIs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/boot/fixture.h"
#include "vmm/base/num.h"
#include "vmm/boot/x86_64/layout.h"

static struct fx_elf elf;
static struct gm *gm;

/* Boots the fixture kernel in mib MiB, by PVH or by the 64-bit protocol. */
static struct boot_entry boot(uint64_t mib, bool pvh, const struct boot_spec *also)
{
    fx_elf_init(&elf);
    if (!pvh)
        elf.note_ph.p_type = PT_NULL;
    gm = fx_gm(mib);
    struct boot_spec spec = also != NULL ? *also : (struct boot_spec){.vcpus = 1};
    spec.kernel_path = fx_file(&elf, sizeof(elf));
    struct boot_entry entry;
    ck_assert_msg(boot_load(&spec, gm, &entry, &fx_err) == 0, "%s", fx_err.text);
    return entry;
}

struct entry {
    uint64_t start, len, type;
};

static const struct {
    uint64_t mib;
    size_t count;
    struct entry high[2];
} maps[] = {
    {16, 3, {{0x100000, 0xf00000, 1}}},
    {512, 3, {{0x100000, 0x1ff00000, 1}}},
    {3072, 3, {{0x100000, 0xbff00000, 1}}},
    {3073, 4, {{0x100000, 0xbff00000, 1}, {0x100000000, 0x100000, 1}}},
    {8192, 4, {{0x100000, 0xbff00000, 1}, {0x100000000, 0x140000000, 1}}},
};

static struct entry expected(size_t row, size_t i)
{
    static const struct entry low[] = {{0, 0x9fc00, 1}, {0x9fc00, 0x60400, 2}};
    return i < 2 ? low[i] : maps[row].high[i - 2];
}

START_TEST(the_zero_page_tells_the_memory_map)
{
    struct boot_entry entry = boot(maps[_i].mib, false, NULL);
    ck_assert_uint_eq(fx_peek(gm, entry.info_gpa + 0x1e8, 1), maps[_i].count);
    for (size_t i = 0; i < maps[_i].count; i++) {
        uint64_t at = entry.info_gpa + 0x2d0 + 20 * i;
        struct entry e = expected(_i, i);
        ck_assert_uint_eq(fx_peek(gm, at, 8), e.start);
        ck_assert_uint_eq(fx_peek(gm, at + 8, 8), e.len);
        ck_assert_uint_eq(fx_peek(gm, at + 16, 4), e.type);
    }
    gm_destroy(gm);
}
END_TEST

START_TEST(pvh_tells_the_same_memory_map)
{
    struct boot_entry entry = boot(maps[_i].mib, true, NULL);
    uint64_t map = fx_peek(gm, entry.info_gpa + 40, 8);
    ck_assert_uint_eq(fx_peek(gm, entry.info_gpa + 48, 4), maps[_i].count);
    for (size_t i = 0; i < maps[_i].count; i++) {
        struct entry e = expected(_i, i);
        ck_assert_uint_eq(fx_peek(gm, map + 24 * i, 8), e.start);
        ck_assert_uint_eq(fx_peek(gm, map + 24 * i + 8, 8), e.len);
        ck_assert_uint_eq(fx_peek(gm, map + 24 * i + 16, 4), e.type);
        ck_assert_uint_eq(fx_peek(gm, map + 24 * i + 20, 4), 0);
    }
    gm_destroy(gm);
}
END_TEST

static void expect_text(uint64_t gpa, const char *text)
{
    char got[64] = {0};
    ck_assert_int_eq(gm_read(gm, gpa, got, strlen(text) + 1), 0);
    ck_assert_str_eq(got, text);
}

/* An initrd in a file of its own: fx_file() holds one file at a time. */
static char *make_initrd(size_t len)
{
    static char path[] = "/tmp/boot-test-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    char *data = calloc(1, len);
    memset(data, 0x1d, len);
    ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
    free(data);
    (void)close(fd);
    return path;
}

START_TEST(the_zero_page_tells_initrd_command_line_and_acpi)
{
    char *path = make_initrd(5000);
    struct boot_spec spec = {.vcpus = 1, .cmdline = "console=ttyS0", .initrd_path = path};
    struct boot_entry entry = boot(64, false, &spec);
    (void)unlink(path);
    const uint64_t zp = entry.info_gpa;
    ck_assert_uint_eq(fx_peek(gm, zp + 0x1fe, 2), 0xaa55);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x202, 4), 0x53726448);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x210, 1), 0xff);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x218, 4), 64 * MIB - 8192);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x21c, 4), 5000);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x0c0, 8), 0);
    ck_assert_uint_eq(fx_peek(gm, 64 * MIB - 8192, 1), 0x1d);
    ck_assert_uint_eq(fx_peek(gm, 64 * MIB - 8192 + 4999, 2), 0x1d);
    expect_text(fx_peek(gm, zp + 0x228, 4), "console=ttyS0");
    ck_assert_uint_eq(fx_peek(gm, zp + 0x238, 4), 2047);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x22c, 4), 64 * MIB - 1);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x0c8, 4), 0);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x070, 8), LAYOUT_RSDP);
    gm_destroy(gm);
}
END_TEST

START_TEST(pvh_tells_initrd_command_line_and_acpi)
{
    char *path = make_initrd(5000);
    struct boot_spec spec = {.vcpus = 1, .cmdline = "console=ttyS0", .initrd_path = path};
    struct boot_entry entry = boot(64, true, &spec);
    (void)unlink(path);
    ck_assert_uint_eq(fx_peek(gm, entry.info_gpa, 4), 0x336ec578);
    ck_assert_uint_eq(fx_peek(gm, entry.info_gpa + 4, 4), 1);
    ck_assert_uint_eq(fx_peek(gm, entry.info_gpa + 8, 4), 0);
    ck_assert_uint_eq(fx_peek(gm, entry.info_gpa + 12, 4), 1);
    uint64_t module = fx_peek(gm, entry.info_gpa + 16, 8);
    ck_assert_uint_eq(fx_peek(gm, module, 8), 64 * MIB - 8192);
    ck_assert_uint_eq(fx_peek(gm, module + 8, 8), 5000);
    ck_assert_uint_eq(fx_peek(gm, module + 16, 8), 0);
    expect_text(fx_peek(gm, entry.info_gpa + 24, 8), "console=ttyS0");
    ck_assert_uint_eq(fx_peek(gm, entry.info_gpa + 32, 8), LAYOUT_RSDP);
    gm_destroy(gm);
}
END_TEST

START_TEST(without_an_initrd_pvh_has_no_module)
{
    struct boot_entry entry = boot(16, true, NULL);
    ck_assert_uint_eq(fx_peek(gm, entry.info_gpa + 12, 4), 0);
    ck_assert_uint_eq(fx_peek(gm, entry.info_gpa + 16, 8), 0);
    gm_destroy(gm);
}
END_TEST

/* Limit in bytes, type, and the L and D bits of a descriptor (Intel SDM volume 3, 3.4.5). */
static void expect_descriptor(const struct boot_entry *e, uint16_t selector, uint64_t limit,
                              unsigned access, unsigned flags)
{
    ck_assert_uint_le(selector + 7, e->gdt_limit);
    uint64_t d = fx_peek(gm, e->gdt_gpa + selector, 8);
    ck_assert_uint_eq((d & 0xffff) | ((d >> 32) & 0xf0000), limit);
    ck_assert_uint_eq((d >> 40) & 0xff, access);
    ck_assert_uint_eq((d >> 52) & 0xf, flags);
    ck_assert_uint_eq(((d >> 16) & 0xffffff) | (d >> 56 << 24), 0);
}

START_TEST(the_descriptors_fit_the_protocol)
{
    bool pvh = _i == 1;
    struct boot_entry e = boot(16, pvh, NULL);
    ck_assert_uint_eq(e.code_selector, 0x10);
    ck_assert_uint_eq(e.data_selector, 0x18);
    ck_assert_uint_eq(fx_peek(gm, e.gdt_gpa, 8), 0);
    /* Code: granularity and either 32-bit (D) or 64-bit (L). */
    expect_descriptor(&e, e.code_selector, 0xfffff, 0x9b, pvh ? 0xc : 0xa);
    expect_descriptor(&e, e.data_selector, 0xfffff, 0x93, 0xc);
    expect_descriptor(&e, e.tss_selector, 0x67, 0x8b, 0x0);
    /* In long mode the TSS takes a second slot. */
    ck_assert_uint_ge(e.gdt_limit, e.tss_selector + 15);
    ck_assert_uint_eq(e.rsp % 16, 0);
    gm_destroy(gm);
}
END_TEST

/* Walks the tables as the processor does (Intel SDM volume 3, 4.5). */
static bool walk(uint64_t cr3, uint64_t va, uint64_t *out_pa)
{
    uint64_t table = cr3;
    for (int shift = 39; shift >= 21; shift -= 9) {
        uint64_t entry = fx_peek(gm, table + ((va >> shift) & 0x1ff) * 8, 8);
        if ((entry & 3) != 3)
            return false;
        table = entry & UINT64_C(0xffffffffff000);
        if (entry & 0x80) {
            *out_pa = table + (va & ((UINT64_C(1) << shift) - 1));
            return true;
        }
    }
    return false;
}

START_TEST(the_first_four_gib_are_mapped_to_themselves_and_no_more)
{
    struct boot_entry e = boot(16, false, NULL);
    for (uint64_t va = 0; va < 4 * GIB; va += 2 * MIB) {
        uint64_t pa = 0;
        ck_assert(walk(e.cr3, va + 0x1234, &pa));
        ck_assert_uint_eq(pa, va + 0x1234);
    }
    uint64_t pa;
    ck_assert(!walk(e.cr3, 4 * GIB, &pa));
    ck_assert(!walk(e.cr3, UINT64_C(1) << 39, &pa));
    gm_destroy(gm);
}
END_TEST

START_TEST(the_mp_table_lists_processors_and_lines)
{
    static const uint32_t counts[] = {1, 2, 32};
    uint32_t vcpus = counts[_i];
    struct boot_spec spec = {.vcpus = vcpus};
    (void)boot(16, true, &spec);
    const uint64_t pointer = 0x9fc00;
    ck_assert_uint_eq(fx_peek(gm, pointer, 4), 0x5f504d5f); /* "_MP_" */
    ck_assert_uint_eq(fx_sum(gm, pointer, 16), 0);
    uint64_t table = fx_peek(gm, pointer + 4, 4);
    uint64_t len = fx_peek(gm, table + 4, 2), entries = fx_peek(gm, table + 34, 2);
    ck_assert_uint_eq(fx_peek(gm, table, 4), 0x504d4350); /* "PCMP" */
    ck_assert_uint_le(table + len, 0xa0000);
    ck_assert_uint_eq(fx_sum(gm, table, len), 0);
    uint32_t seen[5] = {0};
    uint64_t at = table + 44;
    for (uint64_t i = 0; i < entries; i++) {
        uint64_t type = fx_peek(gm, at, 1);
        ck_assert_uint_le(type, 4);
        if (type == 0)
            ck_assert_uint_eq(fx_peek(gm, at + 1, 1), seen[0]);
        if (type == 0)
            ck_assert_uint_eq(fx_peek(gm, at + 3, 1), seen[0] == 0 ? 3 : 1);
        if (type == 2)
            ck_assert_uint_eq(fx_peek(gm, at + 4, 4), LAYOUT_IOAPIC_BASE);
        if (type == 3)
            ck_assert_uint_eq(fx_peek(gm, at + 7, 1), seen[3]);
        seen[type]++;
        at += type == 0 ? 20 : 8;
    }
    ck_assert_uint_eq(at, table + len);
    const uint32_t want[5] = {vcpus, 1, 1, 24, 2};
    ck_assert_mem_eq(seen, want, sizeof(seen));
    gm_destroy(gm);
}
END_TEST

Suite *tables_suite(void)
{
    Suite *s = suite_create("tables");
    TCase *t = tcase_create("tables");
    tcase_add_loop_test(t, the_zero_page_tells_the_memory_map, 0, ARRAY_LEN(maps));
    tcase_add_loop_test(t, pvh_tells_the_same_memory_map, 0, ARRAY_LEN(maps));
    tcase_add_test(t, the_zero_page_tells_initrd_command_line_and_acpi);
    tcase_add_test(t, pvh_tells_initrd_command_line_and_acpi);
    tcase_add_test(t, without_an_initrd_pvh_has_no_module);
    tcase_add_loop_test(t, the_descriptors_fit_the_protocol, 0, 2);
    tcase_add_test(t, the_first_four_gib_are_mapped_to_themselves_and_no_more);
    tcase_add_loop_test(t, the_mp_table_lists_processors_and_lines, 0, 3);
    suite_add_tcase(s, t);
    return s;
}
