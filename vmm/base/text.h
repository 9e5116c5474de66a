/* SPDX-License-Identifier: Apache-2.0 */
/* Text from elsewhere, in a message of one line. */
#ifndef AEROSTAT_BASE_TEXT_H
#define AEROSTAT_BASE_TEXT_H

/*
 * Replaces control characters by '?': a line feed in a name or path must not pass for the end of
 * the message. Any thread.
 */
static inline void text_hide_controls(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

#endif
