/* SPDX-License-Identifier: Apache-2.0 */
/* Sections one by one as requests bring them, all errors of a file at once, copies, and the way
 * back to JSON. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/config/suites.h"
#include "vmm/base/num.h"
#include "vmm/config/config.h"

static struct vm_config cfg;
static struct err err;
static char dir[64];

static void setup(void)
{
    memset(&err, 0, sizeof(err));
    ck_assert_int_eq(cfg_init(&cfg), 0);
    strcpy(dir, "/tmp/aerostat-config-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chdir(dir), 0);
}

static void teardown(void)
{
    char command[100];
    cfg_finish(&cfg);
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* JSON with ' for ". */
static char *json(const char *text)
{
    static char buf[8192];
    snprintf(buf, sizeof(buf), "%s", text);
    for (char *c = buf; *c != '\0'; c++) {
        if (*c == '\'')
            *c = '"';
    }
    return buf;
}

static void put_ok(enum cfg_section section, const char *body)
{
    char *text = json(body);
    int rc = cfg_put(&cfg, section, text, strlen(text), &err);
    ck_assert_msg(rc == 0, "%s: %s", body, err.text);
}

static void expect_section(enum cfg_section section, const char *text)
{
    char *got = cfg_section_to_json(&cfg, section);
    if (text == NULL)
        ck_assert_ptr_null(got);
    else
        ck_assert_str_eq(got, json(text));
    free(got);
}

/* What is put twice: with everything, and with as little as may be; and what is then described. */
static const struct {
    enum cfg_section section;
    const char *all;
    const char *described;
    const char *least;
    const char *defaults;
} sections[] = {
    {CFG_SECTION_BOOT_SOURCE, "{'kernel_image_path':'k','initrd_path':'i','boot_args':'quiet'}",
     "{'kernel_image_path':'k','initrd_path':'i','boot_args':'quiet'}", "{'kernel_image_path':'k'}",
     "{'kernel_image_path':'k','initrd_path':null,'boot_args':'" CFG_CMDLINE_DEFAULT "'}"},
    {CFG_SECTION_MACHINE,
     "{'vcpu_count':3,'mem_size_mib':64,'backing':'thp','virtio_discovery':'cmdline'}",
     "{'vcpu_count':3,'mem_size_mib':64,'smt':false,'track_dirty_pages':false,"
     "'huge_pages':'Transparent','backing':'thp','virtio_discovery':'cmdline'}",
     "{'vcpu_count':2,'mem_size_mib':32}",
     "{'vcpu_count':2,'mem_size_mib':32,'smt':false,'track_dirty_pages':false,"
     "'huge_pages':'None','backing':'4k','virtio_discovery':'acpi'}"},
    {CFG_SECTION_BALLOON,
     "{'amount_mib':5,'deflate_on_oom':true,'stats_polling_interval_s':9,'free_page_reporting':"
     "true,'page_poison':false,'prefault_on_deflate':true,'scatter_gather':'bit3',"
     "'must_tell_host':false}",
     "{'amount_mib':5,'deflate_on_oom':true,'stats_polling_interval_s':9,'free_page_hinting':false,"
     "'free_page_reporting':true,'scatter_gather':'bit3','must_tell_host':false,'page_poison':"
     "false,"
     "'prefault_on_deflate':true}",
     "{'amount_mib':1,'deflate_on_oom':false}",
     "{'amount_mib':1,'deflate_on_oom':false,'stats_polling_interval_s':0,'free_page_hinting':"
     "false,'free_page_reporting':false,'scatter_gather':'auto','must_tell_host':true,"
     "'page_poison':false,'prefault_on_deflate':false}"},
    /* A logger's level alone has a default. */
    {CFG_SECTION_LOGGER,
     "{'log_path':'l','level':'tRaCe','show_level':true,'show_log_origin':true,'module':null}",
     "{'log_path':'l','level':'Debug','show_level':true,'show_log_origin':true}", "{}",
     "{'log_path':'l','level':null,'show_level':true,'show_log_origin':true}"},
    {CFG_SECTION_METRICS, "{'metrics_path':'m','emit_id':true,'properties':{'a':'b'}}",
     "{'metrics_path':'m','emit_id':true,'properties':{'a':'b'}}", "{'metrics_path':'n'}",
     "{'metrics_path':'n','emit_id':false,'properties':null}"},
    {CFG_SECTION_SERIAL,
     "{'serial_out_path':'s','rate_limiter':{'size':5,'refill_time':7,'one_time_burst':9}}",
     "{'serial_out_path':'s','rate_limiter':{'size':5,'one_time_burst':9,'refill_time':7}}", "{}",
     NULL},
};

START_TEST(a_section_put_again_gets_the_defaults_of_what_is_not_mentioned)
{
    write_file("k", "");
    write_file("i", "");
    put_ok(sections[_i].section, sections[_i].all);
    expect_section(sections[_i].section, sections[_i].described);
    put_ok(sections[_i].section, sections[_i].least);
    expect_section(sections[_i].section, sections[_i].defaults);
}
END_TEST

START_TEST(a_section_leaves_the_others_alone)
{
    write_file("k", "");
    write_file("i", "");
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        put_ok(sections[i].section, sections[i].all);
    put_ok(sections[_i].section, sections[_i].least);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        expect_section(sections[i].section,
                       i == (size_t)_i ? sections[i].defaults : sections[i].described);
}
END_TEST

START_TEST(page_poison_follows_again_in_a_balloon_put_anew)
{
    put_ok(CFG_SECTION_BALLOON, "{'amount_mib':1,'deflate_on_oom':true,'page_poison':false}");
    put_ok(CFG_SECTION_BALLOON,
           "{'amount_mib':1,'deflate_on_oom':true,'free_page_reporting':true}");
    ck_assert(cfg.balloon.page_poison);
}
END_TEST

static const struct {
    enum cfg_section section;
    const char *body;
    int rc;
    const char *error;
} refusals[] = {
    {CFG_SECTION_BOOT_SOURCE, "", -EINVAL, "request body: is empty, must be a JSON object"},
    {CFG_SECTION_BOOT_SOURCE, "{'kernel_image_path':'none'}", -ENOENT,
     "boot-source.kernel_image_path: none: cannot be opened: No such file or directory"},
    {CFG_SECTION_BOOT_SOURCE, "{'kernel_image_path':'k','initrd_path':'none'}", -ENOENT,
     "boot-source.initrd_path: none: cannot be opened: No such file or directory"},
    {CFG_SECTION_MACHINE, "null", -EINVAL, "request body: must be an object, is null"},
    {CFG_SECTION_MACHINE, "{'vcpu_count':1,'mem_size_mib':17,'huge_pages':'2M'}", -EINVAL,
     "guest memory: 17408 KiB is not a multiple of 2 MiB, as backing hugetlb-2m needs it"},
    {CFG_SECTION_MACHINE, "{'vcpu_count':1,'mem_size_mib':16}", -EINVAL,
     "balloon: a target of 16 MiB is not below the guest memory of 16 MiB"},
    {CFG_SECTION_BALLOON, "{'amount_mib':128,'deflate_on_oom':true}", -EINVAL,
     "balloon: a target of 128 MiB is not below the guest memory of 128 MiB"},
    {CFG_SECTION_BALLOON,
     "{'amount_mib':1,'deflate_on_oom':true,'scatter_gather':'bit3','free_page_hinting':true}",
     -EINVAL,
     "request body: scatter_gather: \"bit3\" and free_page_hinting both claim feature bit 3; give "
     "one of the two"},
    {CFG_SECTION_LOGGER, "{'log_path':''}", -EINVAL, "request body: log_path: must not be empty"},
    {CFG_SECTION_LOGGER, "{'level':'Loud'}", -EINVAL,
     "request body: level: \"Loud\" is not one of \"Error\", \"Warning\", \"Info\", \"Debug\", "
     "\"Trace\", \"Off\""},
    {CFG_SECTION_LOGGER, "{'module':'api'}", -EINVAL,
     "request body: module: filters of messages are not supported by this version of Aerostat"},
    {CFG_SECTION_METRICS, "{'metrics_path':null}", -EINVAL,
     "request body: metrics_path: must be a string, is null"},
    {CFG_SECTION_METRICS, "{'metrics_path':'m','properties':{'a':'b','c':[]}}", -EINVAL,
     "request body: properties: must be an object of strings, \"c\" is none"},
    {CFG_SECTION_SERIAL, "{'rate_limiter':{'size':1}}", -EINVAL,
     "request body: rate_limiter.refill_time: is missing"},
    {CFG_SECTION_SERIAL, "{'rate_limiter':[]}", -EINVAL,
     "request body: rate_limiter: must be an object, is an array"},
};

START_TEST(a_section_that_is_refused_changes_nothing)
{
    write_file("k", "");
    put_ok(CFG_SECTION_BOOT_SOURCE, "{'kernel_image_path':'k','boot_args':'old'}");
    put_ok(CFG_SECTION_BALLOON, "{'amount_mib':16,'deflate_on_oom':true}");
    char *before = cfg_to_json(&cfg, false);
    struct vm_config bytes = cfg;
    const char *body = json(refusals[_i].body);
    int rc = cfg_put(&cfg, refusals[_i].section, body, strlen(body), &err);
    ck_assert_int_eq(rc, refusals[_i].rc);
    ck_assert_str_eq(err.text, refusals[_i].error);
    ck_assert_int_eq(memcmp(&bytes, &cfg, sizeof(cfg)), 0);
    char *after = cfg_to_json(&cfg, false);
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
}
END_TEST

static const struct {
    const char *body;
    const char *error; /* NULL: taken */
    const char *described;
} patches[] = {
    {"{'vcpu_count':7}", NULL, "'vcpu_count':7,'mem_size_mib':128,"},
    {"{'mem_size_mib':64,'vcpu_count':null}", NULL, "'vcpu_count':4,'mem_size_mib':64,"},
    {"{'huge_pages':'2M'}", NULL, "'huge_pages':'2M','backing':'hugetlb-2m'"},
    {"{'smt':false}", NULL, "'vcpu_count':4,'mem_size_mib':128,"},
    {"{'cpu_template':'None'}", NULL, "'vcpu_count':4,"},
    {"{}", "request body: changes nothing: give at least one key", NULL},
    {"{'smt':null}", "request body: changes nothing: give at least one key", NULL},
    {"", "request body: is empty, must be a JSON object", NULL},
    {"{'vcpu_count':0}", "request body: vcpu_count: 0 is below the minimum of 1", NULL},
    {"{'vcpu_count':8,'smt':true}", NULL, "'vcpu_count':8,'mem_size_mib':128,'smt':true,"},
    {"{'vcpu_count':7,'smt':true}",
     "vCPUs: 7 cannot share cores by twos: with machine-config.smt the number is 1 or even", NULL},
    {"{'huge_pages':'2M','backing':'4k'}",
     "request body: backing: \"4k\" contradicts huge_pages \"2M\"; give one of the two", NULL},
    {"{'mem_size_mib':129,'huge_pages':'2M'}",
     "guest memory: 132096 KiB is not a multiple of 2 MiB, as backing hugetlb-2m needs it", NULL},
};

START_TEST(a_patch_of_the_machine_changes_what_it_mentions)
{
    put_ok(CFG_SECTION_MACHINE, "{'vcpu_count':4,'mem_size_mib':128,'backing':'thp'}");
    char *before = cfg_to_json(&cfg, false);
    char *body = strdup(json(patches[_i].body));
    int rc = cfg_patch_machine(&cfg, body, strlen(body), &err);
    char *after = cfg_to_json(&cfg, false);
    if (patches[_i].error != NULL) {
        ck_assert_int_eq(rc, -EINVAL);
        ck_assert_str_eq(err.text, patches[_i].error);
        ck_assert_str_eq(before, after);
    } else {
        ck_assert_msg(rc == 0, "%s", err.text);
        ck_assert_msg(strstr(after, json(patches[_i].described)) != NULL, "%s", after);
    }
    free(before);
    free(after);
    free(body);
}
END_TEST

/* All sentences of a file, each with a line feed. */
static char heard[4096];

static void hear(void *arg, const char *sentence)
{
    ck_assert_ptr_eq(arg, &heard);
    strncat(heard, sentence, sizeof(heard) - strlen(heard) - 2);
    strcat(heard, "\n");
}

static const struct {
    const char *text;
    const char *sentences;
} files[] = {
    {"", "vm.json: is empty, must be a JSON object\n"},
    {"{'balloon':", "vm.json:1:11: unexpected token near end of file\n"},
    {"[]", "vm.json: must be an object, is an array\n"},
    {"{}", "no kernel: give --kernel PATH, or boot-source.kernel_image_path in the configuration "
           "file\n"},
    {"{'boot-source':{'kernel_image_path':'k'}}", ""},
    {"{'boot-source':{'kernel_image_path':'none','initrd_path':'neither'}}",
     "boot-source.kernel_image_path: none: cannot be opened: No such file or directory\n"
     "boot-source.initrd_path: neither: cannot be opened: No such file or directory\n"},
    {"{'boot-source':{'kernel_image_path':'a\\nb\x7f'}}",
     "boot-source.kernel_image_path: a?b?: cannot be opened: No such file or directory\n"},
    /* In the order of the sections, whatever the file's; those of one section by its keys. */
    {"{'serial':{'serial_out_path':1},'drives':[{}],'balloon':{'amount_mib':-1,'deflate':true},"
     "'machine-config':{'vcpu_count':0,'mem_size_mib':'x'},'wrong':1,"
     "'boot-source':{'kernel_image_path':7}}",
     "vm.json: wrong: unknown key (known: boot-source, machine-config, balloon, logger, metrics, "
     "serial, drives, network-interfaces, vsock, entropy, pmem, memory-hotplug, cpu-config, "
     "mmds-config)\n"
     "vm.json: boot-source.kernel_image_path: must be a string, is the integer 7\n"
     "vm.json: machine-config.vcpu_count: 0 is below the minimum of 1\n"
     "vm.json: machine-config.mem_size_mib: must be an integer, is the string \"x\"\n"
     "vm.json: balloon.deflate: unknown key (known: amount_mib, deflate_on_oom, "
     "stats_polling_interval_s, free_page_hinting, free_page_reporting, page_poison, "
     "prefault_on_deflate, scatter_gather, must_tell_host)\n"
     "vm.json: balloon.amount_mib: -1 is below the minimum of 0\n"
     "vm.json: balloon.deflate_on_oom: is missing\n"
     "vm.json: serial.serial_out_path: must be a string, is the integer 1\n"
     "vm.json: drives: block devices are not supported by this version of Aerostat\n"},
    /* Figures that clash, beside a file that is not there. */
    {"{'boot-source':{'kernel_image_path':'k','initrd_path':'none'},"
     "'balloon':{'amount_mib':512,'deflate_on_oom':true}}",
     "balloon: a target of 512 MiB is not below the guest memory of 128 MiB\n"
     "boot-source.initrd_path: none: cannot be opened: No such file or directory\n"},
    {"{'machine-config':{'vcpu_count':1,'mem_size_mib':17,'huge_pages':'2M'}}",
     "no kernel: give --kernel PATH, or boot-source.kernel_image_path in the configuration file\n"
     "guest memory: 17408 KiB is not a multiple of 2 MiB, as backing hugetlb-2m needs it\n"},
};

START_TEST(all_errors_of_a_file_are_told_at_once_and_in_order)
{
    heard[0] = '\0';
    write_file("k", "");
    write_file("vm.json", json(files[_i].text));
    struct vm_config before = cfg;
    unsigned n = cfg_load_all(&cfg, "vm.json", hear, &heard);
    ck_assert_str_eq(heard, files[_i].sentences);
    unsigned lines = 0;
    for (const char *c = heard; (c = strchr(c, '\n')) != NULL; c++)
        lines++;
    ck_assert_uint_eq(n, lines);
    if (n > 0)
        ck_assert_int_eq(memcmp(&before, &cfg, sizeof(cfg)), 0);
    else
        ck_assert_str_eq(cfg.kernel_path, "k");
}
END_TEST

START_TEST(a_file_that_is_not_there_is_one_error)
{
    heard[0] = '\0';
    ck_assert_uint_eq(cfg_load_all(&cfg, "vm.json", hear, &heard), 1);
    ck_assert_str_eq(heard, "vm.json: cannot be opened: No such file or directory\n");
}
END_TEST

Suite *sections_suite(void)
{
    Suite *suite = suite_create("sections");
    TCase *tc = tcase_create("sections");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_section_put_again_gets_the_defaults_of_what_is_not_mentioned, 0,
                        (int)ARRAY_LEN(sections));
    tcase_add_loop_test(tc, a_section_leaves_the_others_alone, 0, (int)ARRAY_LEN(sections));
    tcase_add_test(tc, page_poison_follows_again_in_a_balloon_put_anew);
    tcase_add_loop_test(tc, a_section_that_is_refused_changes_nothing, 0, (int)ARRAY_LEN(refusals));
    tcase_add_loop_test(tc, a_patch_of_the_machine_changes_what_it_mentions, 0,
                        (int)ARRAY_LEN(patches));
    tcase_add_loop_test(tc, all_errors_of_a_file_are_told_at_once_and_in_order, 0,
                        (int)ARRAY_LEN(files));
    tcase_add_test(tc, a_file_that_is_not_there_is_one_error);
    suite_add_tcase(suite, tc);
    return suite;
}
