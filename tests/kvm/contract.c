/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the control socket's contract share. */
#include "tests/kvm/contract.h"

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)256 << 10)
#define ARGS_MAX   24

static char dir[64];
static const struct timespec step_time = {.tv_nsec = 10000000};

static void write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

void contract_enter(const char *payload)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/aerostat-contract-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chdir(dir), 0);
    ck_assert_int_eq(symlink(payload, "vmlinux.bin"), 0);
    write_file("initrd.cpio", "an initrd that the payload does not look at");
}

void contract_leave(void)
{
    char command[128];
    ck_assert_int_eq(chdir("/"), 0);
    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

void contract_start(struct vmp *vm, const char *args)
{
    char words[512];
    const char *argv[ARGS_MAX] = {NULL};
    size_t n = 0;
    (void)snprintf(words, sizeof(words), "%s", args);
    for (char *word = strtok(words, " "); word != NULL && n < ARGS_MAX - 1;
         word = strtok(NULL, " "))
        argv[n++] = word;
    vmp_start(vm, AEROSTAT_MONITOR, argv);
    char reply[4096];
    int status = 0;
    for (int i = 0; i < VMP_DEADLINE_S * 100 && status == 0; i++) {
        status = vmp_http(vm->sock, "GET", "/version", NULL, reply, sizeof(reply));
        if (status == 0)
            (void)nanosleep(&step_time, NULL);
    }
    ck_assert_int_eq(status, 200);
}

static int connect_to(const struct vmp *vm)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = VMP_DEADLINE_S};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", vm->sock);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    return fd;
}

char *contract_raw(const struct vmp *vm, const void *bytes, size_t len)
{
    int fd = connect_to(vm);
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0)
            break; /* the server has had enough; what it said is still to be read */
        sent += (size_t)n;
    }
    char *text = calloc(1, ANSWER_MAX);
    ck_assert_ptr_nonnull(text);
    size_t used = 0;
    ssize_t got;
    while (used + 1 < ANSWER_MAX && (got = recv(fd, text + used, ANSWER_MAX - 1 - used, 0)) > 0)
        used += (size_t)got;
    close(fd);
    return text;
}

static void to_json(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            *text = '"';
    }
}

/* A step in JSON's own quotes. */
struct quoted {
    char body[4096];
    char says[512];
    char what[4400]; /* the request, for messages */
};

static void quote(const struct step *step, struct quoted *out)
{
    (void)snprintf(out->body, sizeof(out->body), "%s", step->body == NULL ? "" : step->body);
    (void)snprintf(out->says, sizeof(out->says), "%s", step->says == NULL ? "" : step->says);
    to_json(out->body);
    to_json(out->says);
    (void)snprintf(out->what, sizeof(out->what), "%s %s %s", step->method, step->path, out->body);
}

static char *ask(const struct vmp *vm, const char *method, const char *path, const char *body)
{
    static char request[8192];
    int len = snprintf(request, sizeof(request),
                       "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       "Accept: application/json\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       method, path, strlen(body), body);
    ck_assert_int_lt(len, (int)sizeof(request));
    return contract_raw(vm, request, (size_t)len);
}

static void expect_keys(const json_t *root, const char *keys, const char *what)
{
    char words[512];
    size_t n = 0;
    (void)snprintf(words, sizeof(words), "%s", keys);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "), n++)
        ck_assert_msg(json_object_get(root, word) != NULL, "%s: no key %s", what, word);
    char *text = json_dumps(root, JSON_COMPACT);
    ck_assert_msg(json_object_size(root) == n, "%s: other keys than %s: %s", what, keys, text);
    free(text);
}

/* An error is one sentence; nothing else is in it. */
static void expect_fault(const json_t *root, const char *says, const char *what)
{
    const char *message = json_string_value(json_object_get(root, "fault_message"));
    ck_assert_msg(message != NULL && json_object_size(root) == 1, "%s: no fault_message", what);
    ck_assert_msg(*message != '\0' && strstr(message, says) != NULL, "%s: \"%s\" is not in \"%s\"",
                  what, says, message);
    ck_assert_msg(strchr(message, '\n') == NULL, "%s: more than one line: %s", what, message);
}

static void expect_body(const struct step *step, const struct quoted *q, const char *body)
{
    json_t *root = json_loads(body, 0, NULL);
    ck_assert_msg(json_is_object(root), "%s: no JSON object: %s", q->what, body);
    if (step->status == 200) {
        expect_keys(root, step->keys, q->what);
        ck_assert_msg(strstr(body, q->says) != NULL, "%s: \"%s\" is not in %s", q->what, q->says,
                      body);
    } else {
        expect_fault(root, q->says, q->what);
    }
    json_decref(root);
}

void contract_check(const struct vmp *vm, const struct step *step)
{
    struct quoted q;
    int status = 0;
    quote(step, &q);
    char *answer = ask(vm, step->method, step->path, q.body);
    char *body = strstr(answer, "\r\n\r\n");
    ck_assert_msg(sscanf(answer, "HTTP/1.1 %d ", &status) == 1 && body != NULL, "%s: no HTTP: %s",
                  q.what, answer);
    body += 4;
    ck_assert_msg(status == step->status, "%s: status %d, not %d: %s", q.what, status, step->status,
                  body);
    bool is_json = strstr(answer, "Content-Type: application/json") != NULL;
    if (status == 204)
        ck_assert_msg(*body == '\0', "%s: a body with 204: %s", q.what, body);
    else if (step->status == 200 && step->keys == NULL)
        ck_assert_msg(!is_json && strstr(body, q.says) != NULL, "%s: %s", q.what, answer);
    else
        expect_body(step, &q, is_json ? body : "");
    free(answer);
}

void contract_check_all(const struct vmp *vm, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        contract_check(vm, &steps[i]);
}

char *contract_get(const struct vmp *vm, const char *path)
{
    char *answer = ask(vm, "GET", path, "");
    char *body = strstr(answer, "\r\n\r\n");
    ck_assert_msg(strncmp(answer, "HTTP/1.1 200 ", 13) == 0 && body != NULL, "%s: %s", path,
                  answer);
    memmove(answer, body + 4, strlen(body + 4) + 1);
    return answer;
}

void contract_act(const struct vmp *vm, const char *action)
{
    char body[64];
    (void)snprintf(body, sizeof(body), "{'action_type':'%s'}", action);
    const struct step step = {"PUT", "/actions", body, 204, NULL, NULL};
    contract_check(vm, &step);
}

void contract_stop(struct vmp *vm)
{
    contract_act(vm, "Stop");
    int status = vmp_wait(vm);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", status);
}

char *contract_read(const char *path)
{
    char *text = calloc(1, ANSWER_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_msg(text != NULL && fd >= 0, "%s cannot be opened", path);
    size_t used = 0;
    ssize_t got;
    while (used + 1 < ANSWER_MAX && (got = read(fd, text + used, ANSWER_MAX - 1 - used)) > 0)
        used += (size_t)got;
    close(fd);
    return text;
}

void contract_await(const char *path, const char *text)
{
    bool found = false;
    for (int i = 0; i < VMP_DEADLINE_S * 100 && !found; i++) {
        char *content = access(path, R_OK) == 0 ? contract_read(path) : NULL;
        found = content != NULL && strstr(content, text) != NULL;
        free(content);
        if (!found)
            (void)nanosleep(&step_time, NULL);
    }
    ck_assert_msg(found, "%s never says %s", path, text);
}
