/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the routes of the control socket and what they answer. A first byte says how the
 * machine is; then come requests, 0x1e between: "METHOD PATH REFRESH PARAMETER", a line feed, and
 * the body. "-" stands for a parameter that is not there.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fake_target.h"
#include "tests/fuzz/require.h"
#include "vmm/api/api_priv.h"
#include "vmm/base/num.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUESTS_MAX 8u
#define LINE_LIMIT   600u
#define SEPARATOR    0x1e

/* Bits of the first byte. */
enum { DESCRIBED = 1, STARTED = 2, PAUSED = 4, HINTING = 8, REPORTS = 16, NO_BALLOON = 32 };

#define BOOT    "{\"boot-source\":{\"kernel_image_path\":\"/dev/null\"}"
#define BALLOON BOOT ",\"balloon\":{\"amount_mib\":1,\"deflate_on_oom\":true,"

static void set_up(struct fake_target *fake, uint8_t how)
{
    const char *text = "";
    if ((how & DESCRIBED) != 0 && (how & NO_BALLOON) != 0)
        text = BOOT "}";
    else if ((how & DESCRIBED) != 0)
        text = (how & HINTING) != 0 ? BALLOON "\"free_page_hinting\":true}}"
                                    : BALLOON "\"stats_polling_interval_s\":1}}";
    fake_target_init(fake, text);
    fake->can_report = (how & REPORTS) != 0;
    if ((how & STARTED) != 0)
        fake->state = (how & PAUSED) != 0 ? MACHINE_PAUSED : MACHINE_RUNNING;
}

static void require_fault(const json_t *root)
{
    const char *message = json_string_value(json_object_get(root, "fault_message"));
    require(json_object_size(root) == 1 && message != NULL && *message != '\0');
}

static void require_reply(const struct api_reply *reply)
{
    if (reply->status == 204) {
        require(reply->body == NULL);
        return;
    }
    require(reply->status == 200 || reply->status == 400);
    require(reply->body != NULL && *reply->body != '\0');
    if (reply->content_type != NULL) {
        require(reply->status == 200);
        return;
    }
    json_t *root = json_loads(reply->body, JSON_REJECT_DUPLICATES, NULL);
    require(json_is_object(root));
    if (reply->status == 400)
        require_fault(root);
    json_decref(root);
}

static struct metrics_api_count sum(const struct metrics_api_counts *counts)
{
    struct metrics_api_count all = {.requests = counts->unknown, .fails = counts->unknown};
    for (unsigned m = 0; m < METRICS_METHODS; m++) {
        for (unsigned s = 0; s < METRICS_SECTIONS; s++) {
            all.requests += counts->by[m][s].requests;
            all.fails += counts->by[m][s].fails;
        }
    }
    return all;
}

/* Each answer counts once; only of DELETE for a device that does not exist here nothing counts. */
static void require_counted(const struct api_request *request, const struct api_reply *reply,
                            struct metrics_api_count before, struct metrics_api_count now)
{
    if (strcmp(request->method, "DELETE") == 0 && now.requests == before.requests)
        return;
    require(now.requests == before.requests + 1);
    require(now.fails == before.fails + (reply->status >= 400));
}

/* A request that fails, and one that only asks, change nothing. */
static void route(struct fake_target *fake, struct api_request *request)
{
    struct api_reply reply = {0};
    struct vm_config config = fake->config;
    enum machine_state state = fake->state;
    struct metrics_api_count counts = sum(&fake->counts);
    char *before = cfg_to_json(&fake->config, false);
    api_route(request, &reply);
    if (reply.status == 0) {
        require(fake->can_report && request->refresh_ms != NULL && !request->waited);
        require(reply.wait_ms >= 1 && reply.wait_ms <= API_REFRESH_MAX_MS);
        request->waited = true;
        api_route(request, &reply);
    }
    require_reply(&reply);
    require_counted(request, &reply, counts, sum(&fake->counts));
    if (reply.status == 400 || strcmp(request->method, "GET") == 0) {
        char *after = cfg_to_json(&fake->config, false);
        require(memcmp(&config, &fake->config, sizeof(config)) == 0 && strcmp(before, after) == 0);
        require(state == fake->state && fake->stops == 0);
        free(after);
    }
    free(before);
    free(reply.body);
}

/* The words of a line; missing ones are empty. */
static void split(char *line, char *words[4])
{
    for (unsigned i = 0; i < 4; i++) {
        words[i] = line;
        char *blank = i < 3 ? strchr(line, ' ') : NULL;
        line = blank == NULL ? line + strlen(line) : blank + 1;
        if (blank != NULL)
            *blank = '\0';
    }
}

static void one_request(struct fake_target *fake, const uint8_t *data, size_t size)
{
    const struct api_target target = {
        .ops = &fake_target_ops, .arg = fake, .vmm_version = "1", .id = "fuzz"};
    char line[LINE_LIMIT + 1];
    char *words[4];
    const uint8_t *feed = memchr(data, '\n', size);
    size_t head = feed == NULL ? size : (size_t)(feed - data);
    size_t begin = feed == NULL ? size : head + 1;
    memcpy(line, data, min_u64(head, LINE_LIMIT));
    line[min_u64(head, LINE_LIMIT)] = '\0';
    split(line, words);
    /* A copy of the exact size, so that reading past the body is seen. */
    char *body = malloc(size - begin + 1);
    require(body != NULL);
    memcpy(body, data + begin, size - begin);
    struct api_request request = {
        .target = &target,
        .method = words[0],
        .path = words[1],
        .refresh_ms = strcmp(words[2], "-") == 0 || *words[2] == '\0' ? NULL : words[2],
        .bad_parameter = strcmp(words[3], "-") == 0 || *words[3] == '\0' ? NULL : words[3],
        .body = realloc(body, size - begin == 0 ? 1 : size - begin),
        .len = size - begin,
    };
    body = (char *)(uintptr_t)request.body;
    require(body != NULL);
    route(fake, &request);
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_target fake;
    if (size == 0)
        return 0;
    set_up(&fake, data[0]);
    data++;
    size--;
    for (unsigned n = 0; n < REQUESTS_MAX && size > 0 && fake.stops == 0; n++) {
        const uint8_t *end = memchr(data, SEPARATOR, size);
        size_t len = end == NULL ? size : (size_t)(end - data);
        one_request(&fake, data, len);
        size -= end == NULL ? len : len + 1;
        data += end == NULL ? len : len + 1;
    }
    fake_target_finish(&fake);
    return 0;
}
