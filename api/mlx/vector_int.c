/* SPDX-License-Identifier: Apache-2.0
 * Lists of integers of the MLX interface. */
#include <stdlib.h>
#include <string.h>

#include "api/mlx/mlxc.h"

typedef struct IntBox {
    int *data;
    size_t size, capacity;
} IntBox;

static IntBox *box_of(mlx_vector_int vec)
{
    if (vec.ctx == NULL)
        MLX_FAIL("expected a non-empty mlx_vector_int");
    return vec.ctx;
}

mlx_vector_int mlx_vector_int_new(void)
{
    IntBox *box = calloc(1, sizeof *box);
    if (box == NULL)
        MLX_NO_MEMORY();
    return (mlx_vector_int){box};
}

int mlx_vector_int_free(mlx_vector_int vec)
{
    if (vec.ctx != NULL)
        free(((IntBox *)vec.ctx)->data);
    free(vec.ctx);
    return 0;
}

int mlx_vector_int_append_data(mlx_vector_int vec, int *data, size_t size)
{
    IntBox *box = box_of(vec);
    if (box == NULL)
        return 1;
    if (size > box->capacity - box->size) {
        const size_t capacity = 2 * box->capacity + size;
        int *grown = capacity > SIZE_MAX / sizeof *grown ? NULL : realloc(box->data, capacity * sizeof *grown);
        if (grown == NULL)
            return MLX_NO_MEMORY();
        box->data = grown;
        box->capacity = capacity;
    }
    if (size > 0)
        memcpy(box->data + box->size, data, size * sizeof *data);
    box->size += size;
    return 0;
}

int mlx_vector_int_append_value(mlx_vector_int vec, int val)
{
    return mlx_vector_int_append_data(vec, &val, 1);
}

mlx_vector_int mlx_vector_int_new_data(int *data, size_t size)
{
    mlx_vector_int vec = mlx_vector_int_new();
    if (vec.ctx == NULL || mlx_vector_int_append_data(vec, data, size) == 0)
        return vec;
    mlx_vector_int_free(vec);
    return (mlx_vector_int){NULL};
}

mlx_vector_int mlx_vector_int_new_value(int val)
{
    return mlx_vector_int_new_data(&val, 1);
}

/* The data may be the list's own: the new list is made first. */
int mlx_vector_int_set_data(mlx_vector_int *vec, int *data, size_t size)
{
    mlx_vector_int made = mlx_vector_int_new_data(data, size);
    if (made.ctx == NULL)
        return 1;
    if (vec->ctx == NULL) {
        *vec = made;
        return 0;
    }
    IntBox *box = vec->ctx, old = *box;
    *box = *(IntBox *)made.ctx;
    *(IntBox *)made.ctx = old;
    return mlx_vector_int_free(made);
}

int mlx_vector_int_set_value(mlx_vector_int *vec, int val)
{
    return mlx_vector_int_set_data(vec, &val, 1);
}

int mlx_vector_int_set(mlx_vector_int *vec, mlx_vector_int src)
{
    const IntBox *box = box_of(src);
    return box == NULL ? 1 : mlx_vector_int_set_data(vec, box->data, box->size);
}

size_t mlx_vector_int_size(mlx_vector_int vec)
{
    const IntBox *box = box_of(vec);
    return box == NULL ? 0 : box->size;
}

int mlx_vector_int_get(int *res, mlx_vector_int vec, size_t idx)
{
    const IntBox *box = box_of(vec);
    if (box == NULL)
        return 1;
    if (idx >= box->size)
        return MLX_FAIL("vector::_M_range_check: the index is beyond the end");
    *res = box->data[idx];
    return 0;
}
