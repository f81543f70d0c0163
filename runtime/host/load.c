/* SPDX-License-Identifier: Apache-2.0
 * Opens a compiled model's library by dlopen and checks that it is one this program understands. */
#include "runtime/host/load.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "runtime/runtime.h"

/* A path without a slash would be looked for in the system's library folders. */
static void *open_library(const char *path)
{
    char local[PATH_MAX];
    if (strchr(path, '/'))
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if ((size_t)snprintf(local, sizeof local, "./%s", path) >= sizeof local)
        return NULL;
    return dlopen(local, RTLD_NOW | RTLD_LOCAL);
}

static AdzeStatus check_library(const char *path, void *library, const AdzeModel **model, AdzeMessage message)
{
    const AdzeModel *found = dlsym(library, "adze_model");
    if (!found)
        return adze_fail(message, ADZE_FILE, "%s: not a library made by adze", path);
    if (found->abi_version != ADZE_ABI_VERSION || found->struct_bytes < sizeof(AdzeModel))
        return adze_fail(message, ADZE_FILE, "%s: made for version %u of adze/model.h, this is version %u", path,
                         found->abi_version, (unsigned)ADZE_ABI_VERSION);
    *model = found;
    return ADZE_OK;
}

AdzeStatus adze_library_open(const char *path, const AdzeModel **model, void **library, char *text, size_t text_bytes)
{
    const AdzeMessage message = {text, text_bytes};
    *library = open_library(path);
    if (!*library) {
        const char *reason = dlerror();
        return adze_fail(message, ADZE_FILE, "%s", reason ? reason : "the path is too long");
    }
    const AdzeStatus status = check_library(path, *library, model, message);
    if (status != ADZE_OK)
        adze_library_close(*library);
    return status;
}

void adze_library_close(void *library)
{
    (void)dlclose(library);
}

int64_t adze_model_workspace_bound(const AdzeModel *model, const int64_t *symbol)
{
    return adze_workspace_bound(model, symbol);
}
