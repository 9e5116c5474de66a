/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the configuration parser and the bodies of requests. An error leaves the config as
 * it was and has a sentence of one line; what is read can be written, and read again. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/require.h"
#include "vmm/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECTIONS (CFG_SECTION_SERIAL + 1u)

static void require_line(const char *text)
{
    require(text[0] != '\0');
    for (const char *c = text; *c != '\0'; c++)
        require((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void require_sentence(const struct err *err)
{
    require_line(err->text);
}

static void require_sane(const struct vm_config *cfg)
{
    require(cfg->cmdline != NULL && cfg->vcpus >= 1 && cfg->vcpus <= CFG_VCPUS_MAX);
    require(cfg->balloon.stats_interval_s <= CFG_STATS_INTERVAL_MAX_S);
    require(cfg->page_poison_given ||
            cfg->balloon.page_poison ==
                (cfg->balloon.free_page_hinting || cfg->balloon.free_page_reporting));
}

/* The same JSON comes out of what is read from it. */
static void require_round_trip(const struct vm_config *cfg)
{
    struct vm_config again;
    struct err err = {0};
    char *text = cfg_to_json(cfg, false);
    require(text != NULL);
    require(cfg_init(&again) == 0);
    require(cfg_parse(&again, "again", text, strlen(text), &err) == 0);
    char *twice = cfg_to_json(&again, false);
    require(twice != NULL && strcmp(text, twice) == 0);
    cfg_finish(&again);
    free(text);
    free(twice);
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
        require_sane(&cfg);
        require_round_trip(&cfg);
        if (cfg_check(&cfg, &err) < 0)
            require_sentence(&err);
    }
    cfg_finish(&cfg);
}

struct heard {
    unsigned n;
    char first[sizeof(((struct err *)0)->text)];
};

static void hear(void *arg, const char *sentence)
{
    struct heard *heard = arg;
    require_line(sentence);
    if (heard->n++ == 0)
        (void)snprintf(heard->first, sizeof(heard->first), "%s", sentence);
}

/* What stops cfg_parse() is the first that cfg_load_all() tells. */
static void load_all(const char *path, const char *text, size_t size)
{
    struct vm_config cfg;
    struct vm_config alone;
    struct vm_config before;
    struct heard heard = {0};
    struct err err = {0};
    require(cfg_init(&cfg) == 0 && cfg_init(&alone) == 0);
    memcpy(&before, &cfg, sizeof(before));
    unsigned n = cfg_load_all(&cfg, path, hear, &heard);
    require(n == heard.n);
    if (n > 0)
        require(memcmp(&before, &cfg, sizeof(cfg)) == 0);
    if (cfg_parse(&alone, path, text, size, &err) < 0)
        require(n > 0 && strcmp(err.text, heard.first) == 0);
    else if (n == 0)
        require(cfg_check(&cfg, &err) == 0);
    cfg_finish(&alone);
    cfg_finish(&cfg);
}

static void load_file(const char *text, size_t size)
{
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, text, size) == (ssize_t)size);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    load_all(path, text, size);
    close(fd);
}

/* A config that has something in each section already. */
static void start_full(struct vm_config *cfg)
{
    static const char full[] =
        "{\"boot-source\":{\"kernel_image_path\":\"/dev/null\",\"boot_args\":\"a\"},"
        "\"machine-config\":{\"vcpu_count\":2,\"mem_size_mib\":256},\"balloon\":{\"amount_mib\":64,"
        "\"deflate_on_oom\":true},\"logger\":{\"log_path\":\"l\",\"level\":\"Info\"},"
        "\"metrics\":{\"metrics_path\":\"m\",\"properties\":{\"a\":\"b\"}},"
        "\"serial\":{\"serial_out_path\":\"s\"}}";
    require(cfg_init(cfg) == 0);
    require(cfg_parse(cfg, "full", full, sizeof(full) - 1, NULL) == 0);
}

/* Each section, and the machine's as a PATCH. */
static void put_section(unsigned section, const char *text, size_t size)
{
    struct vm_config cfg;
    struct vm_config before;
    struct err err = {0};
    start_full(&cfg);
    char *json = cfg_to_json(&cfg, false);
    memcpy(&before, &cfg, sizeof(before));
    int rc = section == SECTIONS ? cfg_patch_machine(&cfg, text, size, &err)
                                 : cfg_put(&cfg, (enum cfg_section)section, text, size, &err);
    if (rc < 0) {
        char *after = cfg_to_json(&cfg, false);
        require_sentence(&err);
        require(memcmp(&before, &cfg, sizeof(cfg)) == 0 && strcmp(json, after) == 0);
        free(after);
    } else {
        require_sane(&cfg);
        require_round_trip(&cfg);
        require(cfg_check(&cfg, &err) == 0);
    }
    free(json);
    cfg_finish(&cfg);
}

static void parse_bodies(const char *text, size_t size)
{
    struct err err = {0};
    uint64_t bytes = 0;
    uint32_t seconds = 0;
    bool flag = false;
    enum cfg_action action;
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
    memset(&err, 0, sizeof(err));
    if (cfg_parse_action(text, size, &action, &err) < 0)
        require_sentence(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    parse_config(text, size);
    load_file(text, size);
    for (unsigned section = 0; section <= SECTIONS; section++)
        put_section(section, text, size);
    parse_bodies(text, size);

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
