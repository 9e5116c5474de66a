/* SPDX-License-Identifier: Apache-2.0 */
/* Starting monitors, listening to their guests, reading /proc. */
#include "tests/bench/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/clock.h"
#include "vmm/base/num.h"

#define END_PATIENCE_MS 10000
#define END_STEP_MS     5
#define NS_PER_MS       1000000
/* Of st_blocks. */
#define BLOCK_BYTES   512u
#define TOUCHED_BYTES (64 * KIB)

static char folder[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path);
    return 0;
}

static void remove_folder(void)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool child_make_folder(void)
{
    char run[80];
    (void)snprintf(folder, sizeof(folder), "/tmp/aerostat-bench-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return false;
    }
    (void)snprintf(run, sizeof(run), "%s/run", folder);
    (void)setenv("AEROSTAT_RUNTIME_DIR", run, 1);
    return atexit(remove_folder) == 0;
}

const char *child_folder(void)
{
    return folder;
}

/* In the new process. page_fd is inherited. */
static void run(int in_fd, int out_fd, const char *first_run, int page_fd, const char *const args[])
{
    char number[16];
    (void)dup2(in_fd, STDIN_FILENO);
    (void)dup2(out_fd, STDOUT_FILENO);
    if (first_run != NULL) {
        (void)snprintf(number, sizeof(number), "%d", page_fd);
        (void)setenv("AEROSTAT_FIRST_RUN_FD", number, 1);
        (void)setenv("LD_PRELOAD", first_run, 1);
    }
    (void)execvp(args[0], (char *const *)args);
    perror(args[0]);
    _exit(127);
}

/* A page that the child finds as this descriptor. */
static bool make_page(struct child *child, int *out_fd)
{
    int fd = memfd_create("first-run", 0);
    if (fd < 0 || ftruncate(fd, sizeof(uint64_t)) < 0)
        return false;
    void *page = mmap(NULL, sizeof(uint64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return false;
    child->first_run_ns = page;
    *out_fd = fd;
    return true;
}

bool child_start(struct child *child, const char *first_run, const char *const args[])
{
    int in[2];
    int out[2];
    int page_fd = -1;
    *child = (struct child){.in_fd = -1, .out_fd = -1};
    if ((first_run != NULL && !make_page(child, &page_fd)) || pipe2(in, O_CLOEXEC) < 0 ||
        pipe2(out, O_CLOEXEC) < 0) {
        perror("starting a monitor");
        return false;
    }
    child->start_ns = clock_mono_ns();
    child->pid = fork();
    if (child->pid == 0)
        run(in[0], out[1], first_run, page_fd, args);
    close(in[0]);
    close(out[1]);
    if (page_fd >= 0)
        close(page_fd);
    child->in_fd = in[1];
    child->out_fd = out[0];
    if (child->pid < 0)
        perror("fork");
    return child->pid > 0;
}

/* Forgets the first n bytes. */
static void take(struct child *child, size_t n)
{
    child->len -= n;
    memmove(child->text, child->text + n, child->len + 1);
}

/* Waits for more and appends it; the oldest makes room. False with a message. */
static bool read_more(struct child *child)
{
    struct pollfd p = {.fd = child->out_fd, .events = POLLIN};
    if (child->len > sizeof(child->text) / 2)
        take(child, child->len - sizeof(child->text) / 2);
    if (poll(&p, 1, CHILD_PATIENCE_S * 1000) != 1) {
        (void)fprintf(stderr, "the guest says nothing more: %s\n", child->text);
        return false;
    }
    ssize_t got =
        read(child->out_fd, child->text + child->len, sizeof(child->text) - 1 - child->len);
    if (got <= 0) {
        (void)fprintf(stderr, "the monitor has ended: %s\n", child->text);
        return false;
    }
    child->len += (size_t)got;
    child->text[child->len] = '\0';
    return true;
}

bool child_await(struct child *child, const char *text, uint64_t *out_ns)
{
    const char *found;
    while ((found = strstr(child->text, text)) == NULL) {
        if (strstr(child->text, "fail:") != NULL) {
            (void)fprintf(stderr, "the guest says: %s\n", child->text);
            return false;
        }
        if (!read_more(child))
            return false;
    }
    if (out_ns != NULL)
        *out_ns = clock_mono_ns();
    take(child, (size_t)(found - child->text) + strlen(text));
    return true;
}

bool child_number(struct child *child, uint64_t *out_value)
{
    char *end;
    while (strchr(child->text, '\n') == NULL) {
        if (!read_more(child))
            return false;
    }
    *out_value = strtoull(child->text, &end, 10);
    return end != child->text;
}

bool child_type(const struct child *child, const char *line)
{
    size_t len = strlen(line);
    return write(child->in_fd, line, len) == (ssize_t)len;
}

static bool ends_by_itself(pid_t pid)
{
    const struct timespec step = {.tv_nsec = END_STEP_MS * NS_PER_MS};
    for (int waited_ms = 0; waited_ms < END_PATIENCE_MS; waited_ms += END_STEP_MS) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return true;
        (void)nanosleep(&step, NULL);
    }
    return false;
}

void child_end(struct child *child)
{
    if (child->pid > 0) {
        (void)kill(child->pid, SIGTERM);
        (void)kill(child->pid, SIGCONT);
        if (!ends_by_itself(child->pid)) {
            (void)kill(child->pid, SIGKILL);
            (void)waitpid(child->pid, NULL, 0);
        }
        close(child->in_fd);
        close(child->out_fd);
    }
    if (child->first_run_ns != NULL)
        (void)munmap((void *)(uintptr_t)child->first_run_ns, sizeof(uint64_t));
    *child = (struct child){.in_fd = -1, .out_fd = -1};
}

bool child_memory(const struct child *child, const char *ram, struct child_memory *out)
{
    char path[64];
    char line[512];
    unsigned long start;
    unsigned long kib;
    bool is_ram = false;
    (void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)child->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        perror(path);
        return false;
    }
    *out = (struct child_memory){0};
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%lx-%lx ", &start, &start) == 2)
            is_ram = strstr(line, ram) != NULL;
        else if (sscanf(line, "Pss: %lu kB", &kib) == 1)
            *(is_ram ? &out->ram_bytes : &out->private_bytes) += kib * KIB;
    }
    (void)fclose(file);
    return true;
}

uint64_t child_cpu_ns(const struct child *child)
{
    clockid_t clock;
    return clock_getcpuclockid(child->pid, &clock) == 0 ? clock_ns(clock) : 0;
}

/* Calls visit for each entry of /proc/PID/what. */
static void each_entry(const struct child *child, const char *what,
                       void (*visit)(int dir_fd, const char *name, void *arg), void *arg)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)child->pid, what);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            visit(dirfd(dir), entry->d_name, arg);
    }
    if (dir != NULL)
        closedir(dir);
}

static void count_one(int dir_fd, const char *name, void *arg)
{
    (void)dir_fd;
    (void)name;
    ++*(uint64_t *)arg;
}

uint64_t child_count(const struct child *child, const char *what)
{
    uint64_t n = 0;
    each_entry(child, what, count_one, &n);
    return n;
}

struct ram_search {
    const char *name;
    struct child_ram *found;
};

static void open_if_ram(int dir_fd, const char *name, void *arg)
{
    struct ram_search *search = arg;
    char target[256];
    ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
    target[n < 0 ? 0 : n] = '\0';
    if (strstr(target, search->name) == NULL || search->found->n == CHILD_RAM_MAX)
        return;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        search->found->fds[search->found->n++] = fd;
}

bool child_ram_open(const struct child *child, const char *ram, struct child_ram *out)
{
    struct ram_search search = {.name = ram, .found = out};
    *out = (struct child_ram){0};
    each_entry(child, "fd", open_if_ram, &search);
    if (out->n == 0)
        (void)fprintf(stderr, "process %d has no descriptor of %s\n", (int)child->pid, ram);
    return out->n > 0;
}

uint64_t child_ram_bytes(const struct child_ram *ram)
{
    uint64_t blocks = 0;
    for (unsigned i = 0; i < ram->n; i++) {
        struct stat st;
        if (fstat(ram->fds[i], &st) == 0)
            blocks += (uint64_t)st.st_blocks;
    }
    return blocks * BLOCK_BYTES;
}

bool child_ram_gone(const struct child_ram *ram, uint64_t full_bytes, uint64_t bytes)
{
    return child_ram_bytes(ram) + bytes <= full_bytes + TOUCHED_BYTES;
}

void child_ram_close(struct child_ram *ram)
{
    while (ram->n > 0)
        close(ram->fds[--ram->n]);
}
