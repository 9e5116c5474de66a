/* SPDX-License-Identifier: Apache-2.0 */
/* As much of HTTP/1.1 as a control socket answers with: a header with Content-Length, a body. */
#include "tests/bench/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 20
#define ANSWER_MAX 16384
#define STATUS_OK  "HTTP/1.1 200 "
#define HEADER_END "\r\n\r\n"
#define LENGTH     "Content-Length: "

int http_connect(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    const struct timeval limit = {.tv_sec = PATIENCE_S};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0)
        return fd;
    perror(path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* How long the answer will be; 0: its header is not complete. */
static size_t whole_length(const char *text)
{
    const char *end = strstr(text, HEADER_END);
    const char *length = strstr(text, LENGTH);
    if (end == NULL || length == NULL || length > end)
        return 0;
    return (size_t)(end - text) + strlen(HEADER_END) + strtoul(length + strlen(LENGTH), NULL, 10);
}

bool http_get(int fd, const char *path)
{
    char text[ANSWER_MAX] = "";
    int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n) {
        perror("a request");
        return false;
    }
    size_t len = 0;
    size_t whole = 0;
    while (whole == 0 || len < whole) {
        ssize_t got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        if (got <= 0) {
            (void)fprintf(stderr, "no whole answer to GET %s\n", path);
            return false;
        }
        len += (size_t)got;
        text[len] = '\0';
        whole = whole_length(text);
    }
    if (strncmp(text, STATUS_OK, strlen(STATUS_OK)) == 0)
        return true;
    (void)fprintf(stderr, "GET %s: %.40s\n", path, text);
    return false;
}
