/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The view on the whole terminal: keys, signals, changes of size. Plain ANSI sequences, which each
 * terminal of today knows, rather than ncurses: that would be loaded into each monitor, too, and
 * bring a way of its own to treat signals and the terminal.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/signals.h"
#include "vmm/cli/terminal.h"
#include "vmm/cli/top_priv.h"

#define NS_PER_S UINT64_C(1000000000)

/* The other screen, without a cursor, and lines that are too long are cut; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
/* From the upper left corner, over what is there; each line's rest and what is below are cleared.
 */
#define HOME     "\033[H"
#define LINE_END "\033[K\r\n"
#define REST     "\033[K\033[J"

#define WIDTH_DEFAULT  80u
#define HEIGHT_DEFAULT 24u
#define SIGNAL_STATUS  128

struct screen {
    struct top *top;
    struct top_view *view;
    struct ev_loop *loop;
    struct signals signals;
    struct ev_source *timer;
    struct ev_source *keys;
    struct ev_source *resize;
    int resize_fd;
    bool shown; /* the terminal is ours and raw, and its keys are read */
    int status;
    struct err err;
};

static void on_keys(void *arg, uint32_t events);

static void write_all(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

static void measure(struct top_view *view)
{
    struct winsize size = {0};
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    view->width = known ? size.ws_col : WIDTH_DEFAULT;
    view->height = known ? size.ws_row : HEIGHT_DEFAULT;
}

/* One write a picture: nothing flickers. */
static void draw(struct screen *screen)
{
    if (!screen->shown)
        return;
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    char clock[16] = "";
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local) != NULL)
        (void)strftime(clock, sizeof(clock), "%H:%M:%S", &local);
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return;
    measure(screen->view);
    screen->view->clock = clock;
    (void)fputs(HOME, out);
    (void)top_draw(screen->top, screen->view, LINE_END, out);
    (void)fputs(REST, out);
    screen->view->clock = NULL;
    if (fclose(out) == 0)
        write_all(text, len);
}

static void end(struct screen *screen, int status)
{
    screen->status = status;
    ev_loop_stop(screen->loop);
}

static void hide(struct screen *screen)
{
    screen->shown = false;
    ev_source_remove(screen->keys);
    screen->keys = NULL;
    terminal_restore();
}

/* A terminal whose foreground is another's is left alone, and not read; SIGTTOU, which would stop
 * us, is ignored. */
static int show(struct screen *screen, struct err *err)
{
    if (tcgetpgrp(STDIN_FILENO) != getpgrp())
        return 0;
    int rc = terminal_make_raw(STDIN_FILENO, err);
    if (rc < 0)
        return rc;
    if (screen->keys == NULL)
        rc = ev_fd_add(screen->loop, STDIN_FILENO, EPOLLIN, on_keys, screen, &screen->keys);
    if (rc < 0) {
        terminal_restore();
        return err_sys(err, rc, "the terminal cannot be watched");
    }
    screen->shown = true;
    write_all(ENTER, sizeof(ENTER) - 1);
    return 0;
}

static void refresh(void *arg)
{
    struct screen *screen = arg;
    /* Not every shell sends SIGCONT to what it brings to the foreground. */
    if (!screen->shown)
        (void)show(screen, NULL);
    if (top_refresh(screen->top, &screen->err) < 0)
        end(screen, CLI_FAILED);
    else
        draw(screen);
}

static void start_timer(struct screen *screen)
{
    uint64_t period = screen->view->interval_s * NS_PER_S;
    (void)ev_timer_arm(screen->timer, period, period);
}

static void on_keys(void *arg, uint32_t events)
{
    struct screen *screen = arg;
    char keys[64];
    (void)events;
    ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    /* The terminal is gone. */
    if (n <= 0) {
        end(screen, CLI_OK);
        return;
    }
    switch (top_keys(screen->view, keys, (size_t)n)) {
    case TOP_QUIT:
        end(screen, CLI_OK);
        return;
    case TOP_SUSPEND:
        (void)kill(0, SIGTSTP);
        return;
    case TOP_INTERVAL:
        start_timer(screen);
        break;
    case TOP_GO_ON:
        break;
    }
    draw(screen);
}

static void on_resize(void *arg, uint32_t events)
{
    struct screen *screen = arg;
    struct signalfd_siginfo info;
    (void)events;
    (void)!read(screen->resize_fd, &info, sizeof(info));
    draw(screen);
}

static void on_end(void *arg, int signo)
{
    end(arg, SIGNAL_STATUS + signo);
}

static void on_suspend(void *arg)
{
    hide(arg);
}

static void on_resume(void *arg)
{
    struct screen *screen = arg;
    (void)show(screen, NULL);
    draw(screen);
}

static const struct signal_ops signal_ops = {
    .end = on_end, .suspend = on_suspend, .resume = on_resume};

static int watch_resize(struct screen *screen)
{
    sigset_t mask;
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGWINCH);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return -errno;
    screen->resize_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (screen->resize_fd < 0)
        return -errno;
    return ev_fd_add(screen->loop, screen->resize_fd, EPOLLIN, on_resize, screen, &screen->resize);
}

static int bring_up(struct screen *screen)
{
    int rc = signals_catch(&screen->signals, &screen->err);
    if (rc < 0)
        return rc;
    rc = ev_loop_create(&screen->loop);
    if (rc == 0)
        rc = signals_watch(&screen->signals, screen->loop, &signal_ops, screen);
    if (rc == 0)
        rc = watch_resize(screen);
    if (rc == 0)
        rc = ev_timer_add(screen->loop, refresh, screen, &screen->timer);
    if (rc < 0)
        return err_sys(&screen->err, rc, "the terminal cannot be watched");
    terminal_set_farewell(LEAVE, sizeof(LEAVE) - 1);
    return show(screen, &screen->err);
}

static void take_down(struct screen *screen)
{
    hide(screen);
    ev_source_remove(screen->timer);
    ev_source_remove(screen->resize);
    fd_close(&screen->resize_fd);
    signals_finish(&screen->signals);
    ev_loop_destroy(screen->loop);
}

int top_screen(struct top *top, struct top_view *view)
{
    struct screen screen = {
        .top = top, .view = view, .signals = {.fd = -1}, .resize_fd = -1, .status = CLI_FAILED};
    int rc = bring_up(&screen);
    if (rc == 0) {
        refresh(&screen);
        start_timer(&screen);
        rc = ev_loop_run(screen.loop);
        if (rc < 0)
            (void)!err_sys(&screen.err, rc, "waiting");
    }
    take_down(&screen);
    if (screen.err.text[0] != '\0' && screen.status == CLI_FAILED)
        log_error("%s", screen.err.text);
    return screen.status;
}
