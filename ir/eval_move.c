/* SPDX-License-Identifier: Apache-2.0
 * Eval rules of sources and of data movement: each is one strided copy (eval_copy.c) between two layouts. */
#include "ir/eval.h"

#include "ir/element.h"

#include <string.h>

/* ---- sources ---- */

Status eval_parameter(EvalContext *c)
{
    return eval_fail(c, STATUS_INVALID, "a parameter has no value of its own");
}

/* The result is the module's own memory: nothing writes to the data of values. */
Status eval_constant(EvalContext *c)
{
    const ConstantId id = node_constant(c->node, ATTR_value);
    const Module *module = c->run->module;
    const Blob *blob = &module->blob[constant_get(module, id)->blob];
    if (blob->absent)
        return eval_fail(c, STATUS_INVALID, "the data of this constant is not there (blob \"%s\")", blob->path);
    c->result->data = (void *)(uintptr_t)constant_data(module, id);
    return STATUS_OK;
}

Status eval_iota(EvalContext *c)
{
    HostArray *result = c->result;
    uint32_t axis;
    TRY(eval_axis(c, result->rank, &axis));
    const int64_t count = result->dim[axis];
    CopyPlan plan = {.rank = result->rank, .bytes = element_info[result->element].bytes};
    memcpy(plan.dim, result->dim, sizeof plan.dim);
    row_major_strides(plan.rank, plan.dim, plan.bytes, plan.to_stride);
    plan.from_stride[axis] = (int64_t)plan.bytes;
    char *row = eval_scratch(c, count, plan.bytes);
    if (row == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (int64_t i = 0; i < count; i++)
        element_from_int64(result->element, i, row + (size_t)i * plan.bytes, false);
    copy_plan(&plan);
    copy_run(&plan, result->data, row);
    return STATUS_OK;
}

Status eval_dimension(EvalContext *c)
{
    int64_t value;
    TRY(eval_dim(c, node_dim(c->node, ATTR_size), &value));
    store_integers(c->result, 0, 1, &value);
    return STATUS_OK;
}

Status eval_bind_dimension(EvalContext *c)
{
    const DimView view = dim_view(c->run->module, node_dim(c->node, ATTR_symbol));
    if (view.form != DIM_SYMBOL)
        return eval_fail(c, STATUS_INVALID, "attribute symbol is not a symbol");
    int64_t value;
    load_integers(&c->operand[0], 0, 1, &value);
    TRY(eval_bind(c, view.symbol, value));
    store_integers(c->result, 0, 1, &value);
    return STATUS_OK;
}

/* ---- layouts ---- */

/* A copy whose target is the whole result, row-major; the caller sets from_stride. */
static CopyPlan plan_of_result(const HostArray *result)
{
    CopyPlan plan = {.rank = result->rank, .bytes = element_info[result->element].bytes};
    memcpy(plan.dim, result->dim, sizeof plan.dim);
    row_major_strides(result->rank, result->dim, plan.bytes, plan.to_stride);
    return plan;
}

static void strides_of(const HostArray *array, int64_t *stride)
{
    row_major_strides(array->rank, array->dim, element_info[array->element].bytes, stride);
}

static Status copy_into_result(const EvalContext *c, CopyPlan *plan, int64_t from_offset)
{
    if (host_array_size(c->result) == 0)
        return STATUS_OK;
    copy_plan(plan);
    copy_run(plan, c->result->data, (const char *)c->operand[0].data + from_offset);
    return STATUS_OK;
}

Status eval_reshape(EvalContext *c)
{
    const int64_t from = host_array_size(&c->operand[0]), to = host_array_size(c->result);
    if (from != to)
        return eval_fail(c, STATUS_INVALID, "%lld elements can't be reshaped into %lld", (long long)from,
                         (long long)to);
    memcpy(c->result->data, c->operand[0].data, host_array_bytes(c->result));
    return STATUS_OK;
}

Status eval_broadcast(EvalContext *c)
{
    const HostArray *x = &c->operand[0];
    CopyPlan plan = plan_of_result(c->result);
    int64_t stride[MAX_RANK];
    const int64_t *axis;
    strides_of(x, stride);
    TRY(eval_integers(c, ATTR_axes, x->rank, &axis));
    for (uint32_t i = 0; i < x->rank; i++) {
        if (axis[i] < 0 || axis[i] >= plan.rank)
            return eval_fail(c, STATUS_INVALID, "axis %lld of a result with %u axes", (long long)axis[i], plan.rank);
        if (x->dim[i] != 1 && x->dim[i] != plan.dim[axis[i]])
            return eval_fail(c, STATUS_INVALID, "axis %u has size %lld, 1 or %lld is due", i, (long long)x->dim[i],
                             (long long)plan.dim[axis[i]]);
        plan.from_stride[axis[i]] = x->dim[i] == 1 ? 0 : stride[i];
    }
    return copy_into_result(c, &plan, 0);
}

Status eval_transpose(EvalContext *c)
{
    const HostArray *x = &c->operand[0];
    CopyPlan plan = plan_of_result(c->result);
    int64_t stride[MAX_RANK];
    const int64_t *permutation;
    strides_of(x, stride);
    TRY(eval_integers(c, ATTR_permutation, plan.rank, &permutation));
    for (uint32_t i = 0; i < plan.rank; i++) {
        if (permutation[i] < 0 || permutation[i] >= x->rank || x->dim[permutation[i]] != plan.dim[i])
            return eval_fail(c, STATUS_INVALID, "entry %u of the permutation doesn't fit", i);
        plan.from_stride[i] = stride[permutation[i]];
    }
    return copy_into_result(c, &plan, 0);
}

Status eval_slice(EvalContext *c)
{
    const HostArray *x = &c->operand[0];
    CopyPlan plan = plan_of_result(c->result);
    int64_t stride[MAX_RANK], start[MAX_RANK], limit[MAX_RANK], offset = 0;
    const int64_t *step;
    strides_of(x, stride);
    TRY(eval_dims(c, ATTR_starts, x->rank, start));
    TRY(eval_dims(c, ATTR_limits, x->rank, limit));
    TRY(eval_integers(c, ATTR_strides, x->rank, &step));
    for (uint32_t i = 0; i < x->rank; i++) {
        const int64_t count = plan.dim[i];
        if (step[i] < 1 || start[i] < 0 || limit[i] > x->dim[i] ||
            (count > 0 && (start[i] >= limit[i] || (count - 1) > (limit[i] - 1 - start[i]) / step[i])))
            return eval_fail(c, STATUS_INVALID, "axis %u: %lld to %lld in steps of %lld of an axis of size %lld", i,
                             (long long)start[i], (long long)limit[i], (long long)step[i], (long long)x->dim[i]);
        plan.from_stride[i] = count > 1 ? stride[i] * step[i] : 0;
        offset += count > 0 ? stride[i] * start[i] : 0;
    }
    return copy_into_result(c, &plan, offset);
}

Status eval_reverse(EvalContext *c)
{
    CopyPlan plan = plan_of_result(c->result);
    uint32_t count;
    const int64_t *axis = node_integers(c->node, ATTR_axes, &count);
    int64_t offset = 0;
    memcpy(plan.from_stride, plan.to_stride, sizeof plan.from_stride);
    for (uint32_t i = 0; i < count; i++) {
        if (axis[i] < 0 || axis[i] >= plan.rank || plan.from_stride[axis[i]] < 0)
            return eval_fail(c, STATUS_INVALID, "axis %lld is no axis of the array, or named twice",
                             (long long)axis[i]);
        offset += (plan.dim[axis[i]] - 1) * plan.to_stride[axis[i]];
        plan.from_stride[axis[i]] = -plan.to_stride[axis[i]];
    }
    return copy_into_result(c, &plan, offset);
}

Status eval_concatenate(EvalContext *c)
{
    HostArray *result = c->result;
    uint32_t axis;
    TRY(eval_axis(c, result->rank, &axis));
    CopyPlan whole = plan_of_result(result);
    int64_t done = 0;
    for (uint32_t i = 0; i < c->node->operand_count; i++) {
        const HostArray *x = &c->operand[i];
        CopyPlan plan = whole;
        for (uint32_t k = 0; k < plan.rank; k++)
            if (k != axis && x->dim[k] != plan.dim[k])
                return eval_fail(c, STATUS_INVALID, "operand %u differs on axis %u", i, k);
        if (x->dim[axis] > result->dim[axis] - done)
            return eval_fail(c, STATUS_INVALID, "operands are longer than the result along axis %u", axis);
        plan.dim[axis] = x->dim[axis];
        strides_of(x, plan.from_stride);
        char *to = (char *)result->data + done * whole.to_stride[axis];
        done += x->dim[axis];
        if (host_array_size(x) == 0)
            continue;
        copy_plan(&plan);
        copy_run(&plan, to, x->data);
    }
    return done == result->dim[axis] ? STATUS_OK : eval_fail(c, STATUS_INVALID, "operands are shorter than the result");
}

/* ---- padding ---- */

/* Along one axis, element i goes to position low + i * step: the range of i whose position lies in 0 … size - 1. */
static void visible_range(int64_t low, int64_t step, int64_t count, int64_t size, int64_t *first, int64_t *end)
{
    const __int128 room = (__int128)size - low, below = -(__int128)low;
    const __int128 past = room <= 0 ? 0 : (room + step - 1) / step;
    const __int128 skipped = below <= 0 ? 0 : (below + step - 1) / step;
    *end = past < count ? (int64_t)past : count;
    *first = skipped < *end ? (int64_t)skipped : *end;
}

static void fill_result(const EvalContext *c, const HostArray *padding)
{
    CopyPlan plan = plan_of_result(c->result);
    copy_plan(&plan);
    copy_run(&plan, c->result->data, padding->data);
}

Status eval_pad(EvalContext *c)
{
    const HostArray *x = &c->operand[0];
    CopyPlan plan = plan_of_result(c->result);
    int64_t stride[MAX_RANK], low[MAX_RANK], to = 0, from = 0;
    const int64_t *interior;
    strides_of(x, stride);
    TRY(eval_dims(c, ATTR_low, x->rank, low));
    TRY(eval_integers(c, ATTR_interior, x->rank, &interior));
    if (host_array_size(c->result) == 0)
        return STATUS_OK;
    fill_result(c, &c->operand[1]);
    for (uint32_t i = 0; i < x->rank; i++) {
        if (interior[i] < 0 || interior[i] > INT32_MAX)
            return eval_fail(c, STATUS_INVALID, "interior padding of %lld", (long long)interior[i]);
        const int64_t step = interior[i] + 1;
        int64_t first, end;
        visible_range(low[i], step, x->dim[i], c->result->dim[i], &first, &end);
        if (first == end)
            return STATUS_OK;
        to += (low[i] + first * step) * plan.to_stride[i];
        from += first * stride[i];
        plan.dim[i] = end - first;
        plan.to_stride[i] = end - first == 1 ? 0 : step * plan.to_stride[i];
        plan.from_stride[i] = stride[i];
    }
    copy_plan(&plan);
    copy_run(&plan, (char *)c->result->data + to, (const char *)x->data + from);
    return STATUS_OK;
}

/* ---- blocks at places known late ---- */

/* Byte offset of a block inside x, its starts (i64 [rank]) clamped so that it fits. */
static Status block_offset(const EvalContext *c, const HostArray *x, const HostArray *block, const HostArray *starts,
                           const int64_t *stride, int64_t *offset)
{
    int64_t start[MAX_RANK];
    if (host_array_size(starts) != x->rank || block->rank != x->rank)
        return eval_fail(c, STATUS_INVALID, "one start for each of %u axes is due", x->rank);
    load_integers(starts, 0, x->rank, start);
    *offset = 0;
    for (uint32_t i = 0; i < x->rank; i++) {
        const int64_t room = x->dim[i] - block->dim[i];
        if (room < 0)
            return eval_fail(c, STATUS_INVALID, "axis %u: a block of %lld doesn't fit into %lld", i,
                             (long long)block->dim[i], (long long)x->dim[i]);
        const int64_t at = start[i] < 0 ? 0 : start[i] > room ? room : start[i];
        *offset += at * stride[i];
    }
    return STATUS_OK;
}

Status eval_dynamic_slice(EvalContext *c)
{
    const HostArray *x = &c->operand[0];
    CopyPlan plan = plan_of_result(c->result);
    int64_t offset = 0;
    strides_of(x, plan.from_stride);
    TRY(block_offset(c, x, c->result, &c->operand[1], plan.from_stride, &offset));
    return copy_into_result(c, &plan, offset);
}

Status eval_dynamic_update(EvalContext *c)
{
    const HostArray *x = &c->operand[0], *block = &c->operand[1];
    CopyPlan plan = {.rank = x->rank, .bytes = element_info[x->element].bytes};
    int64_t offset = 0;
    memcpy(plan.dim, block->dim, sizeof plan.dim);
    strides_of(x, plan.to_stride);
    strides_of(block, plan.from_stride);
    TRY(block_offset(c, x, block, &c->operand[2], plan.to_stride, &offset));
    memcpy(c->result->data, x->data, host_array_bytes(x));
    if (host_array_size(block) == 0)
        return STATUS_OK;
    copy_plan(&plan);
    copy_run(&plan, (char *)c->result->data + offset, block->data);
    return STATUS_OK;
}
