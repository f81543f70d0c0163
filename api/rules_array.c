/* SPDX-License-Identifier: Apache-2.0
 * Rules of family "array": what they share, arrays made of nothing, diagonals.
 * Diagonals are slices: in a flattened [n, m] the diagonal is every (m + 1)th element. */
#include "api/rules_array.h"
#include "api/shapeless.h"

/* ---- shared ---- */

bool array_axis(RuleCall *call, int64_t *axis, uint32_t rank)
{
    const int64_t given = *axis;
    if (given < 0)
        *axis += rank;
    if (*axis >= 0 && *axis < rank)
        return call_ready(call);
    call_fail(call, "Invalid axis %lld for array with %u dimensions", (long long)given, rank);
    return false;
}

bool array_axes(RuleCall *call, const int64_t *given, uint32_t count, uint32_t rank, int64_t *axis)
{
    uint32_t seen = 0;
    if (count > MAX_RANK) {
        call_fail(call, "Received more axes than an array can have");
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        axis[i] = given[i];
        if (!array_axis(call, &axis[i], rank))
            return false;
        if (seen >> axis[i] & 1) {
            call_fail(call, "Received duplicate axes");
            return false;
        }
        seen |= 1u << axis[i];
    }
    return call_ready(call);
}

Value array_flat(RuleCall *call, Value x)
{
    const Dim size = type_size(call->b.graph->module, call_type(call, x));
    return build_reshape(&call->b, x, &size, 1);
}

bool array_flat_axis(RuleCall *call, Value *x, int64_t *axis)
{
    if (*axis != ADZE_FLATTENED)
        return array_axis(call, axis, call_type(call, *x).rank);
    *x = array_flat(call, *x);
    *axis = 0;
    return call_ready(call);
}

Value array_indices(RuleCall *call, Value indices)
{
    if (!call_ready(call))
        return (Value){0};
    const ElementKind kind = element_info[call_element(call, indices)].kind;
    if (kind != KIND_SIGNED && kind != KIND_UNSIGNED)
        return call_fail(call, "Indices must be integers, got %s", element_info[call_element(call, indices)].name);
    return build_cast(&call->b, indices, ELEMENT_i64);
}

Type array_resized(RuleCall *call, Type type, uint32_t axis, Dim size)
{
    Dim dim[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++)
        dim[i] = i == axis ? size : type.dim[i];
    return type_make(call->b.graph->module, type.element, dim, type.rank);
}

Value array_positions(RuleCall *call, const Dim *dim, uint32_t rank, uint32_t axis, int64_t from)
{
    const Type type = type_make(call->b.graph->module, ELEMENT_i64, dim, rank);
    const Value index = build_iota(&call->b, type, axis);
    if (from == 0 || !call_ready(call))
        return index;
    return build_binary(&call->b, OP_add, index, build_scalar_i64(&call->b, ELEMENT_i64, from));
}

Value rule_identity(RuleCall *call)
{
    return call->in[0];
}

/* ---- made of nothing ---- */

static FunctionId function_of(const RuleCall *call)
{
    return (FunctionId)(call->info - function_info);
}

/* integers: element, shape */
Value rule_filled(RuleCall *call)
{
    Dim dim[MAX_RANK];
    const Request *request = call->request;
    const uint32_t rank = request->integer_count - 1;
    for (uint32_t i = 0; i < rank; i++)
        if (request->integer[1 + i] < 0 && !size_is_handle(call->engine, request->integer[1 + i]))
            return call_fail(call, "Negative dimensions not allowed");
    if (!call_sizes(call, request->integer + 1, rank, dim))
        return (Value){0};
    const Type type = type_make(call->b.graph->module, (ElementType)request->integer[0], dim, rank);
    return build_full(&call->b, type, function_of(call) == FUNCTION_ones);
}

/* integers: element */
Value rule_full_like(RuleCall *call)
{
    const Type type = call_type(call, call->in[0]);
    const Value value = build_cast(&call->b, call->in[1], (ElementType)call->request->integer[0]);
    return build_broadcast_to(&call->b, value, type.dim, type.rank);
}

/* Whether row + k and column of a matrix compare so: bool, of the last two of these axes. */
static Value compare_places(RuleCall *call, OpKind op, const Dim *dim, int64_t k)
{
    return build_binary(&call->b, op, array_positions(call, dim, 2, 0, k), array_positions(call, dim, 2, 1, 0));
}

static bool matrix_sizes(RuleCall *call, int64_t least, Dim *dim)
{
    const int64_t *size = call->request->integer + 1;
    for (int i = 0; i < 2; i++)
        if (size[i] < least && !size_is_handle(call->engine, size[i])) {
            call_fail(call, least > 0 ? "N and M must be positive integers" : "N and M must not be negative");
            return false;
        }
    return call_sizes(call, size, 2, dim);
}

/* integers: element, n, m, k */
Value rule_eye(RuleCall *call)
{
    Dim dim[2];
    const int64_t *integer = call->request->integer;
    if (!matrix_sizes(call, 1, dim))
        return (Value){0};
    return build_cast(&call->b, compare_places(call, OP_equal, dim, integer[3]), (ElementType)integer[0]);
}

Value rule_tri(RuleCall *call)
{
    Dim dim[2];
    const int64_t *integer = call->request->integer;
    if (!matrix_sizes(call, 0, dim))
        return (Value){0};
    return build_cast(&call->b, compare_places(call, OP_greater_equal, dim, integer[3]), (ElementType)integer[0]);
}

/* integers: k */
Value rule_triangle(RuleCall *call)
{
    const Type type = call_type(call, call->in[0]);
    const OpKind op = function_of(call) == FUNCTION_tril ? OP_greater_equal : OP_less_equal;
    if (type.rank < 2)
        return call_fail(call, "array must be at least 2-D");
    const Value kept = compare_places(call, op, type.dim + type.rank - 2, call->request->integer[0]);
    return build_select(&call->b, kept, call->in[0], build_scalar(&call->b, type.element, 0));
}

/* ---- diagonals ---- */

/* Diagonal `offset` of the last two axes. */
static Value last_diagonal(RuleCall *call, Value x, int64_t offset)
{
    Builder *b = &call->b;
    const Type type = call_type(call, x);
    const uint32_t rank = type.rank;
    int64_t rows, columns, strides[MAX_RANK];
    Dim dim[MAX_RANK], starts[MAX_RANK];
    if (!call_ready(call) || !call_size(call, x, rank - 2, &rows) || !call_size(call, x, rank - 1, &columns))
        return (Value){0};
    const int64_t first_row = offset < 0 ? -offset : 0, first_column = offset > 0 ? offset : 0;
    const int64_t high = rows - first_row, wide = columns - first_column, least = high < wide ? high : wide;
    const int64_t size = least > 0 ? least : 0, start = size > 0 ? first_row * columns + first_column : 0;
    for (uint32_t i = 0; i + 1 < rank; i++) {
        dim[i] = type.dim[i];
        starts[i] = dim_constant(0);
        strides[i] = 1;
    }
    dim[rank - 2] = dim_mul(b->graph->module, type.dim[rank - 2], type.dim[rank - 1]);
    const Value flat = build_reshape(b, x, dim, rank - 1);
    starts[rank - 2] = dim_constant(start);
    strides[rank - 2] = columns + 1;
    dim[rank - 2] = dim_constant(size > 0 ? start + (size - 1) * (columns + 1) + 1 : 0);
    return build_slice(b, flat, starts, dim, strides);
}

/* integers: offset, axis1, axis2 */
static Value diagonal(RuleCall *call)
{
    int64_t permutation[MAX_RANK], axis[2] = {call->request->integer[1], call->request->integer[2]};
    const uint32_t rank = call_type(call, call->in[0]).rank;
    uint32_t count = 0;
    if (rank < 2)
        return call_fail(call, "Array must have at least two dimensions, but got %u dimensions", rank);
    if (!array_axis(call, &axis[0], rank) || !array_axis(call, &axis[1], rank))
        return (Value){0};
    if (axis[0] == axis[1])
        return call_fail(call, "axis1 and axis2 cannot be the same axis");
    for (uint32_t i = 0; i < rank; i++)
        if (i != axis[0] && i != axis[1])
            permutation[count++] = i;
    permutation[count] = axis[0];
    permutation[count + 1] = axis[1];
    return last_diagonal(call, build_transpose(&call->b, call->in[0], permutation), call->request->integer[0]);
}

Value rule_diagonal(RuleCall *call)
{
    return diagonal(call);
}

/* The sum's type is that of sum. integers: offset, axis1, axis2, element */
Value rule_trace(RuleCall *call)
{
    const Value x = build_cast(&call->b, diagonal(call), (ElementType)call->request->integer[3]);
    if (!call_ready(call))
        return x;
    const ElementInfo *info = &element_info[call_element(call, x)];
    const bool small = info->bytes < 4;
    const Value summed = info->kind == KIND_BOOLEAN || (info->kind == KIND_SIGNED && small)
                             ? build_cast(&call->b, x, ELEMENT_i32)
                         : info->kind == KIND_UNSIGNED && small ? build_cast(&call->b, x, ELEMENT_u32)
                                                                : x;
    const int64_t last = call_type(call, summed).rank - 1;
    return build_reduce(&call->b, OP_reduce_sum, summed, &last, 1, false);
}

/* A matrix of size n + |k| from its diagonal: zeros between, before and after, in row-major order. */
static Value diagonal_matrix(RuleCall *call, Value x, int64_t k)
{
    int64_t n;
    const int64_t apart = k < 0 ? -k : k;
    if (!call_size(call, x, 0, &n))
        return (Value){0};
    if (apart > INT32_MAX || n > INT32_MAX)
        return call_fail(call, "the matrix would be too large");
    const int64_t size = n + apart, start = k < 0 ? apart * size : apart, used = n > 0 ? (n - 1) * (size + 1) + 1 : 0;
    const Dim low = dim_constant(start), high = dim_constant(size * size - start - used);
    const Value zero = build_scalar(&call->b, call_element(call, x), 0);
    const Value flat = build_pad(&call->b, x, zero, &low, &high, &size);
    return build_reshape(&call->b, flat, (const Dim[]){dim_constant(size), dim_constant(size)}, 2);
}

/* integers: k */
Value rule_diag(RuleCall *call)
{
    const uint32_t rank = call_type(call, call->in[0]).rank;
    const int64_t k = call->request->integer[0];
    if (rank == 1)
        return diagonal_matrix(call, call->in[0], k);
    if (rank == 2)
        return last_diagonal(call, call->in[0], k);
    return call_fail(call, "array must be 1-D or 2-D, got array with %u dimensions", rank);
}
