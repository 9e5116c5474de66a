/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of Firecracker's config file, as tables of keys. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/config/config.h"
#include "vmm/config/config_priv.h"

static int read_kernel(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_string(at, value, false, &cfg->kernel_path);
}

static int read_initrd(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return json_is_null(value) ? 0 : cfg_read_string(at, value, false, &cfg->initrd_path);
}

static int read_boot_args(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return json_is_null(value) ? 0 : cfg_read_string(at, value, true, &cfg->cmdline);
}

static const struct cfg_key boot_keys[] = {
    {.name = "kernel_image_path", .required = true, .read = read_kernel},
    {.name = "initrd_path", .read = read_initrd},
    {.name = "boot_args", .read = read_boot_args},
};

static int read_vcpus(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    uint64_t n = 0;
    int rc = cfg_read_uint(at, value, 1, CFG_VCPUS_MAX, &n);
    if (rc == 0)
        cfg->vcpus = (uint32_t)n;
    return rc;
}

static int read_mem(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    uint64_t mib = 0;
    int rc = cfg_read_uint(at, value, CFG_MEM_MIN_MIB, CFG_MEM_MAX_MIB, &mib);
    if (rc == 0)
        cfg->mem_bytes = mib * MIB;
    return rc;
}

static int read_smt(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_bool(at, value, &cfg->smt);
}

static int read_cpu_template(const struct cfg_at *at, const json_t *value, void *dst)
{
    (void)dst;
    char *name = NULL;
    if (json_is_null(value))
        return 0;
    int rc = cfg_read_string(at, value, true, &name);
    if (rc == 0 && strcmp(name, "None") != 0)
        rc = cfg_bad(at,
                     "\"%.40s\": CPU templates are not supported by this version of Aerostat "
                     "(only \"None\" or null)",
                     name);
    free(name);
    return rc;
}

const struct cfg_word cfg_huge_pages_words[] = {
    {"None", GM_BACKING_4K}, {"Transparent", GM_BACKING_THP}, {"2M", GM_BACKING_HUGETLB_2M}};
const size_t cfg_huge_pages_word_count = ARRAY_LEN(cfg_huge_pages_words);

static int read_huge_pages(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    unsigned backing = 0;
    int rc = cfg_read_word(at, value, cfg_huge_pages_words, cfg_huge_pages_word_count, &backing);
    if (rc == 0)
        cfg->backing = (enum gm_backing)backing;
    return rc;
}

static int read_backing(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    unsigned backing = 0;
    int rc = cfg_read_word(at, value, cfg_backing_words, cfg_backing_word_count, &backing);
    if (rc == 0)
        cfg->backing = (enum gm_backing)backing;
    return rc;
}

static int read_discovery(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    unsigned on_cmdline = 0;
    int rc = cfg_read_word(at, value, cfg_discovery_words, cfg_discovery_word_count, &on_cmdline);
    if (rc == 0)
        cfg->virtio_on_cmdline = on_cmdline != 0;
    return rc;
}

/* backing comes after huge_pages: where both are given and agree, it is the finer word ("thp" is no
 * huge_pages). */
static const struct cfg_key machine_keys[] = {
    {.name = "vcpu_count", .required = true, .read = read_vcpus},
    {.name = "mem_size_mib", .required = true, .read = read_mem},
    {.name = "smt", .read = read_smt},
    {.name = "cpu_template", .read = read_cpu_template},
    {.name = "track_dirty_pages", .read = cfg_refuse_true, .note = "dirty page tracking is"},
    {.name = "huge_pages", .read = read_huge_pages},
    {.name = "backing", .read = read_backing},
    {.name = "virtio_discovery", .read = read_discovery},
};

/* Firecracker's key and ours say the same thing: which pages. */
static int check_backing_agrees(const struct cfg_at *inner, const json_t *object)
{
    struct vm_config huge = {0};
    struct vm_config ours = {0};
    const json_t *huge_pages = json_object_get(object, "huge_pages");
    const json_t *backing = json_object_get(object, "backing");
    struct cfg_at at = {.file = inner->file};
    if (huge_pages == NULL || backing == NULL || read_huge_pages(&at, huge_pages, &huge) < 0 ||
        read_backing(&at, backing, &ours) < 0)
        return 0;
    /* "None" says only that it is not hugetlbfs: before there was "Transparent" it said no more. */
    bool thp_none = huge.backing == GM_BACKING_4K && ours.backing == GM_BACKING_THP;
    if (huge.backing == ours.backing || thp_none)
        return 0;
    at = *inner;
    at.key = "backing";
    return cfg_bad(&at, "\"%s\" contradicts huge_pages \"%s\"; give one of the two",
                   json_string_value(backing), json_string_value(huge_pages));
}

int cfg_read_amount(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    uint64_t mib = 0;
    int rc = cfg_read_uint(at, value, 0, CFG_BALLOON_MAX_MIB, &mib);
    if (rc == 0)
        cfg->balloon.target_bytes = mib * MIB;
    return rc;
}

static int read_deflate_on_oom(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_bool(at, value, &cfg->balloon.deflate_on_oom);
}

static int read_must_tell_host(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_bool(at, value, &cfg->balloon.must_tell_host);
}

int cfg_read_stats_interval(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    uint64_t seconds = 0;
    int rc = cfg_read_uint(at, value, 0, CFG_STATS_INTERVAL_MAX_S, &seconds);
    if (rc == 0)
        cfg->balloon.stats_interval_s = (uint32_t)seconds;
    return rc;
}

static int read_hinting(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_bool(at, value, &cfg->balloon.free_page_hinting);
}

static int read_reporting(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_bool(at, value, &cfg->balloon.free_page_reporting);
}

static int read_page_poison(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    cfg->page_poison_given = true;
    return cfg_read_bool(at, value, &cfg->balloon.page_poison);
}

static int read_prefault(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_bool(at, value, &cfg->balloon.prefault_on_deflate);
}

static int read_scatter_gather(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    unsigned sg = 0;
    int rc = cfg_read_word(at, value, cfg_sg_words, cfg_sg_word_count, &sg);
    if (rc == 0)
        cfg->balloon.scatter_gather = (enum balloon_sg)sg;
    return rc;
}

static const struct cfg_key balloon_keys[] = {
    {.name = "amount_mib", .required = true, .read = cfg_read_amount},
    {.name = "deflate_on_oom", .required = true, .read = read_deflate_on_oom},
    {.name = "stats_polling_interval_s", .read = cfg_read_stats_interval},
    {.name = "free_page_hinting", .read = read_hinting},
    {.name = "free_page_reporting", .read = read_reporting},
    {.name = "page_poison", .read = read_page_poison},
    {.name = "prefault_on_deflate", .read = read_prefault},
    {.name = "scatter_gather", .read = read_scatter_gather},
    {.name = "must_tell_host", .read = read_must_tell_host},
};

/* Both claim a feature bit of the balloon. */
static int check_bit3(const struct cfg_at *inner, const json_t *object)
{
    const char *sg = json_string_value(json_object_get(object, "scatter_gather"));
    if (sg == NULL || strcmp(sg, "bit3") != 0 ||
        !json_is_true(json_object_get(object, "free_page_hinting")))
        return 0;
    struct cfg_at at = *inner;
    at.key = "scatter_gather";
    return cfg_bad(&at, "\"bit3\" and free_page_hinting both claim feature bit 3; give one of the "
                        "two");
}

static int mark_balloon(const struct cfg_at *inner, const json_t *object, struct vm_config *cfg)
{
    int rc = check_bit3(inner, object);
    cfg->has_balloon = rc == 0;
    return rc;
}

static int mark_machine(const struct cfg_at *inner, const json_t *object, struct vm_config *cfg)
{
    (void)cfg;
    return check_backing_agrees(inner, object);
}

static int mark_logger(const struct cfg_at *inner, const json_t *object, struct vm_config *cfg)
{
    (void)inner;
    (void)object;
    cfg->logger.given = true;
    return 0;
}

/* mark, if there is one, sees a section whose keys are all right. */
static const struct {
    const struct cfg_key *keys;
    size_t n;
    int (*mark)(const struct cfg_at *inner, const json_t *object, struct vm_config *cfg);
} sections[] = {
    [CFG_SECTION_BOOT_SOURCE] = {boot_keys, ARRAY_LEN(boot_keys), NULL},
    [CFG_SECTION_MACHINE] = {machine_keys, ARRAY_LEN(machine_keys), mark_machine},
    [CFG_SECTION_BALLOON] = {balloon_keys, ARRAY_LEN(balloon_keys), mark_balloon},
    [CFG_SECTION_LOGGER] = {cfg_logger_keys, CFG_LOGGER_KEYS, mark_logger},
    [CFG_SECTION_METRICS] = {cfg_metrics_keys, CFG_METRICS_KEYS, NULL},
    [CFG_SECTION_SERIAL] = {cfg_serial_keys, CFG_SERIAL_KEYS, NULL},
};

int cfg_read_section(const struct cfg_at *at, const json_t *value, enum cfg_section section,
                     struct vm_config *cfg)
{
    int rc = cfg_read_object(at, value, sections[section].keys, sections[section].n, cfg);
    if (rc == 0 && sections[section].mark != NULL)
        rc = sections[section].mark(at, value, cfg);
    return rc;
}

/* A section of the file: its spec says which. */
static int read_section(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct cfg_at inside = cfg_inside(at);
    if (json_is_null(value) && !at->spec->required)
        return 0;
    return cfg_read_section(&inside, value, at->spec->section, dst);
}

static const struct cfg_key top_keys[] = {
    {.name = "boot-source", .read = read_section, .section = CFG_SECTION_BOOT_SOURCE},
    {.name = "machine-config", .read = read_section, .section = CFG_SECTION_MACHINE},
    {.name = "balloon", .read = read_section, .section = CFG_SECTION_BALLOON},
    {.name = "logger", .read = read_section, .section = CFG_SECTION_LOGGER},
    {.name = "metrics", .read = read_section, .section = CFG_SECTION_METRICS},
    {.name = "serial", .read = read_section, .section = CFG_SECTION_SERIAL},
    {.name = "drives", .read = cfg_refuse_section, .note = "block devices are"},
    {.name = "network-interfaces", .read = cfg_refuse_section, .note = "network devices are"},
    {.name = "vsock", .read = cfg_refuse_section, .note = "vsock devices are"},
    {.name = "entropy", .read = cfg_refuse_section, .note = "entropy devices are"},
    {.name = "pmem", .read = cfg_refuse_section, .note = "persistent memory devices are"},
    {.name = "memory-hotplug", .read = cfg_refuse_section, .note = "hotplugged memory is"},
    {.name = "cpu-config", .read = cfg_refuse_section, .note = "custom CPU templates are"},
    {.name = "mmds-config", .read = cfg_refuse_section, .note = "the metadata service is"},
};

int cfg_read_top(const struct cfg_at *at, const json_t *root, struct vm_config *cfg)
{
    return cfg_read_object(at, root, top_keys, ARRAY_LEN(top_keys), cfg);
}
