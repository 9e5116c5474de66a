/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI tables: checksums, lengths and fields by offset, and the verdict of iasl. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/boot/fixture.h"
#include "vmm/base/num.h"
#include "vmm/boot/x86_64/layout.h"

static struct fx_elf elf;
static struct gm *gm;

static const struct {
    uint32_t vcpus;
    size_t devices;
} machines[] = {{1, 0}, {1, 1}, {2, 3}, {4, 16}, {32, LAYOUT_VIRTIO_MAX}};

static void boot(uint32_t vcpus, size_t devices, bool on_cmdline)
{
    struct boot_virtio_mmio virtio[LAYOUT_VIRTIO_MAX];
    for (size_t i = 0; i < devices; i++)
        virtio[i] = (struct boot_virtio_mmio){
            .base_gpa = LAYOUT_VIRTIO_BASE + i * 0x1000,
            .size_bytes = 0x1000,
            .gsi = LAYOUT_VIRTIO_GSI_FIRST + (uint32_t)i,
        };
    fx_elf_init(&elf);
    gm = fx_gm(16);
    struct boot_spec spec = {
        .kernel_path = fx_file(&elf, sizeof(elf)),
        .vcpus = vcpus,
        .virtio = virtio,
        .virtio_count = devices,
        .virtio_on_cmdline = on_cmdline,
    };
    struct boot_entry entry;
    ck_assert_msg(boot_load(&spec, gm, &entry, &fx_err) == 0, "%s", fx_err.text);
}

static void expect_signature(uint64_t gpa, const char *signature)
{
    char got[9] = {0};
    ck_assert_int_eq(gm_read(gm, gpa, got, strlen(signature)), 0);
    ck_assert_str_eq(got, signature);
}

/* Checks the head of a table and returns its length. */
static uint64_t check_table(uint64_t gpa, const char *signature)
{
    expect_signature(gpa, signature);
    uint64_t len = fx_peek(gm, gpa + 4, 4);
    ck_assert_uint_ge(gpa, LAYOUT_RSDP + 36);
    ck_assert_uint_ge(len, 36);
    ck_assert_uint_le(gpa + len, LAYOUT_ACPI_END);
    ck_assert_uint_eq(fx_sum(gm, gpa, len), 0);
    return len;
}

struct found {
    uint64_t xsdt, fadt, madt, dsdt;
};

/* Follows the pointers as an operating system does. */
static struct found find_tables(void)
{
    struct found f;
    expect_signature(LAYOUT_RSDP, "RSD PTR ");
    ck_assert_uint_eq(fx_peek(gm, LAYOUT_RSDP + 15, 1), 2);
    ck_assert_uint_eq(fx_peek(gm, LAYOUT_RSDP + 20, 4), 36);
    ck_assert_uint_eq(fx_sum(gm, LAYOUT_RSDP, 20), 0);
    ck_assert_uint_eq(fx_sum(gm, LAYOUT_RSDP, 36), 0);
    f.xsdt = fx_peek(gm, LAYOUT_RSDP + 24, 8);
    ck_assert_uint_eq(check_table(f.xsdt, "XSDT"), 36 + 16);
    f.fadt = fx_peek(gm, f.xsdt + 36, 8);
    f.madt = fx_peek(gm, f.xsdt + 44, 8);
    ck_assert_uint_eq(check_table(f.fadt, "FACP"), 276);
    (void)check_table(f.madt, "APIC");
    f.dsdt = fx_peek(gm, f.fadt + 140, 8);
    (void)check_table(f.dsdt, "DSDT");
    return f;
}

static void expect_io_byte(uint64_t gas, uint64_t port)
{
    ck_assert_uint_eq(fx_peek(gm, gas, 4), 0x01000801); /* I/O, 8 bits at 0, byte access */
    ck_assert_uint_eq(fx_peek(gm, gas + 4, 8), port);
}

START_TEST(the_tables_lead_to_each_other_and_add_up_to_zero)
{
    boot(machines[_i].vcpus, machines[_i].devices, false);
    struct found f = find_tables();
    uint64_t starts[] = {f.xsdt, f.fadt, f.madt, f.dsdt};
    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        for (size_t j = 0; j < ARRAY_LEN(starts); j++) {
            struct gm_range a = {starts[i], fx_peek(gm, starts[i] + 4, 4)};
            struct gm_range b = {starts[j], fx_peek(gm, starts[j] + 4, 4)};
            ck_assert(i == j || !gm_range_overlaps(a, b));
        }
    gm_destroy(gm);
}
END_TEST

START_TEST(the_fadt_describes_a_hardware_reduced_machine)
{
    boot(1, 1, false);
    uint64_t fadt = find_tables().fadt;
    ck_assert_uint_eq(fx_peek(gm, fadt + 8, 1), 6);
    uint64_t flags = fx_peek(gm, fadt + 112, 4);
    ck_assert_uint_ne(flags & (1u << 20), 0);
    ck_assert_uint_ne(flags & (1u << 10), 0);
    ck_assert_uint_eq(fx_peek(gm, fadt + 109, 2), 0x26);
    expect_io_byte(fadt + 116, 0x64);
    ck_assert_uint_eq(fx_peek(gm, fadt + 128, 1), 0xfe);
    expect_io_byte(fadt + 244, LAYOUT_ACPI_SLEEP_PORT);
    expect_io_byte(fadt + 256, LAYOUT_ACPI_STATUS_PORT);
    /* No fixed hardware: nothing between DSDT and the boot flags, nor in the long registers. */
    for (uint64_t at = fadt + 44; at < fadt + 109; at++)
        ck_assert_uint_eq(fx_peek(gm, at, 1), 0);
    for (uint64_t at = fadt + 148; at < fadt + 244; at++)
        ck_assert_uint_eq(fx_peek(gm, at, 1), 0);
    gm_destroy(gm);
}
END_TEST

START_TEST(the_madt_has_an_io_apic_and_a_local_apic_for_each_vcpu)
{
    uint32_t vcpus = machines[_i].vcpus;
    boot(vcpus, 1, false);
    uint64_t madt = find_tables().madt;
    uint64_t len = fx_peek(gm, madt + 4, 4);
    ck_assert_uint_eq(len, 44 + 12 + 8 * vcpus);
    ck_assert_uint_eq(fx_peek(gm, madt + 36, 4), LAYOUT_LAPIC_BASE);
    ck_assert_uint_eq(fx_peek(gm, madt + 40, 4), 0);
    uint32_t lapics = 0, ioapics = 0;
    for (uint64_t at = madt + 44; at < madt + len; at += fx_peek(gm, at + 1, 1)) {
        if (fx_peek(gm, at, 1) == 1) {
            ck_assert_uint_eq(fx_peek(gm, at + 4, 4), LAYOUT_IOAPIC_BASE);
            ck_assert_uint_eq(fx_peek(gm, at + 8, 4), 0);
            ioapics++;
            continue;
        }
        ck_assert_uint_eq(fx_peek(gm, at, 2), 0x0800);
        ck_assert_uint_eq(fx_peek(gm, at + 3, 1), lapics);
        ck_assert_uint_eq(fx_peek(gm, at + 4, 4), 1);
        lapics++;
    }
    ck_assert_uint_eq(lapics, vcpus);
    ck_assert_uint_eq(ioapics, 1);
    gm_destroy(gm);
}
END_TEST

START_TEST(with_devices_on_the_command_line_there_is_no_acpi)
{
    boot(2, 2, true);
    ck_assert_uint_eq(fx_peek(gm, LAYOUT_RSDP, 8), 0);
    ck_assert_uint_eq(fx_peek(gm, LAYOUT_START_INFO + 32, 8), 0);
    char line[128];
    ck_assert_int_eq(gm_read(gm, LAYOUT_CMDLINE, line, sizeof(line)), 0);
    ck_assert_str_eq(line, "virtio_mmio.device=4K@0xd0000000:5"
                           " virtio_mmio.device=4K@0xd0001000:6");
    gm_destroy(gm);
}
END_TEST

static void dump(const char *dir, const char *name, uint64_t gpa, uint64_t len)
{
    char path[128];
    uint8_t *data = malloc(len);
    (void)snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
    ck_assert_int_eq(gm_read(gm, gpa, data, len), 0);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
    free(data);
}

/* Runs a shell command in dir; its output goes to out. Returns the exit status. */
static int run(const char *dir, const char *command, char *out, size_t cap)
{
    char line[256];
    (void)snprintf(line, sizeof(line), "cd %s && %s 2>&1", dir, command);
    FILE *p = popen(line, "r");
    ck_assert_ptr_nonnull(p);
    size_t n = fread(out, 1, cap - 1, p);
    out[n] = '\0';
    return pclose(p);
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word))
        n++;
    return n;
}

static void read_text(const char *dir, const char *name, char *out, size_t cap)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "iasl wrote no %s", name);
    out[fread(out, 1, cap - 1, f)] = '\0';
    (void)fclose(f);
}

/* What iasl makes of the DSDT has to say what the machine has, and to compile again. */
static void check_dsdt_source(const char *dir, size_t devices)
{
    static char text[65536], out[16384];
    read_text(dir, "dsdt.dsl", text, sizeof(text));
    ck_assert_uint_eq(count(text, "\"LNRO0005\""), devices);
    ck_assert_uint_eq(count(text, "\"PNP0501\""), 1);
    ck_assert_uint_eq(count(text, "\"PNP0303\""), 1);
    ck_assert_uint_eq(count(text, "0x0060,             // Range Minimum"), 1);
    ck_assert_uint_eq(count(text, "0x0064,             // Range Minimum"), 1);
    ck_assert_uint_eq(count(text, "0x00000001,"), 1);
    ck_assert_uint_eq(count(text, "Name (_CCA, One)"), devices);
    ck_assert_uint_eq(count(text, "Name (\\_S5, Package (0x04)") + count(text, "Name (_S5,"), 1);
    ck_assert_uint_eq(count(text, "Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive,"),
                      devices + 2);
    ck_assert_uint_eq(count(text, "Memory32Fixed (ReadWrite,"), devices);
    for (size_t i = 0; i < devices; i++) {
        char base[32], gsi[32];
        (void)snprintf(base, sizeof(base), "0x%08lX,", LAYOUT_VIRTIO_BASE + i * 0x1000);
        (void)snprintf(gsi, sizeof(gsi), "0x%08X,", LAYOUT_VIRTIO_GSI_FIRST + (unsigned)i);
        ck_assert_uint_eq(count(text, base), 1);
        ck_assert_uint_ge(count(text, gsi), 1);
    }
    int status = run(dir, "iasl -p again dsdt.dsl", out, sizeof(out));
    ck_assert_msg(status == 0 && strstr(out, " 0 Errors, 0 Warnings") != NULL, "%s", out);
}

/* All but the RSDP, which iasl does not read from a file. */
START_TEST(iasl_takes_every_table)
{
    static const char *const names[] = {"xsdt", "facp", "apic", "dsdt"};
    static char out[16384];
    if (run("/", "iasl -v", out, sizeof(out)) != 0) {
        (void)fprintf(stderr, "skipped: iasl is not installed (package acpica-tools)\n");
        return;
    }
    size_t devices = machines[_i].devices;
    boot(machines[_i].vcpus, devices, false);
    struct found f = find_tables();
    char dir[] = "/tmp/acpi-test-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    dump(dir, "xsdt", f.xsdt, fx_peek(gm, f.xsdt + 4, 4));
    dump(dir, "facp", f.fadt, fx_peek(gm, f.fadt + 4, 4));
    dump(dir, "apic", f.madt, fx_peek(gm, f.madt + 4, 4));
    dump(dir, "dsdt", f.dsdt, fx_peek(gm, f.dsdt + 4, 4));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char command[64];
        (void)snprintf(command, sizeof(command), "iasl -d %s.dat", names[i]);
        int status = run(dir, command, out, sizeof(out));
        ck_assert_msg(status == 0 && strstr(out, "rror") == NULL && strstr(out, "arning") == NULL,
                      "%s", out);
        ck_assert_msg(strstr(out, "utput: ") != NULL, "%s", out);
    }
    check_dsdt_source(dir, devices);
    char clean[64];
    (void)snprintf(clean, sizeof(clean), "rm -r %s", dir);
    ck_assert_int_eq(run("/", clean, out, sizeof(out)), 0);
    gm_destroy(gm);
}
END_TEST

Suite *acpi_suite(void)
{
    Suite *s = suite_create("acpi");
    TCase *t = tcase_create("acpi");
    tcase_add_loop_test(t, the_tables_lead_to_each_other_and_add_up_to_zero, 0,
                        ARRAY_LEN(machines));
    tcase_add_test(t, the_fadt_describes_a_hardware_reduced_machine);
    tcase_add_loop_test(t, the_madt_has_an_io_apic_and_a_local_apic_for_each_vcpu, 0,
                        ARRAY_LEN(machines));
    tcase_add_test(t, with_devices_on_the_command_line_there_is_no_acpi);
    tcase_add_loop_test(t, iasl_takes_every_table, 0, ARRAY_LEN(machines));
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
