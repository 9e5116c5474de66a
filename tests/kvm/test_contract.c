/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of the control socket, by tables of requests with their answers, against the real
 * monitor: written from the text of Firecracker's API and from its documentation. Rows behind
 * "otherwise:" are where Aerostat answers otherwise on purpose; docs/api.md has them all.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/kvm/contract.h"
#include "tests/kvm/kvm_main.h"
#include "vmm/base/num.h"

#define EARLY "The requested operation is not supported before starting the microVM."
#define LATE  "The requested operation is not supported after starting the microVM."
#define NONE  "not supported by this version of Aerostat"

#define CONFIG_KEYS                                                                                \
    "boot-source machine-config balloon drives cpu-config logger metrics serial "                  \
    "network-interfaces vsock entropy pmem memory-hotplug mmds-config"
#define MACHINE_KEYS                                                                               \
    "vcpu_count mem_size_mib smt track_dirty_pages huge_pages backing virtio_discovery"
#define BALLOON_KEYS                                                                               \
    "amount_mib deflate_on_oom stats_polling_interval_s free_page_hinting free_page_reporting "    \
    "scatter_gather must_tell_host page_poison prefault_on_deflate"
#define HOST_KEYS                                                                                  \
    "pid uptime_ms ram_bytes ram_allocated_bytes bad_register unclaimed_accesses vcpu_ns "         \
    "monitor_ns"

static const struct step fresh[] = {
    {"GET", "/", NULL, 200, "app_name id state vmm_version", "'state':'Not started'"},
    {"GET", "/version", NULL, 200, "firecracker_version aerostat_version", NULL},
    {"GET", "/vm/config", NULL, 200, CONFIG_KEYS, "'boot-source':null"},
    {"GET", "/machine-config", NULL, 200, MACHINE_KEYS, "'vcpu_count':1,'mem_size_mib':128,"},
    {"GET", "/metrics/prometheus", NULL, 200, NULL, "# EOF"},
    /* Too early. */
    {"GET", "/balloon", NULL, 400, NULL, "has no balloon"},
    {"PATCH", "/balloon", "{'amount_mib':1}", 400, NULL, "has no balloon"},
    {"GET", "/balloon/statistics", NULL, 400, NULL, EARLY},
    {"PATCH", "/balloon/statistics", "{'stats_polling_interval_s':1}", 400, NULL, "has no balloon"},
    {"PATCH", "/balloon/hinting/start", NULL, 400, NULL, EARLY},
    {"PATCH", "/balloon/hinting/stop", NULL, 400, NULL, EARLY},
    {"GET", "/balloon/hinting/status", NULL, 400, NULL, EARLY},
    {"PATCH", "/vm", "{'state':'Paused'}", 400, NULL, EARLY},
    {"PATCH", "/vm", "{'state':'Resumed'}", 400, NULL, EARLY},
    {"GET", "/vm/host", NULL, 400, NULL, EARLY},
    {"PUT", "/actions", "{'action_type':'SendCtrlAltDel'}", 400, NULL, EARLY},
    {"PUT", "/actions", "{'action_type':'FlushMetrics'}", 400, NULL, EARLY},
    {"PUT", "/actions", "{'action_type':'InstanceStart'}", 400, NULL, "no kernel"},
    {"GET", "/", NULL, 200, "app_name id state vmm_version", "'state':'Not started'"},
};

static const struct step malformed[] = {
    /* Nothing, and what is no object. */
    {"PUT", "/boot-source", NULL, 400, NULL, "Empty PUT request."},
    {"PUT", "/machine-config", NULL, 400, NULL, "Empty PUT request."},
    {"PATCH", "/machine-config", NULL, 400, NULL, "Empty PATCH request."},
    {"PUT", "/balloon", NULL, 400, NULL, "Empty PUT request."},
    {"PUT", "/logger", NULL, 400, NULL, "Empty PUT request."},
    {"PUT", "/metrics", NULL, 400, NULL, "Empty PUT request."},
    {"PUT", "/serial", NULL, 400, NULL, "Empty PUT request."},
    {"PUT", "/actions", NULL, 400, NULL, "Empty PUT request."},
    {"PUT", "/boot-source", "null", 400, NULL, "must be an object, is null"},
    {"PUT", "/machine-config", "[]", 400, NULL, "must be an object, is an array"},
    {"PUT", "/balloon", "'balloon'", 400, NULL, "must be an object"},
    {"PUT", "/logger", "1", 400, NULL, "must be an object, is the integer 1"},
    {"PUT", "/machine-config", "{'vcpu_count':1,", 400, NULL, "request body:1:"},
    {"PUT", "/machine-config", "{'vcpu_count':1,'mem_size_mib':128} {}", 400, NULL, "end of file"},
    {"PUT", "/machine-config", "{'vcpu_count':1,'vcpu_count':2,'mem_size_mib':128}", 400, NULL,
     "duplicate object key"},
    {"GET", "/machine-config", "{}", 400, NULL, "GET request cannot have a body."},
    {"GET", "/", "{'a':1}", 400, NULL, "GET request cannot have a body."},
    /* A key that is missing. */
    {"PUT", "/boot-source", "{}", 400, NULL, "kernel_image_path: is missing"},
    {"PUT", "/machine-config", "{'vcpu_count':1}", 400, NULL, "mem_size_mib: is missing"},
    {"PUT", "/machine-config", "{'mem_size_mib':128}", 400, NULL, "vcpu_count: is missing"},
    {"PUT", "/balloon", "{'amount_mib':1}", 400, NULL, "deflate_on_oom: is missing"},
    {"PUT", "/balloon", "{'deflate_on_oom':true}", 400, NULL, "amount_mib: is missing"},
    {"PUT", "/metrics", "{}", 400, NULL, "metrics_path: is missing"},
    {"PUT", "/actions", "{}", 400, NULL, "action_type: is missing"},
    {"PATCH", "/machine-config", "{}", 400, NULL, "changes nothing"},
    {"PATCH", "/machine-config", "{'vcpu_count':null,'huge_pages':null}", 400, NULL,
     "changes nothing"},
    /* One that nobody knows. */
    {"PUT", "/boot-source", "{'kernel_image_path':'vmlinux.bin','bootargs':''}", 400, NULL,
     "bootargs: unknown key"},
    {"PUT", "/machine-config", "{'vcpu_count':1,'mem_size_mib':128,'ht_enabled':false}", 400, NULL,
     "ht_enabled: unknown key"},
    {"PATCH", "/machine-config", "{'vcpus':1}", 400, NULL, "vcpus: unknown key"},
    {"PUT", "/balloon", "{'amount_mib':1,'deflate_on_oom':true,'amount_mb':1}", 400, NULL,
     "amount_mb: unknown key"},
    {"PUT", "/logger", "{'path':'x'}", 400, NULL, "path: unknown key"},
    {"PUT", "/metrics", "{'metrics_path':'m','interval':1}", 400, NULL, "interval: unknown key"},
    {"PUT", "/serial", "{'out':'x'}", 400, NULL, "out: unknown key"},
    {"PUT", "/actions", "{'action_type':'FlushMetrics','payload':''}", 400, NULL,
     "payload: unknown key"},
    /* Wrong types, and null where Firecracker takes none. */
    {"PUT", "/boot-source", "{'kernel_image_path':1}", 400, NULL, "must be a string"},
    {"PUT", "/boot-source", "{'kernel_image_path':null}", 400, NULL, "must be a string, is null"},
    {"PUT", "/boot-source", "{'kernel_image_path':''}", 400, NULL, "must not be empty"},
    {"PUT", "/machine-config", "{'vcpu_count':'2','mem_size_mib':128}", 400, NULL,
     "must be an integer"},
    {"PUT", "/machine-config", "{'vcpu_count':2.0,'mem_size_mib':128}", 400, NULL,
     "must be an integer"},
    {"PUT", "/machine-config", "{'vcpu_count':null,'mem_size_mib':128}", 400, NULL, "is null"},
    {"PUT", "/machine-config", "{'vcpu_count':1,'mem_size_mib':128,'smt':null}", 400, NULL,
     "must be true or false, is null"},
    {"PUT", "/balloon", "{'amount_mib':true,'deflate_on_oom':true}", 400, NULL,
     "must be an integer"},
    {"PUT", "/balloon", "{'amount_mib':1,'deflate_on_oom':1}", 400, NULL, "must be true or false"},
    {"PUT", "/logger", "{'level':4}", 400, NULL, "level: must be a string"},
    {"PUT", "/logger", "{'show_level':'yes'}", 400, NULL, "must be true or false"},
    {"PUT", "/metrics", "{'metrics_path':'m','properties':{'a':1}}", 400, NULL, "strings"},
    {"PUT", "/metrics", "{'metrics_path':'m','emit_id':'x'}", 400, NULL, "must be true or false"},
    {"PUT", "/serial", "{'serial_out_path':true}", 400, NULL, "must be a string"},
    {"PUT", "/actions", "{'action_type':null}", 400, NULL, "must be a string"},
    /* Words. */
    {"PUT", "/actions", "{'action_type':'instancestart'}", 400, NULL, "is not one of"},
    {"PUT", "/logger", "{'level':'Loud'}", 400, NULL, "'Loud' is not one of"},
    {"PATCH", "/machine-config", "{'huge_pages':'4M'}", 400, NULL, "is not one of"},
    {"PATCH", "/machine-config", "{'cpu_template':'T3'}", 400, NULL, "templates are " NONE},
    /* Limits. */
    {"PUT", "/machine-config", "{'vcpu_count':0,'mem_size_mib':128}", 400, NULL, "minimum of 1"},
    {"PUT", "/machine-config", "{'vcpu_count':33,'mem_size_mib':128}", 400, NULL, "maximum of 32"},
    {"PUT", "/machine-config", "{'vcpu_count':-1,'mem_size_mib':128}", 400, NULL, "minimum of 1"},
    {"PUT", "/machine-config", "{'vcpu_count':1,'mem_size_mib':0}", 400, NULL, "minimum of 16"},
    {"PUT", "/machine-config", "{'vcpu_count':1,'mem_size_mib':4294967297}", 400, NULL, "maximum"},
    {"PATCH", "/machine-config", "{'vcpu_count':300}", 400, NULL, "maximum of 32"},
    {"PATCH", "/machine-config", "{'mem_size_mib':129,'huge_pages':'2M'}", 400, NULL, "2 MiB"},
    {"PUT", "/balloon", "{'amount_mib':-1,'deflate_on_oom':true}", 400, NULL, "minimum of 0"},
    {"PUT", "/balloon", "{'amount_mib':128,'deflate_on_oom':true}", 400, NULL, "128 MiB"},
    {"PUT", "/balloon", "{'amount_mib':1,'deflate_on_oom':true,'stats_polling_interval_s':65536}",
     400, NULL, "maximum of 65535"},
    {"PUT", "/boot-source", "{'kernel_image_path':'missing'}", 400, NULL,
     "boot-source.kernel_image_path: missing: cannot be opened"},
    {"PUT", "/boot-source", "{'kernel_image_path':'vmlinux.bin','initrd_path':'missing'}", 400,
     NULL, "boot-source.initrd_path: missing: cannot be opened"},
    {"PUT", "/logger", "{'log_path':'no/such/log'}", 400, NULL, "logger.log_path: no/such/log"},
    {"PUT", "/metrics", "{'metrics_path':'no/such/file'}", 400, NULL, "metrics.metrics_path"},
    /* None of them has left anything. */
    {"GET", "/vm/config", NULL, 200, CONFIG_KEYS, "'boot-source':null,'machine-config':"},
    {"GET", "/vm/config", NULL, 200, CONFIG_KEYS,
     "'logger':null,'metrics':null,'serial':null,'network-interfaces':[]"},
    {"GET", "/machine-config", NULL, 200, MACHINE_KEYS, "'vcpu_count':1,'mem_size_mib':128,"},
    {"GET", "/balloon", NULL, 400, NULL, "has no balloon"},
};

/* Paths and methods that are not served, and devices that Firecracker has. */
static const struct step elsewhere[] = {
    {"GET", "/nothing", NULL, 400, NULL, "Invalid request method and/or path: GET /nothing"},
    {"DELETE", "/", NULL, 400, NULL, "Invalid request method and/or path: DELETE /"},
    {"DELETE", "/balloon", NULL, 400, NULL, "Invalid request method"},
    {"DELETE", "/machine-config", NULL, 400, NULL, "Invalid request method"},
    {"POST", "/actions", "{'action_type':'InstanceStart'}", 400, NULL, "Invalid request method"},
    {"OPTIONS", "/", NULL, 400, NULL, "Invalid request method and/or path: OPTIONS /"},
    {"BREW", "/", NULL, 400, NULL, "Invalid request method and/or path: BREW /"},
    {"PUT", "/", "{}", 400, NULL, "Invalid request method and/or path: PUT /"},
    {"PUT", "/version", "{}", 400, NULL, "Invalid request method"},
    {"GET", "/vm", NULL, 400, NULL, "Invalid request method"},
    {"GET", "/boot-source", NULL, 400, NULL, "Invalid request method"},
    {"GET", "/logger", NULL, 400, NULL, "Invalid request method"},
    {"PATCH", "/boot-source", "{}", 400, NULL, "Invalid request method"},
    {"PUT", "/balloon/statistics", "{}", 400, NULL, "Invalid request method"},
    {"GET", "/version?verbose=1", NULL, 400, NULL, "query parameter: verbose"},
    {"PUT", "/drives/rootfs",
     "{'drive_id':'rootfs','path_on_host':'./x.ext4','is_root_device':true,'is_read_only':false}",
     400, NULL, "block devices are " NONE},
    {"PATCH", "/drives/rootfs", "{'drive_id':'rootfs'}", 400, NULL, "block devices are " NONE},
    {"DELETE", "/drives/rootfs", NULL, 400, NULL, "block devices are " NONE},
    {"PUT", "/network-interfaces/net1",
     "{'iface_id':'net1','guest_mac':'06:00:AC:10:00:02','host_dev_name':'tap0'}", 400, NULL,
     "network devices are " NONE},
    {"PUT", "/vsock", "{'guest_cid':3,'uds_path':'./v.sock'}", 400, NULL, "vsock devices are"},
    {"PUT", "/entropy", "{}", 400, NULL, "entropy devices are " NONE},
    {"PUT", "/pmem/pmem0", "{'id':'pmem0','path_on_host':'x'}", 400, NULL, "persistent memory"},
    {"PUT", "/cpu-config", "{}", 400, NULL, "custom CPU templates are " NONE},
    {"GET", "/mmds", NULL, 400, NULL, "the metadata service is " NONE},
    {"PUT", "/mmds/config", "{'network_interfaces':[]}", 400, NULL, "metadata service is " NONE},
    {"PUT", "/snapshot/create", "{'mem_file_path':'m','snapshot_path':'s'}", 400, NULL,
     "snapshots are " NONE},
    {"PUT", "/snapshot/load", "{'snapshot_path':'s'}", 400, NULL, "snapshots are " NONE},
    {"GET", "/hotplug/memory", NULL, 400, NULL, "hotplugged memory is " NONE},
};

static const struct step described[] = {
    {"PUT", "/machine-config", "{'vcpu_count':2,'mem_size_mib':256}", 204, NULL, NULL},
    {"GET", "/machine-config", NULL, 200, MACHINE_KEYS,
     "{'vcpu_count':2,'mem_size_mib':256,'smt':false,'track_dirty_pages':false,"
     "'huge_pages':'None'"},
    {"PATCH", "/machine-config", "{'vcpu_count':1}", 204, NULL, NULL},
    {"GET", "/machine-config", NULL, 200, MACHINE_KEYS, "'vcpu_count':1,'mem_size_mib':256,"},
    {"PATCH", "/machine-config", "{'mem_size_mib':128,'smt':null}", 204, NULL, NULL},
    {"PATCH", "/machine-config", "{'huge_pages':'Transparent'}", 204, NULL, NULL},
    {"GET", "/machine-config", NULL, 200, MACHINE_KEYS, "'huge_pages':'Transparent'"},
    /* What a PUT does not mention gets its default. */
    {"PUT", "/machine-config", "{'vcpu_count':1,'mem_size_mib':128,'cpu_template':'None'}", 204,
     NULL, NULL},
    {"GET", "/machine-config", NULL, 200, MACHINE_KEYS, "'huge_pages':'None'"},
    {"PUT", "/boot-source", "{'kernel_image_path':'vmlinux.bin','initrd_path':'initrd.cpio'}", 204,
     NULL, NULL},
    {"GET", "/vm/config", NULL, 200, CONFIG_KEYS, "'initrd_path':'initrd.cpio'"},
    {"PUT", "/boot-source",
     "{'kernel_image_path':'vmlinux.bin','initrd_path':null,'boot_args':'quiet'}", 204, NULL, NULL},
    {"GET", "/vm/config", NULL, 200, CONFIG_KEYS, "'initrd_path':null,'boot_args':'quiet'"},
    {"PUT", "/balloon",
     "{'amount_mib':8,'deflate_on_oom':true,'stats_polling_interval_s':1,"
     "'free_page_reporting':true,'free_page_hinting':true}",
     204, NULL, NULL},
    {"GET", "/balloon", NULL, 200, BALLOON_KEYS,
     "{'amount_mib':8,'deflate_on_oom':true,'stats_polling_interval_s':1,"
     "'free_page_hinting':true,'free_page_reporting':true,"},
    {"PUT", "/balloon", "{'amount_mib':2,'deflate_on_oom':false}", 204, NULL, NULL},
    {"GET", "/balloon", NULL, 200, BALLOON_KEYS, "'free_page_hinting':false"},
    {"PATCH", "/balloon", "{'amount_mib':3}", 204, NULL, NULL},
    {"PATCH", "/balloon/statistics", "{'stats_polling_interval_s':2}", 204, NULL, NULL},
    {"GET", "/balloon", NULL, 200, BALLOON_KEYS,
     "'amount_mib':3,'deflate_on_oom':false,'stats_polling_interval_s':2"},
    /* The balloon stays below the memory, whichever changes. */
    {"PATCH", "/balloon", "{'amount_mib':128}", 400, NULL, "not below the guest memory of 128 MiB"},
    {"PATCH", "/balloon", "{'amount_mib':100}", 204, NULL, NULL},
    {"PATCH", "/machine-config", "{'mem_size_mib':64}", 400, NULL, "not below"},
    {"PUT", "/machine-config", "{'vcpu_count':1,'mem_size_mib':64}", 400, NULL, "not below"},
    {"PATCH", "/balloon", "{'amount_mib':0}", 204, NULL, NULL},
    {"GET", "/vm/config", NULL, 200, CONFIG_KEYS, "'mem_size_mib':128,"},
};

static const struct step started[] = {
    {"GET", "/", NULL, 200, "app_name id state vmm_version", "'state':'Running'"},
    {"GET", "/vm/config", NULL, 200, CONFIG_KEYS, "'kernel_image_path':'vmlinux.bin'"},
    {"GET", "/machine-config", NULL, 200, MACHINE_KEYS, "'mem_size_mib':128"},
    {"GET", "/balloon", NULL, 200, BALLOON_KEYS, "'amount_mib':0"},
    {"GET", "/vm/host", NULL, 200, HOST_KEYS, "'ram_bytes':134217728"},
    /* Too late. */
    {"PUT", "/actions", "{'action_type':'InstanceStart'}", 400, NULL, LATE},
    {"PUT", "/boot-source", "{'kernel_image_path':'vmlinux.bin'}", 400, NULL, LATE},
    {"PUT", "/machine-config", "{'vcpu_count':1,'mem_size_mib':128}", 400, NULL, LATE},
    {"PATCH", "/machine-config", "{'vcpu_count':1}", 400, NULL, LATE},
    {"PUT", "/balloon", "{'amount_mib':1,'deflate_on_oom':true}", 400, NULL, LATE},
    {"PUT", "/logger", "{'level':'Info'}", 400, NULL, LATE},
    {"PUT", "/metrics", "{'metrics_path':'late'}", 400, NULL, LATE},
    {"PUT", "/serial", "{'serial_out_path':'late'}", 400, NULL, LATE},
    /* In time. */
    {"PATCH", "/balloon", "{'amount_mib':64}", 204, NULL, NULL},
    {"GET", "/balloon", NULL, 200, BALLOON_KEYS, "'amount_mib':64"},
    {"PATCH", "/balloon", "{'amount_mib':128}", 400, NULL, "not below"},
    {"PATCH", "/balloon", NULL, 400, NULL, "Empty PATCH request."},
    {"PATCH", "/balloon", "{}", 400, NULL, "amount_mib: is missing"},
    {"PATCH", "/balloon", "{'amount_mib':0}", 204, NULL, NULL},
    {"PATCH", "/balloon/statistics", "{'stats_polling_interval_s':5}", 204, NULL, NULL},
    {"PATCH", "/balloon/statistics", "{'stats_polling_interval_s':0}", 400, NULL,
     "would switch them"},
    {"PATCH", "/balloon/statistics", "{'stats_polling_interval_s':'1'}", 400, NULL, "integer"},
    {"GET", "/balloon", NULL, 200, BALLOON_KEYS, "'stats_polling_interval_s':5"},
    {"PATCH", "/vm", "{'state':'Paused'}", 204, NULL, NULL},
    {"GET", "/", NULL, 200, "app_name id state vmm_version", "'state':'Paused'"},
    {"PATCH", "/vm", "{'state':'Paused'}", 204, NULL, NULL},
    {"PATCH", "/vm", "{'state':'Resumed'}", 204, NULL, NULL},
    {"GET", "/", NULL, 200, "app_name id state vmm_version", "'state':'Running'"},
    {"PATCH", "/vm", "{'state':'resumed'}", 400, NULL, "is not one of"},
    {"PATCH", "/vm", "{'state':'Paused','force':true}", 400, NULL, "force: unknown key"},
    {"PUT", "/actions", "{'action_type':'SendCtrlAltDel'}", 400, NULL, "no driver of the guest"},
    /* Hinting is off. */
    {"PATCH", "/balloon/hinting/start", "{'acknowledge_on_stop':true}", 400, NULL, "hinting"},
    {"PATCH", "/balloon/hinting/stop", "{}", 400, NULL, "hinting"},
    {"GET", "/balloon/hinting/status", NULL, 400, NULL, "hinting"},
    /* otherwise: Firecracker answers 204, and writes nothing. */
    {"PUT", "/actions", "{'action_type':'FlushMetrics'}", 400, NULL, "there is no file for them"},
    /* otherwise: its documentation shows this body, its program refuses it, too. */
    {"PATCH", "/balloon", "{'amount_mib':1,'stats_polling_interval_s':1}", 400, NULL,
     "stats_polling_interval_s: unknown key"},
};

static struct vmp vm;

static void setup(void)
{
    contract_enter(PAYLOAD_DIR "/payload_sg");
    contract_start(&vm, "--no-start");
}

static void teardown(void)
{
    contract_leave();
}

START_TEST(a_machine_that_is_not_described_yet_says_so)
{
    contract_check_all(&vm, fresh, ARRAY_LEN(fresh));
    contract_stop(&vm);
}
END_TEST

START_TEST(a_bad_request_gets_one_sentence_and_changes_nothing)
{
    contract_check_all(&vm, malformed, ARRAY_LEN(malformed));
    contract_stop(&vm);
}
END_TEST

START_TEST(what_is_not_there_is_named)
{
    contract_check_all(&vm, elsewhere, ARRAY_LEN(elsewhere));
    contract_stop(&vm);
}
END_TEST

START_TEST(a_machine_is_described_started_and_changed)
{
    contract_check_all(&vm, described, ARRAY_LEN(described));
    contract_act(&vm, "InstanceStart");
    vmp_expect(&vm, "at populated");
    contract_check_all(&vm, started, ARRAY_LEN(started));
    contract_stop(&vm);
}
END_TEST

/* otherwise: Firecracker answers 400 where no interval was given. */
START_TEST(statistics_that_are_off_show_what_the_host_knows)
{
    static const struct step steps[] = {
        {"PUT", "/boot-source", "{'kernel_image_path':'vmlinux.bin'}", 204, NULL, NULL},
        {"PUT", "/balloon", "{'amount_mib':0,'deflate_on_oom':true,'free_page_hinting':true}", 204,
         NULL, NULL},
    };
    static const struct step running[] = {
        {"GET", "/balloon/statistics", NULL, 200,
         "target_pages actual_pages target_mib actual_mib guest host", "'target_pages':0"},
        {"PATCH", "/balloon/statistics", "{'stats_polling_interval_s':1}", 400, NULL,
         "would switch them"},
        {"GET", "/balloon/statistics?refresh_ms=0", NULL, 400, NULL, "minimum of 1"},
        {"GET", "/balloon/statistics?refresh_ms=20", NULL, 200,
         "target_pages actual_pages target_mib actual_mib guest host", "'reports':0"},
        {"GET", "/balloon/hinting/status", NULL, 200, "host_cmd guest_cmd", "'guest_cmd':null"},
        {"PATCH", "/balloon/hinting/start", "{'acknowledge':true}", 400, NULL, "unknown key"},
    };
    contract_check_all(&vm, steps, ARRAY_LEN(steps));
    contract_act(&vm, "InstanceStart");
    vmp_expect(&vm, "at populated");
    contract_check_all(&vm, running, ARRAY_LEN(running));
    contract_stop(&vm);
}
END_TEST

START_TEST(a_guest_with_a_keyboard_gets_ctrl_alt_del)
{
    static const struct step boot = {
        "PUT", "/boot-source", "{'kernel_image_path':'" PAYLOAD_DIR "/payload_keyboard'}",
        204,   NULL,           NULL};
    contract_check(&vm, &boot);
    contract_act(&vm, "InstanceStart");
    vmp_expect(&vm, "at deaf");
    vmp_continue(&vm);
    vmp_expect(&vm, "at listening");
    contract_act(&vm, "SendCtrlAltDel");
    vmp_continue(&vm);
    vmp_expect(&vm, "keys=8");
    contract_stop(&vm);
}
END_TEST

#define LIFE_STEP(method, path, length, body)                                                      \
    method " " path " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " length "\r\n\r\n" body

/* All requests at once, before any answer is read. */
START_TEST(a_whole_life_fits_in_one_connection)
{
    static const char requests[] =
        LIFE_STEP("PUT", "/boot-source", "35", "{\"kernel_image_path\":\"vmlinux.bin\"}")
            LIFE_STEP("PUT", "/balloon", "38", "{\"amount_mib\":0,\"deflate_on_oom\":true}")
                LIFE_STEP("PUT", "/actions", "31", "{\"action_type\":\"InstanceStart\"}") LIFE_STEP(
                    "PATCH", "/vm", "18", "{\"state\":\"Paused\"}") LIFE_STEP("GET", "/", "0", "")
                    LIFE_STEP("PATCH", "/vm", "19", "{\"state\":\"Resumed\"}")
                        LIFE_STEP("DELETE", "/", "0", "")
                            LIFE_STEP("PUT", "/actions", "22", "{\"action_type\":\"Stop\"}");
    static const int statuses[] = {204, 204, 204, 204, 200, 204, 400, 204};
    char *answer = contract_raw(&vm, requests, sizeof(requests) - 1);
    const char *at = answer;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        int status = 0;
        at = strstr(at, "HTTP/1.1 ");
        ck_assert_msg(at != NULL, "answer %zu is missing in %s", i, answer);
        at += strlen("HTTP/1.1 ");
        ck_assert_int_eq(sscanf(at, "%d", &status), 1);
        ck_assert_msg(status == statuses[i], "answer %zu in %s", i, answer);
    }
    ck_assert_ptr_nonnull(strstr(answer, "\"state\":\"Paused\""));
    free(answer);
    ck_assert_int_eq(vmp_wait(&vm), 0);
}
END_TEST

/* A process that asks for many things at once with others. */
static pid_t start_client(unsigned seed)
{
    static const struct {
        const char *method, *path, *body;
    } requests[] = {
        {"PATCH", "/balloon", "{\"amount_mib\":1}"}, {"PATCH", "/vm", "{\"state\":\"Paused\"}"},
        {"GET", "/balloon/statistics", NULL},        {"PATCH", "/vm", "{\"state\":\"Resumed\"}"},
        {"GET", "/metrics/prometheus", NULL},        {"GET", "/vm/config", NULL},
        {"PATCH", "/balloon", "{\"amount_mib\":0}"},
    };
    static char reply[65536];
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    for (unsigned i = seed; i < seed + 70; i++) {
        size_t n = i % ARRAY_LEN(requests);
        int status = vmp_http(vm.sock, requests[n].method, requests[n].path, requests[n].body,
                              reply, sizeof(reply));
        if (status != (strcmp(requests[n].method, "GET") == 0 ? 200 : 204))
            _exit(1);
    }
    _exit(0);
}

START_TEST(clients_at_once_are_all_served_by_a_running_machine)
{
    static const struct step steps[] = {
        {"PUT", "/boot-source", "{'kernel_image_path':'vmlinux.bin'}", 204, NULL, NULL},
        {"PUT", "/balloon", "{'amount_mib':0,'deflate_on_oom':true}", 204, NULL, NULL},
        {"PUT", "/actions", "{'action_type':'InstanceStart'}", 204, NULL, NULL},
    };
    static const struct step resumed = {"PATCH", "/vm", "{'state':'Resumed'}", 204, NULL, NULL};
    pid_t clients[8];
    contract_check_all(&vm, steps, ARRAY_LEN(steps));
    for (unsigned i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = start_client(i);
    for (unsigned i = 0; i < ARRAY_LEN(clients); i++) {
        int status = 0;
        ck_assert_int_eq(waitpid(clients[i], &status, 0), clients[i]);
        ck_assert_int_eq(status, 0);
    }
    contract_check(&vm, &resumed);
    vmp_expect(&vm, "at populated");
    contract_stop(&vm);
}
END_TEST

static Suite *contract_suite(void)
{
    Suite *suite = suite_create("contract");
    TCase *tc = tcase_create("contract");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_machine_that_is_not_described_yet_says_so);
    tcase_add_test(tc, a_bad_request_gets_one_sentence_and_changes_nothing);
    tcase_add_test(tc, what_is_not_there_is_named);
    tcase_add_test(tc, a_machine_is_described_started_and_changed);
    tcase_add_test(tc, statistics_that_are_off_show_what_the_host_knows);
    tcase_add_test(tc, a_guest_with_a_keyboard_gets_ctrl_alt_del);
    tcase_add_test(tc, a_whole_life_fits_in_one_connection);
    tcase_add_test(tc, clients_at_once_are_all_served_by_a_running_machine);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return kvm_check_run(contract_suite);
}
