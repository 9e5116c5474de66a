/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold PID NAME SECONDS: stops the thread of that name for so long, and no other of its process:
 * what a scenario needs to see how the guest fares with a device that does not answer. Prints
 * "held" when the thread stands.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

/* The id of the thread; 0 if there is none of that name. */
static int find_thread(const char *pid, const char *name)
{
    char path[300];
    char line[32];
    int found = 0;
    (void)snprintf(path, sizeof(path), "/proc/%s/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return 0;
    for (struct dirent *entry; found == 0 && (entry = readdir(tasks)) != NULL;) {
        (void)snprintf(path, sizeof(path), "/proc/%s/task/%s/comm", pid, entry->d_name);
        FILE *comm = fopen(path, "re");
        if (comm == NULL)
            continue;
        if (fgets(line, sizeof(line), comm) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            if (strcmp(line, name) == 0)
                found = atoi(entry->d_name);
        }
        (void)fclose(comm);
    }
    (void)closedir(tasks);
    return found;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: hold PID NAME SECONDS\n");
        return 2;
    }
    const struct timespec pause = {.tv_sec = atoi(argv[3])};
    int tid = find_thread(argv[1], argv[2]);
    if (tid == 0) {
        (void)fprintf(stderr, "hold: process %s has no thread \"%s\"\n", argv[1], argv[2]);
        return 1;
    }
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0 ||
        ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 || waitpid(tid, NULL, __WALL) != tid) {
        perror("hold: ptrace");
        return 1;
    }
    (void)printf("held\n");
    (void)fflush(stdout);
    nanosleep(&pause, NULL);
    /* The end of this process lets it go. */
    return 0;
}
