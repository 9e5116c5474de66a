/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request SOCKET METHOD PATH [BODY]: one request to a control socket, for scenarios: the HTTP
 * status on the first line, the body after it. Exit status 0 if there was an answer, whatever it
 * says.
 *
 * request SOCKET latency COUNT PATH: so many GET requests one after the other, each on a connection
 * of its own, and how long they took: "requests=N median_us=N p99_us=N max_us=N".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/api_client/client.h"
#include "vmm/base/clock.h"

#define TIMEOUT_MS 60000u
#define COUNT_MAX  100000
#define NS_PER_US  1000u
#define PERCENT    100
#define PERCENTILE 99

static int usage(void)
{
    (void)fprintf(stderr, "usage: request SOCKET METHOD PATH [BODY]\n"
                          "       request SOCKET latency COUNT PATH\n");
    return 2;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return (*x > *y) - (*x < *y);
}

static int latency(const char *socket, int count, const char *path)
{
    static uint64_t took_us[COUNT_MAX];
    struct err err = {0};
    for (int i = 0; i < count; i++) {
        struct api_response response = {0};
        uint64_t begin_ns = clock_mono_ns();
        if (api_call(socket, "GET", path, NULL, TIMEOUT_MS, &response, &err) < 0) {
            (void)fprintf(stderr, "request: %s\n", err.text);
            return 1;
        }
        took_us[i] = (clock_mono_ns() - begin_ns) / NS_PER_US;
        api_response_finish(&response);
    }
    qsort(took_us, (size_t)count, sizeof(took_us[0]), ascending);
    (void)printf("requests=%d median_us=%lu p99_us=%lu max_us=%lu\n", count,
                 (unsigned long)took_us[count / 2],
                 (unsigned long)took_us[count * PERCENTILE / PERCENT],
                 (unsigned long)took_us[count - 1]);
    return 0;
}

int main(int argc, char **argv)
{
    struct api_response response = {0};
    struct err err = {0};
    if (argc == 5 && strcmp(argv[2], "latency") == 0) {
        int count = atoi(argv[3]);
        return count < 1 || count > COUNT_MAX ? usage() : latency(argv[1], count, argv[4]);
    }
    if (argc != 4 && argc != 5)
        return usage();
    if (api_request(argv[1], argv[2], argv[3], argv[4], TIMEOUT_MS, &response, &err) < 0) {
        (void)fprintf(stderr, "request: %s\n", err.text);
        return 1;
    }
    (void)printf("%u\n%s\n", response.status, response.body == NULL ? "" : response.body);
    api_response_finish(&response);
    return 0;
}
