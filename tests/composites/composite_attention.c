/* SPDX-License-Identifier: Apache-2.0
 * Attention, by adze_fast_scaled_dot_product_attention and by hand, and the layers around it. */
#include <math.h>

#include "tests/composites/composites.h"

static adze_array fast_attention(adze_context *c, const adze_array *in, const char *mask)
{
    const double scale = 1 / sqrt((double)adze_shape(in[0])[3]);
    return adze_fast_scaled_dot_product_attention(c, in[0], in[1], in[2], scale, mask, ADZE_NO_ARRAY, ADZE_NO_ARRAY);
}

static adze_array attention(adze_context *c, const adze_array *in)
{
    return fast_attention(c, in, "");
}

static adze_array causal_attention(adze_context *c, const adze_array *in)
{
    return fast_attention(c, in, "causal");
}

/* Head i of in[1] serves heads 2 i and 2 i + 1 of in[0]. */
static adze_array grouped_attention(adze_context *c, const adze_array *in)
{
    return fast_attention(c, in, "");
}

/* x [2, 5, 8] -> [2, 2, 5, 4] */
static adze_array heads(adze_context *c, adze_array x)
{
    return TRANSPOSE(c, RESHAPE(c, x, 2, 5, 2, 4), 0, 2, 1, 3);
}

static adze_array self_attention(adze_context *c, const adze_array *in)
{
    adze_array part_of[3];
    adze_split(c, adze_matmul(c, in[0], in[1]), 3, -1, part_of);
    adze_array q = heads(c, part_of[0]), k = heads(c, part_of[1]), v = heads(c, part_of[2]);
    adze_array scores = scaled(c, adze_matmul(c, q, TRANSPOSE(c, k, 0, 1, 3, 2)), 0.5);
    adze_array y = adze_matmul(c, adze_softmax(c, scores, -1), v);
    return adze_matmul(c, RESHAPE(c, TRANSPOSE(c, y, 0, 2, 1, 3), 2, 5, 8), in[2]);
}

static adze_array linear_attention(adze_context *c, const adze_array *in)
{
    adze_array q = adze_exp(c, scaled(c, in[0], 0.3)), k = adze_exp(c, scaled(c, in[1], 0.3));
    adze_array state = EINSUM(c, "bhsd,bhse->bhde", k, in[2]);
    adze_array weight = sum_along(c, EINSUM(c, "bhsd,bhtd->bhst", q, k), -1, true);
    return adze_divide(c, EINSUM(c, "bhsd,bhde->bhse", q, state), weight);
}

/* Frequencies exp(-1.5 i), i = 0 ... 3: base^(-i / 4) for base exp(6). */
static adze_array rotary(adze_context *c, const adze_array *in)
{
    adze_array x = adze_expand_dims(c, in[0], 0);
    return adze_squeeze(c, adze_fast_rope(c, x, 8, false, &(double){exp(6)}, 1, 0, ADZE_NO_ARRAY), 0);
}

static adze_array transformer_mlp(adze_context *c, const adze_array *in)
{
    adze_array d = adze_subtract(c, in[0], mean_along(c, in[0], -1, true));
    adze_array normal = adze_multiply(c, d, adze_rsqrt(c, plus(c, mean_along(c, adze_square(c, d), -1, true), 1e-5)));
    return adze_add(c, in[0], adze_matmul(c, adze_gelu(c, adze_matmul(c, normal, in[1])), in[2]));
}

static adze_array swiglu(adze_context *c, const adze_array *in)
{
    adze_array gate = adze_silu(c, adze_matmul(c, in[0], in[1]));
    return adze_matmul(c, adze_multiply(c, gate, adze_matmul(c, in[0], in[2])), in[3]);
}

static const Composite rows[] = {
    ROW(attention),        ROW(causal_attention), ROW(self_attention),  ROW(grouped_attention),
    ROW(linear_attention), ROW(rotary),           ROW(transformer_mlp), ROW(swiglu),
};
FAMILY(attention_family, rows);
