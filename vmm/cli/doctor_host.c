/* SPDX-License-Identifier: Apache-2.0 */
/* What `aerostat doctor` finds of the host's memory, its settings and limits. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "memory/gm.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"
#include "vmm/cli/doctor_priv.h"
#include "vmm/host/host.h"
#include "vmm/registry/registry.h"

#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define THP_ENABLED   "/sys/kernel/mm/transparent_hugepage/enabled"
#define NS_PER_MS     1e6

/* Less than this is too little for a guest with some use. */
#define LITTLE_BYTES (256 * MIB)

/* A machine has some 30 descriptors; a view of many machines one each. */
#define FEW_DESCRIPTORS 256u

static void find_ram(struct doctor *doctor, const struct host_memory *memory)
{
    bool little = memory->available < LITTLE_BYTES;
    doctor_find(doctor, "memory", little ? DOCTOR_WARN : DOCTOR_OK, NULL,
                "%" PRIu64 " MiB available of %" PRIu64 " MiB%s", memory->available / MIB,
                memory->total / MIB, little ? ": hardly enough for a guest" : "");
    if (memory->swap_total == 0)
        doctor_find(doctor, "swap", DOCTOR_OK, NULL,
                    "none: what guests give back is what there is to go on with");
    else
        doctor_find(doctor, "swap", DOCTOR_OK, NULL, "%" PRIu64 " MiB free of %" PRIu64 " MiB",
                    memory->swap_free / MIB, memory->swap_total / MIB);
    if (memory->huge_pages > 0)
        doctor_find(doctor, "huge pages", DOCTOR_OK, NULL,
                    "%" PRIu64 " free of %" PRIu64 ", of %" PRIu64 " KiB each",
                    memory->huge_pages_free, memory->huge_pages, memory->huge_page_bytes / KIB);
    else
        doctor_find(doctor, "huge pages", DOCTOR_OK, "echo 512 > /proc/sys/vm/nr_hugepages",
                    "none; only --backing hugetlb-2m needs them");
}

static void find_thp(struct doctor *doctor)
{
    char text[200];
    char shmem[32];
    char enabled[32];
    if (host_read(doctor->root, SHMEM_ENABLED, text, sizeof(text)) < 0 ||
        !host_chosen_word(text, shmem, sizeof(shmem))) {
        doctor_find(doctor, "thp", DOCTOR_WARN, NULL,
                    "this kernel has no transparent huge pages for shared memory: --backing thp "
                    "falls back to 4 KiB");
        return;
    }
    (void)host_read(doctor->root, THP_ENABLED, text, sizeof(text));
    (void)host_chosen_word(text, enabled, sizeof(enabled));
    bool off = strcmp(shmem, "never") == 0 || strcmp(shmem, "deny") == 0;
    doctor_find(doctor, "thp", off ? DOCTOR_WARN : DOCTOR_OK,
                off ? "echo advise > " SHMEM_ENABLED : NULL, "shmem_enabled is %s, enabled is %s%s",
                shmem, enabled[0] == '\0' ? "unknown" : enabled,
                off ? ": --backing thp, with which memory comes back many times faster, falls back "
                      "to 4 KiB"
                    : "");
}

static void find_overcommit(struct doctor *doctor)
{
    uint64_t mode = 0;
    if (host_read_u64(doctor->root, "/proc/sys/vm/overcommit_memory", &mode) < 0)
        return;
    if (mode == 2)
        doctor_find(doctor, "overcommit", DOCTOR_WARN, "sysctl -w vm.overcommit_memory=0",
                    "strict (2): a monitor is killed when guests touch more than CommitLimit");
    else
        doctor_find(doctor, "overcommit", DOCTOR_OK, NULL, "%s (%" PRIu64 ")",
                    mode == 0 ? "heuristic" : "always", mode);
}

static void find_ksm(struct doctor *doctor)
{
    uint64_t run = 0;
    if (host_read_u64(doctor->root, "/sys/kernel/mm/ksm/run", &run) < 0)
        return;
    doctor_find(doctor, "ksm", DOCTOR_OK, NULL, "%s; it does not look at guests' memory",
                run == 1 ? "on" : "off");
}

void doctor_examine_memory(struct doctor *doctor)
{
    struct host_memory memory;
    int rc = host_memory(doctor->root, &memory);
    if (rc < 0)
        doctor_find(doctor, "memory", DOCTOR_WARN, NULL, "/proc/meminfo: %s", strerror(-rc));
    else
        find_ram(doctor, &memory);
    find_thp(doctor);
    find_overcommit(doctor);
    find_ksm(doctor);
}

static void find_cgroup(struct doctor *doctor)
{
    struct host_cgroup cgroup;
    char limit[80] = "no limit";
    int rc = host_cgroup(doctor->root, 0, &cgroup);
    if (rc < 0 || cgroup.path[0] == '\0') {
        doctor_find(doctor, "cgroup", DOCTOR_WARN, NULL,
                    "no control group with the memory controller: nothing bounds what guests take");
        return;
    }
    bool little = cgroup.limit_bytes != UINT64_MAX &&
                  sub_sat_u64(cgroup.limit_bytes, cgroup.used_bytes) < LITTLE_BYTES;
    if (cgroup.limit_bytes != UINT64_MAX)
        (void)snprintf(limit, sizeof(limit), "%" PRIu64 " MiB used of %" PRIu64 " MiB",
                       cgroup.used_bytes / MIB, cgroup.limit_bytes / MIB);
    doctor_find(doctor, "cgroup", cgroup.v2 && !little ? DOCTOR_OK : DOCTOR_WARN,
                cgroup.v2 ? NULL : "kernel command line: systemd.unified_cgroup_hierarchy=1",
                "%s, %s%s", cgroup.v2 ? "v2" : "v1", limit,
                !cgroup.v2 ? ": pressure is known of the whole host only"
                : little   ? ": hardly enough for a guest"
                           : "");
}

static void find_pressure(struct doctor *doctor)
{
    uint32_t some = 0;
    int rc = host_pressure(doctor->root, "/proc/pressure/memory", &some);
    if (rc < 0)
        doctor_find(doctor, "pressure", DOCTOR_WARN, "kernel command line: psi=1",
                    "/proc/pressure/memory: %s", strerror(-rc));
    else
        doctor_find(doctor, "pressure", some >= 1000 ? DOCTOR_WARN : DOCTOR_OK, NULL,
                    "tasks waited for memory in %u.%02u %% of the last 10 s", some / 100,
                    some % 100);
}

static void show_limit(rlim_t limit, char out[32])
{
    if (limit == RLIM_INFINITY)
        (void)snprintf(out, 32, "unlimited");
    else
        (void)snprintf(out, 32, "%" PRIu64, (uint64_t)limit);
}

static void find_rlimits(struct doctor *doctor)
{
    struct rlimit files = {0};
    struct rlimit locked = {0};
    char now[32];
    char most[32];
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        bool few = files.rlim_cur < FEW_DESCRIPTORS;
        show_limit(files.rlim_cur, now);
        show_limit(files.rlim_max, most);
        doctor_find(doctor, "descriptors", few ? DOCTOR_WARN : DOCTOR_OK,
                    few ? "ulimit -n 1024" : NULL, "RLIMIT_NOFILE is %s, at most %s", now, most);
    }
    if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0) {
        show_limit(locked.rlim_cur, now);
        doctor_find(doctor, "locked memory", DOCTOR_OK, NULL,
                    "RLIMIT_MEMLOCK is %s bytes; guests' memory is not locked", now);
    }
}

/* Where machines are registered. Creates what is not there, as `run` would. */
static void find_runtime(struct doctor *doctor)
{
    struct registry *registry = NULL;
    struct err err = {0};
    if (registry_open(true, &registry, &err) < 0)
        doctor_find(doctor, "names", DOCTOR_WARN, "export AEROSTAT_RUNTIME_DIR=FOLDER",
                    "machines cannot have names: %.230s", err.text);
    else if (access(registry_dir(registry), W_OK) < 0)
        doctor_find(doctor, "names", DOCTOR_WARN, "export AEROSTAT_RUNTIME_DIR=FOLDER",
                    "machines cannot have names: %.200s: %s", registry_dir(registry),
                    strerror(errno));
    else
        doctor_find(doctor, "names", DOCTOR_OK, NULL, "of machines are kept in %.200s",
                    registry_dir(registry));
    registry_close(registry);
}

void doctor_examine_limits(struct doctor *doctor)
{
    find_runtime(doctor);
    find_cgroup(doctor);
    find_pressure(doctor);
    find_rlimits(doctor);
}

/* Returns 0, or a negative errno value with the step that failed. */
static int give_back(struct gm *gm, struct gm_range range, uint64_t *out_before,
                     uint64_t *out_after, const char **out_step)
{
    struct gm_discard_result result;
    *out_step = "writing to it";
    int rc = gm_zero(gm, range.start, range.len_bytes);
    if (rc == 0)
        rc = gm_allocated_bytes(gm, out_before);
    if (rc < 0)
        return rc;
    *out_step = "fallocate(FALLOC_FL_PUNCH_HOLE)";
    rc = gm_discard(gm, &range, 1, &result);
    return rc < 0 ? rc : gm_allocated_bytes(gm, out_after);
}

void doctor_examine_return(struct doctor *doctor)
{
    const struct gm_range range = {.len_bytes = 4 * MIB};
    struct gm *gm = NULL;
    struct err err = {0};
    uint64_t before = 0;
    uint64_t after = 0;
    const char *step = NULL;
    if (gm_create(&range, 1, GM_BACKING_4K, &gm, &err) < 0) {
        doctor_find(doctor, "giving back", DOCTOR_FAIL, NULL, "a memfd of 4 MiB: %.200s", err.text);
        return;
    }
    uint64_t start = clock_mono_ns();
    int rc = give_back(gm, range, &before, &after, &step);
    double ms = (double)(clock_mono_ns() - start) / NS_PER_MS;
    gm_destroy(gm);
    if (rc < 0)
        doctor_find(doctor, "giving back", DOCTOR_FAIL, NULL, "a memfd of 4 MiB, %s: %s", step,
                    strerror(-rc));
    else
        doctor_find(doctor, "giving back",
                    before - after == range.len_bytes ? DOCTOR_OK : DOCTOR_FAIL, NULL,
                    "a memfd had %" PRIu64 " KiB, and %" PRIu64
                    " KiB after a hole was punched (written and punched in %.1f ms)",
                    before / KIB, after / KIB, ms);
}
