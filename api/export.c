/* SPDX-License-Identifier: Apache-2.0
 * Writing a closure out: its graph, traced on the types of example inputs, as text or as code. Captured arrays are
 * computed and become constants. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "codegen/codegen.h"

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

/* ---- the graph ---- */

static Value constant_of(Builder *b, const ArrayNode *node)
{
    Module *module = b->graph->module;
    const Buffer *buffer = atomic_load(&node->buffer);
    const Type type = type_make_static(module, node->type.element, node->type.dim, node->type.rank);
    return build_constant(b, constant_copy(module, type, buffer->data));
}

/* The trace with its captured arrays as constants. */
static Graph *closed_graph(const Trace *trace, Module *module)
{
    const Graph *from = trace->graph;
    Graph *graph = graph_create(module, "main");
    Value *argument = ARENA_NEW(&module->arena, Value, from->parameter_count);
    Value *result = ARENA_NEW(&module->arena, Value, from->result_count);
    if (graph == NULL || argument == NULL || result == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return NULL;
    }
    Builder b = {.graph = graph};
    for (uint32_t i = 0; i < trace->argument_count; i++) {
        const Type type = value_type(from, from->parameter[i]);
        argument[i] =
            graph_add_parameter(graph, parameter_name(from, i), type_make(module, type.element, type.dim, type.rank));
    }
    for (size_t i = 0; i < trace->captured.count && module->status == STATUS_OK; i++)
        argument[trace->argument_count + i] = constant_of(&b, trace->captured.node[i]);
    if (module->status == STATUS_OK)
        graph_import(from, graph, argument, result);
    for (uint32_t i = 0; i < from->result_count && module->status == STATUS_OK; i++)
        graph_add_result(graph, result[i], "");
    return module->status == STATUS_OK ? graph : NULL;
}

/* ---- writing ---- */

static Status write_text(const Module *module, const char *path, Diag *diag)
{
    StrBuf text = {0};
    module_print(module, &text);
    FILE *file = text.failed ? NULL : fopen(path, "w");
    bool good = file != NULL && fwrite(text.text, 1, text.length, file) == text.length;
    if (file != NULL)
        good = fclose(file) == 0 && good;
    strbuf_release(&text);
    return good ? STATUS_OK : diag_fail(diag, STATUS_IO, path, "cannot be written");
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

static adze_status write_trace(adze_context *context, const Trace *trace, const char *name, int output,
                               const char *path)
{
    Diag diag;
    diag_init(&diag);
    Module *module = module_create(&diag);
    Status status = STATUS_OUT_OF_MEMORY;
    if (module != NULL && closed_graph(trace, module) != NULL)
        status = strcmp(outputs[output].suffix, ".adze") == 0
                     ? write_text(module, path, &diag)
                     : write_code(context->engine, module, name, outputs[output].kind, path, &diag);
    else if (module != NULL)
        status = module->status;
    const char *what = diag.first == NULL ? "out of memory" : diag.first->what;
    if (status != STATUS_OK)
        context_fail(context, status == STATUS_UNSUPPORTED ? ADZE_UNSUPPORTED : ADZE_FAILED, "[export] %s: %s", path,
                     what);
    if (module != NULL)
        module_destroy(module);
    diag_release(&diag);
    return status == STATUS_OK ? ADZE_DONE : context->status;
}

static adze_status compute_captured(adze_context *context, const Trace *trace)
{
    char *error = engine_evaluate(context->engine, trace->captured.node, trace->captured.count);
    adze_status status = ADZE_DONE;
    if (error != NULL)
        status = context_fail(context, ADZE_FAILED, "%s", error);
    free(error);
    for (size_t i = 0; i < trace->captured.count && status == ADZE_DONE; i++)
        if (atomic_load(&trace->captured.node[i]->buffer) == NULL)
            status =
                context_fail(context, ADZE_USAGE, "[export] the function uses an array of a function being traced");
    return status;
}

adze_status adze_export(adze_context *context, adze_closure *closure, const adze_array *in, size_t count,
                        const char *name, const char *path)
{
    Trace trace;
    const int output = find_output(path);
    if (output < 0)
        return context_fail(context, ADZE_USAGE,
                            "[export] %s should end in .so, .o, .c, .h, .ll, .bc, .s, .loops or .adze", path);
    ArrayNode **node = calloc(count + 1, sizeof *node);
    if (node == NULL)
        return context_fail(context, ADZE_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        node[i] = node_of(in[i]);
    adze_status status = trace_closure(context, closure, node, count, TRACE_ABSTRACT, "export", &trace);
    free(node);
    if (status != ADZE_DONE)
        return status;
    status = compute_captured(context, &trace);
    if (status == ADZE_DONE)
        status = write_trace(context, &trace, name, output, path);
    trace_release(&trace);
    return status;
}
