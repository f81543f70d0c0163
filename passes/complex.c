/* SPDX-License-Identifier: Apache-2.0
 * complex: kernels and derivatives know real numbers only; a complex value becomes two of them.
 *
 *     %z = mul %x, %y : c64[n]   →   %re = sub(mul(xr, yr), mul(xi, yi)), %im = …, %z = complex %re, %im
 *
 * The op `complex` stands for the pair while the graph is copied: whoever uses it takes its operands, so that most are
 * dead in the end. Regions get two parameters and results in place of a complex one, and calls of graphs with complex
 * numbers are inlined. What is left at the graph's own parameters and results is the memory of complex numbers, seen as
 * f32[…, 2] where they are read and as u64 where they are written, which costs nothing. Ops without a rule
 * here are refused. */
#include "passes/complex.h"

#include <string.h>

#include "passes/rewrite.h"

enum { MAX_REGIONS = 4 }; /* of a node */

typedef struct Parts {
    Value re, im;
} Parts;

/* One node being split: its operands in parts, real operands being their own real part. */
typedef struct Split {
    Builder *b;
    const Graph *from;
    const Node *node;
    const Value *operand;
    Parts x, y; /* of the first two */
} Split;

typedef Value SplitRule(Split *s);

static bool is_complex(const Graph *graph, Value value)
{
    return value_type(graph, value).element == ELEMENT_c64;
}

/* ---- building ---- */

static Value binary(Split *s, OpKind op, Value x, Value y)
{
    return build_binary(s->b, op, x, y);
}

static Value join(Builder *b, Value re, Value im)
{
    return build_binary(b, OP_complex, re, im);
}

static Parts parts_of(Builder *b, Value x)
{
    const Node *pair = defined_by(b->graph, x, OP_complex);
    if (pair != NULL)
        return (Parts){pair->operand[0], pair->operand[1]};
    if (x.id == 0 || !is_complex(b->graph, x))
        return (Parts){x, x};
    return (Parts){build_unary(b, OP_real, x), build_unary(b, OP_imag, x)};
}

static Value view(Builder *b, Value x, ElementType element)
{
    const Attr attr = {.key = ATTR_element, .element = element};
    const NodeSpec spec = {.op = OP_view,
                           .operand = &x,
                           .operand_count = 1,
                           .attr = &attr,
                           .attr_count = 1,
                           .location = b->location,
                           .clone = b->clone};
    return graph_add_value(b->graph, &spec);
}

static Value bits(Builder *b, Value x)
{
    const Attr attr = {.key = ATTR_element, .element = ELEMENT_u32};
    const NodeSpec spec = {.op = OP_bitcast,
                           .operand = &x,
                           .operand_count = 1,
                           .attr = &attr,
                           .attr_count = 1,
                           .location = b->location,
                           .clone = b->clone};
    return build_cast(b, graph_add_value(b->graph, &spec), ELEMENT_u64);
}

/* The pair in memory: 64 bits, the real part in the lower half. Kernels do that in vectors, with what computes the
 * parts.
 */
static Value interleave(Builder *b, Parts x)
{
    if (x.re.id == 0 || x.im.id == 0 || b->graph->module->status != STATUS_OK)
        return (Value){0};
    const Value high = build_binary(b, OP_shift_left, bits(b, x.im), build_scalar_i64(b, ELEMENT_u64, 32));
    return build_binary(b, OP_or, bits(b, x.re), high);
}

/* One part of f32[…, 2]. */
static Value take_part(Builder *b, Value pairs, bool imaginary)
{
    if (pairs.id == 0 || b->graph->module->status != STATUS_OK)
        return (Value){0};
    const uint32_t axis = value_type(b->graph, pairs).rank - 1;
    return build_squeeze(b, build_slice_axis(b, pairs, axis, dim_constant(imaginary), dim_constant(imaginary + 1)),
                         axis);
}

static Value joined_pairs(Builder *b, Value pairs)
{
    return join(b, take_part(b, pairs, false), take_part(b, pairs, true));
}

static Value zeros_like(Builder *b, Value x)
{
    return x.id == 0 ? x : build_full(b, value_type(b->graph, x), 0);
}

/* The node on other operands, complex ones replaced by one of their parts. */
static Value repeat(Split *s, bool left_imaginary, bool right_imaginary)
{
    Value operand[3];
    Attr attr[8];
    const uint32_t count = s->node->attr_count < 8 ? s->node->attr_count : 8;
    for (uint32_t i = 0; i < s->node->operand_count && i < 3; i++) {
        const Parts parts = parts_of(s->b, s->operand[i]);
        operand[i] = (i == 0 ? left_imaginary : right_imaginary) ? parts.im : parts.re;
    }
    for (uint32_t i = 0; i < count; i++) {
        attr[i] = s->node->attr[i];
        if (attr[i].key == ATTR_element)
            attr[i].element = ELEMENT_f32;
    }
    return graph_add_value(s->b->graph, &(NodeSpec){.op = s->node->op,
                                                    .operand = operand,
                                                    .operand_count = s->node->operand_count,
                                                    .attr = attr,
                                                    .attr_count = count,
                                                    .location = s->b->location,
                                                    .clone = s->b->clone});
}

/* ---- rules ---- */

static Value split_linear(Split *s)
{
    return join(s->b, repeat(s, false, false), repeat(s, true, true));
}

/* Sums of updates are linear, and so is writing; other combinations aren't. */
static Value split_scatter(Split *s)
{
    const char *reduction = node_string(s->node, ATTR_reduction);
    if (strcmp(reduction, "none") != 0 && strcmp(reduction, "add") != 0)
        return (Value){0};
    return split_linear(s);
}

static Value concatenate_part(Split *s, bool imaginary)
{
    const uint32_t count = s->node->operand_count;
    Value *part = arena_alloc_array(&s->b->graph->module->arena, count + 1, sizeof *part);
    if (part == NULL) {
        module_fail(s->b->graph->module, STATUS_OUT_OF_MEMORY, "complex", "out of memory");
        return (Value){0};
    }
    for (uint32_t i = 0; i < count; i++) {
        const Parts parts = parts_of(s->b, s->operand[i]);
        part[i] = imaginary ? parts.im : parts.re;
    }
    return build_concatenate(s->b, part, count, (uint32_t)node_integer(s->node, ATTR_axis));
}

static Value split_concatenate(Split *s)
{
    return join(s->b, concatenate_part(s, false), concatenate_part(s, true));
}

/* (a + ib)(c + id) = (ac - bd) + i (ad + bc), for products of any kind. */
static Value split_bilinear(Split *s)
{
    return join(s->b, binary(s, OP_sub, repeat(s, false, false), repeat(s, true, true)),
                binary(s, OP_add, repeat(s, false, true), repeat(s, true, false)));
}

static Parts product(Split *s, Parts x, Parts y)
{
    return (Parts){binary(s, OP_sub, binary(s, OP_mul, x.re, y.re), binary(s, OP_mul, x.im, y.im)),
                   binary(s, OP_add, binary(s, OP_mul, x.re, y.im), binary(s, OP_mul, x.im, y.re))};
}

/* The reduced axes as one, the last; its size, or -1 where it isn't a number. */
static Value reduced_last(Split *s, Value x, int64_t *size)
{
    const Type type = value_type(s->b->graph, x), due = value_type(s->from, node_result(s->node, 0));
    int64_t permutation[MAX_RANK];
    Dim dim[MAX_RANK + 1];
    uint32_t count, at = 0, reduced = 0;
    const int64_t *axes = node_integers(s->node, ATTR_axes, &count);
    *size = 1;
    for (uint32_t i = 0; i < count; i++) {
        reduced |= 1u << axes[i];
        permutation[due.rank + i] = axes[i];
        const bool known = *size >= 0 && dim_is_constant(type.dim[axes[i]]);
        *size = known ? *size * type.dim[axes[i]].constant : -1;
    }
    for (uint32_t i = 0; i < type.rank; i++)
        if (!(reduced >> i & 1))
            permutation[at++] = i;
    for (uint32_t i = 0; i < due.rank; i++)
        dim[i] = due.dim[i];
    dim[due.rank] = dim_constant(*size);
    return *size < 0 || due.rank == MAX_RANK
               ? (Value){0}
               : build_reshape(s->b, build_transpose(s->b, x, permutation), dim, due.rank + 1);
}

static Parts part_of_axis(Split *s, Parts x, uint32_t axis, int64_t from, int64_t to)
{
    return (Parts){build_slice_axis(s->b, x.re, axis, dim_constant(from), dim_constant(to)),
                   build_slice_axis(s->b, x.im, axis, dim_constant(from), dim_constant(to))};
}

/* The first half times the second, until one is left; a number in the middle waits. */
static Value split_product(Split *s)
{
    const Type due = value_type(s->from, node_result(s->node, 0));
    int64_t n;
    Parts x = {reduced_last(s, s->x.re, &n), reduced_last(s, s->x.im, &n)};
    if (x.re.id == 0)
        return (Value){0};
    if (n == 0) {
        const Type one = {ELEMENT_f32, due.rank, due.dim};
        return join(s->b, build_full(s->b, one, 1), build_full(s->b, one, 0));
    }
    while (n > 1 && s->b->graph->module->status == STATUS_OK) {
        const int64_t half = n / 2;
        const Parts low = part_of_axis(s, x, due.rank, 0, half), high = part_of_axis(s, x, due.rank, n - half, n);
        const Parts middle = part_of_axis(s, x, due.rank, half, n - half);
        x = product(s, low, high);
        if (n % 2 == 1) {
            const Value re[2] = {x.re, middle.re}, im[2] = {x.im, middle.im};
            x = (Parts){build_concatenate(s->b, re, 2, due.rank), build_concatenate(s->b, im, 2, due.rank)};
        }
        n -= half;
    }
    return join(s->b, build_reshape(s->b, x.re, due.dim, due.rank), build_reshape(s->b, x.im, due.dim, due.rank));
}

/* x conj(y) / |y|², in f64, which has room for the squares. */
static Value split_div(Split *s)
{
    Parts wide[2] = {s->x, s->y};
    for (uint32_t i = 0; i < 2; i++)
        wide[i] = (Parts){build_cast(s->b, wide[i].re, ELEMENT_f64), build_cast(s->b, wide[i].im, ELEMENT_f64)};
    const Parts x = wide[0], y = wide[1];
    const Value square = binary(s, OP_add, binary(s, OP_mul, y.re, y.re), binary(s, OP_mul, y.im, y.im));
    const Value re = binary(s, OP_add, binary(s, OP_mul, x.re, y.re), binary(s, OP_mul, x.im, y.im));
    const Value im = binary(s, OP_sub, binary(s, OP_mul, x.im, y.re), binary(s, OP_mul, x.re, y.im));
    return join(s->b, build_cast(s->b, binary(s, OP_div, re, square), ELEMENT_f32),
                build_cast(s->b, binary(s, OP_div, im, square), ELEMENT_f32));
}

static Value split_equal(Split *s)
{
    const OpKind both = s->node->op == OP_equal ? OP_and : OP_or;
    return binary(s, both, binary(s, s->node->op, s->x.re, s->y.re), binary(s, s->node->op, s->x.im, s->y.im));
}

/* From a complex number the real part counts; as a bool, whether it is 0. */
static Value split_cast(Split *s)
{
    const ElementType to = node_element(s->node, ATTR_element);
    if (to == ELEMENT_c64) {
        const Value re = build_cast(s->b, s->operand[0], ELEMENT_f32);
        return join(s->b, re, zeros_like(s->b, re));
    }
    if (to == ELEMENT_bool)
        return binary(s, OP_or, build_cast(s->b, s->x.re, to), build_cast(s->b, s->x.im, to));
    return build_cast(s->b, s->x.re, to);
}

static Value split_constant(Split *s)
{
    Module *module = s->b->graph->module;
    const Constant *constant = constant_get(module, node_constant(s->node, ATTR_value));
    const float *data = constant_data(module, node_constant(s->node, ATTR_value));
    const size_t count = constant->bytes / (2 * sizeof *data);
    Type type = constant->type;
    Value part[2];
    if (data == NULL)
        return (Value){0};
    float *copy = arena_alloc_array(&module->arena, count + 1, sizeof *copy);
    if (copy == NULL) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "complex", "out of memory");
        return (Value){0};
    }
    type.element = ELEMENT_f32;
    for (uint32_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < count; k++)
            copy[k] = data[2 * k + i];
        part[i] = build_constant(s->b, constant_copy(module, type, copy));
    }
    return join(s->b, part[0], part[1]);
}

static Value view_from_pairs(Split *s, ElementType to)
{
    const Value pairs = interleave(s->b, s->x);
    return pairs.id == 0 || to == ELEMENT_u64 ? pairs : view(s->b, pairs, to);
}

static Value view_as_pairs(Split *s)
{
    Module *module = s->b->graph->module;
    const Type type = value_type(s->from, s->node->operand[0]);
    const uint32_t bytes = element_info[type.element].bytes;
    Value x = s->operand[0];
    Dim dim[MAX_RANK + 1];
    for (uint32_t i = 0; i < type.rank; i++)
        dim[i] = type.dim[i];
    if (bytes < 4 && type.rank == MAX_RANK)
        return (Value){0};
    if (bytes < 4) {
        dim[type.rank - 1] = dim_constant(2);
        dim[type.rank] = dim_constant(4 / bytes);
        x = build_reshape(s->b, x, dim, type.rank + 1);
    }
    return module->status == STATUS_OK ? joined_pairs(s->b, view(s->b, x, ELEMENT_f32)) : (Value){0};
}

static Value split_view(Split *s)
{
    const ElementType to = node_element(s->node, ATTR_element);
    return to == ELEMENT_c64 ? view_as_pairs(s) : view_from_pairs(s, to);
}

static SplitRule *const split_rule[OP_COUNT] = {
    [OP_constant] = split_constant,
    [OP_neg] = split_linear,
    [OP_add] = split_linear,
    [OP_sub] = split_linear,
    [OP_mul] = split_bilinear,
    [OP_div] = split_div,
    [OP_equal] = split_equal,
    [OP_not_equal] = split_equal,
    [OP_select] = split_linear,
    [OP_cast] = split_cast,
    [OP_bitcast] = split_view,
    [OP_view] = split_view,
    [OP_broadcast] = split_linear,
    [OP_reshape] = split_linear,
    [OP_transpose] = split_linear,
    [OP_slice] = split_linear,
    [OP_pad] = split_linear,
    [OP_concatenate] = split_concatenate,
    [OP_reverse] = split_linear,
    [OP_gather] = split_linear,
    [OP_scatter] = split_scatter,
    [OP_take_along] = split_linear,
    [OP_put_along] = split_scatter,
    [OP_dynamic_slice] = split_linear,
    [OP_dynamic_update] = split_linear,
    [OP_reduce_sum] = split_linear,
    [OP_reduce_prod] = split_product,
    [OP_cumulative_sum] = split_linear,
    [OP_pool_sum] = split_linear,
    [OP_dot] = split_bilinear,
    [OP_convolution] = split_bilinear,
};

/* ---- regions ---- */

static RewriteRule split_node;

static bool has_complex(const Graph *graph, uint32_t depth);

static bool node_has_complex(const Node *node, uint32_t depth)
{
    for (uint32_t i = 0; i < node->region_count; i++)
        if (has_complex(node->region[i], depth))
            return true;
    return node->op == OP_call && has_complex(node_graph(node, ATTR_callee), depth);
}

/* Deeper than any graph that is supported counts as complex: then it is looked at, and fails where depth is limited. */
static bool has_complex(const Graph *graph, uint32_t depth)
{
    enum { DEEPEST = 64 };
    if (depth > DEEPEST)
        return true;
    for (uint32_t i = 1; i < graph->value_count; i++)
        if (graph->value[i].type.element == ELEMENT_c64)
            return true;
    for (uint32_t i = 1; i < graph->node_count; i++)
        if (node_has_complex(&graph->node[i], depth + 1))
            return true;
    return false;
}

static uint32_t complex_among(const Graph *graph, const Value *value, uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += is_complex(graph, value[i]);
    return found;
}

static Value *scratch_values(Rewriter *r, size_t count)
{
    Value *value = arena_alloc_array(r->context->scratch, count + 1, sizeof *value);
    if (value == NULL)
        module_fail(r->to->module, STATUS_OUT_OF_MEMORY, "complex", "out of memory");
    return value;
}

static Value add_part_parameter(Graph *graph, const Graph *of, uint32_t index, bool is_split)
{
    Type type = value_type(of, of->parameter[index]);
    if (is_split)
        type.element = ELEMENT_f32;
    return graph_add_parameter(graph, is_split ? "" : parameter_name(of, index), type);
}

/* The region in a graph whose parameters and results are parts. */
static Graph *wrap_region(Rewriter *r, const Graph *region)
{
    Graph *wrapped = graph_create(r->to->module, "");
    Value *part = scratch_values(r, 2 * (size_t)region->parameter_count);
    Value *argument = scratch_values(r, region->parameter_count), *result = scratch_values(r, region->result_count);
    if (wrapped == NULL || part == NULL || argument == NULL || result == NULL)
        return NULL;
    Builder b = {wrapped, {0}, 0};
    for (uint32_t i = 0; i < region->parameter_count; i++) {
        const bool is_split = is_complex(region, region->parameter[i]);
        part[2 * i] = add_part_parameter(wrapped, region, i, is_split);
        if (is_split)
            part[2 * i + 1] = add_part_parameter(wrapped, region, i, true);
    }
    for (uint32_t i = 0; i < region->parameter_count; i++)
        argument[i] = part[2 * i + 1].id == 0 ? part[2 * i] : join(&b, part[2 * i], part[2 * i + 1]);
    graph_inline(region, wrapped, argument, result);
    for (uint32_t i = 0; i < region->result_count && r->to->module->status == STATUS_OK; i++) {
        const Parts parts = parts_of(&b, result[i]);
        graph_add_result(wrapped, parts.re, "");
        if (is_complex(region, region->result[i]))
            graph_add_result(wrapped, parts.im, "");
    }
    return wrapped;
}

static Graph *split_region(Rewriter *r, const Graph *region)
{
    enum { DEEPEST = 256 };
    uint32_t *depth = r->state;
    Module *module = r->to->module;
    if (++*depth > DEEPEST)
        module_fail(module, STATUS_UNSUPPORTED, "complex", "regions and calls nest deeper than %d", DEEPEST);
    const Graph *wrapped = module->status == STATUS_OK ? wrap_region(r, region) : NULL;
    Graph *split = wrapped == NULL ? NULL : graph_create(module, "");
    if (split != NULL)
        rewrite_graph(r->context, wrapped, split, split_node, r->state);
    --*depth;
    return module->status == STATUS_OK ? split : NULL;
}

/* Parts of complex values, others as they are; how many. */
static uint32_t list_parts(Rewriter *r, const Value *value, uint32_t count, Value *part)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        const bool is_split = value[i].id != 0 && is_complex(r->to, value[i]);
        const Parts parts = parts_of(&r->build, value[i]);
        part[length++] = parts.re;
        if (is_split)
            part[length++] = parts.im;
    }
    return length;
}

static void join_results(Rewriter *r, const Node *node, const Value *part, Value *result)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < node->result_count; i++, at++) {
        result[i] = part[at];
        if (is_complex(r->from, node_result(node, i))) {
            result[i] = join(&r->build, part[at], part[at + 1]);
            at++;
        }
    }
}

static void inline_callee(Rewriter *r, const Node *node, const Value *part, Value *result)
{
    const Graph *callee = split_region(r, node_graph(node, ATTR_callee));
    Value *given = callee == NULL ? NULL : scratch_values(r, callee->result_count);
    if (given == NULL)
        return;
    graph_inline(callee, r->to, part, given);
    join_results(r, node, given, result);
}

/* Counts of leading operands, as they are now; a rule for batching was made for complex operands. */
static Attr split_count(const Rewriter *r, const Node *node, Attr attr)
{
    const uint32_t carried = (uint32_t)node_integer(node, ATTR_carry_count);
    if (attr.key == ATTR_carry_count)
        attr.integer += complex_among(r->from, node->operand, carried);
    if (attr.key == ATTR_input_count)
        attr.integer += complex_among(r->from, node->operand + carried, (uint32_t)attr.integer);
    if (attr.key == ATTR_source)
        attr.integer = 0;
    return attr;
}

static void repeat_control(Rewriter *r, const Node *node, const Value *part, uint32_t count, Value *result)
{
    Graph *region[MAX_REGIONS] = {NULL};
    Attr attr[8];
    const uint32_t attr_count = node->attr_count < 8 ? node->attr_count : 8;
    Value *given = scratch_values(r, 2 * (size_t)node->result_count);
    for (uint32_t i = 0; i < node->region_count && i < MAX_REGIONS; i++)
        if ((region[i] = split_region(r, node->region[i])) == NULL)
            return;
    for (uint32_t i = 0; i < attr_count; i++)
        attr[i] = split_count(r, node, node->attr[i]);
    const NodeSpec spec = {node->op,           part,           count,      attr, attr_count, region,
                           node->region_count, node->location, node->clone};
    const NodeId id = given == NULL ? (NodeId){0} : graph_add(r->to, &spec);
    if (id.id == 0)
        return;
    const Node *made = graph_node(r->to, id);
    for (uint32_t i = 0; i < made->result_count; i++)
        given[i] = node_result(made, i);
    join_results(r, node, given, result);
}

static bool split_control(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    if (node->op == OP_group || !node_has_complex(node, 0))
        return false;
    Value *part = scratch_values(r, 2 * (size_t)node->operand_count);
    if (part == NULL)
        return true;
    const uint32_t count = list_parts(r, operand, node->operand_count, part);
    if (node->op == OP_call)
        inline_callee(r, node, part, result);
    else
        repeat_control(r, node, part, count, result);
    return true;
}

/* ---- the pass ---- */

static bool touches_complex(const Graph *graph, const Node *node)
{
    for (uint32_t i = 0; i < node->operand_count; i++)
        if (is_complex(graph, node->operand[i]))
            return true;
    return node->result_count == 1 && is_complex(graph, node->first_result);
}

static bool split_node(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    if ((op_info[node->op].traits & CONTROL) != 0)
        return split_control(r, node, operand, result);
    if (!touches_complex(r->from, node) || node->op == OP_complex || node->op == OP_parameter)
        return false;
    Split s = {&r->build, r->from, node, operand, {{0}, {0}}, {{0}, {0}}};
    if (node->operand_count > 0)
        s.x = parts_of(s.b, operand[0]);
    if (node->operand_count > 1)
        s.y = parts_of(s.b, operand[1]);
    if (node->op == OP_real || node->op == OP_imag)
        result[0] = node->op == OP_real ? s.x.re : s.x.im;
    else if (split_rule[node->op] != NULL)
        result[0] = split_rule[node->op](&s);
    if (result[0].id == 0)
        module_fail(r->to->module, STATUS_UNSUPPORTED, location_text(r->to->module, node->location),
                    "%s of complex numbers is not supported in kernels and derivatives", op_info[node->op].name);
    return result[0].id != 0;
}

/* What is left: parts of parameters, pairs that are results. */
static bool store_pairs(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    if (node->op == OP_complex)
        result[0] = view(&r->build, interleave(&r->build, (Parts){operand[0], operand[1]}), ELEMENT_c64);
    if (node->op == OP_real || node->op == OP_imag)
        result[0] = take_part(&r->build, view(&r->build, operand[0], ELEMENT_f32), node->op == OP_imag);
    return result[0].id != 0;
}

static Status split_graph(PassContext *context, const Graph *in, Graph *out)
{
    uint32_t depth = 0;
    return rewrite_graph(context, in, out, split_node, &depth);
}

const Graph *graph_split_complex(const Graph *function)
{
    if (!has_complex(function, 0))
        return function;
    Arena scratch;
    arena_init(&scratch);
    PassContext context = {function->module->diag, &scratch, NULL};
    Graph *split = graph_create(function->module, "");
    const Status status = split == NULL ? STATUS_OUT_OF_MEMORY : split_graph(&context, function, split);
    arena_release(&scratch);
    if (status != STATUS_OK)
        return NULL;
    split->name = function->name;
    return split;
}

Status pass_complex(PassContext *context, const Graph *in, Graph *out);

Status pass_complex(PassContext *context, const Graph *in, Graph *out)
{
    if (!has_complex(in, 0))
        return rewrite_graph(context, in, out, NULL, NULL);
    Graph *split = graph_create(in->module, "");
    if (split == NULL)
        return module_fail(in->module, STATUS_OUT_OF_MEMORY, "complex", "out of memory");
    TRY(split_graph(context, in, split));
    return rewrite_graph(context, split, out, store_pairs, NULL);
}
