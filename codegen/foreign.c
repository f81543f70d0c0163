/* SPDX-License-Identifier: Apache-2.0
 * The table of foreign functions, and finding them in this process. The library is opened when code is made that needs
 * it, and never closed: it has threads of its own. */
#define _GNU_SOURCE
#include "codegen/foreign.h"

#include <dlfcn.h>
#include <string.h>

const ForeignInfo foreign_info[FOREIGN_COUNT] = {
#define FOREIGN(name, arguments) [FOREIGN_##name] = {#name, arguments},
#include "codegen/foreign.def"
};

LoopKind foreign_kind(char letter)
{
    return letter == 'p' ? LOOP_ptr : letter == 'n' ? LOOP_i64 : LOOP_i32;
}

static bool calls_foreign(const LoopFunction *f)
{
    for (uint32_t i = 1; i < f->instr_count; i++)
        if (f->instr[i].op == LOOP_call)
            return true;
    return false;
}

bool loop_module_is_foreign(const LoopModule *module)
{
    for (uint32_t i = 0; module != NULL && i < module->function_count; i++)
        if (calls_foreign(module->function[i]))
            return true;
    return false;
}

static Status missing(Diag *diag, const char *what)
{
    (void)diag_fail(diag, STATUS_FAILED, "linear algebra", "qr, eigh and svd need LAPACK: %s", what);
    diag_hint(diag, "install %s", FOREIGN_PACKAGE);
    return STATUS_FAILED;
}

Status foreign_open(const void *address[FOREIGN_COUNT], const char **path, Diag *diag)
{
    Dl_info info;
    void *library = dlopen(FOREIGN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return missing(diag, "cannot open " FOREIGN_LIBRARY);
    for (uint32_t i = 0; i < FOREIGN_COUNT; i++) {
        address[i] = dlsym(library, foreign_info[i].name);
        if (address[i] == NULL)
            return missing(diag, FOREIGN_LIBRARY " lacks functions of LAPACK");
    }
    if (path != NULL)
        *path = dladdr(address[0], &info) != 0 ? info.dli_fname : FOREIGN_LIBRARY;
    return STATUS_OK;
}
