/* SPDX-License-Identifier: Apache-2.0
 * The transform vmap: a function's graph is applied to all lanes in a new graph, the mapped axes being moved to the
 * front of the parameters, and from there to where the results want them. */
#include "passes/batch/batch.h"
#include "passes/transform.h"

static bool axis_fits(const Graph *function, const char *what, uint32_t i, int32_t axis, uint32_t rank)
{
    if (axis >= -1 && axis <= (int32_t)rank)
        return true;
    module_fail(function->module, STATUS_INVALID, function->name,
                "vmap: axis %d of %s %u, should be 0 to %u, or -1 for none", axis, what, i, rank);
    return false;
}

static bool check(const Graph *function, const int32_t *in_axis, const int32_t *out_axis, Dim size)
{
    for (uint32_t i = 0; i < function->parameter_count; i++)
        if (!axis_fits(function, "parameter", i, in_axis[i], value_type(function, function->parameter[i]).rank))
            return false;
    for (uint32_t i = 0; i < function->result_count; i++)
        if (!axis_fits(function, "result", i, out_axis[i], value_type(function, function->result[i]).rank))
            return false;
    if (dim_is_constant(size) && size.constant < 0)
        module_fail(function->module, STATUS_INVALID, function->name, "vmap: the length is %lld",
                    (long long)size.constant);
    return function->module->status == STATUS_OK;
}

/* The type with the new axis at `axis`. */
static Type parameter_type(Batching *batching, Type type, int32_t axis)
{
    Dim dim[MAX_RANK + 1];
    const Type front = axis < 0 ? type : mapped_type(batching, type);
    if (axis < 0 || batching->module->status != STATUS_OK)
        return type;
    for (int32_t i = 0; i < (int32_t)front.rank; i++)
        dim[i] = i == axis ? front.dim[0] : front.dim[i < axis ? i + 1 : i];
    return type_make(batching->module, front.element, dim, front.rank);
}

static bool add_parameters(Batching *batching, const Graph *function, Graph *graph, const int32_t *in_axis,
                           Value *argument, bool *mapped)
{
    for (uint32_t i = 0; i < function->parameter_count; i++)
        argument[i] =
            graph_add_parameter(graph, parameter_name(function, i),
                                parameter_type(batching, value_type(function, function->parameter[i]), in_axis[i]));
    Builder b = {graph, {0}, 0};
    for (uint32_t i = 0; i < function->parameter_count; i++) {
        mapped[i] = in_axis[i] >= 0;
        if (mapped[i])
            argument[i] = build_move_axis(&b, argument[i], (uint32_t)in_axis[i], 0);
    }
    return batching->module->status == STATUS_OK;
}

static void add_result(const Lanes *lanes, uint32_t i, int32_t axis)
{
    const Graph *function = lanes->from;
    Builder b = {lanes->to, {0}, 0};
    if (axis < 0 && lanes->mapped[function->result[i].id])
        module_fail(function->module, STATUS_INVALID, function->name,
                    "vmap: result %u differs from lane to lane, should have an axis, not -1", i);
    const Value result = lanes_result(lanes, i, axis >= 0);
    graph_add_result(lanes->to, axis < 0 ? result : build_move_axis(&b, result, 0, (uint32_t)axis),
                     function->result_name[i]);
}

static Graph *vmap(Batching *batching, const Graph *function, const int32_t *in_axis, const int32_t *out_axis)
{
    Graph *graph = graph_create(batching->module, "");
    Value *argument = SCRATCH(batching, Value, function->parameter_count);
    bool *mapped = SCRATCH(batching, bool, function->parameter_count);
    if (graph == NULL || argument == NULL || mapped == NULL ||
        !add_parameters(batching, function, graph, in_axis, argument, mapped))
        return NULL;
    Lanes *lanes = lanes_create(batching, function, graph, argument, mapped);
    if (lanes == NULL)
        return NULL;
    lanes_run(lanes);
    for (uint32_t i = 0; i < function->result_count; i++)
        add_result(lanes, i, out_axis[i]);
    return batch_finish(batching, function, graph);
}

Graph *transform_vmap(const Graph *function, const int32_t *in_axis, const int32_t *out_axis, Dim size)
{
    Batching batching = {.module = function->module, .size = size};
    if (function->module->status != STATUS_OK || !check(function, in_axis, out_axis, size))
        return NULL;
    arena_init(&batching.arena);
    Graph *result = vmap(&batching, function, in_axis, out_axis);
    arena_release(&batching.arena);
    return result;
}
