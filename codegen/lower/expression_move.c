/* SPDX-License-Identifier: Apache-2.0
 * Data movement in expressions: each op maps the site of its result to a site of its operand and evaluates there. Only
 * the axes an op looks at are cut out of the site; the others pass through as they are.
 *
 * Where lanes may lie on both sides of a border (padding, concatenation), a test of the whole vector chooses between
 * the plain mapping, whose loads are contiguous, and one with clamped indices whose lanes are selected one by one. */
#include "codegen/lower/site.h"

static Type operand_type(const Expression *e, const Node *node, uint32_t number)
{
    return value_type(e->region, node->operand[number]);
}

static Type result_type(const Expression *e, const Node *node)
{
    return value_type(e->region, node->first_result);
}

/* Boundaries on both sides of an axis. */
static uint32_t around(uint32_t axis)
{
    return 3u << axis;
}

static Site empty_site(const Cut *cut)
{
    return (Site){.lanes = cut->site.lanes, .active = cut->site.active};
}

/* ---------------------------------------------------------------- broadcast, transpose ---- */

/* Index of an operand axis that is as long as the result's, or 1 without anybody knowing when compiling. */
static AxisIndex maybe_repeated(Expression *e, Dim dim, Dim result, AxisIndex axis, uint32_t lanes)
{
    if (dim_equal(dim, result))
        return axis;
    const Reg length = expression_dim(e, dim), one = index_constant(e, 1);
    const Reg is_one = loop_compare(e->f, LOOP_equal, length, one);
    const Reg factor = loop_select(e->f, is_one, index_constant(e, 0), one);
    return is_unknown(axis.base) || is_unknown(axis.lanes) ? axis : axis_times(e, axis, factor, lanes);
}

/* How the axes of a result show those of the operand. Axes of size 1 count on neither side. */
typedef struct Shown {
    uint32_t axis[MAX_RANK];  /* by result axis: operand axis + 1; 0: repeated */
    uint32_t order[MAX_RANK]; /* the same counted without axes of size 1 */
} Shown;

static void show_axis(Shown *shown, const Expression *e, const Node *node, uint32_t result, uint32_t axis)
{
    const Type operand = operand_type(e, node, 0);
    if (dim_is(operand.dim[axis], 1))
        return;
    uint32_t order = 1;
    for (uint32_t i = 0; i < axis; i++)
        order += !dim_is(operand.dim[i], 1);
    shown->axis[result] = axis + 1;
    shown->order[result] = order;
}

/* Boundaries where neighbours in the result aren't neighbours in the operand. */
static uint32_t shown_cuts(const Shown *shown, Type result)
{
    uint32_t cuts = 0, last = 0;
    bool is_first = true;
    for (uint32_t j = 0; j < result.rank; j++) {
        if (dim_is(result.dim[j], 1))
            continue;
        const uint32_t next = last == 0 ? 0 : last + 1;
        cuts |= (uint32_t)(!is_first && shown->order[j] != next) << j;
        last = shown->order[j];
        is_first = false;
    }
    return cuts;
}

Reg evaluate_broadcast(Expression *e, const Node *node, const Site *site)
{
    const Type result = result_type(e, node), operand = operand_type(e, node, 0);
    uint32_t count;
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    Shown shown = {0};
    for (uint32_t i = 0; i < count; i++)
        show_axis(&shown, e, node, (uint32_t)axes[i], i);
    uint32_t cuts = shown_cuts(&shown, result);
    for (uint32_t j = 0; j < result.rank; j++)
        if (shown.axis[j] != 0 && !dim_equal(operand.dim[shown.axis[j] - 1], result.dim[j]))
            cuts |= around(j);
    Cut cut;
    site_cut(e, site, result, cuts, &cut);
    Site to = empty_site(&cut);
    for (uint32_t i = 0; i < cut.count; i++) {
        const uint32_t j = cut.stretch[i].axis;
        if (shown.axis[j] == 0)
            continue;
        const Dim dim = operand.dim[shown.axis[j] - 1];
        if (dim_equal(dim, result.dim[j]))
            site_append_stretch(&to, &cut, &cut.stretch[i]);
        else
            site_append(&to, dim, maybe_repeated(e, dim, result.dim[j], cut_axis(e, &cut, j), site->lanes));
    }
    return evaluate(e, node->operand[0], &to);
}

Reg evaluate_transpose(Expression *e, const Node *node, const Site *site)
{
    const Type result = result_type(e, node);
    uint32_t count;
    const int64_t *permutation = node_integers(node, ATTR_permutation, &count);
    Shown shown = {0};
    for (uint32_t j = 0; j < count; j++)
        show_axis(&shown, e, node, j, (uint32_t)permutation[j]);
    Cut cut;
    site_cut(e, site, result, shown_cuts(&shown, result), &cut);
    Site to = empty_site(&cut);
    for (uint32_t axis = 0; axis < count; axis++)
        for (uint32_t i = 0; i < cut.count; i++)
            if (shown.axis[cut.stretch[i].axis] == axis + 1)
                site_append_stretch(&to, &cut, &cut.stretch[i]);
    return evaluate(e, node->operand[0], &to);
}

/* ---------------------------------------------------------------- slice, reverse ---- */

/* New index on one axis of the result that stands alone. */
typedef AxisIndex MapAxis(Expression *e, const Node *node, uint32_t axis, AxisIndex index, uint32_t lanes);

/* Evaluates the operand with the axes in `mapped` (bits) mapped and all others as they are. */
static Reg evaluate_mapped(Expression *e, const Node *node, const Site *site, uint32_t mapped, MapAxis *map)
{
    const Type operand = operand_type(e, node, 0);
    uint32_t cuts = 0;
    for (uint32_t j = 0; j < operand.rank; j++)
        cuts |= mapped >> j & 1 ? around(j) : 0;
    Cut cut;
    site_cut(e, site, result_type(e, node), cuts, &cut);
    Site to = empty_site(&cut);
    uint32_t next = 0; /* stretch */
    for (uint32_t j = 0; j < operand.rank; j++) {
        if (mapped >> j & 1)
            site_append(&to, operand.dim[j], map(e, node, j, cut_axis(e, &cut, j), site->lanes));
        while (next < cut.count && cut.stretch[next].axis <= j) {
            if (!(mapped >> cut.stretch[next].axis & 1))
                site_append_stretch(&to, &cut, &cut.stretch[next]);
            next++;
        }
    }
    return evaluate(e, node->operand[0], &to);
}

static int64_t stride_of(const Node *node, uint32_t axis)
{
    uint32_t count;
    const int64_t *strides = node_integers(node, ATTR_strides, &count);
    return axis < count ? strides[axis] : 1;
}

static AxisIndex slice_axis(Expression *e, const Node *node, uint32_t axis, AxisIndex index, uint32_t lanes)
{
    uint32_t count;
    const Dim *starts = node_dims(node, ATTR_starts, &count);
    const AxisIndex spread = axis_times(e, index, index_constant(e, stride_of(node, axis)), lanes);
    return axis_offset(e, spread, expression_dim(e, starts[axis]), lanes);
}

Reg evaluate_slice(Expression *e, const Node *node, const Site *site)
{
    uint32_t count, mapped = 0;
    const Dim *starts = node_dims(node, ATTR_starts, &count);
    const Type operand = operand_type(e, node, 0), result = result_type(e, node);
    for (uint32_t j = 0; j < operand.rank; j++) {
        const bool whole = dim_is(starts[j], 0) && stride_of(node, j) == 1 && dim_equal(operand.dim[j], result.dim[j]);
        mapped |= (uint32_t)!whole << j;
    }
    return evaluate_mapped(e, node, site, mapped, slice_axis);
}

static AxisIndex reverse_axis(Expression *e, const Node *node, uint32_t axis, AxisIndex index, uint32_t lanes)
{
    const Reg last = index_op(e, LOOP_sub, expression_dim(e, operand_type(e, node, 0).dim[axis]), index_constant(e, 1));
    if (index.lanes.id != 0) {
        const AxisIndex whole = axis_uniform(last);
        return (AxisIndex){.lanes = index_op(e, LOOP_sub, axis_vector(e, &whole, lanes), index.lanes)};
    }
    return (AxisIndex){.base = index_op(e, LOOP_sub, last, index.base), .step = -index.step};
}

Reg evaluate_reverse(Expression *e, const Node *node, const Site *site)
{
    uint32_t count, mapped = 0;
    const int64_t *axes = node_integers(node, ATTR_axes, &count);
    for (uint32_t i = 0; i < count; i++)
        mapped |= 1u << axes[i];
    return evaluate_mapped(e, node, site, mapped, reverse_axis);
}

/* ---------------------------------------------------------------- choices ---- */

/* A value that blocks of an if assign: as wide as the site. */
typedef struct Choice {
    Reg variable;
    uint32_t lanes, mark;
} Choice;

static Choice choice_begin(Expression *e, ElementType element, uint32_t lanes)
{
    const Reg zero = convert_zero(e, loop_type(expression_kind(element), lanes));
    return (Choice){loop_variable(e->f, zero), lanes, expression_mark(e)};
}

/* Ends a block: its value is the choice's. */
static void choice_set(Expression *e, const Choice *choice, Reg value)
{
    loop_set(e->f, choice->variable, widen(e, value, choice->lanes));
    expression_release(e, choice->mark);
}

/* a <= x < b for indices, scalar or by lane. */
static Reg in_range(Expression *e, const AxisIndex *x, Reg low, Reg high, uint32_t lanes)
{
    const uint32_t wide = axis_varies(x) ? lanes : 1;
    const Reg index = wide == 1 ? x->base : axis_vector(e, x, lanes);
    const Reg above = loop_compare(e->f, LOOP_less_equal, widen(e, low, wide), index);
    const Reg below = loop_compare(e->f, LOOP_less, index, widen(e, high, wide));
    return loop_binary(e->f, LOOP_and, above, below);
}

/* Whether all lanes of base, base + 1 … are in low … high - 1: a scalar. */
static Reg all_in_range(Expression *e, Reg base, Reg low, Reg high, uint32_t lanes)
{
    const Reg end = index_op(e, LOOP_add, base, index_constant(e, lanes));
    return loop_binary(e->f, LOOP_and, loop_compare(e->f, LOOP_less_equal, low, base),
                       loop_compare(e->f, LOOP_less_equal, end, high));
}

static Reg and_also(Expression *e, Reg a, Reg b)
{
    return a.id == 0 ? b : loop_binary(e->f, LOOP_and, a, b);
}

/* ---------------------------------------------------------------- pad ---- */

typedef struct Padding {
    Cut cut;
    uint32_t touched;          /* axes with padding, bits */
    AxisIndex index[MAX_RANK]; /* on those: of the operand, maybe outside */
    Reg inside;                /* scalar: uniform axes are inside, and there is an element to read; none: always */
    Reg lanes_inside;          /* by lane; none: always */
} Padding;

static void padding_axis(Expression *e, const Node *node, uint32_t axis, Padding *p, uint32_t lanes)
{
    uint32_t count;
    const Dim low = node_dims(node, ATTR_low, &count)[axis];
    const int64_t *interior = node_integers(node, ATTR_interior, &count);
    const int64_t spread = axis < count ? interior[axis] + 1 : 1;
    const Dim dim = operand_type(e, node, 0).dim[axis];
    const Reg zero = index_constant(e, 0);
    const Reg shift = index_op(e, LOOP_sub, zero, expression_dim(e, low));
    AxisIndex index = axis_offset(e, cut_axis(e, &p->cut, axis), shift, lanes);
    Reg on_grid = {0};
    if (spread != 1) {
        AxisIndex quotient, rest;
        const AxisIndex positive = axis_clamp(e, index, zero, index_constant(e, INT64_MAX), lanes);
        axis_divide(e, positive, index_constant(e, spread), lanes, &quotient, &rest);
        on_grid = in_range(e, &rest, zero, index_constant(e, 1), lanes);
        on_grid = loop_binary(e->f, LOOP_and, on_grid, in_range(e, &index, zero, index_constant(e, INT64_MAX), lanes));
        index = quotient;
    }
    p->index[axis] = index;
    Reg inside = in_range(e, &index, zero, expression_dim(e, dim), lanes);
    inside = on_grid.id == 0 ? inside : loop_binary(e->f, LOOP_and, inside, on_grid);
    Reg *into = axis_varies(&index) ? &p->lanes_inside : &p->inside;
    *into = and_also(e, *into, inside);
    int64_t least, most;
    dim_bounds(e->module, dim, &least, &most);
    if (axis_varies(&index) && least < 1)
        p->inside = and_also(e, p->inside, loop_compare(e->f, LOOP_less, zero, expression_dim(e, dim)));
}

static Reg padding_operand(Expression *e, const Node *node, const Padding *p, bool clamp, uint32_t lanes)
{
    const Type operand = operand_type(e, node, 0);
    Site to = empty_site(&p->cut);
    uint32_t next = 0;
    for (uint32_t j = 0; j < operand.rank; j++) {
        if (p->touched >> j & 1) {
            const Reg last = index_op(e, LOOP_sub, expression_dim(e, operand.dim[j]), index_constant(e, 1));
            const bool needs_clamp = clamp && axis_varies(&p->index[j]);
            site_append(&to, operand.dim[j],
                        needs_clamp ? axis_clamp(e, p->index[j], index_constant(e, 0), last, lanes) : p->index[j]);
        }
        while (next < p->cut.count && p->cut.stretch[next].axis <= j) {
            if (!(p->touched >> p->cut.stretch[next].axis & 1))
                site_append_stretch(&to, &p->cut, &p->cut.stretch[next]);
            next++;
        }
    }
    return evaluate(e, node->operand[0], &to);
}

/* The one axis whose lanes are consecutive, when no other varies: -1 otherwise. */
static int32_t only_lane_axis(const Padding *p, uint32_t rank)
{
    int32_t found = -1;
    for (uint32_t j = 0; j < rank; j++) {
        if (!(p->touched >> j & 1) || !axis_varies(&p->index[j]))
            continue;
        if (found >= 0 || p->index[j].lanes.id != 0 || p->index[j].step != 1)
            return -1;
        found = (int32_t)j;
    }
    return found;
}

/* Lanes of the operand where they exist, padding elsewhere. */
static void choose_padded(Expression *e, const Node *node, const Padding *p, const Choice *choice, Reg padding)
{
    const uint32_t lanes = choice->lanes;
    const Type operand = operand_type(e, node, 0);
    if (p->lanes_inside.id == 0) {
        choice_set(e, choice, padding_operand(e, node, p, false, lanes));
        return;
    }
    const int32_t axis = only_lane_axis(p, operand.rank);
    if (axis >= 0) {
        loop_if(e->f, all_in_range(e, p->index[axis].base, index_constant(e, 0), expression_dim(e, operand.dim[axis]),
                                   lanes));
        const uint32_t mark = expression_mark(e);
        loop_set(e->f, choice->variable, widen(e, padding_operand(e, node, p, false, lanes), lanes));
        expression_release(e, mark);
        loop_else(e->f);
    }
    const double cost = e->cost;
    const Reg value = widen(e, padding_operand(e, node, p, true, lanes), lanes);
    loop_set(e->f, choice->variable, loop_select(e->f, p->lanes_inside, value, widen(e, padding, lanes)));
    expression_release(e, choice->mark);
    if (axis >= 0) {
        e->cost = cost + 1; /* borders are rare */
        loop_close(e->f);
    }
}

Reg evaluate_pad(Expression *e, const Node *node, const Site *site)
{
    const Type operand = operand_type(e, node, 0), result = result_type(e, node);
    Padding p = {0};
    uint32_t cuts = 0, count;
    const Dim *low = node_dims(node, ATTR_low, &count);
    for (uint32_t j = 0; j < operand.rank; j++) {
        if (dim_is(low[j], 0) && dim_equal(operand.dim[j], result.dim[j]))
            continue;
        p.touched |= 1u << j;
        cuts |= around(j);
    }
    const Site nowhere = {.lanes = 1};
    const Reg padding = evaluate(e, node->operand[1], &nowhere);
    site_cut(e, site, result, cuts, &p.cut);
    bool unknown = e->hoisting;
    for (uint32_t j = 0; j < operand.rank && !unknown; j++)
        if (p.touched >> j & 1)
            padding_axis(e, node, j, &p, site->lanes);
    if (unknown || e->f->error != NULL)
        return unknown ? UNKNOWN : (Reg){0};
    Choice choice = choice_begin(e, result.element, site->lanes);
    loop_set(e->f, choice.variable, widen(e, padding, site->lanes));
    if (p.inside.id != 0)
        loop_if(e->f, p.inside);
    choice.mark = expression_mark(e);
    choose_padded(e, node, &p, &choice, padding);
    if (p.inside.id != 0)
        loop_close(e->f);
    return loop_get(e->f, choice.variable);
}

/* ---------------------------------------------------------------- concatenate ---- */

typedef struct Pieces {
    const Node *node;
    Cut cut;
    uint32_t axis;
    AxisIndex index; /* on the axis */
    Reg *start;      /* of each piece, and the end */
} Pieces;

static Reg piece_at(Expression *e, const Pieces *p, uint32_t number, bool clamp)
{
    const Type operand = operand_type(e, p->node, number);
    Site to = empty_site(&p->cut);
    const Reg back = index_op(e, LOOP_sub, index_constant(e, 0), p->start[number]);
    AxisIndex index = axis_offset(e, p->index, back, to.lanes);
    const Reg last = index_op(e, LOOP_sub, expression_dim(e, operand.dim[p->axis]), index_constant(e, 1));
    if (clamp)
        index = axis_clamp(e, index, index_constant(e, 0), last, to.lanes);
    bool placed = false;
    for (uint32_t i = 0; i < p->cut.count; i++) {
        if (p->cut.stretch[i].axis < p->axis)
            site_append_stretch(&to, &p->cut, &p->cut.stretch[i]);
        if (p->cut.stretch[i].axis < p->axis)
            continue;
        if (!placed)
            site_append(&to, operand.dim[p->axis], index);
        placed = true;
        if (p->cut.stretch[i].axis > p->axis)
            site_append_stretch(&to, &p->cut, &p->cut.stretch[i]);
    }
    if (!placed)
        site_append(&to, operand.dim[p->axis], index);
    return evaluate(e, p->node->operand[number], &to);
}

/* A piece whose length may be 0: zeros then, as there is nothing to read. */
static Reg piece_if_any(Expression *e, const Pieces *p, uint32_t number, uint32_t lanes)
{
    const Type operand = operand_type(e, p->node, number);
    int64_t least, most;
    dim_bounds(e->module, operand.dim[p->axis], &least, &most);
    if (least > 0)
        return widen(e, piece_at(e, p, number, true), lanes);
    Choice choice = choice_begin(e, operand.element, lanes);
    loop_if(e->f, loop_compare(e->f, LOOP_less, p->start[number], p->start[number + 1]));
    choice.mark = expression_mark(e);
    choice_set(e, &choice, piece_at(e, p, number, true));
    loop_close(e->f);
    return loop_get(e->f, choice.variable);
}

/* Lanes of several pieces: each selected in turn. */
static Reg select_pieces(Expression *e, const Pieces *p, uint32_t lanes)
{
    const Type type = result_type(e, p->node);
    Reg result = convert_zero(e, loop_type(expression_kind(type.element), lanes));
    for (uint32_t k = 0; k < p->node->operand_count; k++) {
        if (dim_is(operand_type(e, p->node, k).dim[p->axis], 0))
            continue;
        const Reg mine = in_range(e, &p->index, p->start[k], p->start[k + 1], lanes);
        result = loop_select(e->f, mine, piece_if_any(e, p, k, lanes), result);
    }
    return result;
}

/* if (in the first) … else if (in the second) …: one piece where the index is uniform, or all lanes are in it. */
static Reg choose_piece(Expression *e, const Pieces *p, ElementType element, uint32_t lanes)
{
    const bool varies = axis_varies(&p->index), consecutive = p->index.lanes.id == 0 && p->index.step == 1;
    const uint32_t count = p->node->operand_count;
    if (varies && !consecutive)
        return select_pieces(e, p, lanes);
    const Choice choice = choice_begin(e, element, lanes);
    const uint32_t tests = varies ? count : count - 1;
    const double cost = e->cost;
    for (uint32_t k = 0; k < tests; k++) {
        loop_if(e->f, varies ? all_in_range(e, p->index.base, p->start[k], p->start[k + 1], lanes)
                             : loop_compare(e->f, LOOP_less, p->index.base, p->start[k + 1]));
        const uint32_t mark = expression_mark(e);
        loop_set(e->f, choice.variable, widen(e, piece_at(e, p, k, false), lanes));
        expression_release(e, mark);
        loop_else(e->f);
    }
    const double each = (e->cost - cost) / count;
    choice_set(e, &choice, varies ? select_pieces(e, p, lanes) : piece_at(e, p, count - 1, false));
    e->cost = cost + each + (varies ? 4 : 0);
    for (uint32_t k = 0; k < tests; k++)
        loop_close(e->f);
    return loop_get(e->f, choice.variable);
}

Reg evaluate_concatenate(Expression *e, const Node *node, const Site *site)
{
    Pieces p = {.node = node, .axis = (uint32_t)node_integer(node, ATTR_axis)};
    site_cut(e, site, result_type(e, node), around(p.axis), &p.cut);
    p.index = cut_axis(e, &p.cut, p.axis);
    p.start = ARENA_NEW(e->context->scratch, Reg, node->operand_count + 1);
    if (p.start == NULL)
        return expression_fail(e, "out of memory");
    Dim offset = dim_constant(0);
    for (uint32_t k = 0; k <= node->operand_count; k++) {
        p.start[k] = expression_dim(e, offset);
        if (k < node->operand_count)
            offset = dim_add(e->module, offset, operand_type(e, node, k).dim[p.axis]);
    }
    const uint32_t known = e->piece[node->first_result.id];
    if (known != 0)
        return piece_at(e, &p, known - 1, false);
    if (node->operand_count == 1)
        return piece_at(e, &p, 0, false);
    if (e->hoisting)
        return UNKNOWN;
    return choose_piece(e, &p, result_type(e, node).element, site->lanes);
}

/* ---------------------------------------------------------------- iota ---- */

/* Small indices are made in i32, where vectors convert in one instruction. */
static Reg index_vector_i32(Expression *e, const AxisIndex *axis, uint32_t lanes)
{
    const LoopType type = loop_type(LOOP_i32, lanes);
    const Reg base = loop_convert(e->f, LOOP_truncate, axis->base, LOOP_i32);
    Reg steps = loop_lane_index(e->f, type);
    if (axis->step != 1)
        steps = loop_binary(e->f, LOOP_mul, steps, loop_int(e->f, type, axis->step));
    return loop_binary(e->f, LOOP_add, loop_splat(e->f, base, lanes), steps);
}

Reg evaluate_iota(Expression *e, const Node *node, const Site *site)
{
    const Type type = result_type(e, node);
    const uint32_t axis = (uint32_t)node_integer(node, ATTR_axis);
    Cut cut;
    site_cut(e, site, type, around(axis), &cut);
    const AxisIndex index = cut_axis(e, &cut, axis);
    if (axis_is_unknown(&index))
        return UNKNOWN;
    int64_t least, most;
    dim_bounds(e->module, type.dim[axis], &least, &most);
    const bool narrow = most <= INT32_MAX && index.step >= -1 && index.step <= 1;
    Reg reg = axis_varies(&index) ? (Reg){0} : index.base;
    ElementType from = ELEMENT_i64;
    if (reg.id == 0 && narrow && index.lanes.id == 0) {
        reg = index_vector_i32(e, &index, site->lanes);
        from = ELEMENT_i32;
    }
    if (reg.id == 0)
        reg = axis_vector(e, &index, site->lanes);
    return convert_round(e, convert_cast(e, reg, from, type.element), type.element, false);
}
