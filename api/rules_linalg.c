/* SPDX-License-Identifier: Apache-2.0
 * How functions of linear algebra become graphs. Everything is made of the ops on the last two axes; what comes as a
 * vector becomes a matrix of one column. */
#include <math.h>

#include "api/rules.h"

/* f32 or f64, at least two axes. */
static bool is_matrix(RuleCall *call, Value x)
{
    if (!call_ready(call))
        return false;
    const Type type = call_type(call, x);
    if (type.element != ELEMENT_f32 && type.element != ELEMENT_f64)
        call_fail(call, "Arrays must have type f32 or f64. Received array with type %s.",
                  element_info[type.element].name);
    else if (type.rank < 2)
        call_fail(call, "Arrays must have >= 2 dimensions. Received array with %u dimensions.", type.rank);
    return call_ready(call);
}

static bool is_square(RuleCall *call, Value x)
{
    if (!is_matrix(call, x))
        return false;
    const Type type = call_type(call, x);
    if (!dim_equal(type.dim[type.rank - 1], type.dim[type.rank - 2]))
        call_fail(call, "Only defined for square matrices.");
    return call_ready(call);
}

static bool flag(const RuleCall *call)
{
    return call->request->integer[0] != 0;
}

static Value turned(RuleCall *call, Value x)
{
    return build_matrix_transpose(&call->b, x);
}

/* ---- cholesky ---- */

Value rule_cholesky(RuleCall *call)
{
    const Value a = call->in[0];
    if (!is_square(call, a))
        return (Value){0};
    return flag(call) ? turned(call, build_cholesky(&call->b, turned(call, a))) : build_cholesky(&call->b, a);
}

static Value inverse_of_triangle(RuleCall *call, Value a, bool upper)
{
    const Value identity = build_identity(&call->b, call_type(call, a));
    return build_triangular_solve(&call->b, a, identity, !upper, false, false);
}

Value rule_tri_inv(RuleCall *call)
{
    return is_square(call, call->in[0]) ? inverse_of_triangle(call, call->in[0], flag(call)) : (Value){0};
}

/* A^-1 = L^-T L^-1 = U^-1 U^-T */
Value rule_cholesky_inv(RuleCall *call)
{
    if (!is_square(call, call->in[0]))
        return (Value){0};
    const bool upper = flag(call);
    const Value factor = inverse_of_triangle(call, call->in[0], upper), other = turned(call, factor);
    return upper ? build_matmul(&call->b, factor, other) : build_matmul(&call->b, other, factor);
}

/* ---- solving ---- */

typedef struct System {
    Value a, b;
    bool is_vector; /* b came as one */
} System;

/* Equal element types, equal batch axes. */
static bool read_system(RuleCall *call, System *s)
{
    call_promote(call, &s->a, &s->b);
    if (!is_square(call, s->a))
        return false;
    s->is_vector = call_type(call, s->b).rank == 1;
    if (s->is_vector)
        s->b = build_expand_dims(&call->b, s->b, 1);
    if (!is_matrix(call, s->b))
        return false;
    const Type a = call_type(call, s->a), b = call_type(call, s->b);
    Dim dim[MAX_RANK];
    if (!dim_equal(a.dim[a.rank - 1], b.dim[b.rank - 2])) {
        call_fail(call, "The sizes of the matrix and of the right side don't match.");
        return false;
    }
    const uint32_t rank = build_broadcast_shape(&call->b, a.dim, a.rank - 2, b.dim, b.rank - 2, dim) + 2;
    if (!call_ready(call))
        return false;
    dim[rank - 2] = dim[rank - 1] = a.dim[a.rank - 1];
    s->a = build_broadcast_to(&call->b, s->a, dim, rank);
    dim[rank - 1] = b.dim[b.rank - 1];
    s->b = build_broadcast_to(&call->b, s->b, dim, rank);
    return call_ready(call);
}

static Value give_solution(RuleCall *call, const System *s, Value x)
{
    return s->is_vector && call_ready(call) ? build_squeeze(&call->b, x, call_type(call, x).rank - 1) : x;
}

Value rule_solve_triangular(RuleCall *call)
{
    System s;
    if (!read_system(call, &s))
        return (Value){0};
    return give_solution(call, &s, build_triangular_solve(&call->b, s.a, s.b, !flag(call), false, false));
}

static Value solve(RuleCall *call, Value a, Value x)
{
    Value lu[3];
    build_lu(&call->b, a, lu);
    const Value left = build_triangular_solve(&call->b, lu[0], build_take_rows(&call->b, x, lu[2]), true, false, true);
    return build_triangular_solve(&call->b, lu[0], left, false, false, false);
}

Value rule_solve(RuleCall *call)
{
    System s;
    return read_system(call, &s) ? give_solution(call, &s, solve(call, s.a, s.b)) : (Value){0};
}

Value rule_inv(RuleCall *call)
{
    const Value a = call->in[0];
    return is_square(call, a) ? solve(call, a, build_identity(&call->b, call_type(call, a))) : (Value){0};
}

/* ---- lu ---- */

/* index[..., i] as the numbers 0, 1, 2 … are. */
static Value places_like(RuleCall *call, Value index)
{
    const Type type = call_type(call, index);
    return build_iota(&call->b, type, type.rank - 1);
}

Value rule_lu(RuleCall *call)
{
    Builder *b = &call->b;
    Value lu[3];
    if (!is_matrix(call, call->in[0]))
        return (Value){0};
    build_lu(b, call->in[0], lu);
    const Type type = call_type(call, lu[0]);
    const uint32_t rank = type.rank;
    const Dim zero = dim_constant(0), least = dim_min(b->graph->module, type.dim[rank - 1], type.dim[rank - 2]);
    const Value lower = build_lower_part(b, build_slice_axis(b, lu[0], rank - 1, zero, least), -1);
    call_more(call, build_binary(b, OP_add, lower, build_identity(b, call_type(call, lower))));
    call_more(call, build_upper_part(b, build_slice_axis(b, lu[0], rank - 2, zero, least), 0));
    const Value numbers = places_like(call, lu[2]), none = build_full(b, call_type(call, lu[2]), 0);
    return build_cast(b, build_put_along(b, none, lu[2], numbers, rank - 2, "none", "clamp"), ELEMENT_u32);
}

Value rule_lu_factor(RuleCall *call)
{
    Value lu[3];
    if (!is_matrix(call, call->in[0]))
        return (Value){0};
    build_lu(&call->b, call->in[0], lu);
    call_more(call, build_cast(&call->b, lu[1], ELEMENT_u32));
    return lu[0];
}

/* -1 to the number of swaps, and U's diagonal. */
static Value swaps_sign(RuleCall *call, Value a, Value *diagonal)
{
    Builder *b = &call->b;
    Value lu[3];
    build_lu(b, a, lu);
    *diagonal = build_diagonal(b, lu[0]);
    const Type type = call_type(call, *diagonal);
    const int64_t axis = type.rank - 1;
    const Value swapped = build_binary(b, OP_not_equal, lu[1], places_like(call, lu[1]));
    const Value sign = build_select(b, swapped, build_full(b, type, -1), build_full(b, type, 1));
    return build_reduce(b, OP_reduce_prod, sign, &axis, 1, false);
}

Value rule_det(RuleCall *call)
{
    Value diagonal;
    if (!is_square(call, call->in[0]))
        return (Value){0};
    const Value sign = swaps_sign(call, call->in[0], &diagonal);
    const int64_t axis = call_type(call, diagonal).rank - 1;
    return build_binary(&call->b, OP_mul, sign, build_reduce(&call->b, OP_reduce_prod, diagonal, &axis, 1, false));
}

Value rule_slogdet(RuleCall *call)
{
    Builder *b = &call->b;
    Value diagonal;
    if (!is_square(call, call->in[0]))
        return (Value){0};
    const Value swaps = swaps_sign(call, call->in[0], &diagonal);
    const int64_t axis = call_type(call, diagonal).rank - 1;
    const Value signs = build_reduce(b, OP_reduce_prod, build_unary(b, OP_sign, diagonal), &axis, 1, false);
    const Value logarithm = build_unary(b, OP_log, build_unary(b, OP_abs, diagonal));
    call_more(call, build_reduce(b, OP_reduce_sum, logarithm, &axis, 1, false));
    return build_binary(b, OP_mul, swaps, signs);
}

/* ---- qr, eigh, svd ---- */

Value rule_qr(RuleCall *call)
{
    Value result[2];
    if (!is_matrix(call, call->in[0]))
        return (Value){0};
    build_qr(&call->b, call->in[0], result);
    call_more(call, result[1]);
    return result[0];
}

static bool build_symmetric(RuleCall *call, Value result[2])
{
    if (!is_square(call, call->in[0]))
        return false;
    build_eigh(&call->b, flag(call) ? turned(call, call->in[0]) : call->in[0], result);
    return true;
}

Value rule_eigh(RuleCall *call)
{
    Value result[2];
    if (!build_symmetric(call, result))
        return (Value){0};
    call_more(call, result[1]);
    return result[0];
}

Value rule_eigvalsh(RuleCall *call)
{
    Value result[2];
    return build_symmetric(call, result) ? result[0] : (Value){0};
}

Value rule_eig(RuleCall *call)
{
    return call_fail(call, "Matrices that aren't symmetric are not supported; linalg_eigh takes symmetric ones.");
}

Value rule_svd(RuleCall *call)
{
    Value result[3];
    if (!is_matrix(call, call->in[0]))
        return (Value){0};
    build_svd(&call->b, call->in[0], flag(call), result);
    call_more(call, result[1]);
    call_more(call, result[2]);
    return result[0];
}

/* V S^-1 U^T, where small values are left out. */
Value rule_pinv(RuleCall *call)
{
    Builder *b = &call->b;
    Value svd[3];
    if (!is_matrix(call, call->in[0]))
        return (Value){0};
    const Type a = call_type(call, call->in[0]);
    build_svd(b, call->in[0], false, svd);
    const Type type = call_type(call, svd[1]);
    const int64_t axis = type.rank - 1;
    const Dim most = dim_max(b->graph->module, a.dim[a.rank - 1], a.dim[a.rank - 2]);
    const Value size = build_cast(b, build_dimension(b, most), a.element);
    const Value limit = build_binary_scalar(b, OP_mul, size, a.element == ELEMENT_f64 ? 10 * 0x1p-52 : 10 * 0x1p-23);
    const Value largest = build_reduce(b, OP_reduce_max, svd[1], &axis, 1, true);
    const Value counts = build_binary(b, OP_greater, svd[1], build_binary(b, OP_mul, limit, largest));
    const Value safe = build_select(b, counts, svd[1], build_full(b, type, 1));
    const Value inverse = build_select(b, counts, build_unary(b, OP_reciprocal, safe), build_full(b, type, 0));
    const Value scaled = build_binary(b, OP_mul, turned(call, svd[2]), build_expand_dims(b, inverse, type.rank - 1));
    return build_matmul(b, scaled, turned(call, svd[0]));
}

/* ---- cross ---- */

/* The axis moved to the end, three components. */
static Value three_components(RuleCall *call, Value x)
{
    Builder *b = &call->b;
    const Type type = call_type(call, x);
    int64_t axis = call->request->integer[0], permutation[MAX_RANK];
    if (!call_axis(call, &axis, type.rank))
        return (Value){0};
    const Dim count = type.dim[axis];
    if (!dim_is(count, 2) && !dim_is(count, 3))
        return call_fail(call, "The axis of the vectors must have 2 or 3 components.");
    for (uint32_t i = 0; i < type.rank; i++)
        permutation[i] = i + 1 == type.rank ? axis : i < axis ? i : i + 1;
    const Value last = build_transpose(b, x, permutation);
    Dim low[MAX_RANK], high[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++)
        low[i] = high[i] = dim_constant(0);
    high[type.rank - 1] = dim_constant(3 - count.constant);
    return dim_is(count, 3) ? last : build_pad(b, last, build_scalar(b, type.element, 0), low, high, NULL);
}

static Value component(RuleCall *call, Value x, int64_t i)
{
    return build_slice_axis(&call->b, x, call_type(call, x).rank - 1, dim_constant(i), dim_constant(i + 1));
}

/* x[i] y[k] - x[k] y[i] */
static Value minor(RuleCall *call, Value x, Value y, int64_t i, int64_t k)
{
    Builder *b = &call->b;
    return build_binary(b, OP_sub, build_binary(b, OP_mul, component(call, x, i), component(call, y, k)),
                        build_binary(b, OP_mul, component(call, x, k), component(call, y, i)));
}

Value rule_cross(RuleCall *call)
{
    Value x, y;
    int64_t permutation[MAX_RANK], axis = call->request->integer[0];
    call_promote(call, &x, &y);
    if (!call_ready(call))
        return (Value){0};
    x = three_components(call, x);
    y = call_ready(call) ? three_components(call, y) : x;
    if (!call_ready(call))
        return (Value){0};
    const Value part[] = {minor(call, x, y, 1, 2), minor(call, x, y, 2, 0), minor(call, x, y, 0, 1)};
    if (!call_ready(call))
        return (Value){0};
    const uint32_t rank = call_type(call, part[0]).rank;
    const Value all = build_concatenate(&call->b, part, 3, rank - 1);
    if (!call_axis(call, &axis, rank))
        return (Value){0};
    for (uint32_t i = 0; i < rank; i++)
        permutation[i] = i == axis ? rank - 1 : i < axis ? i : i - 1;
    return build_transpose(&call->b, all, permutation);
}

/* ---- norms ---- */

static Value magnitude(RuleCall *call)
{
    return build_unary(&call->b, OP_abs, call_floating(call, call->in[0]));
}

static Value l2(RuleCall *call, const Axes *axes)
{
    const Value x = call_floating(call, call->in[0]);
    const bool is_complex = call_ready(call) && element_info[call_element(call, x)].kind == KIND_COMPLEX;
    const Value size = is_complex ? build_unary(&call->b, OP_abs, x) : x,
                square = build_binary(&call->b, OP_mul, size, size);
    return build_unary(&call->b, OP_sqrt,
                       build_reduce(&call->b, OP_reduce_sum, square, axes->axis, axes->count, axes->keep));
}

Value rule_norm_l2(RuleCall *call)
{
    Axes axes;
    return call_reduced_axes(call, &axes) ? l2(call, &axes) : (Value){0};
}

static Value extreme(RuleCall *call, Value x, bool largest, const Axes *axes)
{
    return build_reduce(&call->b, largest ? OP_reduce_max : OP_reduce_min, x, axes->axis, axes->count, axes->keep);
}

static Value vector_norm(RuleCall *call, double ord, const Axes *axes)
{
    Builder *b = &call->b;
    if (ord == 2)
        return l2(call, axes);
    Value x = magnitude(call);
    if (!call_ready(call))
        return x;
    if (isinf(ord))
        return extreme(call, x, ord > 0, axes);
    const ElementType element = call_element(call, x);
    if (ord == 0)
        x = build_cast(b, build_binary_scalar(b, OP_not_equal, x, 0), element);
    else if (ord != 1)
        x = build_binary_scalar(b, OP_pow, x, ord);
    const Value sum = build_reduce(b, OP_reduce_sum, x, axes->axis, axes->count, axes->keep);
    return ord == 0 || ord == 1 ? sum : build_binary_scalar(b, OP_pow, sum, 1 / ord);
}

/* Puts axes of size 1 where the two were, if they are to be kept. */
static Value keep_axes(RuleCall *call, Value x, const Axes *axes)
{
    const int64_t low = axes->axis[0] < axes->axis[1] ? axes->axis[0] : axes->axis[1];
    const int64_t high = axes->axis[0] + axes->axis[1] - low;
    if (!axes->keep)
        return x;
    return build_expand_dims(&call->b, build_expand_dims(&call->b, x, (uint32_t)low), (uint32_t)high);
}

/* Singular values over the two axes, as a new last one. */
static Value singular_values(RuleCall *call, const Axes *axes)
{
    Value svd[3];
    int64_t permutation[MAX_RANK];
    const Value x = call_floating(call, call->in[0]);
    const uint32_t rank = call_type(call, x).rank;
    uint32_t at = 0;
    for (uint32_t i = 0; i < rank; i++)
        if (i != axes->axis[0] && i != axes->axis[1])
            permutation[at++] = i;
    permutation[at++] = axes->axis[0];
    permutation[at] = axes->axis[1];
    const Value moved = build_transpose(&call->b, x, permutation);
    if (!is_matrix(call, moved))
        return (Value){0};
    build_svd(&call->b, moved, false, svd);
    return svd[1];
}

static Value of_singular_values(RuleCall *call, OpKind op, const Axes *axes)
{
    const Value values = singular_values(call, axes);
    if (!call_ready(call))
        return values;
    const int64_t last = call_type(call, values).rank - 1;
    return keep_axes(call, build_reduce(&call->b, op, values, &last, 1, false), axes);
}

static Value matrix_norm(RuleCall *call, double ord, const Axes *axes)
{
    const double size = fabs(ord);
    if (size == 2)
        return of_singular_values(call, ord > 0 ? OP_reduce_max : OP_reduce_min, axes);
    if (size != 1 && !isinf(ord))
        return call_fail(call, "Invalid ord %g for matrix norm.", ord);
    const uint32_t summed = size == 1 ? 0 : 1;
    const Value sums = build_reduce(&call->b, OP_reduce_sum, magnitude(call), &axes->axis[summed], 1, true);
    Axes other = *axes;
    other.count = 1;
    other.axis[0] = axes->axis[1 - summed];
    other.keep = true;
    const Value result = extreme(call, sums, ord > 0, &other);
    /* Axes of size 1 now: a sum over them only drops them. */
    return axes->keep ? result : build_reduce(&call->b, OP_reduce_sum, result, axes->axis, 2, false);
}

Value rule_norm(RuleCall *call)
{
    Axes axes;
    const double ord = call->request->real[0];
    if (!call_reduced_axes(call, &axes))
        return (Value){0};
    if (axes.count == 1)
        return vector_norm(call, ord, &axes);
    if (axes.count != 2)
        return call_fail(call, "Received %u axes for norm, 1 or 2 are due.", axes.count);
    return matrix_norm(call, ord, &axes);
}

Value rule_norm_matrix(RuleCall *call)
{
    Axes axes;
    if (!call_reduced_axes(call, &axes))
        return (Value){0};
    if (axes.count != 2)
        return call_fail(call, "Norm is only supported for matrices, but received %u axis/axes.", axes.count);
    return call->request->real[0] != 0 ? of_singular_values(call, OP_reduce_sum, &axes) : l2(call, &axes);
}
