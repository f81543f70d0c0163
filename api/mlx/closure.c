/* SPDX-License-Identifier: Apache-2.0
 * Closures and transforms of the MLX interface. A handle is a box around a counted closure; a callback that fails comes
 * out of the outermost call as "mlx_closure returned a non-zero value", by which its users know it. */
#include <stdlib.h>
#include <string.h>

#include "api/mlx/mlxc.h"

/* ---- calling back ---- */

static adze_status call_function(adze_context *context, const adze_array *in, size_t count, adze_results *results,
                                 void *payload)
{
    const Callback *callback = payload;
    mlx_vector_array input = mlx_vector_of(in, count), res = {NULL};
    const int failed = input.ctx == NULL ? 1 : callback->function(&res, input, callback->payload);
    mlx_vector_array_free(input);
    return mlx_finish_call(context, failed, "mlx_closure", res, results);
}

/* ---- handles ---- */

adze_closure *mlx_closure_of(mlx_closure cls)
{
    if (cls.ctx != NULL)
        return ((ClosureBox *)cls.ctx)->closure;
    MLX_FAIL("expected a non-empty mlx_closure");
    return NULL;
}

int mlx_assign_closure(mlx_closure *res, adze_closure *closure)
{
    ClosureBox *box = res->ctx != NULL ? res->ctx : calloc(1, sizeof *box);
    if (closure == NULL || box == NULL) {
        adze_closure_free(closure);
        if (box != res->ctx)
            free(box);
        return MLX_NO_MEMORY();
    }
    adze_closure_free(box->closure);
    box->closure = closure;
    res->ctx = box;
    return 0;
}

mlx_closure mlx_closure_new(void)
{
    return (mlx_closure){NULL};
}

mlx_closure mlx_closure_new_func_payload(mlx_function *fun, void *payload, void (*dtor)(void *))
{
    mlx_closure cls = {NULL};
    Callback *callback = mlx_callback_new(payload, dtor);
    if (callback == NULL) {
        MLX_NO_MEMORY();
        return cls;
    }
    callback->function = fun;
    mlx_assign_closure(&cls, adze_closure_new(call_function, callback, mlx_callback_release));
    return cls;
}

int mlx_closure_set(mlx_closure *cls, mlx_closure src)
{
    adze_closure *closure = mlx_closure_of(src);
    return closure == NULL ? 1 : mlx_assign_closure(cls, adze_closure_retain(closure));
}

int mlx_closure_free(mlx_closure cls)
{
    if (cls.ctx != NULL)
        adze_closure_free(((ClosureBox *)cls.ctx)->closure);
    free(cls.ctx);
    return 0;
}

/* ---- calling ---- */

/* Ends a call's scope, reporting its failure by the message alone. */
static int leave(adze_context *scope, adze_status status)
{
    if (status != ADZE_DONE)
        MLX_FAIL(strbuf_text(&scope->message));
    adze_context_free(scope);
    return status != ADZE_DONE;
}

int mlx_closure_apply(mlx_vector_array *res, mlx_closure cls, mlx_vector_array input)
{
    adze_closure *closure = mlx_closure_of(cls);
    const NodeList *list = closure == NULL ? NULL : mlx_list(input);
    adze_context *scope = list == NULL ? NULL : adze_scope(mlx_root());
    if (scope == NULL)
        return list == NULL ? 1 : MLX_NO_MEMORY();
    adze_results results = {0};
    adze_array *in = calloc(list->count + 1, sizeof *in);
    for (size_t i = 0; in != NULL && i < list->count; i++)
        in[i].node = list->node[i];
    const adze_status status = in == NULL ? context_fail(scope, ADZE_NO_MEMORY, "out of memory")
                                          : adze_apply_into(scope, closure, in, list->count, &results);
    int failed = leave(scope, status);
    if (failed == 0)
        failed = mlx_assign_list(res, &results.list, 0, results.list.count);
    node_list_release(&results.list);
    free(in);
    return failed;
}

/* ---- value_and_grad ---- */

typedef struct GradientBox {
    adze_closure *closure;
    size_t count;
    int argnum[];
} GradientBox;

mlx_closure_value_and_grad mlx_closure_value_and_grad_new(void)
{
    return (mlx_closure_value_and_grad){NULL};
}

int mlx_closure_value_and_grad_free(mlx_closure_value_and_grad cls)
{
    if (cls.ctx != NULL)
        adze_closure_free(((GradientBox *)cls.ctx)->closure);
    free(cls.ctx);
    return 0;
}

int mlx_value_and_grad(mlx_closure_value_and_grad *res, mlx_closure fun, const int *argnums, size_t argnums_num)
{
    adze_closure *closure = mlx_closure_of(fun);
    if (closure == NULL)
        return 1;
    if (argnums_num == 0)
        return MLX_FAIL("[grad] Must specify at least one argument.");
    GradientBox *box = calloc(1, sizeof *box + argnums_num * sizeof *box->argnum);
    if (box == NULL)
        return MLX_NO_MEMORY();
    box->closure = adze_closure_retain(closure);
    box->count = argnums_num;
    memcpy(box->argnum, argnums, argnums_num * sizeof *argnums);
    mlx_closure_value_and_grad_free(*res);
    res->ctx = box;
    return 0;
}

/* As MLX orders gradients: by ascending number, negative ones counted from the end. */
static adze_status order_argnums(adze_context *scope, const GradientBox *box, size_t inputs, uint32_t *argnum)
{
    for (size_t i = 0; i < box->count; i++) {
        const int64_t number = box->argnum[i] < 0 ? box->argnum[i] + (int64_t)inputs : box->argnum[i];
        if (number < 0 || number >= (int64_t)inputs)
            return context_fail(scope, ADZE_USAGE, "[grad] Invalid argument number for function with %zu inputs.",
                                inputs);
        size_t at = i;
        for (; at > 0 && argnum[at - 1] > number; at--)
            argnum[at] = argnum[at - 1];
        argnum[at] = (uint32_t)number;
        if (at > 0 && argnum[at - 1] == number)
            return context_fail(scope, ADZE_USAGE, "[grad] Repeat argument number not allowed in grad.");
    }
    return ADZE_DONE;
}

static adze_status apply_gradient(adze_context *scope, const GradientBox *box, const NodeList *in, NodeList *results)
{
    uint32_t *argnum = calloc(box->count, sizeof *argnum);
    if (argnum == NULL)
        return context_fail(scope, ADZE_NO_MEMORY, "out of memory");
    adze_status status = order_argnums(scope, box, in->count, argnum);
    if (status == ADZE_DONE)
        status = derive_gradient(scope, box->closure, in->node, in->count, argnum, box->count, true, results);
    free(argnum);
    return status;
}

int mlx_closure_value_and_grad_apply(mlx_vector_array *res_0, mlx_vector_array *res_1, mlx_closure_value_and_grad cls,
                                     mlx_vector_array input)
{
    const GradientBox *box = cls.ctx;
    const NodeList *in = mlx_list(input);
    if (in == NULL)
        return 1;
    if (box == NULL)
        return MLX_FAIL("expected a non-empty mlx_closure_value_and_grad");
    adze_context *scope = adze_scope(mlx_root());
    if (scope == NULL)
        return MLX_NO_MEMORY();
    NodeList results = {0};
    int failed = leave(scope, apply_gradient(scope, box, in, &results));
    const size_t values = results.count - (failed == 0 ? box->count : 0);
    if (failed == 0)
        failed = mlx_assign_list(res_0, &results, 0, values);
    if (failed == 0)
        failed = mlx_assign_list(res_1, &results, values, box->count);
    node_list_release(&results);
    return failed;
}

/* ---- vjp, jvp ---- */

typedef adze_status Derive(adze_context *scope, adze_closure *closure, const NodeList *primals, const NodeList *seeds,
                           NodeList *results, size_t *result_count);

static adze_status derive_backward(adze_context *scope, adze_closure *closure, const NodeList *primals,
                                   const NodeList *seeds, NodeList *results, size_t *result_count)
{
    return derive_vjp(scope, closure, primals->node, primals->count, seeds->node, seeds->count, results, result_count);
}

static adze_status derive_forward(adze_context *scope, adze_closure *closure, const NodeList *primals,
                                  const NodeList *seeds, NodeList *results, size_t *result_count)
{
    if (primals->count != seeds->count)
        return context_fail(scope, ADZE_USAGE, "[jvp] Number of inputs does not match number of tangents.");
    return derive_jvp(scope, closure, primals->node, seeds->node, primals->count, results, result_count);
}

static int derive(Derive *transform, mlx_vector_array *res_0, mlx_vector_array *res_1, mlx_closure fun,
                  mlx_vector_array primals, mlx_vector_array seeds)
{
    adze_closure *closure = mlx_closure_of(fun);
    const NodeList *at = closure == NULL ? NULL : mlx_list(primals), *along = at == NULL ? NULL : mlx_list(seeds);
    if (along == NULL)
        return 1;
    adze_context *scope = adze_scope(mlx_root());
    if (scope == NULL)
        return MLX_NO_MEMORY();
    NodeList results = {0};
    size_t result_count = 0;
    int failed = leave(scope, transform(scope, closure, at, along, &results, &result_count));
    if (failed == 0)
        failed = mlx_assign_list(res_0, &results, 0, result_count);
    if (failed == 0)
        failed = mlx_assign_list(res_1, &results, result_count, results.count - result_count);
    node_list_release(&results);
    return failed;
}

int mlx_vjp(mlx_vector_array *res_0, mlx_vector_array *res_1, mlx_closure fun, mlx_vector_array primals,
            mlx_vector_array cotangents)
{
    return derive(derive_backward, res_0, res_1, fun, primals, cotangents);
}

int mlx_jvp(mlx_vector_array *res_0, mlx_vector_array *res_1, mlx_closure fun, mlx_vector_array primals,
            mlx_vector_array tangents)
{
    return derive(derive_forward, res_0, res_1, fun, primals, tangents);
}

/* ---- closures from closures ---- */

int mlx_checkpoint(mlx_closure *res, mlx_closure fun)
{
    adze_closure *closure = mlx_closure_of(fun);
    adze_context *scope = closure == NULL ? NULL : adze_scope(mlx_root());
    if (scope == NULL)
        return closure == NULL ? 1 : MLX_NO_MEMORY();
    adze_closure *kept = adze_checkpoint(scope, closure);
    adze_context_free(scope);
    return mlx_assign_closure(res, kept);
}

/* Shapes are traced anew for each set of them; shapeless is only a hint then. */
int mlx_compile(mlx_closure *res, mlx_closure fun, bool shapeless)
{
    adze_closure *closure = mlx_closure_of(fun);
    adze_context *scope = closure == NULL ? NULL : adze_scope(mlx_root());
    (void)shapeless;
    if (scope == NULL)
        return closure == NULL ? 1 : MLX_NO_MEMORY();
    adze_closure *compiled = adze_compile(scope, closure);
    adze_context_free(scope);
    return mlx_assign_closure(res, compiled);
}
