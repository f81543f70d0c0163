/* SPDX-License-Identifier: Apache-2.0
 * The space a pointwise kernel works over: which axes are one, and along which lanes run. Candidates are tried out on a
 * scrap function that only index arithmetic and loads are emitted to; costs are counted in vector accesses. */
#include "codegen/lower/pointwise.h"

#include "ir/base/vec.h"

enum { MAX_TILE = 16, TILED_COST = 40 };
#define IMPOSSIBLE 1e30

/* Follows the values that are computed at the results' own sites. */
static void refine_through(const Graph *region, Value value, bool *seen, Space *space)
{
    const Node *node = graph_definition(region, value);
    if (seen[value.id])
        return;
    seen[value.id] = true;
    if (node->op == OP_reshape)
        space_refine(region->module, space->dim, &space->rank, value_type(region, node->operand[0]));
    if (node->op == OP_reshape || (op_info[node->op].traits & POINTWISE))
        for (uint32_t i = 0; i < node->operand_count; i++)
            refine_through(region, node->operand[i], seen, space);
}

static bool space_init(const LowerContext *context, const Graph *region, Space *space)
{
    const Type type = value_type(region, region->result[0]);
    bool *seen = ARENA_NEW(context->scratch, bool, region->value_count);
    *space = (Space){.lanes = expression_lanes(context, region)};
    if (seen == NULL)
        return false;
    for (uint32_t i = 0; i < type.rank; i++)
        if (!dim_is(type.dim[i], 1))
            space->dim[space->rank++] = type.dim[i];
    for (uint32_t i = 0; i < region->result_count; i++)
        refine_through(region, region->result[i], seen, space);
    if (space->rank == 0)
        space->dim[space->rank++] = dim_constant(1);
    space->lane_axis = space->rank - 1;
    return true;
}

/* A vector is no longer than the axis needs. */
static uint32_t lanes_for(const Space *space)
{
    const Dim dim = space->dim[space->lane_axis];
    uint32_t lanes = 1;
    while (lanes < space->lanes && !(dim_is_constant(dim) && lanes >= dim.constant))
        lanes *= 2;
    return lanes;
}

Site space_site(const Space *space, const AxisIndex *index, uint32_t lanes, Reg active)
{
    Site site = {.rank = space->rank, .lanes = lanes, .active = active};
    for (uint32_t i = 0; i < space->rank; i++) {
        site.dim[i] = space->dim[i];
        site.axis[i] = index[i];
    }
    return site;
}

void make_elements(Expression *e, const Site *site, Reg *made)
{
    Site own = *site;
    site_canonicalize(&own);
    e->here = site_linear(e, &own);
    for (uint32_t i = 0; i < e->region->result_count; i++)
        made[i] = evaluate(e, e->region->result[i], site);
}

void store_elements(Expression *e, const Site *site, const Reg *made)
{
    const Graph *region = e->region;
    for (uint32_t i = 0; i < region->result_count; i++)
        site_store(e, value_type(region, region->result[i]).element, e->buffer[region->parameter_count + i], site,
                   made[i]);
}

/* What an element costs in one space. */
typedef struct SpaceCost {
    double make, store;
} SpaceCost;

static SpaceCost probe(Expression *e, const Space *space)
{
    const uint32_t lanes = lanes_for(space);
    AxisIndex index[MAX_RANK];
    for (uint32_t i = 0; i < space->rank; i++)
        index[i] = axis_uniform(loop_item_begin(e->f));
    const Reg length = expression_dim(e, space->dim[space->lane_axis]);
    const Reg base = loop_for(e->f, index_constant(e, 0), length, index_constant(e, lanes));
    index[space->lane_axis] = (AxisIndex){.base = base, .step = lanes > 1};
    const Site site = space_site(space, index, lanes, (Reg){0});
    Reg *made = ARENA_NEW(e->context->scratch, Reg, e->region->result_count);
    if (made == NULL)
        return (SpaceCost){IMPOSSIBLE, IMPOSSIBLE};
    make_elements(e, &site, made);
    const double make = e->cost;
    store_elements(e, &site, made);
    return e->f->error == NULL ? (SpaceCost){make, e->cost - make} : (SpaceCost){IMPOSSIBLE, IMPOSSIBLE};
}

static SpaceCost try_space(const LowerContext *context, const Graph *region, const Space *space)
{
    Arena scrap;
    arena_init(&scrap);
    LowerContext inner = *context;
    inner.scratch = &scrap;
    LoopFunction f = {.name = "", .arena = &scrap, .buffer_count = region->parameter_count + region->result_count};
    SpaceCost cost = {IMPOSSIBLE, IMPOSSIBLE};
    if (VEC_GROW(&scrap, &f, instr)) {
        f.instr_count = 1;
        Expression *e = expression_create(&inner, region, &f);
        if (e != NULL) {
            e->probing = true;
            cost = probe(e, space);
        }
    }
    arena_release(&scrap);
    const int64_t length = dim_estimate(region->module, space->dim[space->lane_axis]);
    const uint32_t lanes = lanes_for(space);
    const double used = length < 1 ? 1 : length < lanes ? (double)length : lanes;
    return (SpaceCost){(cost.make + 1) / used, cost.store / used};
}

static double space_cost(const LowerContext *context, const Graph *region, const Space *space)
{
    const SpaceCost cost = try_space(context, region, space);
    return cost.make + cost.store;
}

static Space joined(Module *module, const Space *space, uint32_t axis)
{
    Space result = *space;
    result.dim[axis] = dim_mul(module, space->dim[axis], space->dim[axis + 1]);
    result.rank--;
    for (uint32_t i = axis + 1; i < result.rank; i++)
        result.dim[i] = space->dim[i + 1];
    result.lane_axis = result.rank - 1;
    return result;
}

static double join_axes(const LowerContext *context, const Graph *region, Space *space)
{
    double cost = space_cost(context, region, space);
    for (uint32_t axis = space->rank - 1; axis-- > 0;) {
        const Space other = joined(region->module, space, axis);
        const double its_cost = space_cost(context, region, &other);
        if (its_cost > cost)
            continue;
        *space = other;
        cost = its_cost;
    }
    return cost;
}

/* Whether a dimension has room for tiles of that many lanes. */
static bool is_roomy(const Module *module, Dim dim, uint32_t lanes)
{
    return dim_estimate(module, dim) >= 2 * (int64_t)lanes;
}

/* Loads along one axis and stores along another, where each is contiguous. */
static void try_tiles(const LowerContext *context, const Graph *region, Space *space, double cost)
{
    const Space last = *space;
    Space tiled = last;
    tiled.is_tiled = true;
    tiled.lanes = last.lanes > MAX_TILE ? MAX_TILE : last.lanes;
    const uint32_t lanes = tiled.lanes;
    if (lanes < 4 || region_cost(region) > TILED_COST || !is_roomy(region->module, last.dim[last.lane_axis], lanes))
        return;
    for (uint32_t axis = 0; axis < last.rank; axis++) {
        if (axis == last.lane_axis || !is_roomy(region->module, last.dim[axis], lanes))
            continue;
        tiled.lane_axis = axis;
        const double shuffles = 4.0 * region->result_count / lanes, stores = 1.0 * region->result_count / lanes;
        const double its_cost = try_space(context, region, &tiled).make + shuffles + stores;
        if (its_cost >= 0.7 * cost)
            continue;
        *space = tiled;
        space->lane_axis = last.lane_axis;
        space->tile_axis = axis;
        cost = its_cost;
    }
}

/* Stores along another axis than the last, where that makes loads so much better. */
static double try_axes(const LowerContext *context, const Graph *region, Space *space, double cost)
{
    const Space last = *space;
    for (uint32_t axis = 0; axis + 1 < last.rank; axis++) {
        Space other = last;
        other.lane_axis = axis;
        const double its_cost = space_cost(context, region, &other);
        if (its_cost >= cost)
            continue;
        *space = other;
        cost = its_cost;
    }
    return cost;
}

bool space_choose(const LowerContext *context, const Graph *region, Space *space)
{
    if (!space_init(context, region, space))
        return false;
    if (space->rank > 1) {
        const double joined_cost = join_axes(context, region, space);
        const Space last = *space;
        const double cost = try_axes(context, region, space, joined_cost);
        Space tiled = last;
        try_tiles(context, region, &tiled, cost);
        if (tiled.is_tiled)
            *space = tiled;
    }
    if (!space->is_tiled)
        space->lanes = lanes_for(space);
    return true;
}
