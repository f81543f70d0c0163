/* SPDX-License-Identifier: Apache-2.0
 * What is known of small integer arrays while importing: shapes and what models compute from them.
 * It is read off the IR, one rule an op, in the order values are added: so every ONNX op that is made of these ops is
 * followed, however a model spells its shape arithmetic. An array is known as dimension expressions, or not at all. */
#include <string.h>

#include "frontend/onnx/importer.h"
#include "ir/base/vec.h"

typedef struct Follow {
    Importer *importer;
    Module *module;
    const Graph *graph;
    const Known *known;
    const Node *node;
    Type type; /* of the result, static, `count` elements */
    uint32_t count;
    Dim *out; /* count of them */
} Follow;

typedef bool KnownRule(Follow *f);

static Type operand_type(const Follow *f, uint32_t index)
{
    return value_type(f->graph, f->node->operand[index]);
}

static const Dim *operand(const Follow *f, uint32_t index)
{
    return f->known[f->node->operand[index].id].dim;
}

static bool small_static(Type type, uint32_t *count)
{
    const int64_t size = type_is_static(type) ? type_static_size(type) : -1;
    *count = (uint32_t)size;
    return size >= 0 && size <= KNOWN_MAX;
}

/* ---- sources ---- */

static int64_t element_at(const uint8_t *data, ElementType element, uint32_t index)
{
    int64_t wide;
    int32_t narrow;
    const size_t bytes = element_info[element].bytes;
    if (bytes == 8) {
        memcpy(&wide, data + index * bytes, bytes);
        return wide;
    }
    if (bytes == 4) {
        memcpy(&narrow, data + index * bytes, bytes);
        return narrow;
    }
    return data[index];
}

static bool known_constant(Follow *f)
{
    const uint8_t *data = constant_data(f->module, node_constant(f->node, ATTR_value));
    for (uint32_t i = 0; i < f->count; i++)
        f->out[i] = dim_constant(element_at(data, f->type.element, i));
    return true;
}

static bool known_dimension(Follow *f)
{
    f->out[0] = node_dim(f->node, ATTR_size);
    return true;
}

/* Multi-index of a row-major position. */
static void split_index(Type type, uint32_t at, int64_t *index)
{
    for (uint32_t axis = type.rank; axis-- > 0;) {
        index[axis] = at % type.dim[axis].constant;
        at = (uint32_t)(at / type.dim[axis].constant);
    }
}

static uint32_t join_index(Type type, const int64_t *index)
{
    uint32_t at = 0;
    for (uint32_t axis = 0; axis < type.rank; axis++)
        at = at * (uint32_t)type.dim[axis].constant + (uint32_t)index[axis];
    return at;
}

static bool known_iota(Follow *f)
{
    int64_t index[MAX_RANK];
    for (uint32_t i = 0; i < f->count; i++) {
        split_index(f->type, i, index);
        f->out[i] = dim_constant(index[node_integer(f->node, ATTR_axis)]);
    }
    return true;
}

/* ---- movement ---- */

static bool known_same(Follow *f)
{
    memcpy(f->out, operand(f, 0), f->count * sizeof *f->out);
    return true;
}

static bool known_broadcast(Follow *f)
{
    uint32_t count;
    const int64_t *axes = node_integers(f->node, ATTR_axes, &count);
    const Type from = operand_type(f, 0);
    int64_t index[MAX_RANK], source[MAX_RANK];
    for (uint32_t i = 0; i < f->count; i++) {
        split_index(f->type, i, index);
        for (uint32_t k = 0; k < from.rank; k++)
            source[k] = dim_is(from.dim[k], 1) ? 0 : index[axes[k]];
        f->out[i] = operand(f, 0)[join_index(from, source)];
    }
    return true;
}

static bool known_transpose(Follow *f)
{
    uint32_t count;
    const int64_t *permutation = node_integers(f->node, ATTR_permutation, &count);
    const Type from = operand_type(f, 0);
    int64_t index[MAX_RANK], source[MAX_RANK];
    for (uint32_t i = 0; i < f->count; i++) {
        split_index(f->type, i, index);
        for (uint32_t k = 0; k < f->type.rank; k++)
            source[permutation[k]] = index[k];
        f->out[i] = operand(f, 0)[join_index(from, source)];
    }
    return true;
}

static bool known_slice(Follow *f)
{
    uint32_t count;
    const Dim *starts = node_dims(f->node, ATTR_starts, &count);
    const int64_t *strides = node_integers(f->node, ATTR_strides, &count);
    int64_t index[MAX_RANK];
    for (uint32_t k = 0; k < f->type.rank; k++)
        if (!dim_is_constant(starts[k]))
            return false;
    for (uint32_t i = 0; i < f->count; i++) {
        split_index(f->type, i, index);
        for (uint32_t k = 0; k < f->type.rank; k++)
            index[k] = starts[k].constant + index[k] * strides[k];
        f->out[i] = operand(f, 0)[join_index(operand_type(f, 0), index)];
    }
    return true;
}

static bool known_reverse(Follow *f)
{
    uint32_t count;
    const int64_t *axes = node_integers(f->node, ATTR_axes, &count);
    int64_t index[MAX_RANK];
    for (uint32_t i = 0; i < f->count; i++) {
        split_index(f->type, i, index);
        for (uint32_t k = 0; k < count; k++)
            index[axes[k]] = f->type.dim[axes[k]].constant - 1 - index[axes[k]];
        f->out[i] = operand(f, 0)[join_index(f->type, index)];
    }
    return true;
}

static bool known_concatenate(Follow *f)
{
    const int64_t axis = node_integer(f->node, ATTR_axis);
    int64_t index[MAX_RANK];
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t part = 0;
        split_index(f->type, i, index);
        while (index[axis] >= operand_type(f, part).dim[axis].constant)
            index[axis] -= operand_type(f, part++).dim[axis].constant;
        f->out[i] = operand(f, part)[join_index(operand_type(f, part), index)];
    }
    return true;
}

/* Lookups in a vector. */
static bool known_gather(Follow *f)
{
    const Type from = operand_type(f, 0), indices = operand_type(f, 1);
    if (from.rank != 1 || node_integer(f->node, ATTR_batch_count) != 0 || !dim_is(indices.dim[indices.rank - 1], 1))
        return false;
    const int64_t length = from.dim[0].constant;
    for (uint32_t i = 0; i < f->count; i++) {
        const Dim at = operand(f, 1)[i];
        const int64_t index = at.constant < 0 ? at.constant + length : at.constant;
        if (!dim_is_constant(at) || index < 0 || index >= length)
            return false;
        f->out[i] = operand(f, 0)[index];
    }
    return true;
}

static bool known_take_along(Follow *f)
{
    const Type from = operand_type(f, 0);
    const int64_t axis = node_integer(f->node, ATTR_axis), length = from.dim[axis].constant;
    int64_t index[MAX_RANK];
    for (uint32_t i = 0; i < f->count; i++) {
        const Dim at = operand(f, 1)[i];
        split_index(f->type, i, index);
        index[axis] = at.constant < 0 ? at.constant + length : at.constant;
        if (!dim_is_constant(at) || index[axis] < 0 || index[axis] >= length)
            return false;
        f->out[i] = operand(f, 0)[join_index(from, index)];
    }
    return true;
}

static bool known_pad(Follow *f)
{
    uint32_t count;
    const Dim *low = node_dims(f->node, ATTR_low, &count);
    const int64_t *interior = node_integers(f->node, ATTR_interior, &count);
    const Type from = operand_type(f, 0);
    int64_t index[MAX_RANK];
    for (uint32_t i = 0; i < f->count; i++) {
        bool inside = true;
        split_index(f->type, i, index);
        for (uint32_t k = 0; k < from.rank; k++) {
            if (!dim_is_constant(low[k]))
                return false;
            index[k] -= low[k].constant;
            inside = inside && index[k] >= 0 && index[k] % (interior[k] + 1) == 0;
            index[k] /= interior[k] + 1;
            inside = inside && index[k] < from.dim[k].constant;
        }
        f->out[i] = inside ? operand(f, 0)[join_index(from, index)] : operand(f, 1)[0];
    }
    return true;
}

/* ---- arithmetic ---- */

static bool known_cast(Follow *f)
{
    const ElementType from = operand_type(f, 0).element;
    for (uint32_t i = 0; i < f->count; i++) {
        const Dim x = operand(f, 0)[i];
        if (f->type.element == ELEMENT_bool && from != ELEMENT_bool) {
            int64_t min, max;
            dim_bounds(f->module, x, &min, &max);
            if (!dim_is_constant(x) && min <= 0 && max >= 0)
                return false;
            f->out[i] = dim_constant(!dim_is(x, 0));
        } else {
            const bool fits =
                f->type.element == ELEMENT_i64 || !dim_is_constant(x) || x.constant == (int32_t)x.constant;
            if (!fits)
                return false;
            f->out[i] = x;
        }
    }
    return true;
}

/* The other operand is known by its bounds not to be negative. */
static bool not_negative(const Follow *f, Dim dim)
{
    int64_t min, max;
    dim_bounds(f->module, dim, &min, &max);
    return min >= 0;
}

static bool combine(Follow *f, Dim x, Dim y, Dim *out)
{
    int64_t x_min, x_max, y_min, y_max;
    const bool numbers = dim_is_constant(x) && dim_is_constant(y);
    const bool plain = not_negative(f, x) && not_negative(f, y) && !dim_is(y, 0);
    dim_bounds(f->module, x, &x_min, &x_max);
    dim_bounds(f->module, y, &y_min, &y_max);
    switch (f->node->op) {
    case OP_add:
        *out = dim_add(f->module, x, y);
        return true;
    case OP_sub:
        *out = dim_sub(f->module, x, y);
        return true;
    case OP_mul:
        *out = dim_mul(f->module, x, y);
        return true;
    case OP_max:
        *out = dim_max(f->module, x, y);
        return true;
    case OP_min:
        *out = dim_min(f->module, x, y);
        return true;
    case OP_div:
        if (numbers && y.constant != 0 && y.constant != -1)
            *out = dim_constant(x.constant / y.constant);
        else if (plain)
            *out = dim_floor_div(f->module, x, y);
        return (numbers && y.constant != 0 && y.constant != -1) || plain;
    case OP_remainder:
    case OP_fmod:
        if (plain)
            *out = dim_mod(f->module, x, y);
        return plain;
    case OP_and:
        *out = dim_constant(x.constant & y.constant);
        return numbers;
    case OP_or:
        *out = dim_constant(x.constant | y.constant);
        return numbers;
    case OP_equal:
    case OP_not_equal:
        *out = dim_constant(dim_equal(x, y) == (f->node->op == OP_equal));
        return dim_equal(x, y) || x_max < y_min || y_max < x_min;
    case OP_less:
    case OP_greater_equal:
        *out = dim_constant((x_max < y_min) == (f->node->op == OP_less));
        return x_max < y_min || x_min >= y_max || numbers;
    case OP_greater:
    case OP_less_equal:
        *out = dim_constant((x_min > y_max) == (f->node->op == OP_greater));
        return x_min > y_max || x_max <= y_min || numbers;
    default:
        return false;
    }
}

static bool known_binary(Follow *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (!combine(f, operand(f, 0)[i], operand(f, 1)[i], &f->out[i]))
            return false;
    return true;
}

static bool known_neg(Follow *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        f->out[i] = dim_sub(f->module, dim_constant(0), operand(f, 0)[i]);
    return true;
}

static bool known_abs(Follow *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        f->out[i] = operand(f, 0)[i];
        if (!not_negative(f, f->out[i]))
            return false;
    }
    return true;
}

static bool known_not(Follow *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        f->out[i] = dim_constant(!operand(f, 0)[i].constant);
        if (f->type.element != ELEMENT_bool || !dim_is_constant(operand(f, 0)[i]))
            return false;
    }
    return true;
}

static bool known_select(Follow *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const Dim condition = operand(f, 0)[i];
        if (!dim_is_constant(condition))
            return false;
        f->out[i] = operand(f, condition.constant ? 1 : 2)[i];
    }
    return true;
}

/* Over all axes. */
static bool known_reduce(Follow *f)
{
    uint32_t count;
    const Type from = operand_type(f, 0);
    if (f->type.rank != 0 || !small_static(from, &count) || count == 0)
        return false;
    Dim total = operand(f, 0)[0];
    for (uint32_t i = 1; i < count; i++) {
        const Dim x = operand(f, 0)[i];
        total = f->node->op == OP_reduce_sum    ? dim_add(f->module, total, x)
                : f->node->op == OP_reduce_prod ? dim_mul(f->module, total, x)
                : f->node->op == OP_reduce_max  ? dim_max(f->module, total, x)
                                                : dim_min(f->module, total, x);
    }
    f->out[0] = total;
    return true;
}

static KnownRule *const known_rule[OP_COUNT] = {
    [OP_constant] = known_constant,
    [OP_dimension] = known_dimension,
    [OP_iota] = known_iota,
    [OP_reshape] = known_same,
    [OP_broadcast] = known_broadcast,
    [OP_transpose] = known_transpose,
    [OP_slice] = known_slice,
    [OP_reverse] = known_reverse,
    [OP_concatenate] = known_concatenate,
    [OP_gather] = known_gather,
    [OP_take_along] = known_take_along,
    [OP_pad] = known_pad,
    [OP_cast] = known_cast,
    [OP_add] = known_binary,
    [OP_sub] = known_binary,
    [OP_mul] = known_binary,
    [OP_div] = known_binary,
    [OP_remainder] = known_binary,
    [OP_fmod] = known_binary,
    [OP_max] = known_binary,
    [OP_min] = known_binary,
    [OP_and] = known_binary,
    [OP_or] = known_binary,
    [OP_equal] = known_binary,
    [OP_not_equal] = known_binary,
    [OP_less] = known_binary,
    [OP_less_equal] = known_binary,
    [OP_greater] = known_binary,
    [OP_greater_equal] = known_binary,
    [OP_neg] = known_neg,
    [OP_abs] = known_abs,
    [OP_not] = known_not,
    [OP_select] = known_select,
    [OP_reduce_sum] = known_reduce,
    [OP_reduce_prod] = known_reduce,
    [OP_reduce_max] = known_reduce,
    [OP_reduce_min] = known_reduce,
    [OP_bind_dimension] = known_same,
};

/* ---- sheets ---- */

static bool follows(ElementType element)
{
    return element == ELEMENT_i64 || element == ELEMENT_i32 || element == ELEMENT_bool;
}

static const Dim *follow_value(Importer *importer, const Sheet *sheet, Value value)
{
    Follow f = {.importer = importer, .module = importer->module, .graph = sheet->graph, .known = sheet->known};
    f.type = value_type(sheet->graph, value);
    f.node = graph_definition(sheet->graph, value);
    KnownRule *rule = known_rule[f.node->op];
    if (follows(f.type.element) && type_is_static(f.type) && type_static_size(f.type) == 0)
        return ARENA_NEW(&importer->arena, Dim, 1); /* nothing in it: known */
    if (!rule || !follows(f.type.element) || !small_static(f.type, &f.count))
        return NULL;
    for (uint32_t i = 0; i < f.node->operand_count; i++)
        if (!sheet->known[f.node->operand[i].id].dim)
            return NULL;
    f.out = ARENA_NEW(&importer->arena, Dim, f.count);
    return f.out && rule(&f) ? f.out : NULL;
}

Sheet *sheet_create(Importer *importer, Graph *graph)
{
    Sheet *sheet = ARENA_NEW(&importer->arena, Sheet, 1);
    if (sheet)
        *sheet = (Sheet){.graph = graph};
    return sheet;
}

void sheet_update(Importer *importer, Sheet *sheet)
{
    const uint32_t count = sheet->graph->value_count;
    if (!vec_reserve(&importer->arena, (void **)&sheet->known, &sheet->known_capacity, count, sizeof *sheet->known)) {
        module_fail(importer->module, STATUS_OUT_OF_MEMORY, importer->file_name, "out of memory");
        return;
    }
    if (sheet->known_count == 0 && count > 0)
        sheet->known[sheet->known_count++].dim = NULL;
    for (; sheet->known_count < count; sheet->known_count++) {
        const Value value = {sheet->known_count};
        sheet->known[value.id].dim = follow_value(importer, sheet, value);
    }
}

void sheet_set_known(Importer *importer, Sheet *sheet, Value value, const Dim *dim)
{
    sheet_update(importer, sheet);
    if (value.id < sheet->known_count)
        sheet->known[value.id].dim = dim;
}
