/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's process 1: brings the guest up, then answers commands on the console, one a line.
 *
 * Each answer line starts with "@ "; the last one of an answer with "@ ok" or "@ error". When the
 * guest is up it says "@ ready". The command "help" lists the rest. On the kernel's command line,
 * aerostat.driver=sg|stock|none says which driver gets the balloon (default: sg), and
 * aerostat.shell gives a shell before the first command. Ctrl+Alt+Del is answered
 * "@ ctrl-alt-del" and ends the guest.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 512
/* Of syslog(2); no header of user space names it. */
#define SYSLOG_ACTION_READ_ALL 3

/* One write a line, so that a kernel message cannot come between. */
static void __attribute__((format(printf, 2, 0)))
say(const char *kind, const char *format, va_list args)
{
    char line[LINE_SIZE];
    int n = snprintf(line, sizeof(line), "@ %s", kind);

    n += vsnprintf(line + n, sizeof(line) - n - 1, format, args);
    if (n > LINE_SIZE - 2)
        n = LINE_SIZE - 2;
    line[n++] = '\n';
    for (int done = 0; done < n;) {
        ssize_t written = write(1, line + done, n - done);
        if (written < 0 && errno != EINTR)
            return;
        done += written > 0 ? (int)written : 0;
    }
}

#define SAY(kind)                                                                                  \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    say(kind, format, args);                                                                       \
    va_end(args)

void agent_line(const char *format, ...)
{
    SAY("");
}

void agent_ok(const char *format, ...)
{
    SAY("ok ");
}

void agent_error(const char *format, ...)
{
    SAY("error ");
}

long agent_uptime_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show_line(const char *line)
{
    agent_line("| %s", line);
}

/* A line of two words as "NAME=VALUE", as facts are written in answers. */
static void show_fact(const char *line)
{
    size_t n = strcspn(line, " ");

    if (line[n] == ' ' && strchr(line + n + 1, ' ') == NULL)
        agent_line("| %.*s=%s", (int)n, line, line + n + 1);
    else
        show_line(line);
}

static void show_file(const char *path, void (*show)(const char *line))
{
    char line[LINE_SIZE - 8];
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        agent_error("%s: %s", path, strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        show(line);
    }
    fclose(file);
    agent_ok("%s", path);
}

static void cmd_cat(const char *args)
{
    show_file(args, show_line);
}

/* What the kernel has said, without priorities and times. */
static void cmd_dmesg(const char *args)
{
    static char text[1 << 18];
    int n = klogctl(SYSLOG_ACTION_READ_ALL, text, sizeof(text) - 1);
    char *rest = text;
    char *line;

    (void)args;
    if (n < 0) {
        agent_error("the kernel's messages: %s", strerror(errno));
        return;
    }
    text[n] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *said = strstr(line, "] ");
        if (*line != '\0')
            show_line(said != NULL ? said + 2 : line);
    }
    agent_ok("messages bytes=%d", n);
}

/* As files of /proc and /sys want it: one write, whose error is the answer. */
static void cmd_put(const char *args)
{
    char path[256];
    size_t n = strcspn(args, " ");
    const char *text = args + n + strspn(args + n, " ");
    int fd;

    snprintf(path, sizeof(path), "%.*s", (int)n, args);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        agent_error("%s: %s", path, strerror(errno));
    else
        agent_ok("%s", path);
    if (fd >= 0)
        close(fd);
}

static void cmd_balloon_stats(const char *args)
{
    static const char pattern[] = "/sys/kernel/debug/aerostat_balloon-*/stats";
    glob_t found = {0};

    (void)args;
    if (glob(pattern, 0, NULL, &found) == 0)
        show_file(found.gl_pathv[0], show_fact);
    else
        agent_error("no %s; only the sg driver has it", pattern);
    globfree(&found);
}

static void cmd_uptime(const char *args)
{
    (void)args;
    agent_ok("uptime_ms=%ld", agent_uptime_ms());
}

static void cmd_echo(const char *args)
{
    agent_ok("%s", args);
}

static void cmd_shell(const char *args)
{
    (void)args;
    if (shell_run())
        agent_ok("shell ended");
    else
        agent_error("this image has no shell");
}

static void cmd_poweroff(const char *args)
{
    (void)args;
    agent_ok("poweroff");
    sync();
    reboot(RB_POWER_OFF);
}

static void cmd_reboot(const char *args)
{
    (void)args;
    agent_ok("reboot");
    sync();
    reboot(RB_AUTOBOOT);
}

/*
 * The kernel's word that somebody pressed Ctrl+Alt+Del: as any process 1, this one starts the
 * machine again, which ends a microVM with ACPI and without. On a signal: only system calls.
 */
static void on_ctrl_alt_del(int signo)
{
    static const char said[] = "@ ctrl-alt-del\n";

    (void)signo;
    while (write(1, said, sizeof(said) - 1) < 0 && errno == EINTR)
        ;
    sync();
    reboot(RB_AUTOBOOT);
}

/* Left alone, the kernel would reboot at once. */
static void catch_ctrl_alt_del(void)
{
    signal(SIGINT, on_ctrl_alt_del);
    reboot(RB_DISABLE_CAD);
}

static void cmd_help(const char *args);

static const struct {
    const char *name;
    void (*run)(const char *args);
    const char *help;
} commands[] = {
    {"help", cmd_help, "this list"},
    {"meminfo", memory_info, "MemTotal, MemFree and MemAvailable in KiB"},
    {"fill", memory_fill, "MIB [SEED]: fills memory with a pattern and keeps it"},
    {"fragment", memory_fragment,
     "MIB [SEED]: the same in single pages, and gives every other one back"},
    {"verify", memory_verify, "checks the pattern in every page of it"},
    {"free", memory_free, "gives it back"},
    {"touch", memory_touch, "MIB: writes to each page of so much memory, and frees it"},
    {"vmstat", memory_vmstat, "NAME: that line of /proc/vmstat, as oom_kill"},
    {"soak", soak_command,
     "start SEED MIB THREADS | check | stop: patterns in memory that comes and goes"},
    {"balloon_stats", cmd_balloon_stats, "the counters of the sg driver"},
    {"balloon_interrupts", driver_interrupts, "how many the balloon sent so far"},
    {"load", driver_load, "sg|stock [PARAMETER=VALUE...]: gives the balloon to that driver"},
    {"unload", driver_unload, "takes it away again"},
    {"cat", cmd_cat, "FILE: its lines, each after a '|'"},
    {"put", cmd_put, "FILE TEXT: writes the text to it, in one piece"},
    {"dmesg", cmd_dmesg, "what the kernel has said"},
    {"uptime", cmd_uptime, "milliseconds since the kernel started"},
    {"echo", cmd_echo, "TEXT: says it"},
    {"sh", cmd_shell, "a shell on the console"},
    {"poweroff", cmd_poweroff, ""},
    {"reboot", cmd_reboot, ""},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void cmd_help(const char *args)
{
    (void)args;
    for (size_t i = 0; i < COMMANDS; i++)
        agent_line("| %s %s", commands[i].name, commands[i].help);
    agent_ok("help");
}

static void run_command(char *line)
{
    char *name = line + strspn(line, " ");
    size_t n = strcspn(name, " ");
    const char *args = name + n + strspn(name + n, " ");

    name[n] = '\0';
    if (n == 0)
        return;
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) {
            commands[i].run(args);
            return;
        }
    agent_error("no command '%s'; try help", name);
}

/* Reads commands, each ended by a newline or a carriage return, until the console ends. */
static void serve(void)
{
    char line[LINE_SIZE];
    size_t n = 0;
    bool too_long = false;
    char c;

    for (;;) {
        ssize_t got = read(0, &c, 1);

        if (got == 0 || (got < 0 && errno != EINTR))
            return;
        if (got < 0)
            continue;
        if (c != '\n' && c != '\r') {
            if (n < sizeof(line) - 1)
                line[n++] = c;
            else
                too_long = true;
            continue;
        }
        line[n] = '\0';
        if (too_long)
            agent_error("a command has at most %d characters", LINE_SIZE - 1);
        else
            run_command(line);
        n = 0;
        too_long = false;
    }
}

int main(void)
{
    struct utsname uts;
    long init_ms = agent_uptime_ms();

    boot_mount();
    boot_console();
    catch_ctrl_alt_del();
    boot_modules();
    driver_start_chosen();
    uname(&uts);
    agent_line("ready %ld kernel=%s cpus=%ld init_ms=%ld", agent_uptime_ms(), uts.release,
               sysconf(_SC_NPROCESSORS_ONLN), init_ms);
    if (boot_cmdline_has("aerostat.shell") && !shell_run())
        agent_line("note this image has no shell");
    serve();
    /* Without a console there is nobody to talk to, and process 1 must not return. */
    for (;;)
        pause();
}
