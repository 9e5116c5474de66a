/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the kernel command line. */
#include "vmm/boot/cmdline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/num.h"

/* Text that grows; len counts on past cap, so that the length needed can be told. */
struct line {
    char *buf;
    size_t cap;
    size_t len;
};

static void line_add(struct line *line, const char *text, size_t len)
{
    if (line->len < line->cap) {
        size_t room = line->cap - line->len;
        memcpy(line->buf + line->len, text, len < room ? len : room);
    }
    line->len += len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Length of the part of text that the kernel reads as parameters: up to a word "--". */
static size_t parameters_len(const char *text)
{
    bool quoted = false;
    bool word_start = true;
    size_t i = 0;
    for (; text[i] != '\0'; i++) {
        if (word_start && !quoted && text[i] == '-' && text[i + 1] == '-' &&
            (text[i + 2] == '\0' || is_blank(text[i + 2])))
            return i;
        if (text[i] == '"')
            quoted = !quoted;
        word_start = is_blank(text[i]);
    }
    return i;
}

/* <size>@<base>:<irq>, as the kernel's virtio_mmio.device= takes it. */
static void add_virtio(struct line *line, const struct boot_virtio_mmio *dev)
{
    bool whole_kib = is_aligned(dev->size_bytes, KIB);
    char text[96];
    int n = snprintf(text, sizeof(text), "virtio_mmio.device=%" PRIu64 "%s@0x%" PRIx64 ":%" PRIu32,
                     whole_kib ? dev->size_bytes / KIB : dev->size_bytes, whole_kib ? "K" : "",
                     dev->base_gpa, dev->gsi);
    if (line->len > 0)
        line_add(line, " ", 1);
    line_add(line, text, (size_t)n);
}

int cmdline_build(const struct boot_spec *spec, uint64_t limit_bytes, char *out, size_t cap,
                  size_t *out_len, struct err *err)
{
    const char *text = spec->cmdline != NULL ? spec->cmdline : "";
    size_t added = spec->virtio_on_cmdline ? spec->virtio_count : 0;
    size_t len = added > 0 ? parameters_len(text) : strlen(text);
    const char *rest = text + len;
    while (*rest != '\0' && len > 0 && is_blank(text[len - 1]))
        len--;

    struct line line = {.buf = out, .cap = cap};
    line_add(&line, text, len);
    for (size_t i = 0; i < added; i++)
        add_virtio(&line, &spec->virtio[i]);
    if (*rest != '\0')
        line_add(&line, " ", 1);
    line_add(&line, rest, strlen(rest));

    uint64_t limit = min_u64(limit_bytes, cap - 1);
    if (line.len > limit && added == 0)
        return err_set(err, -E2BIG,
                       "command line: %zu bytes are above the limit of %" PRIu64
                       " that the kernel takes",
                       line.len, limit);
    if (line.len > limit)
        return err_set(err, -E2BIG,
                       "command line: %zu bytes with what is added for virtio devices (%zu without)"
                       " are above the limit of %" PRIu64 " that the kernel takes",
                       line.len, strlen(text), limit);
    out[line.len] = '\0';
    *out_len = line.len;
    return 0;
}
