/* SPDX-License-Identifier: Apache-2.0 */
/* The last part of what the guest wrote: a ring of bytes. */
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/console/history_priv.h"

void history_append(struct history *h, const uint8_t *data, size_t len)
{
    if (len > HISTORY_BYTES) {
        h->end += len - HISTORY_BYTES;
        data += len - HISTORY_BYTES;
        len = HISTORY_BYTES;
    }
    size_t at = (size_t)(h->end % HISTORY_BYTES);
    size_t first = (size_t)min_u64(len, HISTORY_BYTES - at);
    memcpy(h->bytes + at, data, first);
    memcpy(h->bytes, data + first, len - first);
    h->end += len;
}

uint64_t history_start(const struct history *h)
{
    return sub_sat_u64(h->end, HISTORY_BYTES);
}

size_t history_peek(const struct history *h, uint64_t position, const uint8_t **out_data)
{
    size_t at = (size_t)(position % HISTORY_BYTES);
    *out_data = h->bytes + at;
    return (size_t)min_u64(h->end - position, HISTORY_BYTES - at);
}
