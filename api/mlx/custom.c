/* SPDX-License-Identifier: Apache-2.0
 * Custom functions of the MLX interface: rules are callbacks with lists of arrays, which become closures here. */
#include <stdlib.h>
#include <string.h>

#include "api/mlx/mlxc.h"

/* ---- callbacks ---- */

Callback *mlx_callback_new(void *payload, void (*dtor)(void *))
{
    Callback *callback = calloc(1, sizeof *callback);
    if (callback == NULL) {
        if (dtor != NULL)
            dtor(payload);
        return NULL;
    }
    *callback = (Callback){.refs = 1, .payload = payload, .dtor = dtor};
    return callback;
}

Callback *mlx_callback_retain(Callback *callback)
{
    atomic_fetch_add(&callback->refs, 1);
    return callback;
}

void mlx_callback_release(void *held)
{
    Callback *callback = held;
    if (callback == NULL || atomic_fetch_sub(&callback->refs, 1) != 1)
        return;
    if (callback->dtor != NULL)
        callback->dtor(callback->payload);
    free(callback);
}

mlx_vector_array mlx_vector_of(const adze_array *in, size_t count)
{
    mlx_vector_array vector = mlx_vector_array_new();
    bool good = vector.ctx != NULL;
    for (size_t i = 0; good && i < count; i++)
        good = node_list_add(&((VectorBox *)vector.ctx)->list, node_of(in[i]));
    if (good)
        return vector;
    mlx_vector_array_free(vector);
    return (mlx_vector_array){NULL};
}

static adze_status check_call(adze_context *context, int failed, const char *name, mlx_vector_array res)
{
    if (failed != 0)
        return context_fail(context, ADZE_FAILED, "%s returned a non-zero value", name);
    return res.ctx == NULL ? context_fail(context, ADZE_FAILED, "expected a non-empty mlx_vector_array") : ADZE_DONE;
}

adze_status mlx_finish_call(adze_context *context, int failed, const char *name, mlx_vector_array res,
                            adze_results *results)
{
    adze_status status = check_call(context, failed, name, res);
    const NodeList *list = status == ADZE_DONE ? &((VectorBox *)res.ctx)->list : NULL;
    for (size_t i = 0; list != NULL && i < list->count && status == ADZE_DONE; i++)
        status = node_list_add(&results->list, list->node[i]) ? ADZE_DONE : ADZE_NO_MEMORY;
    mlx_vector_array_free(res);
    return status;
}

/* ---- handles of rules: all hold a callback ---- */

static void *rule_new(Callback *callback)
{
    if (callback == NULL)
        MLX_NO_MEMORY();
    return callback;
}

static int rule_set(void **held, void *source, const char *name)
{
    if (source == NULL)
        return MLX_FAIL(name);
    mlx_callback_retain(source);
    mlx_callback_release(*held);
    *held = source;
    return 0;
}

#define HANDLE(kind, member, with_payload, without_payload)                                                            \
    mlx_##kind mlx_##kind##_new(void)                                                                                  \
    {                                                                                                                  \
        return (mlx_##kind){NULL};                                                                                     \
    }                                                                                                                  \
    int mlx_##kind##_free(mlx_##kind cls)                                                                              \
    {                                                                                                                  \
        mlx_callback_release(cls.ctx);                                                                                 \
        return 0;                                                                                                      \
    }                                                                                                                  \
    int mlx_##kind##_set(mlx_##kind *cls, mlx_##kind src)                                                              \
    {                                                                                                                  \
        return rule_set(&cls->ctx, src.ctx, "expected a non-empty mlx_" #kind);                                        \
    }                                                                                                                  \
    mlx_##kind mlx_##kind##_new_func_payload(with_payload *fun, void *payload, void (*dtor)(void *))                   \
    {                                                                                                                  \
        Callback *callback = mlx_callback_new(payload, dtor);                                                          \
        if (callback != NULL)                                                                                          \
            callback->member = fun;                                                                                    \
        return (mlx_##kind){rule_new(callback)};                                                                       \
    }                                                                                                                  \
    mlx_##kind mlx_##kind##_new_func(without_payload *fun)                                                             \
    {                                                                                                                  \
        Callback *callback = mlx_callback_new(NULL, NULL);                                                             \
        if (callback != NULL)                                                                                          \
            callback->member##_plain = fun;                                                                            \
        return (mlx_##kind){rule_new(callback)};                                                                       \
    }

HANDLE(closure_custom, vjp, mlx_vjp_rule, mlx_vjp_rule_plain)
HANDLE(closure_custom_jvp, jvp, mlx_jvp_rule, mlx_jvp_rule_plain)
HANDLE(closure_custom_vmap, vmap, mlx_vmap_rule, mlx_vmap_rule_plain)

/* ---- calling rules ---- */

static int call_vjp(const Callback *rule, mlx_vector_array *res, mlx_vector_array primals, mlx_vector_array cotangents,
                    mlx_vector_array outputs)
{
    return rule->vjp != NULL ? rule->vjp(res, primals, cotangents, outputs, rule->payload)
                             : rule->vjp_plain(res, primals, cotangents, outputs);
}

static int call_jvp(const Callback *rule, mlx_vector_array *res, mlx_vector_array primals, mlx_vector_array tangents,
                    const int *argnums, size_t count)
{
    return rule->jvp != NULL ? rule->jvp(res, primals, tangents, argnums, count, rule->payload)
                             : rule->jvp_plain(res, primals, tangents, argnums, count);
}

static int call_vmap(const Callback *rule, mlx_vector_array *res, mlx_vector_int *out_axes, mlx_vector_array in,
                     const int *axes, size_t count)
{
    return rule->vmap != NULL ? rule->vmap(res, out_axes, in, axes, count, rule->payload)
                              : rule->vmap_plain(res, out_axes, in, axes, count);
}

int mlx_closure_custom_apply(mlx_vector_array *res, mlx_closure_custom cls, mlx_vector_array input_0,
                             mlx_vector_array input_1, mlx_vector_array input_2)
{
    return cls.ctx == NULL ? MLX_FAIL("expected a non-empty mlx_closure_custom")
                           : call_vjp(cls.ctx, res, input_0, input_1, input_2);
}

int mlx_closure_custom_jvp_apply(mlx_vector_array *res, mlx_closure_custom_jvp cls, mlx_vector_array input_0,
                                 mlx_vector_array input_1, const int *input_2, size_t input_2_num)
{
    return cls.ctx == NULL ? MLX_FAIL("expected a non-empty mlx_closure_custom_jvp")
                           : call_jvp(cls.ctx, res, input_0, input_1, input_2, input_2_num);
}

int mlx_closure_custom_vmap_apply(mlx_vector_array *res_0, mlx_vector_int *res_1, mlx_closure_custom_vmap cls,
                                  mlx_vector_array input_0, const int *input_1, size_t input_1_num)
{
    return cls.ctx == NULL ? MLX_FAIL("expected a non-empty mlx_closure_custom_vmap")
                           : call_vmap(cls.ctx, res_0, res_1, input_0, input_1, input_1_num);
}

/* ---- rules as closures ---- */

/* The number of primals says where cotangents begin. */
typedef struct BoundRule {
    const Callback *callback;
    size_t primal_count;
} BoundRule;

static adze_status vjp_closure(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                               void *payload)
{
    const BoundRule *bound = payload;
    const size_t primals = bound->primal_count, outputs = (count - primals) / 2;
    mlx_vector_array res = {NULL}, input[] = {mlx_vector_of(in, primals), mlx_vector_of(in + primals, outputs),
                                              mlx_vector_of(in + primals + outputs, outputs)};
    int failed = 1;
    if (input[0].ctx != NULL && input[1].ctx != NULL && input[2].ctx != NULL)
        failed = call_vjp(bound->callback, &res, input[0], input[1], input[2]);
    for (int i = 0; i < 3; i++)
        mlx_vector_array_free(input[i]);
    return mlx_finish_call(context, failed, "mlx_closure_custom", res, results);
}

/* Tangents are given for the primals that can have one; argnums name them. */
static adze_status jvp_closure(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                               void *payload)
{
    const size_t primals = count / 2;
    size_t tangents = 0;
    int *argnum = calloc(primals + 1, sizeof *argnum);
    adze_array *tangent = calloc(primals + 1, sizeof *tangent);
    mlx_vector_array res = {NULL}, input[2] = {{NULL}, {NULL}};
    for (size_t i = 0; i < primals && argnum != NULL && tangent != NULL; i++)
        if (element_is_differentiable(node_of(in[i])->type.element)) {
            argnum[tangents] = (int)i;
            tangent[tangents++] = in[primals + i];
        }
    if (argnum != NULL && tangent != NULL) {
        input[0] = mlx_vector_of(in, primals);
        input[1] = mlx_vector_of(tangent, tangents);
    }
    int failed = 1;
    if (input[0].ctx != NULL && input[1].ctx != NULL)
        failed = call_jvp(payload, &res, input[0], input[1], argnum, tangents);
    mlx_vector_array_free(input[0]);
    mlx_vector_array_free(input[1]);
    free(argnum);
    free(tangent);
    return mlx_finish_call(context, failed, "mlx_closure_custom_jvp", res, results);
}

/* The output with the lanes as axis 0. */
static adze_array lanes_in_front(adze_context *context, adze_array x, int axis, int64_t lanes)
{
    const int rank = (int)adze_rank(x);
    int permutation[MAX_RANK];
    int64_t shape[MAX_RANK + 1] = {lanes};
    if (axis == 0 || adze_error_of(x) != NULL)
        return x;
    if (axis < 0) {
        for (int i = 0; i < rank; i++)
            shape[i + 1] = adze_shape(x)[i];
        return adze_broadcast_to(context, x, shape, (size_t)rank + 1);
    }
    for (int i = 0, next = 0; i < rank; i++)
        permutation[i] = i == 0 ? axis : (next += next == axis, next++);
    return adze_transpose(context, x, permutation, (size_t)rank);
}

static adze_status give_lanes(adze_context *context, int failed, mlx_vector_array res, mlx_vector_int out_axes,
                              int64_t lanes, adze_results *results)
{
    adze_status status = check_call(context, failed, "mlx_closure_custom_vmap", res);
    const NodeList *list = status == ADZE_DONE ? &((VectorBox *)res.ctx)->list : NULL;
    const size_t axes = out_axes.ctx == NULL ? 0 : mlx_vector_int_size(out_axes);
    if (list != NULL && axes != list->count)
        status = context_fail(context, ADZE_INVALID, "[custom_function] vmap gives %zu outputs and %zu axes for them",
                              list->count, axes);
    for (size_t i = 0; list != NULL && status == ADZE_DONE && i < list->count; i++) {
        int axis = 0;
        mlx_vector_int_get(&axis, out_axes, i);
        if (axis >= (int)list->node[i]->type.rank)
            status = context_fail(context, ADZE_INVALID, "[custom_function] vmap gives output %zu axis %d of %u", i,
                                  axis, list->node[i]->type.rank);
        else
            status = adze_give(results, lanes_in_front(context, (adze_array){list->node[i]}, axis, lanes));
    }
    return status;
}

static adze_status vmap_closure(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                                void *payload)
{
    const size_t inputs = count - 1;
    const int32_t *axes = adze_data(context, in[inputs]);
    mlx_vector_array res = {NULL}, input = mlx_vector_of(in, inputs);
    mlx_vector_int out_axes = {NULL};
    int64_t lanes = 1;
    int failed = 1;
    for (size_t i = 0; i < inputs && axes != NULL; i++)
        if (axes[i] == 0)
            lanes = adze_shape(in[i])[0];
    if (axes != NULL && input.ctx != NULL)
        failed = call_vmap(payload, &res, &out_axes, input, axes, inputs);
    const adze_status status = give_lanes(context, failed, res, out_axes, lanes, results);
    mlx_vector_array_free(input);
    mlx_vector_array_free(res);
    mlx_vector_int_free(out_axes);
    return status;
}

/* ---- the closure ---- */

typedef struct CustomFunction {
    adze_closure *inner, *jvp, *vmap;
    Callback *vjp;
} CustomFunction;

static void custom_destroy(void *payload)
{
    CustomFunction *custom = payload;
    adze_closure_free(custom->inner);
    adze_closure_free(custom->jvp);
    adze_closure_free(custom->vmap);
    mlx_callback_release(custom->vjp);
    free(custom);
}

/* The vjp rule is bound to the number of primals, which is known now. */
static adze_status custom_call(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                               void *payload)
{
    const CustomFunction *custom = payload;
    BoundRule bound = {.callback = custom->vjp, .primal_count = count};
    adze_closure *vjp = custom->vjp == NULL ? NULL : adze_closure_new(vjp_closure, &bound, NULL), *whole = NULL;
    if (custom->vjp == NULL || vjp != NULL)
        whole = adze_custom_function(context, custom->inner, vjp, custom->jvp, custom->vmap);
    const adze_status status = whole == NULL ? context_fail(context, ADZE_NO_MEMORY, "out of memory")
                                             : adze_apply_into(context, whole, in, count, results);
    adze_closure_free(whole);
    adze_closure_free(vjp);
    return status;
}

static adze_closure *rule_closure(adze_function *function, void *callback)
{
    return callback == NULL ? NULL : adze_closure_new(function, mlx_callback_retain(callback), mlx_callback_release);
}

int mlx_custom_function(mlx_closure *res, mlx_closure fun, mlx_closure_custom fun_vjp, mlx_closure_custom_jvp fun_jvp,
                        mlx_closure_custom_vmap fun_vmap)
{
    adze_closure *closure = mlx_closure_of(fun);
    if (closure == NULL)
        return 1;
    CustomFunction *custom = calloc(1, sizeof *custom);
    if (custom == NULL)
        return MLX_NO_MEMORY();
    custom->inner = adze_closure_retain(closure);
    custom->vjp = fun_vjp.ctx == NULL ? NULL : mlx_callback_retain(fun_vjp.ctx);
    custom->jvp = rule_closure(jvp_closure, fun_jvp.ctx);
    custom->vmap = rule_closure(vmap_closure, fun_vmap.ctx);
    if ((fun_jvp.ctx != NULL && custom->jvp == NULL) || (fun_vmap.ctx != NULL && custom->vmap == NULL)) {
        custom_destroy(custom);
        return MLX_NO_MEMORY();
    }
    return mlx_assign_closure(res, adze_closure_new(custom_call, custom, custom_destroy));
}

int mlx_custom_vjp(mlx_closure *res, mlx_closure fun, mlx_closure_custom fun_vjp)
{
    if (fun_vjp.ctx == NULL)
        return MLX_FAIL("expected a non-empty mlx_closure_custom");
    return mlx_custom_function(res, fun, fun_vjp, (mlx_closure_custom_jvp){NULL}, (mlx_closure_custom_vmap){NULL});
}
