/* SPDX-License-Identifier: Apache-2.0
 * Sessions and calls: everything goes through adze/model.h, whether code came from the JIT or from a library. */
#include "driver/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "driver/compiler.h"
#include "frontend/npy.h"
#include "runtime/host/load.h"

static Status open_library(const Options *options, Session *session, Diag *diag)
{
    char message[512] = "";
    const AdzeStatus status =
        adze_library_open(options->file, &session->model, &session->library, message, sizeof message);
    return status == ADZE_OK ? STATUS_OK : diag_fail(diag, STATUS_FAILED, options->file, "%s", message);
}

/* Whether the file is an ELF one: a compiled model. */
static Status is_library(const char *path, bool *library, Diag *diag)
{
    char bytes[4] = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return diag_fail(diag, STATUS_IO, path, "cannot open: %s", strerror(errno));
    *library = fread(bytes, 1, sizeof bytes, file) == sizeof bytes && memcmp(bytes, "\177ELF", 4) == 0;
    fclose(file);
    return STATUS_OK;
}

Status session_open(const Options *options, Session *session, Diag *diag)
{
    bool library = false;
    *session = (Session){0};
    TRY(is_library(options->file, &library, diag));
    if (library)
        return open_library(options, session, diag);
    const CompilerInterface *compiler;
    TRY(compiler_load(&compiler, diag));
    session->close = compiler->session_close;
    return compiler->session_open(options, session, diag);
}

void session_close(Session *session)
{
    if (session->library != NULL)
        adze_library_close(session->library);
    if (session->close != NULL)
        session->close(session);
    *session = (Session){0};
}

Status read_model_inputs(const Options *options, const AdzeModel *model, HostArray *input, Arena *arena, Diag *diag)
{
    ElementType *element = ARENA_NEW(arena, ElementType, model->input_count);
    if (element == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < model->input_count; i++)
        element[i] = (ElementType)model->input[i].element;
    return read_inputs(options, element, model->input_count, input, arena, diag);
}

static Status check_input(const AdzeModel *model, uint32_t index, const HostArray *array, Diag *diag)
{
    const AdzeArgument *argument = &model->input[index];
    if (array->element == argument->element && array->rank == argument->rank)
        return STATUS_OK;
    return diag_fail(diag, STATUS_FAILED, argument->name, "input %u is %s of rank %u, should be %s of rank %u", index,
                     element_info[array->element].name, array->rank, element_info[argument->element].name,
                     argument->rank);
}

static Status prepare_output(Call *call, uint32_t index, Arena *arena, Diag *diag)
{
    const AdzeArgument *argument = &call->model->output[index];
    HostArray *result = &call->result[index];
    *result = (HostArray){.element = (ElementType)argument->element, .rank = argument->rank};
    const int64_t bytes = adze_output_bytes(call->model, index, call->symbol);
    const bool shaped = adze_output_shape(call->model, index, call->symbol, result->dim) == ADZE_OK;
    if (bytes < 0 || !shaped)
        return diag_fail(diag, STATUS_FAILED, argument->name, "the output's size overflows");
    result->data = call->output[index] = arena_alloc(arena, (size_t)bytes);
    call->result_shape[index] = result->dim;
    return result->data == NULL
               ? diag_fail(diag, STATUS_OUT_OF_MEMORY, argument->name, "no memory for %lld bytes", (long long)bytes)
               : STATUS_OK;
}

Status call_prepare(const AdzeModel *model, const HostArray *input, uint32_t input_count, int32_t threads, Arena *arena,
                    Call *call, Diag *diag)
{
    *call = (Call){.model = model};
    const int64_t **shape = ARENA_NEW(arena, const int64_t *, input_count);
    call->input = ARENA_NEW(arena, const void *, input_count);
    call->output = ARENA_NEW(arena, void *, model->output_count);
    call->result = ARENA_NEW(arena, HostArray, model->output_count);
    call->result_shape = ARENA_NEW(arena, int64_t *, model->output_count);
    call->symbol = ARENA_NEW(arena, int64_t, model->symbol_count + model->data_symbol_count);
    if (shape == NULL || call->input == NULL || call->output == NULL || call->result == NULL ||
        call->result_shape == NULL || call->symbol == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < input_count; i++) {
        TRY(check_input(model, i, &input[i], diag));
        shape[i] = input[i].dim;
        call->input[i] = input[i].data;
    }
    if (adze_bind(model, shape, call->symbol, call->message, sizeof call->message) != ADZE_OK)
        return diag_fail(diag, STATUS_FAILED, "inputs", "%s", call->message);
    for (uint32_t i = 0; i < model->output_count; i++)
        TRY(prepare_output(call, i, arena, diag));
    call->workspace_bytes = adze_workspace_bytes(model, call->symbol);
    if (call->workspace_bytes < 0)
        return diag_fail(diag, STATUS_FAILED, "inputs", "the workspace's size overflows");
    call->workspace = arena_alloc(arena, (size_t)call->workspace_bytes + ADZE_ALIGNMENT);
    if (call->workspace == NULL)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "workspace", "no memory for %lld bytes",
                         (long long)call->workspace_bytes);
    call->options = (AdzeOptions){.threads = threads, .output_shape = call->result_shape};
    return STATUS_OK;
}

Status call_run(Call *call, Diag *diag)
{
    call->options.message = call->message;
    call->options.message_bytes = sizeof call->message;
    const AdzeStatus status = adze_run(call->model, call->input, call->output, call->symbol, call->workspace,
                                       call->workspace_bytes, &call->options);
    return status == ADZE_OK ? STATUS_OK : diag_fail(diag, STATUS_FAILED, "run", "%s", call->message);
}
