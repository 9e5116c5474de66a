/* SPDX-License-Identifier: Apache-2.0 */
/* From a description to a machine and to its end, through the control socket: starts that fail and
 * are tried again, the files that the description names, and Firecracker's documented examples. */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/kvm/contract.h"
#include "tests/kvm/kvm_main.h"
#include "vmm/base/num.h"

#define NONE "not supported by this version of Aerostat"

static struct vmp vm;

static void setup(void)
{
    contract_enter(PAYLOAD_DIR "/payload_sg");
}

static void put(const char *path, const char *body)
{
    const struct step step = {"PUT", path, body, 204, NULL, NULL};
    contract_check(&vm, &step);
}

static void put_kernel(void)
{
    put("/boot-source", "{'kernel_image_path':'vmlinux.bin'}");
}

/* The payload wants a balloon. */
static void start_guest(void)
{
    put_kernel();
    put("/balloon", "{'amount_mib':0,'deflate_on_oom':false}");
    contract_act(&vm, "InstanceStart");
}

static void expect_start_fault(const char *says)
{
    const struct step steps[] = {
        {"PUT", "/actions", "{'action_type':'InstanceStart'}", 400, NULL, says},
        {"GET", "/", NULL, 200, "app_name id state vmm_version", "'state':'Not started'"},
    };
    contract_check_all(&vm, steps, ARRAY_LEN(steps));
}

static unsigned count_descriptors_once(void)
{
    char path[64];
    unsigned n = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)vm.pid);
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

/* The connection of the last request may still be there: the least of what is counted for a while.
 */
static unsigned count_descriptors(void)
{
    unsigned least = UINT_MAX;
    for (int i = 0; i < 20; i++) {
        unsigned n = count_descriptors_once();
        least = n < least ? n : least;
        usleep(10000);
    }
    return least;
}

START_TEST(a_start_that_fails_can_be_tried_again)
{
    contract_start(&vm, "--no-start");
    put("/boot-source", "{'kernel_image_path':'initrd.cpio'}");
    put("/balloon", "{'amount_mib':0,'deflate_on_oom':false}");
    expect_start_fault("initrd.cpio: ");
    unsigned before = count_descriptors();
    for (int i = 0; i < 10; i++)
        expect_start_fault("initrd.cpio: ");
    put_kernel();
    put("/serial", "{'serial_out_path':'no/such/folder'}");
    expect_start_fault("serial.serial_out_path: no/such/folder");
    put("/serial", "{}");
    ck_assert_uint_eq(count_descriptors(), before);
    contract_act(&vm, "InstanceStart");
    vmp_expect(&vm, "at populated");
    contract_stop(&vm);
}
END_TEST

START_TEST(a_kernel_that_vanishes_before_the_start_is_named)
{
    contract_start(&vm, "--no-start");
    ck_assert_int_eq(symlink(PAYLOAD_DIR "/payload_sg", "gone"), 0);
    put("/boot-source", "{'kernel_image_path':'gone'}");
    ck_assert_int_eq(unlink("gone"), 0);
    expect_start_fault("gone: cannot open the kernel: No such file or directory");
    contract_stop(&vm);
}
END_TEST

START_TEST(a_machine_that_never_starts_ends_on_request_and_by_a_signal)
{
    contract_start(&vm, "--no-start");
    contract_stop(&vm);
    contract_start(&vm, "--no-start");
    ck_assert_int_eq(kill(vm.pid, SIGTERM), 0);
    int status = vmp_wait(&vm);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM, "0x%x", status);
}
END_TEST

START_TEST(the_guests_console_goes_where_it_is_told)
{
    contract_start(&vm, "--no-start");
    put("/serial", "{'serial_out_path':'serial.log'}");
    start_guest();
    contract_await("serial.log", "at populated");
    contract_stop(&vm);
    char line[64];
    ck_assert(!vmp_read_line(&vm, line, sizeof(line)));
}
END_TEST

static void read_fifo(int fd, char *text, size_t size, const char *until)
{
    size_t used = 0;
    for (int i = 0; i < VMP_DEADLINE_S * 100 && strstr(text, until) == NULL; i++) {
        ssize_t got = read(fd, text + used, size - 1 - used);
        if (got > 0)
            used += (size_t)got;
        else
            usleep(10000);
        text[used] = '\0';
    }
    ck_assert_msg(strstr(text, until) != NULL, "\"%s\" is not in: %s", until, text);
}

START_TEST(fifos_serve_for_all_three)
{
    static const char *const names[] = {"serial.fifo", "logs.fifo", "metrics.fifo"};
    static char text[3][65536];
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(mkfifo(names[i], 0600), 0);
        fds[i] = open(names[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        text[i][0] = '\0';
    }
    contract_start(&vm, "--no-start");
    put("/serial", "{'serial_out_path':'serial.fifo'}");
    put("/logger", "{'log_path':'logs.fifo','level':'Info','show_level':true}");
    put("/metrics", "{'metrics_path':'metrics.fifo'}");
    start_guest();
    read_fifo(fds[0], text[0], sizeof(text[0]), "at populated");
    contract_act(&vm, "FlushMetrics");
    read_fifo(fds[2], text[2], sizeof(text[2]), "}\n");
    contract_stop(&vm);
    read_fifo(fds[1], text[1], sizeof(text[1]), ":INFO] the machine was ended on request\n");
    for (size_t i = 0; i < 3; i++)
        close(fds[i]);
}
END_TEST

START_TEST(fifos_that_nobody_reads_hold_nobody_up)
{
    ck_assert_int_eq(mkfifo("logs.fifo", 0600), 0);
    ck_assert_int_eq(mkfifo("metrics.fifo", 0600), 0);
    contract_start(&vm, "--no-start");
    put("/logger", "{'log_path':'logs.fifo','level':'Debug'}");
    put("/metrics", "{'metrics_path':'metrics.fifo'}");
    start_guest();
    vmp_expect(&vm, "at populated");
    char reply[4096];
    int status = 204;
    for (int i = 0; i < 200 && status == 204; i++)
        status = vmp_http(vm.sock, "PUT", "/actions", "{\"action_type\":\"FlushMetrics\"}", reply,
                          sizeof(reply));
    ck_assert_int_eq(status, 400);
    contract_stop(&vm);
}
END_TEST

START_TEST(messages_go_on_where_they_go_until_told_otherwise)
{
    static const struct step kept = {"GET",
                                     "/vm/config",
                                     NULL,
                                     200,
                                     "boot-source machine-config balloon drives cpu-config logger "
                                     "metrics serial network-interfaces vsock entropy pmem "
                                     "memory-hotplug mmds-config",
                                     "'logger':{'log_path':'two.log','level':'Info',"
                                     "'show_level':true,'show_log_origin':false}"};
    contract_start(&vm, "--no-start");
    put("/logger", "{'log_path':'one.log','level':'Error'}");
    put("/logger", "{'log_path':'two.log','show_level':true,'show_log_origin':null}");
    put("/logger", "{'level':'Info'}");
    contract_check(&vm, &kept);
    contract_stop(&vm);
    char *first = contract_read("one.log");
    char *second = contract_read("two.log");
    ck_assert_str_eq(first, "");
    ck_assert_msg(strstr(second, ":INFO] the machine was ended on request\n") != NULL, "%s",
                  second);
    free(first);
    free(second);
}
END_TEST

/* Line n of the metrics, which is a whole JSON object. */
static json_t *metrics_line(const char *text, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        text = strchr(text, '\n') + 1;
    json_t *root = json_loadb(text, (size_t)(strchr(text, '\n') - text), 0, NULL);
    ck_assert_msg(json_is_object(root), "line %u of: %s", n, text);
    return root;
}

START_TEST(metrics_are_written_on_demand_and_at_the_end)
{
    contract_start(&vm, "--no-start");
    put("/metrics", "{'metrics_path':'metrics.file','emit_id':true,"
                    "'properties':{'customer_id':'1234','bundle_id':'fn-abc'}}");
    const struct step again = {"PUT", "/metrics", "{'metrics_path':'other'}",
                               400,   NULL,       "is set already"};
    contract_check(&vm, &again);
    start_guest();
    vmp_expect(&vm, "at populated");
    contract_act(&vm, "FlushMetrics");
    contract_stop(&vm);
    char *text = contract_read("metrics.file");
    unsigned lines = 0;
    for (const char *c = text; (c = strchr(c, '\n')) != NULL; c++)
        lines++;
    ck_assert_uint_eq(lines, 2);
    for (unsigned i = 0; i < lines; i++) {
        json_t *root = metrics_line(text, i);
        const json_t *properties = json_object_get(root, "properties");
        ck_assert(json_is_integer(json_object_get(root, "utc_timestamp_ms")));
        ck_assert(json_is_string(json_object_get(root, "id")));
        ck_assert_str_eq(json_string_value(json_object_get(properties, "customer_id")), "1234");
        ck_assert_str_eq(json_string_value(json_object_get(properties, "bundle_id")), "fn-abc");
        json_decref(root);
    }
    free(text);
}
END_TEST

/* The number of requests that a group of the metrics has under a name. */
static int counted(const json_t *root, const char *group, const char *name)
{
    const json_t *value = json_object_get(json_object_get(root, group), name);
    ck_assert_msg(json_is_integer(value), "%s.%s", group, name);
    return (int)json_integer_value(value);
}

START_TEST(requests_are_counted_with_their_failures)
{
    static const struct step steps[] = {
        {"PUT", "/metrics", "{'metrics_path':'metrics.file'}", 204, NULL, NULL},
        {"PUT", "/logger", "{'level':'Loud'}", 400, NULL, NULL},
        {"PUT", "/logger", "{'level':'Info'}", 204, NULL, NULL},
        {"PATCH", "/machine-config", "{'vcpu_count':0}", 400, NULL, NULL},
        {"PUT", "/drives/rootfs", "{}", 400, NULL, NULL},
        {"PUT", "/drives/rootfs", NULL, 400, NULL, NULL},
    };
    contract_start(&vm, "--no-start");
    contract_check_all(&vm, steps, ARRAY_LEN(steps));
    contract_stop(&vm);
    char *text = contract_read("metrics.file");
    json_t *root = metrics_line(text, 0);
    ck_assert_int_eq(counted(root, "put_api_requests", "metrics_count"), 1);
    ck_assert_int_eq(counted(root, "put_api_requests", "metrics_fails"), 0);
    ck_assert_int_eq(counted(root, "put_api_requests", "logger_count"), 2);
    ck_assert_int_eq(counted(root, "put_api_requests", "logger_fails"), 1);
    ck_assert_int_eq(counted(root, "put_api_requests", "drive_count"), 2);
    ck_assert_int_eq(counted(root, "put_api_requests", "drive_fails"), 2);
    ck_assert_int_eq(counted(root, "put_api_requests", "actions_count"), 1);
    ck_assert_int_eq(counted(root, "patch_api_requests", "machine_cfg_count"), 1);
    ck_assert_int_eq(counted(root, "patch_api_requests", "machine_cfg_fails"), 1);
    json_decref(root);
    free(text);
}
END_TEST

/* Each is wrong in its last key, or clashes with what is there. */
static const struct step failing[] = {
    {"PUT", "/boot-source",
     "{'kernel_image_path':'initrd.cpio','boot_args':'other','initrd_path':'missing'}", 400, NULL,
     NULL},
    {"PUT", "/boot-source", "{'kernel_image_path':'initrd.cpio','boot_args':7}", 400, NULL, NULL},
    {"PUT", "/machine-config", "{'vcpu_count':5,'mem_size_mib':512,'smt':true}", 400, NULL, NULL},
    {"PUT", "/machine-config", "{'vcpu_count':4,'mem_size_mib':16}", 400, NULL, NULL},
    {"PATCH", "/machine-config", "{'vcpu_count':4,'track_dirty_pages':true}", 400, NULL, NULL},
    {"PATCH", "/machine-config", "{'vcpu_count':4,'mem_size_mib':32}", 400, NULL, NULL},
    {"PUT", "/balloon", "{'amount_mib':1,'deflate_on_oom':true,'page_poison':7}", 400, NULL, NULL},
    {"PUT", "/balloon", "{'amount_mib':4096,'deflate_on_oom':true}", 400, NULL, NULL},
    {"PATCH", "/balloon", "{'amount_mib':4096}", 400, NULL, NULL},
    {"PATCH", "/balloon/statistics", "{'stats_polling_interval_s':70000}", 400, NULL, NULL},
    {"PUT", "/logger", "{'log_path':'other','level':'Off','module':'api'}", 400, NULL, NULL},
    {"PUT", "/logger", "{'log_path':'no/such/folder','level':'Off'}", 400, NULL, NULL},
    {"PUT", "/metrics", "{'metrics_path':'other','emit_id':true,'properties':[]}", 400, NULL, NULL},
    {"PUT", "/metrics", "{'metrics_path':'other','emit_id':true}", 400, NULL, NULL},
    {"PUT", "/serial", "{'serial_out_path':'other','rate_limiter':{'size':1,'refill_time':'x'}}",
     400, NULL, NULL},
};

START_TEST(a_request_that_fails_leaves_the_description_as_it_was)
{
    contract_start(&vm, "--no-start");
    put("/boot-source", "{'kernel_image_path':'vmlinux.bin','initrd_path':'initrd.cpio',"
                        "'boot_args':'quiet'}");
    put("/machine-config", "{'vcpu_count':2,'mem_size_mib':128,'huge_pages':'Transparent'}");
    put("/balloon", "{'amount_mib':64,'deflate_on_oom':false,'stats_polling_interval_s':9}");
    put("/logger", "{'log_path':'log','level':'Warning','show_level':true}");
    put("/metrics", "{'metrics_path':'metrics','properties':{'a':'b'}}");
    put("/serial", "{'serial_out_path':'serial'}");
    char *before = contract_get(&vm, "/vm/config");
    for (size_t i = 0; i < ARRAY_LEN(failing); i++) {
        contract_check(&vm, &failing[i]);
        char *after = contract_get(&vm, "/vm/config");
        ck_assert_msg(strcmp(before, after) == 0, "%s %s: now %s", failing[i].path, failing[i].body,
                      after);
        free(after);
    }
    ck_assert_int_ne(access("other", F_OK), 0);
    free(before);
    contract_stop(&vm);
}
END_TEST

/* The bodies that Firecracker's documentation shows, by its keys and values: getting-started.md,
 * initrd.md, logger.md, metrics.md, ballooning.md, hugepages.md, actions.md, snapshot-support.md,
 * cpu-templates.md, gdb-debugging.md. */
static const struct step documented[] = {
    {"PUT", "/logger",
     "{'log_path':'logs.fifo','level':'Warning','show_level':false,'show_log_origin':false}", 204,
     NULL, NULL},
    {"PUT", "/logger",
     "{'log_path':'./firecracker.log','level':'Debug','show_level':true,'show_log_origin':true}",
     204, NULL, NULL},
    {"PUT", "/metrics",
     "{'metrics_path':'metrics.fifo','emit_id':true,"
     "'properties':{'customer_id':'1234','bundle_id':'fn-abc'}}",
     204, NULL, NULL},
    {"PUT", "/boot-source",
     "{'kernel_image_path':'./vmlinux.bin','boot_args':'console=ttyS0 reboot=k panic=1 pci=off',"
     "'initrd_path':'./initrd.cpio'}",
     204, NULL, NULL},
    {"PUT", "/boot-source",
     "{'kernel_image_path':'./vmlinux.bin','boot_args':'console=ttyS0 reboot=k panic=1'}", 204,
     NULL, NULL},
    {"PUT", "/machine-config",
     "{'vcpu_count':2,'mem_size_mib':1024,'smt':false,'track_dirty_pages':false,"
     "'huge_pages':'None'}",
     204, NULL, NULL},
    {"PATCH", "/machine-config", "{'huge_pages':'Transparent'}", 204, NULL, NULL},
    {"PATCH", "/machine-config", "{'huge_pages':'2M'}", 204, NULL, NULL},
    {"PATCH", "/machine-config", "{'huge_pages':'None'}", 204, NULL, NULL},
    {"PUT", "/balloon", "{'amount_mib':0,'deflate_on_oom':false,'stats_polling_interval_s':1}", 204,
     NULL, NULL},
    {"PUT", "/balloon",
     "{'amount_mib':0,'deflate_on_oom':false,'stats_polling_interval_s':1,"
     "'free_page_reporting':true}",
     204, NULL, NULL},
    {"PUT", "/balloon",
     "{'amount_mib':0,'deflate_on_oom':false,'stats_polling_interval_s':1,"
     "'free_page_hinting':true}",
     204, NULL, NULL},
    {"PATCH", "/balloon/statistics", "{ 'stats_polling_interval_s': 5 }", 204, NULL, NULL},
    /* otherwise: what they ask for is not supported yet. */
    {"PUT", "/machine-config",
     "{'vcpu_count':2,'mem_size_mib':1024,'smt':false,'track_dirty_pages':true}", 400, NULL,
     "dirty page tracking is " NONE},
    {"PUT", "/machine-config", "{'vcpu_count':2,'mem_size_mib':1024,'cpu_template':'T2CL'}", 400,
     NULL, "CPU templates are " NONE},
    {"PATCH", "/machine-config", "{'gdb_socket_path':'/tmp/gdb.socket'}", 400, NULL,
     "gdb_socket_path: unknown key"},
    {"PUT", "/actions", "{ 'action_type': 'InstanceStart' }", 204, NULL, NULL},
    {"PUT", "/actions", "{ 'action_type': 'FlushMetrics' }", 204, NULL, NULL},
};

START_TEST(firecrackers_documented_requests_are_served)
{
    ck_assert_int_eq(mkfifo("logs.fifo", 0600), 0);
    ck_assert_int_eq(mkfifo("metrics.fifo", 0600), 0);
    contract_start(&vm, "--no-start");
    contract_check_all(&vm, documented, ARRAY_LEN(documented));
    vmp_expect(&vm, "at populated");
    contract_stop(&vm);
}
END_TEST

/* The blocks of configuration files that its documentation shows (metrics.md, ballooning.md), in
 * the file that its tests start with, without the drives. */
START_TEST(firecrackers_configuration_file_is_read)
{
    static const char file[] =
        "{\"boot-source\": {\"kernel_image_path\": \"vmlinux.bin\", \"boot_args\": "
        "\"console=ttyS0 reboot=k panic=1\", \"initrd_path\": null}, \"drives\": [], "
        "\"machine-config\": {\"vcpu_count\": 2, \"mem_size_mib\": 1024, \"smt\": false, "
        "\"track_dirty_pages\": false, \"huge_pages\": \"None\"}, \"cpu-config\": null, "
        "\"balloon\": {\"amount_mib\": 0, \"deflate_on_oom\": false, "
        "\"stats_polling_interval_s\": 1}, \"network-interfaces\": [], \"vsock\": null, "
        "\"logger\": null, \"metrics\": {\"metrics_path\": \"metrics.fifo\", \"emit_id\": true, "
        "\"properties\": {\"customer_id\": \"1234\", \"bundle_id\": \"fn-abc\"}}, "
        "\"mmds-config\": null, \"entropy\": null, \"pmem\": [], \"memory-hotplug\": null}";
    int fd = open("vm_config.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, file, sizeof(file) - 1), (ssize_t)sizeof(file) - 1);
    close(fd);
    ck_assert_int_eq(mkfifo("metrics.fifo", 0600), 0);
    contract_start(&vm, "--config vm_config.json");
    vmp_expect(&vm, "at populated");
    /* What the machine says of itself describes the same one. */
    char *before = contract_get(&vm, "/vm/config");
    contract_stop(&vm);
    fd = open("again.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, before, strlen(before)), (ssize_t)strlen(before));
    close(fd);
    contract_start(&vm, "--config again.json");
    char *after = contract_get(&vm, "/vm/config");
    ck_assert_str_eq(before, after);
    contract_stop(&vm);
    free(before);
    free(after);
}
END_TEST

static Suite *control_suite(void)
{
    Suite *suite = suite_create("control");
    TCase *tc = tcase_create("control");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, contract_leave);
    tcase_add_test(tc, a_start_that_fails_can_be_tried_again);
    tcase_add_test(tc, a_kernel_that_vanishes_before_the_start_is_named);
    tcase_add_test(tc, a_machine_that_never_starts_ends_on_request_and_by_a_signal);
    tcase_add_test(tc, the_guests_console_goes_where_it_is_told);
    tcase_add_test(tc, fifos_serve_for_all_three);
    tcase_add_test(tc, fifos_that_nobody_reads_hold_nobody_up);
    tcase_add_test(tc, messages_go_on_where_they_go_until_told_otherwise);
    tcase_add_test(tc, metrics_are_written_on_demand_and_at_the_end);
    tcase_add_test(tc, a_request_that_fails_leaves_the_description_as_it_was);
    tcase_add_test(tc, firecrackers_documented_requests_are_served);
    tcase_add_test(tc, requests_are_counted_with_their_failures);
    tcase_add_test(tc, firecrackers_configuration_file_is_read);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(control_suite);
}
