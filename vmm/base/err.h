/* SPDX-License-Identifier: Apache-2.0 */
/* An error with a sentence for the user: what was wrong, its value, the bound and the way out. */
#ifndef AEROSTAT_BASE_ERR_H
#define AEROSTAT_BASE_ERR_H

/* Empty text means that no error was recorded. Owned by the caller, usually on its stack. */
struct err {
    char text[640];
};

/*
 * Records a sentence and returns code (a negative errno value), so that callers can write
 * `return err_set(err, -EINVAL, "...")`. err may be NULL. Any thread, for distinct objects.
 */
int err_set(struct err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), warn_unused_result));

/* As err_set(), and appends ": " and the text of errno value -code. */
int err_sys(struct err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), warn_unused_result));

#endif
