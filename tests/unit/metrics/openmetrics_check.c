/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader of OpenMetrics 1.0 text, line by line. */
#include "tests/unit/metrics/openmetrics_check.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FAMILIES_MAX 256
#define SAMPLES_MAX  256
#define NAME_MAX_LEN 96
#define LINE_MAX_LEN 1024

enum stage { AT_TYPE, AT_UNIT, AT_HELP, AT_SAMPLES };

struct reader {
    char families[FAMILIES_MAX][NAME_MAX_LEN]; /* all so far; the last is the one at hand */
    size_t family_count;
    char samples[SAMPLES_MAX][LINE_MAX_LEN]; /* of the family at hand: name and labels */
    size_t sample_count;
    char type[16];
    enum stage stage; /* what came last */
    bool ended;
};

static char fault[2 * LINE_MAX_LEN];

__attribute__((format(printf, 1, 2))) static bool wrong(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(fault, sizeof(fault), fmt, args);
    va_end(args);
    return false;
}

static bool is_name(const char *s, size_t len)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return len > 0 && strchr(first, s[0]) != NULL && strspn(s, others) >= len;
}

static bool ends_with(const char *s, const char *end)
{
    size_t len = strlen(s);
    size_t end_len = strlen(end);
    return len > end_len && strcmp(s + len - end_len, end) == 0;
}

static const char *family(const struct reader *r)
{
    return r->family_count == 0 ? "" : r->families[r->family_count - 1];
}

static bool is_known_type(const char *type)
{
    static const char *const known[] = {"counter", "gauge", "info", "stateset"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(type, known[i]) == 0)
            return true;
    }
    return false;
}

static bool begin_family(struct reader *r, const char *name, const char *type)
{
    if (r->family_count > 0 && (r->stage != AT_SAMPLES || r->sample_count == 0))
        return wrong("family %s has no sample", family(r));
    if (!is_name(name, strlen(name)) || strlen(name) >= NAME_MAX_LEN)
        return wrong("\"%s\" is no name of a family", name);
    if (ends_with(name, "_total") || ends_with(name, "_info"))
        return wrong("family %s is named like a sample", name);
    for (size_t i = 0; i < r->family_count; i++) {
        if (strcmp(r->families[i], name) == 0)
            return wrong("family %s comes again", name);
    }
    if (!is_known_type(type) || r->family_count == FAMILIES_MAX)
        return wrong("family %s: unknown type %s, or one too many", name, type);
    (void)snprintf(r->families[r->family_count++], NAME_MAX_LEN, "%s", name);
    (void)snprintf(r->type, sizeof(r->type), "%s", type);
    r->sample_count = 0;
    r->stage = AT_TYPE;
    return true;
}

static bool read_unit(struct reader *r, const char *unit)
{
    char suffix[32];
    (void)snprintf(suffix, sizeof(suffix), "_%s", unit);
    if (r->stage != AT_TYPE)
        return wrong("UNIT of %s is not behind its TYPE", family(r));
    if (!ends_with(family(r), suffix))
        return wrong("%s does not end with its unit %s", family(r), unit);
    if (strcmp(r->type, "info") == 0 || strcmp(r->type, "stateset") == 0)
        return wrong("%s of type %s has a unit", family(r), r->type);
    r->stage = AT_UNIT;
    return true;
}

static bool read_help(struct reader *r, const char *help)
{
    if (r->stage != AT_TYPE && r->stage != AT_UNIT)
        return wrong("HELP of %s is not behind TYPE and UNIT", family(r));
    if (*help == '\0' || strpbrk(help, "\\\"") != NULL)
        return wrong("HELP of %s is empty or needs an escape", family(r));
    r->stage = AT_HELP;
    return true;
}

/* "# WORD NAME TEXT" */
static bool read_comment(struct reader *r, const char *line)
{
    char word[8];
    char name[NAME_MAX_LEN];
    int at = 0;
    if (strcmp(line, "# EOF") == 0) {
        r->ended = true;
        return r->stage == AT_SAMPLES || wrong("family %s has no sample", family(r));
    }
    if (sscanf(line, "# %7[A-Z] %95[^ ] %n", word, name, &at) != 2 || at == 0)
        return wrong("unreadable comment: %s", line);
    if (strcmp(word, "TYPE") == 0)
        return begin_family(r, name, line + at);
    if (strcmp(name, family(r)) != 0)
        return wrong("%s of %s is among the lines of %s", word, name, family(r));
    if (strcmp(word, "UNIT") == 0)
        return read_unit(r, line + at);
    return strcmp(word, "HELP") == 0 ? read_help(r, line + at) : wrong("comment %s", word);
}

/* *at is behind the opening quote; afterwards behind the closing one. */
static bool skip_value(const char **at)
{
    for (const char *s = *at; *s != '\0'; s++) {
        if (*s == '"') {
            *at = s + 1;
            return true;
        }
        if (*s == '\\' && (*++s == '\0' || strchr("\\\"n", *s) == NULL))
            return wrong("illegal escape: %s", *at);
    }
    return wrong("a label's value does not end: %s", *at);
}

/* *at is on the opening brace; afterwards behind the closing one. */
static bool skip_labels(const char **at)
{
    char seen[LINE_MAX_LEN] = ",";
    char key[NAME_MAX_LEN];
    bool has_id = false;
    do {
        const char *name = *at + 1;
        size_t len = strcspn(name, "=");
        if (!is_name(name, len) || len > 64 || name[len] != '=' || name[len + 1] != '"')
            return wrong("no label: %s", name);
        (void)snprintf(key, sizeof(key), ",%.*s,", (int)len, name);
        if (strstr(seen, key) != NULL)
            return wrong("a label comes twice: %s", name);
        (void)strncat(seen, key + 1, sizeof(seen) - strlen(seen) - 1);
        has_id = has_id || strcmp(key, ",id,") == 0;
        *at = name + len + 2;
        if (!skip_value(at))
            return false;
    } while (**at == ',');
    if (*(*at)++ != '}')
        return wrong("labels do not end: %s", *at - 1);
    return has_id || wrong("no label id");
}

static bool is_value(const char *s, const char *type)
{
    static const char digits[] = "0123456789";
    size_t whole = strspn(s, digits);
    if (strcmp(type, "info") == 0)
        return strcmp(s, "1") == 0;
    if (strcmp(type, "stateset") == 0)
        return strcmp(s, "0") == 0 || strcmp(s, "1") == 0;
    if (whole == 0 || s[whole] == '\0')
        return whole > 0;
    size_t fraction = strspn(s + whole + 1, digits);
    return s[whole] == '.' && fraction > 0 && s[whole + 1 + fraction] == '\0';
}

static bool read_sample(struct reader *r, const char *line)
{
    char expected[NAME_MAX_LEN + 8];
    size_t len = strcspn(line, "{ ");
    const char *at = line + len;
    (void)snprintf(expected, sizeof(expected), "%s%s", family(r),
                   strcmp(r->type, "counter") == 0 ? "_total"
                   : strcmp(r->type, "info") == 0  ? "_info"
                                                   : "");
    if (r->stage != AT_HELP && r->stage != AT_SAMPLES)
        return wrong("a sample comes before the HELP of %s: %s", family(r), line);
    if (strlen(expected) != len || memcmp(expected, line, len) != 0)
        return wrong("not a sample of %s, a %s: %s", family(r), r->type, line);
    if (*at != '{')
        return wrong("no labels: %s", line);
    if (!skip_labels(&at))
        return false;
    if (*at != ' ' || !is_value(at + 1, r->type))
        return wrong("not a value of a %s: %s", r->type, line);
    for (size_t i = 0; i < r->sample_count; i++) {
        if (strncmp(r->samples[i], line, (size_t)(at - line)) == 0)
            return wrong("comes again: %s", line);
    }
    if (r->sample_count == SAMPLES_MAX)
        return wrong("too many samples of %s", family(r));
    (void)snprintf(r->samples[r->sample_count++], LINE_MAX_LEN, "%s", line);
    r->stage = AT_SAMPLES;
    return true;
}

static bool is_utf8(const char *line)
{
    json_t *text = json_string(line);
    json_decref(text);
    return text != NULL || wrong("not UTF-8: %s", line);
}

const char *openmetrics_fault(const char *text)
{
    static struct reader reader;
    char line[LINE_MAX_LEN];
    reader = (struct reader){.stage = AT_SAMPLES};
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        if (reader.ended || text[len] != '\n' || len == 0 || len >= sizeof(line)) {
            (void)wrong("behind the end, without line feed, empty or too long: %.200s", text);
            return fault;
        }
        memcpy(line, text, len);
        line[len] = '\0';
        if (!is_utf8(line) ||
            !(line[0] == '#' ? read_comment(&reader, line) : read_sample(&reader, line)))
            return fault;
        text += len + 1;
    }
    return reader.ended ? NULL : "no # EOF";
}
