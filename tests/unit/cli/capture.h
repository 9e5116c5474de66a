/* SPDX-License-Identifier: Apache-2.0 */
/* What a command writes to one of the standard streams, which go to a file meanwhile. */
#ifndef AEROSTAT_TESTS_CLI_CAPTURE_H
#define AEROSTAT_TESTS_CLI_CAPTURE_H

#include <check.h>
#include <stdio.h>
#include <unistd.h>

struct capture {
    int stream;
    int old;
    FILE *file;
};

static inline void capture_begin(struct capture *c, int stream)
{
    (void)fflush(stdout);
    c->stream = stream;
    c->old = dup(stream);
    c->file = tmpfile();
    ck_assert_int_ge(dup2(fileno(c->file), stream), 0);
}

static inline void capture_end(struct capture *c, char *text, size_t size)
{
    (void)fflush(stdout);
    ck_assert_int_ge(dup2(c->old, c->stream), 0);
    close(c->old);
    rewind(c->file);
    text[fread(text, 1, size - 1, c->file)] = '\0';
    fclose(c->file);
}

#endif
