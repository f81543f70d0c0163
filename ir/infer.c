/* SPDX-License-Identifier: Apache-2.0
 * infer_node and what the rules share. The rules are in infer_pointwise.c, infer_shape.c, infer_index.c,
 * infer_reduce.c, infer_window.c and infer_control.c; ops.def names them. */
#include "ir/infer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/module.h"

static InferRule *const rule_of[OP_COUNT] = {
#define OP(name, traits, operands, results, attributes, infer, ...) [OP_##name] = infer_##infer,
#include "ir/ops.def"
};

/* Keys a node may go without: their absence reads as 0 or "". */
#define KEY(name) (UINT64_C(1) << ATTR_##name)
static const uint64_t optional_keys = KEY(saturate) | KEY(exclusive) | KEY(reverse) | KEY(descending) |
                                      KEY(select_last) | KEY(causal) | KEY(index_mode) | KEY(reduction) | KEY(kind) |
                                      KEY(batch_count) | KEY(bound) | KEY(rules) | KEY(source);
#undef KEY

enum { SIZE_LIMIT_BITS = 48 };

/* ---- messages ---- */

static Status fail_list(Inference *c, Status status, const char *format, va_list list)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, list);
    return module_fail(c->module, status, location_text(c->module, c->spec->location), "%s: %s",
                       op_info[c->spec->op].name, text);
}

Status infer_fail(Inference *c, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const Status status = fail_list(c, STATUS_INVALID, format, list);
    va_end(list);
    return status;
}

Status infer_fail_as(Inference *c, Status status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fail_list(c, status, format, list);
    va_end(list);
    return status;
}

static const char *take_text(const Inference *c, StrBuf *buffer)
{
    const char *copy = arena_strdup(&c->module->arena, strbuf_text(buffer));
    strbuf_release(buffer);
    return copy == NULL ? "?" : copy;
}

const char *dim_text(const Inference *c, Dim dim)
{
    StrBuf buffer = {0};
    dim_print(c->module, dim, &buffer);
    return take_text(c, &buffer);
}

const char *type_text(const Inference *c, Type type)
{
    StrBuf buffer = {0};
    type_print(c->module, type, &buffer);
    return take_text(c, &buffer);
}

/* ---- reading ---- */

Type operand_type(const Inference *c, uint32_t i)
{
    return value_type(c->graph, c->spec->operand[i]);
}

const Attr *spec_attr(const Inference *c, AttrKey key)
{
    for (uint32_t i = 0; i < c->spec->attr_count; i++)
        if (c->spec->attr[i].key == key)
            return &c->spec->attr[i];
    return NULL;
}

int64_t spec_integer(const Inference *c, AttrKey key)
{
    const Attr *attr = spec_attr(c, key);
    return attr == NULL ? 0 : attr->integer;
}

const char *spec_string(const Inference *c, AttrKey key)
{
    const Attr *attr = spec_attr(c, key);
    return attr == NULL ? "" : attr->string;
}

Dim spec_dim(const Inference *c, AttrKey key)
{
    const Attr *attr = spec_attr(c, key);
    return attr == NULL ? dim_constant(0) : attr->dim;
}

ElementType spec_element(const Inference *c, AttrKey key)
{
    const Attr *attr = spec_attr(c, key);
    return attr == NULL ? ELEMENT_bool : attr->element;
}

static Status check_count(Inference *c, AttrKey key, uint32_t count, uint32_t due)
{
    if (count == due)
        return STATUS_OK;
    return infer_fail(c, "attribute '%s' has %u entries, should have %u", attr_info[key].name, count, due);
}

Status spec_integers(Inference *c, AttrKey key, uint32_t count, const int64_t **list)
{
    const Attr *attr = spec_attr(c, key);
    *list = attr == NULL ? NULL : attr->integers;
    return check_count(c, key, attr == NULL ? 0 : attr->count, count);
}

Status spec_dims(Inference *c, AttrKey key, uint32_t count, const Dim **list)
{
    const Attr *attr = spec_attr(c, key);
    *list = attr == NULL ? NULL : attr->dims;
    return check_count(c, key, attr == NULL ? 0 : attr->count, count);
}

/* ---- results ---- */

Status result_like(Inference *c, ElementType element, Type type)
{
    Type *result = ARENA_NEW(&c->module->arena, Type, c->result_count + 1);
    if (result == NULL)
        return module_out_of_memory(c->module);
    if (c->result_count > 0)
        memcpy(result, c->result, c->result_count * sizeof *result);
    result[c->result_count++] = (Type){element, type.rank, type.dim};
    c->result = result;
    return STATUS_OK;
}

Status result_set(Inference *c, ElementType element, const Dim *dim, uint32_t rank)
{
    if (rank > MAX_RANK)
        return infer_fail_as(c, STATUS_UNSUPPORTED, "the result has %u axes, at most %d are supported", rank, MAX_RANK);
    const Type type = type_make(c->module, element, dim, rank);
    TRY(c->module->status);
    return result_like(c, element, type);
}

/* ---- checks ---- */

Status check_rank(Inference *c, uint32_t operand, uint32_t least, uint32_t most)
{
    const uint32_t rank = operand_type(c, operand).rank;
    if (rank >= least && rank <= most)
        return STATUS_OK;
    if (least == most)
        return infer_fail(c, "operand %u has %u axes, should have %u", operand, rank, least);
    return infer_fail(c, "operand %u has %u axes, should have %u to %u", operand, rank, least, most);
}

Status check_axis(Inference *c, AttrKey key, int64_t axis, uint32_t rank)
{
    if (axis >= 0 && axis < (int64_t)rank)
        return STATUS_OK;
    return infer_fail(c, "'%s' names axis %lld of %u axes", attr_info[key].name, (long long)axis, rank);
}

Status check_axes(Inference *c, AttrKey key, uint32_t rank, bool ascending, const int64_t **axes, uint32_t *count)
{
    const Attr *attr = spec_attr(c, key);
    uint32_t seen = 0;
    *axes = attr == NULL ? NULL : attr->integers;
    *count = attr == NULL ? 0 : attr->count;
    for (uint32_t i = 0; i < *count; i++) {
        TRY(check_axis(c, key, (*axes)[i], rank));
        if (seen >> (*axes)[i] & 1)
            return infer_fail(c, "'%s' names axis %lld twice", attr_info[key].name, (long long)(*axes)[i]);
        if (ascending && i > 0 && (*axes)[i] < (*axes)[i - 1])
            return infer_fail(c, "'%s' isn't in ascending order", attr_info[key].name);
        seen |= 1u << (*axes)[i];
    }
    return STATUS_OK;
}

Status check_flag(Inference *c, AttrKey key)
{
    const int64_t value = spec_integer(c, key);
    if (value == 0 || value == 1)
        return STATUS_OK;
    return infer_fail(c, "attribute '%s' is %lld, should be 0 or 1", attr_info[key].name, (long long)value);
}

Status check_least(Inference *c, AttrKey key, const int64_t *list, uint32_t count, int64_t least)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] < least)
            return infer_fail(c, "entry %u of '%s' is %lld, should be at least %lld", i, attr_info[key].name,
                              (long long)list[i], (long long)least);
    return STATUS_OK;
}

Status check_choice(Inference *c, AttrKey key, const char *const *choice)
{
    const char *value = spec_string(c, key);
    for (uint32_t i = 0; choice[i] != NULL; i++)
        if (strcmp(choice[i], value) == 0)
            return STATUS_OK;
    return infer_fail(c, "attribute '%s' can't be \"%.40s\"", attr_info[key].name, value);
}

Status check_same_element(Inference *c, uint32_t a, uint32_t b)
{
    const ElementType x = operand_type(c, a).element, y = operand_type(c, b).element;
    if (x == y)
        return STATUS_OK;
    return infer_fail(c, "operand %u is %s, operand %u is %s: they should agree", b, element_info[y].name, a,
                      element_info[x].name);
}

/* Whether ranges exclude that a and b are equal. */
static bool must_differ(Inference *c, Dim a, Dim b)
{
    int64_t min, max;
    dim_bounds(c->module, dim_sub(c->module, a, b), &min, &max);
    return min > 0 || max < 0;
}

Status check_dim(Inference *c, Dim came, Dim due, const char *what, uint32_t index)
{
    if (dim_equal(came, due))
        return STATUS_OK;
    const Status status = must_differ(c, came, due) ? STATUS_INVALID : STATUS_UNSUPPORTED;
    return infer_fail_as(c, status, "%s %u is %s, should be %s", what, index, dim_text(c, came), dim_text(c, due));
}

Status check_same_shape(Inference *c, uint32_t operand, Type due)
{
    const Type type = operand_type(c, operand);
    char what[48];
    if (type.rank != due.rank)
        return infer_fail(c, "operand %u is %s, should have the shape of %s", operand, type_text(c, type),
                          type_text(c, due));
    if (type_same_shape(type, due)) /* nearly always, and then no message need be ready */
        return STATUS_OK;
    snprintf(what, sizeof what, "operand %u: dimension", operand);
    for (uint32_t i = 0; i < type.rank; i++)
        TRY(check_dim(c, type.dim[i], due.dim[i], what, i));
    return STATUS_OK;
}

Status check_at_most(Inference *c, Dim a, Dim b, const char *what, uint32_t index)
{
    int64_t min, max;
    dim_bounds(c->module, dim_sub(c->module, b, a), &min, &max);
    TRY(c->module->status);
    if (min >= 0)
        return STATUS_OK;
    return infer_fail_as(c, max < 0 ? STATUS_INVALID : STATUS_UNSUPPORTED, "%s %u is %s, should be at most %s", what,
                         index, dim_text(c, a), dim_text(c, b));
}

bool element_is_numeric(ElementType element)
{
    return element_info[element].kind != KIND_BOOLEAN;
}

bool element_is_ordered(ElementType element)
{
    return element_info[element].kind != KIND_COMPLEX;
}

/* ---- before and after a rule ---- */

static bool arity_fits(int due, uint32_t came)
{
    return due == ANY || (uint32_t)due == came;
}

static Status check_attributes(Inference *c)
{
    const OpInfo *info = &op_info[c->spec->op];
    uint64_t seen = 0;
    for (uint32_t i = 0; i < c->spec->attr_count; i++) {
        const AttrKey key = c->spec->attr[i].key;
        const uint64_t bit = UINT64_C(1) << key;
        if (!(info->attributes & bit) || (seen & bit))
            return infer_fail(c, "%s attribute '%s'", seen & bit ? "repeated" : "unknown", attr_info[key].name);
        if (attr_info[key].form == FORM_ELEMENT && c->spec->attr[i].element >= ELEMENT_COUNT)
            return infer_fail(c, "attribute '%s' is no element type", attr_info[key].name);
        seen |= bit;
    }
    const uint64_t missing = info->attributes & ~seen & ~optional_keys;
    if (missing != 0)
        return infer_fail(c, "attribute '%s' is missing", attr_info[__builtin_ctzll(missing)].name);
    return STATUS_OK;
}

static Status check_regions(Inference *c)
{
    const bool may = op_info[c->spec->op].traits & CONTROL;
    if (c->spec->region_count > 0 && !may)
        return infer_fail(c, "has regions, should have none");
    for (uint32_t i = 0; i < c->spec->region_count; i++)
        if (c->spec->region[i] == NULL || c->spec->region[i]->module != c->module)
            return infer_fail(c, "region %u is missing or of another module", i);
    return STATUS_OK;
}

/* Products of the smallest each dimension can be; a dimension that can be 0 makes any product possible. */
Status type_check(Module *module, const char *where, Type type)
{
    uint64_t size = 1;
    if (type.element >= ELEMENT_COUNT)
        return module_fail(module, STATUS_INVALID, where, "no such element type");
    for (uint32_t i = 0; i < type.rank; i++) {
        int64_t min, max;
        dim_bounds(module, type.dim[i], &min, &max);
        if (max < 0)
            return module_fail(module, STATUS_INVALID, where, "dimension %u is negative", i);
        const uint64_t least = min < 0 ? 0 : (uint64_t)min;
        if (__builtin_mul_overflow(size, least, &size))
            size = UINT64_MAX;
    }
    if (size >> SIZE_LIMIT_BITS != 0)
        return module_fail(module, STATUS_UNSUPPORTED, where, "an array of more than 2^%d elements", SIZE_LIMIT_BITS);
    return STATUS_OK;
}

/* What type_check would let pass, told without a message at hand: sizes that are numbers, and not absurd. */
static bool is_plain(Type type)
{
    int64_t size = 1;
    for (uint32_t i = 0; i < type.rank; i++)
        if (!dim_is_constant(type.dim[i]) || type.dim[i].constant <= 0 ||
            __builtin_mul_overflow(size, type.dim[i].constant, &size) || size >> SIZE_LIMIT_BITS != 0)
            return false;
    return type.element < ELEMENT_COUNT;
}

static Status check_results(Inference *c)
{
    const OpInfo *info = &op_info[c->spec->op];
    TRY(c->module->status);
    if (!arity_fits(info->results, c->result_count))
        return infer_fail(c, "gives %u results, should give %d", c->result_count, info->results);
    for (uint32_t i = 0; i < c->result_count; i++) {
        const Type type = c->result[i];
        if (is_plain(type))
            continue;
        const char *where = location_text(c->module, c->spec->location);
        char place[256];
        snprintf(place, sizeof place, "%.200s%s%s", where, where[0] == 0 ? "" : ": ", info->name);
        TRY(type_check(c->module, place, type));
    }
    return STATUS_OK;
}

Status infer_node(Graph *graph, const NodeSpec *spec, Type **result, uint32_t *result_count)
{
    Inference c = {graph, graph->module, spec, NULL, 0};
    TRY(graph->module->status);
    if (spec->op <= OP_NONE || spec->op >= OP_COUNT)
        return module_fail(graph->module, STATUS_INVALID, "", "no such op");
    if (!arity_fits(op_info[spec->op].operands, spec->operand_count))
        return infer_fail(&c, "has %u operands, should have %d", spec->operand_count, op_info[spec->op].operands);
    for (uint32_t i = 0; i < spec->operand_count; i++)
        if (spec->operand[i].id == 0 || spec->operand[i].id >= graph->value_count)
            return infer_fail(&c, "operand %u is no value of the graph", i);
    TRY(check_attributes(&c));
    TRY(check_regions(&c));
    TRY(rule_of[spec->op](&c));
    TRY(check_results(&c));
    *result = c.result;
    *result_count = c.result_count;
    return STATUS_OK;
}
