/* SPDX-License-Identifier: Apache-2.0
 * Which of the module's symbols a model has: those in its input shapes, then those that bind_dimension binds. */
#include "codegen/program.h"

#include "ir/base/vec.h"
#include "runtime/artifact.h"

enum { MAX_DEPTH = 128 };

typedef struct Found {
    Program *program;
    bool *seen; /* by symbol */
} Found;

static void mark_dim(Found *found, Dim dim, uint32_t depth)
{
    if (dim_is_constant(dim) || depth == MAX_DEPTH)
        return;
    const DimView view = dim_view(found->program->graph->module, dim);
    if (view.form == DIM_SYMBOL)
        found->seen[view.symbol] = true;
    for (uint32_t i = 0; i < view.part_count; i++)
        mark_dim(found, view.part[i], depth + 1);
}

/* Symbols that nodes bind, in regions and callees too. */
static void mark_bound(Found *found, const Graph *graph, uint32_t depth)
{
    if (depth == MAX_DEPTH)
        return;
    for (uint32_t i = 1; i < graph->node_count; i++) {
        const Node *node = &graph->node[i];
        if (node->op == OP_bind_dimension)
            mark_dim(found, node_dim(node, ATTR_symbol), 0);
        if (node->op == OP_call)
            mark_bound(found, node_graph(node, ATTR_callee), depth + 1);
        for (uint32_t k = 0; node->op != OP_group && k < node->region_count; k++)
            mark_bound(found, node->region[k], depth + 1);
    }
}

static uint32_t take(Found *found, SymbolKind kind, uint32_t first)
{
    ProgramSymbols *symbols = &found->program->symbols;
    const Module *module = found->program->graph->module;
    uint32_t count = first;
    for (uint32_t i = 0; i < module->symbol_count; i++)
        if (found->seen[i] && module->symbol[i].kind == kind) {
            symbols->symbol[count++] = i;
            symbols->index[i] = count;
        }
    return count - first;
}

Status program_find_symbols(Program *program, Diag *diag)
{
    const Graph *graph = program->graph;
    const uint32_t count = graph->module->symbol_count;
    ProgramSymbols *symbols = &program->symbols;
    Found found = {program, ARENA_NEW(&program->arena, bool, count)};
    symbols->index = ARENA_NEW(&program->arena, uint32_t, count);
    symbols->symbol = ARENA_NEW(&program->arena, uint32_t, count);
    if (!found.seen || !symbols->index || !symbols->symbol)
        return diag_fail(diag, STATUS_OUT_OF_MEMORY, "codegen", "out of memory");
    for (uint32_t i = 0; i < graph->parameter_count; i++) {
        const Type type = value_type(graph, graph->parameter[i]);
        for (uint32_t k = 0; k < type.rank; k++)
            mark_dim(&found, type.dim[k], 0);
    }
    symbols->input_count = take(&found, SYMBOL_INPUT, 0);
    mark_bound(&found, graph, 0);
    symbols->data_count = take(&found, SYMBOL_VALUE, symbols->input_count);
    if (symbols->data_count > 0 && symbols->input_count + symbols->data_count > ADZE_SHAPE_SYMBOLS)
        return diag_fail(diag, STATUS_UNSUPPORTED, "codegen", "more than %d sizes", ADZE_SHAPE_SYMBOLS);
    return STATUS_OK;
}
