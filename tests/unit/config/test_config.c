/* SPDX-License-Identifier: Apache-2.0 */
/* What good configurations mean, defaults, files, and the checks that span fields. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check_main.h"
#include "tests/unit/config/suites.h"
#include "vmm/base/num.h"
#include "vmm/base/path.h"
#include "vmm/config/config.h"

static struct vm_config cfg;
static struct err err;

static void setup(void)
{
    memset(&err, 0, sizeof(err));
    ck_assert_int_eq(cfg_init(&cfg), 0);
}

static void teardown(void)
{
    cfg_finish(&cfg);
}

static void parse_ok(const char *text)
{
    int rc = cfg_parse(&cfg, "vm.json", text, strlen(text), &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

START_TEST(the_defaults_are_a_small_machine_with_a_console)
{
    ck_assert_uint_eq(cfg.vcpus, 1);
    ck_assert_uint_eq(cfg.mem_bytes, 128 * MIB);
    ck_assert_ptr_null(cfg.kernel_path);
    ck_assert_ptr_null(cfg.initrd_path);
    ck_assert_ptr_null(cfg.api_sock);
    ck_assert_str_eq(cfg.cmdline, "console=ttyS0 reboot=k panic=-1");
    ck_assert(!cfg.has_balloon);
    ck_assert(!cfg.virtio_on_cmdline);
    ck_assert_int_eq(cfg.backing, GM_BACKING_4K);
    ck_assert_int_eq(cfg.balloon.scatter_gather, BALLOON_SG_AUTO);
    ck_assert_uint_eq(cfg.balloon.stats_interval_s, 0);
    ck_assert(!cfg.balloon.free_page_hinting);
    ck_assert(!cfg.balloon.free_page_reporting);
    ck_assert(!cfg.balloon.page_poison);
    ck_assert(!cfg.balloon.prefault_on_deflate);
}
END_TEST

START_TEST(every_key_reaches_its_field)
{
    parse_ok("{\"boot-source\":{\"kernel_image_path\":\"k\",\"initrd_path\":\"i\",\"boot_args\":"
             "\"quiet\"},\"machine-config\":{\"vcpu_count\":32,\"mem_size_mib\":16,\"backing\":"
             "\"thp\",\"virtio_discovery\":\"cmdline\"},\"balloon\":{\"amount_mib\":3,"
             "\"deflate_on_oom\":true,\"scatter_gather\":\"bit3\",\"must_tell_host\":false}}");
    ck_assert_str_eq(cfg.kernel_path, "k");
    ck_assert_str_eq(cfg.initrd_path, "i");
    ck_assert_str_eq(cfg.cmdline, "quiet");
    ck_assert_uint_eq(cfg.vcpus, 32);
    ck_assert_uint_eq(cfg.mem_bytes, 16 * MIB);
    ck_assert_int_eq(cfg.backing, GM_BACKING_THP);
    ck_assert(cfg.virtio_on_cmdline);
    ck_assert(cfg.has_balloon);
    ck_assert_uint_eq(cfg.balloon.target_bytes, 3 * MIB);
    ck_assert(cfg.balloon.deflate_on_oom);
    ck_assert(!cfg.balloon.must_tell_host);
    ck_assert_int_eq(cfg.balloon.scatter_gather, BALLOON_SG_BIT3);
}
END_TEST

START_TEST(the_interval_of_statistics_reaches_its_field)
{
    static const uint32_t intervals[] = {0, 1, 65535};
    char text[160];
    snprintf(text, sizeof(text),
             "{\"balloon\":{\"amount_mib\":1,\"deflate_on_oom\":false,"
             "\"stats_polling_interval_s\":%u}}",
             intervals[_i]);
    parse_ok(text);
    ck_assert_uint_eq(cfg.balloon.stats_interval_s, intervals[_i]);
}
END_TEST

/* The keys of a balloon section behind the required ones, and what they make of it. */
static const struct {
    const char *keys;
    bool hinting, reporting, poison, prefault;
} switches[] = {
    {"", false, false, false, false},
    {",\"free_page_hinting\":true", true, false, true, false},
    {",\"free_page_reporting\":true", false, true, true, false},
    {",\"free_page_hinting\":false,\"free_page_reporting\":false", false, false, false, false},
    {",\"page_poison\":true", false, false, true, false},
    {",\"page_poison\":false,\"free_page_reporting\":true", false, true, false, false},
    {",\"free_page_hinting\":true,\"page_poison\":false", true, false, false, false},
    {",\"prefault_on_deflate\":true", false, false, false, true},
};

START_TEST(page_poison_follows_hinting_and_reporting_unless_it_is_given)
{
    char text[200];
    snprintf(text, sizeof(text), "{\"balloon\":{\"amount_mib\":1,\"deflate_on_oom\":false%s}}",
             switches[_i].keys);
    parse_ok(text);
    ck_assert_int_eq(cfg.balloon.free_page_hinting, switches[_i].hinting);
    ck_assert_int_eq(cfg.balloon.free_page_reporting, switches[_i].reporting);
    ck_assert_int_eq(cfg.balloon.page_poison, switches[_i].poison);
    ck_assert_int_eq(cfg.balloon.prefault_on_deflate, switches[_i].prefault);
}
END_TEST

START_TEST(a_page_poison_once_given_outlasts_later_changes)
{
    parse_ok("{\"balloon\":{\"amount_mib\":1,\"deflate_on_oom\":false,\"page_poison\":false}}");
    cfg.balloon.free_page_reporting = true;
    cfg_settle(&cfg);
    ck_assert(!cfg.balloon.page_poison);
    cfg_finish(&cfg);
    ck_assert_int_eq(cfg_init(&cfg), 0);
    parse_ok("{\"balloon\":{\"amount_mib\":1,\"deflate_on_oom\":false}}");
    cfg.balloon.free_page_reporting = true;
    cfg_settle(&cfg);
    ck_assert(cfg.balloon.page_poison);
}
END_TEST

START_TEST(the_bodies_of_requests_are_read)
{
    uint32_t seconds = 42;
    const char *text = "{\"stats_polling_interval_s\":65535}";
    ck_assert_int_eq(cfg_parse_stats_update(text, strlen(text), &seconds, NULL), 0);
    ck_assert_uint_eq(seconds, 65535);
    static const struct {
        const char *text;
        bool acknowledge;
    } starts[] = {{"", true},
                  {"{}", true},
                  {"{\"acknowledge_on_stop\":true}", true},
                  {"{\"acknowledge_on_stop\":false}", false}};
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        bool acknowledge = !starts[i].acknowledge;
        ck_assert_int_eq(
            cfg_parse_hint_start(starts[i].text, strlen(starts[i].text), &acknowledge, NULL), 0);
        ck_assert_int_eq(acknowledge, starts[i].acknowledge);
    }
    bool paused = false;
    text = "{\"state\":\"Paused\"}";
    ck_assert_int_eq(cfg_parse_vm_state(text, strlen(text), &paused, NULL), 0);
    ck_assert(paused);
    text = "{\"state\":\"Resumed\"}";
    ck_assert_int_eq(cfg_parse_vm_state(text, strlen(text), &paused, NULL), 0);
    ck_assert(!paused);
}
END_TEST

START_TEST(firecrackers_defaults_written_out_change_nothing)
{
    parse_ok("{\"boot-source\":{\"kernel_image_path\":\"k\",\"initrd_path\":null,\"boot_args\":"
             "null},\"drives\":[],\"network-interfaces\":[],\"vsock\":null,\"logger\":null,"
             "\"metrics\":null,\"mmds-config\":null,\"entropy\":null,\"cpu-config\":null,"
             "\"balloon\":null,\"machine-config\":{\"vcpu_count\":1,\"mem_size_mib\":128,\"smt\":"
             "false,\"track_dirty_pages\":false,\"cpu_template\":null,\"huge_pages\":\"None\"}}");
    ck_assert_str_eq(cfg.cmdline, CFG_CMDLINE_DEFAULT);
    ck_assert_ptr_null(cfg.initrd_path);
    ck_assert(!cfg.has_balloon);
    ck_assert_int_eq(cfg.backing, GM_BACKING_4K);
}
END_TEST

START_TEST(huge_pages_and_backing_may_agree)
{
    parse_ok("{\"machine-config\":{\"vcpu_count\":1,\"mem_size_mib\":128,\"huge_pages\":\"2M\"}}");
    ck_assert_int_eq(cfg.backing, GM_BACKING_HUGETLB_2M);
    parse_ok("{\"machine-config\":{\"vcpu_count\":1,\"mem_size_mib\":128,\"huge_pages\":\"None\","
             "\"backing\":\"thp\"}}");
    ck_assert_int_eq(cfg.backing, GM_BACKING_THP);
    parse_ok("{\"machine-config\":{\"vcpu_count\":1,\"mem_size_mib\":128,\"backing\":"
             "\"hugetlb-2m\",\"huge_pages\":\"2M\"}}");
    ck_assert_int_eq(cfg.backing, GM_BACKING_HUGETLB_2M);
}
END_TEST

START_TEST(a_config_is_unchanged_after_an_error_in_its_last_section)
{
    parse_ok("{\"boot-source\":{\"kernel_image_path\":\"old\",\"boot_args\":\"old args\"}}");
    const char *text = "{\"boot-source\":{\"kernel_image_path\":\"new\",\"initrd_path\":\"new\"},"
                       "\"machine-config\":{\"vcpu_count\":4,\"mem_size_mib\":64},"
                       "\"balloon\":{\"amount_mib\":true,\"deflate_on_oom\":true}}";
    ck_assert_int_eq(cfg_parse(&cfg, "vm.json", text, strlen(text), &err), -EINVAL);
    ck_assert_str_eq(cfg.kernel_path, "old");
    ck_assert_str_eq(cfg.cmdline, "old args");
    ck_assert_ptr_null(cfg.initrd_path);
    ck_assert_uint_eq(cfg.vcpus, 1);
    ck_assert_uint_eq(cfg.mem_bytes, 128 * MIB);
    ck_assert(!cfg.has_balloon);
}
END_TEST

START_TEST(every_example_in_configs_loads_and_passes_the_checks)
{
    DIR *dir = opendir(CONFIGS_DIR);
    ck_assert_ptr_nonnull(dir);
    int n = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot == NULL || strcmp(dot, ".json") != 0)
            continue;
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", CONFIGS_DIR, e->d_name);
        cfg_finish(&cfg);
        ck_assert_int_eq(cfg_init(&cfg), 0);
        ck_assert_msg(cfg_load(&cfg, path, &err) == 0, "%s", err.text);
        ck_assert_msg(cfg_check(&cfg, &err) == 0, "%s: %s", path, err.text);
        n++;
    }
    closedir(dir);
    ck_assert_int_ge(n, 9);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named_with_the_reason)
{
    ck_assert_int_eq(cfg_load(&cfg, "/nonexistent/vm.json", &err), -ENOENT);
    ck_assert_str_eq(err.text, "/nonexistent/vm.json: cannot be opened: No such file or directory");
    ck_assert_int_eq(cfg_load(&cfg, "/", &err), -EISDIR);
    ck_assert_str_eq(err.text, "/: cannot be read: Is a directory");
    ck_assert_int_eq(cfg_load(&cfg, "/dev/zero", &err), -EFBIG);
    ck_assert_str_eq(err.text,
                     "/dev/zero: is larger than the maximum of 1048576 bytes for a configuration");
    ck_assert_int_eq(cfg_load(&cfg, "/dev/null", &err), -EINVAL);
    ck_assert_str_eq(err.text, "/dev/null: is empty, must be a JSON object");
}
END_TEST

START_TEST(a_long_path_leaves_room_for_the_reason)
{
    static char path[3000];
    memset(path, 'a', sizeof(path) - 1);
    for (size_t i = 0; i < sizeof(path) - 1; i += 200)
        path[i] = '/';
    strcpy(path + sizeof(path) - 13, "last/vm.json");
    ck_assert_int_eq(cfg_load(&cfg, path, &err), -ENOENT);
    ck_assert_int_eq(strncmp(err.text, "...", 3), 0);
    ck_assert_ptr_nonnull(
        strstr(err.text, "last/vm.json: cannot be opened: No such file or directory"));
    ck_assert_uint_lt(strlen(err.text), 300);
}
END_TEST

START_TEST(a_path_is_cut_between_characters)
{
    char shown[PATH_SHOWN_MAX];
    char path[2 * PATH_SHOWN_MAX + 1];
    path_show("/short", shown);
    ck_assert_str_eq(shown, "/short");
    memset(path, 'x', PATH_SHOWN_MAX);
    path[PATH_SHOWN_MAX - 1] = '\0';
    path_show(path, shown);
    ck_assert_str_eq(shown, path);
    /* Each case begins in another byte of the two of a character. */
    for (size_t odd = 0; odd < 2; odd++) {
        size_t len = 0;
        for (; len + 2 < sizeof(path) - odd; len += 2)
            memcpy(path + len, "\xc3\xa9", 2);
        memcpy(path + len, "z", odd);
        path[len + odd] = '\0';
        path_show(path, shown);
        ck_assert_int_eq(memcmp(shown, "...\xc3\xa9", 5), 0);
        ck_assert_uint_ge(strlen(shown), PATH_SHOWN_MAX - 2);
        ck_assert_uint_lt(strlen(shown), PATH_SHOWN_MAX);
    }
}
END_TEST

START_TEST(finishing_twice_is_harmless)
{
    cfg_finish(&cfg);
    cfg_finish(&cfg);
    ck_assert_ptr_null(cfg.cmdline);
}
END_TEST

/* One check of a config that is right but for one thing. */
struct check_case {
    const char *kernel;
    uint64_t mem_bytes;
    uint32_t vcpus;
    enum gm_backing backing;
    bool has_balloon;
    uint64_t target_bytes;
    size_t sock_len; /* 0: none; 1000: an empty path */
    const char *error;
};

static const struct check_case checks[] = {
    {"k", 16 * MIB, 1, GM_BACKING_4K, false, 0, 0, NULL},
    {"k", 16 * MIB, 32, GM_BACKING_4K, true, 16 * MIB - 4096, 107, NULL},
    {"k", 18 * MIB, 1, GM_BACKING_HUGETLB_2M, false, 0, 0, NULL},
    {"k", 17 * MIB, 1, GM_BACKING_THP, false, 0, 0, NULL},
    {"k", 16 * MIB, 1, GM_BACKING_4K, false, 99 * MIB, 0, NULL},
    {NULL, 16 * MIB, 1, GM_BACKING_4K, false, 0, 0,
     "no kernel: give --kernel PATH, or boot-source.kernel_image_path in the configuration file"},
    {"", 16 * MIB, 1, GM_BACKING_4K, false, 0, 0,
     "no kernel: give --kernel PATH, or boot-source.kernel_image_path in the configuration file"},
    {"k", 0, 1, GM_BACKING_4K, false, 0, 0, "guest memory: 0 KiB is below the minimum of 16 MiB"},
    {"k", 7 * MIB, 1, GM_BACKING_4K, false, 0, 0,
     "guest memory: 7168 KiB is below the minimum of 16 MiB"},
    {"k", 16 * MIB - 4096, 1, GM_BACKING_4K, false, 0, 0,
     "guest memory: 16380 KiB is below the minimum of 16 MiB"},
    {"k", 16 * MIB + 512, 1, GM_BACKING_4K, false, 0, 0,
     "guest memory: 16777728 bytes is not a multiple of the page size, 4096"},
    {"k", 17 * MIB, 1, GM_BACKING_HUGETLB_2M, false, 0, 0,
     "guest memory: 17408 KiB is not a multiple of 2 MiB, as backing hugetlb-2m needs it"},
    {"k", 16 * MIB, 0, GM_BACKING_4K, false, 0, 0, "vCPUs: 0 is not in the range from 1 to 32"},
    {"k", 16 * MIB, 33, GM_BACKING_4K, false, 0, 0, "vCPUs: 33 is not in the range from 1 to 32"},
    {"k", 64 * MIB, 1, GM_BACKING_4K, true, 64 * MIB, 0,
     "balloon: a target of 64 MiB is not below the guest memory of 64 MiB"},
    {"k", 64 * MIB, 1, GM_BACKING_4K, true, 65 * MIB, 0,
     "balloon: a target of 65 MiB is not below the guest memory of 64 MiB"},
    {"k", 64 * MIB, 1, GM_BACKING_4K, false, 0, 108,
     "control socket: the path has 108 bytes, above the maximum of 107"},
    {"k", 64 * MIB, 1, GM_BACKING_4K, false, 0, 1000, "control socket: the path is empty"},
};

START_TEST(vcpus_that_share_cores_are_one_or_even)
{
    cfg.kernel_path = strdup("k");
    cfg.smt = true;
    cfg.vcpus = (uint32_t)_i;
    bool good = _i == 1 || _i % 2 == 0;
    ck_assert_int_eq(cfg_check(&cfg, &err), good ? 0 : -EINVAL);
    ck_assert(good || strstr(err.text, "cannot share cores by twos") != NULL);
}
END_TEST

START_TEST(what_spans_fields_is_checked)
{
    const struct check_case *c = &checks[_i];
    char sock[1001] = "";
    if (c->sock_len < 1000)
        memset(sock, 's', c->sock_len);
    struct vm_config one = {.kernel_path = (char *)(uintptr_t)c->kernel,
                            .mem_bytes = c->mem_bytes,
                            .vcpus = c->vcpus,
                            .backing = c->backing,
                            .has_balloon = c->has_balloon,
                            .balloon = {.target_bytes = c->target_bytes},
                            .api_sock = c->sock_len > 0 ? sock : NULL};
    int rc = cfg_check(&one, &err);
    if (c->error == NULL) {
        ck_assert_msg(rc == 0, "%s", err.text);
    } else {
        ck_assert_int_eq(rc, -EINVAL);
        ck_assert_str_eq(err.text, c->error);
    }
}
END_TEST

START_TEST(hinting_and_scatter_gather_on_bit_3_exclude_each_other)
{
    struct vm_config one = {.kernel_path = (char *)(uintptr_t) "k",
                            .mem_bytes = 64 * MIB,
                            .vcpus = 1,
                            .has_balloon = true,
                            .balloon = {.free_page_hinting = true}};
    for (int sg = BALLOON_SG_AUTO; sg <= BALLOON_SG_OFF; sg++) {
        one.balloon.scatter_gather = (enum balloon_sg)sg;
        ck_assert_int_eq(cfg_check(&one, &err), sg == BALLOON_SG_BIT3 ? -EINVAL : 0);
    }
    ck_assert_str_eq(err.text, "balloon: scatter_gather \"bit3\" and free_page_hinting both claim "
                               "feature bit 3; give one of the two");
}
END_TEST

static Suite *config_suite(void)
{
    Suite *suite = suite_create("config");
    TCase *tc = tcase_create("config");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, vcpus_that_share_cores_are_one_or_even, 1, 33);
    tcase_add_test(tc, the_defaults_are_a_small_machine_with_a_console);
    tcase_add_test(tc, every_key_reaches_its_field);
    tcase_add_loop_test(tc, the_interval_of_statistics_reaches_its_field, 0, 3);
    tcase_add_loop_test(tc, page_poison_follows_hinting_and_reporting_unless_it_is_given, 0,
                        (int)ARRAY_LEN(switches));
    tcase_add_test(tc, a_page_poison_once_given_outlasts_later_changes);
    tcase_add_test(tc, the_bodies_of_requests_are_read);
    tcase_add_test(tc, firecrackers_defaults_written_out_change_nothing);
    tcase_add_test(tc, huge_pages_and_backing_may_agree);
    tcase_add_test(tc, a_config_is_unchanged_after_an_error_in_its_last_section);
    tcase_add_test(tc, every_example_in_configs_loads_and_passes_the_checks);
    tcase_add_test(tc, a_file_that_cannot_be_read_is_named_with_the_reason);
    tcase_add_test(tc, a_long_path_leaves_room_for_the_reason);
    tcase_add_test(tc, a_path_is_cut_between_characters);
    tcase_add_test(tc, finishing_twice_is_harmless);
    tcase_add_loop_test(tc, what_spans_fields_is_checked, 0, (int)ARRAY_LEN(checks));
    tcase_add_test(tc, hinting_and_scatter_gather_on_bit_3_exclude_each_other);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    Suite *(*const suites[])(void) = {config_suite, bad_input_suite, sections_suite,
                                      round_trip_suite, values_suite};
    return check_run(suites, ARRAY_LEN(suites));
}
