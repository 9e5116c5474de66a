/* SPDX-License-Identifier: Apache-2.0 */
/* What the JSON bodies of the control socket's answers mean. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "vmm/api_client/client.h"

static int parse_body(const struct api_response *response, json_t **out, struct err *err)
{
    json_error_t where;
    json_t *root = json_loadb(response->body, response->len, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(root)) {
        json_decref(root);
        return err_set(err, -EPROTO, "the answer of the control socket is no JSON object");
    }
    *out = root;
    return 0;
}

int api_call(const char *socket_path, const char *method, const char *path, const char *body,
             unsigned timeout_ms, struct api_response *out, struct err *err)
{
    struct api_response response = {0};
    int rc = api_request(socket_path, method, path, body, timeout_ms, &response, err);
    if (rc < 0)
        return rc;
    if (response.status < 400) {
        *out = response;
        return 0;
    }
    json_t *root = NULL;
    const char *fault = NULL;
    if (parse_body(&response, &root, NULL) == 0)
        fault = json_string_value(json_object_get(root, "fault_message"));
    if (fault != NULL)
        rc = err_set(err, -EREMOTEIO, "%s", fault);
    else
        rc = err_set(err, -EREMOTEIO, "control socket %s: HTTP status %u to %s %s", socket_path,
                     response.status, method, path);
    json_decref(root);
    api_response_finish(&response);
    return rc;
}

/* The value at key, NULL for none. */
static const json_t *find(const json_t *root, const char *section, const char *key)
{
    return json_object_get(section == NULL ? root : json_object_get(root, section), key);
}

static int missing(const char *key, struct err *err)
{
    return err_set(err, -EPROTO, "the answer of the control socket has no %s", key);
}

int api_body_u64(const struct api_response *response, const char *section, const char *key,
                 uint64_t *out_value, struct err *err)
{
    json_t *root = NULL;
    int rc = parse_body(response, &root, err);
    if (rc < 0)
        return rc;
    const json_t *value = find(root, section, key);
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        *out_value = (uint64_t)json_integer_value(value);
    else
        rc = missing(key, err);
    json_decref(root);
    return rc;
}

int api_body_equals(const struct api_response *response, const char *section, const char *key,
                    const char *text, bool *out_equals, struct err *err)
{
    json_t *root = NULL;
    int rc = parse_body(response, &root, err);
    if (rc < 0)
        return rc;
    const json_t *value = find(root, section, key);
    if (json_is_string(value))
        *out_equals = strcmp(json_string_value(value), text) == 0;
    else if (json_is_boolean(value))
        *out_equals = strcmp(json_is_true(value) ? "true" : "false", text) == 0;
    else
        rc = missing(key, err);
    json_decref(root);
    return rc;
}

int api_body_text(const struct api_response *response, const char *section, const char *key,
                  char *out, size_t size, struct err *err)
{
    json_t *root = NULL;
    int rc = parse_body(response, &root, err);
    if (rc < 0)
        return rc;
    const json_t *value = find(root, section, key);
    if (json_is_string(value))
        (void)snprintf(out, size, "%s", json_string_value(value));
    else
        rc = missing(key, err);
    json_decref(root);
    return rc;
}

static void print_value(const char *key, const json_t *value, FILE *out)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        (void)fprintf(out, "%s %s\n", key, json_string_value(value));
        break;
    case JSON_INTEGER:
        (void)fprintf(out, "%s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
        break;
    case JSON_REAL:
        (void)fprintf(out, "%s %g\n", key, json_real_value(value));
        break;
    case JSON_TRUE:
        (void)fprintf(out, "%s true\n", key);
        break;
    case JSON_FALSE:
        (void)fprintf(out, "%s false\n", key);
        break;
    default:
        break;
    }
}

int api_body_print(const struct api_response *response, FILE *out, struct err *err)
{
    json_t *root = NULL;
    int rc = parse_body(response, &root, err);
    if (rc < 0)
        return rc;
    const char *key;
    const char *inner_key;
    json_t *value;
    json_t *inner;
    json_object_foreach(root, key, value)
    {
        print_value(key, value, out);
        json_object_foreach(value, inner_key, inner)
        {
            print_value(inner_key, inner, out);
        }
    }
    json_decref(root);
    return 0;
}
