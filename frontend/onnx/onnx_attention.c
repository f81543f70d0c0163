/* SPDX-License-Identifier: Apache-2.0
 * ONNX attention: Attention (opsets 23 to 25), RotaryEmbedding.
 * The plain case is the IR's attention op; the rest (softcap, scores as output, softmax in another precision, small
 * floats) is spelled out, rounding where the op's function body does. */
#include <math.h>
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

enum { MODE_SCORES, MODE_SOFTCAPPED, MODE_BIASED, MODE_PROBABILITIES };

typedef struct Heads {
    Value q, k, v; /* [B, H, S, D], [B, G, T, D], [B, G, T, E] */
    Dim q_length, k_length, past;
    bool is_flat; /* inputs were [B, S, H D] */
} Heads;

static Value with(Site *s, OpKind op, Value x, double y)
{
    return build_binary_scalar(&s->builder, op, x, y);
}

/* [B, S, H D] to [B, H, S, D]. */
static Value split_heads(Site *s, Value x, int64_t heads)
{
    static const int64_t permutation[] = {0, 2, 1, 3};
    const Type type = site_type_of(s, x);
    const Dim count = dim_constant(heads);
    const Dim split[] = {type.dim[0], type.dim[1], count, dim_floor_div(s->importer->module, type.dim[2], count)};
    return build_transpose(&s->builder, build_reshape(&s->builder, x, split, 4), permutation);
}

static Value join_heads(Site *s, Value x)
{
    static const int64_t permutation[] = {0, 2, 1, 3};
    const Type type = site_type_of(s, x);
    if (site_failed(s))
        return (Value){0};
    const Dim joined[] = {type.dim[0], type.dim[2], dim_mul(s->importer->module, type.dim[1], type.dim[3])};
    return build_reshape(&s->builder, build_transpose(&s->builder, x, permutation), joined, 3);
}

static Value append(Site *s, Value past, Value x, uint32_t axis)
{
    const Value parts[] = {past, x};
    return build_concatenate(&s->builder, parts, 2, axis);
}

static bool read_heads(Site *s, Heads *heads)
{
    const uint32_t rank = site_rank(s, 0);
    const int64_t q_heads = site_integer(s, "q_num_heads", 0), k_heads = site_integer(s, "kv_num_heads", 0);
    *heads =
        (Heads){site_input(s, 0), site_input(s, 1), site_input(s, 2), .past = dim_constant(0), .is_flat = rank == 3};
    if ((rank != 3 && rank != 4) || site_rank(s, 1) != rank || site_rank(s, 2) != rank ||
        (rank == 3 && (q_heads < 1 || k_heads < 1))) {
        site_invalid(s, "inputs of rank %u with %lld and %lld heads", rank, (long long)q_heads, (long long)k_heads);
        return false;
    }
    if (heads->is_flat) {
        heads->q = split_heads(s, heads->q, q_heads);
        heads->k = split_heads(s, heads->k, k_heads);
        heads->v = split_heads(s, heads->v, k_heads);
    }
    if (site_has(s, 4) != site_has(s, 5)) {
        site_invalid(s, "past_key and past_value come together");
        return false;
    }
    if (site_has(s, 4)) {
        heads->past = site_rank(s, 4) == 4 ? site_type(s, 4).dim[2] : dim_constant(0);
        heads->k = append(s, site_input(s, 4), heads->k, 2);
        heads->v = append(s, site_input(s, 5), heads->v, 2);
    }
    if (site_failed(s))
        return false;
    heads->q_length = site_type_of(s, heads->q).dim[2];
    heads->k_length = site_type_of(s, heads->k).dim[2];
    return true;
}

/* ---- what is added to the scores ---- */

static Value minus_infinity(Site *s, ElementType element)
{
    return build_scalar(&s->builder, element, -INFINITY);
}

/* 0 where allowed, -inf elsewhere; adds `bias` when it is something. */
static Value add_allowed(Site *s, Value bias, Value allowed, ElementType element)
{
    const Value more = site_select(s, allowed, build_scalar(&s->builder, element, 0), minus_infinity(s, element));
    return bias.id ? site_binary(s, OP_add, bias, more) : more;
}

/* The mask input as something to add, as long as the keys: what it is short of is masked. */
static Value mask_bias(Site *s, const Heads *heads, ElementType element)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Value mask = site_input(s, 3);
    const Type type = site_type(s, 3);
    Value bias = type.element == ELEMENT_bool ? add_allowed(s, (Value){0}, mask, element) : mask;
    if (type.rank == 0 || type.rank > 4 || site_failed(s)) {
        site_invalid(s, "a mask of rank %u", type.rank);
        return (Value){0};
    }
    const Dim last = type.dim[type.rank - 1];
    if (!dim_equal(last, heads->k_length) && !dim_is(last, 1)) {
        Dim low[MAX_RANK], high[MAX_RANK];
        for (uint32_t i = 0; i < type.rank; i++)
            low[i] = high[i] = dim_constant(0);
        high[type.rank - 1] = dim_sub(module, heads->k_length, last);
        bias = build_pad(b, bias, minus_infinity(s, element), low, high, NULL);
    }
    return bias;
}

/* Position of each query among the keys less that of each key: i + offset - j, [S, T] or [B, 1, S, T]. */
static Value query_less_key(Site *s, const Heads *heads)
{
    Builder *b = &s->builder;
    const Dim dim[2] = {heads->q_length, heads->k_length},
              wide[4] = {site_type_of(s, heads->q).dim[0], dim_constant(1), dim[0], dim[1]};
    const Type plane = type_make(s->importer->module, ELEMENT_i64, dim, 2);
    const Value difference = build_binary(b, OP_sub, build_iota(b, plane, 0), build_iota(b, plane, 1));
    if (site_has(s, 4) || !site_has(s, 6))
        return site_binary(s, OP_add, difference, build_dimension(b, heads->past));
    const int64_t batch = 0;
    const Value valid = build_reshape(b, build_cast(b, site_input(s, 6), ELEMENT_i64), wide, 1);
    const Value offset = site_binary(s, OP_sub, valid, build_dimension(b, heads->q_length));
    return site_binary(s, OP_add, build_broadcast(b, offset, wide, 4, &batch), difference);
}

static Value attention_bias(Site *s, const Heads *heads, ElementType element)
{
    Builder *b = &s->builder;
    const int64_t left = site_integer(s, "left_window_size", -1), right = site_integer(s, "right_window_size", -1);
    Value bias = site_has(s, 3) ? mask_bias(s, heads, element) : (Value){0};
    if (site_integer(s, "is_causal", 0))
        bias = add_allowed(s, bias, with(s, OP_greater_equal, query_less_key(s, heads), 0), element);
    if (left >= 0)
        bias = add_allowed(s, bias, with(s, OP_less_equal, query_less_key(s, heads), (double)left), element);
    if (right >= 0)
        bias = add_allowed(s, bias, with(s, OP_greater_equal, query_less_key(s, heads), -(double)right), element);
    if (site_has(s, 6)) { /* keys beyond each batch's count are padding */
        const Dim wide[4] = {site_type_of(s, heads->q).dim[0], dim_constant(1), dim_constant(1), heads->k_length};
        const int64_t batch = 0;
        const Value valid = build_broadcast(b, build_cast(b, site_input(s, 6), ELEMENT_i64), wide, 4, &batch);
        const Value key = build_iota(b, type_make(s->importer->module, ELEMENT_i64, wide, 4), 3);
        bias = add_allowed(s, bias, site_binary(s, OP_less, key, valid), element);
    }
    return bias;
}

/* ---- the op, whole ---- */

/* Rank 4, axes of size 1 in front. */
static Value as_rank_4(Site *s, Value x)
{
    const Type type = site_type_of(s, x);
    Dim dim[4];
    for (uint32_t i = 0; i < 4; i++)
        dim[i] = i + type.rank < 4 ? dim_constant(1) : type.dim[i + type.rank - 4];
    return type.rank < 4 ? build_reshape(&s->builder, x, dim, 4) : x;
}

static Value plain_attention(Site *s, const Heads *heads, Value bias, double scale)
{
    Value operand[4] = {heads->q, heads->k, heads->v};
    if (bias.id)
        operand[3] = as_rank_4(s, bias);
    const Attr attr[] = {{.key = ATTR_scale, .real = scale}, {.key = ATTR_causal, .integer = 0}};
    const NodeSpec spec = {.op = OP_attention,
                           .operand = operand,
                           .operand_count = bias.id ? 4 : 3,
                           .attr = attr,
                           .attr_count = 2,
                           .location = s->builder.location};
    return site_failed(s) ? (Value){0} : graph_add_value(s->builder.graph, &spec);
}

/* ---- spelled out ---- */

Value site_repeat_heads(Site *s, Value x, Dim heads)
{
    static const int64_t axes[] = {0, 1, 3, 4};
    Module *module = s->importer->module;
    const Type type = site_type_of(s, x);
    if (site_failed(s) || dim_equal(type.dim[1], heads))
        return x;
    const Dim wide[] = {type.dim[0], type.dim[1], dim_floor_div(module, heads, type.dim[1]), type.dim[2], type.dim[3]};
    const Dim joined[] = {type.dim[0], heads, type.dim[2], type.dim[3]};
    return build_reshape(&s->builder, build_broadcast(&s->builder, x, wide, 5, axes), joined, 4);
}

static Value score(Site *s, const Heads *heads, Value k, double scale)
{
    static const int64_t batch[] = {0, 1}, last[] = {3};
    const double root = sqrt(scale);
    const Value left = with(s, OP_mul, heads->q, root), right = with(s, OP_mul, k, root);
    return build_dot(&s->builder, left, right, batch, batch, 2, last, last, 1, site_type_of(s, heads->q).element);
}

/* exp(x - max) / sum, each rounded to the element type; 0 for rows that are all -inf. */
Value site_masked_softmax(Site *s, Value x)
{
    Builder *b = &s->builder;
    const int64_t last = (int64_t)site_type_of(s, x).rank - 1;
    const Value largest = build_reduce(b, OP_reduce_max, x, &last, 1, true);
    const ElementType element = site_type_of(s, x).element;
    if (site_failed(s))
        return (Value){0};
    const Value is_masked = build_binary_scalar(b, OP_equal, largest, -INFINITY);
    const Value safe = site_select(s, is_masked, build_scalar(b, element, 0), largest);
    const Value exponential = build_unary(b, OP_exp, site_binary(s, OP_sub, x, safe));
    const Value sum = build_reduce(b, OP_reduce_sum, exponential, &last, 1, true);
    const Value divisor = site_select(s, with(s, OP_equal, sum, 0), build_scalar(b, element, 1), sum);
    return site_binary(s, OP_div, exponential, divisor);
}

/* Rows whose bias is -inf throughout. */
static Value zero_masked_rows(Site *s, Value probabilities, Value bias)
{
    const int64_t last = (int64_t)site_type_of(s, bias).rank - 1;
    const Value largest = build_reduce(&s->builder, OP_reduce_max, bias, &last, 1, true);
    const Value is_masked = build_binary_scalar(&s->builder, OP_equal, largest, -INFINITY);
    return site_select(s, is_masked, build_scalar(&s->builder, site_type_of(s, probabilities).element, 0),
                       probabilities);
}

static Value spelled_attention(Site *s, const Heads *heads, Value bias, double scale, Value *scores_out)
{
    static const int64_t batch[] = {0, 1}, last[] = {3}, keys[] = {2};
    Builder *b = &s->builder;
    const ElementType element = site_type_of(s, heads->q).element;
    const ElementType precision = site_element(s, "softmax_precision", element);
    const double softcap = site_real(s, "softcap", 0);
    const Dim head_count = site_type_of(s, heads->q).dim[1];
    const Value k = site_repeat_heads(s, heads->k, head_count), v = site_repeat_heads(s, heads->v, head_count);
    const int64_t mode = site_integer(s, "qk_matmul_output_mode", MODE_SCORES);
    Value scores = score(s, heads, k, scale);
    *scores_out = scores;
    if (softcap > 0)
        scores = with(s, OP_mul, build_unary(b, OP_tanh, with(s, OP_div, scores, softcap)), softcap);
    if (mode == MODE_SOFTCAPPED || softcap > 0)
        *scores_out = scores;
    if (bias.id)
        scores = site_binary(s, OP_add, scores, bias);
    if (mode == MODE_BIASED)
        *scores_out = scores;
    Value probabilities = site_masked_softmax(s, build_cast(b, scores, precision));
    if (bias.id && !site_failed(s))
        probabilities = zero_masked_rows(s, probabilities, bias);
    probabilities = build_cast(b, probabilities, element);
    if (mode == MODE_PROBABILITIES)
        *scores_out = probabilities;
    return build_dot(b, probabilities, v, batch, batch, 2, last, keys, 1, element);
}

void import_attention(Site *s)
{
    Heads heads;
    Value y, scores = {0};
    if (!read_heads(s, &heads))
        return;
    const Type q = site_type_of(s, heads.q);
    const Dim head_size = q.dim[3];
    const double otherwise =
        dim_is_constant(head_size) && head_size.constant > 0 ? 1 / sqrt((double)head_size.constant) : 0;
    const double scale = site_real(s, "scale", otherwise);
    if (!(scale > 0)) {
        site_unsupported(s, "a scale of %g, or heads whose size isn't fixed", scale);
        return;
    }
    const Value bias = attention_bias(s, &heads, q.element);
    const ElementType precision = site_element(s, "softmax_precision", q.element);
    const bool is_plain = (q.element == ELEMENT_f32 || q.element == ELEMENT_f64) && precision == q.element &&
                          !site_has_output(s, 3) && site_real(s, "softcap", 0) == 0;
    if (site_failed(s))
        return;
    y = is_plain ? plain_attention(s, &heads, bias, scale) : spelled_attention(s, &heads, bias, scale, &scores);
    site_give(s, 0, heads.is_flat ? join_heads(s, y) : y);
    site_give(s, 1, heads.k);
    site_give(s, 2, heads.v);
    site_give(s, 3, scores);
}

/* ---- RotaryEmbedding ---- */

/* Part start … limit of the last axis, every stride-th. */
static Value last_part(Site *s, Value x, Dim start, Dim limit, int64_t stride)
{
    const Type type = site_type_of(s, x);
    Dim starts[MAX_RANK], limits[MAX_RANK];
    int64_t strides[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++) {
        starts[i] = dim_constant(0);
        limits[i] = type.dim[i];
        strides[i] = 1;
    }
    starts[type.rank - 1] = start;
    limits[type.rank - 1] = limit;
    strides[type.rank - 1] = stride;
    return build_slice(&s->builder, x, starts, limits, strides);
}

/* cos or sin of each place, [B, S, 1, D / 2]. */
static Value rotation(Site *s, uint32_t index)
{
    Value cache = site_input(s, index);
    if (site_has(s, 3))
        cache = build_take(&s->builder, cache, site_input(s, 3), 0, "error");
    if (site_type_of(s, cache).rank == 2)
        cache = build_expand_dims(&s->builder, cache, 0);
    return build_expand_dims(&s->builder, cache, 2);
}

/* Pairs of the last axis (its halves, or neighbours) turned by the angle of their place. */
void import_rotary_embedding(Site *s)
{
    static const int64_t swap[] = {0, 2, 1, 3};
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const Type type = site_type(s, 0);
    Value x = site_input(s, 0);
    const int64_t heads = site_integer(s, "num_heads", 0), given = site_integer(s, "rotary_embedding_dim", 0);
    if (type.rank != 4 && !(type.rank == 3 && heads > 0)) {
        site_invalid(s, "rank %u with %lld heads", type.rank, (long long)heads);
        return;
    }
    if (type.rank == 4) {
        x = build_transpose(b, x, swap);
    } else {
        const Dim count = dim_constant(heads);
        const Dim split[] = {type.dim[0], type.dim[1], count, dim_floor_div(module, type.dim[2], count)};
        x = build_reshape(b, x, split, 4);
    }
    if (site_failed(s))
        return;
    const Dim zero = dim_constant(0), size = site_type_of(s, x).dim[3];
    const Dim turned = given > 0 ? dim_constant(given) : size, half = dim_floor_div(module, turned, dim_constant(2));
    const Value rotated = last_part(s, x, zero, turned, 1), rest = last_part(s, x, turned, size, 1);
    const bool interleaved = site_integer(s, "interleaved", 0);
    const Value x1 = interleaved ? last_part(s, rotated, zero, turned, 2) : last_part(s, rotated, zero, half, 1);
    const Value x2 =
        interleaved ? last_part(s, rotated, dim_constant(1), turned, 2) : last_part(s, rotated, half, turned, 1);
    const Value cosine = rotation(s, 1), sine = rotation(s, 2);
    const Value real = site_binary(s, OP_sub, site_binary(s, OP_mul, cosine, x1), site_binary(s, OP_mul, sine, x2));
    const Value imaginary =
        site_binary(s, OP_add, site_binary(s, OP_mul, sine, x1), site_binary(s, OP_mul, cosine, x2));
    if (site_failed(s))
        return;
    Value parts[3] = {real, imaginary, rest};
    if (interleaved) {
        const Type flat = site_type_of(s, rotated);
        const Value pair[] = {build_expand_dims(b, real, 4), build_expand_dims(b, imaginary, 4)};
        parts[0] = build_reshape(b, build_concatenate(b, pair, 2, 4), flat.dim, 4);
        parts[1] = rest;
    }
    const bool is_whole = dim_equal(turned, size);
    const uint32_t count = (interleaved ? 1 : 2) + (is_whole ? 0 : 1);
    Value y = count == 1 ? parts[0] : build_concatenate(b, parts, count, 3);
    y = type.rank == 4 ? build_transpose(b, y, swap) : build_reshape(b, y, type.dim, 3);
    site_give(s, 0, y);
}
