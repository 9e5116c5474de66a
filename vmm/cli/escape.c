/* SPDX-License-Identifier: Apache-2.0 */
/* The console's escapes: Ctrl-A and a key. */
#include "vmm/cli/escape.h"

#define CTRL_A 0x01

size_t escape_feed(struct escape *escape, uint8_t typed, uint8_t out[2],
                   enum escape_command *out_command)
{
    *out_command = ESCAPE_NONE;
    if (!escape->prefix) {
        escape->prefix = typed == CTRL_A;
        out[0] = typed;
        return escape->prefix ? 0 : 1;
    }
    escape->prefix = false;
    out[0] = CTRL_A;
    switch (typed) {
    case 'x':
    case 'X':
        *out_command = ESCAPE_LEAVE;
        return 0;
    case 'h':
    case 'H':
        *out_command = ESCAPE_HELP;
        return 0;
    case 'a':
    case CTRL_A:
        return 1;
    default:
        out[1] = typed;
        return 2;
    }
}
