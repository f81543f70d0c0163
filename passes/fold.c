/* SPDX-License-Identifier: Apache-2.0
 * fold: evaluates nodes whose operands are all constants with the interpreter, where its answer has the bits that
 * compiled code gives: data movement, integers, comparisons, and the float operations that IEEE rounds correctly.
 * Elementary functions, float reductions and contractions stay for the kernels. Results larger than the limit are kept
 * only when they don't grow (weights transposed or packed); a broadcast of a scalar stays a broadcast. What has no
 * elements is a constant, whatever it is made of. */
#include <string.h>

#include "passes/rewrite.h"

/* Float operations that are rounded correctly one by one. */
static bool rounds_correctly(OpKind op)
{
    switch (op) {
    case OP_neg:
    case OP_abs:
    case OP_sign:
    case OP_floor:
    case OP_ceil:
    case OP_trunc:
    case OP_round:
    case OP_sqrt:
    case OP_reciprocal:
    case OP_is_nan:
    case OP_is_inf:
    case OP_cast:
    case OP_bitcast:
    case OP_view:
    case OP_real:
    case OP_imag:
    case OP_complex:
    case OP_add:
    case OP_sub:
    case OP_mul:
    case OP_div:
    case OP_max:
    case OP_min:
    case OP_equal:
    case OP_not_equal:
    case OP_less:
    case OP_less_equal:
    case OP_greater:
    case OP_greater_equal:
    case OP_select:
        return true;
    default:
        return false;
    }
}

static bool has_floats(const Graph *graph, const Node *node)
{
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (!element_is_integer(value_type(graph, node->operand[i]).element) &&
            value_type(graph, node->operand[i]).element != ELEMENT_bool)
            return true;
    return !element_is_integer(value_type(graph, node_result(node, 0)).element) &&
           value_type(graph, node_result(node, 0)).element != ELEMENT_bool;
}

static bool is_exact(const Graph *graph, const Node *node)
{
    const uint32_t traits = op_info[node->op].traits;
    if ((traits & PURE) == 0 || (traits & CONTROL) != 0 || node->op == OP_parameter || node->op == OP_constant)
        return false;
    return (traits & MOVES) != 0 || rounds_correctly(node->op) || !has_floats(graph, node);
}

static bool operands_are_constants(const Graph *graph, const Value *operand, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (operand[i].id == 0 || graph_definition(graph, operand[i])->op != OP_constant)
            return false;
    return true;
}

static int64_t static_bytes(Type type)
{
    const int64_t size = type_static_size(type);
    return size < 0 ? -1 : size * element_info[type.element].bytes;
}

/* Whether the results are static and within the limit. */
static bool is_small_enough(const Rewriter *r, const Node *node, const Value *operand)
{
    int64_t in = 0, out = 0;
    for (uint32_t i = 0; i < node->operand_count; i++)
        in += static_bytes(value_type(r->to, operand[i]));
    for (uint32_t i = 0; i < node->result_count; i++) {
        const int64_t bytes = static_bytes(value_type(r->from, node_result(node, i)));
        if (bytes < 0)
            return false;
        out += bytes;
    }
    if (node->op == OP_broadcast || node->op == OP_iota)
        return out <= 4096;
    return out <= (int64_t)r->context->options->fold_limit || out <= in + in / 2 + 65536;
}

/* Results without elements are constants, whatever the operands: kernels of nothing aren't made. */
static bool fold_empty(Rewriter *r, const Node *node, Value *result)
{
    const uint32_t traits = op_info[node->op].traits;
    if ((traits & PURE) == 0 || (traits & CONTROL) != 0 || node->op == OP_parameter || node->op == OP_constant)
        return false;
    for (uint32_t i = 0; i < node->result_count; i++)
        if (type_static_size(value_type(r->from, node_result(node, i))) != 0)
            return false;
    for (uint32_t i = 0; i < node->result_count; i++) {
        const Type type = value_type(r->from, node_result(node, i));
        const Type own = type_make(r->to->module, type.element, type.dim, type.rank);
        result[i] = build_constant(&r->build, constant_copy(r->to->module, own, ""));
    }
    return true;
}

static HostArray constant_array(const Module *module, ConstantId id)
{
    const Constant *constant = constant_get(module, id);
    HostArray array = {.element = constant->type.element, .rank = constant->type.rank};
    for (uint32_t i = 0; i < array.rank; i++)
        array.dim[i] = constant->type.dim[i].constant;
    array.data = (void *)(uintptr_t)constant_data(module, id);
    return array;
}

static bool fold_node(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    Module *module = r->to->module;
    if (fold_empty(r, node, result))
        return true;
    if (!is_exact(r->from, node) || !operands_are_constants(r->to, operand, node->operand_count) ||
        !is_small_enough(r, node, operand))
        return false;
    Arena arena;
    arena_init(&arena);
    HostArray *input = ARENA_NEW(&arena, HostArray, node->operand_count);
    HostArray *output = ARENA_NEW(&arena, HostArray, node->result_count);
    bool folded = input != NULL && output != NULL;
    for (uint32_t i = 0; folded && i < node->operand_count; i++)
        input[i] = constant_array(module, node_constant(graph_definition(r->to, operand[i]), ATTR_value));
    const NodeId id = r->from->value[node->first_result.id].node;
    folded = folded && node_evaluate(r->from, id, input, output, NULL, &arena, NULL) == STATUS_OK;
    for (uint32_t i = 0; folded && i < node->result_count; i++) {
        const Type type = type_make_static(module, output[i].element, output[i].dim, output[i].rank);
        result[i] = build_constant(&r->build, constant_copy(module, type, output[i].data));
    }
    arena_release(&arena);
    return folded;
}

Status pass_fold(PassContext *context, const Graph *in, Graph *out);

Status pass_fold(PassContext *context, const Graph *in, Graph *out)
{
    return rewrite_graph(context, in, out, fold_node, NULL);
}
