/* SPDX-License-Identifier: Apache-2.0 */
/* The forms that answers have. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/api/api_priv.h"

void api_reply_text(struct api_reply *out, char *text)
{
    *out = (struct api_reply){.status = text == NULL ? 500 : 200, .body = text};
}

void api_reply_fault(struct api_reply *out, unsigned status, const char *fmt, ...)
{
    char text[800];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    json_t *root = json_pack("{s:o}", "fault_message", cfg_json_text(text));
    api_reply_text(out, root == NULL ? NULL : json_dumps(root, JSON_COMPACT));
    if (out->body != NULL)
        out->status = status;
    json_decref(root);
}

void api_reply_done(struct api_reply *out, int rc, const struct err *err)
{
    if (rc < 0)
        api_reply_fault(out, 400, "%s", err->text);
    else
        *out = (struct api_reply){.status = 204};
}
