/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what a control socket answers, as HTTP and as figures of a view of machines. The
 * monitor behind it may be in a guest's hand. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/api_client/client_priv.h"
#include "vmm/cli/top_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

/* Whatever was read can be shown, and no escape sequence is in it. */
static void show(struct top_vm *vm)
{
    static char text[4096];
    struct top top = {.root = "", .vms = vm, .n = 1};
    struct top_view view = {.width = 90, .height = 5};
    FILE *out = fmemopen(text, sizeof(text), "w");
    require(out != NULL && top_draw(&top, &view, "\n", out) == 0);
    (void)fclose(out);
    require(strchr(text, '\033') == NULL);
}

static void read_body(const char *body, size_t len)
{
    struct top_vm vm = {.name = "vm"};
    struct top_vm host = {.name = "vm"};
    if (top_read_state(&vm, body, len))
        require(vm.state[0] != '\0' && strlen(vm.state) < sizeof(vm.state));
    (void)top_read_balloon(&vm, body, len);
    show(&vm);
    (void)top_read_host(&host, body, len);
    show(&host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct api_response response = {0};
    struct exchange x = {.socket_path = "socket", .fd = -1, .err = &err};
    x.answer = malloc(size + 1);
    require(x.answer != NULL);
    memcpy(x.answer, data, size);
    x.len = size;
    (void)exchange_is_complete(&x);
    if (exchange_parse(&x, &response) == 0) {
        require(response.status >= 100 && response.status < 1000 && response.len <= size);
        read_body(response.body, response.len);
    } else {
        require(err.text[0] != '\0');
    }
    api_response_finish(&response);
    free(x.answer);
    read_body((const char *)data, size);
    return 0;
}
