/* SPDX-License-Identifier: Apache-2.0
 * onnx_oracle: an ONNX model by the interpreter, with the contract of `adze run`, for the conformance runner:
 *     onnx_oracle run MODEL.onnx [--bind NAME=FILE.npy …] --input A.npy … --output-dir DIR
 * Exit status: 0 done, 2 not supported, 1 anything else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"
#include "frontend/npy.h"

enum { MAX_INPUTS = 256 };

typedef struct Request {
    const char *model, *output_dir;
    const char *input[MAX_INPUTS], *binding[MAX_INPUTS];
    uint32_t input_count, binding_count;
} Request;

static bool read_request(int count, char **argument, Request *request)
{
    for (int i = 1; i < count; i++) {
        const bool has_next = i + 1 < count;
        if (strcmp(argument[i], "--input") == 0 && has_next && request->input_count < MAX_INPUTS)
            request->input[request->input_count++] = argument[++i];
        else if (strcmp(argument[i], "--bind") == 0 && has_next && request->binding_count < MAX_INPUTS)
            request->binding[request->binding_count++] = argument[++i];
        else if (strcmp(argument[i], "--output-dir") == 0 && has_next)
            request->output_dir = argument[++i];
        else if (strcmp(argument[i], "run") != 0)
            request->model = argument[i];
    }
    return request->model != NULL;
}

static Status evaluate(const Request *request, const Graph *graph, Arena *arena, Diag *diag)
{
    HostArray input[MAX_INPUTS] = {0};
    HostArray *result = ARENA_NEW(arena, HostArray, graph->result_count);
    char path[4096];
    if (request->input_count != graph->parameter_count)
        return diag_fail(diag, STATUS_USAGE, request->model, "%u inputs are due", graph->parameter_count);
    for (uint32_t i = 0; i < request->input_count; i++) {
        const ElementType element = value_type(graph, graph->parameter[i]).element;
        TRY(npy_read_as(request->input[i], element, &input[i], arena, diag));
    }
    TRY(graph_evaluate(graph, input, request->input_count, result, arena, diag));
    for (uint32_t i = 0; request->output_dir && i < graph->result_count; i++) {
        snprintf(path, sizeof path, "%s/%u.npy", request->output_dir, i);
        TRY(npy_write(path, &result[i], diag));
    }
    return STATUS_OK;
}

static Status check_text(const Module *module, Diag *diag)
{
    StrBuf text = {0}, again = {0};
    Status status = STATUS_OK;
    module_print(module, &text);
    Module *copy = module_parse("printed", strbuf_text(&text), text.length, diag);
    if (copy)
        module_print(copy, &again);
    if (!copy || strcmp(strbuf_text(&text), strbuf_text(&again)) != 0)
        status = diag_fail(diag, STATUS_FAILED, "printed", "doesn't read back the same");
    strbuf_release(&text);
    strbuf_release(&again);
    module_destroy(copy);
    return status;
}

static Status read_bindings(const Request *request, InputBinding *binding, Arena *arena, Diag *diag)
{
    for (uint32_t i = 0; i < request->binding_count; i++) {
        const char *equals = strchr(request->binding[i], '=');
        if (!equals)
            return diag_fail(diag, STATUS_USAGE, "--bind", "NAME=FILE is due");
        binding[i].name = arena_printf(arena, "%.*s", (int)(equals - request->binding[i]), request->binding[i]);
        TRY(npy_read(equals + 1, &binding[i].value, arena, diag));
    }
    return STATUS_OK;
}

static Status run(const Request *request, bool check, Diag *diag)
{
    Arena arena;
    InputBinding binding[MAX_INPUTS];
    arena_init(&arena);
    Status status = read_bindings(request, binding, &arena, diag);
    const ImportOptions options = {.binding = binding, .binding_count = request->binding_count};
    Module *module = status == STATUS_OK ? onnx_import(request->model, &options, diag) : NULL;
    if (!module) {
        arena_release(&arena);
        return diag->count ? STATUS_FAILED : STATUS_OUT_OF_MEMORY;
    }
    status = module_verify(module);
    if (status == STATUS_OK && check)
        status = check_text(module, diag);
    if (status == STATUS_OK)
        status = evaluate(request, module->graph[0], &arena, diag);
    arena_release(&arena);
    module_destroy(module);
    return status;
}

int main(int count, char **argument)
{
    Request request = {0};
    Diag diag;
    if (!read_request(count, argument, &request))
        return status_exit(STATUS_USAGE);
    diag_init(&diag);
    Status status = run(&request, getenv("ADZE_CHECK_TEXT") != NULL, &diag);
    for (const DiagMessage *message = diag.first; message; message = message->next) {
        fprintf(stderr, "%s: %s\n", message->where, message->what);
        status = message->status;
    }
    diag_release(&diag);
    return status_exit(status);
}
