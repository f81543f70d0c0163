/* SPDX-License-Identifier: Apache-2.0
 * Type rules along axes: reductions, cumulative ops, softmax, sort, and the contractions dot and packed_dot. */
#include "ir/infer.h"

static Status refuse_element(Inference *c)
{
    return infer_fail(c, "isn't defined for %s", element_info[operand_type(c, 0).element].name);
}

/* The operand's type without its axes in the bit set. */
static Status without_axes(Inference *c, ElementType element, uint32_t removed)
{
    const Type type = operand_type(c, 0);
    Dim dim[MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t i = 0; i < type.rank; i++)
        if (!(removed >> i & 1))
            dim[rank++] = type.dim[i];
    return result_set(c, element, dim, rank);
}

static Status reduce(Inference *c)
{
    const Type type = operand_type(c, 0);
    const int64_t *axes;
    uint32_t count, removed = 0;
    TRY(check_axes(c, ATTR_axes, type.rank, true, &axes, &count));
    for (uint32_t i = 0; i < count; i++)
        removed |= 1u << axes[i];
    return without_axes(c, type.element, removed);
}

Status infer_reduce(Inference *c)
{
    return element_is_numeric(operand_type(c, 0).element) ? reduce(c) : refuse_element(c);
}

Status infer_reduce_ordered(Inference *c)
{
    return element_is_ordered(operand_type(c, 0).element) ? reduce(c) : refuse_element(c);
}

Status infer_arg_reduce(Inference *c)
{
    const Type type = operand_type(c, 0);
    const int64_t axis = spec_integer(c, ATTR_axis);
    TRY(check_flag(c, ATTR_select_last));
    TRY(check_axis(c, ATTR_axis, axis, type.rank));
    if (!element_is_ordered(type.element))
        return refuse_element(c);
    if (dim_is(type.dim[axis], 0))
        return infer_fail(c, "axis %lld is empty", (long long)axis);
    return without_axes(c, ELEMENT_i64, 1u << axis);
}

Status infer_cumulative(Inference *c)
{
    const Type type = operand_type(c, 0);
    const bool ordered = c->spec->op == OP_cumulative_max || c->spec->op == OP_cumulative_min;
    TRY(check_flag(c, ATTR_exclusive));
    TRY(check_flag(c, ATTR_reverse));
    TRY(check_axis(c, ATTR_axis, spec_integer(c, ATTR_axis), type.rank));
    if (ordered ? !element_is_ordered(type.element) : !element_is_numeric(type.element))
        return refuse_element(c);
    return result_like(c, type.element, type);
}

Status infer_softmax(Inference *c)
{
    const Type type = operand_type(c, 0);
    TRY(check_axis(c, ATTR_axis, spec_integer(c, ATTR_axis), type.rank));
    return element_is_floating(type.element) ? result_like(c, type.element, type) : refuse_element(c);
}

Status infer_sort(Inference *c)
{
    const Type type = operand_type(c, 0);
    TRY(check_flag(c, ATTR_descending));
    TRY(check_axis(c, ATTR_axis, spec_integer(c, ATTR_axis), type.rank));
    if (!element_is_ordered(type.element))
        return refuse_element(c);
    TRY(result_like(c, type.element, type));
    return result_like(c, ELEMENT_i64, type);
}

/* ---- contractions ---- */

/* One list of matching axes, batch or contracted: equal lengths, equal dimensions; marks the axes used. */
static Status match_axes(Inference *c, AttrKey left, AttrKey right, uint32_t *left_used, uint32_t *right_used)
{
    const Type x = operand_type(c, 0), y = operand_type(c, 1);
    const int64_t *left_axes, *right_axes;
    uint32_t left_count, right_count;
    TRY(check_axes(c, left, x.rank, false, &left_axes, &left_count));
    TRY(check_axes(c, right, y.rank, false, &right_axes, &right_count));
    if (left_count != right_count)
        return infer_fail(c, "'%s' has %u entries, '%s' has %u", attr_info[left].name, left_count,
                          attr_info[right].name, right_count);
    for (uint32_t i = 0; i < left_count; i++) {
        const uint32_t l = (uint32_t)left_axes[i], r = (uint32_t)right_axes[i];
        TRY(check_dim(c, y.dim[r], x.dim[l], "operand 1: dimension", r));
        if ((*left_used >> l & 1) || (*right_used >> r & 1))
            return infer_fail(c, "an axis is both batch and contracted");
        *left_used |= 1u << l;
        *right_used |= 1u << r;
    }
    return STATUS_OK;
}

static uint32_t append_free(Type type, uint32_t used, Dim *dim, uint32_t rank)
{
    for (uint32_t i = 0; i < type.rank; i++)
        if (!(used >> i & 1))
            dim[rank++] = type.dim[i];
    return rank;
}

static Status check_dot_element(Inference *c, ElementType element)
{
    const ElementType operand = operand_type(c, 0).element;
    TRY(check_same_element(c, 0, 1));
    if (!element_is_numeric(operand))
        return refuse_element(c);
    const bool operand_is_integer = element_is_integer(operand), result_is_integer = element_is_integer(element);
    if (!element_is_numeric(element) || operand_is_integer != result_is_integer ||
        element_is_ordered(operand) != element_is_ordered(element))
        return infer_fail(c, "can't accumulate %s in %s", element_info[operand].name, element_info[element].name);
    return STATUS_OK;
}

Status infer_dot(Inference *c)
{
    const Type x = operand_type(c, 0), y = operand_type(c, 1);
    const ElementType element = spec_element(c, ATTR_element);
    uint32_t x_used = 0, y_used = 0, rank = 0;
    Dim dim[2 * MAX_RANK];
    TRY(check_dot_element(c, element));
    TRY(match_axes(c, ATTR_lhs_batch, ATTR_rhs_batch, &x_used, &y_used));
    const Attr *batch = spec_attr(c, ATTR_lhs_batch);
    for (uint32_t i = 0; i < batch->count; i++)
        dim[rank++] = x.dim[batch->integers[i]];
    TRY(match_axes(c, ATTR_lhs_contract, ATTR_rhs_contract, &x_used, &y_used));
    rank = append_free(x, x_used, dim, rank);
    rank = append_free(y, y_used, dim, rank);
    return result_set(c, element, dim, rank);
}

/* lhs [batch…, M, K], rhs [batch…, panels, K, width]; rhs batch axes align at the right, absent or 1 where broadcast.
 */
Status infer_packed_dot(Inference *c)
{
    const Type x = operand_type(c, 0), y = operand_type(c, 1);
    const Dim size = spec_dim(c, ATTR_size);
    Dim dim[MAX_RANK];
    TRY(check_dot_element(c, x.element));
    TRY(check_rank(c, 0, 2, MAX_RANK));
    TRY(check_rank(c, 1, 3, x.rank + 1));
    const uint32_t x_batch = x.rank - 2, y_batch = y.rank - 3;
    for (uint32_t i = 0; i < y_batch; i++)
        if (!dim_is(y.dim[i], 1))
            TRY(check_dim(c, y.dim[i], x.dim[x_batch - y_batch + i], "operand 1: dimension", i));
    TRY(check_dim(c, y.dim[y_batch + 1], x.dim[x.rank - 1], "operand 1: dimension", y_batch + 1));
    if (!dim_is_constant(y.dim[y_batch + 2]) || y.dim[y_batch + 2].constant < 1)
        return infer_fail(c, "the panel width is %s, should be a number above 0", dim_text(c, y.dim[y_batch + 2]));
    TRY(check_dim(c, y.dim[y_batch], dim_ceil_div(c->module, size, y.dim[y_batch + 2]), "operand 1: dimension",
                  y_batch));
    for (uint32_t i = 0; i + 1 < x.rank; i++)
        dim[i] = x.dim[i];
    dim[x.rank - 1] = size;
    return result_set(c, x.element, dim, x.rank);
}
