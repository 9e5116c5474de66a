/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes the few AML terms that a DSDT of a microVM has. */
#include "vmm/boot/x86_64/aml.h"

#include <string.h>

/* ACPI 6.4, 20.2 and 20.3. */
enum {
    AML_ZERO = 0x00,
    AML_ONE = 0x01,
    AML_NAME = 0x08,
    AML_BYTE = 0x0a,
    AML_WORD = 0x0b,
    AML_DWORD = 0x0c,
    AML_STRING = 0x0d,
    AML_QWORD = 0x0e,
    AML_SCOPE = 0x10,
    AML_BUFFER = 0x11,
    AML_PACKAGE = 0x12,
    AML_EXT = 0x5b,
    AML_EXT_DEVICE = 0x82,
};

#define PKG_LENGTH_MAX ((1u << 28) - 1)

static void put(struct aml *aml, const void *data, size_t len)
{
    if (aml->overflow || len > aml->cap - aml->len) {
        aml->overflow = true;
        return;
    }
    memcpy(aml->buf + aml->len, data, len);
    aml->len += len;
}

static void put_byte(struct aml *aml, uint8_t byte)
{
    put(aml, &byte, 1);
}

static void put_text(struct aml *aml, const char *text)
{
    put(aml, text, strlen(text));
}

size_t aml_open_scope(struct aml *aml, const char *name)
{
    put_byte(aml, AML_SCOPE);
    size_t mark = aml->len;
    put_text(aml, name);
    return mark;
}

size_t aml_open_device(struct aml *aml, const char *name)
{
    put_byte(aml, AML_EXT);
    put_byte(aml, AML_EXT_DEVICE);
    size_t mark = aml->len;
    put_text(aml, name);
    return mark;
}

size_t aml_open_package(struct aml *aml, uint8_t count)
{
    put_byte(aml, AML_PACKAGE);
    size_t mark = aml->len;
    put_byte(aml, count);
    return mark;
}

/*
 * PkgLength (ACPI 6.4, 20.2.4) counts itself. One byte holds 6 bits; in longer forms the first
 * has the lowest 4 bits and the number of bytes that follow, each with 8 bits.
 */
static size_t encode_pkg_length(size_t content, uint8_t out[4])
{
    if (content + 1 < 1u << 6) {
        out[0] = (uint8_t)(content + 1);
        return 1;
    }
    size_t bytes = 2;
    while (bytes < 4 && content + bytes >= (size_t)1 << (4 + 8 * (bytes - 1)))
        bytes++;
    size_t length = content + bytes;
    out[0] = (uint8_t)((bytes - 1) << 6 | (length & 0xf));
    for (size_t i = 1; i < bytes; i++)
        out[i] = (uint8_t)(length >> (4 + 8 * (i - 1)));
    return bytes;
}

void aml_close(struct aml *aml, size_t mark)
{
    if (aml->overflow)
        return;
    size_t content = aml->len - mark;
    uint8_t length[4];
    size_t bytes = encode_pkg_length(content, length);
    if (content > PKG_LENGTH_MAX - bytes || bytes > aml->cap - aml->len) {
        aml->overflow = true;
        return;
    }
    memmove(aml->buf + mark + bytes, aml->buf + mark, content);
    memcpy(aml->buf + mark, length, bytes);
    aml->len += bytes;
}

void aml_name(struct aml *aml, const char *name)
{
    put_byte(aml, AML_NAME);
    put_text(aml, name);
}

void aml_integer(struct aml *aml, uint64_t value)
{
    if (value <= 1) {
        put_byte(aml, value == 0 ? AML_ZERO : AML_ONE);
        return;
    }
    size_t bytes = value <= UINT8_MAX ? 1 : value <= UINT16_MAX ? 2 : value <= UINT32_MAX ? 4 : 8;
    static const uint8_t prefix[] = {
        [1] = AML_BYTE, [2] = AML_WORD, [4] = AML_DWORD, [8] = AML_QWORD};
    put_byte(aml, prefix[bytes]);
    for (size_t i = 0; i < bytes; i++)
        put_byte(aml, (uint8_t)(value >> (8 * i)));
}

void aml_string(struct aml *aml, const char *text)
{
    put_byte(aml, AML_STRING);
    put(aml, text, strlen(text) + 1);
}

void aml_buffer(struct aml *aml, const void *data, size_t len)
{
    put_byte(aml, AML_BUFFER);
    size_t mark = aml->len;
    aml_integer(aml, len);
    put(aml, data, len);
    aml_close(aml, mark);
}
