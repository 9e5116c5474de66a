/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leveled messages, on standard error or in a file. Programs log, libraries return errors; devices
 * log only through log_limited().
 *
 * On standard error a line is "aerostat: warning: MESSAGE". log_open() and log_set_format() change
 * to Firecracker's form, "2026-01-31T23:59:59.123456789 [ID:THREAD:WARN:FILE:LINE] MESSAGE", where
 * the level and the origin are there if asked for.
 */
#ifndef AEROSTAT_BASE_LOG_H
#define AEROSTAT_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"

/* LOG_OFF is a level to set, not one of a message. */
enum log_level { LOG_OFF = -1, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* What Firecracker's logger starts with, and ours where that is asked for. */
#define LOG_FIRECRACKER_LEVEL LOG_INFO

/* An identifier of a machine, as lines show it. */
#define LOG_ID_MAX 64u

/* Messages above this level are dropped. Default LOG_WARN. Any thread. */
void log_set_level(enum log_level level);

/*
 * Off, error, warn or warning, info, debug, and trace, which is debug here; in any case of letters.
 * Returns 0, or -EINVAL and *out is untouched. Any thread.
 */
int log_parse_level(const char *text, enum log_level *out);

/* "Off", "Error", "Warn", "Info" or "Debug", as Firecracker writes them in JSON. Any thread. */
const char *log_level_name(enum log_level level);

/*
 * From now on messages go to a file or FIFO (outfile.h) in Firecracker's form, without the level
 * and the origin unless log_set_format() said so. Again: to another one, or to a new file of that
 * name; a message of the moment goes to either. One thread at a time, while others may log. Returns
 * 0 or -errno with a sentence that begins with the path, and nothing has changed.
 */
int log_open(const char *path, struct err *err);

/* Back to standard error and to its form. No other thread may log. */
void log_close(void);

/* Firecracker's form from now on, standard error included, with or without these. Any thread. */
void log_set_format(bool level, bool origin);

/*
 * Who speaks, in Firecracker's form: "anonymous-instance" until this is called. Copied, at most
 * LOG_ID_MAX bytes of it. Before other threads log.
 */
void log_set_id(const char *id);

/* While a raw-mode terminal is in use lines on standard error must end in CR LF. Any thread. */
void log_set_raw_terminal(bool raw);

/* Messages that were wanted and are nowhere to be read, since the start. */
struct log_counts {
    uint64_t lost;         /* nobody read them, the disk was full, ... */
    uint64_t rate_limited; /* held back by a struct log_limit */
};

/* Any thread. */
void log_counts(struct log_counts *out);

/* One line, one write(2), from a place in the source; lost where nobody reads, rather than waited
 * for. Any thread. */
void log_at(enum log_level level, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define log_msg(level, ...) log_at(level, __FILE__, __LINE__, __VA_ARGS__)
#define log_error(...)      log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)       log_msg(LOG_WARN, __VA_ARGS__)
#define log_info(...)       log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...)      log_msg(LOG_DEBUG, __VA_ARGS__)

/* A budget for messages that a guest can cause: LOG_LIMIT_BURST a second. Zero-initialise. */
struct log_limit {
    uint64_t window_start_ns;
    uint32_t used;
    uint32_t suppressed;
};

/*
 * True if a message may be written now; *out_suppressed is how many were held back since the last
 * one that was. The caller's thread owns limit.
 */
bool log_limit_pass(struct log_limit *limit, uint32_t *out_suppressed);

/* A guest-triggered warning, at most LOG_LIMIT_BURST a second for each limit; says how many were
 * held back. The caller's thread owns limit. */
void log_limited_at(struct log_limit *limit, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define log_limited(limit, ...) log_limited_at(limit, __FILE__, __LINE__, __VA_ARGS__)

#define LOG_LIMIT_BURST 5u

#endif
