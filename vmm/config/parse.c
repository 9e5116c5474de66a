/* SPDX-License-Identifier: Apache-2.0 */
/* Reading into a config, all or nothing: a file, and sections as requests give them one by one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/num.h"
#include "vmm/base/path.h"
#include "vmm/config/config_priv.h"

/* What is read takes cfg's place, or is dropped after an error. */
static int settle(struct vm_config *cfg, struct vm_config *next, int rc, struct err *err)
{
    if (rc < 0) {
        cfg_finish(next);
        cfg_one_line(err);
        return rc;
    }
    cfg_settle(next);
    cfg_commit(cfg, next);
    return 0;
}

int cfg_parse(struct vm_config *cfg, const char *name, const char *text, size_t len,
              struct err *err)
{
    struct vm_config next;
    struct cfg_at at = {.file = name, .err = err};
    json_t *root = NULL;
    cfg_fork(cfg, &next);
    int rc = cfg_json_load(name, text, len, &root, err);
    if (rc == 0)
        rc = cfg_read_top(&at, root, &next);
    json_decref(root);
    return settle(cfg, &next, rc, err);
}

/* The fields of a section get their defaults, those of cfg_init(); strings, which are NULL in a
 * fork, are cleared in cfg when it is replaced. */
static int reset_section(struct vm_config *next, enum cfg_section section)
{
    struct vm_config defaults;
    int rc = cfg_init(&defaults);
    if (rc < 0)
        return rc;
    switch (section) {
    case CFG_SECTION_BOOT_SOURCE:
        next->cmdline = defaults.cmdline;
        defaults.cmdline = NULL;
        break;
    case CFG_SECTION_MACHINE:
        next->vcpus = defaults.vcpus;
        next->smt = defaults.smt;
        next->mem_bytes = defaults.mem_bytes;
        next->backing = defaults.backing;
        next->virtio_on_cmdline = defaults.virtio_on_cmdline;
        break;
    case CFG_SECTION_BALLOON:
        next->balloon = defaults.balloon;
        next->page_poison_given = false;
        break;
    case CFG_SECTION_LOGGER:
        /* What is not mentioned stays, as Firecracker has it: messages go on where they go. */
        next->logger.level_given = false;
        break;
    case CFG_SECTION_METRICS:
        next->metrics = defaults.metrics;
        break;
    case CFG_SECTION_SERIAL:
        next->serial_limit = defaults.serial_limit;
        break;
    }
    cfg_finish(&defaults);
    return 0;
}

static void drop(char **string)
{
    free(*string);
    *string = NULL;
}

static void drop_strings(struct vm_config *cfg, enum cfg_section section)
{
    if (section == CFG_SECTION_BOOT_SOURCE)
        drop(&cfg->initrd_path);
    if (section == CFG_SECTION_METRICS)
        drop(&cfg->metrics.properties);
    if (section == CFG_SECTION_SERIAL)
        drop(&cfg->serial_out_path);
}

/* What can be said of a machine that is not described completely yet. */
static int check_so_far(const struct vm_config *next, enum cfg_section section, struct err *err)
{
    if (section == CFG_SECTION_BOOT_SOURCE)
        return cfg_check_files(next, err);
    int rc = cfg_check_vcpus(next, err);
    if (rc == 0)
        rc = cfg_check_memory(next, err);
    return rc < 0 ? rc : cfg_check_balloon(next, err);
}

/* Null stands for a key that is not there. */
static bool changes_nothing(const json_t *root)
{
    const char *name;
    json_t *value;
    /* The macro writes through the object's iterator only. */
    json_object_foreach((json_t *)(uintptr_t)root, name, value)
    {
        if (!json_is_null(value))
            return false;
    }
    return true;
}

static int read_body(struct vm_config *next, enum cfg_section section, bool partial,
                     const char *text, size_t len, struct err *err)
{
    struct cfg_at at = {.file = "request body", .err = err, .partial = partial};
    json_t *root = NULL;
    int rc = cfg_json_load(at.file, text, len, &root, err);
    if (rc == 0)
        rc = cfg_read_section(&at, root, section, next);
    if (rc == 0 && partial && changes_nothing(root))
        rc = err_set(err, -EINVAL, "%s: changes nothing: give at least one key", at.file);
    json_decref(root);
    return rc < 0 ? rc : check_so_far(next, section, err);
}

int cfg_put(struct vm_config *cfg, enum cfg_section section, const char *text, size_t len,
            struct err *err)
{
    struct vm_config next;
    cfg_fork(cfg, &next);
    int rc = reset_section(&next, section);
    if (rc < 0)
        return err_set(err, rc, "out of memory");
    rc = read_body(&next, section, false, text, len, err);
    if (rc == 0)
        drop_strings(cfg, section);
    return settle(cfg, &next, rc, err);
}

int cfg_patch_machine(struct vm_config *cfg, const char *text, size_t len, struct err *err)
{
    struct vm_config next;
    cfg_fork(cfg, &next);
    int rc = read_body(&next, CFG_SECTION_MACHINE, true, text, len, err);
    return settle(cfg, &next, rc, err);
}

struct count {
    cfg_report_fn report;
    void *arg;
    unsigned n;
};

static void on_error(void *arg, const char *sentence)
{
    struct count *count = arg;
    count->n++;
    count->report(count->arg, sentence);
}

typedef int (*check_fn)(const struct vm_config *cfg, struct err *err);

static void check_each(const struct vm_config *cfg, const check_fn *checks, size_t n,
                       struct count *count)
{
    for (size_t i = 0; i < n; i++) {
        struct err err = {0};
        if (checks[i](cfg, &err) < 0)
            on_error(count, err.text);
    }
}

/* Figures are compared only where all of them were read: a default in the place of a bad one would
 * be blamed. */
static void check_all(const struct vm_config *cfg, struct count *count)
{
    static const check_fn figures[] = {cfg_check_kernel, cfg_check_vcpus, cfg_check_memory,
                                       cfg_check_balloon};
    static const check_fn files[] = {cfg_check_kernel_file, cfg_check_initrd_file};
    if (count->n == 0)
        check_each(cfg, figures, ARRAY_LEN(figures), count);
    check_each(cfg, files, ARRAY_LEN(files), count);
}

/* Returns 0 when there is a document, whatever is wrong in it. */
static int read_document(const char *path, struct vm_config *next, struct count *count)
{
    char name[PATH_SHOWN_MAX];
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    struct err err = {0};
    json_t *root = NULL;
    path_show(path, name);
    struct cfg_at at = {.file = name, .err = &err, .report = on_error, .report_arg = count};
    int rc = cfg_read_file(path, name, &text, &len, &err);
    if (rc == 0)
        rc = cfg_json_load(name, text, len, &root, &err);
    if (rc < 0) {
        cfg_one_line(&err);
        on_error(count, err.text);
        return rc;
    }
    rc = cfg_read_top(&at, root, next);
    json_decref(root);
    /* Lack of memory is not reported on the way. */
    if (rc < 0 && count->n == 0)
        on_error(count, err.text);
    return 0;
}

unsigned cfg_load_all(struct vm_config *cfg, const char *path, cfg_report_fn report, void *arg)
{
    struct count count = {.report = report, .arg = arg};
    struct vm_config next;
    cfg_fork(cfg, &next);
    if (read_document(path, &next, &count) == 0) {
        cfg_settle(&next);
        check_all(&next, &count);
    }
    (void)settle(cfg, &next, count.n > 0 ? -EINVAL : 0, NULL);
    return count.n;
}
