/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on standard error, and the budget of those that a guest can cause. */
#include "vmm/base/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/clock.h"

#define NS_PER_S UINT64_C(1000000000)

static _Atomic int max_level = LOG_WARN;
static _Atomic bool raw_terminal;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

void log_set_raw_terminal(bool raw)
{
    atomic_store_explicit(&raw_terminal, raw, memory_order_relaxed);
}

static bool is_wanted(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

__attribute__((format(printf, 2, 0))) static void write_line(enum log_level level, const char *fmt,
                                                             va_list args)
{
    static const char *const prefix[] = {
        "aerostat: error: ", "aerostat: warning: ", "aerostat: ", "aerostat: debug: "};
    char line[1024];
    size_t used = (size_t)snprintf(line, sizeof(line), "%s", prefix[level]);
    /* Two bytes stay free for the line ending. */
    int wrote = vsnprintf(line + used, sizeof(line) - used - 2, fmt, args);
    if (wrote > 0)
        used = strlen(line);
    if (atomic_load_explicit(&raw_terminal, memory_order_relaxed))
        line[used++] = '\r';
    line[used++] = '\n';
    /* A reader that has stopped reading must not stop us: whoever logs may be the thread that
     * others wait for. */
    struct pollfd reader = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&reader, 1, 0) == 0)
        return;
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    if (!is_wanted(level))
        return;
    va_list args;
    va_start(args, fmt);
    write_line(level, fmt, args);
    va_end(args);
}

bool log_limit_pass(struct log_limit *limit, uint32_t *out_suppressed)
{
    uint64_t now = clock_mono_ns();
    if (limit->used == 0 || now - limit->window_start_ns >= NS_PER_S) {
        limit->window_start_ns = now;
        limit->used = 0;
    }
    if (limit->used >= LOG_LIMIT_BURST) {
        limit->suppressed++;
        return false;
    }
    limit->used++;
    *out_suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}

void log_limited(struct log_limit *limit, const char *fmt, ...)
{
    uint32_t suppressed;
    if (!is_wanted(LOG_WARN) || !log_limit_pass(limit, &suppressed))
        return;
    va_list args;
    va_start(args, fmt);
    write_line(LOG_WARN, fmt, args);
    va_end(args);
    if (suppressed > 0)
        log_msg(LOG_WARN, "%u similar messages were held back", suppressed);
}
