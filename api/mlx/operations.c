/* SPDX-License-Identifier: Apache-2.0
 * mlx_<name> for the functions of the table; streams mean nothing here. */
#include "api/mlx/mlxc.h"

static int apply(mlx_array *res, FunctionId function, const mlx_array *x, uint32_t count, const int64_t *integer,
                 uint32_t integer_count)
{
    ArrayNode *input[3];
    for (uint32_t i = 0; i < count; i++)
        if ((input[i] = mlx_node(x[i])) == NULL)
            return 1;
    const Request request = {.function = function, .integer = integer, .integer_count = integer_count};
    return mlx_assign(res, request_node(mlx_root()->engine, &request, input, count));
}

static int apply_list(mlx_array *res, FunctionId function, mlx_array a, const int *list, size_t count)
{
    int64_t integer[MAX_RANK];
    if (count > MAX_RANK)
        return MLX_FAIL("[array] too many dimensions");
    for (size_t i = 0; i < count; i++)
        integer[i] = list[i];
    return apply(res, function, &a, 1, integer, (uint32_t)count);
}

static int reduce(mlx_array *res, FunctionId function, mlx_array a, const int *axes, size_t count, bool keepdims)
{
    int64_t integer[2 + MAX_RANK] = {keepdims, axes == NULL};
    if (count > MAX_RANK)
        return MLX_FAIL("[reduce] too many axes");
    for (size_t i = 0; axes != NULL && i < count; i++)
        integer[2 + i] = axes[i];
    return apply(res, function, &a, 1, integer, axes == NULL ? 2 : 2 + (uint32_t)count);
}

#define UNARY(name)                                                                                                    \
    int mlx_##name(mlx_array *res, mlx_array a, mlx_stream s)                                                          \
    {                                                                                                                  \
        (void)s;                                                                                                       \
        return apply(res, FUNCTION_##name, &a, 1, NULL, 0);                                                            \
    }
#define BINARY(name)                                                                                                   \
    int mlx_##name(mlx_array *res, mlx_array a, mlx_array b, mlx_stream s)                                             \
    {                                                                                                                  \
        (void)s;                                                                                                       \
        return apply(res, FUNCTION_##name, (const mlx_array[]){a, b}, 2, NULL, 0);                                     \
    }
#define REDUCTION(name)                                                                                                \
    int mlx_##name(mlx_array *res, mlx_array a, bool keepdims, mlx_stream s)                                           \
    {                                                                                                                  \
        (void)s;                                                                                                       \
        return reduce(res, FUNCTION_##name, a, NULL, 0, keepdims);                                                     \
    }                                                                                                                  \
    int mlx_##name##_axis(mlx_array *res, mlx_array a, int axis, bool keepdims, mlx_stream s)                          \
    {                                                                                                                  \
        (void)s;                                                                                                       \
        return reduce(res, FUNCTION_##name, a, &axis, 1, keepdims);                                                    \
    }                                                                                                                  \
    int mlx_##name##_axes(mlx_array *res, mlx_array a, const int *axes, size_t axes_num, bool keepdims, mlx_stream s)  \
    {                                                                                                                  \
        static const int none[1];                                                                                      \
        (void)s;                                                                                                       \
        return reduce(res, FUNCTION_##name, a, axes_num == 0 ? none : axes, axes_num, keepdims);                       \
    }
#define CUMULATIVE(name)                                                                                               \
    int mlx_##name(mlx_array *res, mlx_array a, int axis, bool reverse, bool inclusive, mlx_stream s)                  \
    {                                                                                                                  \
        (void)s;                                                                                                       \
        return apply(res, FUNCTION_##name, &a, 1, (const int64_t[]){axis, reverse, inclusive}, 3);                     \
    }
#include "api/mlx/operations.def"

/* Elements always are row-major here. */
int mlx_contiguous(mlx_array *res, mlx_array a, bool allow_col_major, mlx_stream s)
{
    (void)allow_col_major;
    (void)s;
    return mlx_array_set(res, a);
}

int mlx_full(mlx_array *res, const int *shape, size_t shape_num, mlx_array vals, mlx_dtype dtype, mlx_stream s)
{
    int64_t integer[1 + MAX_RANK] = {dtype};
    (void)s;
    if (shape_num > MAX_RANK || dtype >= ELEMENT_COUNT)
        return MLX_FAIL("[full] too many dimensions, or no such dtype");
    for (size_t i = 0; i < shape_num; i++)
        integer[1 + i] = shape[i];
    return apply(res, FUNCTION_full, &vals, 1, integer, 1 + (uint32_t)shape_num);
}

int mlx_astype(mlx_array *res, mlx_array a, mlx_dtype dtype, mlx_stream s)
{
    (void)s;
    return dtype >= ELEMENT_COUNT ? MLX_FAIL("[astype] no such dtype")
                                  : apply(res, FUNCTION_astype, &a, 1, (const int64_t[]){dtype}, 1);
}

int mlx_reshape(mlx_array *res, mlx_array a, const int *shape, size_t shape_num, mlx_stream s)
{
    (void)s;
    return apply_list(res, FUNCTION_reshape, a, shape, shape_num);
}

int mlx_broadcast_to(mlx_array *res, mlx_array a, const int *shape, size_t shape_num, mlx_stream s)
{
    (void)s;
    return apply_list(res, FUNCTION_broadcast_to, a, shape, shape_num);
}

int mlx_transpose(mlx_array *res, mlx_array a, mlx_stream s)
{
    (void)s;
    return apply_list(res, FUNCTION_transpose, a, NULL, 0);
}

int mlx_transpose_axes(mlx_array *res, mlx_array a, const int *axes, size_t axes_num, mlx_stream s)
{
    (void)s;
    return apply_list(res, FUNCTION_transpose, a, axes, axes_num);
}

int mlx_where(mlx_array *res, mlx_array condition, mlx_array x, mlx_array y, mlx_stream s)
{
    (void)s;
    return apply(res, FUNCTION_where, (const mlx_array[]){condition, x, y}, 3, NULL, 0);
}
