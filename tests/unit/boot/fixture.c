/* SPDX-License-Identifier: Apache-2.0 */
/* Builds kernels in memory files and reads guest memory back. */
#include "tests/unit/boot/fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/boot/x86_64/layout.h"

struct err fx_err;

void fx_elf_init(struct fx_elf *elf)
{
    *elf = (struct fx_elf){
        .eh =
            {
                .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                .e_type = ET_EXEC,
                .e_machine = EM_X86_64,
                .e_version = EV_CURRENT,
                .e_entry = FX_CODE_GPA + 0x80,
                .e_phoff = offsetof(struct fx_elf, code_ph),
                .e_ehsize = sizeof(Elf64_Ehdr),
                .e_phentsize = sizeof(Elf64_Phdr),
                .e_phnum = 3,
            },
        .code_ph =
            {
                .p_type = PT_LOAD,
                .p_offset = offsetof(struct fx_elf, code),
                .p_vaddr = FX_CODE_VA,
                .p_paddr = FX_CODE_GPA,
                .p_filesz = sizeof(elf->code),
                .p_memsz = sizeof(elf->code),
                .p_align = 0x1000,
            },
        .data_ph =
            {
                .p_type = PT_LOAD,
                .p_offset = offsetof(struct fx_elf, data),
                .p_vaddr = FX_CODE_VA + 0x2000,
                .p_paddr = FX_DATA_GPA,
                .p_filesz = sizeof(elf->data),
                .p_memsz = FX_DATA_SIZE,
                .p_align = 0x1000,
            },
        .note_ph =
            {
                .p_type = PT_NOTE,
                .p_offset = offsetof(struct fx_elf, nh),
                .p_filesz = sizeof(Elf64_Nhdr) + 4 + 8,
                .p_memsz = sizeof(Elf64_Nhdr) + 4 + 8,
                .p_align = 4,
            },
        .nh = {.n_namesz = 4, .n_descsz = 8, .n_type = 18},
        .note_name = "Xen",
        .linux_nh = {.n_namesz = 6, .n_descsz = 1, .n_type = 0x100},
        .linux_name = "Linux",
    };
    uint64_t entry = FX_ENTRY;
    memcpy(elf->note_desc, &entry, sizeof(entry));
    memset(elf->code, 0xc0, sizeof(elf->code));
    memset(elf->data, 0xda, sizeof(elf->data));
}

void fx_elf_add_linux_note(struct fx_elf *elf)
{
    elf->note_ph.p_filesz = elf->note_ph.p_memsz =
        offsetof(struct fx_elf, code) - offsetof(struct fx_elf, nh);
}

void fx_bz_init(struct fx_bz *bz)
{
    *bz = (struct fx_bz){
        .hdr =
            {
                .setup_sects = 4,
                .syssize = sizeof(bz->code) / 16,
                .boot_flag = 0xaa55,
                .jump = 0x6aeb, /* the header ends at 0x202 + 0x6a */
                .header = 0x53726448,
                .version = 0x020f,
                .loadflags = LOADED_HIGH,
                .initrd_addr_max = 0x7fffffff,
                .kernel_alignment = 0x200000,
                .relocatable_kernel = 1,
                .min_alignment = 21,
                .xloadflags = XLF_KERNEL_64,
                .cmdline_size = 2047,
                .pref_address = FX_BZ_PREF,
                .init_size = 0x100000,
            },
    };
    memset(bz->boot_sector, 0xff, sizeof(bz->boot_sector));
    memset(bz->setup, 0xff, sizeof(bz->setup));
    memset(bz->code, 0xc0, sizeof(bz->code));
}

struct gm *fx_gm(uint64_t mib)
{
    struct gm_range ranges[2];
    size_t n = layout_ram(mib << 20, ranges);
    struct gm *gm = NULL;
    struct err err = {0};
    ck_assert_msg(gm_create(ranges, n, GM_BACKING_4K, &gm, &err) == 0, "%s", err.text);
    return gm;
}

const char *fx_file(const void *data, size_t len)
{
    static char path[64];
    static int fd = -1;
    if (fd >= 0)
        (void)close(fd);
    fd = memfd_create("boot-test", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, data, len, 0), (ssize_t)len);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return path;
}

int fx_boot(const void *kernel, size_t len, struct gm *gm, struct boot_entry *out)
{
    struct boot_entry entry;
    struct boot_spec spec = {.kernel_path = fx_file(kernel, len), .cmdline = "", .vcpus = 1};
    fx_err = (struct err){0};
    return boot_load(&spec, gm, out != NULL ? out : &entry, &fx_err);
}

uint64_t fx_peek(const struct gm *gm, uint64_t gpa, size_t bytes)
{
    uint64_t v = 0;
    ck_assert_int_eq(gm_read(gm, gpa, &v, bytes), 0);
    return v;
}

uint8_t fx_sum(const struct gm *gm, uint64_t gpa, size_t len)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + fx_peek(gm, gpa + i, 1));
    return sum;
}

void fx_expect_sentence(const char *text)
{
    ck_assert_msg(strstr(fx_err.text, text) != NULL, "\"%s\" is not in \"%s\"", text, fx_err.text);
}
