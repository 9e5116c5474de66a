/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the configuration parser and the bodies of requests. An error leaves the config as
 * it was and has a sentence of one line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void require_sentence(const struct err *err)
{
    require(err->text[0] != '\0');
    for (const char *c = err->text; *c != '\0'; c++)
        require((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void parse_config(const char *text, size_t size)
{
    struct vm_config cfg;
    struct vm_config before;
    struct err err = {0};
    require(cfg_init(&cfg) == 0);
    memcpy(&before, &cfg, sizeof(before));
    if (cfg_parse(&cfg, "fuzz.json", text, size, &err) < 0) {
        require_sentence(&err);
        require(memcmp(&before, &cfg, sizeof(cfg)) == 0);
    } else {
        require(cfg.cmdline != NULL && cfg.vcpus >= 1 && cfg.vcpus <= CFG_VCPUS_MAX);
        require(cfg.balloon.stats_interval_s <= CFG_STATS_INTERVAL_MAX_S);
        require(cfg.page_poison_given ||
                cfg.balloon.page_poison ==
                    (cfg.balloon.free_page_hinting || cfg.balloon.free_page_reporting));
        if (cfg_check(&cfg, &err) < 0)
            require_sentence(&err);
    }
    cfg_finish(&cfg);
}

static void parse_bodies(const char *text, size_t size)
{
    struct err err = {0};
    uint64_t bytes = 0;
    uint32_t seconds = 0;
    bool flag = false;
    if (cfg_parse_balloon_update(text, size, &bytes, &err) < 0)
        require_sentence(&err);
    else
        require(bytes <= CFG_BALLOON_MAX_MIB << 20);
    memset(&err, 0, sizeof(err));
    if (cfg_parse_stats_update(text, size, &seconds, &err) < 0)
        require_sentence(&err);
    else
        require(seconds <= CFG_STATS_INTERVAL_MAX_S);
    memset(&err, 0, sizeof(err));
    if (cfg_parse_hint_start(text, size, &flag, &err) < 0)
        require_sentence(&err);
    memset(&err, 0, sizeof(err));
    if (cfg_parse_vm_state(text, size, &flag, &err) < 0)
        require_sentence(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse_config((const char *)data, size);
    parse_bodies((const char *)data, size);

    struct err err = {0};
    uint64_t bytes = 0;
    char word[64] = "";
    memcpy(word, data, size < sizeof(word) ? size : sizeof(word) - 1);
    if (cfg_parse_size("--mem", word, &bytes, &err) < 0)
        require_sentence(&err);
    else
        require(bytes % 4096 == 0);
    return 0;
}
