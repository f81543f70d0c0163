/* SPDX-License-Identifier: Apache-2.0
 * Type rules of windows: convolution, pooling, and attention.
 * A window axis gives max(floor_div(in + low + high - dilation (window - 1) - 1, stride) + 1, 0) places. */
#include "ir/infer.h"

typedef struct Window {
    uint32_t spatial; /* number of spatial axes */
    const int64_t *stride, *dilation;
    const Dim *low, *high;
} Window;

static Status read_window(Inference *c, uint32_t spatial, Window *window)
{
    window->spatial = spatial;
    TRY(spec_integers(c, ATTR_strides, spatial, &window->stride));
    TRY(spec_integers(c, ATTR_dilation, spatial, &window->dilation));
    TRY(spec_dims(c, ATTR_low, spatial, &window->low));
    TRY(spec_dims(c, ATTR_high, spatial, &window->high));
    TRY(check_least(c, ATTR_strides, window->stride, spatial, 1));
    return check_least(c, ATTR_dilation, window->dilation, spatial, 1);
}

static Dim window_places(Module *module, const Window *window, uint32_t i, Dim input, Dim taps)
{
    const Dim one = dim_constant(1);
    const Dim span =
        dim_add(module, dim_mul(module, dim_constant(window->dilation[i]), dim_sub(module, taps, one)), one);
    const Dim padded = dim_add(module, input, dim_add(module, window->low[i], window->high[i]));
    const Dim steps = dim_floor_div(module, dim_sub(module, padded, span), dim_constant(window->stride[i]));
    return dim_max(module, dim_add(module, steps, one), dim_constant(0));
}

/* dilation (in - 1) + 1, and nothing stays nothing. */
static Dim dilated(Module *module, Dim input, int64_t dilation)
{
    const Dim one = dim_constant(1);
    if (dilation == 1)
        return input;
    const Dim size = dim_add(module, dim_mul(module, dim_sub(module, input, one), dim_constant(dilation)), one);
    return dim_max(module, size, dim_constant(0));
}

/* C = groups * channels of the weights, and groups divides O. */
static Status check_groups(Inference *c, Type x, Type w)
{
    const int64_t groups = spec_integer(c, ATTR_groups);
    if (groups < 1)
        return infer_fail(c, "groups is %lld, should be at least 1", (long long)groups);
    TRY(check_dim(c, x.dim[1], dim_mul(c->module, dim_constant(groups), w.dim[1]), "operand 0: dimension", 1));
    if (!dim_divides(c->module, w.dim[0], dim_constant(groups), NULL))
        return infer_fail(c, "%s output channels don't split into %lld groups", dim_text(c, w.dim[0]),
                          (long long)groups);
    return STATUS_OK;
}

static Status check_convolution_element(Inference *c)
{
    TRY(check_same_element(c, 0, 1));
    if (!element_is_numeric(operand_type(c, 0).element))
        return infer_fail(c, "isn't defined for bool");
    return STATUS_OK;
}

Status infer_convolution(Inference *c)
{
    const Type x = operand_type(c, 0), w = operand_type(c, 1);
    const int64_t *input_dilation;
    Window window;
    Dim dim[MAX_RANK];
    TRY(check_convolution_element(c));
    TRY(check_rank(c, 0, 2, MAX_RANK));
    TRY(check_rank(c, 1, x.rank, x.rank));
    TRY(read_window(c, x.rank - 2, &window));
    TRY(spec_integers(c, ATTR_input_dilation, window.spatial, &input_dilation));
    TRY(check_least(c, ATTR_input_dilation, input_dilation, window.spatial, 1));
    TRY(check_groups(c, x, w));
    dim[0] = x.dim[0];
    dim[1] = w.dim[0];
    for (uint32_t i = 0; i < window.spatial; i++) {
        if (dim_is(w.dim[2 + i], 0))
            return infer_fail(c, "the window is empty on spatial axis %u", i);
        dim[2 + i] =
            window_places(c->module, &window, i, dilated(c->module, x.dim[2 + i], input_dilation[i]), w.dim[2 + i]);
    }
    return result_set(c, x.element, dim, x.rank);
}

static Status read_taps(Inference *c, uint32_t spatial, const int64_t **taps)
{
    TRY(spec_integers(c, ATTR_window, spatial, taps));
    return check_least(c, ATTR_window, *taps, spatial, 1);
}

/* weights [panels, C * window, width]; output channel o is panel o / width, lane o % width. */
Status infer_packed_convolution(Inference *c)
{
    Module *module = c->module;
    const Type x = operand_type(c, 0), w = operand_type(c, 1);
    const Dim size = spec_dim(c, ATTR_size);
    const int64_t *taps;
    Window window;
    Dim dim[MAX_RANK];
    TRY(check_convolution_element(c));
    TRY(check_rank(c, 0, 2, MAX_RANK));
    TRY(check_rank(c, 1, 3, 3));
    TRY(read_window(c, x.rank - 2, &window));
    TRY(read_taps(c, window.spatial, &taps));
    if (!dim_is_constant(w.dim[2]) || w.dim[2].constant < 1)
        return infer_fail(c, "the panel width is %s, should be a number above 0", dim_text(c, w.dim[2]));
    TRY(check_dim(c, w.dim[0], dim_ceil_div(module, size, w.dim[2]), "operand 1: dimension", 0));
    dim[0] = x.dim[0];
    dim[1] = size;
    Dim depth = x.dim[1];
    for (uint32_t i = 0; i < window.spatial; i++) {
        depth = dim_mul(module, depth, dim_constant(taps[i]));
        dim[2 + i] = window_places(module, &window, i, x.dim[2 + i], dim_constant(taps[i]));
    }
    TRY(check_dim(c, w.dim[1], depth, "operand 1: dimension", 1));
    return result_set(c, x.element, dim, x.rank);
}

Status infer_pool(Inference *c)
{
    const Type x = operand_type(c, 0);
    const bool is_sum = c->spec->op == OP_pool_sum, is_index = c->spec->op == OP_pool_argmax;
    const int64_t *taps;
    Window window;
    Dim dim[MAX_RANK];
    if (is_sum ? !element_is_numeric(x.element) : !element_is_ordered(x.element))
        return infer_fail(c, "isn't defined for %s", element_info[x.element].name);
    TRY(check_rank(c, 0, 2, MAX_RANK));
    TRY(read_window(c, x.rank - 2, &window));
    TRY(read_taps(c, window.spatial, &taps));
    dim[0] = x.dim[0];
    dim[1] = x.dim[1];
    for (uint32_t i = 0; i < window.spatial; i++)
        dim[2 + i] = window_places(c->module, &window, i, x.dim[2 + i], dim_constant(taps[i]));
    return result_set(c, is_index ? ELEMENT_i64 : x.element, dim, x.rank);
}

/* ---- attention ---- */

static Status check_mask(Inference *c, const Dim *scores)
{
    const Type mask = operand_type(c, 3);
    TRY(check_same_element(c, 0, 3));
    TRY(check_rank(c, 3, 0, 4));
    for (uint32_t i = 0; i < mask.rank; i++)
        if (!dim_is(mask.dim[i], 1))
            TRY(check_dim(c, mask.dim[i], scores[4 - mask.rank + i], "operand 3: dimension", i));
    return STATUS_OK;
}

/* q [B, H, S, D], k [B, G, T, D], v [B, G, T, E], mask to [B, H, S, T]; result [B, H, S, E]. */
Status infer_attention(Inference *c)
{
    if (c->spec->operand_count < 3 || c->spec->operand_count > 4)
        return infer_fail(c, "has %u operands, should have 3 or 4", c->spec->operand_count);
    for (uint32_t i = 0; i < 3; i++) {
        TRY(check_rank(c, i, 4, 4));
        TRY(check_same_element(c, 0, i));
    }
    const Type q = operand_type(c, 0), k = operand_type(c, 1), v = operand_type(c, 2);
    if (!element_is_floating(q.element))
        return infer_fail(c, "isn't defined for %s", element_info[q.element].name);
    TRY(check_flag(c, ATTR_causal));
    TRY(check_dim(c, k.dim[0], q.dim[0], "operand 1: dimension", 0));
    TRY(check_dim(c, k.dim[3], q.dim[3], "operand 1: dimension", 3));
    for (uint32_t i = 0; i < 3; i++)
        TRY(check_dim(c, v.dim[i], k.dim[i], "operand 2: dimension", i));
    if (!dim_divides(c->module, q.dim[1], k.dim[1], NULL))
        return infer_fail(c, "%s heads of queries aren't a multiple of %s heads of keys", dim_text(c, q.dim[1]),
                          dim_text(c, k.dim[1]));
    const Dim scores[4] = {q.dim[0], q.dim[1], q.dim[2], k.dim[2]};
    if (c->spec->operand_count == 4)
        TRY(check_mask(c, scores));
    return result_set(c, q.element, (const Dim[4]){q.dim[0], q.dim[1], q.dim[2], v.dim[3]}, 4);
}
