/* SPDX-License-Identifier: Apache-2.0
 * Newer kinds of attention in ONNX: LinearAttention (a recurrence over tokens), FlexAttention (scores and probabilities
 * changed by subgraphs of the model). */
#include <math.h>
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

/* ---- FlexAttention ---- */

/* The subgraph of an attribute applied to x; x when there is none. */
static Value modified(Site *s, const char *name, Value x)
{
    const Onnx__GraphProto *graph = site_graph(s, name);
    Value result = x;
    if (!graph || site_failed(s))
        return x;
    if (graph->n_input != 1 || graph->n_output != 1)
        site_invalid(s, "%s has %zu inputs and %zu outputs, one each is due", name, graph->n_input, graph->n_output);
    else
        site_inline(s, graph, &x, &result);
    return result;
}

void import_flex_attention(Site *s)
{
    static const int64_t batch[] = {0, 1}, last[] = {3}, keys[] = {2};
    Builder *b = &s->builder;
    const Type q = site_type(s, 0);
    if (q.rank != 4 || site_rank(s, 1) != 4 || site_rank(s, 2) != 4 || !dim_is_constant(q.dim[3])) {
        site_unsupported(s, "inputs of rank %u, or heads whose size isn't fixed", q.rank);
        return;
    }
    const ElementType wide = q.element == ELEMENT_f64 ? ELEMENT_f64 : ELEMENT_f32;
    const ElementType precision = site_element(s, "softmax_precision", wide);
    const double scale = site_real(s, "scale", 1 / sqrt((double)q.dim[3].constant));
    const Value k = site_repeat_heads(s, site_input(s, 1), q.dim[1]),
                v = site_repeat_heads(s, site_input(s, 2), q.dim[1]);
    const Value left = build_binary_scalar(b, OP_mul, site_input(s, 0), sqrt(scale));
    const Value right = build_binary_scalar(b, OP_mul, k, sqrt(scale));
    if (site_failed(s))
        return;
    Value scores = build_cast(b, build_dot(b, left, right, batch, batch, 2, last, last, 1, q.element), precision);
    scores = modified(s, "score_mod", scores);
    if (site_failed(s))
        return;
    const Value probabilities =
        modified(s, "prob_mod", build_softmax(b, OP_softmax, build_cast(b, scores, precision), 3));
    if (site_failed(s))
        return;
    const Value y = build_dot(b, build_cast(b, probabilities, precision), build_cast(b, v, precision), batch, batch, 2,
                              last, keys, 1, precision);
    site_give(s, 0, build_cast(b, y, site_type(s, 2).element));
}

/* ---- LinearAttention ---- */

enum { DECAYS = 1, CORRECTS = 2, MAX_OPERANDS = 6 };

/* [B, T, H D] as [T, B, H, D] in f32. */
static Value by_time(Site *s, Value x, int64_t heads)
{
    static const int64_t permutation[] = {1, 0, 2, 3};
    Builder *b = &s->builder;
    const Type type = site_type_of(s, x);
    if (site_failed(s) || type.rank != 3) {
        site_invalid(s, "an input of rank %u, 3 is due", type.rank);
        return (Value){0};
    }
    const Dim count = dim_constant(heads);
    const Dim split[] = {type.dim[0], type.dim[1], count, dim_floor_div(s->importer->module, type.dim[2], count)};
    return build_transpose(b, build_reshape(b, build_cast(b, x, ELEMENT_f32), split, 4), permutation);
}

/* S' = exp(g) S + k (b (v - S k)); the result is scale q S', S' of the head that the query shares. Parameters: state
 * [B, G, D, E], slices q [B, H, D], k, v and, where used, g and b [B, G, …]. */
static Graph *linear_step(Site *s, const Type *type, uint32_t count, int rule, double scale)
{
    static const int64_t batch[] = {0, 1}, two[] = {2};
    Graph *graph = graph_create(s->importer->module, "");
    Builder builder = s->builder, *b = &builder;
    Site inner = *s;
    Value parameter[MAX_OPERANDS];
    if (!graph)
        return NULL;
    builder.graph = inner.builder.graph = graph;
    for (uint32_t i = 0; i < count; i++)
        parameter[i] = graph_add_parameter(graph, "", type[i]);
    uint32_t at = 4;
    Value state = parameter[0], v = parameter[3];
    const Value q = parameter[1], k = parameter[2];
    if (rule & DECAYS)
        state = site_binary(&inner, OP_mul, state, build_expand_dims(b, build_unary(b, OP_exp, parameter[at++]), 3));
    if (rule & CORRECTS) {
        const Value held = build_dot(b, state, k, batch, batch, 2, two, two, 1, ELEMENT_f32); /* [B, G, E] */
        v = site_binary(&inner, OP_mul, parameter[at], build_binary(b, OP_sub, v, held));
    }
    const Value outer = site_binary(&inner, OP_mul, build_expand_dims(b, k, 3), build_expand_dims(b, v, 2));
    state = site_binary(&inner, OP_add, state, outer);
    const Value read = site_repeat_heads(&inner, state, type[1].dim[1]);
    const Value y = build_dot(b, q, read, batch, batch, 2, two, two, 1, ELEMENT_f32);
    graph_add_result(graph, state, "");
    graph_add_result(graph, build_binary_scalar(b, OP_mul, y, scale), "");
    s->failed = s->failed || inner.failed;
    return site_failed(s) ? NULL : graph;
}

static int update_rule(Site *s)
{
    static const struct {
        const char *name;
        int rule;
    } rules[] = {{"linear", 0}, {"gated", DECAYS}, {"delta", CORRECTS}, {"gated_delta", DECAYS | CORRECTS}};
    const char *name = site_string(s, "update_rule", "gated_delta");
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].name, name) == 0)
            return rules[i].rule;
    site_unsupported(s, "update_rule '%s'", name);
    return 0;
}

void import_linear_attention(Site *s)
{
    static const int64_t permutation[] = {1, 0, 2, 3};
    Builder *b = &s->builder;
    const int64_t q_heads = site_integer(s, "q_num_heads", 0), k_heads = site_integer(s, "kv_num_heads", 0);
    const int rule = update_rule(s);
    const ElementType element = site_type(s, 0).element;
    if (q_heads < 1 || k_heads < 1 || q_heads % k_heads || !(rule & DECAYS) == site_has(s, 4) ||
        !(rule & CORRECTS) == site_has(s, 5)) {
        site_invalid(s, "%lld and %lld heads, or inputs that don't fit update_rule", (long long)q_heads,
                     (long long)k_heads);
        return;
    }
    Value operand[MAX_OPERANDS], out[2] = {{0}};
    uint32_t count = 1;
    for (uint32_t i = 0; i < 3; i++)
        operand[count++] = by_time(s, site_input(s, i), i == 0 ? q_heads : k_heads);
    if (rule & DECAYS)
        operand[count++] = by_time(s, site_input(s, 4), k_heads);
    if (rule & CORRECTS)
        operand[count++] = by_time(s, site_input(s, 5), dim_is(site_type(s, 5).dim[2], 1) ? 1 : k_heads);
    if (site_failed(s))
        return;
    const Type q = site_type_of(s, operand[1]), v = site_type_of(s, operand[3]);
    const Dim held[] = {q.dim[1], dim_constant(k_heads), q.dim[3], v.dim[3]};
    if (!dim_is_constant(q.dim[3])) {
        site_unsupported(s, "heads whose size isn't fixed");
        return;
    }
    operand[0] = site_has(s, 3) ? build_cast(b, site_input(s, 3), ELEMENT_f32)
                                : build_full(b, type_make(s->importer->module, ELEMENT_f32, held, 4), 0);
    Type type[MAX_OPERANDS];
    for (uint32_t i = 0; i < count; i++) {
        type[i] = site_type_of(s, operand[i]);
        if (i > 0)
            type[i] = type_make(s->importer->module, ELEMENT_f32, type[i].dim + 1, 3);
    }
    const double given = site_real(s, "scale", 0), scale = given != 0 ? given : 1 / sqrt((double)q.dim[3].constant);
    Graph *step = linear_step(s, type, count, rule, scale);
    if (!step)
        return;
    build_scan(b, operand, count, 1, count - 1, q.dim[0], false, step, out);
    const Dim joined[] = {q.dim[1], q.dim[0], dim_mul(s->importer->module, q.dim[2], v.dim[3])};
    const Value y = build_reshape(b, build_transpose(b, out[1], permutation), joined, 3);
    site_give(s, 0, build_cast(b, y, element));
    site_give(s, 1, build_cast(b, out[0], site_has(s, 3) ? site_type(s, 3).element : element));
}
