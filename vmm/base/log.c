/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on standard error or in a file, and the budget of those that a guest can cause. */
#include "vmm/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/clock.h"
#include "vmm/base/num.h"
#include "vmm/base/outfile.h"
#include "vmm/base/text.h"

#define NS_PER_S UINT64_C(1000000000)

/* Below PIPE_BUF: a pipe takes a line whole or not at all. */
#define LINE_SIZE 1280u

enum { FORM_FIELDS = 1, FORM_LEVEL = 2, FORM_ORIGIN = 4 };

struct origin {
    const char *file;
    int line;
};

static _Atomic int max_level = LOG_WARN;
static _Atomic bool raw_terminal;
static _Atomic unsigned form;
static _Atomic int output = -1; /* -1: standard error */
static _Atomic uint64_t lost;
static _Atomic uint64_t rate_limited;
static char instance_id[LOG_ID_MAX + 1] = "anonymous-instance"; /* written before threads run */

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

int log_parse_level(const char *text, enum log_level *out)
{
    static const struct {
        const char *name;
        enum log_level level;
    } names[] = {
        {"off", LOG_OFF},   {"error", LOG_ERROR}, {"warn", LOG_WARN},   {"warning", LOG_WARN},
        {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {"trace", LOG_DEBUG},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcasecmp(text, names[i].name) == 0) {
            *out = names[i].level;
            return 0;
        }
    }
    return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"Error", "Warn", "Info", "Debug"};
    return level < LOG_ERROR ? "Off" : names[level];
}

void log_set_raw_terminal(bool raw)
{
    atomic_store_explicit(&raw_terminal, raw, memory_order_relaxed);
}

void log_set_format(bool level, bool origin)
{
    unsigned wanted = FORM_FIELDS | (level ? FORM_LEVEL : 0u) | (origin ? FORM_ORIGIN : 0u);
    atomic_store_explicit(&form, wanted, memory_order_relaxed);
}

void log_set_id(const char *id)
{
    (void)snprintf(instance_id, sizeof(instance_id), "%s", id);
}

void log_counts(struct log_counts *out)
{
    out->lost = atomic_load_explicit(&lost, memory_order_relaxed);
    out->rate_limited = atomic_load_explicit(&rate_limited, memory_order_relaxed);
}

int log_open(const char *path, struct err *err)
{
    int fd;
    int rc = outfile_open(path, &fd, err);
    if (rc < 0)
        return rc;
    (void)atomic_fetch_or_explicit(&form, FORM_FIELDS, memory_order_relaxed);
    int old = atomic_load_explicit(&output, memory_order_relaxed);
    if (old < 0) {
        /* Release: pairs with the acquire in write_line(). */
        atomic_store_explicit(&output, fd, memory_order_release);
        return 0;
    }
    /* Whoever is about to write to the number writes to one file or the other, never to a
     * stranger's descriptor. */
    if (dup3(fd, old, O_CLOEXEC) < 0)
        rc = err_sys(err, -errno, "%s: cannot take the place of the log", path);
    (void)close(fd);
    return rc;
}

void log_close(void)
{
    int fd = atomic_exchange_explicit(&output, -1, memory_order_relaxed);
    if (fd >= 0)
        (void)close(fd);
    atomic_store_explicit(&form, 0, memory_order_relaxed);
}

static bool is_wanted(enum log_level level)
{
    return level >= LOG_ERROR &&
           (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

/* Rust calls the first thread so, and so do readers of Firecracker's logs; here it bears the name
 * of the program. */
static void thread_name(char out[16])
{
    if (getpid() == gettid())
        (void)strcpy(out, "main");
    else if (pthread_getname_np(pthread_self(), out, 16) != 0)
        (void)strcpy(out, "-");
}

/* All before the message; room is enough for it. Returns its length. */
static size_t put_fields(char *line, size_t room, enum log_level level, struct origin at,
                         unsigned wanted)
{
    static const char *const names[] = {":ERROR", ":WARN", ":INFO", ":DEBUG"};
    struct timespec now = {0};
    struct tm t = {0};
    char name[16] = "";
    char origin[80] = "";
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)localtime_r(&now.tv_sec, &t);
    thread_name(name);
    if ((wanted & FORM_ORIGIN) != 0)
        (void)snprintf(origin, sizeof(origin), ":%s:%d", at.file, at.line);
    (void)snprintf(line, room, "%d-%02d-%02dT%02d:%02d:%02d.%09ld [%s:%s%s%s] ", t.tm_year + 1900,
                   t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, now.tv_nsec, instance_id,
                   name, (wanted & FORM_LEVEL) != 0 ? names[level] : "", origin);
    return strlen(line);
}

static size_t put_prefix(char *line, size_t room, enum log_level level)
{
    static const char *const prefix[] = {
        "aerostat: error: ", "aerostat: warning: ", "aerostat: ", "aerostat: debug: "};
    (void)snprintf(line, room, "%s", prefix[level]);
    return strlen(line);
}

static void emit(int fd, const char *line, size_t len)
{
    /* A reader that has stopped reading must not stop us: whoever logs may be the thread that
     * others wait for. */
    struct pollfd reader = {.fd = fd, .events = POLLOUT};
    if (poll(&reader, 1, 0) != 0 && write(fd, line, len) == (ssize_t)len)
        return;
    (void)atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
}

__attribute__((format(printf, 3, 0))) static void write_line(enum log_level level, struct origin at,
                                                             const char *fmt, va_list args)
{
    char line[LINE_SIZE];
    /* Acquire: pairs with the release in log_open(): its form is seen with its descriptor. */
    int fd = atomic_load_explicit(&output, memory_order_acquire);
    unsigned wanted = atomic_load_explicit(&form, memory_order_relaxed);
    size_t used = wanted == 0 ? put_prefix(line, sizeof(line), level)
                              : put_fields(line, sizeof(line), level, at, wanted);
    /* Two bytes stay free for the line ending. */
    int wrote = vsnprintf(line + used, sizeof(line) - used - 2, fmt, args);
    if (wrote < 0)
        line[used] = '\0';
    if (wanted != 0)
        text_hide_controls(line);
    used += strlen(line + used);
    if (fd < 0 && atomic_load_explicit(&raw_terminal, memory_order_relaxed))
        line[used++] = '\r';
    line[used++] = '\n';
    emit(fd < 0 ? STDERR_FILENO : fd, line, used);
}

void log_at(enum log_level level, const char *file, int line, const char *fmt, ...)
{
    if (!is_wanted(level))
        return;
    va_list args;
    va_start(args, fmt);
    write_line(level, (struct origin){file, line}, fmt, args);
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
        (void)atomic_fetch_add_explicit(&rate_limited, 1, memory_order_relaxed);
        return false;
    }
    limit->used++;
    *out_suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}

void log_limited_at(struct log_limit *limit, const char *file, int line, const char *fmt, ...)
{
    uint32_t suppressed;
    if (!is_wanted(LOG_WARN) || !log_limit_pass(limit, &suppressed))
        return;
    va_list args;
    va_start(args, fmt);
    write_line(LOG_WARN, (struct origin){file, line}, fmt, args);
    va_end(args);
    if (suppressed > 0)
        log_at(LOG_WARN, file, line, "%u similar messages were held back", suppressed);
}
