/* SPDX-License-Identifier: Apache-2.0
 * Questions to dimension expressions: bounds by interval arithmetic, value, substitution, parts. Ends of intervals at
 * INT64_MIN and INT64_MAX mean open, and arithmetic saturates there: never undefined, never wrong by wrapping. */
#include "ir/dim_table.h"

#include <string.h>

typedef struct Interval {
    int64_t min, max;
} Interval;

static int64_t saturating_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

static int64_t saturating_mul(int64_t a, int64_t b)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
    return product;
}

/* An open end stays open. */
static int64_t end_add(int64_t a, int64_t b, int64_t open)
{
    return a == open || b == open ? open : saturating_add(a, b);
}

static bool is_open(int64_t end)
{
    return end == INT64_MIN || end == INT64_MAX;
}

static int64_t end_mul(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return 0;
    if (is_open(a) || is_open(b))
        return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
    return saturating_mul(a, b);
}

static Interval interval_mul(Interval a, Interval b)
{
    const int64_t corner[4] = {end_mul(a.min, b.min), end_mul(a.min, b.max), end_mul(a.max, b.min),
                               end_mul(a.max, b.max)};
    Interval result = {corner[0], corner[0]};
    for (uint32_t i = 1; i < 4; i++) {
        result.min = corner[i] < result.min ? corner[i] : result.min;
        result.max = corner[i] > result.max ? corner[i] : result.max;
    }
    return result;
}

/* a / b for an end a and a finite divisor. */
static int64_t end_div(int64_t a, int64_t b)
{
    if (is_open(a))
        return b < 0 ? (a == INT64_MIN ? INT64_MAX : INT64_MIN) : a;
    return floor_div_i64(a, b);
}

/* Division by an interval without 0; an open divisor brings the quotient down to 0 or -1 at most. */
static Interval interval_div(Interval a, Interval b)
{
    if (b.min == 0 && a.min >= 0)
        return (Interval){0, a.max};
    if (b.min <= 0 && b.max >= 0)
        return (Interval){INT64_MIN, INT64_MAX};
    if (b.max < 0) {
        const Interval minus_a = interval_mul(a, (Interval){-1, -1}), minus_b = interval_mul(b, (Interval){-1, -1});
        return interval_div(minus_a, minus_b);
    }
    const int64_t far_min = b.max == INT64_MAX ? (a.min < 0 ? -1 : 0) : end_div(a.min, b.max);
    const int64_t far_max = b.max == INT64_MAX ? (a.max < 0 ? -1 : 0) : end_div(a.max, b.max);
    return (Interval){a.min < 0 ? end_div(a.min, b.min) : far_min, a.max < 0 ? far_max : end_div(a.max, b.min)};
}

static Interval interval_mod(Interval a, Interval b)
{
    if (b.min > 0) {
        if (a.min >= 0 && a.max < b.min)
            return a;
        const int64_t largest = b.max == INT64_MAX ? INT64_MAX : b.max - 1;
        return (Interval){0, a.min >= 0 && a.max < largest ? a.max : largest};
    }
    const int64_t low = b.min == INT64_MIN ? INT64_MIN : b.min + 1;
    return (Interval){b.min < 0 ? low : 0, b.max > 0 ? (b.max == INT64_MAX ? INT64_MAX : b.max - 1) : 0};
}

static Interval interval_of(const Module *module, Dim dim);

static Interval atom_interval(const Module *module, const Atom *atom)
{
    if (atom->form == DIM_SYMBOL)
        return (Interval){module->symbol[atom->symbol].min, module->symbol[atom->symbol].max};
    const Interval a = interval_of(module, atom->a), b = interval_of(module, atom->b);
    switch (atom->form) {
    case DIM_FLOOR_DIV:
        return interval_div(a, b);
    case DIM_MOD:
        return interval_mod(a, b);
    case DIM_MAX:
        return (Interval){a.min > b.min ? a.min : b.min, a.max > b.max ? a.max : b.max};
    default:
        return (Interval){a.min < b.min ? a.min : b.min, a.max < b.max ? a.max : b.max};
    }
}

/* Depth is limited by DIM_MAX_DEPTH, work by DIM_MAX_SIZE. */
static Interval interval_of(const Module *module, Dim dim)
{
    if (dim.expression == 0)
        return (Interval){dim.constant, dim.constant};
    const Polynomial *poly = &module->dims->polynomial[dim.expression];
    Interval sum = {0, 0};
    for (uint32_t i = 0; i < poly->count; i++) {
        Interval product = {poly->term[i].coefficient, poly->term[i].coefficient};
        const Monomial *monomial = &module->dims->monomial[poly->term[i].monomial];
        for (uint32_t k = 0; k < monomial->degree; k++)
            product = interval_mul(product, atom_interval(module, &module->dims->atom[monomial->atom[k]]));
        sum.min = end_add(sum.min, product.min, INT64_MIN);
        sum.max = end_add(sum.max, product.max, INT64_MAX);
    }
    return sum;
}

void dim_bounds(const Module *module, Dim dim, int64_t *min, int64_t *max)
{
    const Interval interval = interval_of(module, dim);
    *min = interval.min;
    *max = interval.max;
}

/* ---- value ---- */

static int64_t evaluate_atom(const Module *module, const Atom *atom, const int64_t *symbol)
{
    if (atom->form == DIM_SYMBOL)
        return symbol[atom->symbol];
    const int64_t a = dim_evaluate(module, atom->a, symbol), b = dim_evaluate(module, atom->b, symbol);
    switch (atom->form) {
    case DIM_FLOOR_DIV:
        return floor_div_i64(a, b);
    case DIM_MOD:
        return floor_mod_i64(a, b);
    case DIM_MAX:
        return a > b ? a : b;
    default:
        return a < b ? a : b;
    }
}

int64_t dim_evaluate(const Module *module, Dim dim, const int64_t *symbol)
{
    if (dim.expression == 0)
        return dim.constant;
    const Polynomial *poly = &module->dims->polynomial[dim.expression];
    int64_t sum = 0;
    for (uint32_t i = 0; i < poly->count; i++) {
        int64_t product = poly->term[i].coefficient;
        const Monomial *monomial = &module->dims->monomial[poly->term[i].monomial];
        for (uint32_t k = 0; k < monomial->degree; k++)
            product = saturating_mul(product, evaluate_atom(module, &module->dims->atom[monomial->atom[k]], symbol));
        sum = saturating_add(sum, product);
    }
    return sum;
}

/* ---- substitution ---- */

static Dim import_atom(const Module *from, Atom atom, Module *to, const Dim *replacement)
{
    if (atom.form == DIM_SYMBOL)
        return replacement[atom.symbol];
    const Dim a = dim_import(from, atom.a, to, replacement), b = dim_import(from, atom.b, to, replacement);
    switch (atom.form) {
    case DIM_FLOOR_DIV:
        return dim_floor_div(to, a, b);
    case DIM_MOD:
        return dim_mod(to, a, b);
    case DIM_MAX:
        return dim_max(to, a, b);
    default:
        return dim_min(to, a, b);
    }
}

/* Both may be one module, whose tables move while expressions are made: entries are copied, never pointed to across a
 * call. */
Dim dim_import(const Module *from, Dim dim, Module *to, const Dim *replacement)
{
    if (dim.expression == 0 || to->status != STATUS_OK)
        return dim;
    const Polynomial poly = from->dims->polynomial[dim.expression];
    Dim sum = dim_constant(0);
    for (uint32_t i = 0; i < poly.count; i++) {
        Dim product = dim_constant(poly.term[i].coefficient);
        const Monomial monomial = from->dims->monomial[poly.term[i].monomial];
        for (uint32_t k = 0; k < monomial.degree; k++)
            product = dim_mul(to, product, import_atom(from, from->dims->atom[monomial.atom[k]], to, replacement));
        sum = dim_add(to, sum, product);
    }
    return sum;
}

Dim dim_substitute(Module *module, Dim dim, const Dim *replacement)
{
    return dim_import(module, dim, module, replacement);
}

/* ---- symbols ---- */

bool dim_is_symbol(const Module *module, Dim dim, uint32_t *symbol)
{
    const uint32_t atom = dim.expression == 0 ? 0 : dim_single_atom(module, dim);
    if (atom == 0 || module->dims->atom[atom].form != DIM_SYMBOL)
        return false;
    *symbol = module->dims->atom[atom].symbol;
    return true;
}

void dim_mark_symbols(const Module *module, Dim dim, bool *used)
{
    if (dim.expression == 0)
        return;
    const Polynomial *poly = &module->dims->polynomial[dim.expression];
    for (uint32_t i = 0; i < poly->count; i++) {
        const Monomial *monomial = &module->dims->monomial[poly->term[i].monomial];
        for (uint32_t k = 0; k < monomial->degree; k++) {
            const Atom *atom = &module->dims->atom[monomial->atom[k]];
            if (atom->form == DIM_SYMBOL)
                used[atom->symbol] = true;
            else {
                dim_mark_symbols(module, atom->a, used);
                dim_mark_symbols(module, atom->b, used);
            }
        }
    }
}

/* ---- parts ---- */

static bool view_atom(Module *module, const Atom *atom, DimView *view)
{
    *view = (DimView){.form = atom->form, .symbol = atom->symbol};
    if (atom->form == DIM_SYMBOL)
        return true;
    view->part = arena_copy(&module->arena, (const Dim[2]){atom->a, atom->b}, 2 * sizeof(Dim));
    view->part_count = 2;
    return view->part != NULL;
}

/* The coefficient, unless it is 1, then each atom. */
static bool view_product(Module *module, Term term, DimView *view)
{
    const Monomial monomial = module->dims->monomial[term.monomial];
    Dim *part = ARENA_NEW(&module->arena, Dim, monomial.degree + 1);
    uint32_t count = 0;
    if (part == NULL)
        return false;
    if (term.coefficient != 1)
        part[count++] = dim_constant(term.coefficient);
    for (uint32_t k = 0; k < monomial.degree; k++)
        if (!dim_from_atom(module, module->dims->atom[monomial.atom[k]], &part[count++]))
            return false;
    *view = (DimView){.form = DIM_PRODUCT, .part = part, .part_count = count};
    return true;
}

static bool view_sum(Module *module, const Term *term, uint32_t count, DimView *view)
{
    Dim *part = ARENA_NEW(&module->arena, Dim, count);
    if (part == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!dim_store(module, &(Poly){.count = 1, .term[0] = term[i]}, &part[i]))
            return false;
    *view = (DimView){.form = DIM_SUM, .part = part, .part_count = count};
    return true;
}

static bool view_make(Module *module, Dim dim, DimView *view)
{
    const Polynomial poly = module->dims->polynomial[dim.expression];
    const uint32_t atom = dim_single_atom(module, dim);
    if (atom != 0)
        return view_atom(module, &module->dims->atom[atom], view);
    return poly.count == 1 ? view_product(module, poly.term[0], view) : view_sum(module, poly.term, poly.count, view);
}

DimView dim_view(Module *module, Dim dim)
{
    DimView view = {.form = DIM_NUMBER, .number = dim.constant};
    if (dim.expression == 0)
        return view;
    if (module->dims->polynomial[dim.expression].has_view)
        return module->dims->polynomial[dim.expression].view;
    if (!view_make(module, dim, &view)) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return (DimView){.form = DIM_NUMBER};
    }
    module->dims->polynomial[dim.expression].view = view;
    module->dims->polynomial[dim.expression].has_view = true;
    return view;
}
