/* SPDX-License-Identifier: Apache-2.0
 * Axes that are known only when the model runs.
 * There are few sets of axes, and how many are in the set is known: the result is made for each set, all of them end to
 * end in one vector, and a block of it taken while running. The result's dimensions are symbols that data bind.
 *
 *     code = sum of 1 << axis        results   | {0} ...... | {1} ... | {2} ........ |
 *     offset, dimensions = table[code]                       ^ offset, product of the dimensions elements */
#include <string.h>

#include "frontend/onnx/importer.h"

enum { MAX_CHOICE_RANK = 6, MAX_SETS = 1 << MAX_CHOICE_RANK };

Dim site_bind_dimension(Site *s, Value scalar, const char *what, int64_t min, int64_t max)
{
    Builder *b = &s->builder;
    Importer *importer = s->importer;
    if (site_failed(s))
        return dim_constant(0);
    const char *name = arena_printf(&importer->arena, "%s_%u", what, ++importer->bind_count);
    const Dim symbol = dim_symbol(importer->module, name ? name : what, min, max, SYMBOL_VALUE);
    const Attr attr = {.key = ATTR_symbol, .dim = symbol};
    const Value operand = build_cast(b, build_reshape(b, scalar, NULL, 0), ELEMENT_i64);
    const NodeSpec spec = {.op = OP_bind_dimension,
                           .operand = &operand,
                           .operand_count = 1,
                           .attr = &attr,
                           .attr_count = 1,
                           .location = b->location};
    graph_add_value(b->graph, &spec);
    return symbol;
}

/* The set as a number; axes out of range or named twice give one that is in no table or has too few bits. */
static Value set_code(Site *s, Value axes, uint32_t rank)
{
    Builder *b = &s->builder;
    const Dim count = type_size(s->importer->module, site_type_of(s, axes));
    const int64_t first = 0;
    const Value list = build_reshape(b, build_cast(b, axes, ELEMENT_i64), &count, 1);
    const Value from_end = build_binary_scalar(b, OP_add, list, rank),
                is_negative = build_binary_scalar(b, OP_less, list, 0);
    const Value positive = build_select(b, is_negative, from_end, list);
    const Value one = build_full(b, site_type_of(s, positive), 1);
    return build_reduce(b, OP_reduce_sum, build_binary(b, OP_shift_left, one, positive), &first, 1, false);
}

static Value look_up(Site *s, const int64_t *table, uint32_t count, Value code)
{
    return build_take(&s->builder, site_vector(s, table, count), code, 0, "error");
}

Dim *site_bind_dimensions(Site *s, uint32_t index, const char *what, Dim max, uint32_t *count)
{
    Builder *b = &s->builder;
    int64_t least, most;
    const int64_t size = type_is_static(site_type(s, index)) ? type_static_size(site_type(s, index)) : -1;
    *count = (uint32_t)size;
    if (site_failed(s))
        return NULL;
    if (size < 0 || size > MAX_RANK || !element_is_integer(site_type(s, index).element)) {
        site_unsupported(s, "sizes from input '%s'", s->proto->input[index]);
        return NULL;
    }
    Dim *dim = SITE_NEW(s, Dim, *count);
    const Dim length = dim_constant(size);
    const Value list = build_reshape(b, site_input(s, index), &length, 1);
    dim_bounds(s->importer->module, max, &least, &most);
    for (uint32_t i = 0; dim && i < *count; i++)
        dim[i] =
            site_bind_dimension(s, build_slice_axis(b, list, 0, dim_constant(i), dim_constant(i + 1)), what, 0, most);
    return dim;
}

/* Results for all sets of `count` axes, flat and end to end; their places and types. */
typedef struct Choices {
    Value part[MAX_SETS];
    uint32_t part_count, rank;
    int64_t offset[MAX_SETS], dim[MAX_RANK][MAX_SETS];
    int64_t min[MAX_RANK], max[MAX_RANK], total;
} Choices;

static bool add_choice(Site *s, Choices *choices, uint32_t set, Value result)
{
    const Type type = site_type_of(s, result);
    if (site_failed(s))
        return false;
    const Dim size = type_size(s->importer->module, type);
    if (!type_is_static(type) || (choices->part_count && type.rank != choices->rank)) {
        site_unsupported(s, "axes known only when the model runs, over dimensions that aren't fixed");
        return false;
    }
    for (uint32_t i = 0; i < type.rank; i++) {
        const int64_t dim = type.dim[i].constant;
        choices->dim[i][set] = dim;
        choices->min[i] = choices->part_count && choices->min[i] < dim ? choices->min[i] : dim;
        choices->max[i] = choices->part_count && choices->max[i] > dim ? choices->max[i] : dim;
    }
    choices->rank = type.rank;
    choices->offset[set] = choices->total;
    choices->total += size.constant;
    choices->part[choices->part_count++] = build_reshape(&s->builder, result, &size, 1);
    return true;
}

static Value take_choice(Site *s, const Choices *choices, uint32_t sets, Value code)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    Dim dim[MAX_RANK];
    for (uint32_t i = 0; i < choices->rank; i++)
        dim[i] = choices->min[i] == choices->max[i] ? dim_constant(choices->min[i])
                                                    : site_bind_dimension(s, look_up(s, choices->dim[i], sets, code),
                                                                          "size", choices->min[i], choices->max[i]);
    const Dim size = dim_product(module, dim, choices->rank);
    const Value place = build_iota(b, type_make(module, ELEMENT_i64, &size, 1), 0);
    const Value offset = look_up(s, choices->offset, sets, code);
    const Value all = build_concatenate(b, choices->part, choices->part_count, 0);
    if (site_failed(s))
        return (Value){0};
    const Value block = build_take(b, all, site_binary(s, OP_add, place, offset), 0, "error");
    return build_reshape(b, block, dim, choices->rank);
}

Value site_choose_axes(Site *s, uint32_t index, uint32_t rank, AxesRule *rule, const void *context)
{
    Choices *choices = SITE_NEW(s, Choices, 1);
    const int64_t count = type_static_size(site_type(s, index));
    const uint32_t sets = rank <= MAX_CHOICE_RANK ? 1u << rank : 0;
    if (site_failed(s))
        return (Value){0};
    if (sets == 0 || count < 1 || count > rank) {
        site_unsupported(s, "the axes are known only when the model runs (input '%s')", s->proto->input[index]);
        return (Value){0};
    }
    for (uint32_t set = 0; set < sets; set++) {
        int64_t axes[MAX_CHOICE_RANK];
        uint32_t found = 0;
        choices->offset[set] = INT64_MIN / 2; /* no such set: fails while running */
        for (uint32_t i = 0; i < rank; i++)
            if (set >> i & 1)
                axes[found++] = i;
        const Value result = found == count ? rule(s, axes, found, context) : (Value){0};
        if (site_failed(s) || (result.id && !add_choice(s, choices, set, result)))
            return (Value){0};
    }
    if (choices->part_count == 0) {
        site_invalid(s, "no axes fit");
        return (Value){0};
    }
    return take_choice(s, choices, sets, set_code(s, site_input(s, index), rank));
}
