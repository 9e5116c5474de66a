/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP/1.1 request over a Unix socket, within a deadline and a bound on the answer. */

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vmm/api_client/client_priv.h"
#include "vmm/base/cleanup.h"
#include "vmm/base/clock.h"
#include "vmm/base/num.h"

#define NS_PER_MS UINT64_C(1000000)
/* How long to wait for a server whose backlog is full before asking again. */
#define RETRY_NS (10 * (long)NS_PER_MS)

static int timed_out(const struct exchange *x)
{
    return err_set(x->err, -ETIMEDOUT, "control socket %s: no answer within %u ms", x->socket_path,
                   x->timeout_ms);
}

int exchange_failed(const struct exchange *x, int code, const char *step)
{
    return err_sys(x->err, code, "control socket %s: %s", x->socket_path, step);
}

static int malformed(const struct exchange *x, const char *why)
{
    return err_set(x->err, -EPROTO, "control socket %s: the answer is not HTTP: %s", x->socket_path,
                   why);
}

static int wait_for(const struct exchange *x, short events)
{
    uint64_t now = clock_mono_ns();
    if (now >= x->deadline_ns)
        return timed_out(x);
    struct pollfd p = {.fd = x->fd, .events = events};
    int rc = poll(&p, 1, (int)((x->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS));
    if (rc < 0 && errno != EINTR)
        return exchange_failed(x, -errno, "waiting");
    return 0;
}

int exchange_connect(struct exchange *x)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(x->socket_path);
    if (len >= sizeof(addr.sun_path))
        return err_set(x->err, -ENAMETOOLONG,
                       "control socket: the path has %zu bytes, above the maximum of %zu", len,
                       sizeof(addr.sun_path) - 1);
    memcpy(addr.sun_path, x->socket_path, len);
    x->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (x->fd < 0)
        return exchange_failed(x, -errno, "cannot be created");
    while (connect(x->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
        if (errno == ECONNREFUSED)
            return exchange_failed(x, -errno, "nobody serves it");
        if (errno != EAGAIN && errno != EINTR)
            return exchange_failed(x, -errno, "cannot connect");
        if (clock_mono_ns() >= x->deadline_ns)
            return timed_out(x);
        (void)nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
    }
    return 0;
}

static int send_all(const struct exchange *x, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(x->fd, text, len, MSG_NOSIGNAL);
        if (sent >= 0) {
            text += sent;
            len -= (size_t)sent;
        } else if (errno == EAGAIN) {
            int rc = wait_for(x, POLLOUT);
            if (rc < 0)
                return rc;
        } else if (errno == EPIPE) {
            /* The server may have answered before it closed: what it said is worth more than this
             * error. */
            return 0;
        } else if (errno != EINTR) {
            return exchange_failed(x, -errno, "sending");
        }
    }
    return 0;
}

int exchange_send(const struct exchange *x, const char *method, const char *path, const char *body)
{
    char head[512];
    size_t body_len = body == NULL ? 0 : strlen(body);
    int n = snprintf(head, sizeof(head),
                     "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n"
                     "Accept: application/json\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     method, path, x->keep ? "keep-alive" : "close", body_len);
    if (n < 0 || (size_t)n >= sizeof(head))
        return exchange_failed(x, -E2BIG, "the request's path");
    int rc = send_all(x, head, (size_t)n);
    return rc < 0 ? rc : send_all(x, body, body_len);
}

/* The value of a header line in [head, end), or NULL. */
static const char *find_header(const char *head, const char *end, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = head; line < end;) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        if (eol == NULL)
            break;
        if ((size_t)(eol - line) > len && line[len] == ':' && strncasecmp(line, name, len) == 0) {
            const char *value = line + len + 1;
            return value + strspn(value, " \t");
        }
        line = eol + 1;
    }
    return NULL;
}

/* What is known of an answer once its header is complete. */
struct framing {
    const char *body;   /* NULL while the header has no end */
    const char *length; /* the value of Content-Length, NULL without one: until the server closes */
    unsigned long long announced;
    bool bad_length;
};

static struct framing find_framing(const struct exchange *x)
{
    struct framing f = {0};
    x->answer[x->len] = '\0';
    const char *end = strstr(x->answer, "\r\n\r\n");
    if (end == NULL)
        return f;
    f.body = end + 4;
    f.length = find_header(x->answer, end + 2, "Content-Length");
    if (f.length == NULL)
        return f;
    char *stop = NULL;
    f.announced = strtoull(f.length, &stop, 10);
    f.bad_length = stop == f.length || *f.length == '-' || *stop != '\r';
    return f;
}

bool exchange_is_complete(const struct exchange *x)
{
    struct framing f = find_framing(x);
    if (f.body == NULL || f.length == NULL)
        return false;
    return f.bad_length || f.announced <= x->len - (size_t)(f.body - x->answer);
}

static int receive_all(struct exchange *x)
{
    while (x->len <= API_RESPONSE_LIMIT) {
        ssize_t got = recv(x->fd, x->answer + x->len, API_RESPONSE_LIMIT + 1 - x->len, 0);
        if (got > 0) {
            x->len += (size_t)got;
            if (exchange_is_complete(x))
                return 0;
        } else if (got == 0 || (errno == ECONNRESET && x->len > 0)) {
            return 0;
        } else if (errno == EAGAIN) {
            int rc = wait_for(x, POLLIN);
            if (rc < 0)
                return rc;
        } else if (errno != EINTR) {
            return exchange_failed(x, -errno, "receiving");
        }
    }
    return err_set(x->err, -EFBIG, "control socket %s: the answer is larger than %zu bytes",
                   x->socket_path, API_RESPONSE_LIMIT);
}

/* "HTTP/1.x NNN ..." */
static bool parse_status(const char *line, unsigned *out)
{
    if (strncmp(line, "HTTP/1.", 7) != 0 || strspn(line + 7, "01") != 1 || line[8] != ' ')
        return false;
    if (strspn(line + 9, "0123456789") != 3)
        return false;
    *out = (unsigned)strtoul(line + 9, NULL, 10);
    return *out >= 100;
}

int exchange_parse(struct exchange *x, struct api_response *out)
{
    struct framing f = find_framing(x);
    if (x->len == 0)
        return malformed(x, "the connection was closed without one");
    unsigned status = 0;
    if (!parse_status(x->answer, &status))
        return malformed(x, "no status line");
    if (f.body == NULL)
        return malformed(x, "its header does not end");
    if (f.bad_length)
        return malformed(x, "a Content-Length that is no number");
    size_t body_len = x->len - (size_t)(f.body - x->answer);
    if (f.length != NULL && f.announced > body_len)
        return malformed(x, "it ends early");
    if (f.length != NULL)
        body_len = (size_t)f.announced;
    char *copy = malloc(body_len + 1);
    if (copy == NULL)
        return exchange_failed(x, -ENOMEM, "receiving");
    memcpy(copy, f.body, body_len);
    copy[body_len] = '\0';
    *out = (struct api_response){.status = status, .body = copy, .len = body_len};
    return 0;
}

int api_request(const char *socket_path, const char *method, const char *path, const char *body,
                unsigned timeout_ms, struct api_response *out, struct err *err)
{
    struct exchange x = {
        .socket_path = socket_path,
        .fd = -1,
        .deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS,
        .timeout_ms = timeout_ms,
        .err = err,
        .answer = malloc(API_RESPONSE_LIMIT + 2),
    };
    int rc = x.answer == NULL ? exchange_failed(&x, -ENOMEM, "asking") : exchange_connect(&x);
    if (rc == 0)
        rc = exchange_send(&x, method, path, body);
    if (rc == 0)
        rc = receive_all(&x);
    if (rc == 0)
        rc = exchange_parse(&x, out);
    fd_close(&x.fd);
    free(x.answer);
    return rc;
}

void api_response_finish(struct api_response *response)
{
    free(response->body);
    *response = (struct api_response){0};
}
