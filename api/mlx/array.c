/* SPDX-License-Identifier: Apache-2.0
 * Arrays, vectors of arrays, errors and streams of the MLX interface. */
#include "api/mlx/mlxc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the process shares ---- */

static struct {
    pthread_once_t once;
    adze_context *root;
    pthread_mutex_t mutex; /* of the handler */
    mlx_error_handler *handler;
    void *data;
    void (*dtor)(void *);
} process = {.once = PTHREAD_ONCE_INIT, .mutex = PTHREAD_MUTEX_INITIALIZER};

static void make_root(void)
{
    process.root = adze_context_new();
}

adze_context *mlx_root(void)
{
    pthread_once(&process.once, make_root);
    return process.root;
}

int mlx_report(const char *file, int line, const char *text)
{
    char message[2048];
    pthread_mutex_lock(&process.mutex);
    mlx_error_handler *handler = process.handler;
    void *data = process.data;
    pthread_mutex_unlock(&process.mutex);
    snprintf(message, sizeof message, "%s at %s:%d", text, file, line);
    if (handler != NULL)
        handler(message, data);
    else {
        /* The interface's default, on which its programs count. */
        printf("MLX error: %s\n", message);
        exit(-1);
    }
    return 1;
}

void _mlx_error(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    mlx_report(file, line, text);
}

void mlx_set_error_handler(mlx_error_handler *handler, void *data, void (*dtor)(void *))
{
    pthread_mutex_lock(&process.mutex);
    void (*old)(void *) = process.dtor;
    void *old_data = process.data;
    process.handler = handler;
    process.data = dtor == NULL ? NULL : data;
    process.dtor = dtor;
    pthread_mutex_unlock(&process.mutex);
    if (old != NULL)
        old(old_data);
}

/* ---- streams: there is one, and it only must not be empty ---- */

static mlx_stream the_stream(void)
{
    static const char stream;
    return (mlx_stream){(void *)&stream};
}

mlx_stream mlx_default_gpu_stream_new(void)
{
    return the_stream();
}

mlx_stream mlx_default_cpu_stream_new(void)
{
    return the_stream();
}

int mlx_stream_free(mlx_stream stream)
{
    (void)stream;
    return 0;
}

int mlxrs_shim_clear_streams(void)
{
    return 0;
}

int mlx_get_peak_memory(size_t *res)
{
    *res = adze_get_peak_memory(mlx_root());
    return 0;
}

int mlx_get_active_memory(size_t *res)
{
    *res = adze_get_active_memory(mlx_root());
    return 0;
}

int mlx_reset_peak_memory(void)
{
    adze_reset_peak_memory(mlx_root());
    return 0;
}

/* ---- arrays ---- */

ArrayNode *mlx_node(mlx_array array)
{
    if (array.ctx != NULL)
        return ((ArrayBox *)array.ctx)->node;
    MLX_FAIL("expected a non-empty mlx_array");
    return NULL;
}

static void describe(ArrayBox *box)
{
    const ArrayType *type = &box->node->type;
    size_t stride = 1;
    for (uint32_t i = type->rank; i-- > 0;) {
        box->shape[i] = (int)type->dim[i];
        box->strides[i] = stride;
        stride *= (size_t)type->dim[i];
    }
}

int mlx_assign(mlx_array *res, ArrayNode *node)
{
    if (node == NULL)
        return MLX_NO_MEMORY();
    if (node->error != NULL) {
        MLX_FAIL(node->error);
        node_release(node);
        return 1;
    }
    ArrayBox *box = res->ctx != NULL ? res->ctx : calloc(1, sizeof *box);
    if (box == NULL) {
        node_release(node);
        return MLX_NO_MEMORY();
    }
    ArrayNode *old = box->node;
    box->node = node;
    describe(box);
    node_release(old);
    res->ctx = box;
    return 0;
}

mlx_array mlx_array_new(void)
{
    return (mlx_array){NULL};
}

mlx_array mlx_array_new_data(const void *data, const int *shape, int dim, mlx_dtype dtype)
{
    mlx_array array = {NULL};
    int64_t sizes[MAX_RANK];
    adze_context *scope = adze_scope(mlx_root());
    if (scope == NULL || dim < 0 || dim > MAX_RANK) {
        MLX_FAIL("[array] too many dimensions, or out of memory");
        adze_context_free(scope);
        return array;
    }
    for (int i = 0; i < dim; i++)
        sizes[i] = shape[i];
    mlx_assign(&array, node_retain(node_of(adze_from(scope, data, sizes, (size_t)dim, (AdzeElement)dtype))));
    adze_context_free(scope);
    return array;
}

mlx_array mlx_array_new_float32(float value)
{
    return mlx_array_new_data(&value, NULL, 0, ELEMENT_f32);
}

mlx_array mlx_array_new_int(int value)
{
    return mlx_array_new_data(&value, NULL, 0, ELEMENT_i32);
}

int mlx_array_set(mlx_array *arr, mlx_array src)
{
    ArrayNode *node = mlx_node(src);
    return node == NULL ? 1 : mlx_assign(arr, node_retain(node));
}

int mlx_array_free(mlx_array arr)
{
    if (arr.ctx != NULL)
        node_release(((ArrayBox *)arr.ctx)->node);
    free(arr.ctx);
    return 0;
}

size_t mlx_array_ndim(mlx_array arr)
{
    const ArrayNode *node = mlx_node(arr);
    return node == NULL ? 0 : node->type.rank;
}

size_t mlx_array_size(mlx_array arr)
{
    const ArrayNode *node = mlx_node(arr);
    return node == NULL ? 0 : (size_t)array_type_size(&node->type);
}

size_t mlx_array_itemsize(mlx_array arr)
{
    const ArrayNode *node = mlx_node(arr);
    return node == NULL ? 0 : element_info[node->type.element].bytes;
}

size_t mlx_array_nbytes(mlx_array arr)
{
    return arr.ctx == NULL ? mlx_array_size(arr) : mlx_array_size(arr) * mlx_array_itemsize(arr);
}

int mlx_array_dim(mlx_array arr, int dim)
{
    const ArrayNode *node = mlx_node(arr);
    if (node == NULL)
        return 0;
    const int64_t axis = dim < 0 ? (int64_t)dim + node->type.rank : dim;
    if (axis >= 0 && axis < node->type.rank)
        return (int)node->type.dim[axis];
    MLX_FAIL("[shape] the array has no such dimension");
    return 0;
}

const int *mlx_array_shape(mlx_array arr)
{
    return mlx_node(arr) == NULL ? NULL : ((ArrayBox *)arr.ctx)->shape;
}

const size_t *mlx_array_strides(mlx_array arr)
{
    return mlx_node(arr) == NULL ? NULL : ((ArrayBox *)arr.ctx)->strides;
}

mlx_dtype mlx_array_dtype(mlx_array arr)
{
    const ArrayNode *node = mlx_node(arr);
    return node == NULL ? 0 : node->type.element;
}

/* ---- elements ---- */

static int evaluate(ArrayNode *const *node, size_t count)
{
    const char *error = engine_evaluate(mlx_root()->engine, node, count);
    if (error != NULL)
        MLX_FAIL(error);
    evaluation_error_free(error);
    return error != NULL;
}

int mlx_array_eval(mlx_array arr)
{
    ArrayNode *node = mlx_node(arr);
    return node == NULL ? 1 : evaluate(&node, 1);
}

int mlx_eval(mlx_vector_array outputs)
{
    const NodeList *list = mlx_list(outputs);
    return list == NULL ? 1 : evaluate(list->node, list->count);
}

/* The work is done by whoever reads. */
int mlx_async_eval(mlx_vector_array outputs)
{
    return mlx_list(outputs) == NULL;
}

static const void *elements(const ArrayNode *node)
{
    const Buffer *buffer;
    while ((buffer = atomic_load(&node->buffer)) == NULL && node->value != NULL)
        node = node->value;
    return buffer == NULL ? NULL : buffer->data;
}

static const void *item(mlx_array arr)
{
    ArrayNode *node = mlx_node(arr);
    if (node == NULL || evaluate(&node, 1) != 0)
        return NULL;
    if (array_type_size(&node->type) == 1)
        return elements(node);
    MLX_FAIL("[item] item can only be called on arrays of size 1.");
    return NULL;
}

static const void *data_of(mlx_array arr)
{
    const ArrayNode *node = mlx_node(arr);
    return node == NULL ? NULL : elements(node);
}

/* Bytes are read as the type asked for, never converted; an element may be smaller than that. */
#define ITEM(name, type)                                                                                               \
    int mlx_array_item_##name(type *res, mlx_array arr)                                                                \
    {                                                                                                                  \
        const void *data = item(arr);                                                                                  \
        if (data == NULL)                                                                                              \
            return 1;                                                                                                  \
        const size_t bytes = mlx_array_itemsize(arr);                                                                  \
        memset(res, 0, sizeof *res);                                                                                   \
        memcpy(res, data, bytes < sizeof *res ? bytes : sizeof *res);                                                  \
        return 0;                                                                                                      \
    }                                                                                                                  \
    const type *mlx_array_data_##name(mlx_array arr)                                                                   \
    {                                                                                                                  \
        return data_of(arr);                                                                                           \
    }
#include "api/mlx/items.def"

/* ---- vectors ---- */

NodeList *mlx_list(mlx_vector_array vector)
{
    if (vector.ctx != NULL)
        return &((VectorBox *)vector.ctx)->list;
    MLX_FAIL("expected a non-empty mlx_vector_array");
    return NULL;
}

int mlx_assign_list(mlx_vector_array *res, const NodeList *list, size_t first, size_t count)
{
    NodeList copy = {0};
    VectorBox *box = res->ctx != NULL ? res->ctx : calloc(1, sizeof *box);
    bool good = box != NULL;
    for (size_t i = 0; good && i < count; i++)
        good = node_list_add(&copy, list->node[first + i]);
    if (!good) {
        node_list_release(&copy);
        if (box != res->ctx)
            free(box);
        return MLX_NO_MEMORY();
    }
    node_list_release(&box->list);
    box->list = copy;
    res->ctx = box;
    return 0;
}

mlx_vector_array mlx_vector_array_new(void)
{
    return (mlx_vector_array){calloc(1, sizeof(VectorBox))};
}

int mlx_vector_array_set_data(mlx_vector_array *vec, const mlx_array *data, size_t size)
{
    NodeList list = {0};
    int status = 0;
    for (size_t i = 0; status == 0 && i < size; i++) {
        ArrayNode *node = mlx_node(data[i]);
        status = node == NULL ? 1 : node_list_add(&list, node) ? 0 : MLX_NO_MEMORY();
    }
    if (status == 0)
        status = mlx_assign_list(vec, &list, 0, list.count);
    node_list_release(&list);
    return status;
}

mlx_vector_array mlx_vector_array_new_data(const mlx_array *data, size_t size)
{
    mlx_vector_array vector = {NULL};
    mlx_vector_array_set_data(&vector, data, size);
    return vector;
}

mlx_vector_array mlx_vector_array_new_value(mlx_array value)
{
    return mlx_vector_array_new_data(&value, 1);
}

int mlx_vector_array_set(mlx_vector_array *vec, mlx_vector_array src)
{
    const NodeList *list = mlx_list(src);
    return list == NULL ? 1 : mlx_assign_list(vec, list, 0, list->count);
}

int mlx_vector_array_append_value(mlx_vector_array vec, mlx_array value)
{
    NodeList *list = mlx_list(vec);
    ArrayNode *node = list == NULL ? NULL : mlx_node(value);
    if (node == NULL)
        return 1;
    return node_list_add(list, node) ? 0 : MLX_NO_MEMORY();
}

int mlx_vector_array_free(mlx_vector_array vec)
{
    if (vec.ctx != NULL)
        node_list_release(&((VectorBox *)vec.ctx)->list);
    free(vec.ctx);
    return 0;
}

size_t mlx_vector_array_size(mlx_vector_array vec)
{
    const NodeList *list = mlx_list(vec);
    return list == NULL ? 0 : list->count;
}

int mlx_vector_array_get(mlx_array *res, mlx_vector_array vec, size_t idx)
{
    char text[128];
    const NodeList *list = mlx_list(vec);
    if (list == NULL)
        return 1;
    if (idx < list->count)
        return mlx_assign(res, node_retain(list->node[idx]));
    snprintf(text, sizeof text, "vector::_M_range_check: __n (which is %zu) >= this->size() (which is %zu)", idx,
             list->count);
    return MLX_FAIL(text);
}
