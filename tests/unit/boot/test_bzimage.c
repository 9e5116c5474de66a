/* SPDX-License-Identifier: Apache-2.0 */
/* bzImages: right ones, and every lie that the setup header can tell. */
#include <errno.h>
#include <string.h>

#include "tests/unit/boot/fixture.h"
#include "vmm/base/num.h"
#include "vmm/boot/x86_64/layout.h"

static struct gm *gm;
static struct fx_bz bz;

static void setup(void)
{
    gm = fx_gm(16);
    fx_bz_init(&bz);
}

static void teardown(void)
{
    gm_destroy(gm);
}

static int boot(struct boot_entry *out)
{
    return fx_boot(&bz, sizeof(bz), gm, out);
}

static void expect_code_at(uint64_t gpa, size_t len)
{
    uint8_t loaded[sizeof(bz.code)];
    ck_assert_int_eq(gm_read(gm, gpa, loaded, len), 0);
    ck_assert_mem_eq(loaded, bz.code, len);
}

START_TEST(the_code_lies_at_the_preferred_address_with_the_entry_behind_it)
{
    struct boot_entry entry;
    ck_assert_msg(boot(&entry) == 0, "%s", fx_err.text);
    ck_assert_int_eq(entry.protocol, BOOT_LINUX64);
    ck_assert_uint_eq(entry.rip, FX_BZ_PREF + 0x200);
    ck_assert_uint_eq(entry.info_gpa, LAYOUT_ZERO_PAGE);
    expect_code_at(FX_BZ_PREF, sizeof(bz.code));
    ck_assert_uint_eq(fx_peek(gm, FX_BZ_PREF - 8, 8), 0);
}
END_TEST

START_TEST(no_setup_sectors_mean_four)
{
    bz.hdr.setup_sects = 0;
    ck_assert_msg(boot(NULL) == 0, "%s", fx_err.text);
    expect_code_at(FX_BZ_PREF, sizeof(bz.code));
}
END_TEST

START_TEST(a_relocatable_kernel_is_aligned_upward)
{
    struct boot_entry entry;
    bz.hdr.pref_address = FX_BZ_PREF + 1;
    ck_assert_msg(boot(&entry) == 0, "%s", fx_err.text);
    ck_assert_uint_eq(entry.rip, 2 * FX_BZ_PREF + 0x200);
    expect_code_at(2 * FX_BZ_PREF, sizeof(bz.code));
}
END_TEST

START_TEST(a_kernel_that_is_not_relocatable_keeps_its_address)
{
    struct boot_entry entry;
    bz.hdr.relocatable_kernel = 0;
    bz.hdr.kernel_alignment = 0;
    bz.hdr.pref_address = FX_BZ_PREF + 0x1000;
    ck_assert_msg(boot(&entry) == 0, "%s", fx_err.text);
    ck_assert_uint_eq(entry.rip, FX_BZ_PREF + 0x1200);
}
END_TEST

START_TEST(what_follows_the_code_in_the_file_is_not_loaded)
{
    bz.hdr.syssize = 4096 / 16;
    ck_assert_msg(boot(NULL) == 0, "%s", fx_err.text);
    expect_code_at(FX_BZ_PREF, 4096);
    ck_assert_uint_eq(fx_peek(gm, FX_BZ_PREF + 4096, 8), 0);
}
END_TEST

START_TEST(the_setup_header_reaches_the_zero_page_and_nothing_else_of_the_file_does)
{
    bz.hdr.jump = 0x68eb; /* the header ends in the middle of the next field */
    bz.hdr.kernel_info_offset = 0x11223344;
    bz.hdr.handover_offset = 0x55667788;
    ck_assert_msg(boot(NULL) == 0, "%s", fx_err.text);
    const uint64_t zp = LAYOUT_ZERO_PAGE;
    ck_assert_uint_eq(fx_peek(gm, zp + 0x202, 4), 0x53726448);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x206, 2), 0x020f);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x210, 1), 0xff);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x258, 8), FX_BZ_PREF);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x264, 4), 0x55667788);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x268, 4), 0x3344);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x1ef, 1), 0);
    ck_assert_uint_eq(fx_peek(gm, zp + 0x290, 8), 0);
}
END_TEST

START_TEST(no_address_of_the_file_reaches_the_zero_page)
{
    struct setup_header clean;
    ck_assert_msg(boot(NULL) == 0, "%s", fx_err.text);
    ck_assert_int_eq(gm_read(gm, LAYOUT_ZERO_PAGE + 0x1f1, &clean, sizeof(clean)), 0);
    bz.hdr.realmode_swtch = 0x11111111;
    bz.hdr.start_sys_seg = 0x1111;
    bz.hdr.loadflags |= CAN_USE_HEAP;
    bz.hdr.setup_move_size = 0x1111;
    bz.hdr.code32_start = 0x11111111;
    bz.hdr.ramdisk_image = 0x11111111;
    bz.hdr.ramdisk_size = 0x1111;
    bz.hdr.bootsect_kludge = 0x11111111;
    bz.hdr.heap_end_ptr = 0x1111;
    bz.hdr.cmd_line_ptr = 0x11111111;
    bz.hdr.hardware_subarch = 1;
    bz.hdr.hardware_subarch_data = UINT64_C(0x1111111111111111);
    bz.hdr.setup_data = UINT64_C(0x1111111111111111);
    gm_destroy(gm);
    gm = fx_gm(16);
    ck_assert_msg(boot(NULL) == 0, "%s", fx_err.text);
    struct setup_header now;
    ck_assert_int_eq(gm_read(gm, LAYOUT_ZERO_PAGE + 0x1f1, &now, sizeof(now)), 0);
    ck_assert_mem_eq(&now, &clean, sizeof(now));
    ck_assert_uint_eq(fx_peek(gm, LAYOUT_ZERO_PAGE + 0x250, 8), 0);
}
END_TEST

#define LIE(name, statement)                                                                       \
    static void name(void)                                                                         \
    {                                                                                              \
        statement;                                                                                 \
    }

LIE(no_boot_flag, bz.hdr.boot_flag = 0)
LIE(old_protocol, bz.hdr.version = 0x020b)
LIE(version0, bz.hdr.version = 0)
LIE(zimage, bz.hdr.loadflags = 0)
LIE(kernel32, bz.hdr.xloadflags = XLF_CAN_BE_LOADED_ABOVE_4G)
LIE(short_header, bz.hdr.jump = 0x61eb)
LIE(no_header, bz.hdr.jump = 0x00eb)
LIE(syssize0, bz.hdr.syssize = 0)
LIE(syssize_small, bz.hdr.syssize = 0x200 / 16)
LIE(syssize_large, bz.hdr.syssize += 1)
LIE(syssize_max, bz.hdr.syssize = UINT32_MAX)
LIE(setup_sects_max, bz.hdr.setup_sects = 255)
LIE(setup_sects_all, bz.hdr.setup_sects = 20)
LIE(align0, bz.hdr.kernel_alignment = 0)
LIE(align_odd, bz.hdr.kernel_alignment = 0x201000)
LIE(align_small, bz.hdr.kernel_alignment = 16)
LIE(pref_low, bz.hdr.pref_address = 0; bz.hdr.relocatable_kernel = 0)
LIE(pref_low_aligned, bz.hdr.pref_address = 0)
LIE(pref_gap, bz.hdr.pref_address = LAYOUT_MMIO_GAP_START)
LIE(pref_high, bz.hdr.pref_address = LAYOUT_MMIO_GAP_END)
LIE(pref_wraps, bz.hdr.pref_address = UINT64_MAX)
LIE(pref_wraps_fixed, bz.hdr.pref_address = UINT64_MAX; bz.hdr.relocatable_kernel = 0)
LIE(init_size_large, bz.hdr.init_size = 15 * MIB)
LIE(init_size_max, bz.hdr.init_size = UINT32_MAX)
LIE(pref_past_ram, bz.hdr.pref_address = 16 * MIB)
LIE(code_past_ram, bz.hdr.pref_address = 16 * MIB - 4096; bz.hdr.relocatable_kernel = 0;
    bz.hdr.init_size = 0)

static const struct {
    void (*tell)(void);
    int rc;
    const char *sentence;
} lies[] = {
    {no_boot_flag, -ENOEXEC, "boot flag is 0x0000"},
    {old_protocol, -ENOEXEC, "boot protocol 2.11 is too old"},
    {version0, -ENOEXEC, "boot protocol 0.00 is too old"},
    {zimage, -ENOEXEC, "zImage"},
    {kernel32, -ENOEXEC, "32-bit kernel"},
    {short_header, -ENOEXEC, "setup header ends at 0x263"},
    {no_header, -ENOEXEC, "setup header ends at 0x202"},
    {syssize0, -ENOEXEC, "0 bytes of kernel code"},
    {syssize_small, -ENOEXEC, "512 bytes of kernel code"},
    {syssize_large, -ENOEXEC, "truncated"},
    {syssize_max, -ENOEXEC, "truncated"},
    {setup_sects_max, -ENOEXEC, "truncated"},
    {setup_sects_all, -ENOEXEC, "truncated"},
    {align0, -ENOEXEC, "alignment 0x0"},
    {align_odd, -ENOEXEC, "alignment 0x201000"},
    {align_small, -ENOEXEC, "alignment 0x10"},
    {pref_low, -ENOEXEC, "below 0x100000"},
    {pref_low_aligned, -ENOEXEC, "below 0x100000"},
    {pref_gap, -ENOEXEC, "device addresses"},
    {pref_high, -ENOEXEC, "device addresses"},
    {pref_wraps, -ENOEXEC, "cannot be aligned"},
    {pref_wraps_fixed, -ENOEXEC, "end of the address space"},
    {init_size_large, -E2BIG, "at least 17 MiB of memory and has 16 MiB"},
    {init_size_max, -ENOEXEC, "device addresses"},
    {pref_past_ram, -E2BIG, "at least 17 MiB of memory and has 16 MiB"},
    {code_past_ram, -E2BIG, "at least 17 MiB of memory and has 16 MiB"},
};

START_TEST(a_lying_setup_header_is_refused_with_a_sentence)
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
    /* Up to 15 bytes may miss at the end: syssize counts in units of 16. */
    for (size_t len = 1; len < sizeof(bz) - 15; len += len < 0x300 ? 1 : 61) {
        int rc = fx_boot(&bz, len, gm, NULL);
        ck_assert_msg(rc == -ENOEXEC, "%zu bytes: %d", len, rc);
        ck_assert_str_ne(fx_err.text, "");
    }
    ck_assert_int_eq(fx_boot(&bz, sizeof(bz) - 15, gm, NULL), 0);
    ck_assert_int_eq(fx_boot(&bz, 0x26b, gm, NULL), -ENOEXEC);
    fx_expect_sentence("the Linux setup header goes to byte 620, the file has 619");
}
END_TEST

START_TEST(the_command_line_is_bounded_by_what_the_kernel_takes)
{
    struct boot_entry entry;
    bz.hdr.cmdline_size = 5;
    struct boot_spec spec = {
        .kernel_path = fx_file(&bz, sizeof(bz)),
        .cmdline = "12345",
        .vcpus = 1,
    };
    ck_assert_int_eq(boot_load(&spec, gm, &entry, &fx_err), 0);
    spec.cmdline = "123456";
    ck_assert_int_eq(boot_load(&spec, gm, &entry, &fx_err), -E2BIG);
    fx_expect_sentence("limit of 5 ");
}
END_TEST

Suite *bzimage_suite(void)
{
    Suite *s = suite_create("bzimage");
    TCase *t = tcase_create("bzimage");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_code_lies_at_the_preferred_address_with_the_entry_behind_it);
    tcase_add_test(t, no_setup_sectors_mean_four);
    tcase_add_test(t, a_relocatable_kernel_is_aligned_upward);
    tcase_add_test(t, a_kernel_that_is_not_relocatable_keeps_its_address);
    tcase_add_test(t, what_follows_the_code_in_the_file_is_not_loaded);
    tcase_add_test(t, the_setup_header_reaches_the_zero_page_and_nothing_else_of_the_file_does);
    tcase_add_test(t, no_address_of_the_file_reaches_the_zero_page);
    tcase_add_loop_test(t, a_lying_setup_header_is_refused_with_a_sentence, 0, ARRAY_LEN(lies));
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, the_command_line_is_bounded_by_what_the_kernel_takes);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
