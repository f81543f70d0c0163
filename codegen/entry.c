/* SPDX-License-Identifier: Apache-2.0
 * The entry: one function in loop IR that runs the whole graph as planned. Groups become launches, control flow becomes
 * loops and ifs, everything else is an address. It gets the buffers runtime/artifact.h lists and the symbols that
 * inputs bind as sizes; buffers of the arena lie at constant offsets, or, in models with symbols, at offsets from a
 * table. */
#include "codegen/entry.h"

#include <string.h>

#include "runtime/artifact.h"

enum { EXTRA_ARENA, EXTRA_OFFSETS, EXTRA_DATA_SYMBOLS, EXTRA_WEIGHTS };

static Status emit_scope(Entry *entry, const PlanScope *scope);

/* ---------------------------------------------------------------- addresses ---- */

static Reg extra(const Entry *entry, uint32_t which)
{
    const Graph *graph = entry->program->graph;
    return entry->argument[graph->parameter_count + graph->result_count + which];
}

static Reg buffer_address(Entry *entry, uint32_t index)
{
    LoopFunction *f = entry->f;
    const Plan *plan = &entry->program->plan;
    const Reg offset = plan->solved
                           ? loop_index(f, plan->buffer[index].offset)
                           : loop_load(f, loop_type(LOOP_i64, 1), extra(entry, EXTRA_OFFSETS), loop_index(f, index));
    return loop_pointer_add(f, extra(entry, EXTRA_ARENA), offset);
}

static Reg place_address(Entry *entry, Place place)
{
    LoopFunction *f = entry->f;
    switch (place.kind) {
    case PLACE_INPUT:
        return entry->argument[place.index];
    case PLACE_OUTPUT:
        return entry->argument[entry->program->graph->parameter_count + place.index];
    case PLACE_CONSTANT:
        return loop_pointer_add(f, extra(entry, EXTRA_WEIGHTS),
                                loop_index(f, entry->program->weights.offset[place.index]));
    case PLACE_BUFFER:
        return buffer_address(entry, place.index);
    case PLACE_SLICE:
        return entry->slice[place.index];
    default:
        return (Reg){0};
    }
}

static Reg value_address(Entry *entry, const PlanScope *scope, Value value)
{
    return place_address(entry, scope->place[value.id]);
}

static void emit_copies(Entry *entry, const PlanCopies *copies)
{
    for (uint32_t i = 0; i < copies->copy_count; i++) {
        const PlanCopy *copy = &copies->copy[i];
        loop_copy_bytes(entry->f, place_address(entry, copy->to), place_address(entry, copy->from),
                        entry_dim(entry, copy->bytes));
    }
}

/* ---------------------------------------------------------------- groups ---- */

static Status emit_launch(Entry *entry, const Kernel *kernel, uint32_t function, const Reg *buffer,
                          uint32_t buffer_count)
{
    Reg *size = ARENA_NEW(&entry->scratch, Reg, kernel->size_count);
    if (!size)
        return diag_fail(entry->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    for (uint32_t i = 0; i < kernel->size_count; i++)
        size[i] = entry_dim(entry, kernel->size[i]);
    loop_launch(entry->f, &(LoopLaunch){
                              .function = function,
                              .buffer_count = buffer_count,
                              .size_count = kernel->size_count,
                              .buffer = buffer,
                              .size = size,
                              .extent = entry_dim(entry, kernel->extent),
                              .work = entry_dim(entry, kernel->work),
                          });
    entry->program->info.launch_count++;
    return STATUS_OK;
}

static Status emit_group(Entry *entry, const PlanScope *scope, const Node *node, const PlanNode *planned)
{
    const ProgramGroup *group =
        program_group(entry->program, scope->graph, (NodeId){(uint32_t)(node - scope->graph->node)});
    if (!group)
        return diag_fail(entry->diag, STATUS_FAILED, "codegen", "a group isn't in the plan");
    const uint32_t most = node->operand_count + node->result_count + 1;
    Reg *buffer = ARENA_NEW(&entry->scratch, Reg, most);
    if (!buffer)
        return diag_fail(entry->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->operand_count; i++)
        buffer[count++] = value_address(entry, scope, node->operand[i]);
    for (uint32_t i = 0; i < node->result_count; i++)
        buffer[count++] = value_address(entry, scope, node_result(node, i));
    if (planned->temporary.kind != PLACE_NONE)
        buffer[count++] = place_address(entry, planned->temporary);
    for (uint32_t i = 0; i < group->lowered.kernel_count; i++)
        TRY(emit_launch(entry, &group->lowered.kernel[i], group->function[i], buffer, count));
    entry->program->info.group_count++;
    return STATUS_OK;
}

/* ---------------------------------------------------------------- sizes ---- */

static Status emit_dimension(Entry *entry, const PlanScope *scope, const Node *node, const PlanNode *planned)
{
    (void)planned;
    const Reg value = entry_dim(entry, node_dim(node, ATTR_size));
    loop_store(entry->f, value_address(entry, scope, node->first_result), loop_index(entry->f, 0), value);
    return STATUS_OK;
}

/* The symbol's value is read from the operand, checked against its range, and kept where the runtime finds it. */
static Status emit_bind(Entry *entry, const PlanScope *scope, const Node *node, const PlanNode *planned)
{
    (void)planned;
    LoopFunction *f = entry->f;
    const ProgramSymbols *symbols = &entry->program->symbols;
    const uint32_t symbol = dim_view(entry->module, node_dim(node, ATTR_symbol)).symbol;
    const uint32_t index = symbols->index[symbol] - 1;
    const Reg value =
        loop_load(f, loop_type(LOOP_i64, 1), value_address(entry, scope, node->operand[0]), loop_index(f, 0));
    const Reg below = loop_compare(f, LOOP_less, value, loop_index(f, entry->module->symbol[symbol].min));
    const Reg above = loop_compare(f, LOOP_less, loop_index(f, entry->module->symbol[symbol].max), value);
    loop_return_if(f, loop_binary(f, LOOP_or, below, above), ADZE_BOUND);
    loop_store(f, extra(entry, EXTRA_DATA_SYMBOLS), loop_index(f, index - symbols->input_count), value);
    entry->symbol[index] = value;
    return STATUS_OK;
}

/* ---------------------------------------------------------------- control flow ---- */

/* A bool scalar as i1. */
static Reg load_condition(Entry *entry, Reg address)
{
    LoopFunction *f = entry->f;
    const LoopType byte = loop_type(LOOP_i8, 1);
    return loop_compare(f, LOOP_not_equal, loop_load(f, byte, address, loop_index(f, 0)), loop_int(f, byte, 0));
}

/* A scope as the contents of a block: what it computes is not visible afterwards. */
static Status emit_block(Entry *entry, const PlanScope *scope)
{
    const uint32_t mark = entry_mark(entry);
    TRY(emit_scope(entry, scope));
    entry_release(entry, mark);
    return STATUS_OK;
}

static Status emit_if(Entry *entry, const PlanScope *scope, const Node *node, const PlanNode *planned)
{
    loop_if(entry->f, load_condition(entry, value_address(entry, scope, node->operand[0])));
    TRY(emit_block(entry, planned->region[0]));
    loop_else(entry->f);
    TRY(emit_block(entry, planned->region[1]));
    loop_close(entry->f);
    return STATUS_OK;
}

static Status emit_while(Entry *entry, const PlanScope *scope, const Node *node, const PlanNode *planned)
{
    (void)scope;
    LoopFunction *f = entry->f;
    emit_copies(entry, &planned->before);
    const uint32_t mark = entry_mark(entry);
    loop_repeat(f);
    TRY(emit_scope(entry, planned->region[0]));
    const Reg holds = load_condition(entry, value_address(entry, planned->region[0], node->region[0]->result[0]));
    loop_break_if(f, loop_unary(f, LOOP_not, holds));
    TRY(emit_scope(entry, planned->region[1]));
    loop_close(f);
    entry_release(entry, mark);
    return STATUS_OK;
}

/* Slices of this iteration. Slices of an empty loop are never computed: their base may be nowhere. */
static void emit_slices(Entry *entry, const PlanNode *planned, Reg index)
{
    for (uint32_t i = planned->slice; i < planned->slice + planned->slice_count; i++) {
        const PlanSlice *slice = &entry->program->plan.slice[i];
        const Reg offset = loop_mul(entry->f, index, entry_dim(entry, slice->bytes));
        entry->slice[i] = loop_pointer_add(entry->f, place_address(entry, slice->base), offset);
    }
}

static Status emit_scan(Entry *entry, const PlanScope *scope, const Node *node, const PlanNode *planned)
{
    (void)scope;
    LoopFunction *f = entry->f;
    emit_copies(entry, &planned->before);
    const Reg length = entry_dim(entry, node_dim(node, ATTR_size));
    const Reg last = loop_sub(f, length, loop_index(f, 1));
    const uint32_t mark = entry_mark(entry);
    const Reg step = loop_for(f, loop_index(f, 0), length, loop_index(f, 1));
    emit_slices(entry, planned, node_integer(node, ATTR_reverse) ? loop_sub(f, last, step) : step);
    TRY(emit_scope(entry, planned->region[0]));
    loop_close(f);
    entry_release(entry, mark);
    return STATUS_OK;
}

static Status emit_call(Entry *entry, const PlanScope *scope, const Node *node, const PlanNode *planned)
{
    (void)scope, (void)node;
    return emit_scope(entry, planned->region[0]);
}

/* ---------------------------------------------------------------- scopes ---- */

typedef Status EmitNode(Entry *entry, const PlanScope *scope, const Node *node, const PlanNode *planned);

/* Ops without a row are addresses only. */
static EmitNode *const emit_of[OP_COUNT] = {
    [OP_dimension] = emit_dimension, [OP_bind_dimension] = emit_bind,
    [OP_group] = emit_group,         [OP_if] = emit_if,
    [OP_while] = emit_while,         [OP_scan] = emit_scan,
    [OP_call] = emit_call,           [OP_checkpoint] = emit_call,
    [OP_custom] = emit_call,
};

static Status emit_scope(Entry *entry, const PlanScope *scope)
{
    for (uint32_t i = 1; i < scope->graph->node_count; i++) {
        const Node *node = &scope->graph->node[i];
        if (emit_of[node->op])
            TRY(emit_of[node->op](entry, scope, node, &scope->node[i]));
    }
    emit_copies(entry, &scope->after);
    return STATUS_OK;
}

/* ---------------------------------------------------------------- the function ---- */

static Status entry_init(Entry *entry)
{
    Program *program = entry->program;
    const ProgramSymbols *symbols = &program->symbols;
    const uint32_t buffers = program->graph->parameter_count + program->graph->result_count + ADZE_ENTRY_EXTRA_BUFFERS;
    entry->f = loop_function_create(program->loops, buffers, symbols->input_count);
    entry->argument = ARENA_NEW(&entry->scratch, Reg, buffers);
    entry->symbol = ARENA_NEW(&entry->scratch, Reg, symbols->input_count + symbols->data_count);
    entry->slice = ARENA_NEW(&entry->scratch, Reg, program->plan.slice_count);
    if (!entry->f || !entry->argument || !entry->symbol || !entry->slice)
        return diag_fail(entry->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    for (uint32_t i = 0; i < buffers; i++)
        entry->argument[i] = loop_buffer(entry->f, i);
    for (uint32_t i = 0; i < symbols->input_count; i++)
        entry->symbol[i] = loop_size(entry->f, i);
    return STATUS_OK;
}

static Status add_entry(Entry *entry)
{
    Program *program = entry->program;
    if (entry->module->status != STATUS_OK)
        return entry->module->status;
    if (entry->f->error)
        return diag_fail(entry->diag, STATUS_FAILED, "codegen", "entry: %s", entry->f->error);
    program->entry = loop_module_add(program->loops, entry->f, "entry");
    if (program->entry == UINT32_MAX)
        return diag_fail(entry->diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    return STATUS_OK;
}

static Status write_entry(Entry *entry)
{
    TRY(entry_init(entry));
    TRY(emit_scope(entry, entry->program->plan.entry));
    return add_entry(entry);
}

Status program_write_entry(Program *program, Diag *diag)
{
    Entry entry = {.program = program, .module = program->graph->module, .diag = diag};
    arena_init(&entry.scratch);
    const Status status = write_entry(&entry);
    arena_release(&entry.scratch);
    return status;
}
