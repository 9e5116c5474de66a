/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: names of machines, and what a lock says. A name that is taken is one component of a
 * path; one that is not gets a sentence of one line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/registry/registry_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_name(const char *name)
{
    struct err err = {0};
    if (registry_check_name(name, &err) == 0) {
        require(name[0] != '.' && name[0] != '-' && strchr(name, '/') == NULL);
        require(strlen(name) >= 1 && strlen(name) <= REGISTRY_NAME_MAX);
        require(err.text[0] == '\0');
        return;
    }
    require(err.text[0] != '\0');
    for (const char *c = err.text; *c != '\0'; c++)
        require((unsigned char)*c >= 0x20 && *c < 0x7f);
}

static void parse_record(const char *text, size_t size)
{
    pid_t pid = -1;
    if (record_parse(text, size, &pid)) {
        require(pid >= 0);
        require(pid > 0 ? text[size - 1] == '\n' && atoi(text) == pid : size == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    check_name(text);
    parse_record(text, size);
    free(text);
    return 0;
}
