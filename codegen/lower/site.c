/* SPDX-License-Identifier: Apache-2.0
 * Sites: points of spaces, and cutting them along the axes of a type.
 *
 * A site's dims and a type's axes are two factorizations of the same number of elements. Walking both from the left and
 * extending the smaller product until they are equal gives the finest stretches they share:
 *
 *     site  [B*S, 3, 64]     type [B, S, 192]     stretches  B*S ↔ B,S    3,64 ↔ 192
 *
 * Where a boundary is wanted inside a stretch, its index is made linear and divided again. */
#include "codegen/lower/site.h"

#include <string.h>

#include "ir/base/hash.h"
#include "ir/base/vec.h"

void site_append(Site *site, Dim dim, AxisIndex axis)
{
    if (dim_is(dim, 1))
        return;
    site->overflow |= site->rank == MAX_RANK;
    if (site->overflow)
        return;
    site->dim[site->rank] = dim;
    site->axis[site->rank++] = axis;
}

Site site_of_point(Expression *e, Type type, const Point *point)
{
    Site site = {.lanes = point->lanes, .active = point->active};
    const Dim *dim = point->dim != NULL ? point->dim : type.dim;
    if (point->dim == NULL && point->rank != type.rank)
        (void)expression_fail(e, "a point of rank %u in a value of rank %u", (unsigned)point->rank,
                              (unsigned)type.rank);
    for (uint32_t i = 0; i < point->rank; i++)
        site_append(&site, dim[i], point->axis[i]);
    return site;
}

void site_canonicalize(Site *site)
{
    bool varies = false;
    for (uint32_t i = 0; i < site->rank; i++)
        varies |= axis_varies(&site->axis[i]);
    if (varies && site->lanes > 1)
        return;
    site->lanes = 1;
    site->active = (Reg){0};
}

static bool same_sites(const Site *a, const Site *b)
{
    if (a->rank != b->rank || a->lanes != b->lanes || a->active.id != b->active.id)
        return false;
    for (uint32_t i = 0; i < a->rank; i++) {
        const AxisIndex *x = &a->axis[i], *y = &b->axis[i];
        if (!dim_equal(a->dim[i], b->dim[i]) || x->base.id != y->base.id || x->lanes.id != y->lanes.id ||
            x->step != y->step)
            return false;
    }
    return true;
}

static uint32_t site_hash(const Site *site)
{
    uint64_t hash = site->rank * 1000003u + site->lanes * 7919u + site->active.id;
    for (uint32_t i = 0; i < site->rank; i++) {
        const uint64_t part[] = {(uint64_t)site->dim[i].constant ^ (uint64_t)site->dim[i].expression << 40,
                                 site->axis[i].base.id | (uint64_t)site->axis[i].lanes.id << 32,
                                 (uint64_t)site->axis[i].step};
        for (uint32_t k = 0; k < 3; k++)
            hash = (hash ^ part[k]) * 0x9E3779B97F4A7C15u, hash ^= hash >> 29;
    }
    return (uint32_t)(hash >> 32);
}

/* Twice the room, everything put in again. */
static bool grow_slots(Expression *e)
{
    const uint32_t slots = e->site_slots == 0 ? 64 : e->site_slots * 2;
    uint32_t *slot = ARENA_NEW(e->context->scratch, uint32_t, slots);
    if (slot == NULL)
        return false;
    for (uint32_t i = 0; i < e->site_count; i++) {
        uint32_t at = site_hash(e->site[i]) & (slots - 1);
        while (slot[at] != 0)
            at = (at + 1) & (slots - 1);
        slot[at] = i + 1;
    }
    e->site_slot = slot;
    e->site_slots = slots;
    return true;
}

uint32_t site_number(Expression *e, const Site *site)
{
    if (e->site_count * 2 >= e->site_slots && !grow_slots(e))
        return (void)expression_fail(e, "out of memory"), 0;
    uint32_t at = site_hash(site) & (e->site_slots - 1);
    for (; e->site_slot[at] != 0; at = (at + 1) & (e->site_slots - 1))
        if (same_sites(e->site[e->site_slot[at] - 1], site))
            return e->site_slot[at] - 1;
    Site *copy = arena_copy(e->context->scratch, site, sizeof *site);
    if (copy == NULL || !VEC_GROW(e->context->scratch, e, site))
        return (void)expression_fail(e, "out of memory"), 0;
    e->site[e->site_count] = copy;
    e->site_slot[at] = ++e->site_count;
    return e->site_count - 1;
}

/* ---------------------------------------------------------------- linear ---- */

/* x when high is x / n and low's base is x % n. */
static Reg undivided(const Expression *e, const AxisIndex *high, Reg n, const AxisIndex *low)
{
    if (high->base.id == 0 || low->base.id == 0 || is_unknown(high->base) || is_unknown(low->base) ||
        axis_varies(high) || low->lanes.id != 0)
        return (Reg){0};
    const LoopInstr *quotient = &e->f->instr[high->base.id], *rest = &e->f->instr[low->base.id];
    if (quotient->op != LOOP_div_unsigned || rest->op != LOOP_rem_unsigned ||
        quotient->operand[0].id != rest->operand[0].id)
        return (Reg){0};
    int64_t a, b, c;
    const bool all_equal = quotient->operand[1].id == n.id && rest->operand[1].id == n.id;
    const bool all_known = loop_known(e->f, n, &a) && loop_known(e->f, quotient->operand[1], &b) &&
                           loop_known(e->f, rest->operand[1], &c) && a == b && b == c;
    return all_equal || all_known ? quotient->operand[0] : (Reg){0};
}

/* high * n + low, for low below n. */
static AxisIndex join(Expression *e, AxisIndex high, Dim n, AxisIndex low, uint32_t lanes)
{
    const Reg size = expression_dim(e, n);
    const Reg whole = undivided(e, &high, size, &low);
    if (whole.id != 0)
        return (AxisIndex){.base = whole, .step = low.step};
    return axis_sum(e, axis_times(e, high, size, lanes), low, lanes);
}

AxisIndex site_linear_of(Expression *e, const Site *site, uint32_t from, uint32_t to)
{
    if (from == to)
        return axis_uniform(index_constant(e, 0));
    AxisIndex linear = site->axis[from];
    for (uint32_t i = from + 1; i < to; i++)
        linear = join(e, linear, site->dim[i], site->axis[i], site->lanes);
    return linear;
}

AxisIndex site_linear(Expression *e, const Site *site)
{
    return site_linear_of(e, site, 0, site->rank);
}

/* ---------------------------------------------------------------- cutting ---- */

/* Both factorizations while they are walked; axes of size 1 are left out on both sides. */
typedef struct Walk {
    Module *module;
    const Site *site;
    Type type;
    uint32_t axis[MAX_RANK], axis_count; /* of the type */
    uint32_t axis_at, dim_at;
} Walk;

static Walk walk_begin(Module *module, const Site *site, Type type)
{
    Walk walk = {.module = module, .site = site, .type = type};
    for (uint32_t i = 0; i < type.rank; i++)
        if (!dim_is(type.dim[i], 1))
            walk.axis[walk.axis_count++] = i;
    return walk;
}

static bool take_axis(Walk *walk, Dim *product)
{
    if (walk->axis_at == walk->axis_count)
        return false;
    *product = dim_mul(walk->module, *product, walk->type.dim[walk->axis[walk->axis_at++]]);
    return true;
}

static bool take_dim(Walk *walk, Dim *product)
{
    if (walk->dim_at == walk->site->rank)
        return false;
    *product = dim_mul(walk->module, *product, walk->site->dim[walk->dim_at++]);
    return true;
}

/* Extends the side that is behind; false when neither can be told to be, or both have ended. */
static bool extend(Walk *walk, Dim *axes, Dim *dims)
{
    if (dim_is_constant(*axes) && dim_is_constant(*dims))
        return axes->constant < dims->constant ? take_axis(walk, axes) : take_dim(walk, dims);
    if (dim_divides(walk->module, *dims, *axes, NULL))
        return take_axis(walk, axes);
    return dim_divides(walk->module, *axes, *dims, NULL) && take_dim(walk, dims);
}

/* Moves past the next shared stretch. */
static void walk_stretch(Walk *walk)
{
    Dim axes = dim_constant(1), dims = dim_constant(1);
    take_axis(walk, &axes);
    take_dim(walk, &dims);
    while (!dim_equal(axes, dims)) {
        if (extend(walk, &axes, &dims))
            continue;
        walk->axis_at = walk->axis_count; /* can't be told apart: all the rest */
        walk->dim_at = walk->site->rank;
        return;
    }
}

static void add_stretch(Cut *out, uint32_t axis, uint32_t axis_end, uint32_t dim)
{
    out->stretch[out->count++] = (Stretch){axis, axis_end, dim, out->site.rank};
}

/* Whether a boundary is asked for between two neighbours among the axes that count. */
static bool is_cut(const Walk *walk, uint32_t cuts, uint32_t at)
{
    const uint32_t before = walk->axis[at - 1], after = walk->axis[at];
    return (cuts >> (before + 1) & ((1u << (after - before)) - 1)) != 0;
}

/* Product of the axes numbered from … to - 1. */
static Dim axes_product(const Walk *walk, uint32_t from, uint32_t to)
{
    Dim product = dim_constant(1);
    for (uint32_t i = from; i < to; i++)
        product = dim_mul(walk->module, product, walk->type.dim[walk->axis[i]]);
    return product;
}

/* A stretch with boundaries inside: one linear index, divided from the right. */
static void divide_stretch(Expression *e, const Walk *walk, uint32_t cuts, uint32_t axis, uint32_t dim, Cut *out)
{
    uint32_t start[MAX_RANK + 1], runs = 0;
    AxisIndex index[MAX_RANK];
    for (uint32_t i = axis; i < walk->axis_at; i++)
        if (i == axis || is_cut(walk, cuts, i))
            start[runs++] = i;
    start[runs] = walk->axis_at;
    AxisIndex linear = site_linear_of(e, walk->site, dim, walk->dim_at);
    for (uint32_t i = runs; i-- > 1;)
        axis_divide(e, linear, expression_dim(e, axes_product(walk, start[i], start[i + 1])), walk->site->lanes,
                    &linear, &index[i]);
    index[0] = linear;
    for (uint32_t i = 0; i < runs; i++) {
        const uint32_t at = out->site.rank;
        site_append(&out->site, axes_product(walk, start[i], start[i + 1]), index[i]);
        add_stretch(out, walk->axis[start[i]], walk->axis[start[i + 1] - 1] + 1, at);
    }
}

static bool has_cut(const Walk *walk, uint32_t cuts, uint32_t from)
{
    for (uint32_t i = from + 1; i < walk->axis_at; i++)
        if (is_cut(walk, cuts, i))
            return true;
    return false;
}

void site_cut(Expression *e, const Site *from, Type type, uint32_t cuts, Cut *out)
{
    Walk walk = walk_begin(e->module, from, type);
    out->site = (Site){.lanes = from->lanes, .active = from->active};
    out->count = 0;
    while (walk.axis_at < walk.axis_count) {
        const uint32_t axis = walk.axis_at, dim = walk.dim_at, at = out->site.rank;
        walk_stretch(&walk);
        if (has_cut(&walk, cuts, axis)) {
            divide_stretch(e, &walk, cuts, axis, dim, out);
            continue;
        }
        for (uint32_t i = dim; i < walk.dim_at; i++)
            site_append(&out->site, from->dim[i], from->axis[i]);
        add_stretch(out, walk.axis[axis], walk.axis[walk.axis_at - 1] + 1, at);
    }
    if (out->site.overflow)
        (void)expression_fail(e, "more than %d axes at once", (int)MAX_RANK);
}

AxisIndex cut_axis(Expression *e, const Cut *cut, uint32_t axis)
{
    for (uint32_t i = 0; i < cut->count; i++)
        if (cut->stretch[i].axis <= axis && axis < cut->stretch[i].axis_end)
            return site_linear_of(e, &cut->site, cut->stretch[i].dim, cut->stretch[i].dim_end);
    return axis_uniform(index_constant(e, 0));
}

void site_append_stretch(Site *site, const Cut *cut, const Stretch *stretch)
{
    for (uint32_t i = stretch->dim; i < stretch->dim_end; i++)
        site_append(site, cut->site.dim[i], cut->site.axis[i]);
}

void space_refine(Module *module, Dim *dim, uint32_t *rank, Type type)
{
    Site old = {.rank = *rank}, fresh = {0};
    for (uint32_t i = 0; i < *rank; i++)
        old.dim[i] = dim[i];
    Walk walk = walk_begin(module, &old, type);
    while (walk.axis_at < walk.axis_count) {
        const uint32_t axis = walk.axis_at, first = walk.dim_at;
        walk_stretch(&walk);
        const bool splits = walk.dim_at - first == 1 && walk.axis_at - axis > 1;
        for (uint32_t i = axis; splits && i < walk.axis_at; i++)
            site_append(&fresh, type.dim[walk.axis[i]], (AxisIndex){0});
        for (uint32_t i = first; !splits && i < walk.dim_at; i++)
            site_append(&fresh, old.dim[i], (AxisIndex){0});
    }
    if (fresh.overflow)
        return;
    *rank = fresh.rank;
    for (uint32_t i = 0; i < fresh.rank; i++)
        dim[i] = fresh.dim[i];
}
