/* SPDX-License-Identifier: Apache-2.0
 * The model's descriptor as data items, byte for byte what AdzeModel and AdzeArtifact are in memory:
 *
 *     NAME_model   AdzeModel, exported          artifact   AdzeArtifact
 *     tables       all arrays and texts both point to       state   what is written while the model is used
 *     weights      unless they are in a file
 *
 * Structs are filled here and copied; a pointer in them is zero bytes and a fixup (where, and to what). That is right
 * for every target there is: all have 64-bit little-endian pointers and the same struct layout. */
#include <string.h>

#include "codegen/dim_program.h"
#include "ir/base/vec.h"
#include "runtime/artifact.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(void *) == 8, "structs are copied as they are here");

typedef struct Fixup {
    size_t at;
    const char *symbol; /* NULL: nothing points anywhere here */
    int64_t addend;
} Fixup;

typedef struct Bytes { /* contents of a data item */
    char *byte;
    uint32_t byte_count, byte_capacity;
    Fixup *fixup; /* ascending */
    uint32_t fixup_count, fixup_capacity;
} Bytes;

typedef struct Describing {
    const Program *program;
    const Graph *graph;
    Arena *arena;
    Diag *diag;
    Bytes tables;
    DimPrograms programs;
    LoopModule *view;
    bool failed; /* memory was out */
} Describing;

static const char tables_name[] = "tables", state_name[] = "state", weights_name[] = "weights",
                  artifact_name[] = "artifact";

/* ---------------------------------------------------------------- bytes and fixups ---- */

/* Appends bytes at a multiple of 8; gives where. */
static size_t add_bytes(Describing *d, Bytes *to, const void *data, size_t count)
{
    const size_t at = ((size_t)to->byte_count + 7) & ~(size_t)7;
    if (d->failed || count > UINT32_MAX - at - 8 ||
        !vec_reserve(d->arena, (void **)&to->byte, &to->byte_capacity, (uint32_t)(at + count), 1)) {
        d->failed = true;
        return 0;
    }
    memset(to->byte + to->byte_count, 0, at - to->byte_count);
    if (count > 0)
        memcpy(to->byte + at, data, count);
    to->byte_count = (uint32_t)(at + count);
    return at;
}

/* The pointer at `at` shall point to symbol + addend. */
static void add_fixup(Describing *d, Bytes *bytes, size_t at, const char *symbol, size_t addend)
{
    if (d->failed || !VEC_GROW(d->arena, bytes, fixup)) {
        d->failed = true;
        return;
    }
    bytes->fixup[bytes->fixup_count++] = (Fixup){at, symbol, (int64_t)addend};
}

static size_t add_text(Describing *d, const char *text)
{
    return add_bytes(d, &d->tables, text, strlen(text) + 1);
}

/* A struct that is being filled, at `base` in its item. */
#define POINT(d, bytes, base, type, field, symbol, addend)                                                             \
    add_fixup((d), (bytes), (base) + offsetof(type, field), (symbol), (addend))

static int compare_fixups(const Fixup *a, const Fixup *b)
{
    return a->at < b->at ? -1 : a->at > b->at;
}

/* Fixups come nearly in order: structs are filled front to back. */
static void sort_fixups(Bytes *bytes)
{
    for (uint32_t i = 1; i < bytes->fixup_count; i++) {
        const Fixup moved = bytes->fixup[i];
        uint32_t at = i;
        for (; at > 0 && compare_fixups(&bytes->fixup[at - 1], &moved) > 0; at--)
            bytes->fixup[at] = bytes->fixup[at - 1];
        bytes->fixup[at] = moved;
    }
}

static LoopData *new_item(Describing *d, const char *name)
{
    LoopModule *view = d->view;
    if (d->failed || !VEC_GROW(d->arena, view, data)) {
        d->failed = true;
        return NULL;
    }
    LoopData *item = &view->data[view->data_count++];
    *item = (LoopData){.name = name};
    return item;
}

/* A data item of parts: bytes, address, bytes, address … */
static LoopData *add_item(Describing *d, const char *name, Bytes *bytes)
{
    LoopData *item = new_item(d, name);
    LoopDataPart *part = ARENA_NEW(d->arena, LoopDataPart, 2 * (size_t)bytes->fixup_count + 1);
    if (!item || !part) {
        d->failed = true;
        return NULL;
    }
    sort_fixups(bytes);
    size_t at = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < bytes->fixup_count; i++) {
        const Fixup *fixup = &bytes->fixup[i];
        if (fixup->at > at)
            part[count++] = (LoopDataPart){.data = bytes->byte + at, .bytes = fixup->at - at};
        part[count++] = (LoopDataPart){.bytes = 8, .symbol = fixup->symbol, .addend = fixup->addend};
        at = fixup->at + 8;
    }
    if (bytes->byte_count > at)
        part[count++] = (LoopDataPart){.data = bytes->byte + at, .bytes = bytes->byte_count - at};
    item->part = part;
    item->part_count = count;
    item->bytes = bytes->byte_count;
    return item;
}

/* ---------------------------------------------------------------- inputs, outputs, symbols ---- */

static int32_t symbol_index(const Describing *d, Dim dim)
{
    if (dim_is_constant(dim))
        return -1;
    const DimView view = dim_view(d->graph->module, dim);
    return view.form == DIM_SYMBOL ? (int32_t)d->program->symbols.index[view.symbol] - 1 : -1;
}

static Status describe_dimension(Describing *d, Dim dim, AdzeDimension *dimension, size_t *text)
{
    StrBuf name = {0};
    *dimension = (AdzeDimension){.size = dim_is_constant(dim) ? dim.constant : -1, .symbol = symbol_index(d, dim)};
    dim_print(d->graph->module, dim, &name);
    *text = add_text(d, strbuf_text(&name));
    d->failed = d->failed || name.failed;
    strbuf_release(&name);
    return dim_is_constant(dim) ? STATUS_OK : dim_programs_add(&d->programs, dim, &dimension->program);
}

static Status describe_shape(Describing *d, Type type, size_t *at)
{
    AdzeDimension *dimension = ARENA_NEW(d->arena, AdzeDimension, type.rank);
    size_t *text = ARENA_NEW(d->arena, size_t, type.rank);
    if (!dimension || !text)
        return diag_fail(d->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    for (uint32_t i = 0; i < type.rank; i++)
        TRY(describe_dimension(d, type.dim[i], &dimension[i], &text[i]));
    *at = add_bytes(d, &d->tables, dimension, type.rank * sizeof *dimension);
    for (uint32_t i = 0; i < type.rank; i++)
        POINT(d, &d->tables, *at + i * sizeof *dimension, AdzeDimension, text, tables_name, text[i]);
    return STATUS_OK;
}

typedef const char *ArgumentName(const Graph *graph, uint32_t index);

static const char *result_name(const Graph *graph, uint32_t index)
{
    return graph->result_name[index];
}

static Status describe_arguments(Describing *d, const Value *value, uint32_t count, ArgumentName *name, size_t *at)
{
    AdzeArgument *argument = ARENA_NEW(d->arena, AdzeArgument, count);
    size_t *text = ARENA_NEW(d->arena, size_t, count), *shape = ARENA_NEW(d->arena, size_t, count);
    if (!argument || !text || !shape)
        return diag_fail(d->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        const Type type = value_type(d->graph, value[i]);
        argument[i] = (AdzeArgument){
            .element = type.element, .element_bytes = element_info[type.element].bytes, .rank = type.rank};
        text[i] = add_text(d, name(d->graph, i));
        TRY(describe_shape(d, type, &shape[i]));
    }
    *at = add_bytes(d, &d->tables, argument, count * sizeof *argument);
    for (uint32_t i = 0; i < count; i++) {
        POINT(d, &d->tables, *at + i * sizeof *argument, AdzeArgument, name, tables_name, text[i]);
        POINT(d, &d->tables, *at + i * sizeof *argument, AdzeArgument, dimension, tables_name, shape[i]);
    }
    return STATUS_OK;
}

static Status describe_symbols(Describing *d, size_t *at, size_t *max_at)
{
    const ProgramSymbols *symbols = &d->program->symbols;
    const uint32_t count = symbols->input_count + symbols->data_count;
    AdzeSymbol *symbol = ARENA_NEW(d->arena, AdzeSymbol, count);
    size_t *text = ARENA_NEW(d->arena, size_t, count);
    int64_t *max = ARENA_NEW(d->arena, int64_t, count);
    if (!symbol || !text || !max)
        return diag_fail(d->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        const Symbol *known = &d->graph->module->symbol[symbols->symbol[i]];
        symbol[i] = (AdzeSymbol){.min = known->min, .max = known->max};
        max[i] = known->max;
        text[i] = add_text(d, known->name);
    }
    *at = add_bytes(d, &d->tables, symbol, count * sizeof *symbol);
    for (uint32_t i = 0; i < count; i++)
        POINT(d, &d->tables, *at + i * sizeof *symbol, AdzeSymbol, name, tables_name, text[i]);
    *max_at = add_bytes(d, &d->tables, max + symbols->input_count, symbols->data_count * sizeof *max);
    return STATUS_OK;
}

/* ---------------------------------------------------------------- the artifact ---- */

static Status describe_buffers(Describing *d, uint32_t *count, size_t *at)
{
    const Plan *plan = &d->program->plan;
    *count = plan->solved ? 0 : plan->buffer_count;
    AdzeBuffer *buffer = ARENA_NEW(d->arena, AdzeBuffer, *count);
    if (!buffer)
        return diag_fail(d->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    for (uint32_t i = 0; i < *count; i++) {
        const PlanBuffer *planned = &plan->buffer[i];
        const bool known = dim_is_constant(planned->bytes);
        buffer[i] =
            (AdzeBuffer){.bytes = known ? planned->bytes.constant : -1, .first = planned->first, .last = planned->last};
        if (!known)
            TRY(dim_programs_add(&d->programs, planned->bytes, &buffer[i].program));
    }
    *at = add_bytes(d, &d->tables, buffer, *count * sizeof *buffer);
    return STATUS_OK;
}

static Status describe_capacities(Describing *d, size_t *at)
{
    uint32_t *capacity = ARENA_NEW(d->arena, uint32_t, d->graph->result_count);
    if (!capacity)
        return diag_fail(d->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    for (uint32_t i = 0; i < d->graph->result_count; i++) {
        Dim bytes;
        TRY(plan_storage_bytes(d->graph->module, value_type(d->graph, d->graph->result[i]), &bytes));
        TRY(dim_programs_add(&d->programs, bytes, &capacity[i]));
    }
    *at = add_bytes(d, &d->tables, capacity, d->graph->result_count * sizeof *capacity);
    return STATUS_OK;
}

/* ---- dimensions to check: those of values that may come out negative ---- */

typedef struct Checks {
    uint32_t *offset;
    uint32_t offset_count, offset_capacity;
    bool *seen; /* by expression */
    uint32_t seen_count;
    uint32_t depth;
} Checks;

enum { MAX_CHECK_DEPTH = 128 };

static bool depends_on_data(const Describing *d, Dim dim, uint32_t depth)
{
    if (dim_is_constant(dim))
        return false;
    const DimView view = dim_view(d->graph->module, dim);
    if (view.form == DIM_SYMBOL)
        return d->program->symbols.index[view.symbol] == 0 ||
               d->graph->module->symbol[view.symbol].kind == SYMBOL_VALUE;
    for (uint32_t i = 0; i < view.part_count; i++)
        if (depth == MAX_CHECK_DEPTH || depends_on_data(d, view.part[i], depth + 1))
            return true;
    return false;
}

static Status check_dim(Describing *d, Checks *checks, Dim dim)
{
    int64_t min, max;
    if (dim_is_constant(dim))
        return STATUS_OK;
    if (dim.expression < checks->seen_count) {
        if (checks->seen[dim.expression])
            return STATUS_OK;
        checks->seen[dim.expression] = true;
    }
    dim_bounds(d->graph->module, dim, &min, &max);
    if (min >= 0 || depends_on_data(d, dim, 0))
        return STATUS_OK;
    if (!VEC_GROW(d->arena, checks, offset))
        return diag_fail(d->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    return dim_programs_add(&d->programs, dim, &checks->offset[checks->offset_count++]);
}

static Status check_graph(Describing *d, Checks *checks, const Graph *graph)
{
    if (checks->depth == MAX_CHECK_DEPTH)
        return STATUS_OK;
    checks->depth++;
    for (uint32_t i = 1; i < graph->value_count; i++)
        for (uint32_t k = 0; k < graph->value[i].type.rank; k++)
            TRY(check_dim(d, checks, graph->value[i].type.dim[k]));
    for (uint32_t i = 1; i < graph->node_count; i++) {
        for (uint32_t k = 0; k < graph->node[i].region_count; k++)
            TRY(check_graph(d, checks, graph->node[i].region[k]));
        if (graph->node[i].op == OP_call)
            TRY(check_graph(d, checks, node_graph(&graph->node[i], ATTR_callee)));
    }
    checks->depth--;
    return STATUS_OK;
}

static Status describe_checks(Describing *d, uint32_t *count, size_t *at)
{
    enum { SEEN = 1 << 16 };
    Checks checks = {.seen = ARENA_NEW(d->arena, bool, SEEN), .seen_count = SEEN};
    if (!checks.seen)
        return diag_fail(d->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    if (d->program->symbols.input_count > 0)
        TRY(check_graph(d, &checks, d->graph));
    *count = checks.offset_count;
    *at = add_bytes(d, &d->tables, checks.offset, checks.offset_count * sizeof *checks.offset);
    return STATUS_OK;
}

static Status add_artifact(Describing *d, WeightsForm form, size_t data_symbol_max)
{
    const Program *program = d->program;
    AdzeArtifact artifact = {.weights_hash = program->weights.hash};
    Bytes bytes = {0};
    size_t buffers = 0, checks = 0, capacities = 0;
    if (program->plan.solved) {
        artifact.arena_bytes = program->plan.arena_bytes;
        artifact.arena_bound = program->plan.bound_bytes;
    }
    TRY(describe_buffers(d, &artifact.buffer_count, &buffers));
    TRY(describe_checks(d, &artifact.check_count, &checks));
    TRY(describe_capacities(d, &capacities));
    const size_t programs = add_bytes(d, &d->tables, d->programs.word, d->programs.word_count * sizeof(int64_t));
    add_bytes(d, &bytes, &artifact, sizeof artifact);
    POINT(d, &bytes, 0, AdzeArtifact, entry, program->loops->function[program->entry]->name, 0);
    POINT(d, &bytes, 0, AdzeArtifact, program, tables_name, programs);
    POINT(d, &bytes, 0, AdzeArtifact, buffer, tables_name, buffers);
    POINT(d, &bytes, 0, AdzeArtifact, check, tables_name, checks);
    POINT(d, &bytes, 0, AdzeArtifact, capacity, tables_name, capacities);
    POINT(d, &bytes, 0, AdzeArtifact, data_symbol_max, tables_name, data_symbol_max);
    if (form != WEIGHTS_IN_FILE && program->weights.bytes > 0)
        POINT(d, &bytes, 0, AdzeArtifact, weights, weights_name,
              form == WEIGHTS_BY_INCBIN ? sizeof(AdzeWeightsHeader) : 0);
    POINT(d, &bytes, 0, AdzeArtifact, state, state_name, 0);
    (void)add_item(d, artifact_name, &bytes);
    return STATUS_OK;
}

/* ---------------------------------------------------------------- the model ---- */

static void point_to_functions(Describing *d, Bytes *bytes)
{
    POINT(d, bytes, 0, AdzeModel, status_text, "adze_runtime_status_text", 0);
    POINT(d, bytes, 0, AdzeModel, bind, "adze_runtime_bind", 0);
    POINT(d, bytes, 0, AdzeModel, output_shape, "adze_runtime_output_shape", 0);
    POINT(d, bytes, 0, AdzeModel, output_bytes, "adze_runtime_output_bytes", 0);
    POINT(d, bytes, 0, AdzeModel, workspace_bytes, "adze_runtime_workspace_bytes", 0);
    POINT(d, bytes, 0, AdzeModel, prepare, "adze_runtime_prepare", 0);
    POINT(d, bytes, 0, AdzeModel, run, "adze_runtime_run", 0);
}

static Status add_model(Describing *d, WeightsForm form)
{
    const Program *program = d->program;
    const bool in_file = form == WEIGHTS_IN_FILE && program->weights.bytes > 0;
    const AdzeModel model = {
        .abi_version = ADZE_ABI_VERSION,
        .struct_bytes = sizeof(AdzeModel),
        .features = program->options.target.required,
        .input_count = d->graph->parameter_count,
        .output_count = d->graph->result_count,
        .symbol_count = program->symbols.input_count,
        .data_symbol_count = program->symbols.data_count,
        .weight_bytes = program->weights.bytes,
    };
    Bytes bytes = {0};
    size_t inputs = 0, outputs = 0, symbols = 0, data_symbol_max = 0;
    add_bytes(d, &bytes, &model, sizeof model);
    POINT(d, &bytes, 0, AdzeModel, name, tables_name, add_text(d, program->options.name));
    POINT(d, &bytes, 0, AdzeModel, target, tables_name, add_text(d, program->options.target.name));
    TRY(describe_arguments(d, d->graph->parameter, d->graph->parameter_count, parameter_name, &inputs));
    TRY(describe_arguments(d, d->graph->result, d->graph->result_count, result_name, &outputs));
    TRY(describe_symbols(d, &symbols, &data_symbol_max));
    POINT(d, &bytes, 0, AdzeModel, input, tables_name, inputs);
    POINT(d, &bytes, 0, AdzeModel, output, tables_name, outputs);
    POINT(d, &bytes, 0, AdzeModel, symbol, tables_name, symbols);
    if (in_file)
        POINT(d, &bytes, 0, AdzeModel, weights_file, tables_name, add_text(d, program->options.weights_file));
    point_to_functions(d, &bytes);
    POINT(d, &bytes, 0, AdzeModel, artifact, artifact_name, 0);
    TRY(add_artifact(d, form, data_symbol_max));
    LoopData *item = add_item(d, program_model_name(program, d->arena), &bytes);
    if (item)
        item->exported = true;
    return STATUS_OK;
}

static void add_state(Describing *d)
{
    LoopData *item = new_item(d, state_name);
    LoopDataPart *zeros = ARENA_NEW(d->arena, LoopDataPart, 1);
    if (!item || !zeros) {
        d->failed = true;
        return;
    }
    zeros->bytes = sizeof(AdzeArtifactState);
    item->writable = true;
    item->part = zeros;
    item->part_count = 1;
    item->bytes = zeros->bytes;
}

static void add_weights(Describing *d, WeightsForm form, const char *path)
{
    const ProgramWeights *weights = &d->program->weights;
    if (form == WEIGHTS_IN_FILE || weights->bytes == 0)
        return;
    LoopData *item = new_item(d, weights_name);
    if (!item)
        return;
    item->bytes = (size_t)weights->bytes;
    if (form == WEIGHTS_BY_INCBIN) {
        item->path = path;
        item->bytes += sizeof(AdzeWeightsHeader);
    } else {
        item->part = weights->part;
        item->part_count = weights->part_count;
    }
}

/* The view starts with the data that kernels use. */
static Status copy_module(Describing *d)
{
    const LoopModule *loops = d->program->loops;
    *d->view = *loops;
    d->view->data = arena_copy(d->arena, loops->data, loops->data_count * sizeof *loops->data);
    d->view->data_capacity = loops->data_count;
    return d->view->data ? STATUS_OK : diag_fail(d->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
}

Status program_describe(const Program *program, WeightsForm form, const char *weights_path, Arena *arena,
                        LoopModule *view, Diag *diag)
{
    Describing d = {.program = program, .graph = program->graph, .arena = arena, .diag = diag, .view = view};
    TRY(copy_module(&d));
    TRY(dim_programs_init(&d.programs, program, arena, diag));
    add_weights(&d, form, weights_path);
    add_state(&d);
    TRY(add_model(&d, form));
    (void)add_item(&d, tables_name, &d.tables);
    if (d.failed)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    return program->graph->module->status;
}

const char *program_model_name(const Program *program, Arena *arena)
{
    return arena_printf(arena, "%s_model", program->options.name);
}

const char *program_prefix(const Program *program, Arena *arena)
{
    return arena_printf(arena, "%s_", program->options.name);
}
