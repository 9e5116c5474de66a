/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the HTTP library when it is needed, and tells packagers that it will be. */
#include "vmm/api/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/num.h"

static const struct {
    const char *name;
    size_t offset; /* of the member */
} functions[] = {
#define FUNCTION(name) {"MHD_" #name, offsetof(struct api_library, name)},
    API_LIBRARY_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

/*
 * An ELF note in the form of the "ELF dlopen metadata" specification (uapi-group.org), which tools
 * that make packages read beside the list of linked libraries; tools/lab does.
 */
#define NOTE_TEXT                                                                                  \
    "[{\"feature\":\"api\",\"description\":\"the control socket\",\"priority\":\"required\","      \
    "\"soname\":[\"" AEROSTAT_HTTP_SONAME "\"]}]"
#define NOTE_TYPE 0x407c0c0au

struct note {
    uint32_t namesz, descsz, type;
    char name[4];
    char desc[(sizeof(NOTE_TEXT) + 3) / 4 * 4];
};

__attribute__((used, aligned(4), section(".note.dlopen"))) static const struct note note = {
    .namesz = sizeof("FDO"),
    .descsz = sizeof(NOTE_TEXT),
    .type = NOTE_TYPE,
    .name = "FDO",
    .desc = NOTE_TEXT,
};

static int explain(const char *soname, struct err *err)
{
    const char *why = dlerror();
    return err_set(err, -ENOENT,
                   "the HTTP library cannot be loaded: %.300s: install %s (Debian: "
                   "libmicrohttpd12)",
                   why == NULL ? "no reason is known" : why, soname);
}

int api_library_load_as(const char *soname, struct api_library *out, struct err *err)
{
    struct api_library library;
    /* Never closed: gnutls leaves handlers behind. RTLD_NOW: what is missing is missed now. */
    void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return explain(soname, err);
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        void *function = dlsym(handle, functions[i].name);
        if (function == NULL)
            return explain(soname, err);
        memcpy((char *)&library + functions[i].offset, &function, sizeof(function));
    }
    *out = library;
    return 0;
}

int api_library_load(struct api_library *out, struct err *err)
{
    return api_library_load_as(AEROSTAT_HTTP_SONAME, out, err);
}

bool api_library_in_place(void)
{
    return access(AEROSTAT_HTTP_FILE, R_OK) == 0;
}
