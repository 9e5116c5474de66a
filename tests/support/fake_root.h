/* SPDX-License-Identifier: Apache-2.0 */
/* A folder that stands for "/", with files of /proc and /sys as a test wants them. */
#ifndef AEROSTAT_TESTS_FAKE_ROOT_H
#define AEROSTAT_TESTS_FAKE_ROOT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char fake_root[64];

static inline void fake_root_create(void)
{
    strcpy(fake_root, "/tmp/aerostat-root-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fake_root));
}

static inline void fake_root_remove(void)
{
    char command[100];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", fake_root);
    ck_assert_int_eq(system(command), 0);
}

/* Writes a file below the folder, and the folders above it. */
static inline void fake_file(const char *path, const char *text)
{
    char full[300];
    size_t root = strlen(fake_root);
    (void)snprintf(full, sizeof(full), "%s%s", fake_root, path);
    for (char *slash = strchr(full + root + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(full, 0755);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

#endif
