/* SPDX-License-Identifier: Apache-2.0
 * Shared pieces of the families that work along one axis. */
#include "codegen/lower/combine.h"

static Reg integer_identity(Expression *e, OpKind step, ElementType element, LoopType type)
{
    const uint32_t bits = element_bits(element);
    const bool is_signed = element_info[element].kind == KIND_SIGNED;
    const int64_t smallest = is_signed ? (int64_t)(UINT64_MAX << (bits - 1)) : 0;
    const int64_t largest = is_signed ? ~smallest : (int64_t)(UINT64_MAX >> (64 - bits));
    const int64_t identity = step == OP_add ? 0 : step == OP_mul ? 1 : step == OP_max ? smallest : largest;
    return loop_int(e->f, type, element == ELEMENT_bool ? identity != 0 : identity);
}

Reg combine_identity(Expression *e, OpKind step, ElementType element, uint32_t lanes)
{
    const LoopType type = loop_type(expression_kind(element), lanes);
    if (!element_is_floating(element))
        return integer_identity(e, step, element, type);
    const double infinity = __builtin_inf();
    const double identity = step == OP_add ? 0 : step == OP_mul ? 1 : step == OP_max ? -infinity : infinity;
    return loop_real(e->f, type, identity);
}

Reg combine_better(Expression *e, ElementType element, bool largest, Reg x, Reg y)
{
    LoopFunction *f = e->f;
    if (!element_is_floating(element))
        return expression_apply(e, largest ? OP_greater : OP_less, element, x, y);
    /* A NaN x is not at most y: better, unless y is one, too. */
    const Reg not_better = loop_compare(f, LOOP_less_equal, largest ? x : y, largest ? y : x);
    return loop_binary(f, LOOP_and, loop_unary(f, LOOP_not, not_better), loop_compare(f, LOOP_equal, y, y));
}

Lines lines_of(Module *module, Type type, uint32_t axis)
{
    return (Lines){dim_product(module, type.dim, axis), type.dim[axis],
                   dim_product(module, type.dim + axis + 1, type.rank - axis - 1)};
}

Site lines_site(const Lines *lines, AxisIndex outer, AxisIndex place, AxisIndex inner, uint32_t lanes, Reg active)
{
    Site site = {.lanes = lanes, .active = active};
    site_append(&site, lines->outer, outer);
    site_append(&site, lines->count, place);
    site_append(&site, lines->inner, inner);
    return site;
}

enum { MAX_LANES = 32 };

static Dim block_count(Module *module, const Lines *lines)
{
    return dim_ceil_div(module, lines->inner, dim_constant(INNER_BLOCK));
}

void emit_blocks(Expression *e, const Lines *lines, Reg item, uint32_t lanes, Reg *outer, LaneBody *body, void *data)
{
    const Dim dim[] = {lines->outer, block_count(e->module, lines)};
    AxisIndex index[2];
    split_index(e, item, dim, 2, index);
    *outer = index[0].base;
    const Reg size = index_constant(e, INNER_BLOCK), length = expression_dim(e, lines->inner);
    const Reg from = index_op(e, LOOP_mul, index[1].base, size);
    const Reg to = dim_is(dim[1], 1) ? length : index_op(e, LOOP_min, index_op(e, LOOP_add, from, size), length);
    lane_loop(e, dim_is(dim[1], 1) ? index_constant(e, 0) : from, to, lanes,
              dim_has_rest(e->module, lines->inner, lanes), body, data);
}

Dim blocks_extent(Module *module, const Lines *lines)
{
    return dim_mul(module, lines->outer, block_count(module, lines));
}

uint32_t lanes_along(uint32_t lanes, Dim dim)
{
    if (lanes > MAX_LANES)
        lanes = MAX_LANES;
    while (lanes > 1 && dim_is_constant(dim) && dim.constant <= lanes / 2)
        lanes /= 2;
    return lanes;
}

LoopKind index_kind(const Module *module, Dim dim)
{
    return dim_most(module, dim) <= INT32_MAX ? LOOP_i32 : LOOP_i64;
}

int64_t dim_most(const Module *module, Dim dim)
{
    int64_t least, most;
    dim_bounds(module, dim, &least, &most);
    return most;
}

int64_t dim_least(const Module *module, Dim dim)
{
    int64_t least, most;
    dim_bounds(module, dim, &least, &most);
    return least;
}

const Node *region_root(const Graph *region)
{
    return graph_definition(region, region->result[0]);
}

int32_t find_parameter(const Graph *region, Value value)
{
    for (uint32_t i = 0; i < region->parameter_count; i++)
        if (value_equal(region->parameter[i], value))
            return (int32_t)i;
    return -1;
}

uint64_t parameter_bit(const Graph *region, Value value)
{
    const int32_t number = find_parameter(region, value);
    return number < 0 || number >= 64 ? 0 : UINT64_C(1) << number;
}

Status lower_out_of_memory(const LowerContext *context)
{
    return diag_fail(context->diag, STATUS_OUT_OF_MEMORY, "group", "out of memory");
}
