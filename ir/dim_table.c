/* SPDX-License-Identifier: Apache-2.0
 * Interned polynomials, monomials and atoms: see dim_table.h for the picture. */
#include "ir/dim_table.h"

#include <string.h>

#include "ir/base/hash.h"
#include "ir/base/vec.h"

int64_t floor_div_i64(int64_t a, int64_t b)
{
    if (b == 0)
        return 0;
    if (b == -1)
        return a == INT64_MIN ? INT64_MAX : -a;
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

int64_t floor_mod_i64(int64_t a, int64_t b)
{
    if (b == 0 || b == -1)
        return 0;
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Dim dim_too_large(Module *module)
{
    module_fail(module, STATUS_UNSUPPORTED, "",
                "a dimension expression is too large (64-bit numbers, %d terms, degree %d, nesting %d)", DIM_MAX_TERMS,
                DIM_MAX_DEGREE, DIM_MAX_DEPTH);
    return dim_constant(0);
}

/* ---- order ---- */

static int atom_compare(const Module *module, uint32_t x, uint32_t y);

static int monomial_compare(const Module *module, uint32_t x, uint32_t y)
{
    if (x == y)
        return 0;
    const Monomial *a = &module->dims->monomial[x], *b = &module->dims->monomial[y];
    if (a->degree != b->degree)
        return a->degree > b->degree ? -1 : 1;
    for (uint32_t i = 0; i < a->degree; i++)
        if (a->atom[i] != b->atom[i])
            return atom_compare(module, a->atom[i], b->atom[i]);
    return 0;
}

int dim_compare(const Module *module, Dim a, Dim b)
{
    if (dim_equal(a, b))
        return 0;
    if (a.expression == 0 || b.expression == 0) {
        if (a.expression == b.expression)
            return a.constant < b.constant ? -1 : 1;
        return a.expression != 0 ? -1 : 1; /* expressions before numbers */
    }
    const Polynomial *x = &module->dims->polynomial[a.expression], *y = &module->dims->polynomial[b.expression];
    for (uint32_t i = 0; i < x->count && i < y->count; i++) {
        const int order = monomial_compare(module, x->term[i].monomial, y->term[i].monomial);
        if (order != 0)
            return order;
        if (x->term[i].coefficient != y->term[i].coefficient)
            return x->term[i].coefficient > y->term[i].coefficient ? -1 : 1;
    }
    return x->count > y->count ? -1 : 1;
}

/* Linear in the size of the smaller: equal parts have equal ids, and the first difference decides. */
static int atom_compare(const Module *module, uint32_t x, uint32_t y)
{
    const Atom *a = &module->dims->atom[x], *b = &module->dims->atom[y];
    if (x == y)
        return 0;
    if (a->form != b->form)
        return a->form < b->form ? -1 : 1;
    if (a->form == DIM_SYMBOL)
        return strcmp(module->symbol[a->symbol].name, module->symbol[b->symbol].name);
    const int order = dim_compare(module, a->a, b->a);
    return order != 0 ? order : dim_compare(module, a->b, b->b);
}

/* ---- atoms and monomials ---- */

static uint64_t dim_hash(uint64_t hash, Dim dim)
{
    return hash_word(hash_word(hash, (uint64_t)dim.constant), dim.expression);
}

/* What is looked for, and where. */
typedef struct Query {
    const Module *module;
    const void *wanted;
    uint32_t count;
} Query;

static bool atom_equal(const void *context, uint32_t id)
{
    const Query *query = context;
    const Atom *a = &query->module->dims->atom[id], *b = query->wanted;
    return a->form == b->form && a->symbol == b->symbol && dim_equal(a->a, b->a) && dim_equal(a->b, b->b);
}

static void dim_extent(const Module *module, Dim dim, uint32_t *depth, uint32_t *size)
{
    if (dim.expression == 0) {
        *size += 1;
        return;
    }
    const Polynomial *poly = &module->dims->polynomial[dim.expression];
    *depth = poly->depth > *depth ? poly->depth : *depth;
    *size += poly->size;
}

bool atom_intern(Module *module, Atom atom, uint32_t *id)
{
    DimTable *table = module->dims;
    const uint64_t hash = dim_hash(dim_hash(hash_word(atom.form, atom.symbol), atom.a), atom.b);
    *id = intern_find(&table->atoms, hash, atom_equal, &(Query){module, &atom, 0});
    if (*id != 0)
        return true;
    atom.depth = atom.size = 0;
    if (atom.form != DIM_SYMBOL) {
        dim_extent(module, atom.a, &atom.depth, &atom.size);
        dim_extent(module, atom.b, &atom.depth, &atom.size);
    }
    atom.depth++;
    atom.size++;
    if (atom.depth > DIM_MAX_DEPTH || atom.size > DIM_MAX_SIZE || !VEC_GROW(&module->arena, table, atom) ||
        !intern_add(&table->atoms, &module->arena, hash, table->atom_count))
        return false;
    *id = table->atom_count++;
    table->atom[*id] = atom;
    return true;
}

static bool monomial_equal(const void *context, uint32_t id)
{
    const Query *query = context;
    const Monomial *monomial = &query->module->dims->monomial[id];
    return monomial->degree == query->count &&
           memcmp(monomial->atom, query->wanted, query->count * sizeof *monomial->atom) == 0;
}

bool monomial_intern(Module *module, const uint32_t *atom, uint32_t degree, uint32_t *monomial)
{
    DimTable *table = module->dims;
    *monomial = 0;
    if (degree == 0)
        return true;
    if (degree > DIM_MAX_DEGREE)
        return false;
    const uint64_t hash = hash_bytes(0, atom, degree * sizeof *atom);
    *monomial = intern_find(&table->monomials, hash, monomial_equal, &(Query){module, atom, degree});
    if (*monomial != 0)
        return true;
    const uint32_t *copy = arena_copy(&module->arena, atom, degree * sizeof *atom);
    if (copy == NULL || !VEC_GROW(&module->arena, table, monomial) ||
        !intern_add(&table->monomials, &module->arena, hash, table->monomial_count))
        return false;
    *monomial = table->monomial_count++;
    table->monomial[*monomial] = (Monomial){copy, degree};
    return true;
}

bool monomial_multiply(Module *module, uint32_t x, uint32_t y, uint32_t *product)
{
    const Monomial a = module->dims->monomial[x], b = module->dims->monomial[y];
    uint32_t atom[DIM_MAX_DEGREE];
    if (a.degree + b.degree > DIM_MAX_DEGREE)
        return false;
    for (uint32_t i = 0, j = 0; i + j < a.degree + b.degree;) {
        const bool from_a = j == b.degree || (i < a.degree && atom_compare(module, a.atom[i], b.atom[j]) <= 0);
        atom[i + j] = from_a ? a.atom[i] : b.atom[j];
        i += from_a;
        j += !from_a;
    }
    return monomial_intern(module, atom, a.degree + b.degree, product);
}

bool monomial_divide(Module *module, uint32_t x, uint32_t y, uint32_t *quotient)
{
    const Monomial a = module->dims->monomial[x], b = module->dims->monomial[y];
    uint32_t atom[DIM_MAX_DEGREE], degree = 0, j = 0;
    for (uint32_t i = 0; i < a.degree; i++) {
        if (j < b.degree && a.atom[i] == b.atom[j])
            j++;
        else
            atom[degree++] = a.atom[i];
    }
    return j == b.degree && monomial_intern(module, atom, degree, quotient);
}

bool monomial_common(Module *module, uint32_t x, uint32_t y, uint32_t *common)
{
    const Monomial a = module->dims->monomial[x], b = module->dims->monomial[y];
    uint32_t atom[DIM_MAX_DEGREE], degree = 0;
    bool used[DIM_MAX_DEGREE] = {false};
    for (uint32_t i = 0; i < a.degree; i++)
        for (uint32_t j = 0; j < b.degree; j++)
            if (!used[j] && a.atom[i] == b.atom[j]) {
                used[j] = true;
                atom[degree++] = a.atom[i];
                break;
            }
    return monomial_intern(module, atom, degree, common);
}

/* ---- polynomials ---- */

void dim_load(const Module *module, Dim dim, Poly *poly)
{
    poly->count = 0;
    if (dim.expression != 0) {
        const Polynomial *from = &module->dims->polynomial[dim.expression];
        memcpy(poly->term, from->term, from->count * sizeof *from->term);
        poly->count = from->count;
    } else if (dim.constant != 0) {
        poly->term[poly->count++] = (Term){dim.constant, 0};
    }
}

bool poly_add_term(const Module *module, Poly *poly, int64_t coefficient, uint32_t monomial)
{
    uint32_t i = 0;
    int order = 1;
    if (coefficient == 0)
        return true;
    while (i < poly->count && (order = monomial_compare(module, poly->term[i].monomial, monomial)) < 0)
        i++;
    Term *term = &poly->term[i];
    if (i < poly->count && order == 0) {
        if (__builtin_add_overflow(term->coefficient, coefficient, &term->coefficient))
            return false;
        if (term->coefficient == 0)
            memmove(term, term + 1, (--poly->count - i) * sizeof *term);
        return true;
    }
    if (poly->count == DIM_MAX_TERMS)
        return false;
    memmove(term + 1, term, (poly->count++ - i) * sizeof *term);
    *term = (Term){coefficient, monomial};
    return true;
}

bool poly_add(const Module *module, Poly *sum, const Poly *x, int64_t factor)
{
    for (uint32_t i = 0; i < x->count; i++) {
        int64_t coefficient;
        if (__builtin_mul_overflow(x->term[i].coefficient, factor, &coefficient) ||
            !poly_add_term(module, sum, coefficient, x->term[i].monomial))
            return false;
    }
    return true;
}

static bool polynomial_equal(const void *context, uint32_t id)
{
    const Query *query = context;
    const Poly *poly = query->wanted;
    const Polynomial *other = &query->module->dims->polynomial[id];
    if (other->count != poly->count)
        return false;
    for (uint32_t i = 0; i < poly->count; i++)
        if (other->term[i].coefficient != poly->term[i].coefficient ||
            other->term[i].monomial != poly->term[i].monomial)
            return false;
    return true;
}

static bool polynomial_add(Module *module, const Poly *poly, uint64_t hash, uint32_t *id)
{
    DimTable *table = module->dims;
    Polynomial fresh = {.term = arena_copy(&module->arena, poly->term, poly->count * sizeof *poly->term),
                        .count = poly->count};
    for (uint32_t i = 0; i < poly->count; i++) {
        const Monomial *monomial = &table->monomial[poly->term[i].monomial];
        fresh.size++;
        for (uint32_t k = 0; k < monomial->degree; k++) {
            const Atom *atom = &table->atom[monomial->atom[k]];
            fresh.size += atom->size;
            fresh.depth = atom->depth > fresh.depth ? atom->depth : fresh.depth;
        }
    }
    if (fresh.size > DIM_MAX_SIZE || fresh.term == NULL || !VEC_GROW(&module->arena, table, polynomial) ||
        !intern_add(&table->polynomials, &module->arena, hash, table->polynomial_count))
        return false;
    *id = table->polynomial_count++;
    table->polynomial[*id] = fresh;
    return true;
}

bool dim_store(Module *module, const Poly *poly, Dim *dim)
{
    *dim = dim_constant(0);
    if (poly->count == 0)
        return true;
    if (poly->count == 1 && poly->term[0].monomial == 0) {
        *dim = dim_constant(poly->term[0].coefficient);
        return true;
    }
    uint64_t hash = poly->count;
    for (uint32_t i = 0; i < poly->count; i++)
        hash = hash_word(hash_word(hash, (uint64_t)poly->term[i].coefficient), poly->term[i].monomial);
    dim->expression = intern_find(&module->dims->polynomials, hash, polynomial_equal, &(Query){module, poly, 0});
    return dim->expression != 0 || polynomial_add(module, poly, hash, &dim->expression);
}

bool dim_from_atom(Module *module, Atom atom, Dim *dim)
{
    Poly poly = {.count = 1};
    uint32_t id;
    poly.term[0].coefficient = 1;
    return atom_intern(module, atom, &id) && monomial_intern(module, &id, 1, &poly.term[0].monomial) &&
           dim_store(module, &poly, dim);
}

uint32_t dim_single_atom(const Module *module, Dim dim)
{
    if (dim.expression == 0)
        return 0;
    const Polynomial *poly = &module->dims->polynomial[dim.expression];
    const Monomial *monomial = &module->dims->monomial[poly->term[0].monomial];
    return poly->count == 1 && poly->term[0].coefficient == 1 && monomial->degree == 1 ? monomial->atom[0] : 0;
}

/* ---- the table ---- */

bool dim_table_create(Module *module)
{
    DimTable *table = ARENA_NEW(&module->arena, DimTable, 1);
    module->dims = table;
    if (table == NULL)
        return false;
    table->polynomial_count = table->monomial_count = table->atom_count = table->memo_count = 1;
    return vec_reserve(&module->arena, (void **)&table->polynomial, &table->polynomial_capacity, 1,
                       sizeof(Polynomial)) &&
           vec_reserve(&module->arena, (void **)&table->monomial, &table->monomial_capacity, 1, sizeof(Monomial)) &&
           vec_reserve(&module->arena, (void **)&table->atom, &table->atom_capacity, 1, sizeof(Atom)) &&
           vec_reserve(&module->arena, (void **)&table->memo, &table->memo_capacity, 1, sizeof(Memo));
}

static bool symbol_equal(const void *context, uint32_t id)
{
    const Query *query = context;
    const char *name = query->module->symbol[id - 1].name;
    return strlen(name) == query->count && memcmp(name, query->wanted, query->count) == 0;
}

bool dim_find_symbol(const Module *module, const char *name, size_t length, uint32_t *index)
{
    const uint64_t hash = hash_bytes(0, name, length);
    const uint32_t id =
        intern_find(&module->dims->symbols, hash, symbol_equal, &(Query){module, name, (uint32_t)length});
    *index = id - 1;
    return id != 0;
}

static bool symbol_make(Module *module, const char *name, SymbolKind kind, uint32_t *index)
{
    const uint64_t hash = hash_bytes(0, name, strlen(name));
    const Symbol fresh = {arena_strdup(&module->arena, name), INT64_MIN, INT64_MAX, kind};
    if (fresh.name == NULL || !VEC_GROW(&module->arena, module, symbol) ||
        !intern_add(&module->dims->symbols, &module->arena, hash, module->symbol_count + 1))
        return false;
    *index = module->symbol_count++;
    module->symbol[*index] = fresh;
    return true;
}

Dim dim_symbol(Module *module, const char *name, int64_t min, int64_t max, SymbolKind kind)
{
    Dim dim = dim_constant(0);
    uint32_t index;
    if (module->status != STATUS_OK)
        return dim;
    if (!dim_find_symbol(module, name, strlen(name), &index) && !symbol_make(module, name, kind, &index)) {
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return dim;
    }
    Symbol *symbol = &module->symbol[index];
    symbol->min = min > symbol->min ? min : symbol->min;
    symbol->max = max < symbol->max ? max : symbol->max;
    if (symbol->min > symbol->max)
        module_fail(module, STATUS_INVALID, "", "dimension '%s': its ranges exclude each other (%lld to %lld)", name,
                    (long long)symbol->min, (long long)symbol->max);
    else if (!dim_from_atom(module, (Atom){.form = DIM_SYMBOL, .symbol = index}, &dim))
        module_fail(module, STATUS_OUT_OF_MEMORY, "", "out of memory");
    return dim;
}
