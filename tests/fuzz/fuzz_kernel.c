/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel files for a guest of 32 MiB: the input is the file. Besides what the sanitizers find, it
 * aborts when an error has no sentence, and when the boot processor would start outside of RAM or
 * in the tables for booting.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"
#include "vmm/boot/boot.h"
#include "vmm/boot/x86_64/layout.h"

#define RAM_BYTES (32 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static int make_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz-kernel", MFD_CLOEXEC);
    require(fd >= 0);
    require(pwrite(fd, data, size, 0) == (ssize_t)size);
    return fd;
}

static void check_entry(const struct gm *gm, const struct boot_entry *entry)
{
    require(gm_is_ram(gm, (struct gm_range){.start = entry->rip, .len_bytes = 1}));
    require(entry->rip >= LAYOUT_HIGH_RAM);
    bool pvh = entry->protocol == BOOT_PVH;
    require(entry->info_gpa == (pvh ? LAYOUT_START_INFO : LAYOUT_ZERO_PAGE));
    /* The kernel is loaded before the tables: it must not have taken their place. */
    uint32_t magic;
    require(gm_read(gm, entry->info_gpa + (pvh ? 0 : 0x202), &magic, sizeof(magic)) == 0);
    require(magic == (pvh ? 0x336ec578u : 0x53726448u));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct boot_virtio_mmio virtio = {
        .base_gpa = LAYOUT_VIRTIO_BASE,
        .size_bytes = GM_PAGE_SIZE,
        .gsi = LAYOUT_VIRTIO_GSI_FIRST,
    };
    AUTO_FD int fd = make_file(data, size);
    char path[32];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const struct boot_spec spec = {
        .kernel_path = path,
        .initrd_path = path,
        .cmdline = "console=ttyS0",
        .vcpus = 2,
        .virtio = &virtio,
        .virtio_count = 1,
    };
    struct gm *gm = NULL;
    const struct gm_range ram = {.start = 0, .len_bytes = RAM_BYTES};
    require(gm_create(&ram, 1, GM_BACKING_4K, &gm, NULL) == 0);
    struct boot_entry entry;
    struct err err = {0};
    int rc = boot_load(&spec, gm, &entry, &err);
    require(rc <= 0 && (rc == 0) == (err.text[0] == '\0'));
    if (rc == 0)
        check_entry(gm, &entry);
    gm_destroy(gm);
    return 0;
}
