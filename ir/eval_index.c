/* SPDX-License-Identifier: Apache-2.0
 * Eval rules that read or write at places indices name: gather, scatter, take_along, put_along.
 * A lookup picks a window of the array (all axes that are neither indexed nor batch axes); windows move by strided
 * copies. */
#include "ir/eval.h"

#include <string.h>

typedef enum { INDEX_ERROR, INDEX_CLAMP, INDEX_FILL } IndexMode;

static Status read_index_mode(const EvalContext *c, IndexMode *mode)
{
    static const char *const name[] = {[INDEX_ERROR] = "error", [INDEX_CLAMP] = "clamp", [INDEX_FILL] = "fill"};
    const char *text = node_string(c->node, ATTR_index_mode);
    for (uint32_t i = 0; i < sizeof name / sizeof *name; i++)
        if (strcmp(text, name[i]) == 0) {
            *mode = (IndexMode)i;
            return STATUS_OK;
        }
    return eval_fail(c, STATUS_INVALID, "index_mode \"%s\" is none of error, clamp, fill", text);
}

/* The op that combines updates; OP_NONE for plain writes. */
static Status read_reduction(const EvalContext *c, OpKind *reduction)
{
    static const OpKind known[] = {OP_add, OP_mul, OP_max, OP_min};
    const char *text = node_string(c->node, ATTR_reduction);
    *reduction = OP_NONE;
    if (strcmp(text, "none") == 0)
        return STATUS_OK;
    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(text, op_info[known[i]].name) == 0) {
            *reduction = known[i];
            if (element_info[c->result->element].kind == KIND_COMPLEX)
                return eval_fail(c, STATUS_UNSUPPORTED, "the interpreter can't combine complex elements");
            return STATUS_OK;
        }
    return eval_fail(c, STATUS_INVALID, "reduction \"%s\" is none of none, add, mul, max, min", text);
}

/* Turns an index into a place on an axis of that size; *skipped when mode is fill and there is none. */
static Status resolve_index(const EvalContext *c, IndexMode mode, int64_t size, int64_t *index, bool *skipped)
{
    const int64_t given = *index;
    if (given < 0)
        *index += size;
    if (*index >= 0 && *index < size)
        return STATUS_OK;
    if (mode == INDEX_FILL) {
        *skipped = true;
        return STATUS_OK;
    }
    if (mode == INDEX_ERROR || size == 0)
        return eval_fail(c, STATUS_INVALID, "index %lld is out of range for an axis of size %lld", (long long)given,
                         (long long)size);
    *index = *index < 0 ? 0 : size - 1;
    return STATUS_OK;
}

/* ---- gather and scatter ---- */

typedef struct Lookups {
    IndexMode mode;
    uint32_t index_count; /* indices of one lookup */
    const int64_t *axis;  /* index_count of them */
    uint32_t batch_count;
    int64_t stride[MAX_RANK]; /* of x, in bytes */
    int64_t batch_dim[MAX_RANK];
    int64_t batches, per_batch; /* lookups of one batch */
    int64_t window_bytes;
    CopyPlan read, write; /* window of x to dense memory, and back */
    const int64_t *index; /* all indices */
    void *window;         /* room for one, when updates are combined */
} Lookups;

static bool is_indexed(const Lookups *l, uint32_t axis)
{
    for (uint32_t i = 0; i < l->index_count; i++)
        if (l->axis[i] == axis)
            return true;
    return axis < l->batch_count;
}

static void plan_windows(Lookups *l, const HostArray *x)
{
    CopyPlan *read = &l->read;
    read->bytes = element_info[x->element].bytes;
    for (uint32_t i = 0; i < x->rank; i++)
        if (!is_indexed(l, i)) {
            read->dim[read->rank] = x->dim[i];
            read->from_stride[read->rank++] = l->stride[i];
        }
    row_major_strides(read->rank, read->dim, read->bytes, read->to_stride);
    l->window_bytes = (int64_t)read->bytes;
    for (uint32_t i = 0; i < read->rank; i++)
        l->window_bytes *= read->dim[i];
    l->write = *read;
    memcpy(l->write.to_stride, read->from_stride, sizeof read->from_stride);
    memcpy(l->write.from_stride, read->to_stride, sizeof read->to_stride);
    copy_plan(&l->read);
    copy_plan(&l->write);
}

/* indices: [batch…, lookups…, index_count] */
static Status count_lookups(const EvalContext *c, Lookups *l, const HostArray *x, const HostArray *indices)
{
    if (indices->rank < l->batch_count + 1 || indices->dim[indices->rank - 1] != l->index_count ||
        x->rank < l->batch_count)
        return eval_fail(c, STATUS_INVALID, "indices have the wrong shape");
    for (uint32_t i = 0; i < l->index_count; i++)
        if (l->axis[i] < l->batch_count || l->axis[i] >= x->rank)
            return eval_fail(c, STATUS_INVALID, "axis %lld can't be indexed", (long long)l->axis[i]);
    l->batches = l->per_batch = 1;
    for (uint32_t i = 0; i < l->batch_count; i++) {
        if (indices->dim[i] != x->dim[i])
            return eval_fail(c, STATUS_INVALID, "batch axis %u differs between array and indices", i);
        l->batch_dim[i] = x->dim[i];
        l->batches *= x->dim[i];
    }
    for (uint32_t i = l->batch_count; i + 1 < indices->rank; i++)
        l->per_batch *= indices->dim[i];
    return STATUS_OK;
}

static Status read_lookups(const EvalContext *c, Lookups *l)
{
    const HostArray *x = &c->operand[0], *indices = &c->operand[1];
    *l = (Lookups){0};
    TRY(read_index_mode(c, &l->mode));
    l->axis = node_integers(c->node, ATTR_axes, &l->index_count);
    const int64_t batch_count = node_integer(c->node, ATTR_batch_count);
    if (batch_count < 0 || batch_count > MAX_RANK)
        return eval_fail(c, STATUS_INVALID, "batch_count is %lld", (long long)batch_count);
    l->batch_count = (uint32_t)batch_count;
    row_major_strides(x->rank, x->dim, element_info[x->element].bytes, l->stride);
    TRY(count_lookups(c, l, x, indices));
    plan_windows(l, x);
    l->index = load_all_integers(c, indices);
    return l->index == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

/* Byte offset in x of lookup number `at`, its batch starting at batch_offset. */
static Status find_window(const EvalContext *c, const Lookups *l, int64_t at, int64_t batch_offset, int64_t *offset,
                          bool *skipped)
{
    *offset = batch_offset;
    *skipped = false;
    for (uint32_t k = 0; k < l->index_count; k++) {
        int64_t index = l->index[at * l->index_count + k];
        TRY(resolve_index(c, l->mode, c->operand[0].dim[l->axis[k]], &index, skipped));
        if (*skipped)
            return STATUS_OK;
        *offset += index * l->stride[l->axis[k]];
    }
    return STATUS_OK;
}

/* What is done with a window: lookup number `at`, its place in x. */
typedef Status VisitWindow(const EvalContext *c, const Lookups *l, OpKind reduction, int64_t at, int64_t offset);

static Status visit_windows(const EvalContext *c, const Lookups *l, OpKind reduction, VisitWindow *visit)
{
    int64_t batch[MAX_RANK] = {0}, at = 0;
    if (l->batches == 0 || l->per_batch == 0)
        return STATUS_OK;
    do {
        int64_t batch_offset = 0;
        for (uint32_t i = 0; i < l->batch_count; i++)
            batch_offset += batch[i] * l->stride[i];
        for (int64_t i = 0; i < l->per_batch; i++, at++) {
            int64_t offset;
            bool skipped;
            TRY(find_window(c, l, at, batch_offset, &offset, &skipped));
            if (!skipped)
                TRY(visit(c, l, reduction, at, offset));
        }
    } while (index_step(l->batch_count, l->batch_dim, batch));
    return STATUS_OK;
}

static Status check_updates(const EvalContext *c, const Lookups *l, const HostArray *updates)
{
    if ((int64_t)host_array_bytes(updates) != l->batches * l->per_batch * l->window_bytes)
        return eval_fail(c, STATUS_INVALID, "windows and lookups don't add up to the shape stated");
    return STATUS_OK;
}

static Status read_window(const EvalContext *c, const Lookups *l, OpKind reduction, int64_t at, int64_t offset)
{
    (void)reduction;
    if (l->window_bytes > 0)
        copy_run(&l->read, (char *)c->result->data + at * l->window_bytes, (const char *)c->operand[0].data + offset);
    return STATUS_OK;
}

Status eval_gather(EvalContext *c)
{
    Lookups lookups;
    TRY(read_lookups(c, &lookups));
    TRY(check_updates(c, &lookups, c->result));
    return visit_windows(c, &lookups, OP_NONE, read_window);
}

/* to[i] = to[i] reduction from[i] over dense arrays of one type. */
static void combine_arrays(OpKind reduction, const HostArray *to, const HostArray *from, int64_t count)
{
    const bool without_sign = is_unsigned(to->element);
    for (int64_t start = 0; start < count; start += EVAL_CHUNK) {
        const int64_t n = count - start < EVAL_CHUNK ? count - start : EVAL_CHUNK;
        if (element_is_floating(to->element)) {
            double x[EVAL_CHUNK], y[EVAL_CHUNK];
            load_doubles(to, start, n, x);
            load_doubles(from, start, n, y);
            for (int64_t i = 0; i < n; i++)
                x[i] = combine_doubles(reduction, x[i], y[i]);
            store_doubles(to, start, n, x);
        } else {
            int64_t x[EVAL_CHUNK], y[EVAL_CHUNK];
            load_integers(to, start, n, x);
            load_integers(from, start, n, y);
            for (int64_t i = 0; i < n; i++)
                x[i] = combine_integers(reduction, without_sign, x[i], y[i]);
            store_integers(to, start, n, x);
        }
    }
}

static Status write_window(const EvalContext *c, const Lookups *l, OpKind reduction, int64_t at, int64_t offset)
{
    if (l->window_bytes == 0)
        return STATUS_OK;
    char *place = (char *)c->result->data + offset;
    HostArray update = c->operand[2];
    update.data = (char *)update.data + at * l->window_bytes;
    if (reduction == OP_NONE) {
        copy_run(&l->write, place, update.data);
        return STATUS_OK;
    }
    HostArray window = {.element = update.element, .data = l->window};
    copy_run(&l->read, window.data, place);
    combine_arrays(reduction, &window, &update, l->window_bytes / element_info[update.element].bytes);
    copy_run(&l->write, place, window.data);
    return STATUS_OK;
}

Status eval_scatter(EvalContext *c)
{
    Lookups lookups;
    OpKind reduction;
    TRY(read_reduction(c, &reduction));
    TRY(read_lookups(c, &lookups));
    TRY(check_updates(c, &lookups, &c->operand[2]));
    lookups.window = eval_scratch(c, lookups.window_bytes, 1);
    if (lookups.window == NULL)
        return STATUS_OUT_OF_MEMORY;
    memcpy(c->result->data, c->operand[0].data, host_array_bytes(c->result));
    return visit_windows(c, &lookups, reduction, write_window);
}

/* ---- along one axis ---- */

typedef struct Along {
    IndexMode mode;
    uint32_t axis;
    int64_t stride[MAX_RANK];
    const int64_t *index;
} Along;

static Status read_along(const EvalContext *c, Along *along)
{
    const HostArray *x = &c->operand[0], *indices = &c->operand[1];
    TRY(read_index_mode(c, &along->mode));
    TRY(eval_axis(c, x->rank, &along->axis));
    if (indices->rank != x->rank)
        return eval_fail(c, STATUS_INVALID, "indices have %u axes, %u are due", indices->rank, x->rank);
    for (uint32_t i = 0; i < x->rank; i++)
        if (i != along->axis && indices->dim[i] > x->dim[i])
            return eval_fail(c, STATUS_INVALID, "indices are larger than the array on axis %u", i);
    row_major_strides(x->rank, x->dim, element_info[x->element].bytes, along->stride);
    along->index = load_all_integers(c, indices);
    return along->index == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

/* Byte offset in x of the element that indices name at `position`. */
static Status find_element(const EvalContext *c, const Along *along, const int64_t *position, int64_t at,
                           int64_t *offset, bool *skipped)
{
    const HostArray *x = &c->operand[0];
    int64_t index = along->index[at];
    *skipped = false;
    *offset = 0;
    TRY(resolve_index(c, along->mode, x->dim[along->axis], &index, skipped));
    for (uint32_t i = 0; i < x->rank && !*skipped; i++)
        *offset += (i == along->axis ? index : position[i]) * along->stride[i];
    return STATUS_OK;
}

Status eval_take_along(EvalContext *c)
{
    const HostArray *indices = &c->operand[1];
    const size_t bytes = element_info[c->result->element].bytes;
    int64_t position[MAX_RANK] = {0}, at = 0;
    Along along;
    TRY(read_along(c, &along));
    if (host_array_size(indices) == 0)
        return STATUS_OK;
    do {
        int64_t offset;
        bool skipped;
        TRY(find_element(c, &along, position, at, &offset, &skipped));
        if (!skipped)
            memcpy((char *)c->result->data + (size_t)at * bytes, (const char *)c->operand[0].data + offset, bytes);
        at++;
    } while (index_step(indices->rank, indices->dim, position));
    return STATUS_OK;
}

Status eval_put_along(EvalContext *c)
{
    const HostArray *indices = &c->operand[1];
    const size_t bytes = element_info[c->result->element].bytes;
    int64_t position[MAX_RANK] = {0}, at = 0;
    OpKind reduction;
    Along along;
    TRY(read_reduction(c, &reduction));
    TRY(read_along(c, &along));
    memcpy(c->result->data, c->operand[0].data, host_array_bytes(c->result));
    if (host_array_size(indices) == 0)
        return STATUS_OK;
    do {
        int64_t offset;
        bool skipped;
        TRY(find_element(c, &along, position, at, &offset, &skipped));
        const HostArray to = {.element = c->result->element, .data = (char *)c->result->data + offset};
        const HostArray from = {.element = to.element, .data = (char *)c->operand[2].data + (size_t)at * bytes};
        if (!skipped && reduction == OP_NONE)
            memcpy(to.data, from.data, bytes);
        else if (!skipped)
            combine_arrays(reduction, &to, &from, 1);
        at++;
    } while (index_step(indices->rank, indices->dim, position));
    return STATUS_OK;
}
