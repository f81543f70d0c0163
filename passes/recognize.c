/* SPDX-License-Identifier: Apache-2.0
 * Patterns that are one op, or cheaper in another form:
 *   gelu        0.5 x (1 + erf(x / sqrt 2)), in any order of the factors
 *   silu        x sigmoid(x)
 *   batch norm  convolution(x, w) s  →  convolution(x, w s) for constant w and per-channel s; (c + b) s  →  c s + b s
 *   attention   softmax(scale q k^T + mask) v
 * A pattern may round less often than what it replaces, never more. */
#include "passes/recognize.h"

#include <math.h>
#include <string.h>

#include "ir/element.h"

typedef struct Factors {
    Value factor[8];
    uint32_t count;
    double constant; /* product of the splat factors */
} Factors;

/* The factors of a product of up to three levels. */
static void collect_factors(const Graph *graph, Value value, uint32_t depth, Factors *factors)
{
    double number;
    const Node *node = defined_by(graph, value, OP_mul);
    if (value_is_splat(graph, value, &number)) {
        factors->constant *= number;
    } else if (node != NULL && depth > 0) {
        collect_factors(graph, node->operand[0], depth - 1, factors);
        collect_factors(graph, node->operand[1], depth - 1, factors);
    } else if (factors->count < 8) {
        factors->factor[factors->count++] = value;
    }
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

/* x / sqrt 2, or x times 1 / sqrt 2. */
static bool is_over_sqrt2(const Graph *graph, Value value, Value x)
{
    double number;
    const Node *quotient = defined_by(graph, value, OP_div), *product = defined_by(graph, value, OP_mul);
    if (quotient != NULL)
        return value_equal(quotient->operand[0], x) && value_is_splat(graph, quotient->operand[1], &number) &&
               is_near(number, sqrt(2));
    if (product == NULL)
        return false;
    for (uint32_t i = 0; i < 2; i++)
        if (value_equal(product->operand[i], x) && value_is_splat(graph, product->operand[1 - i], &number) &&
            is_near(number, sqrt(0.5)))
            return true;
    return false;
}

/* 1 + erf(x / sqrt 2) */
static bool is_normal_distribution(const Graph *graph, Value value, Value x)
{
    double number;
    const Node *sum = defined_by(graph, value, OP_add);
    for (uint32_t i = 0; sum != NULL && i < 2; i++) {
        const Node *erf_node = defined_by(graph, sum->operand[i], OP_erf);
        if (erf_node != NULL && value_is_splat(graph, sum->operand[1 - i], &number) && number == 1.0)
            return is_over_sqrt2(graph, erf_node->operand[0], x);
    }
    return false;
}

static bool recognize_gelu(Rewriter *r, const Value *operand, Value *result)
{
    Factors factors = {.constant = 1.0};
    collect_factors(r->to, operand[0], 2, &factors);
    collect_factors(r->to, operand[1], 2, &factors);
    if (factors.count != 2 || factors.constant != 0.5)
        return false;
    for (uint32_t i = 0; i < 2; i++) {
        if (!is_normal_distribution(r->to, factors.factor[1 - i], factors.factor[i]))
            continue;
        result[0] = build_unary(&r->build, OP_gelu, factors.factor[i]);
        return true;
    }
    return false;
}

static bool recognize_silu(Rewriter *r, const Value *operand, Value *result)
{
    for (uint32_t i = 0; i < 2; i++) {
        const Node *sigmoid = defined_by(r->to, operand[1 - i], OP_sigmoid);
        if (sigmoid == NULL || !value_equal(sigmoid->operand[0], operand[i]))
            continue;
        result[0] = build_unary(&r->build, OP_silu, operand[i]);
        return true;
    }
    return false;
}

/* ---- batch norm into weights ---- */

/* The [C] array that a value [N, C, …] repeats along all axes but 1, constant; 0 when it isn't that. */
static Value channel_constant(Builder *b, Value value)
{
    const Node *node = defined_by(b->graph, value, OP_broadcast);
    if (node == NULL || !value_is_constant(b->graph, node->operand[0]))
        return (Value){0};
    const Type type = value_type(b->graph, node->operand[0]), wide = value_type(b->graph, value);
    uint32_t count, channels = 0;
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (dim_is(type.dim[i], 1))
            continue;
        if (axes[i] != 1 || !dim_equal(type.dim[i], wide.dim[1]))
            return (Value){0};
        channels++;
    }
    if (channels > 1 || (channels == 0 && !dim_is(wide.dim[1], 1)))
        return (Value){0};
    return build_reshape(b, node->operand[0], &wide.dim[1], 1);
}

static Value along_channels(Builder *b, Value channel, Type type, uint32_t axis)
{
    return build_broadcast(b, channel, type.dim, type.rank, &(int64_t){axis});
}

/* convolution(x, w s) for a convolution with constant weights. */
static Value scaled_convolution(Rewriter *r, const Node *convolution, Value scale)
{
    const Type weights = value_type(r->to, convolution->operand[1]);
    const Value scaled =
        build_binary(&r->build, OP_mul, convolution->operand[1], along_channels(&r->build, scale, weights, 0));
    const Value operand[] = {convolution->operand[0], scaled};
    return graph_add_value(r->to, &(NodeSpec){.op = OP_convolution,
                                              .operand = operand,
                                              .operand_count = 2,
                                              .attr = convolution->attr,
                                              .attr_count = convolution->attr_count,
                                              .location = convolution->location});
}

static const Node *foldable_convolution(const Rewriter *r, Value value)
{
    const Node *node = defined_by(r->to, value, OP_convolution);
    return node != NULL && value_is_constant(r->to, node->operand[1]) ? node : NULL;
}

/* c s or (c + b) s, c a convolution nobody else uses. */
static bool recognize_scaled_convolution(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (r->uses[node->operand[i].id] != 1)
            continue;
        const Node *convolution = foldable_convolution(r, operand[i]);
        const Node *sum = defined_by(r->to, operand[i], OP_add);
        if (convolution == NULL && sum != NULL)
            convolution = foldable_convolution(r, sum->operand[0]);
        if (convolution == NULL)
            continue;
        const Value scale = channel_constant(&r->build, operand[1 - i]);
        const Value bias = sum == NULL ? (Value){0} : channel_constant(&r->build, sum->operand[1]);
        if (scale.id == 0 || (sum != NULL && bias.id == 0))
            continue;
        result[0] = scaled_convolution(r, convolution, scale);
        if (sum == NULL)
            return true;
        const Value shift = build_binary(&r->build, OP_mul, bias, scale);
        const Type type = value_type(r->to, result[0]);
        result[0] = build_binary(&r->build, OP_add, result[0], along_channels(&r->build, shift, type, 1));
        return true;
    }
    return false;
}

/* (c + b) + d for channel constants b and d: c + (b + d). */
static bool recognize_channel_sum(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    const Node *sum = defined_by(r->to, operand[0], OP_add);
    if (sum == NULL || r->uses[node->operand[0].id] != 1 || foldable_convolution(r, sum->operand[0]) == NULL)
        return false;
    const Value first = channel_constant(&r->build, sum->operand[1]), second = channel_constant(&r->build, operand[1]);
    if (first.id == 0 || second.id == 0)
        return false;
    const Value both = build_binary(&r->build, OP_add, first, second);
    const Type type = value_type(r->to, operand[0]);
    result[0] = build_binary(&r->build, OP_add, sum->operand[0], along_channels(&r->build, both, type, 1));
    return true;
}

/* ---- attention ---- */

typedef struct AttentionMatch {
    Value query, key, mask; /* mask 0: none */
    double scale;
} AttentionMatch;

/* A dot of rank 4 values with two leading batch axes that contracts the given axes. */
static bool is_batched_dot(const Graph *graph, const Node *node, int64_t lhs_axis, int64_t rhs_axis)
{
    uint32_t batch, contracted;
    const int64_t *lhs_batch = node_integers(node, ATTR_lhs_batch, &batch);
    const int64_t *rhs_batch = node_integers(node, ATTR_rhs_batch, &batch);
    const int64_t *lhs = node_integers(node, ATTR_lhs_contract, &contracted);
    const int64_t *rhs = node_integers(node, ATTR_rhs_contract, &contracted);
    if (batch != 2 || contracted != 1 || value_type(graph, node->operand[0]).rank != 4 ||
        value_type(graph, node->operand[1]).rank != 4)
        return false;
    for (uint32_t i = 0; i < 2; i++)
        if (lhs_batch[i] != i || rhs_batch[i] != i)
            return false;
    return lhs[0] == lhs_axis && (rhs_axis < 0 || rhs[0] == rhs_axis);
}

/* Takes factors that are numbers off a value: c x, x c, x / c. */
static Value strip_scale(const Graph *graph, Value value, double *scale)
{
    double number;
    for (;;) {
        const Node *product = defined_by(graph, value, OP_mul), *quotient = defined_by(graph, value, OP_div);
        if (product != NULL && value_is_splat(graph, product->operand[1], &number)) {
            *scale *= number;
            value = product->operand[0];
        } else if (product != NULL && value_is_splat(graph, product->operand[0], &number)) {
            *scale *= number;
            value = product->operand[1];
        } else if (quotient != NULL && value_is_splat(graph, quotient->operand[1], &number)) {
            *scale /= number;
            value = quotient->operand[0];
        } else {
            return value;
        }
    }
}

/* The value with the reshapes and transposes `moved` done to it, the last of them first in the list. */
static Value move_again(Rewriter *r, Value value, const Value *moved, uint32_t count)
{
    while (count-- > 0) {
        const Node node = *graph_definition(r->to, moved[count]);
        value = graph_add_value(r->to, &(NodeSpec){.op = node.op,
                                                   .operand = &value,
                                                   .operand_count = 1,
                                                   .attr = node.attr,
                                                   .attr_count = node.attr_count,
                                                   .location = node.location,
                                                   .clone = node.clone});
    }
    return value;
}

/* As strip_scale, also from under reshapes and transposes: whether these come before or after the factor depends on
 * whether sizes are known, and bits mustn't. */
static Value strip_moved_scale(Rewriter *r, Value value, double *scale)
{
    enum { MOST_MOVED = 8 };
    Value moved[MOST_MOVED], bare = value;
    uint32_t count = 0, bare_count = 0;
    for (;;) {
        const Value inner = strip_scale(r->to, value, scale);
        if (!value_equal(inner, value)) {
            bare = inner;
            bare_count = count;
        }
        const Node *node = graph_definition(r->to, inner);
        if ((node->op != OP_reshape && node->op != OP_transpose) || count == MOST_MOVED)
            return move_again(r, bare, moved, bare_count);
        moved[count++] = inner;
        value = node->operand[0];
    }
}

static bool is_finite_constant(const Module *module, const Node *node)
{
    if (node->op != OP_constant)
        return false;
    const Constant *constant = constant_get(module, node_constant(node, ATTR_value));
    const uint8_t *data = constant_data(module, node_constant(node, ATTR_value));
    const size_t bytes = element_info[constant->type.element].bytes;
    for (size_t at = 0; at < constant->bytes; at += bytes)
        if (!isfinite(element_to_double(constant->type.element, data + at)))
            return false;
    return true;
}

/* Looks through broadcasts and reshapes for a choice between two finite numbers, or what was folded of one: a mask that
 * leaves no row empty as -inf. */
static bool is_finite_choice(const Graph *graph, Value value)
{
    double number;
    const Node *node = graph_definition(graph, value);
    while (node->op == OP_broadcast || node->op == OP_reshape)
        node = graph_definition(graph, node->operand[0]);
    if (node->op != OP_select)
        return is_finite_constant(graph->module, node);
    return value_is_splat(graph, node->operand[1], &number) && isfinite(number) &&
           value_is_splat(graph, node->operand[2], &number) && isfinite(number);
}

/* The mask before it was broadcast over the scores, as rank 4. */
static Value narrow_mask(Builder *b, Value mask)
{
    const Node *node = defined_by(b->graph, mask, OP_broadcast);
    if (node == NULL)
        return mask;
    uint32_t count;
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    const Type narrow = value_type(b->graph, node->operand[0]);
    Dim shape[4] = {dim_constant(1), dim_constant(1), dim_constant(1), dim_constant(1)};
    for (uint32_t i = 0; i < count; i++)
        shape[axes[i]] = narrow.dim[i];
    return build_reshape(b, node->operand[0], shape, 4);
}

/* select(hidden, number, scores) with a number so low that it hides: an additive mask of that number and 0. */
static Value mask_of_select(Builder *b, const Node *select, Value *scores)
{
    double number;
    if (!value_is_splat(b->graph, select->operand[1], &number) || number > -1e9)
        return (Value){0};
    *scores = select->operand[2];
    const Value condition = narrow_mask(b, select->operand[0]);
    const Type type = value_type(b->graph, condition);
    const Type full = {value_type(b->graph, select->operand[2]).element, type.rank, type.dim};
    return build_select(b, condition, build_full(b, full, number), build_full(b, full, 0.0));
}

/* Splits the softmax's operand in scale q k^T and a mask. `guarded`: rows of NaN become zeros anyway. */
static bool match_scores(Rewriter *r, Value logits, bool guarded, AttentionMatch *match)
{
    const Graph *graph = r->to;
    Value scores = logits;
    const Node *sum = defined_by(graph, logits, OP_add), *select = defined_by(graph, logits, OP_select);
    double number;
    if (select != NULL && value_is_splat(graph, select->operand[1], &number) && (guarded || isfinite(number))) {
        match->mask = mask_of_select(&r->build, select, &scores);
        if (match->mask.id == 0)
            return false;
    } else if (sum != NULL) {
        for (uint32_t i = 0; i < 2 && match->mask.id == 0; i++) {
            double ignored = 1.0;
            if (defined_by(graph, strip_scale(graph, sum->operand[i], &ignored), OP_dot) == NULL)
                continue;
            if (!guarded && !is_finite_choice(graph, sum->operand[1 - i]))
                return false;
            scores = sum->operand[i];
            match->mask = narrow_mask(&r->build, sum->operand[1 - i]);
        }
    }
    match->scale = 1.0;
    const Node *dot = defined_by(r->to, strip_scale(r->to, scores, &match->scale), OP_dot);
    if (dot == NULL || !is_batched_dot(r->to, dot, 3, -1))
        return false;
    uint32_t count;
    const bool key_transposed = node_integers(dot, ATTR_rhs_contract, &count)[0] == 2;
    const Value query = dot->operand[0], key = dot->operand[1];
    match->query = strip_moved_scale(r, query, &match->scale);
    match->key = strip_moved_scale(r, key, &match->scale);
    if (key_transposed)
        match->key = build_transpose(&r->build, match->key, (const int64_t[]){0, 1, 3, 2});
    return true;
}

/* dot(softmax(…), v), also with rows of NaN replaced by zeros in between. */
static bool recognize_attention(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    Value weights = operand[0];
    const Node *guard = defined_by(r->to, weights, OP_select);
    double number;
    if (guard != NULL) {
        const Node *test = defined_by(r->to, guard->operand[0], OP_is_nan);
        if (test == NULL || !value_equal(test->operand[0], guard->operand[2]) ||
            !value_is_splat(r->to, guard->operand[1], &number) || number != 0.0)
            return false;
        weights = guard->operand[2];
    }
    const Node *softmax = defined_by(r->to, weights, OP_softmax);
    const ElementType element = value_type(r->to, operand[0]).element;
    if (softmax == NULL || node_integer(softmax, ATTR_axis) != 3 || !is_batched_dot(r->from, node, 3, 2) ||
        (element != ELEMENT_f32 && element != ELEMENT_f64))
        return false;
    AttentionMatch match = {0};
    if (!match_scores(r, softmax->operand[0], guard != NULL, &match))
        return false;
    const Value inputs[] = {match.query, match.key, operand[1], match.mask};
    const Attr attr[] = {{.key = ATTR_scale, .real = match.scale}, {.key = ATTR_causal, .integer = 0}};
    result[0] = graph_add_value(r->to, &(NodeSpec){.op = OP_attention,
                                                   .operand = inputs,
                                                   .operand_count = match.mask.id == 0 ? 3 : 4,
                                                   .attr = attr,
                                                   .attr_count = 2,
                                                   .location = node->location});
    return true;
}

bool recognize_node(Rewriter *r, const Node *node, const Value *operand, Value *result)
{
    switch (node->op) {
    case OP_mul:
        return recognize_gelu(r, operand, result) || recognize_silu(r, operand, result) ||
               recognize_scaled_convolution(r, node, operand, result);
    case OP_add:
        return recognize_channel_sum(r, node, operand, result);
    case OP_dot:
        return recognize_attention(r, node, operand, result);
    default:
        return false;
    }
}
