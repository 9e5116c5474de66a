/* SPDX-License-Identifier: Apache-2.0 */
/* Values as a command line has them: sizes, counts, and the words for choices. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/config/config.h"
#include "vmm/config/config_priv.h"

const struct cfg_word cfg_backing_words[] = {
    {"4k", GM_BACKING_4K}, {"thp", GM_BACKING_THP}, {"hugetlb-2m", GM_BACKING_HUGETLB_2M}};
const size_t cfg_backing_word_count = ARRAY_LEN(cfg_backing_words);

const struct cfg_word cfg_sg_words[] = {
    {"auto", BALLOON_SG_AUTO}, {"bit3", BALLOON_SG_BIT3}, {"off", BALLOON_SG_OFF}};
const size_t cfg_sg_word_count = ARRAY_LEN(cfg_sg_words);

const struct cfg_word cfg_discovery_words[] = {{"acpi", false}, {"cmdline", true}};
const size_t cfg_discovery_word_count = ARRAY_LEN(cfg_discovery_words);

/*
 * Reads decimal digits; *out saturates at UINT64_MAX. Returns what follows them, or NULL when there
 * is none: no blank, sign or base prefix, which strtoull(3) would let pass.
 */
static const char *read_digits(const char *text, uint64_t *out)
{
    const char *p = text;
    uint64_t value = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            !add_u64(value, (uint64_t)(*p - '0'), &value)) {
            value = UINT64_MAX;
            while (*p >= '0' && *p <= '9')
                p++;
            break;
        }
    }
    *out = value;
    return p == text ? NULL : p;
}

/* Bytes of the unit a suffix stands for; 0 for one that is none. */
static uint64_t unit_of(const char *suffix)
{
    if (*suffix == '\0')
        return MIB;
    if (suffix[1] != '\0')
        return 0;
    switch (*suffix) {
    case 'k':
    case 'K':
        return KIB;
    case 'm':
    case 'M':
        return MIB;
    case 'g':
    case 'G':
        return GIB;
    default:
        return 0;
    }
}

int cfg_parse_size(const char *what, const char *text, uint64_t *out_bytes, struct err *err)
{
    uint64_t value = 0;
    const char *suffix = read_digits(text, &value);
    uint64_t unit = suffix == NULL ? 0 : unit_of(suffix);
    int rc = 0;
    if (text[0] == '-' && text[1] >= '0' && text[1] <= '9')
        rc = err_set(err, -EINVAL, "%s: %.40s: a size cannot be negative", what, text);
    else if (unit == 0)
        rc = err_set(err, -EINVAL,
                     "%s: \"%.40s\" is not a size: give a whole number with K, M or G, or alone "
                     "for MiB",
                     what, text);
    else if (value > CFG_MEM_MAX_MIB * MIB / unit)
        rc = err_set(err, -EINVAL, "%s: %.40s is above the maximum of %lluG", what, text,
                     (unsigned long long)(CFG_MEM_MAX_MIB / 1024));
    else if (!is_aligned(value * unit, GM_PAGE_SIZE))
        rc = err_set(err, -EINVAL, "%s: %.40s is not a multiple of the page size, 4096 bytes (4K)",
                     what, text);
    else
        *out_bytes = value * unit;
    cfg_one_line(rc < 0 ? err : NULL);
    return rc;
}

int cfg_parse_count(const char *what, const char *text, uint64_t min, uint64_t max,
                    uint64_t *out_value, struct err *err)
{
    uint64_t value = 0;
    const char *end = read_digits(text, &value);
    int rc = 0;
    if (end == NULL || *end != '\0')
        rc = err_set(err, -EINVAL, "%s: \"%.40s\" is not a whole number from %llu to %llu", what,
                     text, (unsigned long long)min, (unsigned long long)max);
    else if (value < min)
        rc = err_set(err, -EINVAL, "%s: %.40s is below the minimum of %llu", what, text,
                     (unsigned long long)min);
    else if (value > max)
        rc = err_set(err, -EINVAL, "%s: %.40s is above the maximum of %llu", what, text,
                     (unsigned long long)max);
    else
        *out_value = value;
    cfg_one_line(rc < 0 ? err : NULL);
    return rc;
}

static int parse_word(const char *what, const char *text, const struct cfg_word *words, size_t n,
                      unsigned *out, struct err *err)
{
    char known[80] = "";
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i].word, text) == 0) {
            *out = words[i].value;
            return 0;
        }
        if (used < sizeof(known))
            used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                                     words[i].word);
    }
    int rc = err_set(err, -EINVAL, "%s: \"%.40s\" is not one of %s", what, text, known);
    cfg_one_line(err);
    return rc;
}

int cfg_parse_backing(const char *what, const char *text, enum gm_backing *out, struct err *err)
{
    unsigned value = 0;
    int rc = parse_word(what, text, cfg_backing_words, cfg_backing_word_count, &value, err);
    if (rc == 0)
        *out = (enum gm_backing)value;
    return rc;
}

int cfg_parse_scatter_gather(const char *what, const char *text, enum balloon_sg *out,
                             struct err *err)
{
    unsigned value = 0;
    int rc = parse_word(what, text, cfg_sg_words, cfg_sg_word_count, &value, err);
    if (rc == 0)
        *out = (enum balloon_sg)value;
    return rc;
}

int cfg_parse_discovery(const char *what, const char *text, bool *out_on_cmdline, struct err *err)
{
    unsigned value = 0;
    int rc = parse_word(what, text, cfg_discovery_words, cfg_discovery_word_count, &value, err);
    if (rc == 0)
        *out_on_cmdline = value != 0;
    return rc;
}

int cfg_parse_switch(const char *what, const char *text, bool *out_on, struct err *err)
{
    static const struct cfg_word words[] = {{"on", true}, {"off", false}};
    unsigned value = 0;
    int rc = parse_word(what, text, words, ARRAY_LEN(words), &value, err);
    if (rc == 0)
        *out_on = value != 0;
    return rc;
}

static const char *word_of(unsigned value, const struct cfg_word *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (words[i].value == value)
            return words[i].word;
    }
    return "?";
}

const char *cfg_backing_name(enum gm_backing backing)
{
    return word_of(backing, cfg_backing_words, cfg_backing_word_count);
}

const char *cfg_scatter_gather_name(enum balloon_sg sg)
{
    return word_of(sg, cfg_sg_words, cfg_sg_word_count);
}
