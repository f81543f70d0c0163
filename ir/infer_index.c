/* SPDX-License-Identifier: Apache-2.0
 * Type rules of data movement whose places are data: gather, scatter, take_along, put_along, dynamic slices. */
#include "ir/infer.h"

#include <string.h>

static const char *const index_modes[] = {"", "error", "clamp", "fill", NULL};
static const char *const reductions[] = {"", "none", "add", "mul", "max", "min", NULL};

static Status check_indices(Inference *c)
{
    const ElementType element = operand_type(c, 1).element;
    TRY(check_choice(c, ATTR_index_mode, index_modes));
    if (element != ELEMENT_i32 && element != ELEMENT_i64)
        return infer_fail(c, "indices are %s, should be i32 or i64", element_info[element].name);
    return STATUS_OK;
}

static Status check_reduction(Inference *c)
{
    const ElementType element = operand_type(c, 0).element;
    const char *reduction = spec_string(c, ATTR_reduction);
    TRY(check_choice(c, ATTR_reduction, reductions));
    const bool arithmetic = strcmp(reduction, "add") == 0 || strcmp(reduction, "mul") == 0;
    const bool extreme = strcmp(reduction, "max") == 0 || strcmp(reduction, "min") == 0;
    if ((arithmetic && !element_is_numeric(element)) || (extreme && !element_is_ordered(element)))
        return infer_fail(c, "reduction '%s' isn't defined for %s", reduction, element_info[element].name);
    return STATUS_OK;
}

/* Dimensions that gather gives: [batch…, lookups…, other axes of the first]. */
static Status gather_shape(Inference *c, Dim *dim, uint32_t *rank)
{
    const Type type = operand_type(c, 0), indices = operand_type(c, 1);
    const int64_t batch = spec_integer(c, ATTR_batch_count), *axes;
    uint32_t count, picked = 0;
    TRY(check_indices(c));
    TRY(check_axes(c, ATTR_axes, type.rank, false, &axes, &count));
    if (batch < 0 || batch > type.rank || indices.rank < 1 || batch > indices.rank - 1)
        return infer_fail(c, "batch_count is %lld for operands of %u and %u axes", (long long)batch, type.rank,
                          indices.rank);
    for (uint32_t i = 0; i < batch; i++)
        TRY(check_dim(c, indices.dim[i], type.dim[i], "operand 1: dimension", i));
    for (uint32_t i = 0; i < count; i++) {
        picked |= 1u << axes[i];
        if (axes[i] < batch)
            return infer_fail(c, "axis %lld is a batch axis", (long long)axes[i]);
    }
    TRY(check_dim(c, indices.dim[indices.rank - 1], dim_constant(count), "operand 1: dimension", indices.rank - 1));
    if (indices.rank - 1 + type.rank - batch - count > MAX_RANK)
        return infer_fail_as(c, STATUS_UNSUPPORTED, "the result has more than %d axes", MAX_RANK);
    *rank = 0;
    for (uint32_t i = 0; i + 1 < indices.rank; i++)
        dim[(*rank)++] = indices.dim[i];
    for (uint32_t i = (uint32_t)batch; i < type.rank; i++)
        if (!(picked >> i & 1))
            dim[(*rank)++] = type.dim[i];
    return STATUS_OK;
}

Status infer_gather(Inference *c)
{
    Dim dim[MAX_RANK];
    uint32_t rank;
    TRY(gather_shape(c, dim, &rank));
    return result_set(c, operand_type(c, 0).element, dim, rank);
}

Status infer_scatter(Inference *c)
{
    Dim dim[MAX_RANK];
    uint32_t rank;
    const Type type = operand_type(c, 0);
    TRY(gather_shape(c, dim, &rank));
    TRY(check_reduction(c));
    TRY(check_same_element(c, 0, 2));
    TRY(check_same_shape(c, 2, (Type){type.element, rank, dim}));
    return result_like(c, type.element, type);
}

/* Indices may be fewer on the other axes, never more. */
static Status check_along(Inference *c)
{
    const Type type = operand_type(c, 0), indices = operand_type(c, 1);
    const int64_t axis = spec_integer(c, ATTR_axis);
    TRY(check_indices(c));
    TRY(check_axis(c, ATTR_axis, axis, type.rank));
    TRY(check_rank(c, 1, type.rank, type.rank));
    for (uint32_t i = 0; i < type.rank; i++)
        if (i != axis)
            TRY(check_at_most(c, indices.dim[i], type.dim[i], "operand 1: dimension", i));
    return STATUS_OK;
}

Status infer_take_along(Inference *c)
{
    TRY(check_along(c));
    return result_like(c, operand_type(c, 0).element, operand_type(c, 1));
}

Status infer_put_along(Inference *c)
{
    const Type type = operand_type(c, 0);
    TRY(check_along(c));
    TRY(check_reduction(c));
    TRY(check_same_element(c, 0, 2));
    TRY(check_same_shape(c, 2, operand_type(c, 1)));
    return result_like(c, type.element, type);
}

static Status check_starts(Inference *c, uint32_t operand, uint32_t rank)
{
    const Type starts = operand_type(c, operand);
    if (starts.element != ELEMENT_i64 || starts.rank != 1 || !dim_is(starts.dim[0], rank))
        return infer_fail(c, "operand %u is %s, should be i64[%u]", operand, type_text(c, starts), rank);
    return STATUS_OK;
}

Status infer_dynamic_slice(Inference *c)
{
    const Type type = operand_type(c, 0);
    const Dim *shape;
    TRY(check_starts(c, 1, type.rank));
    TRY(spec_dims(c, ATTR_shape, type.rank, &shape));
    for (uint32_t i = 0; i < type.rank; i++)
        TRY(check_at_most(c, shape[i], type.dim[i], "dimension", i));
    return result_set(c, type.element, shape, type.rank);
}

Status infer_dynamic_update(Inference *c)
{
    const Type type = operand_type(c, 0), block = operand_type(c, 1);
    TRY(check_same_element(c, 0, 1));
    TRY(check_rank(c, 1, type.rank, type.rank));
    TRY(check_starts(c, 2, type.rank));
    for (uint32_t i = 0; i < type.rank; i++)
        TRY(check_at_most(c, block.dim[i], type.dim[i], "operand 1: dimension", i));
    return result_like(c, type.element, type);
}
