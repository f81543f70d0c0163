/* SPDX-License-Identifier: Apache-2.0
 * The tables behind dimension expressions, for dim*.c only.
 *
 *   Dim.expression ─► Polynomial: terms in descending order ─► Monomial: atoms in order ─► Atom: a symbol, or
 *   floor_div, mod, max, min of two Dims
 *
 * All three are interned, so equal ids mean equal things. Order is structural (names, not ids): the same program gives
 * the same text whatever was built before. Degree, terms, nesting and printed size are limited, so that recursion over
 * an expression is bounded whatever a model file holds. */
#ifndef ADZE_IR_DIM_TABLE_H
#define ADZE_IR_DIM_TABLE_H

#include "ir/intern.h"
#include "ir/ir.h"

enum { DIM_MAX_TERMS = 64, DIM_MAX_DEGREE = 16, DIM_MAX_DEPTH = 100, DIM_MAX_SIZE = 1 << 13 };

typedef struct Term {
    int64_t coefficient; /* never 0 */
    uint32_t monomial;   /* 0: the empty one, of degree 0 */
} Term;

typedef struct Poly {
    uint32_t count;
    Term term[DIM_MAX_TERMS];
} Poly;

typedef struct Polynomial {
    const Term *term;
    uint32_t count;
    uint32_t depth, size; /* nesting of atoms; atoms written when printed */
    DimView view;         /* made when asked for */
    bool has_view;
} Polynomial;

typedef struct Monomial {
    const uint32_t *atom; /* in order, repeated for powers */
    uint32_t degree;
} Monomial;

typedef struct Atom {
    DimForm form;
    uint32_t symbol;
    Dim a, b;
    uint32_t depth, size;
} Atom;

/* What an operation gave, so that it gives the same again when ranges have narrowed since. */
typedef struct Memo {
    DimForm form;
    Dim a, b, result;
} Memo;

typedef struct DimTable {
    Polynomial *polynomial; /* [0] is unused in this and the others */
    uint32_t polynomial_count, polynomial_capacity;
    Monomial *monomial; /* [0] is the empty one */
    uint32_t monomial_count, monomial_capacity;
    Atom *atom;
    uint32_t atom_count, atom_capacity;
    Memo *memo;
    uint32_t memo_count, memo_capacity;
    Intern polynomials, monomials, atoms, memos, symbols;
} DimTable;

/* Makes module->dims; false when memory is out. */
bool dim_table_create(Module *module);

/* Polynomials under construction. All but dim_load give false when a limit or 64 bits are exceeded, or memory is out.
 */
void dim_load(const Module *module, Dim dim, Poly *poly);
bool dim_store(Module *module, const Poly *poly, Dim *dim);
bool poly_add_term(const Module *module, Poly *poly, int64_t coefficient, uint32_t monomial);
bool poly_add(const Module *module, Poly *sum, const Poly *x, int64_t factor); /* sum += factor x */
bool monomial_multiply(Module *module, uint32_t x, uint32_t y, uint32_t *product);
/* x / y where y divides x, else false. */
bool monomial_divide(Module *module, uint32_t x, uint32_t y, uint32_t *quotient);
/* The atoms both have, with the smaller powers. */
bool monomial_common(Module *module, uint32_t x, uint32_t y, uint32_t *common);
bool monomial_intern(Module *module, const uint32_t *atom, uint32_t degree, uint32_t *monomial);
bool atom_intern(Module *module, Atom atom, uint32_t *id);
/* The expression that is one atom. */
bool dim_from_atom(Module *module, Atom atom, Dim *dim);
/* The atom that the expression is; 0 when it's something else. */
uint32_t dim_single_atom(const Module *module, Dim dim);
/* Index of the symbol of that name; false when there is none. */
bool dim_find_symbol(const Module *module, const char *name, size_t length, uint32_t *index);
/* Structural order: negative, 0, positive. */
int dim_compare(const Module *module, Dim a, Dim b);

/* Quiet forms of the public functions: false instead of a sticky error. */
bool dim_try_add(Module *module, Dim a, Dim b, int64_t factor, Dim *sum); /* a + factor b */
bool dim_try_mul(Module *module, Dim a, Dim b, Dim *product);

int64_t floor_div_i64(int64_t a, int64_t b); /* 0 when b is 0; saturates */
int64_t floor_mod_i64(int64_t a, int64_t b);
/* Records why an expression couldn't be made, gives the number 0. */
Dim dim_too_large(Module *module);

#endif
