/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of requests that change a running machine, as tables of keys. */
#include "vmm/base/num.h"
#include "vmm/config/config.h"
#include "vmm/config/config_priv.h"

static int parse_update(const char *text, size_t len, const struct cfg_key *keys, size_t n,
                        void *dst, struct err *err)
{
    struct cfg_at at = {.file = "request body", .err = err};
    json_t *root = NULL;
    int rc = cfg_json_load(at.file, text, len, &root, err);
    if (rc == 0)
        rc = cfg_read_object(&at, root, keys, n, dst);
    json_decref(root);
    if (rc < 0)
        cfg_one_line(err);
    return rc;
}

int cfg_parse_balloon_update(const char *text, size_t len, uint64_t *out_bytes, struct err *err)
{
    static const struct cfg_key keys[] = {
        {.name = "amount_mib", .required = true, .read = cfg_read_amount},
    };
    struct vm_config update = {0};
    int rc = parse_update(text, len, keys, ARRAY_LEN(keys), &update, err);
    if (rc == 0)
        *out_bytes = update.balloon.target_bytes;
    return rc;
}

int cfg_parse_stats_update(const char *text, size_t len, uint32_t *out_seconds, struct err *err)
{
    static const struct cfg_key keys[] = {
        {.name = "stats_polling_interval_s", .required = true, .read = cfg_read_stats_interval},
    };
    struct vm_config update = {0};
    int rc = parse_update(text, len, keys, ARRAY_LEN(keys), &update, err);
    if (rc == 0)
        *out_seconds = update.balloon.stats_interval_s;
    return rc;
}

static int read_acknowledge(const struct cfg_at *at, const json_t *value, void *dst)
{
    return cfg_read_bool(at, value, dst);
}

int cfg_parse_hint_start(const char *text, size_t len, bool *out_acknowledge, struct err *err)
{
    static const struct cfg_key keys[] = {
        {.name = "acknowledge_on_stop", .read = read_acknowledge},
    };
    bool acknowledge = true;
    int rc = len == 0 ? 0 : parse_update(text, len, keys, ARRAY_LEN(keys), &acknowledge, err);
    if (rc == 0)
        *out_acknowledge = acknowledge;
    return rc;
}

static int read_state(const struct cfg_at *at, const json_t *value, void *dst)
{
    static const struct cfg_word words[] = {{"Paused", true}, {"Resumed", false}};
    unsigned paused = 0;
    int rc = cfg_read_word(at, value, words, ARRAY_LEN(words), &paused);
    if (rc == 0)
        *(bool *)dst = paused != 0;
    return rc;
}

int cfg_parse_vm_state(const char *text, size_t len, bool *out_paused, struct err *err)
{
    static const struct cfg_key keys[] = {
        {.name = "state", .required = true, .read = read_state},
    };
    bool paused = false;
    int rc = parse_update(text, len, keys, ARRAY_LEN(keys), &paused, err);
    if (rc == 0)
        *out_paused = paused;
    return rc;
}

static int read_action(const struct cfg_at *at, const json_t *value, void *dst)
{
    static const struct cfg_word words[] = {{"InstanceStart", CFG_ACTION_START},
                                            {"SendCtrlAltDel", CFG_ACTION_CTRL_ALT_DEL},
                                            {"FlushMetrics", CFG_ACTION_FLUSH_METRICS},
                                            {"Stop", CFG_ACTION_STOP}};
    unsigned action = 0;
    int rc = cfg_read_word(at, value, words, ARRAY_LEN(words), &action);
    if (rc == 0)
        *(enum cfg_action *)dst = (enum cfg_action)action;
    return rc;
}

int cfg_parse_action(const char *text, size_t len, enum cfg_action *out, struct err *err)
{
    static const struct cfg_key keys[] = {
        {.name = "action_type", .required = true, .read = read_action},
    };
    enum cfg_action action = CFG_ACTION_START;
    int rc = parse_update(text, len, keys, ARRAY_LEN(keys), &action, err);
    if (rc == 0)
        *out = action;
    return rc;
}
