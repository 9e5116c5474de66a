/* SPDX-License-Identifier: Apache-2.0 */
/* Bad configurations, and the exact sentence that each one gets. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/config/suites.h"
#include "vmm/base/num.h"
#include "vmm/config/config.h"

#define MACHINE(rest) "{\"machine-config\":{\"vcpu_count\":1,\"mem_size_mib\":128" rest "}}"
#define BALLOON(rest) "{\"balloon\":{\"amount_mib\":1,\"deflate_on_oom\":false" rest "}}"
#define BOOT(rest)    "{\"boot-source\":{\"kernel_image_path\":\"k\"" rest "}}"

#define NOT_SUPPORTED " not supported by this version of Aerostat"
#define KNOWN_SECTIONS                                                                             \
    "unknown key (known: boot-source, machine-config, balloon, logger, metrics, serial, drives, "  \
    "network-interfaces, vsock, entropy, pmem, memory-hotplug, cpu-config, mmds-config)"
#define KNOWN_BALLOON                                                                              \
    "unknown key (known: amount_mib, deflate_on_oom, stats_polling_interval_s, "                   \
    "free_page_hinting, free_page_reporting, page_poison, prefault_on_deflate, scatter_gather, "   \
    "must_tell_host)"

static const struct {
    const char *text;
    const char *error;
} bad[] = {
    /* Syntax, with line and column. */
    {"", "vm.json: is empty, must be a JSON object"},
    {"{\n  \"balloon\": {\n    \"amount_mib\" 1 }}", "vm.json:3:18: ':' expected near '1'"},
    {"{\"balloon\": nul}", "vm.json:1:15: invalid token near 'nul'"},
    {"{\"balloon\": null,}", "vm.json:1:18: string or '}' expected near '}'"},
    {"{\"balloon\": null", "vm.json:1:16: '}' expected near end of file"},
    {"{} {}", "vm.json:1:4: end of file expected near '{'"},
    {"{\"balloon\":{\"amount_mib\":99999999999999999999}}",
     "vm.json:1:45: too big integer near '99999999999999999999'"},
    {"{\"balloon\": null, \"balloon\": null}",
     "vm.json:1:27: duplicate object key near '\"balloon\"'"},
    {"{\"machine-config\":{\"vcpu_count\":1,\n\"vcpu_count\":1}}",
     "vm.json:2:12: duplicate object key near '\"vcpu_count\"'"},
    {"{\"boot-source\":{\"kernel_image_path\":\"a\\u0000b\"}}",
     "vm.json:1:46: \\u0000 is not allowed in a string"},
    {"\xef\xbb\xbf{}", "vm.json: begins with a byte order mark; save it as UTF-8 without one"},
    {"kernel=vmlinux", "vm.json:1:6: invalid token near 'kernel'"},
    /* Wrong types. */
    {"12", "vm.json: must be an object, is the integer 12"},
    {"[]", "vm.json: must be an object, is an array"},
    {"{\"boot-source\":[]}", "vm.json: boot-source: must be an object, is an array"},
    {"{\"boot-source\":{\"kernel_image_path\":7}}",
     "vm.json: boot-source.kernel_image_path: must be a string, is the integer 7"},
    {"{\"boot-source\":{\"kernel_image_path\":null}}",
     "vm.json: boot-source.kernel_image_path: must be a string, is null"},
    {BOOT(",\"initrd_path\":[]"),
     "vm.json: boot-source.initrd_path: must be a string, is an array"},
    {BOOT(",\"boot_args\":{}"), "vm.json: boot-source.boot_args: must be a string, is an object"},
    {"{\"machine-config\":[]}", "vm.json: machine-config: must be an object, is an array"},
    {"{\"machine-config\":{\"vcpu_count\":\"two\",\"mem_size_mib\":128}}",
     "vm.json: machine-config.vcpu_count: must be an integer, is the string \"two\""},
    {"{\"machine-config\":{\"vcpu_count\":2.5,\"mem_size_mib\":128}}",
     "vm.json: machine-config.vcpu_count: must be an integer, is the number 2.5"},
    {"{\"machine-config\":{\"vcpu_count\":1,\"mem_size_mib\":true}}",
     "vm.json: machine-config.mem_size_mib: must be an integer, is true"},
    {MACHINE(",\"smt\":0"), "vm.json: machine-config.smt: must be true or false, is the integer 0"},
    {MACHINE(",\"cpu_template\":1"),
     "vm.json: machine-config.cpu_template: must be a string, is the integer 1"},
    {MACHINE(",\"huge_pages\":null"),
     "vm.json: machine-config.huge_pages: must be a string, is null"},
    {"{\"balloon\":true}", "vm.json: balloon: must be an object, is true"},
    {"{\"balloon\":{\"amount_mib\":\"512M\",\"deflate_on_oom\":false}}",
     "vm.json: balloon.amount_mib: must be an integer, is the string \"512M\""},
    {"{\"balloon\":{\"amount_mib\":1,\"deflate_on_oom\":\"no\"}}",
     "vm.json: balloon.deflate_on_oom: must be true or false, is the string \"no\""},
    {BALLOON(",\"must_tell_host\":false,\"scatter_gather\":true"),
     "vm.json: balloon.scatter_gather: must be a string, is true"},
    {BALLOON(",\"stats_polling_interval_s\":true"),
     "vm.json: balloon.stats_polling_interval_s: must be an integer, is true"},
    {BALLOON(",\"free_page_hinting\":1"),
     "vm.json: balloon.free_page_hinting: must be true or false, is the integer 1"},
    {BALLOON(",\"free_page_reporting\":null"),
     "vm.json: balloon.free_page_reporting: must be true or false, is null"},
    {BALLOON(",\"page_poison\":\"on\""),
     "vm.json: balloon.page_poison: must be true or false, is the string \"on\""},
    {BALLOON(",\"prefault_on_deflate\":[]"),
     "vm.json: balloon.prefault_on_deflate: must be true or false, is an array"},
    /* Missing keys that Firecracker requires. */
    {"{\"boot-source\":{}}", "vm.json: boot-source.kernel_image_path: is missing"},
    {"{\"machine-config\":{\"vcpu_count\":1}}", "vm.json: machine-config.mem_size_mib: is missing"},
    {"{\"machine-config\":{\"mem_size_mib\":128}}",
     "vm.json: machine-config.vcpu_count: is missing"},
    {"{\"balloon\":{\"amount_mib\":1}}", "vm.json: balloon.deflate_on_oom: is missing"},
    {"{\"balloon\":{\"deflate_on_oom\":true}}", "vm.json: balloon.amount_mib: is missing"},
    /* Unknown keys. */
    {"{\"ballon\":null}", "vm.json: ballon: " KNOWN_SECTIONS},
    {"{\"boot-source\":{\"kernel_image_path\":\"k\",\"bootargs\":\"\"}}",
     "vm.json: boot-source.bootargs: unknown key (known: kernel_image_path, initrd_path, "
     "boot_args)"},
    {MACHINE(",\"ht_enabled\":false"),
     "vm.json: machine-config.ht_enabled: unknown key (known: vcpu_count, mem_size_mib, smt, "
     "cpu_template, track_dirty_pages, huge_pages, backing, virtio_discovery)"},
    {"{\"balloon\":{\"amount_mb\":1}}", "vm.json: balloon.amount_mb: " KNOWN_BALLOON},
    {"{\"balloon\":{\"a\\nb\\u001b\":1}}", "vm.json: balloon.a?b?: " KNOWN_BALLOON},
    /* Ranges. */
    {"{\"boot-source\":{\"kernel_image_path\":\"\"}}",
     "vm.json: boot-source.kernel_image_path: must not be empty"},
    {BOOT(",\"initrd_path\":\"\""), "vm.json: boot-source.initrd_path: must not be empty"},
    {"{\"machine-config\":{\"vcpu_count\":0,\"mem_size_mib\":128}}",
     "vm.json: machine-config.vcpu_count: 0 is below the minimum of 1"},
    {"{\"machine-config\":{\"vcpu_count\":33,\"mem_size_mib\":128}}",
     "vm.json: machine-config.vcpu_count: 33 is above the maximum of 32"},
    {"{\"machine-config\":{\"vcpu_count\":-1,\"mem_size_mib\":128}}",
     "vm.json: machine-config.vcpu_count: -1 is below the minimum of 1"},
    {"{\"machine-config\":{\"vcpu_count\":4294967297,\"mem_size_mib\":128}}",
     "vm.json: machine-config.vcpu_count: 4294967297 is above the maximum of 32"},
    {"{\"machine-config\":{\"vcpu_count\":1,\"mem_size_mib\":0}}",
     "vm.json: machine-config.mem_size_mib: 0 is below the minimum of 16"},
    {"{\"machine-config\":{\"vcpu_count\":1,\"mem_size_mib\":7}}",
     "vm.json: machine-config.mem_size_mib: 7 is below the minimum of 16"},
    {"{\"machine-config\":{\"vcpu_count\":1,\"mem_size_mib\":9223372036854775807}}",
     "vm.json: machine-config.mem_size_mib: 9223372036854775807 is above the maximum of "
     "4294967296"},
    {"{\"balloon\":{\"amount_mib\":-1,\"deflate_on_oom\":false}}",
     "vm.json: balloon.amount_mib: -1 is below the minimum of 0"},
    {"{\"balloon\":{\"amount_mib\":16777216,\"deflate_on_oom\":false}}",
     "vm.json: balloon.amount_mib: 16777216 is above the maximum of 16777215"},
    {MACHINE(",\"backing\":\"8k\""), "vm.json: machine-config.backing: \"8k\" is not one of "
                                     "\"4k\", \"thp\", \"hugetlb-2m\""},
    {MACHINE(",\"huge_pages\":\"1G\""),
     "vm.json: machine-config.huge_pages: \"1G\" is not one of \"None\", \"Transparent\", \"2M\""},
    {MACHINE(",\"virtio_discovery\":\"pci\""),
     "vm.json: machine-config.virtio_discovery: \"pci\" is not one of \"acpi\", \"cmdline\""},
    {BALLOON(",\"scatter_gather\":\"bit63\""),
     "vm.json: balloon.scatter_gather: \"bit63\" is not one of \"auto\", \"bit3\", \"off\""},
    {BALLOON(",\"stats_polling_interval_s\":-1"),
     "vm.json: balloon.stats_polling_interval_s: -1 is below the minimum of 0"},
    {BALLOON(",\"stats_polling_interval_s\":65536"),
     "vm.json: balloon.stats_polling_interval_s: 65536 is above the maximum of 65535"},
    /* Contradictions. */
    {MACHINE(",\"backing\":\"4k\",\"huge_pages\":\"2M\""),
     "vm.json: machine-config.backing: \"4k\" contradicts huge_pages \"2M\"; give one of the two"},
    {MACHINE(",\"backing\":\"hugetlb-2m\",\"huge_pages\":\"None\""),
     "vm.json: machine-config.backing: \"hugetlb-2m\" contradicts huge_pages \"None\"; give one "
     "of the two"},
    {BALLOON(",\"free_page_hinting\":true,\"scatter_gather\":\"bit3\""),
     "vm.json: balloon.scatter_gather: \"bit3\" and free_page_hinting both claim feature bit 3; "
     "give one of the two"},
    /* What Firecracker has and Aerostat has not. */
    {MACHINE(",\"track_dirty_pages\":true"),
     "vm.json: machine-config.track_dirty_pages: dirty page tracking is" NOT_SUPPORTED},
    {MACHINE(",\"cpu_template\":\"T2\""),
     "vm.json: machine-config.cpu_template: \"T2\": CPU templates are" NOT_SUPPORTED
     " (only \"None\" or null)"},
    {"{\"drives\":[{\"drive_id\":\"rootfs\"}]}",
     "vm.json: drives: block devices are" NOT_SUPPORTED},
    {"{\"network-interfaces\":[{}]}",
     "vm.json: network-interfaces: network devices are" NOT_SUPPORTED},
    {"{\"vsock\":{\"guest_cid\":3}}", "vm.json: vsock: vsock devices are" NOT_SUPPORTED},
    {"{\"entropy\":{}}", "vm.json: entropy: entropy devices are" NOT_SUPPORTED},
    {"{\"pmem\":[{}]}", "vm.json: pmem: persistent memory devices are" NOT_SUPPORTED},
    {"{\"memory-hotplug\":{}}", "vm.json: memory-hotplug: hotplugged memory is" NOT_SUPPORTED},
    {"{\"cpu-config\":\"t.json\"}", "vm.json: cpu-config: custom CPU templates are" NOT_SUPPORTED},
    {"{\"logger\":{\"level\":\"Loud\"}}",
     "vm.json: logger.level: \"Loud\" is not one of \"Error\", \"Warning\", \"Info\", \"Debug\", "
     "\"Trace\", \"Off\""},
    {"{\"logger\":{\"module\":\"api\"}}",
     "vm.json: logger.module: filters of messages are" NOT_SUPPORTED},
    {"{\"logger\":{\"log_path\":\"\"}}", "vm.json: logger.log_path: must not be empty"},
    {"{\"metrics\":{}}", "vm.json: metrics.metrics_path: is missing"},
    {"{\"metrics\":{\"metrics_path\":\"m\",\"properties\":{\"a\":1}}}",
     "vm.json: metrics.properties: must be an object of strings, \"a\" is none"},
    {"{\"metrics\":{\"metrics_path\":\"m\",\"properties\":3}}",
     "vm.json: metrics.properties: must be an object of strings"},
    {"{\"mmds-config\":{}}", "vm.json: mmds-config: the metadata service is" NOT_SUPPORTED},
    {"{\"serial\":{\"rate_limiter\":{}}}", "vm.json: serial.rate_limiter.size: is missing"},
    {"{\"serial\":{\"rate_limiter\":{\"size\":1,\"refill_time\":-1}}}",
     "vm.json: serial.rate_limiter.refill_time: -1 is below the minimum of 0"},
};

START_TEST(a_bad_configuration_gets_one_exact_sentence)
{
    struct vm_config cfg;
    struct err err = {0};
    ck_assert_int_eq(cfg_init(&cfg), 0);
    int rc = cfg_parse(&cfg, "vm.json", bad[_i].text, strlen(bad[_i].text), &err);
    ck_assert_int_eq(rc, -EINVAL);
    ck_assert_str_eq(err.text, bad[_i].error);
    cfg_finish(&cfg);
}
END_TEST

START_TEST(an_error_needs_no_place_for_its_sentence)
{
    struct vm_config cfg;
    ck_assert_int_eq(cfg_init(&cfg), 0);
    ck_assert_int_eq(cfg_parse(&cfg, "vm.json", bad[_i].text, strlen(bad[_i].text), NULL), -EINVAL);
    cfg_finish(&cfg);
}
END_TEST

static const struct {
    const char *text;
    const char *error;
} bad_updates[] = {
    {"", "request body: is empty, must be a JSON object"},
    {"{\"amount_mib\":1", "request body:1:15: '}' expected near end of file"},
    {"{\"amount_mib\":1,\"amount_mib\":2}",
     "request body:1:28: duplicate object key near '\"amount_mib\"'"},
    {"{}", "request body: amount_mib: is missing"},
    {"[1]", "request body: must be an object, is an array"},
    {"{\"amount_mb\":1}", "request body: amount_mb: unknown key (known: amount_mib)"},
    {"{\"amount_mib\":1,\"deflate_on_oom\":true}",
     "request body: deflate_on_oom: unknown key (known: amount_mib)"},
    {"{\"amount_mib\":-5}", "request body: amount_mib: -5 is below the minimum of 0"},
    {"{\"amount_mib\":1.0}", "request body: amount_mib: must be an integer, is the number 1"},
};

START_TEST(a_bad_balloon_update_gets_one_exact_sentence)
{
    struct err err = {0};
    uint64_t bytes = 42;
    const char *text = bad_updates[_i].text;
    ck_assert_int_eq(cfg_parse_balloon_update(text, strlen(text), &bytes, &err), -EINVAL);
    ck_assert_str_eq(err.text, bad_updates[_i].error);
    ck_assert_uint_eq(bytes, 42);
}
END_TEST

static const struct {
    const char *text;
    const char *error;
} bad_stats_updates[] = {
    {"", "request body: is empty, must be a JSON object"},
    {"{}", "request body: stats_polling_interval_s: is missing"},
    {"{\"amount_mib\":1}",
     "request body: amount_mib: unknown key (known: stats_polling_interval_s)"},
    {"{\"stats_polling_interval_s\":-1}",
     "request body: stats_polling_interval_s: -1 is below the minimum of 0"},
    {"{\"stats_polling_interval_s\":65536}",
     "request body: stats_polling_interval_s: 65536 is above the maximum of 65535"},
    {"{\"stats_polling_interval_s\":\"1\"}",
     "request body: stats_polling_interval_s: must be an integer, is the string \"1\""},
};

START_TEST(a_bad_statistics_update_gets_one_exact_sentence)
{
    struct err err = {0};
    uint32_t seconds = 42;
    const char *text = bad_stats_updates[_i].text;
    ck_assert_int_eq(cfg_parse_stats_update(text, strlen(text), &seconds, &err), -EINVAL);
    ck_assert_str_eq(err.text, bad_stats_updates[_i].error);
    ck_assert_uint_eq(seconds, 42);
}
END_TEST

static const struct {
    const char *text;
    const char *error;
} bad_hint_starts[] = {
    {" ", "request body:1:1: unexpected token near end of file"},
    {"null", "request body: must be an object, is null"},
    {"{\"ack\":true}", "request body: ack: unknown key (known: acknowledge_on_stop)"},
    {"{\"acknowledge_on_stop\":0}",
     "request body: acknowledge_on_stop: must be true or false, is the integer 0"},
};

START_TEST(a_bad_start_of_hinting_gets_one_exact_sentence)
{
    struct err err = {0};
    const char *text = bad_hint_starts[_i].text;
    for (int before = 0; before < 2; before++) {
        bool acknowledge = before != 0;
        ck_assert_int_eq(cfg_parse_hint_start(text, strlen(text), &acknowledge, &err), -EINVAL);
        ck_assert_str_eq(err.text, bad_hint_starts[_i].error);
        ck_assert_int_eq(acknowledge, before);
    }
}
END_TEST

static const struct {
    const char *text;
    const char *error;
} bad_states[] = {
    {"", "request body: is empty, must be a JSON object"},
    {"{}", "request body: state: is missing"},
    {"{\"state\":\"paused\"}",
     "request body: state: \"paused\" is not one of \"Paused\", \"Resumed\""},
    {"{\"state\":true}", "request body: state: must be a string, is true"},
    {"{\"state\":\"Paused\",\"why\":1}", "request body: why: unknown key (known: state)"},
};

START_TEST(a_bad_state_gets_one_exact_sentence)
{
    struct err err = {0};
    const char *text = bad_states[_i].text;
    for (int before = 0; before < 2; before++) {
        bool paused = before != 0;
        ck_assert_int_eq(cfg_parse_vm_state(text, strlen(text), &paused, &err), -EINVAL);
        ck_assert_str_eq(err.text, bad_states[_i].error);
        ck_assert_int_eq(paused, before);
    }
}
END_TEST

START_TEST(a_balloon_update_is_read_in_mib)
{
    uint64_t bytes = 42;
    const char *text = " {\"amount_mib\" : 513}\n";
    ck_assert_int_eq(cfg_parse_balloon_update(text, strlen(text), &bytes, NULL), 0);
    ck_assert_uint_eq(bytes, 513 * MIB);
}
END_TEST

Suite *bad_input_suite(void)
{
    Suite *suite = suite_create("bad input");
    TCase *tc = tcase_create("bad input");
    tcase_add_loop_test(tc, a_bad_configuration_gets_one_exact_sentence, 0, (int)ARRAY_LEN(bad));
    tcase_add_loop_test(tc, an_error_needs_no_place_for_its_sentence, 0, (int)ARRAY_LEN(bad));
    tcase_add_loop_test(tc, a_bad_balloon_update_gets_one_exact_sentence, 0,
                        (int)ARRAY_LEN(bad_updates));
    tcase_add_loop_test(tc, a_bad_statistics_update_gets_one_exact_sentence, 0,
                        (int)ARRAY_LEN(bad_stats_updates));
    tcase_add_loop_test(tc, a_bad_start_of_hinting_gets_one_exact_sentence, 0,
                        (int)ARRAY_LEN(bad_hint_starts));
    tcase_add_loop_test(tc, a_bad_state_gets_one_exact_sentence, 0, (int)ARRAY_LEN(bad_states));
    tcase_add_test(tc, a_balloon_update_is_read_in_mib);
    suite_add_tcase(suite, tc);
    return suite;
}
