/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as sentences for the user show them: short enough to leave room for the reason. */
#ifndef AEROSTAT_BASE_PATH_H
#define AEROSTAT_BASE_PATH_H

#include <string.h>

/* Room for a path as it is shown, with its NUL. */
#define PATH_SHOWN_MAX 204u

/*
 * Writes path to out, or "..." and its end where it does not fit: the end is what tells files
 * apart. A UTF-8 character is not cut in half. Any thread.
 */
static inline void path_show(const char *path, char out[PATH_SHOWN_MAX])
{
    static const char dots[] = "...";
    size_t len = strlen(path);
    if (len >= PATH_SHOWN_MAX) {
        path += len - (PATH_SHOWN_MAX - sizeof(dots));
        while (((unsigned char)*path & 0xc0) == 0x80)
            path++;
        len = strlen(path);
        memcpy(out, dots, sizeof(dots) - 1);
        out += sizeof(dots) - 1;
    }
    memcpy(out, path, len + 1);
}

#endif
