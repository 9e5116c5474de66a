/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/meminfo, and pressure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/host/host.h"

#define MEMINFO_MAX 8192u

/* The number behind "name:" at the beginning of a line. */
static bool find_number(const char *text, const char *name, uint64_t *out)
{
    size_t len = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            *out = strtoull(line + len + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

int host_memory(const char *root, struct host_memory *out)
{
    char text[MEMINFO_MAX];
    const struct {
        const char *name;
        uint64_t *to;
        uint64_t unit;
    } fields[] = {
        {"MemTotal", &out->total, KIB},
        {"MemAvailable", &out->available, KIB},
        {"SwapTotal", &out->swap_total, KIB},
        {"SwapFree", &out->swap_free, KIB},
        {"HugePages_Total", &out->huge_pages, 1},
        {"HugePages_Free", &out->huge_pages_free, 1},
        {"Hugepagesize", &out->huge_page_bytes, KIB},
    };
    *out = (struct host_memory){0};
    int rc = host_read(root, "/proc/meminfo", text, sizeof(text));
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        uint64_t value = 0;
        /* Kernels without swap or huge pages leave those out. */
        if (!find_number(text, fields[i].name, &value) && i < 2)
            return -EINVAL;
        if (__builtin_mul_overflow(value, fields[i].unit, fields[i].to))
            return -EINVAL;
    }
    return 0;
}

/* "some avg10=0.12 avg60=... avg300=... total=..." is the first line. */
int host_pressure(const char *root, const char *path, uint32_t *out_hundredths)
{
    static const char begins[] = "some avg10=";
    char text[256];
    char *end;
    int rc = host_read(root, path, text, sizeof(text));
    if (rc < 0)
        return rc;
    if (strncmp(text, begins, sizeof(begins) - 1) != 0)
        return -EINVAL;
    unsigned long whole = strtoul(text + sizeof(begins) - 1, &end, 10);
    if (whole > 100 || end[0] != '.' || end[1] < '0' || end[1] > '9' || end[2] < '0' ||
        end[2] > '9')
        return -EINVAL;
    *out_hundredths =
        (uint32_t)whole * 100 + (uint32_t)(end[1] - '0') * 10 + (uint32_t)(end[2] - '0');
    return 0;
}
