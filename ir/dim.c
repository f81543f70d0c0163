/* SPDX-License-Identifier: Apache-2.0
 * Arithmetic of dimensions. Sums and products are polynomial arithmetic; floor_div, mod, max and min first take out
 * what the polynomial form and the symbols' ranges decide, and become an atom only for the rest. dim_table.h has the
 * representation. */
#include "ir/dim_table.h"

#include <string.h>

#include "ir/base/hash.h"
#include "ir/base/vec.h"

Dim dim_constant(int64_t value)
{
    return (Dim){.constant = value};
}

bool dim_is_constant(Dim dim)
{
    return dim.expression == 0;
}

bool dim_equal(Dim a, Dim b)
{
    return a.expression == b.expression && a.constant == b.constant;
}

bool dim_is(Dim dim, int64_t value)
{
    return dim.expression == 0 && dim.constant == value;
}

/* ---- sums and products ---- */

bool dim_try_add(Module *module, Dim a, Dim b, int64_t factor, Dim *sum)
{
    int64_t number;
    if (a.expression == 0 && b.expression == 0) {
        if (__builtin_mul_overflow(b.constant, factor, &number) || __builtin_add_overflow(a.constant, number, &number))
            return false;
        *sum = dim_constant(number);
        return true;
    }
    Poly x, y;
    dim_load(module, a, &x);
    dim_load(module, b, &y);
    return poly_add(module, &x, &y, factor) && dim_store(module, &x, sum);
}

static bool poly_add_product(Module *module, Poly *sum, const Term *term, const Poly *x)
{
    for (uint32_t i = 0; i < x->count; i++) {
        int64_t coefficient;
        uint32_t monomial;
        if (__builtin_mul_overflow(term->coefficient, x->term[i].coefficient, &coefficient) ||
            !monomial_multiply(module, term->monomial, x->term[i].monomial, &monomial) ||
            !poly_add_term(module, sum, coefficient, monomial))
            return false;
    }
    return true;
}

bool dim_try_mul(Module *module, Dim a, Dim b, Dim *product)
{
    int64_t number;
    if (a.expression == 0 && b.expression == 0) {
        if (__builtin_mul_overflow(a.constant, b.constant, &number))
            return false;
        *product = dim_constant(number);
        return true;
    }
    Poly x, y, sum = {.count = 0};
    dim_load(module, a, &x);
    dim_load(module, b, &y);
    for (uint32_t i = 0; i < x.count; i++)
        if (!poly_add_product(module, &sum, &x.term[i], &y))
            return false;
    return dim_store(module, &sum, product);
}

Dim dim_add(Module *module, Dim a, Dim b)
{
    Dim sum;
    if (module->status != STATUS_OK)
        return dim_constant(0);
    return dim_try_add(module, a, b, 1, &sum) ? sum : dim_too_large(module);
}

Dim dim_sub(Module *module, Dim a, Dim b)
{
    Dim sum;
    if (module->status != STATUS_OK)
        return dim_constant(0);
    return dim_try_add(module, a, b, -1, &sum) ? sum : dim_too_large(module);
}

Dim dim_mul(Module *module, Dim a, Dim b)
{
    Dim product;
    if (module->status != STATUS_OK)
        return dim_constant(0);
    return dim_try_mul(module, a, b, &product) ? product : dim_too_large(module);
}

/* A zero first: 0 times something too large is 0. */
Dim dim_product(Module *module, const Dim *dim, uint32_t count)
{
    Dim product = dim_constant(1);
    for (uint32_t i = 0; i < count; i++)
        if (dim_is(dim[i], 0))
            return dim_constant(0);
    for (uint32_t i = 0; i < count; i++)
        product = dim_mul(module, product, dim[i]);
    return product;
}

/* ---- exact division ---- */

/* Long division by leading terms; the monomial order is compatible with multiplication, so it ends. */
static bool poly_divide(Module *module, Poly *rest, const Poly *divisor, Poly *quotient)
{
    quotient->count = 0;
    for (uint32_t step = 0; rest->count != 0; step++) {
        Term term;
        int64_t number;
        const Term *lead = &divisor->term[0];
        if (step == DIM_MAX_TERMS || lead->coefficient == 0 || rest->term[0].coefficient == INT64_MIN ||
            rest->term[0].coefficient % lead->coefficient != 0 ||
            !monomial_divide(module, rest->term[0].monomial, lead->monomial, &term.monomial))
            return false;
        number = rest->term[0].coefficient / lead->coefficient;
        term.coefficient = -number;
        if (!poly_add_product(module, rest, &term, divisor) || !poly_add_term(module, quotient, number, term.monomial))
            return false;
    }
    return true;
}

bool dim_divides(Module *module, Dim a, Dim b, Dim *quotient)
{
    Dim unused;
    Poly x, y, q;
    quotient = quotient == NULL ? &unused : quotient;
    if (dim_is(b, 0) || module->status != STATUS_OK)
        return false;
    dim_load(module, a, &x);
    dim_load(module, b, &y);
    return poly_divide(module, &x, &y, &q) && dim_store(module, &q, quotient);
}

/* ---- floor_div and mod ---- */

static int64_t gcd(int64_t a, int64_t b)
{
    uint64_t x = a < 0 ? -(uint64_t)a : (uint64_t)a, y = b < 0 ? -(uint64_t)b : (uint64_t)b;
    while (y != 0) {
        const uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return x > INT64_MAX ? 1 : (int64_t)x;
}

static bool find_common(Module *module, const Poly *poly, Term *common)
{
    for (uint32_t i = 0; i < poly->count; i++) {
        common->coefficient = gcd(common->coefficient, poly->term[i].coefficient);
        if (!monomial_common(module, common->monomial, poly->term[i].monomial, &common->monomial))
            return false;
    }
    return true;
}

static bool divide_terms(Module *module, Poly *poly, Term divisor)
{
    const Poly old = *poly;
    poly->count = 0;
    for (uint32_t i = 0; i < old.count; i++) {
        uint32_t monomial;
        if (!monomial_divide(module, old.term[i].monomial, divisor.monomial, &monomial) ||
            !poly_add_term(module, poly, old.term[i].coefficient / divisor.coefficient, monomial))
            return false;
    }
    return true;
}

/* Divides out what all terms of both have in common: (c a) / (c b) = a / b, rounded alike, for c other than 0. */
static bool cancel_common(Module *module, Poly *a, Poly *b)
{
    Term common = {0, b->term[0].monomial};
    return find_common(module, a, &common) && find_common(module, b, &common) && divide_terms(module, a, common) &&
           divide_terms(module, b, common);
}

static bool is_positive_number(const Poly *poly)
{
    return poly->count == 1 && poly->term[0].monomial == 0 && poly->term[0].coefficient > 0;
}

/* a / -d = -a / d */
static bool make_divisor_positive(Module *module, Poly *a, Poly *b)
{
    Poly negated = {.count = 0};
    if (b->count != 1 || b->term[0].monomial != 0 || b->term[0].coefficient > 0)
        return true;
    if (b->term[0].coefficient == INT64_MIN || !poly_add(module, &negated, a, -1))
        return false;
    *a = negated;
    b->term[0].coefficient = -b->term[0].coefficient;
    return true;
}

/* Splits off the terms that a one-term divisor divides: floor((b q + r) / b) = q + floor(r / b). For a number,
 * coefficients are reduced towards 0 and the constant to 0 … b - 1, so that forms meet. Adds to *quotient. */
static bool split_multiples(Module *module, Poly *a, const Poly *b, Poly *quotient)
{
    const Term divisor = b->term[0];
    const Poly old = *a;
    if (b->count != 1 || divisor.coefficient < 0)
        return true;
    a->count = 0;
    for (uint32_t i = 0; i < old.count; i++) {
        const Term term = old.term[i];
        uint32_t monomial = 0;
        int64_t number = 0;
        if (monomial_divide(module, term.monomial, divisor.monomial, &monomial))
            number = term.monomial == 0 ? floor_div_i64(term.coefficient, divisor.coefficient)
                                        : term.coefficient / divisor.coefficient;
        if (!poly_add_term(module, quotient, number, monomial) ||
            !poly_add_term(module, a, term.coefficient - number * divisor.coefficient, term.monomial))
            return false;
    }
    return true;
}

/* With d a number and g the common divisor of d and all coefficients but the constant c:
 * floor((g y + c) / (g e)) = floor((y + floor(c / g)) / e). */
static bool reduce_by_number(Module *module, Poly *a, Poly *b)
{
    const Poly old = *a;
    if (!is_positive_number(b))
        return true;
    int64_t g = b->term[0].coefficient;
    for (uint32_t i = 0; i < old.count; i++)
        if (old.term[i].monomial != 0)
            g = gcd(g, old.term[i].coefficient);
    a->count = 0;
    b->term[0].coefficient /= g;
    for (uint32_t i = 0; i < old.count; i++)
        if (!poly_add_term(module, a, floor_div_i64(old.term[i].coefficient, g), old.term[i].monomial))
            return false;
    return true;
}

/* The floor_div atom x / m by a number m > 0 that the polynomial is, but for a constant. */
static bool is_nested_quotient(const Module *module, const Poly *poly, Atom *inner, int64_t *shift)
{
    if (poly->count == 0 || poly->count > 2 || poly->term[0].coefficient != 1)
        return false;
    const Monomial *monomial = &module->dims->monomial[poly->term[0].monomial];
    if (monomial->degree != 1 || (poly->count == 2 && poly->term[1].monomial != 0))
        return false;
    *inner = module->dims->atom[monomial->atom[0]];
    *shift = poly->count == 2 ? poly->term[1].coefficient : 0;
    return inner->form == DIM_FLOOR_DIV && inner->b.expression == 0 && inner->b.constant > 0;
}

/* floor((floor(x / m) + c) / d) = floor((x + m c) / (m d)) for numbers m, d > 0. */
static bool merge_nested(Module *module, Poly *a, Poly *b, bool *changed)
{
    Atom inner;
    int64_t shift, divisor;
    *changed = false;
    if (!is_positive_number(b) || !is_nested_quotient(module, a, &inner, &shift) ||
        __builtin_mul_overflow(inner.b.constant, b->term[0].coefficient, &divisor) ||
        __builtin_mul_overflow(inner.b.constant, shift, &shift))
        return true;
    *changed = true;
    dim_load(module, inner.a, a);
    b->term[0].coefficient = divisor;
    return poly_add_term(module, a, shift, 0);
}

/* The quotient where ranges decide it: the dividend stays between two multiples of the divisor. */
static bool quotient_by_bounds(Module *module, Dim a, Dim b, Dim *quotient)
{
    int64_t min, max;
    Dim room;
    dim_bounds(module, a, &min, &max);
    if (b.expression == 0) {
        if (min == INT64_MIN || max == INT64_MAX || floor_div_i64(min, b.constant) != floor_div_i64(max, b.constant))
            return false;
        *quotient = dim_constant(floor_div_i64(min, b.constant));
        return true;
    }
    if (min < 0 || !dim_try_add(module, b, a, -1, &room))
        return false;
    dim_bounds(module, room, &min, &max);
    *quotient = dim_constant(0);
    return min > 0;
}

static bool floor_div_reduced(Module *module, Poly *a, Poly *b, Dim *quotient)
{
    Poly whole = {.count = 0};
    Dim rest, divisor, part;
    bool changed = true;
    if (!cancel_common(module, a, b) || !make_divisor_positive(module, a, b))
        return false;
    while (changed)
        if (!split_multiples(module, a, b, &whole) || !reduce_by_number(module, a, b) ||
            !merge_nested(module, a, b, &changed))
            return false;
    if (!dim_store(module, a, &rest) || !dim_store(module, b, &divisor) || !dim_store(module, &whole, quotient))
        return false;
    if (dim_is(divisor, 1))
        part = rest;
    else if (!quotient_by_bounds(module, rest, divisor, &part) &&
             !dim_from_atom(module, (Atom){.form = DIM_FLOOR_DIV, .a = rest, .b = divisor}, &part))
        return false;
    return dim_try_add(module, *quotient, part, 1, quotient);
}

static bool try_floor_div(Module *module, Dim a, Dim b, Dim *quotient)
{
    Poly x, y;
    if (a.expression == 0 && b.expression == 0) {
        *quotient = dim_constant(floor_div_i64(a.constant, b.constant));
        return true;
    }
    if (dim_is(a, 0) || dim_is(b, 0)) {
        *quotient = dim_constant(0);
        return true;
    }
    if (dim_divides(module, a, b, quotient))
        return true;
    dim_load(module, a, &x);
    dim_load(module, b, &y);
    return floor_div_reduced(module, &x, &y, quotient);
}

static bool try_mod(Module *module, Dim a, Dim b, Dim *rest)
{
    Dim quotient, whole;
    Poly x, y, split = {.count = 0};
    if (a.expression == 0 && b.expression == 0) {
        *rest = dim_constant(floor_mod_i64(a.constant, b.constant));
        return true;
    }
    *rest = dim_constant(0);
    if (dim_is(b, 0) || dim_divides(module, a, b, &quotient))
        return true;
    dim_load(module, a, &x);
    dim_load(module, b, &y);
    if (!split_multiples(module, &x, &y, &split) || !dim_store(module, &x, &a))
        return false;
    if (quotient_by_bounds(module, a, b, &quotient))
        return dim_try_mul(module, quotient, b, &whole) && dim_try_add(module, a, whole, -1, rest);
    return dim_from_atom(module, (Atom){.form = DIM_MOD, .a = a, .b = b}, rest);
}

/* ---- max and min ---- */

/* Whether `dim` is already one of the parts of the max (min) that `other` is. */
static bool is_part_of(const Module *module, DimForm form, Dim dim, Dim other)
{
    const uint32_t id = dim_single_atom(module, other);
    if (id == 0 || module->dims->atom[id].form != form)
        return false;
    return dim_equal(module->dims->atom[id].a, dim) || dim_equal(module->dims->atom[id].b, dim);
}

static bool try_extreme(Module *module, DimForm form, Dim a, Dim b, Dim *result)
{
    int64_t min = INT64_MIN, max = INT64_MAX;
    Dim difference;
    if (dim_try_add(module, a, b, -1, &difference))
        dim_bounds(module, difference, &min, &max);
    const bool a_is_larger = min >= 0, b_is_larger = max <= 0;
    if (a_is_larger || b_is_larger) {
        *result = a_is_larger == (form == DIM_MAX) ? a : b;
        return true;
    }
    if (is_part_of(module, form, a, b) || is_part_of(module, form, b, a)) {
        *result = is_part_of(module, form, a, b) ? b : a;
        return true;
    }
    return dim_from_atom(module, (Atom){.form = form, .a = a, .b = b}, result);
}

/* ---- results are remembered ---- */

typedef struct MemoQuery {
    const Module *module;
    DimForm form;
    Dim a, b;
} MemoQuery;

static bool memo_equal(const void *context, uint32_t id)
{
    const MemoQuery *query = context;
    const Memo *memo = &query->module->dims->memo[id];
    return memo->form == query->form && dim_equal(memo->a, query->a) && dim_equal(memo->b, query->b);
}

static bool operation(Module *module, DimForm form, Dim a, Dim b, Dim *result)
{
    if (form == DIM_FLOOR_DIV)
        return try_floor_div(module, a, b, result);
    return form == DIM_MOD ? try_mod(module, a, b, result) : try_extreme(module, form, a, b, result);
}

/* Ranges may narrow between two equal calls, which must still give the same expression. */
static Dim remembered(Module *module, DimForm form, Dim a, Dim b)
{
    DimTable *table = module->dims;
    Dim result = dim_constant(0);
    if (module->status != STATUS_OK)
        return result;
    if (a.expression == 0 && b.expression == 0)
        return operation(module, form, a, b, &result) ? result : dim_too_large(module);
    uint64_t hash = hash_word(hash_word(form, (uint64_t)a.constant), a.expression);
    hash = hash_word(hash_word(hash, (uint64_t)b.constant), b.expression);
    const uint32_t id = intern_find(&table->memos, hash, memo_equal, &(MemoQuery){module, form, a, b});
    if (id != 0)
        return table->memo[id].result;
    if (!operation(module, form, a, b, &result) || !VEC_GROW(&module->arena, table, memo) ||
        !intern_add(&table->memos, &module->arena, hash, table->memo_count))
        return dim_too_large(module);
    table->memo[table->memo_count++] = (Memo){form, a, b, result};
    return result;
}

static bool divisor_is_zero(Module *module, Dim b)
{
    if (dim_is(b, 0) && module->status == STATUS_OK)
        module_fail(module, STATUS_INVALID, "", "a dimension expression divides by 0");
    return dim_is(b, 0);
}

Dim dim_floor_div(Module *module, Dim a, Dim b)
{
    return divisor_is_zero(module, b) ? dim_constant(0) : remembered(module, DIM_FLOOR_DIV, a, b);
}

/* ceil(a / b) is floor((a + b - 1) / b) for a positive divisor, and -floor(-a / b) always. */
Dim dim_ceil_div(Module *module, Dim a, Dim b)
{
    int64_t min, max;
    Dim quotient;
    if (divisor_is_zero(module, b))
        return dim_constant(0);
    if (dim_divides(module, a, b, &quotient))
        return quotient;
    dim_bounds(module, b, &min, &max);
    if (min > 0)
        return dim_floor_div(module, dim_sub(module, dim_add(module, a, b), dim_constant(1)), b);
    const Dim zero = dim_constant(0);
    return dim_sub(module, zero, dim_floor_div(module, dim_sub(module, zero, a), b));
}

Dim dim_mod(Module *module, Dim a, Dim b)
{
    return divisor_is_zero(module, b) ? dim_constant(0) : remembered(module, DIM_MOD, a, b);
}

static Dim extreme(Module *module, DimForm form, Dim a, Dim b)
{
    const bool in_order = dim_compare(module, a, b) <= 0;
    return remembered(module, form, in_order ? a : b, in_order ? b : a);
}

Dim dim_max(Module *module, Dim a, Dim b)
{
    return extreme(module, DIM_MAX, a, b);
}

Dim dim_min(Module *module, Dim a, Dim b)
{
    return extreme(module, DIM_MIN, a, b);
}
