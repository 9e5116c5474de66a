/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor says of hosts that are made of files, and that it says so exactly. */
#include <check.h>
#include <jansson.h>
#include <string.h>

#include "tests/support/fake_root.h"
#include "tests/unit/cli/suites.h"
#include "vmm/base/num.h"
#include "vmm/cli/doctor_priv.h"

#define SHMEM "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static struct doctor doctor;

static void setup(void)
{
    char dir[100];
    fake_root_create();
    /* Not the one where this host's machines are. */
    (void)snprintf(dir, sizeof(dir), "%s/names", fake_root);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", dir, 1), 0);
    doctor = (struct doctor){.root = fake_root, .kvm_path = "/nonexistent/kvm"};
    fake_file("/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n");
    fake_file(SHMEM, "always within_size [advise] never deny force\n");
    fake_file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    fake_file("/proc/sys/vm/overcommit_memory", "0\n");
    fake_file("/sys/kernel/mm/ksm/run", "0\n");
    fake_file("/proc/self/cgroup", "0::/\n");
    fake_file("/sys/fs/cgroup/cgroup.controllers", "memory\n");
    fake_file("/proc/pressure/memory", "some avg10=0.10 avg60=0.00 avg300=0.00 total=0\n");
}

static const struct doctor_finding *finding(const char *name)
{
    doctor.n = 0;
    doctor_examine_kvm(&doctor);
    doctor_examine_memory(&doctor);
    doctor_examine_limits(&doctor);
    doctor_examine_guests(&doctor);
    doctor_examine_library(&doctor);
    doctor_examine_return(&doctor);
    for (unsigned i = 0; i < doctor.n; i++) {
        if (strcmp(doctor.findings[i].name, name) == 0)
            return &doctor.findings[i];
    }
    ck_abort_msg("nothing is said of %s", name);
}

static const struct {
    const char *path;
    const char *text;
    const char *name;
    enum doctor_level level;
    const char *says;
    const char *mend;
} hosts[] = {
    {"/x", "", "memory", DOCTOR_OK, "4096 MiB available of 8192 MiB", ""},
    {"/x", "", "control socket", DOCTOR_OK, "the HTTP library is there", ""},
    {"/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 1024 kB\n", "memory", DOCTOR_WARN,
     "1 MiB available of 8192 MiB: hardly enough for a guest", ""},
    {"/proc/meminfo", "nonsense\n", "memory", DOCTOR_WARN, "/proc/meminfo: Invalid argument", ""},
    {"/x", "", "swap", DOCTOR_OK, "none: what guests give back is what there is to go on with", ""},
    {"/x", "", "thp", DOCTOR_OK, "shmem_enabled is advise, enabled is madvise", ""},
    {SHMEM, "always within_size advise [never] deny force\n", "thp", DOCTOR_WARN,
     "shmem_enabled is never, enabled is madvise: --backing thp, with which memory comes back many "
     "times faster, falls back to 4 KiB",
     "echo advise > " SHMEM},
    {SHMEM, "", "thp", DOCTOR_WARN,
     "this kernel has no transparent huge pages for shared memory: --backing thp falls back to 4 "
     "KiB",
     ""},
    {"/x", "", "overcommit", DOCTOR_OK, "heuristic (0)", ""},
    {"/proc/sys/vm/overcommit_memory", "2\n", "overcommit", DOCTOR_WARN,
     "strict (2): a monitor is killed when guests touch more than CommitLimit",
     "sysctl -w vm.overcommit_memory=0"},
    {"/sys/kernel/mm/ksm/run", "1\n", "ksm", DOCTOR_OK, "on; it does not look at guests' memory",
     ""},
    {"/x", "", "cgroup", DOCTOR_OK, "v2, no limit", ""},
    {"/sys/fs/cgroup/memory.max", "1048576\n", "cgroup", DOCTOR_WARN,
     "v2, 0 MiB used of 1 MiB: hardly enough for a guest", ""},
    {"/proc/self/cgroup", "4:memory:/a\n", "cgroup", DOCTOR_WARN,
     "v1, no limit: pressure is known of the whole host only",
     "kernel command line: systemd.unified_cgroup_hierarchy=1"},
    {"/proc/self/cgroup", "\n", "cgroup", DOCTOR_WARN,
     "no control group with the memory controller: nothing bounds what guests take", ""},
    {"/x", "", "pressure", DOCTOR_OK, "tasks waited for memory in 0.10 % of the last 10 s", ""},
    {"/proc/pressure/memory", "some avg10=40.00 avg60\n", "pressure", DOCTOR_WARN,
     "tasks waited for memory in 40.00 % of the last 10 s", ""},
    {"/x", "", "kvm", DOCTOR_FAIL,
     "/nonexistent/kvm is not there: load kvm_intel or kvm_amd, or enable (nested) virtualization",
     "modprobe kvm_intel || modprobe kvm_amd"},
    {"/proc/cpuinfo", "a: b\nflags\t\t: fpu vmx hypervisor\n", "virtualization", DOCTOR_OK,
     "vmx, nested: this host is a virtual machine itself", ""},
    {"/proc/cpuinfo", "a: b\nflags\t\t: fpu svm\n", "virtualization", DOCTOR_OK, "svm", ""},
    {"/proc/cpuinfo", "a: b\nflags\t\t: fpu vmxx\nvmx flags: vmx \n", "virtualization", DOCTOR_FAIL,
     "neither vmx nor svm in /proc/cpuinfo: switch virtualization on in the firmware's setup", ""},
    {"/proc/cpuinfo", "a: b\nflags\t\t: hypervisor\n", "virtualization", DOCTOR_FAIL,
     "neither vmx nor svm in /proc/cpuinfo: have the hypervisor of this virtual machine offer "
     "nested virtualization",
     ""},
};

START_TEST(each_finding_says_what_was_seen_and_what_mends_it)
{
    fake_file(hosts[_i].path, hosts[_i].text);
    const struct doctor_finding *f = finding(hosts[_i].name);
    ck_assert_str_eq(f->value, hosts[_i].says);
    ck_assert_int_eq(f->level, hosts[_i].level);
    ck_assert_str_eq(f->mend, hosts[_i].mend);
}
END_TEST

START_TEST(names_need_a_folder_of_ones_own)
{
    char dir[100];
    (void)snprintf(dir, sizeof(dir), "%s/run", fake_root);
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", dir, 1), 0);
    ck_assert_int_eq(finding("names")->level, DOCTOR_OK);
    ck_assert_ptr_nonnull(strstr(finding("names")->value, dir));
    ck_assert_int_eq(chmod(dir, 0777), 0);
    const struct doctor_finding *f = finding("names");
    ck_assert_int_eq(f->level, DOCTOR_WARN);
    ck_assert_msg(strncmp(f->value, "machines cannot have names: ", 28) == 0, "%s", f->value);
    ck_assert_str_eq(f->mend, "export AEROSTAT_RUNTIME_DIR=FOLDER");
}
END_TEST

START_TEST(memory_really_comes_back)
{
    const struct doctor_finding *f = finding("giving back");
    static const char says[] = "a memfd had 4096 KiB, and 0 KiB after a hole was punched (";
    ck_assert_msg(strncmp(f->value, says, sizeof(says) - 1) == 0, "%s", f->value);
    ck_assert_int_eq(f->level, DOCTOR_OK);
}
END_TEST

START_TEST(what_is_found_of_kvm_decides)
{
    (void)finding("kvm");
    ck_assert(!doctor_is_well(&doctor));
    doctor.kvm_path = "/dev/null";
    ck_assert_int_eq(finding("kvm")->level, DOCTOR_FAIL);
    ck_assert_str_eq(finding("kvm")->mend, "");
}
END_TEST

static const char printed[] = "ok    a               one two\n"
                              "                      three\n"
                              "warn  b               four\n"
                              "                      mend: mend it with a long command\n"
                              "\n"
                              "Guests can run here; 1 thing could be better.\n";

START_TEST(findings_are_printed_in_columns)
{
    char text[1000];
    doctor_find(&doctor, "a", DOCTOR_OK, NULL, "one two %s", "three");
    doctor_find(&doctor, "b", DOCTOR_WARN, "mend it with a long command", "four");
    FILE *out = fmemopen(text, sizeof(text), "w");
    doctor_print(&doctor, false, 30, out);
    fclose(out);
    ck_assert_str_eq(text, printed);
    doctor_find(&doctor, "c", DOCTOR_FAIL, NULL, "five");
    out = fmemopen(text, sizeof(text), "w");
    doctor_print(&doctor, true, 80, out);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "\033[31mfail  \033[0mc               five\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nGuests cannot run here: see what fails.\n"));
}
END_TEST

START_TEST(json_has_it_all)
{
    char text[1000];
    json_error_t error;
    doctor_find(&doctor, "a", DOCTOR_OK, NULL, "say \"%s\"", "it");
    doctor_find(&doctor, "b", DOCTOR_FAIL, "do it", "four");
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_int_eq(doctor_print_json(&doctor, out), 0);
    fclose(out);
    json_t *all = json_loads(text, 0, &error);
    const json_t *checks = json_object_get(all, "checks");
    ck_assert(json_is_false(json_object_get(all, "ok")));
    ck_assert_uint_eq(json_array_size(checks), 2);
    const json_t *a = json_array_get(checks, 0);
    const json_t *b = json_array_get(checks, 1);
    ck_assert_str_eq(json_string_value(json_object_get(a, "name")), "a");
    ck_assert_str_eq(json_string_value(json_object_get(a, "value")), "say \"it\"");
    ck_assert_ptr_null(json_object_get(a, "mend"));
    ck_assert_str_eq(json_string_value(json_object_get(b, "level")), "fail");
    ck_assert_str_eq(json_string_value(json_object_get(b, "mend")), "do it");
    json_decref(all);
}
END_TEST

START_TEST(more_findings_than_there_is_room_for_harm_nothing)
{
    for (unsigned i = 0; i < 2 * DOCTOR_FINDINGS_MAX; i++)
        doctor_find(&doctor, "x", DOCTOR_OK, NULL, "%400d", 1);
    ck_assert_uint_le(doctor.n, DOCTOR_FINDINGS_MAX);
}
END_TEST

Suite *doctor_suite(void)
{
    Suite *suite = suite_create("doctor");
    TCase *tc = tcase_create("doctor");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, setup, fake_root_remove);
    tcase_add_loop_test(tc, each_finding_says_what_was_seen_and_what_mends_it, 0,
                        (int)ARRAY_LEN(hosts));
    tcase_add_test(tc, names_need_a_folder_of_ones_own);
    tcase_add_test(tc, memory_really_comes_back);
    tcase_add_test(tc, what_is_found_of_kvm_decides);
    tcase_add_test(tc, findings_are_printed_in_columns);
    tcase_add_test(tc, json_has_it_all);
    tcase_add_test(tc, more_findings_than_there_is_room_for_harm_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}
