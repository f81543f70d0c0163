/* SPDX-License-Identifier: Apache-2.0
 * Family pointwise: results of one shape (up to reshapes), each element computed on its own.
 *
 * The space worked over starts as the first result's shape, split where a reshape on the way shows more axes.
 * Neighbouring axes are then joined wherever that makes no access worse, so that [B, S, H] with plain operands becomes
 * one flat loop; the axis that lanes run over is the one with the cheapest accesses (pointwise_space.c). No choice here
 * can change a bit of the results.
 *
 *     for item in begin … end           some outer axes, maybe blocks of the lane axis
 *       for other axes                  so many that an item is worth a call
 *         for lanes: vectors, then a masked rest */
#include "codegen/lower/pointwise.h"

enum {
    FLAT_BLOCK = 1024, /* elements of an item where there is one axis */
    LONG_AXIS = 8192,  /* lane axes from here on are cut into blocks */
    LONG_BLOCK = 4096,
    ITEM_ELEMENTS = 2048 /* an item takes in axes up to that many */
};

/* ---------------------------------------------------------------- the kernel ---- */

typedef struct Pointwise {
    Expression *e;
    LoopFunction *f;
    Space space;
    uint32_t lanes;
    uint32_t order[MAX_RANK];         /* axes but the lane axis, outermost first */
    uint32_t order_count, item_count; /* of them; of those that items run over */
    int64_t block;                    /* elements of the lane axis in an item; 0: all */
    AxisIndex index[MAX_RANK];
    Reg *made; /* by result */
} Pointwise;

static Dim lane_dim(const Pointwise *p)
{
    return p->space.dim[p->space.lane_axis];
}

static void plan_items(Pointwise *p)
{
    const Module *module = p->e->module;
    p->lanes = p->space.lanes;
    for (uint32_t i = 0; i < p->space.rank; i++)
        if (i != p->space.lane_axis)
            p->order[p->order_count++] = i;
    const bool is_long = dim_is_constant(lane_dim(p)) && lane_dim(p).constant >= LONG_AXIS;
    p->block = p->order_count == 0 ? FLAT_BLOCK : is_long ? LONG_BLOCK : 0;
    int64_t elements = p->block != 0 ? p->block : dim_estimate(module, lane_dim(p));
    p->item_count = p->order_count;
    while (p->item_count > 0 && p->block == 0) {
        const int64_t next = dim_estimate(module, p->space.dim[p->order[p->item_count - 1]]);
        if (elements > ITEM_ELEMENTS || next > ITEM_ELEMENTS || elements * next > ITEM_ELEMENTS)
            break;
        elements *= next;
        p->item_count--;
    }
}

static Dim block_count(const Pointwise *p)
{
    return p->block == 0 ? dim_constant(1) : dim_ceil_div(p->e->module, lane_dim(p), dim_constant(p->block));
}

static Dim item_extent(const Pointwise *p)
{
    Dim extent = block_count(p);
    for (uint32_t i = p->item_count; i-- > 0;)
        extent = dim_mul(p->e->module, p->space.dim[p->order[i]], extent);
    return extent;
}

static void lane_body(void *data, Reg base, Reg active)
{
    Pointwise *p = data;
    p->index[p->space.lane_axis] = (AxisIndex){.base = base, .step = p->lanes > 1};
    const Site site = space_site(&p->space, p->index, p->lanes, active);
    make_elements(p->e, &site, p->made);
    store_elements(p->e, &site, p->made);
}

/* Axes from order[from] on, and the lanes, aren't known yet. */
static void hoist_known(Pointwise *p, uint32_t from)
{
    for (uint32_t i = from; i < p->order_count; i++)
        p->index[p->order[i]] = axis_uniform(UNKNOWN);
    p->index[p->space.lane_axis] = (AxisIndex){.base = UNKNOWN, .step = 1};
    const Site site = space_site(&p->space, p->index, p->lanes, (Reg){0});
    hoist(p->e, p->e->region->result, p->e->region->result_count, &site);
}

/* Loops over the axes from order[at] on, then lanes from … to - 1. */
static void emit_axes(Pointwise *p, uint32_t at, Reg from, Reg to)
{
    Expression *e = p->e;
    hoist_known(p, at);
    if (at == p->order_count) {
        lane_loop(e, from, to, p->lanes, dim_has_rest(e->module, lane_dim(p), p->lanes), lane_body, p);
        return;
    }
    const uint32_t axis = p->order[at];
    const Reg end = expression_dim(e, p->space.dim[axis]);
    p->index[axis] = axis_uniform(loop_for(p->f, index_constant(e, 0), end, index_constant(e, 1)));
    const uint32_t mark = expression_mark(e);
    emit_axes(p, at + 1, from, to);
    expression_release(e, mark);
    loop_close(p->f);
}

/* One axis: the blocks of a call make one loop; one of known length where all fits in one block. */
static void emit_flat(Pointwise *p)
{
    Expression *e = p->e;
    const Reg begin = loop_item_begin(p->f), end = loop_item_end(p->f);
    const Reg block = index_constant(e, p->block), length = expression_dim(e, lane_dim(p));
    int64_t known;
    if (!loop_known(p->f, length, &known) || known > p->block) {
        const Reg to = index_op(e, LOOP_min, index_op(e, LOOP_mul, end, block), length);
        emit_axes(p, 0, index_op(e, LOOP_mul, begin, block), to);
        return;
    }
    loop_if(p->f, loop_compare(p->f, LOOP_less, begin, end));
    const uint32_t mark = expression_mark(e);
    emit_axes(p, 0, index_constant(e, 0), length);
    expression_release(e, mark);
    loop_close(p->f);
}

static void emit_items(Pointwise *p)
{
    Expression *e = p->e;
    const Reg item = loop_for(p->f, loop_item_begin(p->f), loop_item_end(p->f), index_constant(e, 1));
    const uint32_t mark = expression_mark(e);
    Dim dim[MAX_RANK + 1];
    AxisIndex index[MAX_RANK + 1];
    for (uint32_t i = 0; i < p->item_count; i++)
        dim[i] = p->space.dim[p->order[i]];
    dim[p->item_count] = block_count(p);
    split_index(e, item, dim, p->item_count + (p->block != 0), index);
    for (uint32_t i = 0; i < p->item_count; i++)
        p->index[p->order[i]] = index[i];
    Reg from = index_constant(e, 0), to = expression_dim(e, lane_dim(p));
    if (p->block != 0) {
        from = index_op(e, LOOP_mul, index[p->item_count].base, index_constant(e, p->block));
        to = index_op(e, LOOP_min, index_op(e, LOOP_add, from, index_constant(e, p->block)), to);
    }
    emit_axes(p, p->item_count, from, to);
    expression_release(e, mark);
    loop_close(p->f);
}

/* Gives the number of items. */
static Dim emit_kernel(Pointwise *p)
{
    if (p->space.is_tiled)
        return emit_tiles(p->e, &p->space);
    plan_items(p);
    if (p->order_count == 0)
        emit_flat(p);
    else
        emit_items(p);
    return item_extent(p);
}

Status lower_pointwise(const LowerContext *context, const Graph *region, LoweredGroup *lowered)
{
    Pointwise p = {0};
    const Dim size = type_size(region->module, value_type(region, region->result[0]));
    for (uint32_t i = 1; i < region->result_count; i++)
        if (!dim_equal(type_size(region->module, value_type(region, region->result[i])), size))
            return diag_fail(context->diag, STATUS_UNSUPPORTED, "group", "pointwise results of different sizes");
    p.made = ARENA_NEW(context->scratch, Reg, region->result_count);
    if (p.made == NULL || !kernel_begin(context, region, 0, &p.f, &p.e) || !space_choose(context, region, &p.space))
        return diag_fail(context->diag, STATUS_OUT_OF_MEMORY, "group", "out of memory");
    const Dim work = dim_mul(region->module, size, dim_constant(region_cost(region)));
    TRY(kernel_end(context, p.e, emit_kernel(&p), work, lowered));
    lowered->in_place = find_in_place(p.e);
    return STATUS_OK;
}
