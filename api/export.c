/* SPDX-License-Identifier: Apache-2.0
 * Writing graphs out, as text or as code. A text's large constants go to a file beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/compiled.h"
#include "codegen/output_file.h"
#include "ir/text.h"

/* What a file is told by: its suffix. OUTPUT_LOOPS stands for the graph's text. */
static const struct {
    const char *suffix;
    OutputKind kind;
} outputs[] = {{".so", OUTPUT_SO},      {".o", OUTPUT_OBJECT},   {".c", OUTPUT_C},
               {".h", OUTPUT_HEADER},   {".ll", OUTPUT_LLVM},    {".bc", OUTPUT_BITCODE},
               {".s", OUTPUT_ASSEMBLY}, {".adze", OUTPUT_LOOPS}, {".loops", OUTPUT_LOOPS}};

enum { OUTPUT_KINDS = sizeof outputs / sizeof *outputs };

static int find_output(const char *path)
{
    const char *suffix = strrchr(path, '.');
    for (int i = 0; suffix != NULL && i < OUTPUT_KINDS; i++)
        if (strcmp(outputs[i].suffix, suffix) == 0)
            return i;
    return -1;
}

bool output_is_known(adze_context *context, const char *what, const char *path)
{
    if (find_output(path) >= 0)
        return true;
    context_fail(context, ADZE_USAGE, "[%s] %s should end in .so, .o, .c, .h, .ll, .bc, .s, .loops or .adze", what,
                 path);
    return false;
}

/* ---- text, and its constants beside it ---- */

enum { CONSTANT_ALIGNMENT = 64 };

/* Whether a text refers to the constant's bytes instead of holding them, as print.c decides. */
static bool stands_beside(const Module *module, ConstantId id)
{
    uint8_t element[16];
    const Constant *constant = constant_get(module, id);
    const int64_t size = type_static_size(constant->type);
    return size > TEXT_INLINE_LIMIT && module->blob[constant->blob].bytes > TEXT_HEX_LIMIT &&
           !module->blob[constant->blob].absent &&
           !(size <= TEXT_SPLAT_LIMIT && constant_is_splat(module, id, element));
}

static size_t with_gap(size_t bytes)
{
    return (bytes + CONSTANT_ALIGNMENT - 1) / CONSTANT_ALIGNMENT * CONSTANT_ALIGNMENT;
}

/* The constants that stand beside, in one file. */
static Status write_constants(const Module *module, const ConstantId *id, uint32_t count, const char *path, Diag *diag)
{
    static const char zeros[CONSTANT_ALIGNMENT];
    OutputFile file;
    TRY(output_file_open(&file, path, diag));
    Status status = STATUS_OK;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        const size_t bytes = constant_get(module, id[i])->bytes;
        status = output_file_add(&file, constant_data(module, id[i]), bytes);
        if (status == STATUS_OK)
            status = output_file_add(&file, zeros, with_gap(bytes) - bytes);
    }
    return output_file_close(&file, status);
}

/* The constants move into one blob, the file. The module is only printed then: the bytes aren't looked at. */
static Status refer_to_file(Module *module, const ConstantId *id, uint32_t count, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = arena_strdup(&module->arena, slash == NULL ? path : slash + 1);
    const uint32_t blob = name == NULL ? UINT32_MAX : module_add_blob(module, name, NULL, 0);
    size_t offset = 0;
    if (blob == UINT32_MAX)
        return module_fail(module, STATUS_OUT_OF_MEMORY, path, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        Constant *constant = &module->constant[id[i].id];
        constant->blob = blob;
        constant->offset = offset;
        offset += with_gap(constant->bytes);
    }
    module->blob[blob].bytes = offset;
    module->blob[blob].absent = true;
    return STATUS_OK;
}

static Status write_beside(Module *module, const char *path, Diag *diag)
{
    uint32_t count = 0;
    ConstantId *id = ARENA_NEW(&module->arena, ConstantId, module->constant_count);
    const char *file = arena_printf(&module->arena, "%s.weights", path);
    if (id == NULL || file == NULL)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, path, "out of memory");
    for (uint32_t i = 1; i < module->constant_count; i++)
        if (stands_beside(module, (ConstantId){i}))
            id[count++] = (ConstantId){i};
    if (count == 0)
        return STATUS_OK;
    TRY(write_constants(module, id, count, file, diag));
    return refer_to_file(module, id, count, file);
}

/* ---- writing ---- */

static Status write_text(Module *module, const char *path, Diag *diag)
{
    StrBuf text = {0};
    TRY(write_beside(module, path, diag));
    module_print(module, &text);
    const Status status = text.failed ? diag_fail(diag, STATUS_OUT_OF_MEMORY, path, "out of memory")
                                      : output_file_write(path, strbuf_text(&text), text.length, diag);
    strbuf_release(&text);
    return status;
}

static Status write_code(const Engine *engine, Module *module, const char *name, OutputKind kind, const char *path,
                         Diag *diag)
{
    Program *program = NULL;
    const PassOptions pass = engine_pass_options(engine);
    const CodegenOptions options = {.target = engine->target, .name = name, .weights = WEIGHTS_EMBED, .jobs = 1};
    Status status = pipeline_run(&pass, default_pipeline, module, diag);
    if (status == STATUS_OK)
        status = codegen_build(module->graph[0], &options, &program, diag);
    if (status == STATUS_OK)
        status = codegen_write(program, kind, path, diag);
    if (program != NULL)
        program_destroy(program);
    return status;
}

static bool is_identifier(const char *name)
{
    return text_is_name(name) && strchr(name, '.') == NULL;
}

adze_status adze_graph_write(adze_context *context, const adze_graph *graph, const char *name, const char *path)
{
    Diag diag;
    if (!output_is_known(context, "export", path))
        return ADZE_USAGE;
    if (!is_identifier(name))
        return context_fail(context, ADZE_USAGE, "[export] the name '%s' is no C identifier", name);
    const int output = find_output(path);
    diag_init(&diag);
    Module *module = graph_copy(graph, &diag);
    Status status = module == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
    if (status == STATUS_OK)
        status = strcmp(outputs[output].suffix, ".adze") == 0
                     ? write_text(module, path, &diag)
                     : write_code(graph->engine, module, name, outputs[output].kind, path, &diag);
    adze_status result = ADZE_DONE;
    if (status != STATUS_OK)
        result = context_fail_diag(context, "export", path, &diag);
    if (module != NULL)
        module_destroy(module);
    diag_release(&diag);
    return result;
}

adze_status adze_export(adze_context *context, adze_closure *closure, const adze_array *in, size_t count,
                        const char *name, const char *path)
{
    if (!output_is_known(context, "export", path))
        return ADZE_USAGE;
    adze_leaf *leaf = calloc(count + 1, sizeof *leaf);
    if (leaf == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    adze_graph *graph = NULL;
    adze_status status = ADZE_DONE;
    for (size_t i = 0; i < count && status == ADZE_DONE; i++) {
        if (node_of(in[i])->error != NULL)
            status = context_fail_node(context, node_of(in[i]));
        leaf[i] = adze_leaf_like(NULL, in[i]);
    }
    if (status == ADZE_DONE)
        graph = graph_capture(context, closure, leaf, count, "export");
    free(leaf);
    if (status == ADZE_DONE)
        status = graph == NULL ? context->status : adze_graph_write(context, graph, name, path);
    adze_graph_free(graph);
    return status;
}
