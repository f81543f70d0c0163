/* SPDX-License-Identifier: Apache-2.0
 * What MLX calls fast: norms over the last axis, rotary positions, attention. Written in the forms that the compiler
 * makes one kernel of. Computed in f32 for narrow floats and rounded once. */
#include "api/rules_compute.h"

#include <math.h>

/* ---- norms ---- */

/* The operands after x are one for each last-axis element. */
static bool check_norm(RuleCall *call, const char *const *name)
{
    const Value x = call->in[0];
    const uint32_t rank = call_rank(call, x);
    if (rank == 0)
        call_fail(call, "Input must have at least 1 dimension but got input with 0 dimensions.");
    else if (!element_is_floating(call_element(call, x)))
        call_fail(call, "Received unsupported type %s.", element_info[call_element(call, x)].name);
    for (uint32_t i = 1; i < call->count && call_ready(call); i++) {
        const Value parameter = call->in[i];
        if (call_rank(call, parameter) != 1)
            call_fail(call, "%s must have 1 dimension but has %u dimensions.", name[i - 1], call_rank(call, parameter));
        else if (!dim_equal(dim_of(call, parameter, 0), dim_of(call, x, rank - 1)))
            call_fail(call, "%s must have the same size as the last dimension of x but has %lld elements.", name[i - 1],
                      (long long)dim_of(call, parameter, 0).constant);
    }
    return call_ready(call);
}

/* x / sqrt(mean(x^2) + epsilon), rounded to `own`. */
static Value normal(RuleCall *call, Value x, ElementType own, double epsilon)
{
    const int64_t last = call_rank(call, x) - 1;
    const Value mean = build_mean(&call->b, multiply(call, x, x), &last, 1, true);
    return cast(call, multiply(call, x, apply(call, OP_rsqrt, by_number(call, OP_add, mean, epsilon))), own);
}

/* integers: whether there is a weight, a bias; reals: epsilon */
Value rule_layer_norm(RuleCall *call)
{
    static const char *const name[] = {"weight", "bias"};
    const bool has_weight = request_integer(call, 0) != 0, has_bias = request_integer(call, 1) != 0;
    if (!check_norm(call, name + !has_weight))
        return (Value){0};
    const ElementType own = call_promoted(call);
    const Value x = cast(call, call->in[0], wide_element(own));
    const int64_t last = call_rank(call, x) - 1;
    Value y = normal(call, subtract(call, x, build_mean(&call->b, x, &last, 1, true)), own, request_real(call, 0));
    if (has_weight)
        y = multiply(call, y, cast(call, call->in[1], own));
    return has_bias ? add(call, y, cast(call, call->in[1 + has_weight], own)) : y;
}

Value rule_rms_norm(RuleCall *call)
{
    static const char *const name[] = {"weight"};
    if (!check_norm(call, name))
        return (Value){0};
    const ElementType own = call_promoted(call);
    const Value y = normal(call, cast(call, call->in[0], wide_element(own)), own, request_real(call, 0));
    return call->count > 1 ? multiply(call, y, cast(call, call->in[1], own)) : y;
}

/* ---- rotary positions ---- */

/* What each pair of features is turned by for one position: base^(-i / half), or 1 / freqs. */
static Value turn_rates(RuleCall *call, uint32_t half, Value freqs, ElementType element)
{
    if (freqs.id != 0)
        return apply(call, OP_reciprocal, cast(call, freqs, element));
    const int64_t size = half;
    const Value index = build_iota(&call->b, type_make_static(call->b.graph->module, ELEMENT_f64, &size, 1), 0);
    const double rate = -log(request_real(call, 0)) / half;
    return cast(call, apply(call, OP_exp, by_number(call, OP_mul, index, rate)), element);
}

/* scale (offset + 0, 1, …): [T], or [B, 1…, T] where each row of the batch has an offset. */
static Value positions(RuleCall *call, Type type, Value offset, ElementType element)
{
    const Dim *length = &type.dim[type.rank - 2];
    Value index = build_iota(&call->b, type_make(call->b.graph->module, element, length, 1), 0);
    if (offset.id == 0)
        index = by_number(call, OP_add, index, (double)request_integer(call, 2));
    else {
        Dim size[MAX_RANK];
        const uint32_t rank = call_rank(call, offset) == 0 ? 0 : type.rank - 1;
        for (uint32_t i = 0; i < rank; i++)
            size[i] = i == 0 ? dim_of(call, offset, 0) : dim_constant(1);
        index = add(call, index, cast(call, build_reshape(&call->b, offset, size, rank), element));
    }
    return by_number(call, OP_mul, index, request_real(call, 1));
}

static bool check_offset(RuleCall *call, Value offset, Dim batch)
{
    const uint32_t rank = call_rank(call, offset);
    if (!element_is_integer(call_element(call, offset)))
        call_fail(call, "offset must be an integer but got type %s.", element_info[call_element(call, offset)].name);
    else if (rank > 1)
        call_fail(call, "offset must have at most one dimension but has %u.", rank);
    else if (rank == 1 && !dim_is(dim_of(call, offset, 0), 1) && !dim_equal(dim_of(call, offset, 0), batch))
        call_fail(call, "offset must be a scalar or vector with one element a row of the batch.");
    return call_ready(call);
}

static bool check_rope(RuleCall *call, int64_t dims, Value freqs)
{
    const Type type = call_type(call, call->in[0]);
    const bool has_base = !isnan(request_real(call, 0));
    if (type.rank < 3)
        call_fail(call, "Input must have at least 3 dimensions but got input with %u dimensions.", type.rank);
    else if (!element_is_floating(type.element))
        call_fail(call, "Input must be a floating type but got %s.", element_info[type.element].name);
    else if (dims < 2 || dims % 2 != 0)
        call_fail(call, "dims must be even but got %lld.", (long long)dims);
    else if (dims > size_of(call, call->in[0], type.rank - 1))
        call_fail(call, "dims must not exceed the input's last dimension (%lld) but got %lld.",
                  (long long)type.dim[type.rank - 1].constant, (long long)dims);
    else if (has_base == (freqs.id != 0))
        call_fail(call,
                  has_base ? "Only one of base or freqs can have a value." : "Neither base nor freqs has a value.");
    else if (freqs.id != 0 && (call_rank(call, freqs) != 1 || size_of(call, freqs, 0) != dims / 2))
        call_fail(call, "freqs must be one dimensional with size %lld.", (long long)(dims / 2));
    return call_ready(call);
}

/* One feature of each pair: the first or second half, or in traditional order every second one. */
static Value half_of(RuleCall *call, Value x, bool is_traditional, int64_t half, uint32_t which)
{
    const uint32_t last = call_rank(call, x) - 1;
    if (!is_traditional)
        return call_part(call, x, last, which * half, (which + 1) * half);
    x = call_reshape_from(call, call_part(call, x, last, 0, 2 * half), last, (const int64_t[]){half, 2}, 2);
    return call_part(call, x, last + 1, which, which + 1);
}

/* integers: dims, whether traditional, offset, whether offset is an operand, whether freqs are; reals: base (NaN for
 * none), scale. Pairs (x, y) become (x cos - y sin, x sin + y cos); features from dims on stay. */
Value rule_rope(RuleCall *call)
{
    const int64_t dims = request_integer(call, 0), half = dims / 2;
    const bool is_traditional = request_integer(call, 1) != 0, has_offset = request_integer(call, 3) != 0;
    const Value none = {0}, offset = has_offset ? call->in[1] : none;
    const Value freqs = request_integer(call, 4) != 0 ? call->in[1 + has_offset] : none;
    if (!check_rope(call, dims, freqs) || (has_offset && !check_offset(call, offset, dim_of(call, call->in[0], 0))))
        return none;
    const Type type = call_type(call, call->in[0]);
    const uint32_t last = type.rank - 1;
    ElementType own;
    const Value x = call_wide(call, call->in[0], &own);
    Value place = positions(call, type, offset, call_element(call, x));
    if (!call_ready(call))
        return none;
    place = build_expand_dims(&call->b, place, call_rank(call, place));
    Value angle = multiply(call, place, turn_rates(call, (uint32_t)half, freqs, call_element(call, x)));
    if (is_traditional && call_ready(call))
        angle = build_expand_dims(&call->b, angle, call_rank(call, angle));
    const Value cosine = apply(call, OP_cos, angle), sine = apply(call, OP_sin, angle);
    const Value first = half_of(call, x, is_traditional, half, 0), second = half_of(call, x, is_traditional, half, 1);
    const Value turned[] = {subtract(call, multiply(call, first, cosine), multiply(call, second, sine)),
                            add(call, multiply(call, first, sine), multiply(call, second, cosine))};
    Value y = build_concatenate(&call->b, turned, 2, last + is_traditional);
    y = call_reshape_from(call, y, last, &dims, 1);
    const int64_t size = type.dim[last].constant;
    if (dims < size)
        y = build_concatenate(&call->b, (const Value[]){y, call_part(call, x, last, dims, size)}, 2, last);
    return cast(call, y, own);
}

/* ---- attention ---- */

typedef struct Attention {
    Value query, key, value, mask, sinks; /* id 0: none */
    bool causal;
    double scale;
    ElementType element;
} Attention;

static bool check_attention_shapes(RuleCall *call)
{
    static const char *const what[] = {"queries", "keys", "values"};
    for (uint32_t i = 0; i < 3; i++)
        if (call_rank(call, call->in[i]) != 4) {
            call_fail(call, "%s with %u dimensions, expected to be rank 4", what[i], call_rank(call, call->in[i]));
            return false;
        }
    const Dim *q = call_type(call, call->in[0]).dim, *k = call_type(call, call->in[1]).dim,
              *v = call_type(call, call->in[2]).dim;
    if (!dim_equal(q[0], k[0]) || !dim_equal(q[0], v[0]))
        call_fail(call, "mismatching batch dimension for inputs");
    else if (!dim_equal(q[3], k[3]))
        call_fail(call, "query, keys expected to have matching last dimension");
    else if (!dim_equal(k[1], v[1]) || !dim_equal(k[2], v[2]))
        call_fail(call, "keys, values expected to have matching n_kv_heads and lengths");
    else if (!dim_is_constant(k[1]) || !dim_is_constant(q[1]))
        call_fail(call, "the numbers of heads must be known");
    else if (k[1].constant == 0 || q[1].constant % k[1].constant != 0)
        call_fail(call, "n_heads must be a multiple of n_kv_heads, found n_heads %lld for n_kv_heads %lld",
                  (long long)q[1].constant, (long long)k[1].constant);
    return call_ready(call);
}

/* Keys that aren't visible get the lowest number, as MLX has it: a row that sees nothing sees all the same. Queries of
 * such rows are zeros, so that no derivative passes through their scores. */
static void hide(RuleCall *call, Attention *attention, Value visible)
{
    Builder *b = &call->b;
    const ElementType element = attention->element;
    const double lowest = element == ELEMENT_f16    ? -65504
                          : element == ELEMENT_bf16 ? -0x1.fep127
                          : element == ELEMENT_f64  ? -0x1.fffffffffffffp1023
                                                    : -0x1.fffffep127;
    const int64_t last = (int64_t)call_rank(call, visible) - 1;
    const Value sees = last < 0 ? visible : build_reduce(b, OP_reduce_max, visible, &last, 1, true);
    attention->query = choose_number(call, sees, attention->query, 0);
    attention->mask = choose(call, visible, build_scalar(b, element, 0), build_scalar(b, element, lowest));
}

/* Query i sees keys up to i + keys - queries. */
static Value causal_mask(RuleCall *call, const Attention *attention)
{
    Builder *b = &call->b;
    const Dim shape[] = {dim_of(call, attention->query, 2), dim_of(call, attention->key, 2)};
    const Type type = type_make(b->graph->module, ELEMENT_i64, shape, 2);
    const Value offset = build_dimension(b, dim_sub(b->graph->module, shape[1], shape[0]));
    const Value row = add(call, build_iota(b, type, 0), offset);
    return build_binary(b, OP_greater_equal, row, build_iota(b, type, 1));
}

static bool read_mask(RuleCall *call, Attention *attention, Value mask)
{
    const ElementType element = call_element(call, mask);
    Dim scores[4];
    if (call_rank(call, mask) > 4)
        call_fail(call, "the mask with %u dimensions expected to have at most rank 4.", call_rank(call, mask));
    else if (element != ELEMENT_bool && promote(element, attention->element) != attention->element)
        call_fail(call, "Mask type must promote to output type %s.", element_info[attention->element].name);
    if (!call_ready(call))
        return false;
    const Dim *q = call_type(call, attention->query).dim, *k = call_type(call, attention->key).dim;
    scores[0] = q[0];
    scores[1] = q[1];
    scores[2] = q[2];
    scores[3] = k[2];
    build_broadcast_to(&call->b, mask, scores, 4); /* fails where it doesn't fit */
    if (!call_ready(call))
        return false;
    if (element == ELEMENT_bool)
        hide(call, attention, mask);
    else
        attention->mask = cast(call, mask, attention->element);
    return call_ready(call);
}

/* softmax with one more score a head that has no value: it only takes weight. */
static Value attend_with_sinks(RuleCall *call, const Attention *attention)
{
    Builder *b = &call->b;
    const ElementType wide = wide_element(attention->element);
    const int64_t heads = size_of(call, attention->query, 1), groups = size_of(call, attention->key, 1);
    const int64_t length = size_of(call, attention->query, 2), keys = size_of(call, attention->key, 2);
    const int64_t share = heads / groups, batch = size_of(call, attention->query, 0);
    Value q = by_number(call, OP_mul, cast(call, attention->query, wide), attention->scale);
    q = call_reshape_from(call, q, 1, (const int64_t[]){groups, share * length, size_of(call, q, 3)}, 3);
    Value k = cast(call, attention->key, wide);
    call_permute(call, &k, (const int64_t[]){0, 1, 3, 2});
    Value scores = call_reshape_from(call, build_matmul(b, q, k), 1, (const int64_t[]){heads, length, keys}, 3);
    if (attention->mask.id != 0)
        scores = add(call, scores, cast(call, attention->mask, wide));
    const Dim sink_shape[] = {dim_constant(batch), dim_constant(heads), dim_constant(length), dim_constant(1)};
    const int64_t head_axis = 1;
    const Value sinks = build_broadcast(b, cast(call, attention->sinks, wide), sink_shape, 4, &head_axis);
    const Value weight = build_softmax(b, OP_softmax, build_concatenate(b, (const Value[]){sinks, scores}, 2, 3), 3);
    const Value kept = call_reshape_from(call, call_part(call, weight, 3, 1, keys + 1), 1,
                                         (const int64_t[]){groups, share * length, keys}, 3);
    const Value y = build_matmul(b, kept, cast(call, attention->value, wide));
    const int64_t shape[] = {heads, length, size_of(call, attention->value, 3)};
    return cast(call, call_reshape_from(call, y, 1, shape, 3), attention->element);
}

static Value attend(RuleCall *call, const Attention *attention)
{
    const Value operand[] = {attention->query, attention->key, attention->value, attention->mask};
    const Attr attr[] = {{.key = ATTR_scale, .real = attention->scale},
                         {.key = ATTR_causal, .integer = attention->causal}};
    return call_node(call, OP_attention, operand, attention->mask.id != 0 ? 4 : 3, attr, 2);
}

static bool read_inputs(RuleCall *call, Attention *attention)
{
    if (!check_attention_shapes(call))
        return false;
    attention->element = promote(promote(call_element(call, call->in[0]), call_element(call, call->in[1])),
                                 call_element(call, call->in[2]));
    if (!element_is_floating(attention->element))
        call_fail(call, "Received unsupported type %s.", element_info[attention->element].name);
    attention->query = cast(call, call->in[0], attention->element);
    attention->key = cast(call, call->in[1], attention->element);
    attention->value = cast(call, call->in[2], attention->element);
    return call_ready(call);
}

static bool read_sinks(RuleCall *call, Attention *attention, Value sinks)
{
    attention->sinks = sinks;
    if (call_rank(call, sinks) != 1 || !dim_equal(dim_of(call, sinks, 0), dim_of(call, attention->query, 1)))
        call_fail(call, "Received invalid shape for sinks.");
    return call_ready(call);
}

/* The op gives 0 where a row sees nothing, MLX the mean: then, and with sinks, the mask is spelled out. */
static void spell_out_causal(RuleCall *call, Attention *attention)
{
    const Dim queries = dim_of(call, attention->query, 2), keys = dim_of(call, attention->key, 2);
    const bool is_known = dim_is_constant(queries) && dim_is_constant(keys);
    const bool some_see_nothing = is_known ? queries.constant > keys.constant : !dim_equal(queries, keys);
    if (!attention->causal || (!some_see_nothing && attention->sinks.id == 0))
        return;
    hide(call, attention, causal_mask(call, attention));
    attention->causal = false;
}

/* operands: queries [B, H, S, D], keys [B, G, T, D], values [B, G, T, E], then the mask and the sinks that there are;
 * integers: whether causal, whether there is a mask, whether sinks; reals: scale */
Value rule_attention(RuleCall *call)
{
    const bool has_mask = request_integer(call, 1) != 0, has_sinks = request_integer(call, 2) != 0;
    Attention attention = {.causal = request_integer(call, 0) != 0, .scale = request_real(call, 0)};
    if (!read_inputs(call, &attention) || (has_mask && !read_mask(call, &attention, call->in[3])) ||
        (has_sinks && !read_sinks(call, &attention, call->in[3 + has_mask])))
        return (Value){0};
    spell_out_causal(call, &attention);
    if (!call_ready(call))
        return (Value){0};
    return has_sinks ? attend_with_sinks(call, &attention) : attend(call, &attention);
}
