/* SPDX-License-Identifier: Apache-2.0 */
/* Running the real program from a test. */
#include "tests/support/command.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 24

static pid_t start(const char *program, const char *const args[], const int fds[3])
{
    const char *argv[ARGS_MAX + 2] = {program};
    for (size_t n = 0; args[n] != NULL && n < ARGS_MAX; n++)
        argv[n + 1] = args[n];
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int fd = 0; fd < 3; fd++)
        (void)dup2(fds[fd], fd);
    execv(program, (char *const *)argv);
    perror(program);
    _exit(127);
}

pid_t command_start(const char *program, const char *const args[])
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(null, 0);
    pid_t pid = start(program, args, (const int[]){null, null, null});
    close(null);
    return pid;
}

/* One end of a stream's text; false when it has come to its end. */
static bool take(int fd, char *text, size_t size, size_t *len)
{
    char data[4096];
    ssize_t got = read(fd, data, sizeof(data));
    if (got <= 0)
        return false;
    size_t room = size - 1 - *len;
    size_t keep = (size_t)got < room ? (size_t)got : room;
    memcpy(text + *len, data, keep);
    *len += keep;
    text[*len] = '\0';
    return true;
}

void command_run(struct command_result *out, const char *program, const char *const args[],
                 const char *input)
{
    int in[2];
    int streams[2][2];
    size_t len[2] = {0, 0};
    int status = 0;
    memset(out, 0, sizeof(*out));
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(streams[0], O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(streams[1], O_CLOEXEC), 0);
    pid_t pid = start(program, args, (const int[]){in[0], streams[0][1], streams[1][1]});
    close(in[0]);
    close(streams[0][1]);
    close(streams[1][1]);
    if (input != NULL)
        ck_assert_int_eq(write(in[1], input, strlen(input)), (ssize_t)strlen(input));
    close(in[1]);
    struct pollfd fds[2] = {{.fd = streams[0][0], .events = POLLIN},
                            {.fd = streams[1][0], .events = POLLIN}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        ck_assert_msg(poll(fds, 2, COMMAND_DEADLINE_S * 1000) > 0, "%s %s does not end", program,
                      args[0]);
        if (fds[0].revents != 0 && !take(fds[0].fd, out->out, sizeof(out->out), &len[0]))
            fds[0].fd = -1;
        if (fds[1].revents != 0 && !take(fds[1].fd, out->err, sizeof(out->err), &len[1]))
            fds[1].fd = -1;
    }
    close(streams[0][0]);
    close(streams[1][0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    out->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
