/* SPDX-License-Identifier: Apache-2.0
 * Indices from data in expressions: gather, take_along, dynamic_slice. An index is read at its own site (once for all
 * lanes where it is uniform), made safe, and becomes the axis index of the operand's site. What is out of range ends
 * the call with ADZE_INDEX, is clamped, or gives zero; memory outside is never read. */
#include <string.h>

#include "adze/model.h"
#include "codegen/lower/site.h"

static Type operand_type(const Expression *e, const Node *node, uint32_t number)
{
    return value_type(e->region, node->operand[number]);
}

/* Whether any lane is true. */
static Reg any_lane(Expression *e, Reg mask)
{
    LoopFunction *f = e->f;
    if (loop_type_of(f, mask).lanes == 1)
        return mask;
    Reg bits = loop_convert(f, LOOP_zero_extend, mask, LOOP_i32);
    for (uint32_t half = loop_type_of(f, bits).lanes / 2; half >= 1; half /= 2) {
        int8_t low[64], high[64];
        for (uint32_t i = 0; i < half; i++) {
            low[i] = (int8_t)i;
            high[i] = (int8_t)(half + i);
        }
        bits = loop_binary(f, LOOP_or, loop_shuffle(f, bits, bits, low, half), loop_shuffle(f, bits, bits, high, half));
    }
    return loop_compare(f, LOOP_not_equal, bits, loop_int(f, loop_type_of(f, bits), 0));
}

/* How indices are checked against one axis. */
typedef struct Lookup {
    const Site *site;
    const char *mode;
    Reg valid; /* lanes in range, mode fill; none: all */
} Lookup;

static void return_if_any(Expression *e, const Lookup *lookup, Reg wrong)
{
    const Reg active = loop_type_of(e->f, wrong).lanes > 1 ? active_mask(e, lookup->site) : (Reg){0};
    if (active.id != 0)
        wrong = loop_binary(e->f, LOOP_and, wrong, active);
    loop_return_if(e->f, any_lane(e, wrong), ADZE_INDEX);
}

/* Clamping needs an element to clamp to. */
static void return_if_empty(Expression *e, Dim dim)
{
    int64_t least, most;
    dim_bounds(e->module, dim, &least, &most);
    if (least > 0)
        return;
    const Reg empty = loop_compare(e->f, LOOP_less, expression_dim(e, dim), index_constant(e, 1));
    loop_return_if(e->f, empty, ADZE_INDEX);
}

static AxisIndex axis_of_register(const Expression *e, Reg index)
{
    return loop_type_of(e->f, index).lanes == 1 ? axis_uniform(index) : (AxisIndex){.lanes = index};
}

/* The index that data holds, counted from the end when negative, made safe. */
static AxisIndex checked_index(Expression *e, Reg data, ElementType element, Dim dim, Lookup *lookup)
{
    if (is_unknown(data))
        return axis_uniform(UNKNOWN);
    if (e->f->error != NULL)
        return axis_uniform((Reg){0});
    LoopFunction *f = e->f;
    const uint32_t lanes = loop_type_of(f, data).lanes;
    const bool is_signed = element_info[element].kind == KIND_SIGNED;
    Reg index = loop_convert(f, is_signed ? LOOP_sign_extend : LOOP_zero_extend, data, LOOP_i64);
    const Reg zero = widen(e, index_constant(e, 0), lanes), length = widen(e, expression_dim(e, dim), lanes);
    if (is_signed) {
        const Reg is_negative = loop_compare(f, LOOP_less, index, zero);
        index = loop_select(f, is_negative, loop_binary(f, LOOP_add, index, length), index);
    }
    const Reg fits = loop_compare(f, LOOP_less_unsigned, index, length);
    if (strcmp(lookup->mode, "clamp") != 0 && strcmp(lookup->mode, "fill") != 0) {
        return_if_any(e, lookup, loop_unary(f, LOOP_not, fits));
        return axis_of_register(e, index);
    }
    return_if_empty(e, dim);
    if (strcmp(lookup->mode, "fill") == 0) {
        const uint32_t wide = lookup->valid.id == 0 ? 1 : loop_type_of(f, lookup->valid).lanes;
        const uint32_t most = wide > lanes ? wide : lanes;
        const Reg mine = widen(e, fits, most);
        lookup->valid = lookup->valid.id == 0 ? mine : loop_binary(f, LOOP_and, widen(e, lookup->valid, most), mine);
    }
    const Reg last = index_op(e, LOOP_sub, expression_dim(e, dim), index_constant(e, 1));
    return axis_clamp(e, axis_of_register(e, index), index_constant(e, 0), last, lanes);
}

/* The value where the lookup is valid, zero elsewhere. */
static Reg filled(Expression *e, const Lookup *lookup, Reg value)
{
    if (lookup->valid.id == 0 || is_unknown(value) || e->f->error != NULL)
        return value;
    const uint32_t a = loop_type_of(e->f, value).lanes, b = loop_type_of(e->f, lookup->valid).lanes;
    const uint32_t lanes = a > b ? a : b;
    value = widen(e, value, lanes);
    return loop_select(e->f, widen(e, lookup->valid, lanes), value, convert_zero(e, loop_type_of(e->f, value)));
}

static Site empty_site(const Cut *cut)
{
    return (Site){.lanes = cut->site.lanes, .active = cut->site.active};
}

/* ---------------------------------------------------------------- gather ---- */

/* result [batch…, lookups…, rest…] = x [batch…, the axes picked and rest, in order] at indices [batch…, lookups…, k] */
typedef struct Gather {
    const Node *node;
    Type x, indices;
    uint32_t batch, leading;      /* result axes that are batch; that index the indices */
    uint32_t picked[MAX_RANK];    /* by axis of x: which of the k indices, + 1 */
    uint32_t rest_axis[MAX_RANK]; /* by axis of x that is rest: its result axis */
    Cut cut;
} Gather;

static uint32_t plan_gather(Expression *e, const Node *node, Gather *g)
{
    uint32_t count, cuts;
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    *g = (Gather){.node = node, .x = operand_type(e, node, 0), .indices = operand_type(e, node, 1)};
    g->batch = (uint32_t)node_integer(node, ATTR_batch_count);
    g->leading = g->indices.rank - 1;
    for (uint32_t i = 0; i < count; i++)
        g->picked[axes[i]] = i + 1;
    cuts = 1u << g->batch | 1u << g->leading;
    uint32_t axis = g->leading;
    for (uint32_t i = g->batch; i < g->x.rank; i++) {
        if (g->picked[i] != 0)
            continue;
        cuts |= (uint32_t)(i > 0 && g->picked[i - 1] != 0) << axis; /* not neighbours in x */
        g->rest_axis[i] = axis++;
    }
    return cuts;
}

static void append_axis(Site *site, const Cut *cut, uint32_t axis)
{
    for (uint32_t i = 0; i < cut->count; i++)
        if (cut->stretch[i].axis == axis)
            site_append_stretch(site, cut, &cut->stretch[i]);
}

static AxisIndex gather_index(Expression *e, const Gather *g, uint32_t number, Dim dim, Lookup *lookup)
{
    Site at = empty_site(&g->cut);
    for (uint32_t axis = 0; axis < g->leading; axis++)
        append_axis(&at, &g->cut, axis);
    site_append(&at, g->indices.dim[g->leading], axis_uniform(index_constant(e, number)));
    return checked_index(e, evaluate(e, g->node->operand[1], &at), g->indices.element, dim, lookup);
}

Reg evaluate_gather(Expression *e, const Node *node, const Site *site)
{
    Gather g;
    const uint32_t cuts = plan_gather(e, node, &g);
    site_cut(e, site, value_type(e->region, node->first_result), cuts, &g.cut);
    Lookup lookup = {.site = &g.cut.site, .mode = node_string(node, ATTR_index_mode)};
    Site to = empty_site(&g.cut);
    for (uint32_t axis = 0; axis < g.x.rank; axis++) {
        if (axis < g.batch)
            append_axis(&to, &g.cut, axis);
        else if (g.picked[axis] == 0)
            append_axis(&to, &g.cut, g.rest_axis[axis]);
        else
            site_append(&to, g.x.dim[axis], gather_index(e, &g, g.picked[axis] - 1, g.x.dim[axis], &lookup));
    }
    return filled(e, &lookup, evaluate(e, node->operand[0], &to));
}

/* ---------------------------------------------------------------- take_along, dynamic_slice ---- */

Reg evaluate_take_along(Expression *e, const Node *node, const Site *site)
{
    const uint32_t axis = (uint32_t)node_integer(node, ATTR_axis);
    const Type x = operand_type(e, node, 0), indices = operand_type(e, node, 1);
    uint32_t cuts = 3u << axis;
    for (uint32_t j = 0; j < x.rank; j++)
        cuts |= dim_equal(x.dim[j], indices.dim[j]) ? 0 : 3u << j;
    Cut cut;
    site_cut(e, site, indices, cuts, &cut);
    Lookup lookup = {.site = &cut.site, .mode = node_string(node, ATTR_index_mode)};
    const Reg data = evaluate(e, node->operand[1], &cut.site);
    Site to = empty_site(&cut);
    for (uint32_t j = 0; j < x.rank; j++) {
        if (j == axis)
            site_append(&to, x.dim[j], checked_index(e, data, indices.element, x.dim[j], &lookup));
        else
            append_axis(&to, &cut, j);
    }
    return filled(e, &lookup, evaluate(e, node->operand[0], &to));
}

/* The start on one axis, clamped so that the block fits. */
static Reg block_start(Expression *e, const Node *node, uint32_t axis, Dim room)
{
    const Type starts = operand_type(e, node, 1);
    Site at = {.lanes = 1};
    site_append(&at, starts.dim[0], axis_uniform(index_constant(e, axis)));
    const Reg data = evaluate(e, node->operand[1], &at);
    if (is_unknown(data) || e->f->error != NULL)
        return data;
    const Reg start = loop_convert(e->f, LOOP_sign_extend, data, LOOP_i64);
    const Reg bounded = index_op(e, LOOP_min, start, expression_dim(e, room));
    return index_op(e, LOOP_max, bounded, index_constant(e, 0));
}

Reg evaluate_dynamic_slice(Expression *e, const Node *node, const Site *site)
{
    const Type x = operand_type(e, node, 0), result = value_type(e->region, node->first_result);
    uint32_t cuts = 0;
    for (uint32_t j = 0; j < x.rank; j++)
        cuts |= dim_equal(x.dim[j], result.dim[j]) ? 0 : 3u << j;
    Cut cut;
    site_cut(e, site, result, cuts, &cut);
    Site to = empty_site(&cut);
    for (uint32_t j = 0; j < x.rank; j++) {
        if (dim_equal(x.dim[j], result.dim[j])) {
            append_axis(&to, &cut, j);
            continue;
        }
        const Reg start = block_start(e, node, j, dim_sub(e->module, x.dim[j], result.dim[j]));
        site_append(&to, x.dim[j], axis_offset(e, cut_axis(e, &cut, j), start, site->lanes));
    }
    return evaluate(e, node->operand[0], &to);
}
