/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of `aerostat run` mean. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cli/cli.h"
#include "vmm/cli/options.h"
#include "vmm/cli/run_priv.h"
#include "vmm/registry/registry.h"

static int replace(char **slot, const char *text, struct err *err)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return err_set(err, -ENOMEM, "out of memory");
    free(*slot);
    *slot = copy;
    return 0;
}

static int set_cpus(struct vm_config *cfg, const char *text, struct err *err)
{
    uint64_t n = 0;
    int rc = cfg_parse_count("--cpus", text, 1, CFG_VCPUS_MAX, &n, err);
    if (rc == 0)
        cfg->vcpus = (uint32_t)n;
    return rc;
}

static int set_balloon(struct vm_config *cfg, const char *text, struct err *err)
{
    cfg->has_balloon = true;
    return cfg_parse_size("--balloon", text, &cfg->balloon.target_bytes, err);
}

static int set_stats_interval(struct vm_config *cfg, const char *text, struct err *err)
{
    uint64_t seconds = 0;
    int rc = cfg_parse_count("--stats-interval", text, 0, CFG_STATS_INTERVAL_MAX_S, &seconds, err);
    if (rc == 0)
        cfg->balloon.stats_interval_s = (uint32_t)seconds;
    return rc;
}

static int set_log_level(enum log_level *level, const char *text, struct err *err)
{
    static const char *const names[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], text) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "--log-level: \"%.40s\" is not one of error, warn, info, debug",
                   text);
}

static bool is_balloon_flag(int opt)
{
    return opt >= OPT_SCATTER_GATHER && opt < OPT_END;
}

static int apply_to_balloon(struct vm_config *cfg, int opt, const char *text, struct err *err)
{
    struct balloon_config *balloon = &cfg->balloon;
    switch (opt) {
    case OPT_SCATTER_GATHER:
        return cfg_parse_scatter_gather("--scatter-gather", text, &balloon->scatter_gather, err);
    case OPT_DEFLATE_ON_OOM:
        balloon->deflate_on_oom = true;
        return 0;
    case OPT_MUST_TELL_HOST:
        return cfg_parse_switch("--must-tell-host", text, &balloon->must_tell_host, err);
    case OPT_STATS_INTERVAL:
        return set_stats_interval(cfg, text, err);
    case OPT_HINTING:
        balloon->free_page_hinting = true;
        return 0;
    case OPT_REPORTING:
        balloon->free_page_reporting = true;
        return 0;
    case OPT_PAGE_POISON:
        cfg->page_poison_given = true;
        return cfg_parse_switch("--page-poison", text, &balloon->page_poison, err);
    default:
        balloon->prefault_on_deflate = true;
        return 0;
    }
}

static int apply(struct run_options *options, int opt, const char *text, struct err *err)
{
    struct vm_config *cfg = &options->config;
    switch (opt) {
    case OPT_KERNEL:
        return replace(&cfg->kernel_path, text, err);
    case OPT_INITRD:
        return replace(&cfg->initrd_path, text, err);
    case OPT_CMDLINE:
        return replace(&cfg->cmdline, text, err);
    case OPT_MEM:
        return cfg_parse_size("--mem", text, &cfg->mem_bytes, err);
    case OPT_CPUS:
        return set_cpus(cfg, text, err);
    case OPT_BALLOON:
        return set_balloon(cfg, text, err);
    case OPT_API_SOCK:
        return replace(&cfg->api_sock, text, err);
    case OPT_BACKING:
        return cfg_parse_backing("--backing", text, &cfg->backing, err);
    case OPT_VIRTIO_DISCOVERY:
        return cfg_parse_discovery("--virtio-discovery", text, &cfg->virtio_on_cmdline, err);
    case OPT_LOG_LEVEL:
        return set_log_level(&options->log_level, text, err);
    case OPT_NO_CONSOLE:
        options->console_input = false;
        return 0;
    case OPT_NAME:
        options->name = text;
        return registry_check_name(text, err);
    case OPT_DETACH:
        options->detach = true;
        return 0;
    case OPT_NO_START:
        options->wait_for_start = true;
        return 0;
    default:
        return is_balloon_flag(opt) ? apply_to_balloon(cfg, opt, text, err) : 0;
    }
}

/* The option's name if it says how a balloon is to be, otherwise NULL. */
static const char *balloon_flag(int opt)
{
    for (const struct cmd_option *o = cmd_run.options; o->name != NULL; o++) {
        if (o->id == opt && is_balloon_flag(opt))
            return o->name;
    }
    return NULL;
}

static int apply_flags(const struct cmd_line *line, struct run_options *options, struct err *err)
{
    const char *needs_balloon = NULL;
    for (unsigned i = 0; i < line->n_options; i++) {
        const struct cmd_given *given = &line->options[i];
        if (needs_balloon == NULL)
            needs_balloon = balloon_flag(given->id);
        int rc = apply(options, given->id, given->value, err);
        if (rc < 0)
            return rc;
    }
    if (needs_balloon != NULL && !options->config.has_balloon)
        return err_set(err, -EINVAL,
                       "--%s needs a balloon: give --balloon SIZE, or a balloon section in the "
                       "configuration file",
                       needs_balloon);
    cfg_settle(&options->config);
    return 0;
}

int run_options_read(const struct cmd_line *line, struct run_options *out, struct err *err)
{
    const char *path = cmd_value(line, OPT_CONFIG);
    *out = (struct run_options){.log_level = LOG_WARN, .console_input = true};
    if (cfg_init(&out->config) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    /* The file first: options override it wherever they stand. */
    int rc = path == NULL ? 0 : cfg_load(&out->config, path, err);
    return rc < 0 ? rc : apply_flags(line, out, err);
}

void run_options_finish(struct run_options *options)
{
    cfg_finish(&options->config);
}
