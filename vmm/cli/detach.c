/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat run --detach`: the monitor as a process of its own. */
#include "vmm/cli/detach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/log.h"
#include "vmm/cli/cli.h"
#include "vmm/console/bounded_log.h"

#define SIGNAL_STATUS 128
/* Of each of two files, for the console and for messages. */
#define CONSOLE_LOG_BYTES (UINT64_C(1) << 20)
#define LOG_BYTES         (off_t)(1 << 20)
/* What a guest can make a monitor say in that time is far less. */
#define LOG_CHECK_NS UINT64_C(30000000000)

/* The caller's half: waits for the name, or for the end. */
static int await_report(int fd, pid_t monitor)
{
    char name[REGISTRY_NAME_MAX + 1];
    size_t len = 0;
    ssize_t got;
    int status = 0;
    do {
        got = read(fd, name + len, sizeof(name) - len);
        len += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && len < sizeof(name)) || (got < 0 && errno == EINTR));
    if (len > 0) {
        (void)printf("%.*s\n", (int)len, name);
        return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
    }
    /* It has said why. */
    while (waitpid(monitor, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == CLI_OK ? CLI_FAILED : WEXITSTATUS(status);
    log_error("the monitor was killed by signal %d while it started", WTERMSIG(status));
    return SIGNAL_STATUS + WTERMSIG(status);
}

/*
 * What we were given by who started us: kept open, it would keep pipes of the caller from ending.
 * Not yet closed, since options may name it as /dev/fd/N. All of ours have FD_CLOEXEC.
 */
static void note_inherited(struct detach *d)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    for (const struct dirent *entry;
         (entry = readdir(dir)) != NULL && d->n_inherited < DETACH_INHERITED_MAX;) {
        int fd = atoi(entry->d_name);
        int flags = fd > STDERR_FILENO ? fcntl(fd, F_GETFD) : -1;
        if (flags >= 0 && (flags & FD_CLOEXEC) == 0)
            d->inherited[d->n_inherited++] = fd;
    }
    (void)closedir(dir);
}

/* The monitor's half. */
static int leave_caller(struct detach *d, struct err *err)
{
    note_inherited(d);
    if (setsid() < 0)
        return err_sys(err, -errno, "a session cannot be made");
    AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        return err_sys(err, -errno, "/dev/null");
    return 0;
}

int detach_begin(struct detach *d, int *out_status, struct err *err)
{
    int fds[2];
    *d = (struct detach){.report_fd = -1};
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_sys(err, -errno, "a pipe cannot be made");
    /* What is buffered is to be written once. */
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid > 0) {
        (void)close(fds[1]);
        *out_status = await_report(fds[0], pid);
        (void)close(fds[0]);
        return 1;
    }
    (void)close(fds[0]);
    d->report_fd = fds[1];
    if (pid < 0) {
        int rc = err_sys(err, -errno, "a process cannot be made");
        fd_close(&d->report_fd);
        return rc;
    }
    return leave_caller(d, err);
}

int detach_open_console(struct detach *d, struct registry_claim *claim, const char *sock_path,
                        struct ev_loop *loop, const struct console_server_ops *ops, void *arg,
                        struct console_server **out_server, struct err *err)
{
    const struct console_server_spec spec = {
        .dir_fd = registry_claim_dir_fd(claim),
        .log_name = registry_file_name(REGISTRY_CONSOLE_LOG),
        .log_old_name = registry_file_name(REGISTRY_CONSOLE_LOG_OLD),
        .log_limit_bytes = CONSOLE_LOG_BYTES,
        .sock_path = sock_path,
        .ops = ops,
        .arg = arg,
    };
    d->claim = claim;
    return console_server_create(&spec, loop, out_server, err);
}

/* Standard output and error to a new log. */
static int begin_log(const struct detach *d)
{
    AUTO_FD int fd = -1;
    int rc =
        bounded_log_next_file(registry_claim_dir_fd(d->claim), registry_file_name(REGISTRY_LOG),
                              registry_file_name(REGISTRY_LOG_OLD), &fd);
    if (rc == 0 && (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0))
        rc = -errno;
    return rc;
}

static void on_log_timer(void *arg)
{
    const struct detach *d = arg;
    struct stat st;
    if (fstat(STDERR_FILENO, &st) == 0 && st.st_size >= LOG_BYTES)
        (void)begin_log(d);
}

int detach_done(struct detach *d, struct ev_loop *loop, struct err *err)
{
    const char *name = registry_claim_name(d->claim);
    int rc = ev_timer_add(loop, on_log_timer, d, &d->log_timer);
    if (rc == 0)
        rc = ev_timer_arm(d->log_timer, LOG_CHECK_NS, LOG_CHECK_NS);
    if (rc < 0)
        return err_sys(err, rc, "the log's timer");
    rc = begin_log(d);
    if (rc < 0)
        return err_sys(err, rc, "the machine's log cannot be made");
    for (unsigned i = 0; i < d->n_inherited; i++)
        (void)close(d->inherited[i]);
    d->n_inherited = 0;
    ssize_t put = write(d->report_fd, name, strlen(name));
    rc = put < 0 ? -errno : 0;
    fd_close(&d->report_fd);
    return rc < 0 ? err_sys(err, rc, "who started the machine did not wait for it") : 0;
}

void detach_finish(struct detach *d)
{
    ev_source_remove(d->log_timer);
    d->log_timer = NULL;
    /* report_fd stays open: its end is that of the process, when the name is free again. */
}
