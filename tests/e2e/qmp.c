/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmp SOCKET balloon BYTES SECONDS: sets the memory that QEMU's balloon leaves its guest, and
 * prints after how many nanoseconds the guest had followed. Exit status 1 if it has not by then.
 *
 * QEMU announces changes of its balloon once a second at most, so it is asked, again and again. It
 * answers with the thread that does the balloon's work too: the pauses grow with what they measure.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/base/clock.h"

#define LINE_SIZE    4096
#define NS_PER_MS    UINT64_C(1000000)
#define NS_PER_S     UINT64_C(1000000000)
#define PAUSE_MIN_NS NS_PER_MS
#define PAUSE_MAX_NS (20 * NS_PER_MS)
/* A pause is that part of the time so far: so much is the error at most, or the shortest pause. */
#define PAUSE_PART 200

static FILE *connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    FILE *qmp = NULL;
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        qmp = fdopen(fd, "r");
    if (qmp == NULL)
        (void)close(fd);
    return qmp;
}

/* Sends a command, one object a line; line has its answer then, which events may come before. */
static bool execute(FILE *qmp, const char *command, char *line)
{
    if (dprintf(fileno(qmp), "%s\n", command) < 0)
        return false;
    while (fgets(line, LINE_SIZE, qmp) != NULL) {
        if (strstr(line, "\"return\"") != NULL)
            return true;
        if (strstr(line, "\"error\"") != NULL)
            return false;
    }
    line[0] = '\0';
    return false;
}

static bool is_at(FILE *qmp, uint64_t bytes, char *line)
{
    static const char key[] = "\"actual\":";
    if (!execute(qmp, "{\"execute\":\"query-balloon\"}", line))
        return false;
    const char *actual = strstr(line, key);
    return actual != NULL && strtoull(actual + strlen(key), NULL, 10) == bytes;
}

static void pause_for(uint64_t ns)
{
    const struct timespec pause = {.tv_sec = (time_t)(ns / NS_PER_S),
                                   .tv_nsec = (long)(ns % NS_PER_S)};
    (void)nanosleep(&pause, NULL);
}

/* How long it took; 0 if it did not come to its end. */
static uint64_t balloon(FILE *qmp, uint64_t bytes, uint64_t seconds, char *line)
{
    char command[128];
    (void)snprintf(command, sizeof(command),
                   "{\"execute\":\"balloon\",\"arguments\":{\"value\":%" PRIu64 "}}", bytes);
    uint64_t begin = clock_mono_ns();
    if (!execute(qmp, command, line))
        return 0;
    for (;;) {
        bool there = is_at(qmp, bytes, line);
        uint64_t took = clock_mono_ns() - begin;
        if (there)
            return took;
        if (took > seconds * NS_PER_S || line[0] == '\0')
            return 0;
        uint64_t pause = took / PAUSE_PART;
        if (pause < PAUSE_MIN_NS)
            pause = PAUSE_MIN_NS;
        pause_for(pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS);
    }
}

int main(int argc, char **argv)
{
    static char line[LINE_SIZE];
    if (argc != 5 || strcmp(argv[2], "balloon") != 0) {
        (void)fprintf(stderr, "usage: qmp SOCKET balloon BYTES SECONDS\n");
        return 2;
    }
    FILE *qmp = connect_to(argv[1]);
    if (qmp == NULL) {
        perror(argv[1]);
        return 1;
    }
    uint64_t took = 0;
    if (execute(qmp, "{\"execute\":\"qmp_capabilities\"}", line))
        took = balloon(qmp, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), line);
    (void)fclose(qmp);
    if (took == 0) {
        (void)fprintf(stderr, "qmp: the balloon did not leave %s bytes; the last answer was: %s\n",
                      argv[3], line);
        return 1;
    }
    (void)printf("%" PRIu64 "\n", took);
    return 0;
}
