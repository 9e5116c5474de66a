/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the host ready for a backing, and as it was afterwards. */
#include "tests/bench/host.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/base/num.h"

#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define POOL          "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define NR_HUGEPAGES  POOL "nr_hugepages"

/* What was changed on the host. */
struct change {
    char shmem_enabled[32]; /* what it was; empty: nothing was changed */
    uint64_t huge_pages;    /* added to the pool */
};

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    bool ok = file != NULL && fgets(text, (int)size, file) != NULL;
    if (file != NULL)
        (void)fclose(file);
    return ok;
}

static uint64_t read_number(const char *path)
{
    char text[32];
    return read_text(path, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

/* The word in brackets is the one that holds. */
static bool read_choice(const char *path, char *word, size_t size)
{
    char text[256];
    if (!read_text(path, text, sizeof(text)))
        return false;
    const char *open_at = strchr(text, '[');
    const char *close_at = strchr(text, ']');
    if (open_at == NULL || close_at == NULL || (size_t)(close_at - open_at) > size)
        return false;
    (void)snprintf(word, size, "%.*s", (int)(close_at - open_at - 1), open_at + 1);
    return true;
}

static bool allow_huge_shmem(bool may_change, struct change *out)
{
    const char *obstacle;
    gm_thp_obstacle(&obstacle);
    if (obstacle == NULL)
        return true;
    char before[sizeof(out->shmem_enabled)];
    if (may_change && read_choice(SHMEM_ENABLED, before, sizeof(before)) &&
        write_text(SHMEM_ENABLED, "advise")) {
        memcpy(out->shmem_enabled, before, sizeof(before));
        return true;
    }
    (void)fprintf(stderr,
                  "thp: skipped: %s is \"%s\"; set it to \"advise\", or give --set-host as root\n",
                  SHMEM_ENABLED, obstacle);
    return false;
}

static uint64_t pool_spare(void)
{
    return sub_sat_u64(read_number(POOL "free_hugepages"), read_number(POOL "resv_hugepages"));
}

static bool set_pool(uint64_t pages)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRIu64, pages);
    return write_text(NR_HUGEPAGES, text);
}

static bool fill_pool(uint64_t bytes, bool may_change, struct change *out)
{
    uint64_t needed = bytes / GM_HUGE_SIZE;
    if (pool_spare() >= needed)
        return true;
    uint64_t before = read_number(NR_HUGEPAGES);
    if (may_change && set_pool(before + needed)) {
        out->huge_pages = sub_sat_u64(read_number(NR_HUGEPAGES), before);
        if (pool_spare() >= needed)
            return true;
    }
    (void)fprintf(stderr,
                  "hugetlb-2m: skipped: %" PRIu64
                  " pages of 2 MiB are needed, the pool has %" PRIu64
                  " to spare; raise vm.nr_hugepages, or give --set-host as root\n",
                  needed, pool_spare());
    return false;
}

/* The pool is made smaller by what it was made larger: others may have changed it meanwhile. */
static void set_back(const struct change *change)
{
    if (change->shmem_enabled[0] != '\0' && !write_text(SHMEM_ENABLED, change->shmem_enabled))
        (void)fprintf(stderr, "%s could not be set back to %s\n", SHMEM_ENABLED,
                      change->shmem_enabled);
    uint64_t pages = sub_sat_u64(read_number(NR_HUGEPAGES), change->huge_pages);
    if (change->huge_pages > 0 && !set_pool(pages))
        (void)fprintf(stderr, "%s could not be set back to %" PRIu64 "\n", NR_HUGEPAGES, pages);
}

static bool make_ready(enum gm_backing backing, uint64_t bytes, bool may_change, struct change *out)
{
    switch (backing) {
    case GM_BACKING_THP:
        return allow_huge_shmem(may_change, out);
    case GM_BACKING_HUGETLB_2M:
        return fill_pool(bytes, may_change, out);
    case GM_BACKING_4K:
        break;
    }
    return true;
}

/* Waits for the child, and ends it when this process is told to end. signals are blocked. */
static int wait_for(pid_t child, const sigset_t *signals)
{
    int status;
    for (;;) {
        int sig;
        if (waitpid(child, &status, WNOHANG) == child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        if (sigwait(signals, &sig) == 0 && sig != SIGCHLD)
            (void)kill(child, SIGKILL);
    }
}

int host_run(enum gm_backing backing, uint64_t bytes, bool may_change, int (*run)(void *arg),
             void *arg)
{
    static const int caught[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};
    struct change change = {0};
    sigset_t signals;
    sigset_t old;
    (void)sigemptyset(&signals);
    for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
        (void)sigaddset(&signals, caught[i]);
    (void)sigprocmask(SIG_BLOCK, &signals, &old);
    int ret = HOST_SKIPPED;
    if (make_ready(backing, bytes, may_change, &change)) {
        (void)fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            (void)sigprocmask(SIG_SETMASK, &old, NULL);
            ret = run(arg);
            (void)fflush(stdout);
            _exit(ret);
        }
        ret = child > 0 ? wait_for(child, &signals) : 1;
    }
    set_back(&change);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    return ret;
}
