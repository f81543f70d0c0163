/* SPDX-License-Identifier: Apache-2.0
 * The order of an emitted C file: prologue, settings, types, macros, data declarations, functions, data definitions.
 * Functions are written first, aside: they tell which types and macros the file needs. */
#include "codegen/c/emit_c_internal.h"

#include <stdlib.h>

static Status write_functions(CEmitter *e, StrBuf *functions)
{
    e->out = functions;
    for (uint32_t i = 0; i < e->module->function_count; i++) {
        arena_release(&e->scratch);
        TRY(c_function(e, e->module->function[i]));
    }
    return STATUS_OK;
}

static void declare_foreign(CEmitter *e)
{
    for (uint32_t i = 0; i < FOREIGN_COUNT; i++) {
        const char *letter = foreign_info[i].arguments;
        if (!e->foreign[i])
            continue;
        strbuf_printf(e->out, "extern void %s(", foreign_info[i].name);
        for (uint32_t k = 0; letter[k] != '\0'; k++)
            strbuf_printf(e->out, "%s%s", k == 0 ? "" : ", ",
                          letter[k] == 'p'   ? "void *"
                          : letter[k] == 'n' ? "int64_t"
                                             : "int32_t");
        strbuf_add(e->out, ");\n");
    }
}

static Status write_file(CEmitter *e, StrBuf *out, const StrBuf *functions)
{
    e->out = out;
    strbuf_printf(out, "/* Made by adze%s%s. Compile with gcc 12 or clang 15, or newer; link with -lm%s. */\n",
                  e->options->comment != NULL ? ": " : "", e->options->comment != NULL ? e->options->comment : "",
                  loop_module_is_foreign(e->module) ? " -lopenblas" : "");
    if (e->options->prologue != NULL)
        strbuf_add(out, e->options->prologue);
    c_complete_macros(e);
    c_settings(e);
    c_types(e);
    c_macros(e);
    declare_foreign(e);
    TRY(c_data_declarations(e));
    strbuf_add_bytes(out, strbuf_text(functions), functions->length);
    c_data_definitions(e);
    strbuf_add(out, "\n#pragma GCC diagnostic pop\n"
                    "#if !defined(__clang__)\n"
                    "#pragma GCC pop_options\n"
                    "#endif\n");
    return STATUS_OK;
}

Status emit_c(const LoopModule *module, const CEmitOptions *options, StrBuf *out, Diag *diag)
{
    CEmitter *e = calloc(1, sizeof *e);
    if (e == NULL)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "C code", "out of memory");
    *e = (CEmitter){.module = module, .options = options, .diag = diag};
    e->prefix = options->prefix != NULL ? options->prefix : "adze";
    arena_init(&e->scratch);
    StrBuf functions = {0};
    Status status = write_functions(e, &functions);
    if (status == STATUS_OK)
        status = write_file(e, out, &functions);
    if (status == STATUS_OK && (functions.failed || out->failed))
        status = diag_fail(diag, STATUS_OUT_OF_MEMORY, "C code", "out of memory");
    strbuf_release(&functions);
    arena_release(&e->scratch);
    free(e);
    return status;
}
