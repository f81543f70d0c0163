/* SPDX-License-Identifier: Apache-2.0
 * Type rules of linear algebra: matrices on the last two axes, f32 or f64. */
#include "ir/infer.h"

static Status check_matrix(Inference *c, uint32_t operand)
{
    const Type type = operand_type(c, operand);
    if (type.element != ELEMENT_f32 && type.element != ELEMENT_f64)
        return infer_fail(c, "operand %u is %s, matrices are f32 or f64", operand, type_text(c, type));
    return check_rank(c, operand, 2, MAX_RANK);
}

static Status check_square(Inference *c, uint32_t operand)
{
    const Type type = operand_type(c, operand);
    TRY(check_matrix(c, operand));
    if (!dim_equal(type.dim[type.rank - 1], type.dim[type.rank - 2]))
        return infer_fail(c, "operand %u is %s, should be square on the last two axes", operand, type_text(c, type));
    return STATUS_OK;
}

static Dim rows_of(Type type)
{
    return type.dim[type.rank - 2];
}

static Dim columns_of(Type type)
{
    return type.dim[type.rank - 1];
}

/* The batch axes of the first operand, then up to two more. */
static Status add_result(Inference *c, ElementType element, const Dim *dim, uint32_t count)
{
    const Type type = operand_type(c, 0);
    Dim all[MAX_RANK];
    uint32_t rank = 0;
    for (; rank + 2 < type.rank; rank++)
        all[rank] = type.dim[rank];
    for (uint32_t i = 0; i < count; i++)
        all[rank++] = dim[i];
    return result_set(c, element, all, rank);
}

static Status add_matrix(Inference *c, Dim rows, Dim columns)
{
    return add_result(c, operand_type(c, 0).element, (const Dim[]){rows, columns}, 2);
}

Status infer_cholesky(Inference *c)
{
    TRY(check_square(c, 0));
    return result_like(c, operand_type(c, 0).element, operand_type(c, 0));
}

Status infer_triangular_solve(Inference *c)
{
    const Type a = operand_type(c, 0), b = operand_type(c, 1);
    TRY(check_flag(c, ATTR_lower));
    TRY(check_flag(c, ATTR_transposed));
    TRY(check_flag(c, ATTR_unit_diagonal));
    TRY(check_square(c, 0));
    TRY(check_matrix(c, 1));
    TRY(check_same_element(c, 0, 1));
    TRY(check_rank(c, 1, a.rank, a.rank));
    for (uint32_t i = 0; i + 1 < a.rank; i++)
        TRY(check_dim(c, b.dim[i], a.dim[i], "operand 1: dimension", i));
    return result_like(c, b.element, b);
}

Status infer_lu(Inference *c)
{
    TRY(check_matrix(c, 0));
    const Type a = operand_type(c, 0);
    const Dim rows = rows_of(a), least = dim_min(c->module, rows, columns_of(a));
    TRY(result_like(c, a.element, a));
    TRY(add_result(c, ELEMENT_i32, &least, 1));
    return add_result(c, ELEMENT_i32, &rows, 1);
}

Status infer_qr(Inference *c)
{
    TRY(check_matrix(c, 0));
    const Type a = operand_type(c, 0);
    const Dim least = dim_min(c->module, rows_of(a), columns_of(a));
    TRY(add_matrix(c, rows_of(a), least));
    return add_matrix(c, least, columns_of(a));
}

Status infer_eigh(Inference *c)
{
    TRY(check_square(c, 0));
    const Type a = operand_type(c, 0);
    const Dim count = columns_of(a);
    TRY(add_result(c, a.element, &count, 1));
    return result_like(c, a.element, a);
}

Status infer_svd(Inference *c)
{
    TRY(check_flag(c, ATTR_full));
    TRY(check_matrix(c, 0));
    const Type a = operand_type(c, 0);
    const bool full = spec_integer(c, ATTR_full) != 0;
    const Dim rows = rows_of(a), columns = columns_of(a), least = dim_min(c->module, rows, columns);
    TRY(add_matrix(c, rows, full ? rows : least));
    TRY(add_result(c, a.element, &least, 1));
    return add_matrix(c, full ? columns : least, columns);
}
