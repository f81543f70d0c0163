/* SPDX-License-Identifier: Apache-2.0
 * Sizes that a trace doesn't know. An ArrayType holds numbers; a size that isn't known yet is a handle: a negative
 * number far from zero that names a dimension expression in the engine's table. Expressions are interned there, so
 * equal sizes have equal handles, and array types compare as before.
 *
 *     shapeless trace: fresh symbols ─► ArrayType.dim (handles) ─► rules: Dim of their module ─► results: handles
 *
 * Handles are odd and 2^31 apart: arithmetic on them gives numbers that are neither sizes nor handles, so a function
 * that computes with what adze_shape says fails while it is traced, instead of going on with a wrong number. */
#ifndef ADZE_API_SHAPELESS_H
#define ADZE_API_SHAPELESS_H

#include "api/api.h"

typedef struct SizeTable SizeTable;

SizeTable *size_table_new(void); /* NULL when memory is out */
void size_table_free(SizeTable *table);

static inline bool size_is_known(int64_t size)
{
    return size >= 0;
}

/* Whether it is a handle of this engine's. */
bool size_is_handle(Engine *engine, int64_t size);

bool array_type_is_static(const ArrayType *type);

/* A symbol that no other trace uses now, from 1 on; -1 when memory is out. Given back by size_symbol_release. */
int64_t size_symbol_acquire(Engine *engine);
void size_symbol_release(Engine *engine, int64_t size);

/* A size as a dimension of a module, and back. What is neither a size nor a handle fails in the module. */
Dim size_to_dim(Engine *engine, int64_t size, Module *module);
/* -1 when memory is out, or when data decide the size. */
int64_t size_of_dim(Engine *engine, const Module *module, Dim dim);
/* The same for types. */
Type array_type_to(Engine *engine, const ArrayType *type, Module *module);
/* false: see size_of_dim. */
bool array_type_of(Engine *engine, const Module *module, Type type, ArrayType *result);
/* f32[2,n1,2*n1+1], for messages of failures: those that name unknown sizes are counted. */
void array_type_print_sizes(Engine *engine, const ArrayType *type, StrBuf *out);
void size_print(Engine *engine, int64_t size, StrBuf *out);

/* Failures whose messages named sizes that weren't known, so far: whether knowing them may help. */
uint64_t size_failures(const Engine *engine);

/* The dimensions of `from`'s module in another: replacement[i], of `to`, is for symbol i. Symbols that are a
 * dimension of a parameter are what the argument has there; others keep their names. In `arena`; NULL: failed, in
 * `to`, or there are no symbols. */
const Dim *import_symbols(const Graph *from, Graph *to, const Value *argument, Arena *arena);

#endif
