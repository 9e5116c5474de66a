/* SPDX-License-Identifier: Apache-2.0 */
/* The console of a machine without a terminal: the guest's pipe, the log, and who connects. */
#include "vmm/console/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/clock.h"
#include "vmm/base/path.h"
#include "vmm/console/server_priv.h"

#define NS_PER_MS UINT64_C(1000000)
#define BACKLOG   4
/* A turn takes so much of the output. */
#define OUTPUT_BYTES ((size_t)16 << 10)
/* The guest writes byte by byte: after a turn so much time is left for more to come together. */
#define OUTPUT_NS (2 * NS_PER_MS)
/* At the end: more than a pipe can hold. */
#define OUTPUT_TURNS_LAST 64u
/* How long a failed accept(2), for want of descriptors or memory, is not repeated. */
#define ACCEPT_NS (500 * NS_PER_MS)
/* The serial port's FIFO tells nobody when it has room again; a guest that has taken nothing for a
 * second is asked less often. */
#define INPUT_NS      (2 * NS_PER_MS)
#define INPUT_DEAF_NS (50 * NS_PER_MS)
#define DEAF_NS       (1000 * NS_PER_MS)

static void on_output(void *arg, uint32_t events);
static void on_connection(void *arg, uint32_t events);

static void distribute(struct console_server *s, const uint8_t *data, size_t len)
{
    history_append(&s->history, data, len);
    bounded_log_write(&s->log, data, len);
    for (size_t i = 0; i < CONSOLE_CLIENTS_MAX; i++) {
        /* One that is blocked is told by epoll when it can go on. */
        if (s->clients[i].server != NULL && !s->clients[i].blocked)
            console_client_send(&s->clients[i]);
    }
}

/* Returns whether there was output. */
static bool take_output(struct console_server *s)
{
    uint8_t data[OUTPUT_BYTES];
    ssize_t got = read(s->output_read, data, sizeof(data));
    if (got <= 0)
        return false;
    distribute(s, data, (size_t)got);
    return true;
}

static void watch_output(struct console_server *s)
{
    /* Without memory for that, the timer goes on. */
    if (ev_fd_add(s->loop, s->output_read, EPOLLIN, on_output, s, &s->output) < 0)
        (void)ev_timer_arm(s->output_timer, OUTPUT_NS, 0);
}

static void on_output(void *arg, uint32_t events)
{
    struct console_server *s = arg;
    (void)events;
    (void)take_output(s);
    ev_source_remove(s->output);
    s->output = NULL;
    (void)ev_timer_arm(s->output_timer, OUTPUT_NS, 0);
}

static void on_output_timer(void *arg)
{
    struct console_server *s = arg;
    if (take_output(s))
        (void)ev_timer_arm(s->output_timer, OUTPUT_NS, 0);
    else
        watch_output(s);
}

static bool guest_is_deaf(const struct console_server *s)
{
    return clock_mono_ns() - s->input_progress_ns >= DEAF_NS;
}

void console_server_retry_input(struct console_server *s)
{
    (void)ev_timer_arm(s->input_timer, guest_is_deaf(s) ? INPUT_DEAF_NS : INPUT_NS, 0);
}

static void on_input_timer(void *arg)
{
    struct console_server *s = arg;
    bool left = false;
    for (size_t i = 0; i < CONSOLE_CLIENTS_MAX; i++) {
        struct console_client *c = &s->clients[i];
        /* Who is gone does not keep a place for a guest that does not listen. */
        if (c->gone && guest_is_deaf(s))
            console_client_close(c);
        if (c->server != NULL && console_client_forward(c))
            left = true;
    }
    if (left)
        console_server_retry_input(s);
}

static struct console_client *find_place(struct console_server *s)
{
    for (size_t i = 0; i < CONSOLE_CLIENTS_MAX; i++) {
        if (s->clients[i].server == NULL)
            return &s->clients[i];
    }
    return NULL;
}

static void on_connection(void *arg, uint32_t events)
{
    static const char full[] = "aerostat: this console has as many clients as it can have\r\n";
    struct console_server *s = arg;
    (void)events;
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
        return;
    if (fd < 0) {
        ev_source_remove(s->listener);
        s->listener = NULL;
        (void)ev_timer_arm(s->accept_timer, ACCEPT_NS, 0);
        return;
    }
    struct console_client *place = find_place(s);
    if (place != NULL) {
        console_client_open(place, s, fd);
    } else {
        (void)!send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)close(fd);
    }
}

static void on_accept_timer(void *arg)
{
    struct console_server *s = arg;
    if (ev_fd_add(s->loop, s->listen_fd, EPOLLIN, on_connection, s, &s->listener) < 0)
        (void)ev_timer_arm(s->accept_timer, ACCEPT_NS, 0);
}

static int open_log(struct console_server *s, struct err *err)
{
    s->log = (struct bounded_log){
        .dir_fd = s->spec.dir_fd,
        .name = s->spec.log_name,
        .old_name = s->spec.log_old_name,
        .limit_bytes = s->spec.log_limit_bytes,
    };
    int rc = bounded_log_open(&s->log);
    return rc < 0 ? err_sys(err, rc, "console: its log %s cannot be made", s->spec.log_name) : 0;
}

static int open_socket(struct console_server *s, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char shown[PATH_SHOWN_MAX];
    size_t len = strlen(s->spec.sock_path);
    path_show(s->spec.sock_path, shown);
    if (len >= sizeof(addr.sun_path))
        return err_set(err, -ENAMETOOLONG,
                       "console socket %s: the path has %zu bytes, above the maximum of %zu", shown,
                       len, sizeof(addr.sun_path) - 1);
    memcpy(addr.sun_path, s->spec.sock_path, len);
    s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* unix(7): the file takes its mode from the socket's. */
    if (s->listen_fd < 0 || fchmod(s->listen_fd, S_IRUSR | S_IWUSR) < 0 ||
        bind(s->listen_fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
        return err_sys(err, -errno, "console socket %s: cannot be created", shown);
    s->bound = true;
    if (listen(s->listen_fd, BACKLOG) < 0)
        return err_sys(err, -errno, "console socket %s: cannot listen", shown);
    return 0;
}

static int open_pipe(struct console_server *s, struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_sys(err, -errno, "console: its pipe cannot be created");
    s->output_read = fds[0];
    s->output_write = fds[1];
    /* The vCPU that writes waits in write(2), where a kick finds it; the loop never waits. */
    if (fcntl(s->output_read, F_SETFL, O_NONBLOCK) < 0)
        return err_sys(err, -errno, "console: its pipe cannot be made non-blocking");
    return 0;
}

static int attach(struct console_server *s, struct err *err)
{
    int rc = ev_timer_add(s->loop, on_output_timer, s, &s->output_timer);
    if (rc == 0)
        rc = ev_timer_add(s->loop, on_accept_timer, s, &s->accept_timer);
    if (rc == 0)
        rc = ev_timer_add(s->loop, on_input_timer, s, &s->input_timer);
    if (rc == 0)
        rc = ev_fd_add(s->loop, s->output_read, EPOLLIN, on_output, s, &s->output);
    if (rc == 0)
        rc = ev_fd_add(s->loop, s->listen_fd, EPOLLIN, on_connection, s, &s->listener);
    return rc < 0 ? err_sys(err, rc, "console: it cannot be watched") : 0;
}

int console_server_create(const struct console_server_spec *spec, struct ev_loop *loop,
                          struct console_server **out_server, struct err *err)
{
    struct console_server *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return err_set(err, -ENOMEM, "console: out of memory");
    s->spec = *spec;
    s->loop = loop;
    s->output_read = s->output_write = s->listen_fd = s->log.fd = -1;
    int rc = open_pipe(s, err);
    if (rc == 0)
        rc = open_log(s, err);
    if (rc == 0)
        rc = open_socket(s, err);
    if (rc == 0)
        rc = attach(s, err);
    if (rc < 0) {
        console_server_destroy(s);
        return rc;
    }
    *out_server = s;
    return 0;
}

int console_server_output(const struct console_server *s)
{
    return s->output_write;
}

void console_server_destroy(struct console_server *s)
{
    if (s == NULL)
        return;
    if (s->bound)
        (void)unlink(s->spec.sock_path);
    for (unsigned i = 0; i < OUTPUT_TURNS_LAST && s->output_read >= 0 && take_output(s); i++)
        ;
    for (size_t i = 0; i < CONSOLE_CLIENTS_MAX; i++)
        console_client_close(&s->clients[i]);
    ev_source_remove(s->output);
    ev_source_remove(s->output_timer);
    ev_source_remove(s->listener);
    ev_source_remove(s->accept_timer);
    ev_source_remove(s->input_timer);
    bounded_log_close(&s->log);
    fd_close(&s->listen_fd);
    fd_close(&s->output_read);
    fd_close(&s->output_write);
    free(s);
}
