/* SPDX-License-Identifier: Apache-2.0
 * Calls of whole models, for tests. */
#include "tests/model_call.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "ir/element.h"
#include "tests/models.h"
#include "tests/random_graph.h"

/* ---- compiling ---- */

Status model_program(Module *module, const char *target, const char *name, Program **program, Diag *diag)
{
    CodegenOptions options = {.name = name, .jobs = 1};
    TRY(target_find(target, &options.target, diag));
    TRY(test_model_optimize(module, &options.target, diag));
    return codegen_build(module->graph[0], &options, program, diag);
}

/* ---- memory ---- */

enum { PAGE = 4096 };

bool guarded_allocate(GuardedMemory *memory, size_t bytes, Flush flush)
{
    const size_t inside = (bytes + PAGE - 1) / PAGE * PAGE;
    *memory = (GuardedMemory){.map_bytes = inside + 2 * PAGE};
    memory->map = mmap(NULL, memory->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory->map == MAP_FAILED)
        return false;
    char *start = (char *)memory->map + PAGE;
    memory->data = flush == FLUSH_START ? start : start + inside - bytes;
    return inside == 0 || mprotect(start, inside, PROT_READ | PROT_WRITE) == 0;
}

void guarded_release(GuardedMemory *memory)
{
    if (memory->map != NULL && memory->map != MAP_FAILED)
        munmap(memory->map, memory->map_bytes);
    *memory = (GuardedMemory){0};
}

/* ---- calls ---- */

static bool bind_shapes(ModelCall *call, const HostArray *input)
{
    const int64_t *shape[MODEL_CALL_ARRAYS];
    const AdzeModel *model = call->model;
    if (model->input_count > MODEL_CALL_ARRAYS || model->output_count > MODEL_CALL_ARRAYS ||
        model->symbol_count + model->data_symbol_count > MODEL_CALL_SYMBOLS)
        return false;
    for (uint32_t i = 0; i < model->input_count; i++)
        shape[i] = input[i].dim;
    return adze_bind(model, shape, call->symbol, call->message, sizeof call->message) == ADZE_OK;
}

static bool make_outputs(ModelCall *call, Flush flush)
{
    for (uint32_t i = 0; i < call->model->output_count; i++) {
        const AdzeArgument *argument = &call->model->output[i];
        HostArray *result = &call->result[i];
        const int64_t bytes = adze_output_bytes(call->model, i, call->symbol);
        *result = (HostArray){.element = (ElementType)argument->element, .rank = argument->rank};
        call->result_shape[i] = result->dim;
        if (bytes < 0 || !guarded_allocate(&call->output_memory[i], (size_t)bytes, flush) ||
            adze_output_shape(call->model, i, call->symbol, result->dim) != ADZE_OK)
            return false;
        result->data = call->output[i] = call->output_memory[i].data;
    }
    return true;
}

bool model_call_open(ModelCall *call, const AdzeModel *model, const HostArray *input, Flush flush)
{
    *call = (ModelCall){.model = model};
    strcpy(call->message, "no memory, or too many arguments");
    if (!bind_shapes(call, input) || !make_outputs(call, flush))
        return false;
    for (uint32_t i = 0; i < model->input_count; i++) {
        if (!guarded_allocate(&call->input_memory[i], host_array_bytes(&input[i]), flush))
            return false;
        call->input[i] = memcpy(call->input_memory[i].data, input[i].data, host_array_bytes(&input[i]));
    }
    call->workspace_bytes = adze_workspace_bytes(model, call->symbol);
    if (call->workspace_bytes < 0 || !guarded_allocate(&call->workspace_memory, (size_t)call->workspace_bytes, flush))
        return false;
    call->workspace = call->workspace_memory.data;
    return true;
}

AdzeStatus model_call_run(ModelCall *call, int32_t threads, int filling)
{
    for (uint32_t i = 0; i < call->model->output_count; i++)
        memset(call->output[i], filling, (size_t)adze_output_bytes(call->model, i, call->symbol));
    memset(call->workspace, filling, (size_t)call->workspace_bytes);
    call->message[0] = 0;
    const AdzeOptions options = {.threads = threads,
                                 .message = call->message,
                                 .message_bytes = sizeof call->message,
                                 .output_shape = call->result_shape};
    return adze_run(call->model, call->input, call->output, call->symbol, call->workspace, call->workspace_bytes,
                    &options);
}

void model_call_close(ModelCall *call)
{
    for (uint32_t i = 0; i < MODEL_CALL_ARRAYS; i++) {
        guarded_release(&call->input_memory[i]);
        guarded_release(&call->output_memory[i]);
    }
    guarded_release(&call->workspace_memory);
}

/* ---- inputs ---- */

bool model_inputs(const Graph *graph, const int64_t *symbol, uint64_t seed, HostArray *input, Arena *arena)
{
    const Module *module = graph->module;
    for (uint32_t i = 0; i < graph->parameter_count; i++) {
        const Type type = value_type(graph, graph->parameter[i]);
        input[i] = (HostArray){.element = type.element, .rank = type.rank};
        for (uint32_t k = 0; k < type.rank; k++)
            input[i].dim[k] = dim_evaluate(module, type.dim[k], symbol);
        input[i].data = arena_alloc(arena, host_array_bytes(&input[i]));
        if (input[i].data == NULL)
            return false;
        random_fill(&input[i], &seed);
    }
    return true;
}

/* ---- comparing ---- */

static bool same_shape(const HostArray *a, const HostArray *b)
{
    return a->element == b->element && a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

static bool may_be_nan(ElementType element)
{
    return element_info[element].kind == KIND_FLOATING || element_info[element].kind == KIND_COMPLEX;
}

static double part_at(const HostArray *array, int64_t at)
{
    if (array->element == ELEMENT_c64)
        return ((const float *)array->data)[at];
    return element_to_double(array->element,
                             (const char *)array->data + (size_t)at * element_info[array->element].bytes);
}

/* How many numbers an array holds: two an element where they are complex. */
static int64_t part_count(const HostArray *array)
{
    return host_array_size(array) * (array->element == ELEMENT_c64 ? 2 : 1);
}

static const char *say_difference(const HostArray *found, const HostArray *due, int64_t at, char text[256])
{
    if (may_be_nan(due->element))
        snprintf(text, 256, "element %lld (%s) is %.17g, due is %.17g", (long long)at, element_info[due->element].name,
                 part_at(found, at), part_at(due, at));
    else
        snprintf(text, 256, "element %lld (%s) differs", (long long)at, element_info[due->element].name);
    return text;
}

const char *arrays_differ(const HostArray *found, const HostArray *due, char text[256])
{
    if (!same_shape(found, due))
        return strcpy(text, "the shapes differ");
    const int64_t parts = part_count(due);
    const size_t bytes = parts == 0 ? 0 : host_array_bytes(due) / (size_t)parts;
    if (parts == 0 || memcmp(found->data, due->data, host_array_bytes(due)) == 0)
        return NULL;
    for (int64_t i = 0; i < parts; i++) {
        const bool same = memcmp((const char *)found->data + (size_t)i * bytes,
                                 (const char *)due->data + (size_t)i * bytes, bytes) == 0;
        if (!same && !(may_be_nan(due->element) && isnan(part_at(found, i)) && isnan(part_at(due, i))))
            return say_difference(found, due, i, text);
    }
    return NULL;
}

static double tolerance_of(ElementType element)
{
    switch (element) {
    case ELEMENT_f64:
        return 1e-9;
    case ELEMENT_f32:
    case ELEMENT_c64:
        return 2e-5;
    case ELEMENT_f16:
        return 2e-3;
    case ELEMENT_bf16:
        return 2e-2;
    default:
        return may_be_nan(element) ? 0.25 : 0;
    }
}

const char *arrays_far_apart(const HostArray *found, const HostArray *due, char text[256])
{
    if (!same_shape(found, due))
        return strcpy(text, "the shapes differ");
    if (!may_be_nan(due->element))
        return arrays_differ(found, due, text);
    const double tolerance = tolerance_of(due->element);
    for (int64_t i = 0; i < part_count(due); i++) {
        const double a = part_at(found, i), b = part_at(due, i);
        const bool near = fabs(a - b) <= tolerance * fmax(1, fabs(b));
        if (!near && a != b && !(isnan(a) && isnan(b)))
            return say_difference(found, due, i, text);
    }
    return NULL;
}
