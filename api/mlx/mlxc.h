/* SPDX-License-Identifier: Apache-2.0
 * libmlxc: the C interface of MLX (mlx-c 0.6.0) over adze's arrays and closures, for programs that were written for it.
 * Handles are passed by value and hold one pointer; NULL is the empty handle. Out-parameters are initialised handles:
 * empty ones get a fresh box, others are assigned in place. The interface itself has process-wide state (the error
 * handler, the arrays' common caches); it is kept here and nowhere else. */
#ifndef ADZE_API_MLX_MLXC_H
#define ADZE_API_MLX_MLXC_H

#include <stdint.h>

#include "api/rules.h"

#define MLX_API __attribute__((visibility("default")))

typedef struct mlx_array {
    void *ctx;
} mlx_array;
typedef struct mlx_stream {
    void *ctx;
} mlx_stream;
typedef struct mlx_vector_array {
    void *ctx;
} mlx_vector_array;
typedef struct mlx_closure {
    void *ctx;
} mlx_closure;
typedef struct mlx_closure_custom {
    void *ctx;
} mlx_closure_custom;
typedef struct mlx_closure_value_and_grad {
    void *ctx;
} mlx_closure_value_and_grad;
typedef struct mlx_closure_custom_jvp {
    void *ctx;
} mlx_closure_custom_jvp;
typedef struct mlx_closure_custom_vmap {
    void *ctx;
} mlx_closure_custom_vmap;
typedef struct mlx_vector_int {
    void *ctx;
} mlx_vector_int;
typedef uint32_t mlx_dtype; /* the numbers of ElementType */

typedef void mlx_error_handler(const char *message, void *data);
typedef int mlx_function(mlx_vector_array *res, mlx_vector_array in, void *payload);
typedef int mlx_vjp_rule(mlx_vector_array *res, mlx_vector_array primals, mlx_vector_array cotangents,
                         mlx_vector_array outputs, void *payload);
typedef int mlx_vjp_rule_plain(mlx_vector_array *res, mlx_vector_array primals, mlx_vector_array cotangents,
                               mlx_vector_array outputs);
typedef int mlx_jvp_rule(mlx_vector_array *res, mlx_vector_array primals, mlx_vector_array tangents, const int *argnums,
                         size_t argnums_num, void *payload);
typedef int mlx_jvp_rule_plain(mlx_vector_array *res, mlx_vector_array primals, mlx_vector_array tangents,
                               const int *argnums, size_t argnums_num);
typedef int mlx_vmap_rule(mlx_vector_array *res, mlx_vector_int *out_axes, mlx_vector_array in, const int *axes,
                          size_t axes_num, void *payload);
typedef int mlx_vmap_rule_plain(mlx_vector_array *res, mlx_vector_int *out_axes, mlx_vector_array in, const int *axes,
                                size_t axes_num);

/* ---------------------------------------------------------------- inside ---- */

typedef struct ArrayBox {
    ArrayNode *node;
    int shape[MAX_RANK];
    size_t strides[MAX_RANK];
} ArrayBox;

typedef struct VectorBox {
    NodeList list;
} VectorBox;

/* What a program is called back by: one of the functions, plain ones without the payload. Counted. */
typedef struct Callback {
    atomic_uint refs;
    mlx_function *function;
    mlx_vjp_rule *vjp;
    mlx_vjp_rule_plain *vjp_plain;
    mlx_jvp_rule *jvp;
    mlx_jvp_rule_plain *jvp_plain;
    mlx_vmap_rule *vmap;
    mlx_vmap_rule_plain *vmap_plain;
    void *payload;
    void (*dtor)(void *);
} Callback;

/* dtor runs with the last hold, also when this fails (NULL). */
Callback *mlx_callback_new(void *payload, void (*dtor)(void *));
Callback *mlx_callback_retain(Callback *callback);
void mlx_callback_release(void *held);
mlx_vector_array mlx_vector_of(const adze_array *in, size_t count);
/* Moves what a callback filled in to the results; frees res. */
adze_status mlx_finish_call(adze_context *context, int failed, const char *name, mlx_vector_array res,
                            adze_results *results);

typedef struct ClosureBox {
    adze_closure *closure;
} ClosureBox;

/* Reports an empty handle (NULL). */
adze_closure *mlx_closure_of(mlx_closure cls);
/* Takes the closure (NULL: memory is out). */
int mlx_assign_closure(mlx_closure *res, adze_closure *closure);

/* The caches all handles share; a context to make scopes of. NULL when memory is out. */
adze_context *mlx_root(void);
/* Calls the error handler; returns 1. */
int mlx_report(const char *file, int line, const char *text);
#define MLX_FAIL(text) mlx_report(__FILE__, __LINE__, (text))
#define MLX_NO_MEMORY() MLX_FAIL("[malloc] out of memory")

/* The node of a handle; reports an empty one (NULL). */
ArrayNode *mlx_node(mlx_array array);
/* The list of a handle; reports an empty one (NULL). */
NodeList *mlx_list(mlx_vector_array vector);
/* Takes the node (NULL: memory is out) and assigns it; a node that carries an error is reported. Returns the status. */
int mlx_assign(mlx_array *res, ArrayNode *node);
/* Assigns entries first … first + count - 1 of a list. */
int mlx_assign_list(mlx_vector_array *res, const NodeList *list, size_t first, size_t count);

/* ---------------------------------------------------------------- the interface ---- */

MLX_API void mlx_set_error_handler(mlx_error_handler *handler, void *data, void (*dtor)(void *));
MLX_API void _mlx_error(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
MLX_API int mlxrs_shim_clear_streams(void);
MLX_API mlx_stream mlx_default_gpu_stream_new(void);
MLX_API mlx_stream mlx_default_cpu_stream_new(void);
MLX_API int mlx_stream_free(mlx_stream stream);
MLX_API int mlx_get_peak_memory(size_t *res);
MLX_API int mlx_get_active_memory(size_t *res);
MLX_API int mlx_reset_peak_memory(void);

MLX_API mlx_array mlx_array_new(void);
MLX_API mlx_array mlx_array_new_data(const void *data, const int *shape, int dim, mlx_dtype dtype);
MLX_API mlx_array mlx_array_new_float32(float value);
MLX_API mlx_array mlx_array_new_int(int value);
MLX_API int mlx_array_set(mlx_array *arr, mlx_array src);
MLX_API int mlx_array_free(mlx_array arr);
MLX_API size_t mlx_array_ndim(mlx_array arr);
MLX_API size_t mlx_array_size(mlx_array arr);
MLX_API size_t mlx_array_itemsize(mlx_array arr);
MLX_API size_t mlx_array_nbytes(mlx_array arr);
MLX_API int mlx_array_dim(mlx_array arr, int dim);
MLX_API const int *mlx_array_shape(mlx_array arr);
MLX_API const size_t *mlx_array_strides(mlx_array arr);
MLX_API mlx_dtype mlx_array_dtype(mlx_array arr);
MLX_API int mlx_array_eval(mlx_array arr);
#define ITEM(name, type)                                                                                               \
    MLX_API int mlx_array_item_##name(type *res, mlx_array arr);                                                       \
    MLX_API const type *mlx_array_data_##name(mlx_array arr);
#include "api/mlx/items.def"

MLX_API mlx_vector_array mlx_vector_array_new(void);
MLX_API mlx_vector_array mlx_vector_array_new_data(const mlx_array *data, size_t size);
MLX_API mlx_vector_array mlx_vector_array_new_value(mlx_array value);
MLX_API int mlx_vector_array_set(mlx_vector_array *vec, mlx_vector_array src);
MLX_API int mlx_vector_array_set_data(mlx_vector_array *vec, const mlx_array *data, size_t size);
MLX_API int mlx_vector_array_append_value(mlx_vector_array vec, mlx_array value);
MLX_API int mlx_vector_array_free(mlx_vector_array vec);
MLX_API size_t mlx_vector_array_size(mlx_vector_array vec);
MLX_API int mlx_vector_array_get(mlx_array *res, mlx_vector_array vec, size_t idx);

MLX_API int mlx_eval(mlx_vector_array outputs);
MLX_API int mlx_async_eval(mlx_vector_array outputs);
MLX_API int mlx_contiguous(mlx_array *res, mlx_array a, bool allow_col_major, mlx_stream s);
MLX_API int mlx_full(mlx_array *res, const int *shape, size_t shape_num, mlx_array vals, mlx_dtype dtype, mlx_stream s);
MLX_API int mlx_astype(mlx_array *res, mlx_array a, mlx_dtype dtype, mlx_stream s);
MLX_API int mlx_reshape(mlx_array *res, mlx_array a, const int *shape, size_t shape_num, mlx_stream s);
MLX_API int mlx_broadcast_to(mlx_array *res, mlx_array a, const int *shape, size_t shape_num, mlx_stream s);
MLX_API int mlx_transpose(mlx_array *res, mlx_array a, mlx_stream s);
MLX_API int mlx_transpose_axes(mlx_array *res, mlx_array a, const int *axes, size_t axes_num, mlx_stream s);
MLX_API int mlx_where(mlx_array *res, mlx_array condition, mlx_array x, mlx_array y, mlx_stream s);
#define UNARY(name) MLX_API int mlx_##name(mlx_array *res, mlx_array a, mlx_stream s);
#define BINARY(name) MLX_API int mlx_##name(mlx_array *res, mlx_array a, mlx_array b, mlx_stream s);
#define REDUCTION(name)                                                                                                \
    MLX_API int mlx_##name(mlx_array *res, mlx_array a, bool keepdims, mlx_stream s);                                  \
    MLX_API int mlx_##name##_axis(mlx_array *res, mlx_array a, int axis, bool keepdims, mlx_stream s);                 \
    MLX_API int mlx_##name##_axes(mlx_array *res, mlx_array a, const int *axes, size_t axes_num, bool keepdims,        \
                                  mlx_stream s);
#define CUMULATIVE(name)                                                                                               \
    MLX_API int mlx_##name(mlx_array *res, mlx_array a, int axis, bool reverse, bool inclusive, mlx_stream s);
#include "api/mlx/operations.def"

MLX_API mlx_closure mlx_closure_new(void);
MLX_API mlx_closure mlx_closure_new_func_payload(mlx_function *fun, void *payload, void (*dtor)(void *));
MLX_API int mlx_closure_set(mlx_closure *cls, mlx_closure src);
MLX_API int mlx_closure_free(mlx_closure cls);
MLX_API int mlx_closure_apply(mlx_vector_array *res, mlx_closure cls, mlx_vector_array input);
#define HANDLE(kind, with_payload, without_payload)                                                                    \
    MLX_API mlx_##kind mlx_##kind##_new(void);                                                                         \
    MLX_API mlx_##kind mlx_##kind##_new_func(without_payload *fun);                                                    \
    MLX_API mlx_##kind mlx_##kind##_new_func_payload(with_payload *fun, void *payload, void (*dtor)(void *));          \
    MLX_API int mlx_##kind##_set(mlx_##kind *cls, mlx_##kind src);                                                     \
    MLX_API int mlx_##kind##_free(mlx_##kind cls);
HANDLE(closure_custom, mlx_vjp_rule, mlx_vjp_rule_plain)
HANDLE(closure_custom_jvp, mlx_jvp_rule, mlx_jvp_rule_plain)
HANDLE(closure_custom_vmap, mlx_vmap_rule, mlx_vmap_rule_plain)
#undef HANDLE
MLX_API int mlx_closure_custom_apply(mlx_vector_array *res, mlx_closure_custom cls, mlx_vector_array input_0,
                                     mlx_vector_array input_1, mlx_vector_array input_2);
MLX_API int mlx_closure_custom_jvp_apply(mlx_vector_array *res, mlx_closure_custom_jvp cls, mlx_vector_array input_0,
                                         mlx_vector_array input_1, const int *input_2, size_t input_2_num);
MLX_API int mlx_closure_custom_vmap_apply(mlx_vector_array *res_0, mlx_vector_int *res_1, mlx_closure_custom_vmap cls,
                                          mlx_vector_array input_0, const int *input_1, size_t input_1_num);

MLX_API mlx_vector_int mlx_vector_int_new(void);
MLX_API mlx_vector_int mlx_vector_int_new_data(int *data, size_t size);
MLX_API mlx_vector_int mlx_vector_int_new_value(int val);
MLX_API int mlx_vector_int_set(mlx_vector_int *vec, mlx_vector_int src);
MLX_API int mlx_vector_int_set_data(mlx_vector_int *vec, int *data, size_t size);
MLX_API int mlx_vector_int_set_value(mlx_vector_int *vec, int val);
MLX_API int mlx_vector_int_append_data(mlx_vector_int vec, int *data, size_t size);
MLX_API int mlx_vector_int_append_value(mlx_vector_int vec, int val);
MLX_API int mlx_vector_int_free(mlx_vector_int vec);
MLX_API size_t mlx_vector_int_size(mlx_vector_int vec);
MLX_API int mlx_vector_int_get(int *res, mlx_vector_int vec, size_t idx);

MLX_API mlx_closure_value_and_grad mlx_closure_value_and_grad_new(void);
MLX_API int mlx_closure_value_and_grad_free(mlx_closure_value_and_grad cls);
MLX_API int mlx_closure_value_and_grad_apply(mlx_vector_array *res_0, mlx_vector_array *res_1,
                                             mlx_closure_value_and_grad cls, mlx_vector_array input);

MLX_API int mlx_value_and_grad(mlx_closure_value_and_grad *res, mlx_closure fun, const int *argnums,
                               size_t argnums_num);
MLX_API int mlx_vjp(mlx_vector_array *res_0, mlx_vector_array *res_1, mlx_closure fun, mlx_vector_array primals,
                    mlx_vector_array cotangents);
MLX_API int mlx_jvp(mlx_vector_array *res_0, mlx_vector_array *res_1, mlx_closure fun, mlx_vector_array primals,
                    mlx_vector_array tangents);
MLX_API int mlx_custom_vjp(mlx_closure *res, mlx_closure fun, mlx_closure_custom fun_vjp);
/* Where a rule is empty, the function's own derivative or batching is taken. The vmap rule sees lanes as axis 0. */
MLX_API int mlx_custom_function(mlx_closure *res, mlx_closure fun, mlx_closure_custom fun_vjp,
                                mlx_closure_custom_jvp fun_jvp, mlx_closure_custom_vmap fun_vmap);
MLX_API int mlx_checkpoint(mlx_closure *res, mlx_closure fun);
MLX_API int mlx_compile(mlx_closure *res, mlx_closure fun, bool shapeless);

#endif
