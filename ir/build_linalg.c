/* SPDX-License-Identifier: Apache-2.0
 * Builders of linear algebra: the ops, and the parts of matrices that rules are written with. */
#include "ir/build.h"
#include "ir/build_node.h"

static bool is_matrix(Builder *b, Value x)
{
    if (!build_is_ready(b, x))
        return false;
    if (value_type(b->graph, x).rank >= 2)
        return true;
    build_fail(b, STATUS_INVALID, "a matrix is due, an array with %u axes came", value_type(b->graph, x).rank);
    return false;
}

Value build_matrix_transpose(Builder *b, Value x)
{
    int64_t permutation[MAX_RANK];
    if (!is_matrix(b, x))
        return (Value){0};
    const uint32_t rank = value_type(b->graph, x).rank;
    for (uint32_t i = 0; i < rank; i++)
        permutation[i] = i + 2 < rank ? i : 2 * (int64_t)rank - 3 - i;
    return build_transpose(b, x, permutation);
}

/* row + offset OP column, for each place of a matrix of that type. */
static Value compare_places(Builder *b, OpKind op, Type type, int64_t offset)
{
    const Type places = {ELEMENT_i64, 2, type.dim + type.rank - 2};
    const Value row = build_iota(b, places, 0), column = build_iota(b, places, 1);
    const Value moved = offset == 0 ? row : build_binary(b, OP_add, row, build_scalar_i64(b, ELEMENT_i64, offset));
    return build_broadcast_to(b, build_binary(b, op, moved, column), type.dim, type.rank);
}

static Value keep_places(Builder *b, Value x, OpKind op, int64_t offset)
{
    if (!is_matrix(b, x))
        return (Value){0};
    const Type type = value_type(b->graph, x);
    return build_select(b, compare_places(b, op, type, offset), x, build_full(b, type, 0));
}

Value build_lower_part(Builder *b, Value x, int64_t offset)
{
    return keep_places(b, x, OP_greater_equal, offset);
}

Value build_upper_part(Builder *b, Value x, int64_t offset)
{
    return keep_places(b, x, OP_less_equal, offset);
}

Value build_diagonal(Builder *b, Value x)
{
    const Value kept = keep_places(b, x, OP_equal, 0);
    if (!build_is_ready(b, kept))
        return (Value){0};
    const int64_t axis = value_type(b->graph, x).rank - 1;
    return build_reduce(b, OP_reduce_sum, kept, &axis, 1, false);
}

Value build_identity(Builder *b, Type type)
{
    return build_cast(b, compare_places(b, OP_equal, type, 0), type.element);
}

Value build_take_rows(Builder *b, Value x, Value indices)
{
    if (!is_matrix(b, x) || !build_is_ready(b, indices))
        return (Value){0};
    const uint32_t rank = value_type(b->graph, x).rank;
    const int64_t axis = rank - 2;
    return build_gather(b, x, build_expand_dims(b, indices, rank - 1), &axis, 1, rank - 2, "clamp");
}

/* ---- the ops ---- */

static void add_results(Builder *b, OpKind op, Value a, const Attr *attr, uint32_t attr_count, Value *result,
                        uint32_t count)
{
    const Value first = build_node(b, op, &a, 1, attr, attr_count);
    for (uint32_t i = 0; i < count; i++)
        result[i].id = first.id == 0 ? 0 : first.id + i;
}

Value build_cholesky(Builder *b, Value a)
{
    return build_node(b, OP_cholesky, &a, 1, NULL, 0);
}

Value build_triangular_solve(Builder *b, Value a, Value x, bool lower, bool transposed, bool unit_diagonal)
{
    const Value operand[] = {a, x};
    const Attr attr[] = {attr_integer(ATTR_lower, lower), attr_integer(ATTR_transposed, transposed),
                         attr_integer(ATTR_unit_diagonal, unit_diagonal)};
    return build_node(b, OP_triangular_solve, operand, 2, attr, 3);
}

void build_lu(Builder *b, Value a, Value result[3])
{
    add_results(b, OP_lu, a, NULL, 0, result, 3);
}

void build_qr(Builder *b, Value a, Value result[2])
{
    add_results(b, OP_qr, a, NULL, 0, result, 2);
}

void build_eigh(Builder *b, Value a, Value result[2])
{
    add_results(b, OP_eigh, a, NULL, 0, result, 2);
}

void build_svd(Builder *b, Value a, bool full, Value result[3])
{
    const Attr attr = attr_integer(ATTR_full, full);
    add_results(b, OP_svd, a, &attr, 1, result, 3);
}
