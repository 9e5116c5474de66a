/* SPDX-License-Identifier: Apache-2.0 */
/* The sections that say where messages, metrics and the console go. */
#include <errno.h>
#include <stdlib.h>

#include "vmm/base/num.h"
#include "vmm/config/config_priv.h"

static int read_log_path(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_text(at, value, &cfg->logger.path);
}

static int read_level(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    char *word = NULL;
    if (json_is_null(value))
        return 0;
    int rc = cfg_read_string(at, value, true, &word);
    if (rc == 0 && log_parse_level(word, &cfg->logger.level) < 0)
        rc = cfg_bad(at,
                     "\"%.40s\" is not one of \"Error\", \"Warning\", \"Info\", \"Debug\", "
                     "\"Trace\", \"Off\"",
                     word);
    cfg->logger.level_given = rc == 0;
    free(word);
    return rc;
}

static int read_show_level(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return json_is_null(value) ? 0 : cfg_read_bool(at, value, &cfg->logger.show_level);
}

static int read_show_origin(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return json_is_null(value) ? 0 : cfg_read_bool(at, value, &cfg->logger.show_origin);
}

const struct cfg_key cfg_logger_keys[CFG_LOGGER_KEYS] = {
    {.name = "log_path", .read = read_log_path},
    {.name = "level", .read = read_level},
    {.name = "show_level", .read = read_show_level},
    {.name = "show_log_origin", .read = read_show_origin},
    {.name = "module", .read = cfg_refuse_section, .note = "filters of messages are"},
};

static int read_metrics_path(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_string(at, value, false, &cfg->metrics.path);
}

static int read_emit_id(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_bool(at, value, &cfg->metrics.emit_id);
}

/* Kept as text: nothing here looks into it again. */
static int read_properties(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    const char *name;
    json_t *property;
    if (json_is_null(value))
        return 0;
    if (!json_is_object(value))
        return cfg_bad(at, "must be an object of strings");
    json_object_foreach((json_t *)(uintptr_t)value, name, property)
    {
        if (!json_is_string(property))
            return cfg_bad(at, "must be an object of strings, \"%.40s\" is none", name);
    }
    free(cfg->metrics.properties);
    cfg->metrics.properties = json_dumps(value, JSON_COMPACT);
    return cfg->metrics.properties == NULL
               ? err_set(at->err, -ENOMEM, "%s: out of memory", at->file)
               : 0;
}

const struct cfg_key cfg_metrics_keys[CFG_METRICS_KEYS] = {
    {.name = "metrics_path", .required = true, .read = read_metrics_path},
    {.name = "emit_id", .read = read_emit_id},
    {.name = "properties", .read = read_properties},
};

static int read_serial_path(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct vm_config *cfg = dst;
    return cfg_read_text(at, value, &cfg->serial_out_path);
}

static int read_tokens(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct bucket_limit *limit = dst;
    return cfg_read_uint(at, value, 0, INT64_MAX, &limit->size);
}

static int read_burst(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct bucket_limit *limit = dst;
    return json_is_null(value) ? 0 : cfg_read_uint(at, value, 0, INT64_MAX, &limit->burst);
}

static int read_refill(const struct cfg_at *at, const json_t *value, void *dst)
{
    struct bucket_limit *limit = dst;
    return cfg_read_uint(at, value, 0, INT64_MAX, &limit->refill_ms);
}

/* Firecracker's token bucket. */
static int read_limiter(const struct cfg_at *at, const json_t *value, void *dst)
{
    static const struct cfg_key keys[] = {
        {.name = "size", .required = true, .read = read_tokens},
        {.name = "one_time_burst", .read = read_burst},
        {.name = "refill_time", .required = true, .read = read_refill},
    };
    struct vm_config *cfg = dst;
    struct bucket_limit limit = {0};
    struct cfg_at inside = cfg_inside(at);
    if (json_is_null(value))
        return 0;
    int rc = cfg_read_object(&inside, value, keys, ARRAY_LEN(keys), &limit);
    if (rc == 0)
        cfg->serial_limit = limit;
    return rc;
}

const struct cfg_key cfg_serial_keys[CFG_SERIAL_KEYS] = {
    {.name = "serial_out_path", .read = read_serial_path},
    {.name = "rate_limiter", .read = read_limiter},
};
