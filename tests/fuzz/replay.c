/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds every file of a corpus directory to a fuzz target once: the regression half of fuzzing, for
 * any compiler.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/cleanup.h"

#define INPUT_LIMIT (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Runs one file. Returns 0 or -errno with a message on standard error. */
static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        int e = errno;
        fprintf(stderr, "%s: cannot open: %s\n", path, strerror(e));
        return -e;
    }
    AUTO_FREE uint8_t *buf = malloc(INPUT_LIMIT);
    size_t n = buf ? fread(buf, 1, INPUT_LIMIT, f) : 0;
    int bad = !buf || ferror(f) || !feof(f);
    fclose(f);
    if (bad) {
        fprintf(stderr, "%s: cannot read, or %u bytes and more\n", path, INPUT_LIMIT);
        return -EIO;
    }
    /* A copy of the exact size, so that reading past the input is seen by AddressSanitizer. */
    AUTO_FREE uint8_t *exact = malloc(n ? n : 1);
    if (!exact)
        return -ENOMEM;
    memcpy(exact, buf, n);
    LLVMFuzzerTestOneInput(exact, n);
    return 0;
}

/* Runs every regular file of dir. Returns how many there were, or -errno. */
static int replay_dir(const char *dir)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, NULL, alphasort);
    if (n < 0) {
        int e = errno;
        fprintf(stderr, "%s: cannot list: %s\n", dir, strerror(e));
        return -e;
    }
    int ran = 0;
    int ret = 0;
    for (int i = 0; i < n; i++) {
        char path[4096];
        int len = snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        bool hidden = entries[i]->d_name[0] == '.';
        free(entries[i]);
        if (hidden || ret < 0)
            continue;
        ret = len < (int)sizeof(path) ? replay_file(path) : -ENAMETOOLONG;
        ran++;
    }
    free(entries);
    return ret < 0 ? ret : ran;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return EXIT_FAILURE;
    }
    int ran = replay_dir(argv[1]);
    if (ran == 0)
        fprintf(stderr, "%s: no corpus files, nothing was tested\n", argv[1]);
    if (ran <= 0)
        return EXIT_FAILURE;
    printf("%s: %d inputs\n", argv[1], ran);
    return EXIT_SUCCESS;
}
