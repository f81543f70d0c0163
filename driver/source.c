/* SPDX-License-Identifier: Apache-2.0
 * What libadze_compiler.so does for the program: source models made into programs, and called in place. */
#include "driver/source.h"

#include <stdlib.h>
#include <string.h>

struct Source {
    Module *module;
    Program *program;
    JitModel *jit;
};

/* Whether an option that was given is one of the words, which are separated by "|". */
static Status check_choice(const Options *options, OptionKind option, const char *name, const char *words, Diag *diag)
{
    const char *value = options->value[option];
    const size_t length = value == NULL ? 0 : strlen(value);
    for (const char *word = words; value != NULL; word++) {
        const size_t end = strcspn(word, "|");
        if (end == length && strncmp(word, value, length) == 0)
            return STATUS_OK;
        word += end;
        if (*word == 0)
            return diag_fail(diag, STATUS_USAGE, "command line", "--%s is '%s', should be %s", name, value, words);
    }
    return STATUS_OK;
}

static Status codegen_options(const Options *options, const char *name, CodegenOptions *codegen, Diag *diag)
{
    int64_t jobs;
    TRY(option_integer(options, OPTION_jobs, 1, 256, 2, &jobs, diag));
    TRY(model_target(options, &codegen->target, diag));
    codegen->name = name;
    codegen->jobs = (uint32_t)jobs;
    const char *weights = options->value[OPTION_weights];
    TRY(check_choice(options, OPTION_weights, "weights", "embed|side", diag));
    TRY(check_choice(options, OPTION_blas, "blas", "none", diag));
    TRY(check_choice(options, OPTION_precision, "precision", "precise", diag));
    if (weights != NULL)
        codegen->weights = strcmp(weights, "embed") == 0 ? WEIGHTS_EMBED : WEIGHTS_SIDE;
    return STATUS_OK;
}

Status program_make(const Options *options, const char *name, Module **module, Program **program, Diag *diag)
{
    CodegenOptions codegen = {0};
    TRY(codegen_options(options, name, &codegen, diag));
    TRY(model_import(options, module, diag));
    TRY(model_optimize(options, &codegen.target, options->value[OPTION_dump_after], options->value[OPTION_stop_after],
                       *module, diag));
    if (options->value[OPTION_stop_after] != NULL)
        return STATUS_OK;
    return codegen_build((*module)->graph[0], &codegen, program, diag);
}

static void close_source(Session *session)
{
    struct Source *source = session->source;
    if (source == NULL)
        return;
    if (source->jit != NULL)
        jit_destroy(source->jit);
    if (source->program != NULL)
        program_destroy(source->program);
    if (source->module != NULL)
        module_destroy(source->module);
    free(source);
}

static Status open_source(const Options *options, Session *session, Diag *diag)
{
    struct Source *source = session->source = calloc(1, sizeof *source);
    if (source == NULL)
        return STATUS_OUT_OF_MEMORY;
    TRY(program_make(options, "model", &source->module, &source->program, diag));
    return codegen_jit(source->program, &source->jit, &session->model, diag);
}

static Status interpret_graph(const Options *options, const Graph *graph, Arena *arena, Diag *diag)
{
    HostArray *input = ARENA_NEW(arena, HostArray, graph->parameter_count);
    HostArray *result = ARENA_NEW(arena, HostArray, graph->result_count);
    ElementType *element = ARENA_NEW(arena, ElementType, graph->parameter_count);
    if (input == NULL || result == NULL || element == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < graph->parameter_count; i++)
        element[i] = value_type(graph, graph->parameter[i]).element;
    TRY(read_inputs(options, element, graph->parameter_count, input, arena, diag));
    TRY(graph_evaluate(graph, input, graph->parameter_count, result, arena, diag));
    return write_results(options, result, graph->result_count, diag);
}

static Status run_interpreted(const Options *options, Arena *arena, Diag *diag)
{
    Module *module = NULL;
    Target target;
    TRY(model_target(options, &target, diag));
    Status status = model_import(options, &module, diag);
    if (status == STATUS_OK && options->value[OPTION_passes] != NULL)
        status = model_optimize(options, &target, options->value[OPTION_dump_after], NULL, module, diag);
    if (status == STATUS_OK)
        status = interpret_graph(options, module->graph[0], arena, diag);
    if (module != NULL)
        module_destroy(module);
    return status;
}

const CompilerInterface adze_compiler __attribute__((visibility("default"))) = {
    .compile = source_compile,
    .dump = source_dump,
    .ops = list_ops,
    .targets = list_targets,
    .passes = list_passes,
    .session_open = open_source,
    .session_close = close_source,
    .interpret = run_interpreted,
};
