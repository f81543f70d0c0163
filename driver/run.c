/* SPDX-License-Identifier: Apache-2.0
 * adze run: a model or a compiled library on .npy files; outputs DIR/0.npy, 1.npy …, each written whole or not at all.
 */
#include <stdio.h>

#include "driver/compiler.h"
#include "driver/session.h"

static void print_result(const char *name, const HostArray *array)
{
    printf("%s: %s[", name, element_info[array->element].name);
    for (uint32_t i = 0; i < array->rank; i++)
        printf("%s%lld", i == 0 ? "" : ",", (long long)array->dim[i]);
    printf("]\n");
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
    return write_results(options, call.result, model->output_count, diag);
}

Status command_run(const Options *options, Diag *diag)
{
    Arena arena;
    arena_init(&arena);
    Status status;
    if (options->count[OPTION_interpret] != 0) {
        const CompilerInterface *compiler;
        status = compiler_load(&compiler, diag);
        if (status == STATUS_OK)
            status = compiler->interpret(options, &arena, diag);
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
