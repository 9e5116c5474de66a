/* SPDX-License-Identifier: Apache-2.0 */
/* Leveled messages on standard error. Programs log, libraries return errors; devices log only
 * through log_limited(). */
#ifndef AEROSTAT_BASE_LOG_H
#define AEROSTAT_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Messages above this level are dropped. Default LOG_WARN. Call before other threads run. */
void log_set_level(enum log_level level);

/* While a raw-mode terminal is in use lines must end in CR LF. Any thread. */
void log_set_raw_terminal(bool raw);

/* One line, one write(2); dropped where nobody reads standard error, rather than waited for. Any
 * thread. */
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_msg(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)

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
 * held back. */
void log_limited(struct log_limit *limit, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define LOG_LIMIT_BURST 5u

#endif
