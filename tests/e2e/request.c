/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request SOCKET METHOD PATH [BODY]: one request to a control socket, for scenarios: the HTTP
 * status on the first line, the body after it. Exit status 0 if there was an answer, whatever it
 * says.
 */
#include <stdio.h>

#include "vmm/api_client/client.h"

#define TIMEOUT_MS 60000u

int main(int argc, char **argv)
{
    struct api_response response = {0};
    struct err err = {0};
    if (argc != 4 && argc != 5) {
        (void)fprintf(stderr, "usage: request SOCKET METHOD PATH [BODY]\n");
        return 2;
    }
    if (api_request(argv[1], argv[2], argv[3], argv[4], TIMEOUT_MS, &response, &err) < 0) {
        (void)fprintf(stderr, "request: %s\n", err.text);
        return 1;
    }
    (void)printf("%u\n%s\n", response.status, response.body == NULL ? "" : response.body);
    api_response_finish(&response);
    return 0;
}
