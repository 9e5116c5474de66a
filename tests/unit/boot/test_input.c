/* SPDX-License-Identifier: Apache-2.0 */
/* Files, initrd, command line and machine limits: each wrong input has its sentence. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/boot/fixture.h"
#include "vmm/base/num.h"
#include "vmm/boot/cmdline.h"
#include "vmm/boot/initrd.h"
#include "vmm/boot/x86_64/layout.h"

static struct gm *gm;
static struct fx_elf elf;
static char dir[32];
static char file[64];    /* in dir; what a test puts there is removed */
static const char *path; /* what a test reads: file, unless it says otherwise */

static void setup(void)
{
    gm = fx_gm(16);
    fx_elf_init(&elf);
    strcpy(dir, "/tmp/boot-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(file, sizeof(file), "%s/file", dir);
    path = file;
}

static void teardown(void)
{
    (void)unlink(file);
    (void)rmdir(dir);
    gm_destroy(gm);
}

static void make_file(uint64_t size)
{
    FILE *f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    (void)fclose(f);
    ck_assert_int_eq(truncate(file, (off_t)size), 0);
}

static int boot_with(struct boot_spec spec)
{
    struct boot_entry entry;
    fx_err = (struct err){0};
    if (spec.kernel_path == NULL)
        spec.kernel_path = fx_file(&elf, sizeof(elf));
    if (spec.vcpus == 0)
        spec.vcpus = 1;
    return boot_load(&spec, gm, &entry, &fx_err);
}

static void make_nothing(void) {}

static void make_directory(void)
{
    path = dir;
}

static void make_fifo(void)
{
    ck_assert_int_eq(mkfifo(file, 0600), 0);
}

static void make_device(void)
{
    path = "/dev/zero";
}

static void make_empty(void)
{
    make_file(0);
}

static const struct {
    void (*make)(void);
    int rc;
    const char *kernel_sentence;
    const char *initrd_sentence;
} files[] = {
    {make_nothing, -ENOENT, "cannot open the kernel: No such file", "cannot open the initrd: No"},
    {make_directory, -EISDIR, "the kernel must be a file, this is a dir", "the initrd must be a f"},
    {make_fifo, -EINVAL, "the kernel must be a regular file", "the initrd must be a regular file"},
    {make_device, -EINVAL, "the kernel must be a regular file", "the initrd must be a regular"},
    {make_empty, -EINVAL, "the kernel is empty (0 bytes)", "the initrd is empty (0 bytes)"},
};

START_TEST(only_regular_files_with_bytes_in_them_are_read)
{
    files[_i].make();
    ck_assert_int_eq(boot_with((struct boot_spec){.kernel_path = path}), files[_i].rc);
    fx_expect_sentence(files[_i].kernel_sentence);
    fx_expect_sentence(path);
    ck_assert_int_eq(boot_with((struct boot_spec){.initrd_path = path}), files[_i].rc);
    fx_expect_sentence(files[_i].initrd_sentence);
    fx_expect_sentence(path);
}
END_TEST

static const struct {
    size_t len;
    const char *bytes;
    const char *hint;
} strangers[] = {
    {1, "x", "neither an ELF header nor"},
    {3,
     "\x7f"
     "EL",
     "neither an ELF header nor"},
    {4, "\x1f\x8b\x08",
     "compressed by gzip: unpack it (gzip -d) or give the bzImage; or is this the initrd?"},
    {6, "\xfd\x37\x7a\x58\x5a", "compressed by xz"},
    {4, "\x28\xb5\x2f\xfd", "compressed by zstd"},
    {4, "\x02\x21\x4c\x18", "compressed by lz4"},
    {3, "BZh", "compressed by bzip2"},
    {6, "070701", "cpio archive"},
    {0x40, "MZ", "EFI program"},
    {11, "#!/bin/true", "neither an ELF header nor"},
};

START_TEST(a_file_that_is_no_kernel_gets_a_hint)
{
    uint8_t bytes[0x40] = {0};
    memcpy(bytes, strangers[_i].bytes, strlen(strangers[_i].bytes));
    ck_assert_int_eq(fx_boot(bytes, strangers[_i].len, gm, NULL), -ENOEXEC);
    fx_expect_sentence("not a bzImage or x86-64 ELF kernel: ");
    fx_expect_sentence(strangers[_i].hint);
}
END_TEST

START_TEST(an_arm64_image_gets_a_hint)
{
    uint8_t bytes[0x300] = {'M', 'Z', [0x38] = 'A', 'R', 'M', 0x64};
    ck_assert_int_eq(fx_boot(bytes, sizeof(bytes), gm, NULL), -ENOEXEC);
    fx_expect_sentence("arm64 Image");
}
END_TEST

static const struct {
    uint64_t size, low, high, kernel, kernel_len;
    uint64_t start; /* 0: does not fit */
} places[] = {
    {1, 0x100000, 0x1000000, 0x200000, 0x100000, 0xfff000},
    {4096, 0x100000, 0x1000000, 0x200000, 0x100000, 0xfff000},
    {4097, 0x100000, 0x1000000, 0x200000, 0x100000, 0xffe000},
    /* An end that is no page boundary. */
    {4096, 0x100000, 0x1000fff, 0x200000, 0x100000, 0xfff000},
    /* Just fits above the kernel; then one byte too much, which fits below it. */
    {0x100000, 0x100000, 0x400000, 0x200000, 0x100000, 0x300000},
    {0x100000, 0x100000, 0x400000, 0x200000, 0x100001, 0x100000},
    {0x100000, 0x100000, 0x3fffff, 0x200000, 0x100000, 0x100000},
    {0x100001, 0x100000, 0x400000, 0x200000, 0x100000, 0},
    /* The kernel does not begin at a page. */
    {0x1000, 0x100000, 0x300000, 0x101fff, 0x200000, 0x100000},
    {0x2000, 0x100000, 0x300000, 0x101fff, 0x200000, 0},
    /* The kernel lies above the limit. */
    {0x1000, 0x100000, 0x200000, 0x1000000, 0x100000, 0x1ff000},
    {0x100001, 0x100000, 0x200000, 0x1000000, 0x100000, 0},
    /* No room at all. */
    {1, 0x100000, 0x100000, 0x200000, 0x100000, 0},
    {UINT64_MAX, 0x100000, 0x1000000, 0x200000, 0x100000, 0},
    {UINT64_MAX - 4095, 0x100000, 0x1000000, 0x200000, 0x100000, 0},
};

START_TEST(the_initrd_lies_as_high_as_it_may_and_shares_no_page_with_the_kernel)
{
    struct gm_range bounds = {places[_i].low, places[_i].high - places[_i].low};
    struct gm_range kernel = {places[_i].kernel, places[_i].kernel_len};
    uint64_t start = 0;
    int rc = initrd_place(places[_i].size, bounds, kernel, &start);
    ck_assert_int_eq(rc, places[_i].start == 0 ? -E2BIG : 0);
    ck_assert_uint_eq(start, places[_i].start);
}
END_TEST

START_TEST(an_initrd_larger_than_the_room_is_refused_with_the_figures)
{
    make_file(15 * MIB);
    ck_assert_int_eq(boot_with((struct boot_spec){.initrd_path = path}), -E2BIG);
    fx_expect_sentence("the initrd of 15728640 bytes does not fit between 0x100000 and 0x1000000");
    fx_expect_sentence("give the machine more memory");
    make_file(UINT64_C(1) << 40);
    ck_assert_int_eq(boot_with((struct boot_spec){.initrd_path = path}), -E2BIG);
    make_file(14 * MIB);
    ck_assert_msg(boot_with((struct boot_spec){.initrd_path = path}) == 0, "%s", fx_err.text);
}
END_TEST

START_TEST(the_initrd_stays_under_the_limit_of_a_bzimage)
{
    struct fx_bz bz;
    fx_bz_init(&bz);
    bz.hdr.initrd_addr_max = 0xbfffff;
    make_file(4096);
    struct boot_spec spec = {.kernel_path = fx_file(&bz, sizeof(bz)), .initrd_path = path};
    ck_assert_msg(boot_with(spec) == 0, "%s", fx_err.text);
    ck_assert_uint_eq(fx_peek(gm, LAYOUT_ZERO_PAGE + 0x218, 4), 0xbff000);
    static const uint32_t too_low[] = {0, 1, 0xfffff, 0x100ffe};
    for (size_t i = 0; i < ARRAY_LEN(too_low); i++) {
        bz.hdr.initrd_addr_max = too_low[i];
        spec.kernel_path = fx_file(&bz, sizeof(bz));
        ck_assert_int_eq(boot_with(spec), -E2BIG);
        fx_expect_sentence("does not fit");
    }
    bz.hdr.initrd_addr_max = UINT32_MAX;
    spec.kernel_path = fx_file(&bz, sizeof(bz));
    ck_assert_int_eq(boot_with(spec), 0);
    ck_assert_uint_eq(fx_peek(gm, LAYOUT_ZERO_PAGE + 0x218, 4), 16 * MIB - 4096);
}
END_TEST

static const struct boot_virtio_mmio two[] = {{0xd0000000, 4096, 5}, {0xd0001000, 513, 23}};
#define TWO "virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=513@0xd0001000:23"

static const struct {
    const char *text;
    bool added;
    const char *line;
} lines[] = {
    {NULL, false, ""},
    {"", false, ""},
    {"a b", false, "a b"},
    {"a -- b", false, "a -- b"},
    {"", true, TWO},
    {"a", true, "a " TWO},
    {"a b=\"c d\"", true, "a b=\"c d\" " TWO},
    /* Behind "--" the kernel does not look. */
    {"a -- b", true, "a " TWO " -- b"},
    {"a  --", true, "a " TWO " --"},
    {"-- b", true, TWO " -- b"},
    {"a b=\" -- \" c", true, "a b=\" -- \" c " TWO},
    {"a --b c--", true, "a --b c-- " TWO},
};

START_TEST(the_command_line_is_the_users_text_and_the_devices)
{
    struct boot_spec spec = {
        .cmdline = lines[_i].text,
        .virtio = two,
        .virtio_count = 2,
        .virtio_on_cmdline = lines[_i].added,
    };
    char out[256];
    size_t len;
    ck_assert_int_eq(cmdline_build(&spec, 255, out, sizeof(out), &len, &fx_err), 0);
    ck_assert_str_eq(out, lines[_i].line);
    ck_assert_uint_eq(len, strlen(out));
}
END_TEST

START_TEST(the_command_line_ends_at_2047_bytes)
{
    static char text[5000];
    memset(text, 'a', 2047);
    ck_assert_msg(boot_with((struct boot_spec){.cmdline = text}) == 0, "%s", fx_err.text);
    ck_assert_uint_eq(fx_peek(gm, LAYOUT_CMDLINE + 2046, 2), 'a');
    memset(text, 'a', 2048);
    ck_assert_int_eq(boot_with((struct boot_spec){.cmdline = text}), -E2BIG);
    ck_assert_str_eq(fx_err.text, "command line: 2048 bytes are above the limit of 2047 that the "
                                  "kernel takes");
    memset(text, 'a', sizeof(text) - 1);
    ck_assert_int_eq(boot_with((struct boot_spec){.cmdline = text}), -E2BIG);
    fx_expect_sentence("4999 bytes");
    /* What is added counts. */
    memset(text, 0, sizeof(text));
    memset(text, 'a', 2047 - sizeof(TWO));
    struct boot_spec spec = {
        .cmdline = text, .virtio = two, .virtio_count = 2, .virtio_on_cmdline = true};
    ck_assert_msg(boot_with(spec) == 0, "%s", fx_err.text);
    text[2047 - sizeof(TWO)] = 'a';
    ck_assert_int_eq(boot_with(spec), -E2BIG);
    fx_expect_sentence("2048 bytes with what is added for virtio devices (1976 without)");
}
END_TEST

START_TEST(a_long_path_leaves_room_for_the_reason)
{
    static char deep[4000];
    memset(deep, '/', sizeof(deep) - 1);
    strcpy(deep + sizeof(deep) - 22, "/nonexistent/vmlinux");
    ck_assert_int_eq(boot_with((struct boot_spec){.kernel_path = deep}), -ENOENT);
    fx_expect_sentence("/nonexistent/vmlinux: cannot open the kernel: No such file or directory");
    ck_assert_int_eq(strncmp(fx_err.text, "...", 3), 0);
    ck_assert_int_eq(boot_with((struct boot_spec){.initrd_path = deep}), -ENOENT);
    fx_expect_sentence("/nonexistent/vmlinux: cannot open the initrd: No such file or directory");
}
END_TEST

static const struct {
    uint32_t vcpus;
    size_t count;
    struct boot_virtio_mmio dev;
    const char *sentence;
} limits[] = {
    {33, 0, {0}, "33 vCPUs are not between 1 and 32"},
    {1, 20, {0}, "20 virtio devices are above the limit of 19"},
    {1, 1, {0xd0000000, 0, 5}, "virtio device 0: 0 bytes of registers"},
    {1, 1, {0xbffff000, 0x1000, 5}, "at 0xbffff000 are not between"},
    {1, 1, {0xfffff000, 0x1001, 5}, "are not between"},
    {1, 1, {0x100000000, 0x1000, 5}, "are not between"},
    {1, 1, {UINT64_MAX, 2, 5}, "are not between"},
    {1, 1, {0xd0000000, UINT64_MAX, 5}, "are not between"},
    {1, 1, {0xd0000000, 0x1000, 24}, "interrupt line 24 is above 23"},
};

START_TEST(a_machine_beyond_the_limits_is_refused)
{
    struct boot_spec spec = {
        .vcpus = limits[_i].vcpus,
        .virtio = &limits[_i].dev,
        .virtio_count = limits[_i].count,
    };
    ck_assert_int_eq(boot_with(spec), -EINVAL);
    fx_expect_sentence(limits[_i].sentence);
}
END_TEST

START_TEST(no_vcpus_are_refused)
{
    struct boot_entry entry;
    struct boot_spec spec = {.kernel_path = fx_file(&elf, sizeof(elf))};
    ck_assert_int_eq(boot_load(&spec, gm, &entry, &fx_err), -EINVAL);
    fx_expect_sentence("0 vCPUs are not between 1 and 32");
}
END_TEST

START_TEST(memory_must_start_at_zero_and_have_the_minimum)
{
    static const struct gm_range bad[] = {{0, 15 * MIB}, {GIB, 64 * MIB}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        gm_destroy(gm);
        ck_assert_int_eq(gm_create(&bad[i], 1, GM_BACKING_4K, &gm, &fx_err), 0);
        ck_assert_int_eq(boot_with((struct boot_spec){0}), -EINVAL);
        fx_expect_sentence("below the minimum of 16777216");
    }
}
END_TEST

Suite *input_suite(void)
{
    Suite *s = suite_create("input");
    TCase *t = tcase_create("input");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, only_regular_files_with_bytes_in_them_are_read, 0, ARRAY_LEN(files));
    tcase_add_loop_test(t, a_file_that_is_no_kernel_gets_a_hint, 0, ARRAY_LEN(strangers));
    tcase_add_test(t, an_arm64_image_gets_a_hint);
    tcase_add_loop_test(t, the_initrd_lies_as_high_as_it_may_and_shares_no_page_with_the_kernel, 0,
                        ARRAY_LEN(places));
    tcase_add_test(t, an_initrd_larger_than_the_room_is_refused_with_the_figures);
    tcase_add_test(t, the_initrd_stays_under_the_limit_of_a_bzimage);
    tcase_add_loop_test(t, the_command_line_is_the_users_text_and_the_devices, 0, ARRAY_LEN(lines));
    tcase_add_test(t, a_long_path_leaves_room_for_the_reason);
    tcase_add_test(t, the_command_line_ends_at_2047_bytes);
    tcase_add_loop_test(t, a_machine_beyond_the_limits_is_refused, 0, ARRAY_LEN(limits));
    tcase_add_test(t, no_vcpus_are_refused);
    tcase_add_test(t, memory_must_start_at_zero_and_have_the_minimum);
    suite_add_tcase(s, t);
    return s;
}
