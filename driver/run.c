/* SPDX-License-Identifier: Apache-2.0
 * adze run: a model or a compiled library on .npy files; outputs DIR/0.npy, 1.npy …, each written whole or not at all.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "driver/session.h"
#include "frontend/npy.h"

static Status write_outputs(const Options *options, const HostArray *result, uint32_t count, Diag *diag)
{
    const char *folder = options->value[OPTION_output_dir];
    if (folder == NULL)
        return STATUS_OK;
    mkdir(folder, 0777); /* may be there; what else is wrong shows when files are written */
    for (uint32_t i = 0; i < count; i++) {
        char path[4096];
        if (snprintf(path, sizeof path, "%s/%u.npy", folder, i) >= (int)sizeof path)
            return diag_fail(diag, STATUS_USAGE, folder, "the path is too long");
        TRY(npy_write(path, &result[i], diag));
    }
    return STATUS_OK;
}

static void print_result(const char *name, const HostArray *array)
{
    printf("%s: %s[", name, element_info[array->element].name);
    for (uint32_t i = 0; i < array->rank; i++)
        printf("%s%lld", i == 0 ? "" : ",", (long long)array->dim[i]);
    printf("]\n");
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
    return write_outputs(options, result, graph->result_count, diag);
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

static Status run_compiled(const Options *options, const AdzeModel *model, Arena *arena, Diag *diag)
{
    int64_t threads;
    Call call;
    HostArray *input = ARENA_NEW(arena, HostArray, model->input_count);
    if (input == NULL)
        return STATUS_OUT_OF_MEMORY;
    TRY(option_integer(options, OPTION_threads, 1, 1024, 1, &threads, diag));
    TRY(read_model_inputs(options, model, input, arena, diag));
    TRY(call_prepare(model, input, model->input_count, (int32_t)threads, arena, &call, diag));
    TRY(call_run(&call, diag));
    for (uint32_t i = 0; options->value[OPTION_output_dir] == NULL && i < model->output_count; i++)
        print_result(model->output[i].name, &call.result[i]);
    return write_outputs(options, call.result, model->output_count, diag);
}

Status command_run(const Options *options, Diag *diag)
{
    Arena arena;
    arena_init(&arena);
    Status status;
    if (options->count[OPTION_interpret] != 0) {
        status = run_interpreted(options, &arena, diag);
    } else {
        Session session;
        status = session_open(options, &session, diag);
        if (status == STATUS_OK)
            status = run_compiled(options, session.model, &arena, diag);
        session_close(&session);
    }
    arena_release(&arena);
    return status;
}
