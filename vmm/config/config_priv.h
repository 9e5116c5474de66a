/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of JSON objects by tables of keys, with the path of what is wrong. */
#ifndef AEROSTAT_CONFIG_PRIV_H
#define AEROSTAT_CONFIG_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/config/config.h"

struct cfg_key;

/* Where in which file the reader is. Lives on the stack of the walk. */
struct cfg_at {
    const char *file;
    const char *above;   /* the section that the section is in; NULL: none */
    const char *section; /* NULL at the top level */
    const char *key;     /* NULL for the object itself */
    const struct cfg_key *spec;
    struct err *err;
    bool partial; /* no key is required, and null stands for a key that is not there */
    /* Hears of each error, and the reader goes on behind it; NULL: it stops at the first. */
    cfg_report_fn report;
    void *report_arg;
};

/* The same place, for what is inside the object at at->key. */
struct cfg_at cfg_inside(const struct cfg_at *at);

/* The strings that a config owns: of each field the address. */
#define CFG_STRINGS 8u
void cfg_strings(struct vm_config *cfg, char **out[CFG_STRINGS]);

/* Copies cfg without its strings, which are NULL in *out. */
void cfg_fork(const struct vm_config *cfg, struct vm_config *out);
/* next, of cfg_fork(), becomes *cfg; strings that it has none of stay cfg's. */
void cfg_commit(struct vm_config *cfg, struct vm_config *next);

/* The file of a configuration, NUL-terminated and malloc'ed. name is the path as it is shown. */
int cfg_read_file(const char *path, const char *name, char **out_text, size_t *out_len,
                  struct err *err);

/* The whole file's table of keys. */
int cfg_read_top(const struct cfg_at *at, const json_t *root, struct vm_config *cfg);
/* One section's. */
int cfg_read_section(const struct cfg_at *at, const json_t *value, enum cfg_section section,
                     struct vm_config *cfg);

/* Parts of cfg_check() and cfg_check_files(). */
int cfg_check_kernel(const struct vm_config *cfg, struct err *err);
int cfg_check_kernel_file(const struct vm_config *cfg, struct err *err);
int cfg_check_initrd_file(const struct vm_config *cfg, struct err *err);
int cfg_check_vcpus(const struct vm_config *cfg, struct err *err);
int cfg_check_memory(const struct vm_config *cfg, struct err *err);
int cfg_check_balloon(const struct vm_config *cfg, struct err *err);

/* Reads one value into dst, what the object describes. Returns 0 or a negative errno value, err
 * set. */
typedef int (*cfg_read_fn)(const struct cfg_at *at, const json_t *value, void *dst);

struct cfg_key {
    const char *name;
    bool required;
    cfg_read_fn read;
    const char *note; /* for cfg_refuse_section() and cfg_refuse_true(): what is not supported */
    enum cfg_section section; /* of the file's own keys */
};

/* Sections about where output goes. */
#define CFG_LOGGER_KEYS  5u
#define CFG_METRICS_KEYS 3u
#define CFG_SERIAL_KEYS  2u
extern const struct cfg_key cfg_logger_keys[CFG_LOGGER_KEYS];
extern const struct cfg_key cfg_metrics_keys[CFG_METRICS_KEYS];
extern const struct cfg_key cfg_serial_keys[CFG_SERIAL_KEYS];

/* One word of a choice and the enum value it stands for. */
struct cfg_word {
    const char *word;
    unsigned value;
};

extern const struct cfg_word cfg_backing_words[];
extern const size_t cfg_backing_word_count;
extern const struct cfg_word cfg_huge_pages_words[];
extern const size_t cfg_huge_pages_word_count;
extern const struct cfg_word cfg_sg_words[];
extern const size_t cfg_sg_word_count;
extern const struct cfg_word cfg_discovery_words[];
extern const size_t cfg_discovery_word_count;

/* Records "file: path: sentence" and returns -EINVAL. */
int cfg_bad(const struct cfg_at *at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Checks that object is an object with known keys only and all required ones, then calls the
 * readers in the table's order. at->section names the object (NULL: the whole file).
 */
int cfg_read_object(const struct cfg_at *at, const json_t *object, const struct cfg_key *keys,
                    size_t n, void *dst);

int cfg_read_uint(const struct cfg_at *at, const json_t *value, uint64_t min, uint64_t max,
                  uint64_t *out);
int cfg_read_bool(const struct cfg_at *at, const json_t *value, bool *out);

/* *out must be NULL or malloc'ed; it is replaced. Empty strings are refused unless empty_ok. */
int cfg_read_string(const struct cfg_at *at, const json_t *value, bool empty_ok, char **out);
/* A string or null, which is none. */
int cfg_read_text(const struct cfg_at *at, const json_t *value, char **out);
int cfg_read_word(const struct cfg_at *at, const json_t *value, const struct cfg_word *words,
                  size_t n, unsigned *out);

/* cfg_read_fns for what a section and the body of a request have in common; dst is a struct
 * vm_config. */
int cfg_read_amount(const struct cfg_at *at, const json_t *value, void *dst);
int cfg_read_stats_interval(const struct cfg_at *at, const json_t *value, void *dst);

/* A cfg_read_fn: false is accepted, true is refused with the key's note. */
int cfg_refuse_true(const struct cfg_at *at, const json_t *value, void *dst);

/* A cfg_read_fn: null and [] are accepted, anything else is refused with the key's note. */
int cfg_refuse_section(const struct cfg_at *at, const json_t *value, void *dst);

/*
 * *out is the document, a new reference. Returns 0 or -EINVAL, err naming line and column of the
 * syntax error or duplicate key.
 */
int cfg_json_load(const char *name, const char *text, size_t len, json_t **out, struct err *err);

/* Replaces control characters, which keys and values may bring along, so that err stays one line.
 */
void cfg_one_line(struct err *err);

#endif
