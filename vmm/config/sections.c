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

static int read_boot_source(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct cfg_at inner = {.file = at->file, .section = at->key, .err = at->err};
    return cfg_read_object(&inner, value, boot_keys, ARRAY_LEN(boot_keys), dst);
}

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

static int read_huge_pages(const struct cfg_at *at, const json_t *value, void *dst)
{
    static const struct cfg_word words[] = {{"None", GM_BACKING_4K}, {"2M", GM_BACKING_HUGETLB_2M}};
    struct vm_config *cfg = dst;
    unsigned backing = 0;
    int rc = cfg_read_word(at, value, words, ARRAY_LEN(words), &backing);
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
    {.name = "smt", .read = cfg_refuse_true, .note = "simultaneous multithreading is"},
    {.name = "cpu_template", .read = read_cpu_template},
    {.name = "track_dirty_pages", .read = cfg_refuse_true, .note = "dirty page tracking is"},
    {.name = "huge_pages", .read = read_huge_pages},
    {.name = "backing", .read = read_backing},
    {.name = "virtio_discovery", .read = read_discovery},
};

/* Firecracker's key and ours say the same thing: hugetlbfs or not. */
static int check_backing_agrees(const struct cfg_at *inner, const json_t *object)
{
    const char *huge = json_string_value(json_object_get(object, "huge_pages"));
    const char *backing = json_string_value(json_object_get(object, "backing"));
    if (huge == NULL || backing == NULL)
        return 0;
    bool huge_hugetlb = strcmp(huge, "2M") == 0;
    bool backing_hugetlb = strcmp(backing, "hugetlb-2m") == 0;
    if (huge_hugetlb == backing_hugetlb)
        return 0;
    struct cfg_at at = *inner;
    at.key = "backing";
    return cfg_bad(&at, "\"%s\" contradicts huge_pages \"%s\"; give one of the two", backing, huge);
}

static int read_machine_config(const struct cfg_at *at, const json_t *value, void *dst)
{
    if (json_is_null(value))
        return 0;
    struct cfg_at inner = {.file = at->file, .section = at->key, .err = at->err};
    int rc = cfg_read_object(&inner, value, machine_keys, ARRAY_LEN(machine_keys), dst);
    return rc < 0 ? rc : check_backing_agrees(&inner, value);
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

static int read_balloon(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    if (json_is_null(value))
        return 0;
    struct cfg_at inner = {.file = at->file, .section = at->key, .err = at->err};
    const char *sg = json_string_value(json_object_get(value, "scatter_gather"));
    if (sg != NULL && strcmp(sg, "bit3") == 0 &&
        json_is_true(json_object_get(value, "free_page_hinting"))) {
        inner.key = "scatter_gather";
        return cfg_bad(&inner, "\"bit3\" and free_page_hinting both claim feature bit 3; give one "
                               "of the two");
    }
    cfg->has_balloon = true;
    return cfg_read_object(&inner, value, balloon_keys, ARRAY_LEN(balloon_keys), dst);
}

static const struct cfg_key top_keys[] = {
    {.name = "boot-source", .read = read_boot_source},
    {.name = "machine-config", .read = read_machine_config},
    {.name = "balloon", .read = read_balloon},
    {.name = "drives", .read = cfg_refuse_section, .note = "block devices are"},
    {.name = "network-interfaces", .read = cfg_refuse_section, .note = "network devices are"},
    {.name = "vsock", .read = cfg_refuse_section, .note = "vsock devices are"},
    {.name = "entropy", .read = cfg_refuse_section, .note = "entropy devices are"},
    {.name = "pmem", .read = cfg_refuse_section, .note = "persistent memory devices are"},
    {.name = "memory-hotplug", .read = cfg_refuse_section, .note = "hotplugged memory is"},
    {.name = "cpu-config", .read = cfg_refuse_section, .note = "custom CPU templates are"},
    {.name = "logger", .read = cfg_refuse_section, .note = "log files are"},
    {.name = "metrics", .read = cfg_refuse_section, .note = "metrics files are"},
    {.name = "mmds-config", .read = cfg_refuse_section, .note = "the metadata service is"},
    {.name = "serial", .read = cfg_refuse_section, .note = "serial output files are"},
};

/* The texts in next, where there are any, take the place of cfg's; cfg_parse() gave next none of
 * cfg's own. */
static void commit(struct vm_config *cfg, struct vm_config *next)
{
    char **theirs[] = {&next->kernel_path, &next->initrd_path, &next->cmdline, &next->api_sock};
    char **ours[] = {&cfg->kernel_path, &cfg->initrd_path, &cfg->cmdline, &cfg->api_sock};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (*theirs[i] == NULL)
            *theirs[i] = *ours[i];
        else
            free(*ours[i]);
    }
    *cfg = *next;
}

int cfg_parse(struct vm_config *cfg, const char *name, const char *text, size_t len,
              struct err *err)
{
    struct vm_config next = *cfg;
    next.kernel_path = next.initrd_path = next.cmdline = next.api_sock = NULL;
    struct cfg_at at = {.file = name, .err = err};
    json_t *root = NULL;
    int rc = cfg_json_load(name, text, len, &root, err);
    if (rc == 0)
        rc = cfg_read_object(&at, root, top_keys, ARRAY_LEN(top_keys), &next);
    json_decref(root);
    if (rc < 0) {
        cfg_finish(&next);
        cfg_one_line(err);
        return rc;
    }
    cfg_settle(&next);
    commit(cfg, &next);
    return 0;
}
