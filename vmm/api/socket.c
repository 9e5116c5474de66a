/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the control socket: made with mode 0600, never over something else, removed only
 * while it is ours. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/api/api_priv.h"
#include "vmm/base/cleanup.h"

#define BACKLOG 16

/* The sentence for a path that is taken already. */
static int explain_taken(const struct sockaddr_un *addr, struct err *err)
{
    const char *path = addr->sun_path;
    struct stat st;
    if (lstat(path, &st) < 0)
        return err_sys(err, -errno, "control socket %s: cannot be examined", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, -EADDRINUSE,
                       "control socket %s: a file that is not a socket is there already; choose "
                       "another path or remove it",
                       path);
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, -errno, "control socket %s: cannot be examined", path);
    /* EAGAIN is a full backlog: somebody listens. */
    if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN)
        return err_set(err, -EADDRINUSE, "control socket %s: is in use by a running process", path);
    if (errno == ECONNREFUSED)
        return err_set(err, -EADDRINUSE,
                       "control socket %s: was left behind by a process that has ended; remove it",
                       path);
    if (errno == EPROTOTYPE)
        return err_set(err, -EADDRINUSE,
                       "control socket %s: is in use by something that is no stream socket", path);
    return err_set(err, -EADDRINUSE,
                   "control socket %s: something is there already and cannot be examined: %s", path,
                   strerror(errno));
}

static int record_identity(struct api_socket *s, struct err *err)
{
    struct stat st;
    if (lstat(s->path, &st) < 0)
        return err_sys(err, -errno, "control socket %s: cannot be examined", s->path);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    return 0;
}

int api_socket_open(const char *path, struct api_socket *out, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(addr.sun_path))
        return err_set(err, -ENAMETOOLONG,
                       "control socket: the path has %zu bytes, above the maximum of %zu", len,
                       sizeof(addr.sun_path) - 1);
    if (len == 0)
        return err_set(err, -EINVAL, "control socket: the path is empty");
    memcpy(addr.sun_path, path, len);

    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    AUTO_FREE char *copy = strdup(path);
    if (fd < 0 || copy == NULL)
        return err_sys(err, fd < 0 ? -errno : -ENOMEM, "control socket %s: cannot be created",
                       path);
    /* unix(7): the file takes its mode from the socket's, so that it is never open to others, not
     * even for a moment. */
    if (fchmod(fd, S_IRUSR | S_IWUSR) < 0)
        return err_sys(err, -errno, "control socket %s: mode cannot be set", path);
    if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
        if (errno == EADDRINUSE)
            return explain_taken(&addr, err);
        return err_sys(err, -errno, "control socket %s: cannot be created", path);
    }
    struct api_socket made = {.fd = fd, .path = copy};
    int rc = record_identity(&made, err);
    if (rc == 0 && listen(fd, BACKLOG) < 0)
        rc = err_sys(err, -errno, "control socket %s: cannot listen", path);
    if (rc < 0) {
        (void)unlink(path);
        return rc;
    }
    *out = made;
    (void)take_fd(&fd);
    (void)take_ptr(copy);
    return 0;
}

void api_socket_unlink(struct api_socket *s)
{
    struct stat st;
    if (s->path != NULL && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
        (void)unlink(s->path);
}

void api_socket_close(struct api_socket *s)
{
    fd_close(&s->fd);
    free(s->path);
    s->path = NULL;
}

/* Reads what is there of the request, since a client is told of bytes that nobody read instead. */
static void refuse_client(int fd, const char *text, size_t len)
{
    char request[4096];
    (void)recv(fd, request, sizeof(request), MSG_DONTWAIT);
    (void)send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void api_socket_refuse(const struct api_socket *s, const char *sentence)
{
    struct api_reply reply = {0};
    AUTO_FREE char *text = NULL;
    api_reply_fault(&reply, 503, "%s", sentence);
    AUTO_FREE char *body = reply.body;
    int len = asprintf(&text,
                       "HTTP/1.1 503 Service Unavailable\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                       "Connection: close\r\n\r\n%s",
                       body == NULL ? (size_t)0 : strlen(body), body == NULL ? "" : body);
    for (unsigned i = 0; len > 0 && i <= BACKLOG; i++) {
        AUTO_FD int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        refuse_client(fd, text, (size_t)len);
    }
}
