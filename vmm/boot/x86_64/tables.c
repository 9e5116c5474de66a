/* SPDX-License-Identifier: Apache-2.0 */
/* What the writers of tables share. */
#include "vmm/boot/x86_64/tables.h"

#include <inttypes.h>

int boot_put(const struct gm *gm, uint64_t gpa, const void *src, size_t len, const char *what,
             struct err *err)
{
    int rc = gm_write(gm, gpa, src, len);
    if (rc < 0)
        return err_sys(err, rc, "%s: %zu bytes at 0x%" PRIx64 " are not all RAM", what, len, gpa);
    return 0;
}

uint8_t table_checksum(const void *data, size_t len)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)data)[i]);
    return (uint8_t)-sum;
}
