/* SPDX-License-Identifier: Apache-2.0
 * Reductions in registers, and what loops over reduced axes make at one site. */
#include "codegen/lower/rows.h"

/* ---------------------------------------------------------------- sites ---- */

Site rows_full_site(const Rows *rows, uint32_t lanes, Reg active)
{
    Site site = {.lanes = lanes, .active = active};
    for (uint32_t i = 0; i < rows->run_count; i++)
        site_append(&site, rows->run[i].dim, rows->index[i]);
    return site;
}

Site rows_kept_site(const Rows *rows, uint32_t lanes, Reg active)
{
    Site site = {.lanes = lanes, .active = active};
    for (uint32_t i = 0; i < rows->run_count; i++)
        if (!rows->run[i].is_reduced)
            site_append(&site, rows->run[i].dim, rows->index[i]);
    return site;
}

uint32_t rows_kept_dims(const Rows *rows, bool but_last, Dim *dim, uint32_t *run)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows->run_count; i++) {
        if (rows->run[i].is_reduced)
            continue;
        dim[count] = rows->run[i].dim;
        run[count++] = i;
    }
    return but_last && count > 0 ? count - 1 : count;
}

/* ---------------------------------------------------------------- arithmetic ---- */

static Reg integer_identity(const Reduction *r, LoopFunction *f, LoopType type)
{
    const uint32_t bits = element_bits(r->element);
    const bool is_signed = element_info[r->element].kind == KIND_SIGNED;
    const int64_t smallest = is_signed ? (int64_t)(UINT64_MAX << (bits - 1)) : 0;
    const int64_t largest = is_signed ? ~smallest : (int64_t)(UINT64_MAX >> (64 - bits));
    const int64_t identity = r->step == OP_add ? 0 : r->step == OP_mul ? 1 : r->step == OP_max ? smallest : largest;
    return loop_int(f, type, r->element == ELEMENT_bool ? identity != 0 : identity);
}

Reg reduction_identity(const Rows *rows, const Reduction *r, uint32_t lanes)
{
    const LoopType type = loop_type(expression_kind(r->element), lanes);
    if (!element_is_floating(r->element))
        return integer_identity(r, rows->f, type);
    const double infinity = __builtin_inf();
    const double identity = r->step == OP_add ? 0 : r->step == OP_mul ? 1 : r->step == OP_max ? -infinity : infinity;
    return loop_real(rows->f, type, identity);
}

Reg reduction_combine(const Rows *rows, const Reduction *r, Reg sum, Reg x)
{
    return expression_apply(rows->e, r->step, r->element, x, sum);
}

Reg reduction_tree(const Rows *rows, const Reduction *r, Reg *vector, uint32_t count)
{
    LoopFunction *f = rows->f;
    for (uint32_t half = count / 2; half >= 1; half /= 2)
        for (uint32_t i = 0; i < half; i++)
            vector[i] = reduction_combine(rows, r, vector[i], vector[i + half]);
    Reg all = vector[0];
    if (f->error != NULL)
        return all;
    for (uint32_t half = loop_type_of(f, all).lanes / 2; half >= 1; half /= 2) {
        int8_t low[64], high[64];
        for (uint32_t i = 0; i < half; i++) {
            low[i] = (int8_t)i;
            high[i] = (int8_t)(half + i);
        }
        all = reduction_combine(rows, r, loop_shuffle(f, all, all, low, half), loop_shuffle(f, all, all, high, half));
    }
    return all;
}

void reduction_bind(Rows *rows, const Reduction *r, const Site *site, Reg total)
{
    if (rows->f->error == NULL)
        bind_site(rows->e, r->value, site, convert_round(rows->e, total, r->result, false));
}

/* ---------------------------------------------------------------- what a loop makes ---- */

static void store_full(Rows *rows, uint32_t result, const Site *site, Reg reg)
{
    const Graph *region = rows->region;
    site_store(rows->e, value_type(region, region->result[result]).element,
               rows->e->buffer[region->parameter_count + result], site, reg);
}

void rows_make(Rows *rows, uint32_t level, const Site *site, Reg *operand)
{
    Expression *e = rows->e;
    const Graph *region = rows->region;
    Reg *made = ARENA_NEW(rows->context->scratch, Reg, region->result_count + region->value_count);
    if (made == NULL) {
        (void)expression_fail(e, "out of memory");
        return;
    }
    Site own = *site;
    site_canonicalize(&own);
    e->here = site_linear(e, &own);
    for (uint32_t i = 0; i < rows->reduction_count; i++)
        if (rows->reduction[i].level == level + 1)
            operand[i] = widen(e, evaluate(e, rows->reduction[i].operand, site), site->lanes);
    for (uint32_t i = 0; i < region->result_count; i++)
        if (rows->is_full[i] && rows->level[region->result[i].id] == level)
            made[i] = evaluate(e, region->result[i], site);
    for (uint32_t i = 1; i < region->value_count; i++)
        if (rows->spill[i] != 0 && rows->level[i] == level)
            store_full(rows, rows->spill[i] - 1, site, evaluate(e, (Value){i}, site));
    for (uint32_t i = 0; i < region->result_count; i++)
        if (rows->is_full[i] && rows->level[region->result[i].id] == level)
            store_full(rows, i, site, made[i]);
}

void rows_store_kept(Rows *rows, const Site *site)
{
    const Graph *region = rows->region;
    for (uint32_t i = 0; i < region->result_count; i++)
        if (!rows->is_full[i])
            store_full(rows, i, site, evaluate(rows->e, region->result[i], site));
}

void rows_hoist(Rows *rows, uint32_t level, const Site *site)
{
    const Graph *region = rows->region;
    for (uint32_t i = 0; i < rows->reduction_count; i++)
        if (rows->reduction[i].level == level + 1)
            hoist(rows->e, &rows->reduction[i].operand, 1, site);
    for (uint32_t i = 0; i < region->result_count; i++)
        if (rows->is_full[i] && rows->level[region->result[i].id] == level)
            hoist(rows->e, &region->result[i], 1, site);
}

void rows_begin_level(Rows *rows, uint32_t level)
{
    Expression *e = rows->e;
    const Graph *region = rows->region;
    bool first_is_written = false;
    for (uint32_t i = 1; i < region->value_count; i++) {
        const bool is_kept = rows->spill[i] != 0 && rows->level[i] < level;
        e->stored_in[i] = is_kept ? rows->spill[i] : 0;
        first_is_written |= is_kept && rows->spill[i] == 1;
    }
    for (uint32_t i = 0; i < region->result_count; i++) {
        if (!rows->is_full[i] || rows->level[region->result[i].id] >= level)
            continue;
        e->stored_in[region->result[i].id] = rows->moved[region->result[i].id] ? 0 : i + 1;
        first_is_written |= i == 0;
    }
    e->may_share = !first_is_written;
}
