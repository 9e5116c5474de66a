/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of JSON objects by tables of keys: each error says where, what is there, what is
 * expected. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/base/text.h"
#include "vmm/config/config_priv.h"

int cfg_bad(const struct cfg_at *at, const char *fmt, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    char path[200];
    const char *const parts[] = {at->above, at->section, at->key};
    size_t used = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i] != NULL)
            used += (size_t)snprintf(path + used, sizeof(path) - used, "%s%.60s",
                                     used > 0 ? "." : "", parts[i]);
    }
    (void)snprintf(path + used, sizeof(path) - used, "%s", used > 0 ? ": " : "");
    int rc = err_set(at->err, -EINVAL, "%s: %s%s", at->file, path, sentence);
    if (at->report != NULL) {
        cfg_one_line(at->err);
        at->report(at->report_arg, at->err->text);
    }
    return rc;
}

struct cfg_at cfg_inside(const struct cfg_at *at)
{
    struct cfg_at inside = *at;
    inside.above = at->section;
    inside.section = at->key;
    inside.key = NULL;
    inside.spec = NULL;
    return inside;
}

void cfg_one_line(struct err *err)
{
    if (err != NULL)
        text_hide_controls(err->text);
}

int cfg_json_load(const char *name, const char *text, size_t len, json_t **out, struct err *err)
{
    if (len == 0)
        return err_set(err, -EINVAL, "%s: is empty, must be a JSON object", name);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return err_set(err, -EINVAL,
                       "%s: begins with a byte order mark; save it as UTF-8 without one", name);
    /* Any value, so that one that is no object is called by its type: without, jansson would
     * propose an array too. */
    json_error_t where;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (root == NULL && json_error_code(&where) == json_error_null_character)
        return err_set(err, -EINVAL, "%s:%d:%d: \\u0000 is not allowed in a string", name,
                       where.line, where.column);
    if (root == NULL)
        return err_set(err, -EINVAL, "%s:%d:%d: %s", name, where.line, where.column, where.text);
    *out = root;
    return 0;
}

/* What a value is, for "must be an integer, is ...". */
static const char *describe(const json_t *value, char *buf, size_t size)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        (void)snprintf(buf, size, "the string \"%.40s\"", json_string_value(value));
        return buf;
    case JSON_INTEGER:
        (void)snprintf(buf, size, "the integer %lld", (long long)json_integer_value(value));
        return buf;
    case JSON_REAL:
        (void)snprintf(buf, size, "the number %g", json_real_value(value));
        return buf;
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        break;
    }
    return "null";
}

static int wrong_type(const struct cfg_at *at, const json_t *value, const char *expected)
{
    char buf[80];
    return cfg_bad(at, "must be %s, is %s", expected, describe(value, buf, sizeof(buf)));
}

static int unknown_key(const struct cfg_at *at, const char *key, const struct cfg_key *keys,
                       size_t n)
{
    char known[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                                 keys[i].name);
    struct cfg_at here = *at;
    here.key = key;
    return cfg_bad(&here, "unknown key (known: %s)", known);
}

static const struct cfg_key *find_key(const char *name, const struct cfg_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

/* The names that no key has; 0, or -EINVAL for the first. */
static int check_names(const struct cfg_at *at, const json_t *object, const struct cfg_key *keys,
                       size_t n)
{
    const char *name;
    json_t *value;
    int first = 0;
    /* The macro writes through the object's iterator only. */
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (find_key(name, keys, n) != NULL)
            continue;
        first = unknown_key(at, name, keys, n);
        if (at->report == NULL)
            break;
    }
    return first;
}

static int read_key(const struct cfg_at *at, const json_t *value, const struct cfg_key *key,
                    void *dst)
{
    struct cfg_at here = *at;
    here.key = key->name;
    here.spec = key;
    if (at->partial && (value == NULL || json_is_null(value)))
        return 0;
    if (value != NULL)
        return key->read(&here, value, dst);
    return key->required ? cfg_bad(&here, "is missing") : 0;
}

int cfg_read_object(const struct cfg_at *at, const json_t *object, const struct cfg_key *keys,
                    size_t n, void *dst)
{
    if (!json_is_object(object))
        return wrong_type(at, object, "an object");
    int first = check_names(at, object, keys, n);
    for (size_t i = 0; i < n && (first == 0 || at->report != NULL); i++) {
        int rc = read_key(at, json_object_get(object, keys[i].name), &keys[i], dst);
        if (first == 0)
            first = rc;
    }
    return first;
}

int cfg_read_uint(const struct cfg_at *at, const json_t *value, uint64_t min, uint64_t max,
                  uint64_t *out)
{
    if (!json_is_integer(value))
        return wrong_type(at, value, "an integer");
    long long v = json_integer_value(value);
    if (v < 0 || (uint64_t)v < min)
        return cfg_bad(at, "%lld is below the minimum of %llu", v, (unsigned long long)min);
    if ((uint64_t)v > max)
        return cfg_bad(at, "%lld is above the maximum of %llu", v, (unsigned long long)max);
    *out = (uint64_t)v;
    return 0;
}

int cfg_read_bool(const struct cfg_at *at, const json_t *value, bool *out)
{
    if (!json_is_boolean(value))
        return wrong_type(at, value, "true or false");
    *out = json_is_true(value);
    return 0;
}

int cfg_read_string(const struct cfg_at *at, const json_t *value, bool empty_ok, char **out)
{
    if (!json_is_string(value))
        return wrong_type(at, value, "a string");
    if (!empty_ok && json_string_length(value) == 0)
        return cfg_bad(at, "must not be empty");
    char *copy = strdup(json_string_value(value));
    if (copy == NULL)
        return err_set(at->err, -ENOMEM, "%s: out of memory", at->file);
    free(*out);
    *out = copy;
    return 0;
}

int cfg_read_text(const struct cfg_at *at, const json_t *value, char **out)
{
    return json_is_null(value) ? 0 : cfg_read_string(at, value, false, out);
}

int cfg_read_word(const struct cfg_at *at, const json_t *value, const struct cfg_word *words,
                  size_t n, unsigned *out)
{
    if (!json_is_string(value))
        return wrong_type(at, value, "a string");
    const char *text = json_string_value(value);
    char known[120] = "";
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i].word, text) == 0) {
            *out = words[i].value;
            return 0;
        }
        if (used < sizeof(known))
            used += (size_t)snprintf(known + used, sizeof(known) - used, "%s\"%s\"",
                                     i > 0 ? ", " : "", words[i].word);
    }
    return cfg_bad(at, "\"%.40s\" is not one of %s", text, known);
}

int cfg_refuse_true(const struct cfg_at *at, const json_t *value, void *dst)
{
    (void)dst;
    bool asked = false;
    int rc = cfg_read_bool(at, value, &asked);
    if (rc < 0 || !asked)
        return rc;
    return cfg_bad(at, "%s not supported by this version of Aerostat", at->spec->note);
}

int cfg_refuse_section(const struct cfg_at *at, const json_t *value, void *dst)
{
    (void)dst;
    if (json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0))
        return 0;
    return cfg_bad(at, "%s not supported by this version of Aerostat", at->spec->note);
}
