/* SPDX-License-Identifier: Apache-2.0
 * The interpreter: walks a graph in order and applies the eval rule of each node to host arrays.
 * A graph runs in an arena of its own that dies with the run; only results leave it. Symbols are a table of values:
 * a region starts with a copy of its caller's, so what is bound inside a step is forgotten after it. */
#include "ir/eval.h"

#include "ir/base/vec.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static EvalRule *const rule_of[OP_COUNT] = {
#define OP(name, traits, operands, results, attributes, infer, eval, ...) [OP_##name] = eval_##eval,
#include "ir/ops.def"
};

/* ---- failing ---- */

Status eval_fail(const EvalContext *c, Status status, const char *format, ...)
{
    char what[1024], where[512];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    const char *op = c->node == NULL ? "inputs" : op_info[c->node->op].name;
    const char *location = c->node == NULL ? "" : location_text(c->run->module, c->node->location);
    if (location[0] != 0)
        snprintf(where, sizeof where, "%s: %s", location, op);
    else
        snprintf(where, sizeof where, "graph @%s: %s", c->graph->name, op);
    return diag_fail(c->run->diag, status, where, "%s", what);
}

Status eval_out_of_memory(const EvalContext *c)
{
    return eval_fail(c, STATUS_OUT_OF_MEMORY, "out of memory");
}

void *eval_scratch(const EvalContext *c, int64_t count, size_t size)
{
    void *memory = count < 0 ? NULL : arena_alloc_array(c->scratch, (size_t)count, size);
    if (memory == NULL)
        eval_out_of_memory(c);
    return memory;
}

/* ---- dimensions and symbols ---- */

static bool add_symbol_use(EvalRun *run, uint32_t **list, uint32_t *count, uint32_t symbol)
{
    for (uint32_t i = 0; i < *count; i++)
        if ((*list)[i] == symbol)
            return true;
    uint32_t *grown = ARENA_NEW(&run->arena, uint32_t, *count + 1);
    if (grown == NULL)
        return false;
    if (*count != 0)
        memcpy(grown, *list, *count * sizeof **list);
    grown[(*count)++] = symbol;
    *list = grown;
    return true;
}

/* Expressions are built bottom up with bounded nesting (dim.c), so recursion is bounded too. */
static bool collect_symbols(EvalRun *run, Dim dim, uint32_t **list, uint32_t *count)
{
    if (dim_is_constant(dim))
        return true;
    const DimView view = dim_view(run->module, dim);
    if (view.form == DIM_SYMBOL)
        return add_symbol_use(run, list, count, view.symbol);
    for (uint32_t i = 0; i < view.part_count; i++)
        if (!collect_symbols(run, view.part[i], list, count))
            return false;
    return true;
}

/* The uses of an expression, from the table; NULL when memory is out. */
static const DimUse *dim_use(EvalRun *run, Dim dim)
{
    const uint32_t id = dim.expression;
    if (id >= run->use_capacity &&
        !vec_reserve(&run->arena, (void **)&run->use, &run->use_capacity, id + 1, sizeof(DimUse)))
        return NULL;
    DimUse *use = &run->use[id];
    if (use->is_known)
        return use;
    uint32_t *list = NULL;
    if (!collect_symbols(run, dim, &list, &use->count))
        return NULL;
    use->symbol = list;
    use->is_symbol = dim_view(run->module, dim).form == DIM_SYMBOL;
    use->is_known = true;
    return use;
}

Status eval_dim(const EvalContext *c, Dim dim, int64_t *value)
{
    if (dim_is_constant(dim)) {
        *value = dim.constant;
        return STATUS_OK;
    }
    const DimUse *use = dim_use(c->run, dim);
    if (use == NULL)
        return eval_out_of_memory(c);
    for (uint32_t i = 0; i < use->count; i++)
        if (c->symbol[use->symbol[i]] == UNBOUND_SYMBOL)
            return eval_fail(c, STATUS_INVALID, "symbol %s has no value here",
                             c->run->module->symbol[use->symbol[i]].name);
    *value = dim_evaluate(c->run->module, dim, c->symbol);
    return STATUS_OK;
}

static Status wrong_count(const EvalContext *c, AttrKey key, uint32_t count, uint32_t due)
{
    return eval_fail(c, STATUS_INVALID, "attribute %s has %u entries, %u are due", attr_info[key].name, count, due);
}

Status eval_dims(const EvalContext *c, AttrKey key, uint32_t count, int64_t *value)
{
    uint32_t found;
    const Dim *dim = node_dims(c->node, key, &found);
    if (found != count)
        return wrong_count(c, key, found, count);
    for (uint32_t i = 0; i < count; i++)
        TRY(eval_dim(c, dim[i], &value[i]));
    return STATUS_OK;
}

Status eval_integers(const EvalContext *c, AttrKey key, uint32_t count, const int64_t **value)
{
    uint32_t found;
    *value = node_integers(c->node, key, &found);
    return found == count ? STATUS_OK : wrong_count(c, key, found, count);
}

Status eval_axis(const EvalContext *c, uint32_t rank, uint32_t *axis)
{
    const int64_t value = node_integer(c->node, ATTR_axis);
    if (value < 0 || value >= rank)
        return eval_fail(c, STATUS_INVALID, "axis %lld of an array with %u axes", (long long)value, rank);
    *axis = (uint32_t)value;
    return STATUS_OK;
}

Status eval_bind(const EvalContext *c, uint32_t symbol, int64_t value)
{
    const Symbol *s = &c->run->module->symbol[symbol];
    if (value < s->min || value > s->max)
        return eval_fail(c, STATUS_INVALID, "symbol %s is %lld, its range is %lld..%lld", s->name, (long long)value,
                         (long long)s->min, (long long)s->max);
    c->symbol[symbol] = value;
    return STATUS_OK;
}

/* ---- arrays ---- */

int64_t host_array_size(const HostArray *array)
{
    int64_t size = 1;
    for (uint32_t i = 0; i < array->rank; i++)
        size *= array->dim[i];
    return size;
}

size_t host_array_bytes(const HostArray *array)
{
    return (size_t)host_array_size(array) * element_info[array->element].bytes;
}

/* Checks that no product of dimensions overflows, zeros left out, so that strides are safe as well. */
static bool size_is_sane(const HostArray *array)
{
    int64_t bytes = element_info[array->element].bytes;
    for (uint32_t i = 0; i < array->rank; i++) {
        if (array->dim[i] < 0)
            return false;
        if (array->dim[i] != 0 && __builtin_mul_overflow(bytes, array->dim[i], &bytes))
            return false;
    }
    return bytes < INT64_MAX / 4;
}

Status eval_allocate(const EvalContext *c, HostArray *array, Arena *arena)
{
    array->data = arena_alloc(arena, host_array_bytes(array));
    return array->data != NULL ? STATUS_OK : eval_out_of_memory(c);
}

/* Element, rank and dimensions of an array of that type. */
static Status resolve_type(const EvalContext *c, Type type, HostArray *array)
{
    array->element = type.element;
    array->rank = type.rank;
    for (uint32_t i = 0; i < type.rank; i++)
        TRY(eval_dim(c, type.dim[i], &array->dim[i]));
    if (!size_is_sane(array))
        return eval_fail(c, STATUS_INVALID, "a dimension is negative, or the array too large");
    return STATUS_OK;
}

static bool same_layout(const HostArray *a, const HostArray *b)
{
    return a->element == b->element && a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

/* ---- inputs ---- */

static Status check_kind(const EvalContext *c, uint32_t index, Type type, const HostArray *input)
{
    const char *name = parameter_name(c->graph, index);
    if (input->element != type.element)
        return eval_fail(c, STATUS_INVALID, "input %u (%s) has elements %s, %s are due", index, name,
                         element_info[input->element].name, element_info[type.element].name);
    if (input->rank != type.rank)
        return eval_fail(c, STATUS_INVALID, "input %u (%s) has %u axes, %u are due", index, name, input->rank,
                         type.rank);
    return size_is_sane(input) ? STATUS_OK : eval_fail(c, STATUS_INVALID, "input %u (%s) is too large", index, name);
}

/* Binds symbols that stand alone as a dimension. */
static Status bind_symbols(const EvalContext *c, Type type, const HostArray *input)
{
    for (uint32_t i = 0; i < type.rank; i++) {
        if (dim_is_constant(type.dim[i]))
            continue;
        const DimUse *use = dim_use(c->run, type.dim[i]);
        if (use == NULL)
            return eval_out_of_memory(c);
        if (use->is_symbol && c->symbol[use->symbol[0]] == UNBOUND_SYMBOL)
            TRY(eval_bind(c, use->symbol[0], input->dim[i]));
    }
    return STATUS_OK;
}

static Status check_dimensions(const EvalContext *c, uint32_t index, Type type, const HostArray *input)
{
    for (uint32_t i = 0; i < type.rank; i++) {
        int64_t due;
        TRY(eval_dim(c, type.dim[i], &due));
        if (due != input->dim[i])
            return eval_fail(c, STATUS_INVALID, "input %u (%s): axis %u has size %lld, %lld is due", index,
                             parameter_name(c->graph, index), i, (long long)input->dim[i], (long long)due);
    }
    return STATUS_OK;
}

static Status take_inputs(const EvalContext *c, const HostArray *input, uint32_t input_count, HostArray *value)
{
    const Graph *graph = c->graph;
    if (input_count != graph->parameter_count)
        return eval_fail(c, STATUS_INVALID, "%u inputs given, %u are due", input_count, graph->parameter_count);
    for (uint32_t i = 0; i < input_count; i++) {
        const Type type = value_type(graph, graph->parameter[i]);
        TRY(check_kind(c, i, type, &input[i]));
        TRY(bind_symbols(c, type, &input[i]));
        value[graph->parameter[i].id] = input[i];
    }
    for (uint32_t i = 0; i < input_count; i++)
        TRY(check_dimensions(c, i, value_type(graph, graph->parameter[i]), &input[i]));
    return STATUS_OK;
}

/* ---- nodes ---- */

static bool makes_own_data(OpKind op)
{
    return (op_info[op].traits & CONTROL) || op == OP_constant || op == OP_parameter;
}

static Status prepare_results(EvalContext *c)
{
    for (uint32_t i = 0; i < c->node->result_count; i++) {
        TRY(resolve_type(c, value_type(c->graph, node_result(c->node, i)), &c->result[i]));
        if (!makes_own_data(c->node->op))
            TRY(eval_allocate(c, &c->result[i], c->arena));
    }
    return STATUS_OK;
}

/* Control flow gives what its regions give: later nodes rely on the types stated. */
static Status check_results(const EvalContext *c)
{
    for (uint32_t i = 0; i < c->node->result_count; i++) {
        HostArray due;
        TRY(resolve_type(c, value_type(c->graph, node_result(c->node, i)), &due));
        if (!same_layout(&due, &c->result[i]))
            return eval_fail(c, STATUS_INVALID, "result %u has a shape other than its type says", i);
    }
    return STATUS_OK;
}

/* c has graph, node, operands and results; the scratch arena is made here. */
static Status run_node(EvalContext *c)
{
    Arena scratch;
    arena_init(&scratch);
    c->scratch = &scratch;
    Status status = prepare_results(c);
    if (status == STATUS_OK)
        status = has_parts(c) ? eval_by_parts(c, rule_of[c->node->op]) : rule_of[c->node->op](c);
    if (status == STATUS_OK && makes_own_data(c->node->op))
        status = check_results(c);
    arena_release(&scratch);
    return status;
}

/* One run of a graph. Values that are results are made where results go; all others die with the run. */
typedef struct GraphRun {
    HostArray *value; /* by id */
    bool *is_result;  /* by value id */
    Arena *values, *results;
} GraphRun;

static bool gives_result(const GraphRun *run, const Node *node)
{
    bool gives = false;
    for (uint32_t i = 0; i < node->result_count; i++)
        gives = gives || run->is_result[node->first_result.id + i];
    return gives;
}

static Status run_in_graph(EvalContext *c, const GraphRun *run)
{
    const Node *node = c->node;
    HostArray few[8];
    HostArray *operand = node->operand_count <= 8 ? few : ARENA_NEW(run->values, HostArray, node->operand_count);
    if (operand == NULL)
        return eval_out_of_memory(c);
    for (uint32_t i = 0; i < node->operand_count; i++)
        operand[i] = run->value[node->operand[i].id];
    c->operand = operand;
    c->result = &run->value[node->first_result.id];
    c->arena = gives_result(run, node) ? run->results : run->values;
    return run_node(c);
}

/* Data that somebody else owns is copied: the caller's inputs, the module's constants. */
static Status give_results(const EvalContext *c, const GraphRun *run, HostArray *result)
{
    for (uint32_t i = 0; i < c->graph->result_count; i++) {
        const Value value = c->graph->result[i];
        const OpKind op = graph_definition(c->graph, value)->op;
        result[i] = run->value[value.id];
        if (op != OP_parameter && op != OP_constant)
            continue;
        result[i].data = arena_copy(run->results, result[i].data, host_array_bytes(&result[i]));
        if (result[i].data == NULL)
            return eval_out_of_memory(c);
    }
    return STATUS_OK;
}

static Status run_nodes(EvalContext *c, GraphRun *run, const HostArray *input, uint32_t input_count, HostArray *result)
{
    const Graph *graph = c->graph;
    run->value = ARENA_NEW(run->values, HostArray, graph->value_count);
    run->is_result = ARENA_NEW(run->values, bool, graph->value_count);
    if (run->value == NULL || run->is_result == NULL)
        return eval_out_of_memory(c);
    for (uint32_t i = 0; i < graph->result_count; i++)
        run->is_result[graph->result[i].id] = true;
    TRY(take_inputs(c, input, input_count, run->value));
    for (uint32_t i = 1; i < graph->node_count; i++) {
        c->node = &graph->node[i];
        if (c->node->op != OP_parameter)
            TRY(run_in_graph(c, run));
    }
    c->node = NULL;
    return give_results(c, run, result);
}

static int64_t *copy_symbols(const EvalRun *run, const int64_t *symbol, Arena *arena)
{
    const uint32_t count = run->module->symbol_count;
    int64_t *copy = ARENA_NEW(arena, int64_t, count + 1);
    for (uint32_t i = 0; copy != NULL && i < count; i++)
        copy[i] = symbol == NULL ? UNBOUND_SYMBOL : symbol[i];
    return copy;
}

static Status run_graph(EvalRun *run, const Graph *graph, const int64_t *symbol, uint32_t depth, const HostArray *input,
                        uint32_t input_count, HostArray *result, Arena *arena)
{
    Arena values;
    arena_init(&values);
    GraphRun graph_run = {.values = &values, .results = arena};
    EvalContext c = {.run = run, .graph = graph, .depth = depth};
    c.symbol = copy_symbols(run, symbol, &values);
    const Status status =
        c.symbol == NULL ? eval_out_of_memory(&c) : run_nodes(&c, &graph_run, input, input_count, result);
    arena_release(&values);
    return status;
}

Status eval_graph(const EvalContext *c, const Graph *graph, const HostArray *input, uint32_t input_count,
                  HostArray *result, Arena *arena)
{
    if (c->depth >= EVAL_DEPTH_LIMIT)
        return eval_fail(c, STATUS_UNSUPPORTED, "graphs are nested more than %d deep", EVAL_DEPTH_LIMIT);
    return run_graph(c->run, graph, c->symbol, c->depth + 1, input, input_count, result, arena);
}

/* ---- the doors ---- */

static void run_init(EvalRun *run, const Graph *graph, Diag *diag)
{
    *run = (EvalRun){.module = graph->module, .diag = diag};
    arena_init(&run->arena);
}

Status graph_evaluate(const Graph *graph, const HostArray *input, uint32_t input_count, HostArray *result, Arena *arena,
                      Diag *diag)
{
    EvalRun run;
    run_init(&run, graph, diag);
    const Status status = run_graph(&run, graph, NULL, 0, input, input_count, result, arena);
    arena_release(&run.arena);
    return status;
}

static Status check_operands(const EvalContext *c)
{
    for (uint32_t i = 0; i < c->node->operand_count; i++) {
        HostArray due;
        TRY(resolve_type(c, value_type(c->graph, c->node->operand[i]), &due));
        if (!same_layout(&due, &c->operand[i]))
            return eval_fail(c, STATUS_INVALID, "operand %u has a shape or element type other than its type says", i);
    }
    return STATUS_OK;
}

Status node_evaluate(const Graph *graph, NodeId node, const HostArray *operand, HostArray *result,
                     const int64_t *symbol, Arena *arena, Diag *diag)
{
    EvalRun run;
    run_init(&run, graph, diag);
    EvalContext c = {.run = &run,
                     .graph = graph,
                     .node = graph_node(graph, node),
                     .operand = operand,
                     .result = result,
                     .arena = arena};
    c.symbol = copy_symbols(&run, symbol, &run.arena);
    Status status = c.symbol == NULL ? eval_out_of_memory(&c) : check_operands(&c);
    if (status == STATUS_OK)
        status = run_node(&c);
    arena_release(&run.arena);
    return status;
}
