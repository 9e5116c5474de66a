/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes ACPI Machine Language (ACPI 6.4, chapter 20) into a buffer. Terms follow each other;
 * those that contain others are opened and closed. What does not fit sets overflow and is dropped.
 */
#ifndef AEROSTAT_BOOT_X86_64_AML_H
#define AEROSTAT_BOOT_X86_64_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise but for buf and cap. */
struct aml {
    uint8_t *buf; /* borrowed, cap bytes */
    size_t cap;
    size_t len;
    bool overflow;
};

/* Scope (name): a NameString without dots, such as "\\_SB_". Returns the mark for aml_close(). */
size_t aml_open_scope(struct aml *aml, const char *name);

/* Device (name): four characters. Returns the mark for aml_close(). */
size_t aml_open_device(struct aml *aml, const char *name);

/* Package of count elements, which follow as terms. Returns the mark for aml_close(). */
size_t aml_open_package(struct aml *aml, uint8_t count);

/* Ends what returned mark, innermost first: inserts its length, in as few bytes as it takes. */
void aml_close(struct aml *aml, size_t mark);

/* Name (name, ...): the value follows as the next term. */
void aml_name(struct aml *aml, const char *name);

/* An integer in its shortest form. */
void aml_integer(struct aml *aml, uint64_t value);

/* A string of ASCII. */
void aml_string(struct aml *aml, const char *text);

/* A buffer with len bytes. */
void aml_buffer(struct aml *aml, const void *data, size_t len);

#endif
