/* SPDX-License-Identifier: Apache-2.0 */
/* A config as JSON, in the schema it is read from. */
#include <string.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"
#include "vmm/config/config_priv.h"

json_t *cfg_json_text(const char *text)
{
    json_t *string = json_string(text);
    AUTO_FREE char *copy = string == NULL ? strdup(text) : NULL;
    if (copy == NULL)
        return string;
    for (char *c = copy; *c != '\0'; c++) {
        if ((unsigned char)*c > 0x7e)
            *c = '?';
    }
    return json_string(copy);
}

/* Null for no text. */
static json_t *text(const char *from)
{
    return from == NULL ? json_null() : cfg_json_text(from);
}

static json_t *boot_source(const struct vm_config *cfg)
{
    if (cfg->kernel_path == NULL)
        return NULL;
    return json_pack("{s:o, s:o, s:o}", "kernel_image_path", text(cfg->kernel_path), "initrd_path",
                     text(cfg->initrd_path), "boot_args", text(cfg->cmdline));
}

static const char *huge_pages(enum gm_backing backing)
{
    for (size_t i = 0; i < cfg_huge_pages_word_count; i++) {
        if (cfg_huge_pages_words[i].value == (unsigned)backing)
            return cfg_huge_pages_words[i].word;
    }
    return "None";
}

static json_t *machine_config(const struct vm_config *cfg)
{
    return json_pack("{s:I, s:I, s:b, s:b, s:s, s:s, s:s}", "vcpu_count", (json_int_t)cfg->vcpus,
                     "mem_size_mib", (json_int_t)(cfg->mem_bytes / MIB), "smt", (int)cfg->smt,
                     "track_dirty_pages", 0, "huge_pages", huge_pages(cfg->backing), "backing",
                     cfg_backing_name(cfg->backing), "virtio_discovery",
                     cfg->virtio_on_cmdline ? "cmdline" : "acpi");
}

static json_t *balloon(const struct vm_config *cfg)
{
    const struct balloon_config *b = &cfg->balloon;
    if (!cfg->has_balloon)
        return NULL;
    return json_pack("{s:I, s:b, s:I, s:b, s:b, s:s, s:b, s:b, s:b}", "amount_mib",
                     (json_int_t)(b->target_bytes / MIB), "deflate_on_oom", (int)b->deflate_on_oom,
                     "stats_polling_interval_s", (json_int_t)b->stats_interval_s,
                     "free_page_hinting", (int)b->free_page_hinting, "free_page_reporting",
                     (int)b->free_page_reporting, "scatter_gather",
                     cfg_scatter_gather_name(b->scatter_gather), "must_tell_host",
                     (int)b->must_tell_host, "page_poison", (int)b->page_poison,
                     "prefault_on_deflate", (int)b->prefault_on_deflate);
}

static json_t *logger(const struct vm_config *cfg)
{
    const struct cfg_logger *l = &cfg->logger;
    if (!l->given)
        return NULL;
    return json_pack("{s:o, s:s?, s:b, s:b}", "log_path", text(l->path), "level",
                     l->level_given ? log_level_name(l->level) : NULL, "show_level",
                     (int)l->show_level, "show_log_origin", (int)l->show_origin);
}

static json_t *metrics(const struct vm_config *cfg)
{
    const struct cfg_metrics *m = &cfg->metrics;
    if (m->path == NULL)
        return NULL;
    json_t *properties = m->properties == NULL ? NULL : json_loads(m->properties, 0, NULL);
    return json_pack("{s:o, s:b, s:o?}", "metrics_path", text(m->path), "emit_id", (int)m->emit_id,
                     "properties", properties);
}

static json_t *serial(const struct vm_config *cfg)
{
    const struct bucket_limit *limit = &cfg->serial_limit;
    bool limited = limit->size != 0 && limit->refill_ms != 0;
    json_t *limiter =
        !limited ? NULL
                 : json_pack("{s:I, s:I, s:I}", "size", (json_int_t)limit->size, "one_time_burst",
                             (json_int_t)limit->burst, "refill_time", (json_int_t)limit->refill_ms);
    if (cfg->serial_out_path == NULL && !limited)
        return NULL;
    return json_pack("{s:o, s:o?}", "serial_out_path", text(cfg->serial_out_path), "rate_limiter",
                     limiter);
}

static json_t *(*const sections[])(const struct vm_config *cfg) = {
    [CFG_SECTION_BOOT_SOURCE] = boot_source, [CFG_SECTION_MACHINE] = machine_config,
    [CFG_SECTION_BALLOON] = balloon,         [CFG_SECTION_LOGGER] = logger,
    [CFG_SECTION_METRICS] = metrics,         [CFG_SECTION_SERIAL] = serial,
};

char *cfg_to_json(const struct vm_config *cfg, bool pretty)
{
    json_t *root =
        json_pack("{s:o?, s:o?, s:o?, s:[], s:n, s:o?, s:o?, s:o?, s:[], s:n, s:n, s:[], s:n, s:n}",
                  "boot-source", boot_source(cfg), "machine-config", machine_config(cfg), "balloon",
                  balloon(cfg), "drives", "cpu-config", "logger", logger(cfg), "metrics",
                  metrics(cfg), "serial", serial(cfg), "network-interfaces", "vsock", "entropy",
                  "pmem", "memory-hotplug", "mmds-config");
    char *text = json_dumps(root, pretty ? JSON_INDENT(2) : JSON_COMPACT);
    json_decref(root);
    return text;
}

char *cfg_section_to_json(const struct vm_config *cfg, enum cfg_section section)
{
    json_t *root = sections[section](cfg);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}
