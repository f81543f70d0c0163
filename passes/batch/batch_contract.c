/* SPDX-License-Identifier: Apache-2.0
 * Batching of contractions and windows. Lanes become a batch axis, or a free one where only one operand is mapped; or
 * they are merged with an axis that is already one of batches (images, heads' batch), of channels or of groups. */
#include "passes/batch/batch.h"

/* ---- dot ---- */

static void shift_axes(const int64_t *axis, uint32_t count, int64_t by, int64_t *shifted)
{
    for (uint32_t i = 0; i < count; i++)
        shifted[i] = axis[i] + by;
}

/* Batch axes: the lanes' first, when both operands have it. Result: [batch…, left free…, right free…], so that of a
 * lone mapped operand comes before its free axes. */
void batch_dot(BatchRule *r)
{
    const bool both = r->mapped[0] && r->mapped[1];
    uint32_t batches, contracts;
    const int64_t *batch[2], *contract[2];
    int64_t new_batch[2][MAX_RANK + 1] = {{0}, {0}}, new_contract[2][MAX_RANK + 1];
    batch[0] = node_integers(r->node, ATTR_lhs_batch, &batches);
    batch[1] = node_integers(r->node, ATTR_rhs_batch, &batches);
    contract[0] = node_integers(r->node, ATTR_lhs_contract, &contracts);
    contract[1] = node_integers(r->node, ATTR_rhs_contract, &contracts);
    for (uint32_t i = 0; i < 2; i++) {
        shift_axes(batch[i], batches, r->mapped[i], new_batch[i] + both);
        shift_axes(contract[i], contracts, r->mapped[i], new_contract[i]);
    }
    const Value y = build_dot(&r->b, r->x[0], r->x[1], new_batch[0], new_batch[1], batches + both, new_contract[0],
                              new_contract[1], contracts, node_element(r->node, ATTR_element));
    const uint32_t left = r->mapped[0] ? batches : batch_operand_type(r, 0).rank - contracts;
    r->y[0] = both ? y : build_move_axis(&r->b, y, left, 0);
}

/* ---- merging axes ---- */

/* Axes 0 and 1 as one. */
static Value merge_front(BatchRule *r, Value x)
{
    Dim dim[MAX_RANK];
    Module *module = r->lanes->batching->module;
    if (module->status != STATUS_OK)
        return (Value){0};
    const Type type = value_type(r->b.graph, x);
    dim[0] = dim_mul(module, type.dim[0], type.dim[1]);
    for (uint32_t i = 2; i < type.rank; i++)
        dim[i - 1] = type.dim[i];
    return build_reshape(&r->b, x, dim, type.rank - 1);
}

static Value split_front(BatchRule *r, Value y)
{
    const Type type = mapped_type(r->lanes->batching, batch_result_type(r, 0));
    return build_reshape(&r->b, y, type.dim, type.rank);
}

/* ---- convolution ---- */

static Value convolve(BatchRule *r, Value x, Value w, int64_t groups)
{
    uint32_t count;
    const WindowSpec spec = {.strides = node_integers(r->node, ATTR_strides, &count),
                             .dilation = node_integers(r->node, ATTR_dilation, &count),
                             .input_dilation = node_integers(r->node, ATTR_input_dilation, &count),
                             .low = node_dims(r->node, ATTR_low, &count),
                             .high = node_dims(r->node, ATTR_high, &count),
                             .groups = groups};
    return build_convolution(&r->b, x, w, &spec);
}

/* x [lanes, N, C, …] → [N, lanes, C, …], or back. */
static Value swap_front(BatchRule *r, Value x)
{
    return build_move_axis(&r->b, x, 1, 0);
}

/* `lead` dimensions, then those of the type from `from` on. Too many fail when something is built of them. */
static Value reshape_tail(BatchRule *r, Value x, const Dim *lead, uint32_t count, Type type, uint32_t from)
{
    Dim dim[MAX_RANK + 4];
    for (uint32_t i = 0; i < count; i++)
        dim[i] = lead[i];
    for (uint32_t i = from; i < type.rank; i++)
        dim[count++] = type.dim[i];
    return build_reshape(&r->b, x, dim, count);
}

/* Lanes of images are more images. */
static void convolve_images(BatchRule *r)
{
    const Value y = convolve(r, merge_front(r, r->x[0]), r->x[1], node_integer(r->node, ATTR_groups));
    r->y[0] = split_front(r, y);
}

/* Lanes of weights are more output channels, within each group: [group, lane, channel of the group]. */
static void convolve_weights(BatchRule *r)
{
    const Type w = batch_operand_type(r, 1), y = batch_result_type(r, 0);
    const Dim lanes = r->lanes->batching->size, groups = dim_constant(node_integer(r->node, ATTR_groups));
    Dim each = w.dim[0];
    dim_divides(r->lanes->batching->module, w.dim[0], groups, &each);
    const Dim wide = dim_mul(r->lanes->batching->module, lanes, w.dim[0]);
    Value weights = reshape_tail(r, r->x[1], (const Dim[]){lanes, groups, each}, 3, w, 1);
    weights = reshape_tail(r, swap_front(r, weights), (const Dim[]){wide}, 1, w, 1);
    Value all = convolve(r, r->x[0], weights, groups.constant);
    all = reshape_tail(r, all, (const Dim[]){y.dim[0], groups, lanes, each}, 4, y, 2);
    r->y[0] = split_front(r, build_move_axis(&r->b, all, 2, 0));
}

/* Lanes of both are more groups, if their number is known. */
static void convolve_lanes(BatchRule *r)
{
    const Dim lanes = r->lanes->batching->size;
    const Type x = batch_operand_type(r, 0), w = batch_operand_type(r, 1), y = batch_result_type(r, 0);
    Module *module = r->lanes->batching->module;
    int64_t groups;
    if (!dim_is_constant(lanes) || lanes.constant < 1 ||
        __builtin_mul_overflow(lanes.constant, node_integer(r->node, ATTR_groups), &groups)) {
        batch_one_by_one(r);
        return;
    }
    const Dim channels[] = {x.dim[0], dim_mul(module, lanes, x.dim[1])};
    const Value images = reshape_tail(r, swap_front(r, r->x[0]), channels, 2, x, 2);
    const Value weights = reshape_tail(r, r->x[1], (const Dim[]){dim_mul(module, lanes, w.dim[0])}, 1, w, 1);
    const Value all = convolve(r, images, weights, groups);
    r->y[0] = swap_front(r, reshape_tail(r, all, (const Dim[]){y.dim[0], lanes, y.dim[1]}, 3, y, 2));
}

void batch_convolution(BatchRule *r)
{
    if (!r->mapped[1])
        convolve_images(r);
    else if (!r->mapped[0])
        convolve_weights(r);
    else
        convolve_lanes(r);
}

/* ---- pooling: lanes are more images ---- */

static void pool_images(BatchRule *r)
{
    const Value merged = merge_front(r, r->x[0]);
    if (merged.id == 0)
        return;
    batch_add(r, &merged, r->node->attr, r->node->attr_count, NULL);
    r->y[0] = split_front(r, r->y[0]);
}

void batch_pool_max(BatchRule *r)
{
    pool_images(r);
}

void batch_pool_argmax(BatchRule *r)
{
    pool_images(r);
}

void batch_pool_sum(BatchRule *r)
{
    pool_images(r);
}

/* ---- attention: lanes are more batches ---- */

static bool mask_has_batches(Type mask)
{
    return mask.rank == 4 && !dim_is(mask.dim[0], 1);
}

/* [lanes, mask…] → [lanes, B, H or 1, S or 1, T or 1], merged. */
static Value merge_mask(BatchRule *r)
{
    const Type mask = batch_operand_type(r, 3);
    Dim dim[5] = {r->lanes->batching->size, dim_constant(1), dim_constant(1), dim_constant(1), dim_constant(1)};
    for (uint32_t i = 0; i < mask.rank; i++)
        dim[5 - mask.rank + i] = mask.dim[i];
    const Value five = build_reshape(&r->b, batch_operand(r, 3), dim, 5);
    dim[1] = batch_operand_type(r, 0).dim[0];
    return merge_front(r, build_broadcast(&r->b, five, dim, 5, (const int64_t[]){0, 1, 2, 3, 4}));
}

void batch_attention(BatchRule *r)
{
    Value operand[4];
    for (uint32_t i = 0; i < 3; i++)
        operand[i] = merge_front(r, batch_operand(r, i));
    if (r->node->operand_count == 4)
        operand[3] = r->mapped[3] || mask_has_batches(batch_operand_type(r, 3)) ? merge_mask(r) : r->x[3];
    if (r->lanes->batching->module->status != STATUS_OK)
        return;
    batch_add(r, operand, r->node->attr, r->node->attr_count, NULL);
    r->y[0] = split_front(r, r->y[0]);
}
