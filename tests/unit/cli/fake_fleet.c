/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cli/fake_fleet.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/registry/registry.h"

#define MACHINES_MAX    128
#define CONNECTIONS_MAX 256

static char dir[64];
static struct registry *registry;
static size_t machines;
static struct registry_claim *claims[MACHINES_MAX];
static char names[MACHINES_MAX][REGISTRY_NAME_MAX + 1];
/* Listeners, the connections, and what ends the thread. */
static struct pollfd fds[MACHINES_MAX + CONNECTIONS_MAX + 1];
static size_t owner[MACHINES_MAX + CONNECTIONS_MAX + 1];
static int stop_pipe[2];
static pthread_t thread;
static atomic_uint accepted;

static const char *body_for(const char *name, const char *request)
{
    if (strncmp(name, "mad-", 4) == 0)
        return "{\"state\":[";
    if (strncmp(request, "GET / ", 6) == 0)
        return "{\"state\":\"Running\"}";
    if (strncmp(request, "GET /vm/host ", 13) == 0)
        return "{\"ram_bytes\":134217728,\"ram_allocated_bytes\":1048576}";
    if (strncmp(name, "bare-", 5) == 0)
        return NULL;
    return "{\"target_pages\":256,\"actual_pages\":512,\"host\":{\"freed_bytes\":4096,"
           "\"ram_bytes\":134217728,\"ram_allocated_bytes\":2097152}}";
}

/* False when the connection ends. */
static bool serve(int fd, const char *name)
{
    char request[2048] = "";
    char answer[1000];
    if (recv(fd, request, sizeof(request) - 1, 0) <= 0)
        return false;
    if (strncmp(name, "hang-", 5) == 0)
        return true;
    const char *body = body_for(name, request);
    const char *text = body == NULL ? "{}" : body;
    int n = snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
                     body == NULL ? "400 Bad Request" : "200 OK", strlen(text), text);
    (void)send(fd, answer, (size_t)n, MSG_NOSIGNAL);
    return strncmp(name, "close-", 6) != 0;
}

static void admit(size_t listener)
{
    int fd = accept(fds[listener].fd, NULL, NULL);
    for (size_t i = machines; fd >= 0 && i < machines + CONNECTIONS_MAX; i++) {
        if (fds[i].fd >= 0)
            continue;
        fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
        owner[i] = listener;
        atomic_fetch_add(&accepted, 1);
        return;
    }
}

static void *serve_all(void *arg)
{
    size_t last = machines + CONNECTIONS_MAX;
    (void)arg;
    for (;;) {
        if (poll(fds, last + 1, -1) < 0)
            continue;
        if (fds[last].revents != 0)
            return NULL;
        for (size_t i = machines; i < last; i++) {
            if (fds[i].fd >= 0 && fds[i].revents != 0 && !serve(fds[i].fd, names[owner[i]])) {
                close(fds[i].fd);
                fds[i].fd = -1;
            }
        }
        for (size_t i = 0; i < machines; i++) {
            if (fds[i].revents != 0)
                admit(i);
        }
    }
}

static void listen_for(size_t i)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char path[REGISTRY_PATH_MAX];
    ck_assert_int_eq(registry_path(registry, names[i], REGISTRY_API_SOCK, path), 0);
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
}

void fake_fleet_start(const char *const *wanted, size_t n)
{
    struct err err = {0};
    strcpy(dir, "/tmp/aerostat-fleet-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(setenv("AEROSTAT_RUNTIME_DIR", dir, 1), 0);
    ck_assert_msg(registry_open(true, &registry, &err) == 0, "%s", err.text);
    machines = n;
    for (size_t i = 0; i < n + CONNECTIONS_MAX; i++)
        fds[i] = (struct pollfd){.fd = -1};
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%s", wanted[i]);
        int rc = registry_claim(registry, wanted[i], &claims[i], &err);
        ck_assert_msg(rc == 0, "%s", err.text);
        listen_for(i);
    }
    ck_assert_int_eq(pipe(stop_pipe), 0);
    fds[n + CONNECTIONS_MAX] = (struct pollfd){.fd = stop_pipe[0], .events = POLLIN};
    atomic_store(&accepted, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_all, NULL), 0);
}

void fake_fleet_lose(size_t i)
{
    registry_release(claims[i]);
    claims[i] = NULL;
}

unsigned fake_fleet_connections(void)
{
    return atomic_load(&accepted);
}

void fake_fleet_stop(void)
{
    char command[100];
    close(stop_pipe[1]);
    pthread_join(thread, NULL);
    close(stop_pipe[0]);
    for (size_t i = 0; i < machines + CONNECTIONS_MAX; i++) {
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    }
    for (size_t i = 0; i < machines; i++)
        registry_release(claims[i]);
    registry_close(registry);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}
