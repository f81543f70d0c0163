/* SPDX-License-Identifier: Apache-2.0
 * The table of sizes that traces don't know: a module of its own holds the expressions, a handle is made of an
 * expression's id. Symbols are given back when their trace ends, so that tracing a function again finds the same
 * expressions and fragments. */
#include "api/shapeless.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/vec.h"

enum { SYMBOL_BITS = 40, HANDLE_SHIFT = 31, MAX_LIVE_SYMBOLS = 4096 };

/* Odd, so that products of handles aren't round numbers. */
#define HANDLE_BASE (-((int64_t)1 << 61) - 0x2545F491)

struct SizeTable {
    pthread_mutex_t mutex;
    Diag diag;
    Module *module;
    atomic_ullong failures;
    uint32_t last;               /* greatest expression that was given out */
    bool live[MAX_LIVE_SYMBOLS]; /* symbols that traces use now */
};

SizeTable *size_table_new(void)
{
    SizeTable *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    diag_init(&table->diag);
    table->module = module_create(&table->diag);
    if (table->module != NULL && pthread_mutex_init(&table->mutex, NULL) == 0)
        return table;
    if (table->module != NULL)
        module_destroy(table->module);
    diag_release(&table->diag);
    free(table);
    return NULL;
}

void size_table_free(SizeTable *table)
{
    if (table == NULL)
        return;
    module_destroy(table->module);
    diag_release(&table->diag);
    pthread_mutex_destroy(&table->mutex);
    free(table);
}

/* ---- handles ---- */

static int64_t handle_of(SizeTable *table, Dim dim)
{
    table->last = dim.expression > table->last ? dim.expression : table->last;
    return HANDLE_BASE - ((int64_t)dim.expression << HANDLE_SHIFT);
}

/* Expressions have ids from 1 on, below 2^28. */
static uint32_t expression_of(int64_t handle)
{
    const int64_t offset = handle < HANDLE_BASE && handle > 2 * HANDLE_BASE ? HANDLE_BASE - handle : 1;
    return offset % ((int64_t)1 << HANDLE_SHIFT) == 0 ? (uint32_t)(offset >> HANDLE_SHIFT) : 0;
}

bool size_is_handle(Engine *engine, int64_t size)
{
    SizeTable *table = engine->sizes;
    const uint32_t expression = size < 0 ? expression_of(size) : 0;
    pthread_mutex_lock(&table->mutex);
    const bool given = expression != 0 && expression <= table->last;
    pthread_mutex_unlock(&table->mutex);
    return given;
}

bool array_type_is_static(const ArrayType *type)
{
    bool known = true;
    for (uint32_t i = 0; i < type->rank; i++)
        known = known && size_is_known(type->dim[i]);
    return known;
}

static Dim symbol_of(SizeTable *table, uint32_t number)
{
    char name[16];
    snprintf(name, sizeof name, "n%u", number);
    return dim_symbol(table->module, name, 1, (int64_t)1 << SYMBOL_BITS, SYMBOL_INPUT);
}

int64_t size_symbol_acquire(Engine *engine)
{
    SizeTable *table = engine->sizes;
    uint32_t number = 0;
    int64_t size = -1;
    pthread_mutex_lock(&table->mutex);
    while (number < MAX_LIVE_SYMBOLS && table->live[number])
        number++;
    if (number < MAX_LIVE_SYMBOLS) {
        const Dim dim = symbol_of(table, number);
        if (dim.expression != 0) {
            table->live[number] = true;
            size = handle_of(table, dim);
        }
    }
    pthread_mutex_unlock(&table->mutex);
    return size;
}

void size_symbol_release(Engine *engine, int64_t size)
{
    SizeTable *table = engine->sizes;
    uint32_t symbol;
    pthread_mutex_lock(&table->mutex);
    if (expression_of(size) <= table->last &&
        dim_is_symbol(table->module, (Dim){.expression = expression_of(size)}, &symbol))
        table->live[strtoul(table->module->symbol[symbol].name + 1, NULL, 10)] = false;
    pthread_mutex_unlock(&table->mutex);
}

/* ---- dimensions ---- */

/* The symbols that `dim` names, in `to`; the others aren't made there. NULL when memory is out. */
static Dim *same_symbols(const Module *from, Dim dim, Module *to, SymbolKind *worst)
{
    const uint32_t count = from->symbol_count;
    Dim *replacement = calloc(count + 1, sizeof *replacement);
    bool *used = calloc(count + 1, sizeof *used);
    *worst = SYMBOL_INPUT;
    if (replacement != NULL && used != NULL) {
        dim_mark_symbols(from, dim, used);
        for (uint32_t i = 0; i < count; i++) {
            const Symbol symbol = from->symbol[i];
            if (used[i] && symbol.kind == SYMBOL_VALUE)
                *worst = SYMBOL_VALUE;
            else if (used[i])
                replacement[i] = dim_symbol(to, symbol.name, symbol.min, symbol.max, symbol.kind);
        }
    } else {
        free(replacement);
        replacement = NULL;
    }
    free(used);
    return replacement;
}

/* The same expression over the same names in another module. */
static bool move_dim(const Module *from, Dim dim, Module *to, Dim *result)
{
    SymbolKind worst;
    Dim *replacement = same_symbols(from, dim, to, &worst);
    *result = dim_constant(0);
    if (replacement == NULL)
        module_fail(to, STATUS_OUT_OF_MEMORY, "", "out of memory");
    const bool good = replacement != NULL && worst == SYMBOL_INPUT;
    if (good)
        *result = dim_import(from, dim, to, replacement);
    free(replacement);
    return good && to->status == STATUS_OK;
}

Dim size_to_dim(Engine *engine, int64_t size, Module *module)
{
    SizeTable *table = engine->sizes;
    const uint32_t expression = size < 0 ? expression_of(size) : 0;
    Dim dim = dim_constant(size);
    if (size >= 0)
        return dim;
    pthread_mutex_lock(&table->mutex);
    if (expression == 0 || expression > table->last)
        module_fail(module, STATUS_INVALID, "",
                    "%lld is no size (a shapeless function doesn't know its sizes as numbers: adze_size_add, "
                    "adze_size_multiply and adze_size_divide compute with them)",
                    (long long)size);
    else
        move_dim(table->module, (Dim){.expression = expression}, module, &dim);
    pthread_mutex_unlock(&table->mutex);
    return dim;
}

int64_t size_of_dim(Engine *engine, const Module *module, Dim dim)
{
    SizeTable *table = engine->sizes;
    Dim here;
    if (dim.expression == 0)
        return dim.constant;
    pthread_mutex_lock(&table->mutex);
    int64_t size = -1;
    if (move_dim(module, dim, table->module, &here))
        size = here.expression == 0 ? here.constant : handle_of(table, here);
    table->module->status = STATUS_OK;
    diag_clear(&table->diag);
    pthread_mutex_unlock(&table->mutex);
    return size;
}

uint64_t size_failures(const Engine *engine)
{
    return atomic_load(&engine->sizes->failures);
}

/* ---- arithmetic ---- */

typedef Dim Combine(Module *module, Dim a, Dim b);

static bool table_dim(const SizeTable *table, int64_t size, Dim *dim)
{
    const uint32_t expression = size < 0 ? expression_of(size) : 0;
    *dim = size < 0 ? (Dim){.expression = expression} : dim_constant(size);
    return size >= 0 || (expression != 0 && expression <= table->last);
}

/* -1, which is no size: what is asked for makes no sense. */
static int64_t combine(adze_context *context, int64_t a, int64_t b, Combine *function)
{
    SizeTable *table = context->engine->sizes;
    Module *module = table->module;
    Dim x, y;
    int64_t size = -1;
    pthread_mutex_lock(&table->mutex);
    if (table_dim(table, a, &x) && table_dim(table, b, &y)) {
        const Dim result = function(module, x, y);
        if (module->status == STATUS_OK)
            size = result.expression != 0 ? handle_of(table, result) : result.constant < 0 ? -1 : result.constant;
    }
    module->status = STATUS_OK;
    diag_clear(&table->diag);
    pthread_mutex_unlock(&table->mutex);
    if (size == -1)
        context_fail(context, ADZE_USAGE, "[size] %lld and %lld give no size", (long long)a, (long long)b);
    return size;
}

int64_t adze_size_add(adze_context *context, int64_t a, int64_t b)
{
    return combine(context, a, b, dim_add);
}

int64_t adze_size_subtract(adze_context *context, int64_t a, int64_t b)
{
    return combine(context, a, b, dim_sub);
}

int64_t adze_size_multiply(adze_context *context, int64_t a, int64_t b)
{
    return combine(context, a, b, dim_mul);
}

int64_t adze_size_divide(adze_context *context, int64_t a, int64_t b)
{
    if (b == 0) {
        context_fail(context, ADZE_USAGE, "[size] a size is divided by 0");
        return -1;
    }
    return combine(context, a, b, dim_floor_div);
}

bool adze_size_is_known(int64_t size)
{
    return size_is_known(size);
}

/* ---- types ---- */

Type array_type_to(Engine *engine, const ArrayType *type, Module *module)
{
    Dim dim[MAX_RANK];
    for (uint32_t i = 0; i < type->rank; i++)
        dim[i] = size_to_dim(engine, type->dim[i], module);
    return type_make(module, type->element, dim, type->rank);
}

bool array_type_of(Engine *engine, const Module *module, Type type, ArrayType *result)
{
    bool good = true;
    *result = (ArrayType){.element = type.element, .rank = type.rank};
    for (uint32_t i = 0; i < type.rank; i++) {
        result->dim[i] = size_of_dim(engine, module, type.dim[i]);
        good = good && result->dim[i] != -1;
    }
    return good;
}

void size_print(Engine *engine, int64_t size, StrBuf *out)
{
    SizeTable *table = engine->sizes;
    const uint32_t expression = size < 0 ? expression_of(size) : 0;
    atomic_fetch_add(&table->failures, size < 0);
    pthread_mutex_lock(&table->mutex);
    if (expression != 0 && expression <= table->last)
        dim_print(table->module, (Dim){.expression = expression}, out);
    else
        strbuf_printf(out, "%lld", (long long)size);
    pthread_mutex_unlock(&table->mutex);
}

void array_type_print_sizes(Engine *engine, const ArrayType *type, StrBuf *out)
{
    strbuf_printf(out, "%s[", element_info[type->element].name);
    for (uint32_t i = 0; i < type->rank; i++) {
        strbuf_add(out, i == 0 ? "" : ",");
        size_print(engine, type->dim[i], out);
    }
    strbuf_add(out, "]");
}

/* ---- graphs of other modules ---- */

static void bind_parameter(const Graph *from, Value parameter, Graph *to, Value argument, Dim *replacement, bool *bound)
{
    const Type due = value_type(from, parameter), given = value_type(to, argument);
    for (uint32_t k = 0; k < due.rank && k < given.rank; k++) {
        uint32_t symbol;
        if (!dim_is_symbol(from->module, due.dim[k], &symbol) || bound[symbol])
            continue;
        replacement[symbol] = given.dim[k];
        bound[symbol] = true;
    }
}

const Dim *import_symbols(const Graph *from, Graph *to, const Value *argument, Arena *arena)
{
    const Module *source = from->module;
    const uint32_t count = source->symbol_count;
    if (count == 0 || to->module->status != STATUS_OK)
        return NULL;
    Dim *replacement = ARENA_NEW(arena, Dim, count);
    bool *bound = ARENA_NEW(arena, bool, count);
    if (replacement == NULL || bound == NULL) {
        module_fail(to->module, STATUS_OUT_OF_MEMORY, "", "out of memory");
        return NULL;
    }
    for (uint32_t i = 0; i < from->parameter_count; i++)
        bind_parameter(from, from->parameter[i], to, argument[i], replacement, bound);
    for (uint32_t i = 0; i < count; i++) {
        const Symbol symbol = source->symbol[i]; /* a copy: both may be one module */
        if (!bound[i])
            replacement[i] = dim_symbol(to->module, symbol.name, symbol.min, symbol.max, symbol.kind);
    }
    return to->module->status == STATUS_OK ? replacement : NULL;
}
