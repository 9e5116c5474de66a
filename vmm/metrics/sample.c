/* SPDX-License-Identifier: Apache-2.0 */
/* Samples, and the names that both forms of the metrics use. */
#include <jansson.h>
#include <string.h>

#include "vmm/base/clock.h"
#include "vmm/base/num.h"
#include "vmm/metrics/figures.h"
#include "vmm/metrics/metrics_priv.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)

const struct metrics_route metrics_routes[] = {
    {METRICS_GET, METRICS_INSTANCE, "instance_info", true},
    {METRICS_GET, METRICS_MACHINE_CONFIG, "machine_cfg", true},
    {METRICS_GET, METRICS_MMDS, "mmds", true},
    {METRICS_GET, METRICS_VERSION, "vmm_version", true},
    {METRICS_GET, METRICS_HOTPLUG_MEMORY, "hotplug_memory", true},
    {METRICS_GET, METRICS_BALLOON, "balloon", false},
    {METRICS_GET, METRICS_BALLOON_HINTING, "balloon_hinting", false},
    {METRICS_GET, METRICS_BALLOON_STATISTICS, "balloon_statistics", false},
    {METRICS_GET, METRICS_METRICS, "metrics", false},
    {METRICS_GET, METRICS_VM_CONFIG, "vm_config", false},
    {METRICS_GET, METRICS_VM_HOST, "vm_host", false},
    {METRICS_PUT, METRICS_ACTIONS, "actions", true},
    {METRICS_PUT, METRICS_BOOT_SOURCE, "boot_source", true},
    {METRICS_PUT, METRICS_DRIVE, "drive", true},
    {METRICS_PUT, METRICS_LOGGER, "logger", true},
    {METRICS_PUT, METRICS_MACHINE_CONFIG, "machine_cfg", true},
    {METRICS_PUT, METRICS_CPU_CONFIG, "cpu_cfg", true},
    {METRICS_PUT, METRICS_METRICS, "metrics", true},
    {METRICS_PUT, METRICS_NETWORK, "network", true},
    {METRICS_PUT, METRICS_MMDS, "mmds", true},
    {METRICS_PUT, METRICS_VSOCK, "vsock", true},
    {METRICS_PUT, METRICS_PMEM, "pmem", true},
    {METRICS_PUT, METRICS_SERIAL, "serial", true},
    {METRICS_PUT, METRICS_HOTPLUG_MEMORY, "hotplug_memory", true},
    {METRICS_PUT, METRICS_BALLOON, "balloon", false},
    {METRICS_PUT, METRICS_ENTROPY, "entropy", false},
    {METRICS_PUT, METRICS_SNAPSHOT, "snapshot", false},
    {METRICS_PATCH, METRICS_DRIVE, "drive", true},
    {METRICS_PATCH, METRICS_NETWORK, "network", true},
    {METRICS_PATCH, METRICS_MACHINE_CONFIG, "machine_cfg", true},
    {METRICS_PATCH, METRICS_MMDS, "mmds", true},
    {METRICS_PATCH, METRICS_HOTPLUG_MEMORY, "hotplug_memory", true},
    {METRICS_PATCH, METRICS_PMEM, "pmem", true},
    {METRICS_PATCH, METRICS_BALLOON, "balloon", false},
    {METRICS_PATCH, METRICS_BALLOON_HINTING, "balloon_hinting", false},
    {METRICS_PATCH, METRICS_BALLOON_STATISTICS, "balloon_statistics", false},
    {METRICS_PATCH, METRICS_VM, "vm", false},
};
const size_t metrics_route_count = ARRAY_LEN(metrics_routes);

const char *const metrics_method_names[METRICS_METHODS] = {"get", "put", "patch"};

void metrics_sample_init(struct metrics_sample *out, const char *id)
{
    *out = (struct metrics_sample){.id = id, .time_ms = clock_ns(CLOCK_REALTIME) / NS_PER_MS};
    log_counts(&out->log);
}

void metrics_sample_set_startup(struct metrics_sample *sample, const struct metrics_start *start)
{
    uint64_t cpu_us = clock_ns(CLOCK_PROCESS_CPUTIME_ID) / NS_PER_US;
    sample->startup_us =
        start->start_us == 0 ? 0 : sub_sat_u64(clock_mono_ns() / NS_PER_US, start->start_us);
    sample->startup_cpu_us = sub_sat_u64(cpu_us, start->start_cpu_us) + start->parent_cpu_us;
}

char *metrics_clean_id(const struct metrics_sample *sample)
{
    char *id = strdup(sample->id == NULL ? "anonymous-instance" : sample->id);
    json_t *valid = id == NULL ? NULL : json_string(id);
    for (char *c = id; valid == NULL && c != NULL && *c != '\0'; c++) {
        if ((unsigned char)*c > 0x7f)
            *c = '?';
    }
    json_decref(valid);
    return id;
}

const char *metrics_state_name(enum machine_state state)
{
    switch (state) {
    case MACHINE_RUNNING:
        return "Running";
    case MACHINE_PAUSED:
        return "Paused";
    case MACHINE_STOPPED:
        return "Stopped";
    case MACHINE_NOT_STARTED:
        break;
    }
    return "Not started";
}
