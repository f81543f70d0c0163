/* SPDX-License-Identifier: Apache-2.0
 * What rules ask of the node they import: operands, attributes, known values, axes and shapes. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frontend/onnx/importer.h"

/* ---- failing ---- */

static void site_report(Site *s, Status status, const char *format, va_list arguments)
{
    char text[512];
    if (s->failed)
        return;
    vsnprintf(text, sizeof text, format, arguments);
    s->failed = true;
    import_fail(s->importer, status, location_text(s->importer->module, s->builder.location), "%s", text);
}

void site_unsupported(Site *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    site_report(s, STATUS_UNSUPPORTED, format, arguments);
    va_end(arguments);
}

void site_invalid(Site *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    site_report(s, STATUS_INVALID, format, arguments);
    va_end(arguments);
}

bool site_failed(const Site *s)
{
    return s->failed || s->importer->module->status != STATUS_OK;
}

/* ---- operands ---- */

bool site_has(const Site *s, uint32_t index)
{
    return index < s->input_count && s->input[index].id != 0;
}

Value site_input(const Site *s, uint32_t index)
{
    return index < s->input_count ? s->input[index] : (Value){0};
}

Type site_type_of(const Site *s, Value value)
{
    return value.id ? value_type(s->builder.graph, value) : (Type){ELEMENT_f32, 0, NULL};
}

Type site_type(const Site *s, uint32_t index)
{
    return site_type_of(s, site_input(s, index));
}

uint32_t site_rank(const Site *s, uint32_t index)
{
    return site_type(s, index).rank;
}

bool site_has_output(const Site *s, uint32_t index)
{
    return index < s->output_count && *s->proto->output[index];
}

void site_give(Site *s, uint32_t index, Value value)
{
    if (index < s->output_count)
        s->output[index] = value;
}

/* ---- attributes ---- */

static const Onnx__AttributeProto *find_attribute(Onnx__AttributeProto *const *attribute, size_t count,
                                                  const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(onnx_text(attribute[i]->name), name) == 0)
            return attribute[i];
    return NULL;
}

/* An attribute of a function body may stand for one of the calling node, or for the function's default. */
const Onnx__AttributeProto *site_attribute(const Site *s, const char *name)
{
    const Onnx__AttributeProto *found = find_attribute(s->proto->attribute, s->proto->n_attribute, name);
    for (const Scope *scope = s->scope; found && *onnx_text(found->ref_attr_name) && scope && scope->call;
         scope = scope->call->scope) {
        const char *outer = found->ref_attr_name;
        const Onnx__NodeProto *call = scope->call->proto;
        const Onnx__AttributeProto *given = find_attribute(call->attribute, call->n_attribute, outer);
        if (!given)
            return find_attribute(scope->function->attribute_proto, scope->function->n_attribute_proto, outer);
        found = given;
    }
    return found && *onnx_text(found->ref_attr_name) ? NULL : found;
}

bool site_has_attribute(const Site *s, const char *name)
{
    return site_attribute(s, name) != NULL;
}

int64_t site_integer(const Site *s, const char *name, int64_t otherwise)
{
    const Onnx__AttributeProto *attribute = site_attribute(s, name);
    return attribute ? attribute->i : otherwise;
}

double site_real(const Site *s, const char *name, double otherwise)
{
    const Onnx__AttributeProto *attribute = site_attribute(s, name);
    return attribute ? (double)attribute->f : otherwise;
}

const char *site_string(const Site *s, const char *name, const char *otherwise)
{
    const Onnx__AttributeProto *attribute = site_attribute(s, name);
    if (!attribute)
        return otherwise;
    char *text = arena_alloc(&s->importer->arena, attribute->s.len + 1);
    if (!text)
        return otherwise;
    if (attribute->s.len)
        memcpy(text, attribute->s.data, attribute->s.len);
    return text;
}

bool site_string_is(const Site *s, const char *name, const char *otherwise, const char *text)
{
    return strcmp(site_string(s, name, otherwise), text) == 0;
}

const int64_t *site_integers(const Site *s, const char *name, uint32_t *count)
{
    static const int64_t none = 0;
    const Onnx__AttributeProto *attribute = site_attribute(s, name);
    *count = attribute ? (uint32_t)attribute->n_ints : 0;
    if (!attribute)
        return NULL;
    return attribute->n_ints ? attribute->ints : &none;
}

const Dim *site_attribute_dims(Site *s, const char *name, uint32_t *count)
{
    const int64_t *integer = site_integers(s, name, count);
    Dim *dim = integer ? SITE_NEW(s, Dim, *count) : NULL;
    for (uint32_t i = 0; dim && i < *count; i++)
        dim[i] = dim_constant(integer[i]);
    return dim;
}

const float *site_reals(const Site *s, const char *name, uint32_t *count)
{
    static const float none = 0;
    const Onnx__AttributeProto *attribute = site_attribute(s, name);
    *count = attribute ? (uint32_t)attribute->n_floats : 0;
    if (!attribute)
        return NULL;
    return attribute->n_floats ? attribute->floats : &none;
}

const Onnx__GraphProto *site_graph(const Site *s, const char *name)
{
    const Onnx__AttributeProto *attribute = site_attribute(s, name);
    return attribute ? attribute->g : NULL;
}

Value site_tensor_attribute(Site *s, const Onnx__TensorProto *tensor)
{
    ConstantId constant;
    const char *where = location_text(s->importer->module, s->builder.location);
    if (model_file_constant(&s->importer->file, tensor, where, &constant) != STATUS_OK)
        return (Value){0};
    return build_constant(&s->builder, constant);
}

/* ---- memory ---- */

void *site_alloc(Site *s, size_t count, size_t size)
{
    void *memory = arena_alloc_array(&s->importer->arena, count, size);
    if (!memory)
        module_fail(s->importer->module, STATUS_OUT_OF_MEMORY, s->importer->file_name, "out of memory");
    return memory;
}

Dim *site_copy_dims(Site *s, const Dim *dim, uint32_t count)
{
    Dim *copy = SITE_NEW(s, Dim, count);
    if (copy && count)
        memcpy(copy, dim, count * sizeof *dim);
    return copy;
}

/* ---- constants ---- */

Value site_vector(Site *s, const int64_t *value, uint32_t count)
{
    const int64_t dim = count;
    Module *module = s->importer->module;
    return build_constant(&s->builder, constant_copy(module, type_make_static(module, ELEMENT_i64, &dim, 1), value));
}

static bool all_numbers(const Dim *dim, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!dim_is_constant(dim[i]))
            return false;
    return true;
}

Value site_dims_vector(Site *s, const Dim *dim, uint32_t count)
{
    const Dim one = dim_constant(1);
    if (all_numbers(dim, count)) {
        int64_t *number = SITE_NEW(s, int64_t, count);
        for (uint32_t i = 0; number && i < count; i++)
            number[i] = dim[i].constant;
        return number ? site_vector(s, number, count) : (Value){0};
    }
    Value *part = SITE_NEW(s, Value, count);
    for (uint32_t i = 0; part && i < count; i++)
        part[i] = dim_is_constant(dim[i]) ? site_vector(s, &dim[i].constant, 1)
                                          : build_reshape(&s->builder, build_dimension(&s->builder, dim[i]), &one, 1);
    return count == 1 && part ? part[0] : build_concatenate(&s->builder, part, part ? count : 0, 0);
}

/* ---- axes ---- */

uint32_t site_axis(Site *s, int64_t axis, uint32_t rank)
{
    const int64_t positive = axis < 0 ? axis + rank : axis;
    if (positive >= 0 && positive < rank)
        return (uint32_t)positive;
    site_invalid(s, "axis %lld is out of range for rank %u", (long long)axis, rank);
    return 0;
}

const int64_t *site_axes(Site *s, const int64_t *axis, uint32_t count, uint32_t rank)
{
    uint32_t seen = 0;
    int64_t *positive = SITE_NEW(s, int64_t, count);
    for (uint32_t i = 0; positive && i < count && !s->failed; i++) {
        const uint32_t at = site_axis(s, axis[i], rank);
        if (seen >> at & 1)
            site_invalid(s, "axis %lld is named twice", (long long)axis[i]);
        seen |= 1u << at;
        positive[i] = at;
    }
    return positive;
}

Value site_flatten(Site *s, Value x, uint32_t axis)
{
    const Type type = site_type_of(s, x);
    Module *module = s->importer->module;
    const Dim dim[2] = {dim_product(module, type.dim, axis), dim_product(module, type.dim + axis, type.rank - axis)};
    return build_reshape(&s->builder, x, dim, 2);
}

/* ---- broadcasting ---- */

/* The bound that makes `whole` and `part` equal, when part is min(whole, number) and whole a symbol. */
static bool find_bound(Module *module, Dim whole, Dim part, uint32_t *symbol, int64_t *bound)
{
    const DimView symbol_view = dim_view(module, whole), view = dim_view(module, part);
    if (symbol_view.form != DIM_SYMBOL || view.form != DIM_MIN)
        return false;
    *symbol = symbol_view.symbol;
    for (uint32_t i = 0; i < 2; i++)
        if (dim_equal(view.part[i], whole) && dim_is_constant(view.part[1 - i])) {
            *bound = view.part[1 - i].constant;
            return true;
        }
    return false;
}

/* Dimensions that can't be told equal are taken to be so, which is checked when the model runs. A slice of a table of n
 * rows, min(s, n) of them, means that s is n at most: the import starts again with that as the symbol's range. */
static bool broadcast_dim(Site *s, Dim *shape, Dim dim)
{
    Module *module = s->importer->module;
    uint32_t symbol;
    int64_t bound;
    if (dim_equal(*shape, dim) || dim_is(dim, 1))
        return true;
    if (dim_is(*shape, 1)) {
        *shape = dim;
        return true;
    }
    if (dim_is_constant(*shape) && dim_is_constant(dim)) {
        site_invalid(s, "dimensions %lld and %lld don't broadcast", (long long)shape->constant,
                     (long long)dim.constant);
        return false;
    }
    if (find_bound(module, *shape, dim, &symbol, &bound) || find_bound(module, dim, *shape, &symbol, &bound))
        import_bound(s->importer, module->symbol[symbol].name, bound);
    if (dim_is_constant(dim))
        *shape = dim;
    return true;
}

/* Taken from min(due - size, 0) on, `due` elements: fails while running unless due == size. */
Value site_same_shape(Site *s, Value x, const Dim *dim, uint32_t rank)
{
    Module *module = s->importer->module;
    const Type type = site_type_of(s, x);
    Dim starts[MAX_RANK], limits[MAX_RANK];
    bool differs = false;
    for (uint32_t i = 0; i < rank; i++) {
        const bool is_equal = dim_equal(type.dim[i], dim[i]);
        if (!is_equal && dim_is_constant(type.dim[i]) && dim_is_constant(dim[i])) {
            site_invalid(s, "dimension %u is %lld, %lld is due", i, (long long)type.dim[i].constant,
                         (long long)dim[i].constant);
            return (Value){0};
        }
        starts[i] = dim_constant(0);
        if (!is_equal)
            starts[i] = dim_min(module, dim_sub(module, dim[i], type.dim[i]), dim_constant(0));
        limits[i] = dim_add(module, starts[i], dim[i]);
        differs = differs || !is_equal;
    }
    return differs ? build_slice(&s->builder, x, starts, limits, NULL) : x;
}

bool site_broadcast_shapes(Site *s, Dim *shape, uint32_t *rank, Type type)
{
    if (type.rank > *rank) {
        const uint32_t more = type.rank - *rank;
        memmove(shape + more, shape, *rank * sizeof *shape);
        for (uint32_t i = 0; i < more; i++)
            shape[i] = dim_constant(1);
        *rank = type.rank;
    }
    for (uint32_t i = 0; i < type.rank; i++)
        if (!broadcast_dim(s, &shape[*rank - type.rank + i], type.dim[i]))
            return false;
    return true;
}

/* x, whose shape broadcasts to it, in that shape. */
static Value broadcast_value(Site *s, Value x, const Dim *shape, uint32_t rank)
{
    const Type type = site_type_of(s, x);
    Dim own[MAX_RANK];
    for (uint32_t i = 0; i < type.rank; i++)
        own[i] = dim_is(type.dim[i], 1) ? type.dim[i] : shape[rank - type.rank + i];
    return build_broadcast_to(&s->builder, site_same_shape(s, x, own, type.rank), shape, rank);
}

Value site_broadcast_to(Site *s, Value x, const Dim *dim, uint32_t rank)
{
    Dim shape[MAX_RANK];
    uint32_t common = rank;
    const Type type = site_type_of(s, x);
    memcpy(shape, dim, rank * sizeof *dim);
    if (site_failed(s) || !site_broadcast_shapes(s, shape, &common, type))
        return (Value){0};
    if (common != rank) {
        site_invalid(s, "rank %u doesn't broadcast to rank %u", type.rank, rank);
        return (Value){0};
    }
    return broadcast_value(s, x, dim, rank);
}

bool site_broadcast_all(Site *s, Value *x, uint32_t count)
{
    Dim shape[MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t i = 0; i < count; i++)
        if (site_failed(s) || !x[i].id || !site_broadcast_shapes(s, shape, &rank, site_type_of(s, x[i])))
            return false;
    for (uint32_t i = 0; i < count; i++)
        x[i] = broadcast_value(s, x[i], shape, rank);
    return !site_failed(s);
}

Value site_binary(Site *s, OpKind op, Value x, Value y)
{
    Value both[2] = {x, y};
    return site_broadcast_all(s, both, 2) ? build_binary(&s->builder, op, both[0], both[1]) : (Value){0};
}

Value site_select(Site *s, Value condition, Value x, Value y)
{
    Value all[3] = {condition, x, y};
    return site_broadcast_all(s, all, 3) ? build_select(&s->builder, all[0], all[1], all[2]) : (Value){0};
}
