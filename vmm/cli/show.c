/* SPDX-License-Identifier: Apache-2.0 */
/* `aerostat show`: all there is to know of one machine. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "vmm/api_client/client.h"
#include "vmm/base/log.h"
#include "vmm/base/num.h"
#include "vmm/cli/cli.h"
#include "vmm/cli/vm.h"
#include "vmm/config/config.h"

enum { OPT_JSON = 1 };

/* What is asked for beside the machine itself, and what it is called here. A machine that does not
 * have it (no balloon, not started) goes without. */
static const struct {
    const char *key;
    const char *path;
} parts[] = {
    {"config", "/vm/config"},
    {"balloon", "/balloon/statistics"},
    {"host", "/vm/host"},
};

/* The path of a machine's file; false when it has no folder, or not that file. */
static bool file_path(const struct vm_ref *vm, enum registry_file file, char out[REGISTRY_PATH_MAX])
{
    struct registry *registry = NULL;
    if (vm->entry.name[0] == '\0' || !vm->entry.detached ||
        registry_open(false, &registry, NULL) < 0)
        return false;
    int rc = registry_path(registry, vm->entry.name, file, out);
    registry_close(registry);
    return rc == 0;
}

/* The files of a detached machine. */
static const struct {
    const char *key;
    enum registry_file file;
} files[] = {
    {"console_sock", REGISTRY_CONSOLE_SOCK},
    {"console_log", REGISTRY_CONSOLE_LOG},
    {"log", REGISTRY_LOG},
};

static int get_instance(const struct vm_ref *vm, struct api_response *out, struct err *err)
{
    return api_call(vm->api_sock, "GET", "/", NULL, VM_TIMEOUT_MS, out, err);
}

static int print_text(const struct vm_ref *vm, struct err *err)
{
    char path[REGISTRY_PATH_MAX];
    struct api_response instance = {0};
    int rc = get_instance(vm, &instance, err);
    if (rc == 0)
        rc = api_body_print(&instance, stdout, err);
    api_response_finish(&instance);
    if (rc < 0)
        return rc;
    if (vm->entry.pid != 0)
        (void)printf("pid %d\n", (int)vm->entry.pid);
    (void)printf("api_sock %s\n", vm->api_sock);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (file_path(vm, files[i].file, path))
            (void)printf("%s %s\n", files[i].key, path);
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct api_response part = {0};
        if (api_call(vm->api_sock, "GET", parts[i].path, NULL, VM_TIMEOUT_MS, &part, NULL) == 0) {
            (void)printf("\n%s\n", parts[i].key);
            (void)api_body_print(&part, stdout, NULL);
        }
        api_response_finish(&part);
    }
    return 0;
}

/* The answer as JSON; null where there is none. */
static json_t *ask(const struct vm_ref *vm, const char *path)
{
    struct api_response response = {0};
    json_t *value = NULL;
    if (api_call(vm->api_sock, "GET", path, NULL, VM_TIMEOUT_MS, &response, NULL) == 0)
        value = json_loadb(response.body, response.len, 0, NULL);
    api_response_finish(&response);
    return value == NULL ? json_null() : value;
}

static int print_json(const struct vm_ref *vm, struct err *err)
{
    char path[REGISTRY_PATH_MAX];
    struct api_response instance = {0};
    int rc = get_instance(vm, &instance, err);
    if (rc < 0)
        return rc;
    json_t *root = json_loadb(instance.body, instance.len, 0, NULL);
    api_response_finish(&instance);
    rc = json_object_set_new(root, "pid",
                             vm->entry.pid == 0 ? json_null() : json_integer(vm->entry.pid));
    if (rc == 0)
        rc = json_object_set_new(root, "api_sock", cfg_json_text(vm->api_sock));
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(files); i++) {
        if (file_path(vm, files[i].file, path))
            rc = json_object_set_new(root, files[i].key, cfg_json_text(path));
    }
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++)
        rc = json_object_set_new(root, parts[i].key, ask(vm, parts[i].path));
    if (rc == 0)
        rc = json_dumpf(root, stdout, JSON_INDENT(2));
    json_decref(root);
    (void)printf("\n");
    return rc < 0 ? err_set(err, -EPROTO, "%s: its answer is no JSON object", vm_label(vm)) : 0;
}

static int show(const struct cmd_line *line)
{
    struct vm_ref vm;
    struct err err = {0};
    int rc = vm_resolve(cmd_word(line, 0), &vm, &err);
    if (rc == 0)
        rc = cmd_given(line, OPT_JSON) ? print_json(&vm, &err) : print_text(&vm, &err);
    if (rc < 0)
        log_error("%s", err.text);
    return rc < 0 ? CLI_FAILED : CLI_OK;
}

static const struct cmd_option options[] = {
    {.name = "json",
     .id = OPT_JSON,
     .help = "print an object; \"config\", \"balloon\" and \"host\" are null where the machine "
             "does not have them"},
    {0},
};

static const struct cmd_arg args[] = {
    {.name = "VM",
     .help = "a machine's name, or its control socket's path with a slash in it",
     .needs = "a machine: see aerostat ps",
     .complete = CMD_COMPLETE_VM},
    {0},
};

const struct command cmd_show = {
    .name = "show",
    .summary = "show all about a machine",
    .group = CMD_GROUP_LOOK,
    .description = "Shows a machine's state, its configuration, its balloon, what the host spends "
                   "on it, and where the files of a detached one are.",
    .options = options,
    .args = args,
    .run = show,
};
