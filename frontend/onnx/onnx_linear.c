/* SPDX-License-Identifier: Apache-2.0
 * ONNX contractions: MatMul, Gemm and their integer forms. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

/* NumPy's matmul; batch axes that aren't told equal while importing are checked when the model runs. */
static Value matmul(Site *s, Value x, Value y)
{
    const Type x_type = site_type_of(s, x), y_type = site_type_of(s, y);
    if (site_failed(s))
        return (Value){0};
    if (x_type.rank == 0 || y_type.rank == 0) {
        site_invalid(s, "an operand is a scalar");
        return (Value){0};
    }
    Dim dim[MAX_RANK];
    memcpy(dim, y_type.dim, y_type.rank * sizeof *dim);
    dim[y_type.rank < 2 ? 0 : y_type.rank - 2] = x_type.dim[x_type.rank - 1];
    return build_matmul(&s->builder, x, site_same_shape(s, y, dim, y_type.rank));
}

void import_mat_mul(Site *s)
{
    site_give(s, 0, matmul(s, site_input(s, 0), site_input(s, 1)));
}

static Value scaled(Site *s, Value x, double factor)
{
    return factor == 1 ? x : build_binary_scalar(&s->builder, OP_mul, x, factor);
}

/* alpha A' B' + beta C, C broadcast to it. */
void import_gemm(Site *s)
{
    const int64_t x_axis = site_integer(s, "transA", 0) ? 0 : 1, y_axis = site_integer(s, "transB", 0) ? 1 : 0;
    const Type x = site_type(s, 0), y = site_type(s, 1);
    if (x.rank != 2 || y.rank != 2) {
        site_invalid(s, "ranks %u and %u, 2 and 2 are due", x.rank, y.rank);
        return;
    }
    Dim dim[2] = {y.dim[0], y.dim[1]};
    dim[y_axis] = x.dim[x_axis];
    const Value right = site_same_shape(s, site_input(s, 1), dim, 2);
    Value result = build_dot(&s->builder, site_input(s, 0), right, NULL, NULL, 0, &x_axis, &y_axis, 1, x.element);
    result = scaled(s, result, site_real(s, "alpha", 1));
    if (site_has(s, 2) && !site_failed(s)) {
        const Type type = site_type_of(s, result);
        const Value bias = scaled(s, site_input(s, 2), site_real(s, "beta", 1));
        result = build_binary(&s->builder, OP_add, result, site_broadcast_to(s, bias, type.dim, type.rank));
    }
    site_give(s, 0, result);
}

/* ---- integers ---- */

/* x less its zero point, as i32. The zero point is a scalar, or a vector along an axis of x (-1: as NumPy aligns it).
 */
static Value centred(Site *s, uint32_t x, uint32_t zero_point, bool along_rows)
{
    Builder *b = &s->builder;
    const Value wide = build_cast(b, site_input(s, x), ELEMENT_i32);
    if (!site_has(s, zero_point))
        return wide;
    Value zero = build_cast(b, site_input(s, zero_point), ELEMENT_i32);
    const Type type = site_type_of(s, zero);
    if (along_rows && type.rank == 1 && !dim_is(type.dim[0], 1))
        zero = build_expand_dims(b, zero, 1);
    else if (type.rank == 1 && dim_is(type.dim[0], 1))
        zero = build_reshape(b, zero, NULL, 0);
    return site_binary(s, OP_sub, wide, zero);
}

void import_mat_mul_integer(Site *s)
{
    site_give(s, 0, matmul(s, centred(s, 0, 2, true), centred(s, 1, 3, false)));
}

/* A row's scale of the left operand, a column's of the right: aligned with the product. */
static Value aligned_scale(Site *s, uint32_t index, bool along_rows)
{
    Value scale = build_cast(&s->builder, site_input(s, index), ELEMENT_f32);
    const Type type = site_type_of(s, scale);
    if (along_rows && type.rank == 1 && !dim_is(type.dim[0], 1))
        scale = build_expand_dims(&s->builder, scale, 1);
    return scale;
}

void import_q_linear_mat_mul(Site *s)
{
    const Value product = matmul(s, centred(s, 0, 2, true), centred(s, 3, 5, false));
    const Value scale = site_binary(s, OP_mul, aligned_scale(s, 1, true), aligned_scale(s, 4, false));
    const Value factor = site_binary(s, OP_div, scale, build_cast(&s->builder, site_input(s, 6), ELEMENT_f32));
    if (site_failed(s))
        return;
    const Value real = site_binary(s, OP_mul, build_cast(&s->builder, product, ELEMENT_f32), factor);
    site_give(s, 0, site_requantize(s, real, site_input(s, 7)));
}
