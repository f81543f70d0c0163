/* SPDX-License-Identifier: Apache-2.0
 * Graphs as machine code: from the disk cache, or compiled. Calls may run at once: each takes a slot, which holds its
 * workspace and scratch memory, and gives it back for later calls; so as many slots exist as calls ran at once. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "api/compiled.h"

struct Slot {
    Slot *next;
    Buffer *workspace;
    int64_t workspace_bytes; /* for `planned` */
    bool is_planned;
    int64_t *symbol, *planned; /* of this call; those the workspace was measured for */
    const int64_t **shape;     /* of inputs */
    int64_t **output_shape;    /* of outputs, where data decide sizes */
};

struct Native {
    atomic_uint refs;
    Engine *engine;
    adze_graph *graph; /* the constants' memory */
    Diag diag;
    Module *module;
    Program *program;
    JitModel *jit;
    void *library; /* of the disk cache */
    const AdzeModel *model;
    pthread_mutex_t mutex; /* of the free slots */
    Slot *free;
};

/* ---- making ---- */

static Status build_program(Native *native)
{
    const PassOptions pass = engine_pass_options(native->engine);
    const CodegenOptions options = {
        .target = native->engine->target, .name = "compiled", .weights = WEIGHTS_EMBED, .jobs = 1};
    native->module = graph_copy(native->graph, &native->diag);
    if (native->module == NULL)
        return native->diag.first == NULL ? STATUS_OUT_OF_MEMORY : native->diag.first->status;
    TRY(pipeline_run(&pass, default_pipeline, native->module, &native->diag));
    return codegen_build(native->module->graph[0], &options, &native->program, &native->diag);
}

static void drop_program(Native *native)
{
    if (native->jit != NULL)
        jit_destroy(native->jit);
    if (native->program != NULL)
        program_destroy(native->program);
    if (native->module != NULL)
        module_destroy(native->module);
    native->jit = NULL;
    native->program = NULL;
    native->module = NULL;
}

static bool open_library(Native *native, void *library)
{
    const AdzeModel *model = library == NULL ? NULL : (const AdzeModel *)dlsym(library, "adze_model");
    if (model != NULL && model->abi_version == ADZE_ABI_VERSION && model->prepare(model, NULL) == ADZE_OK) {
        native->library = library;
        native->model = model;
        return true;
    }
    if (library != NULL)
        dlclose(library);
    return false;
}

static Status compile_native(Native *native, const adze_compile_options *options, bool *from_disk)
{
    DiskKey key;
    const bool cached = disk_cache_is_on(options) && disk_key(native->graph, &native->engine->target, &key);
    *from_disk = cached && open_library(native, disk_cache_open(options, &key));
    if (*from_disk)
        return STATUS_OK;
    TRY(build_program(native));
    if (cached && open_library(native, disk_cache_add(options, &key, native->program))) {
        drop_program(native);
        return STATUS_OK;
    }
    return codegen_jit(native->program, &native->jit, &native->model, &native->diag);
}

/* The message goes to the caller's diag, which outlives ours. */
static void pass_on(const Native *native, Diag *diag)
{
    const DiagMessage *message = native->diag.first;
    if (message != NULL)
        (void)diag_fail(diag, message->status, message->where, "%s", message->what);
    else
        (void)diag_fail(diag, STATUS_OUT_OF_MEMORY, "", "out of memory");
}

Native *native_new(const adze_graph *graph, const adze_compile_options *options, Diag *diag, bool *from_disk)
{
    Native *native = calloc(1, sizeof *native);
    if (native == NULL || pthread_mutex_init(&native->mutex, NULL) != 0) {
        free(native);
        (void)diag_fail(diag, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return NULL;
    }
    atomic_init(&native->refs, 1);
    diag_init(&native->diag);
    native->engine = engine_retain(graph->engine);
    native->graph = graph_retain(graph);
    if (compile_native(native, options, from_disk) == STATUS_OK)
        return native;
    pass_on(native, diag);
    native_release(native);
    return NULL;
}

Native *native_retain(Native *native)
{
    atomic_fetch_add(&native->refs, 1);
    return native;
}

static void slot_free(Slot *slot)
{
    if (slot == NULL)
        return;
    buffer_release(slot->workspace);
    free(slot->symbol);
    free(slot->shape);
    free(slot->output_shape);
    free(slot);
}

void native_release(Native *native)
{
    if (native == NULL || atomic_fetch_sub(&native->refs, 1) != 1)
        return;
    while (native->free != NULL) {
        Slot *slot = native->free;
        native->free = slot->next;
        slot_free(slot);
    }
    drop_program(native);
    if (native->library != NULL)
        dlclose(native->library);
    adze_graph_free(native->graph);
    diag_release(&native->diag);
    pthread_mutex_destroy(&native->mutex);
    engine_release(native->engine);
    free(native);
}

/* ---- slots ---- */

static uint32_t symbol_count(const AdzeModel *model)
{
    return model->symbol_count + model->data_symbol_count;
}

/* Where outputs' dimensions go after a call whose sizes data decide. */
static bool make_output_shapes(const AdzeModel *model, Slot *slot)
{
    const size_t count = model->output_count, bytes = count * (sizeof(int64_t *) + MAX_RANK * sizeof(int64_t));
    if (model->data_symbol_count == 0)
        return true;
    slot->output_shape = calloc(1, bytes + 1);
    for (size_t i = 0; slot->output_shape != NULL && i < count; i++)
        slot->output_shape[i] = (int64_t *)(slot->output_shape + count) + i * MAX_RANK;
    return slot->output_shape != NULL;
}

static Slot *slot_new(const AdzeModel *model)
{
    const uint32_t symbols = symbol_count(model);
    Slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    slot->symbol = calloc(2 * (size_t)symbols + 1, sizeof *slot->symbol);
    slot->planned = slot->symbol + symbols;
    slot->shape = calloc((size_t)model->input_count + 1, sizeof *slot->shape);
    if (slot->symbol != NULL && slot->shape != NULL && make_output_shapes(model, slot))
        return slot;
    slot_free(slot);
    return NULL;
}

static Slot *slot_take(Native *native)
{
    pthread_mutex_lock(&native->mutex);
    Slot *slot = native->free;
    if (slot != NULL)
        native->free = slot->next;
    pthread_mutex_unlock(&native->mutex);
    return slot != NULL ? slot : slot_new(native->model);
}

void native_end(Native *native, Slot *slot)
{
    pthread_mutex_lock(&native->mutex);
    slot->next = native->free;
    native->free = slot;
    pthread_mutex_unlock(&native->mutex);
}

/* ---- a call ---- */

static adze_status status_of(AdzeStatus status)
{
    static const adze_status result[] = {
        [ADZE_OK] = ADZE_DONE,          [ADZE_ARGUMENT] = ADZE_USAGE,  [ADZE_SHAPE] = ADZE_INVALID,
        [ADZE_WORKSPACE] = ADZE_FAILED, [ADZE_CPU] = ADZE_UNSUPPORTED, [ADZE_MEMORY] = ADZE_NO_MEMORY,
        [ADZE_FILE] = ADZE_FAILED,      [ADZE_INDEX] = ADZE_INVALID,   [ADZE_BOUND] = ADZE_INVALID,
    };
    return (size_t)status < sizeof result / sizeof *result ? result[status] : ADZE_FAILED;
}

static adze_status out_of_memory(char *message)
{
    strcpy(message, "out of memory");
    return ADZE_NO_MEMORY;
}

/* A workspace for the slot's symbols: the one it has, when that was measured for the same, or is large enough. */
static bool plan_workspace(const Native *native, Slot *slot)
{
    const AdzeModel *model = native->model;
    const size_t bytes = model->symbol_count * sizeof *slot->symbol;
    if (slot->is_planned && memcmp(slot->symbol, slot->planned, bytes) == 0)
        return true;
    slot->is_planned = false;
    slot->workspace_bytes = adze_workspace_bytes(model, slot->symbol);
    if (slot->workspace_bytes < 0)
        return false;
    if (slot->workspace == NULL || slot->workspace->bytes < (size_t)slot->workspace_bytes) {
        buffer_release(slot->workspace);
        slot->workspace = buffer_new(native->engine, (size_t)slot->workspace_bytes);
    }
    memcpy(slot->planned, slot->symbol, bytes);
    slot->is_planned = slot->workspace != NULL;
    return slot->is_planned;
}

/* Shapes of all inputs: those that aren't given are what the graph says. */
static const int64_t *const *all_shapes(const Native *native, Slot *slot, const int64_t *const *shape)
{
    for (uint32_t i = 0; i < native->model->input_count; i++)
        slot->shape[i] = shape == NULL || shape[i] == NULL ? native->graph->leaf[i].shape : shape[i];
    return slot->shape;
}

adze_status native_begin(Native *native, const int64_t *const *shape, Slot **result, char *message)
{
    const AdzeModel *model = native->model;
    AdzeStatus status = ADZE_OK;
    Slot *slot = slot_take(native);
    *result = slot;
    message[0] = 0;
    if (slot == NULL)
        return out_of_memory(message);
    if (model->symbol_count > 0)
        status = adze_bind(model, all_shapes(native, slot, shape), slot->symbol, message, NATIVE_MESSAGE);
    if (status == ADZE_OK && plan_workspace(native, slot))
        return ADZE_DONE;
    native_end(native, slot);
    *result = NULL;
    return status == ADZE_OK ? out_of_memory(message) : status_of(status);
}

bool native_output(Native *native, const Slot *slot, uint32_t index, ArrayType *type, size_t *bytes)
{
    const AdzeModel *model = native->model;
    const AdzeArgument *output = &model->output[index];
    const int64_t size = adze_output_bytes(model, index, slot->symbol);
    *type = (ArrayType){.element = (ElementType)output->element, .rank = output->rank};
    *bytes = size < 0 ? 0 : (size_t)size;
    return size >= 0 && adze_output_shape(model, index, slot->symbol, type->dim) == ADZE_OK;
}

adze_status native_run(Native *native, Slot *slot, const void *const *input, void *const *output, int32_t threads,
                       char *message)
{
    const AdzeOptions options = {
        .threads = threads, .message = message, .message_bytes = NATIVE_MESSAGE, .output_shape = slot->output_shape};
    return status_of(
        adze_run(native->model, input, output, slot->symbol, slot->workspace->data, slot->workspace_bytes, &options));
}

void native_result(const Native *native, const Slot *slot, uint32_t index, ArrayType *type)
{
    if (native->model->data_symbol_count > 0)
        memcpy(type->dim, slot->output_shape[index], type->rank * sizeof *type->dim);
}

/* ---- on arrays ---- */

typedef struct ArrayCall {
    const void **input;
    const int64_t **shape;
    void **output;
    Buffer **buffer;
    ArrayType *type;
    uint32_t outputs;
} ArrayCall;

static bool array_call_init(ArrayCall *call, const AdzeModel *model, ArrayNode *const *in, size_t count)
{
    const uint32_t outputs = model->output_count;
    *call = (ArrayCall){.input = calloc(count + 1, sizeof *call->input),
                        .shape = calloc(count + 1, sizeof *call->shape),
                        .output = calloc((size_t)outputs + 1, sizeof *call->output),
                        .buffer = calloc((size_t)outputs + 1, sizeof *call->buffer),
                        .type = calloc((size_t)outputs + 1, sizeof *call->type),
                        .outputs = outputs};
    if (call->input == NULL || call->shape == NULL || call->output == NULL || call->buffer == NULL ||
        call->type == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const ArrayNode *node = in[i];
        while (atomic_load(&node->buffer) == NULL && node->value != NULL)
            node = node->value;
        call->input[i] = atomic_load(&node->buffer)->data;
        call->shape[i] = node->type.dim;
    }
    return true;
}

static void array_call_release(ArrayCall *call)
{
    for (uint32_t i = 0; call->buffer != NULL && i < call->outputs; i++)
        buffer_release(call->buffer[i]);
    free(call->input);
    free(call->shape);
    free(call->output);
    free(call->buffer);
    free(call->type);
}

static bool make_outputs(Native *native, const Slot *slot, ArrayCall *call)
{
    for (uint32_t i = 0; i < call->outputs; i++) {
        size_t bytes;
        if (!native_output(native, slot, i, &call->type[i], &bytes))
            return false;
        call->buffer[i] = buffer_new(native->engine, bytes);
        if (call->buffer[i] == NULL)
            return false;
        call->output[i] = call->buffer[i]->data;
    }
    return true;
}

static bool give_results(const Native *native, const Slot *slot, ArrayCall *call, NodeList *results)
{
    for (uint32_t i = 0; i < call->outputs; i++) {
        native_result(native, slot, i, &call->type[i]);
        ArrayNode *node = node_concrete(&call->type[i], call->buffer[i]);
        call->buffer[i] = NULL;
        const bool kept = node != NULL && node_list_add(results, node);
        node_release(node);
        if (!kept)
            return false;
    }
    return true;
}

static adze_status run_on_arrays(Native *native, ArrayCall *call, int32_t threads, char *message, NodeList *results)
{
    Slot *slot;
    adze_status status = native_begin(native, call->shape, &slot, message);
    if (status != ADZE_DONE)
        return status;
    status = make_outputs(native, slot, call) ? native_run(native, slot, call->input, call->output, threads, message)
                                              : out_of_memory(message);
    if (status == ADZE_DONE && !give_results(native, slot, call, results))
        status = out_of_memory(message);
    native_end(native, slot);
    return status;
}

adze_status native_call(adze_context *context, Native *native, ArrayNode *const *in, size_t count, int32_t threads,
                        const char *what, NodeList *results)
{
    ArrayCall call;
    char message[NATIVE_MESSAGE] = "";
    const char *error = engine_evaluate(context->engine, in, count);
    if (error != NULL) {
        const adze_status failed = context_fail(context, ADZE_FAILED, "%s", error);
        evaluation_error_free(error);
        return failed;
    }
    adze_status status = array_call_init(&call, native->model, in, count)
                             ? run_on_arrays(native, &call, threads, message, results)
                             : out_of_memory(message);
    array_call_release(&call);
    return status == ADZE_DONE ? status : context_fail(context, status, "[%s] %s", what, message);
}
