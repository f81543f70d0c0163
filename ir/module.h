/* SPDX-License-Identifier: Apache-2.0
 * What the files of this folder share about modules; not for other folders. */
#ifndef ADZE_IR_MODULE_H
#define ADZE_IR_MODULE_H

#include "ir/ir.h"

Status module_out_of_memory(Module *module);
/* Appends a named graph; the name must be fresh. */
Status module_add_graph(Module *module, Graph *graph);
/* NULL when memory is out. */
struct ConstantTable *constant_table_create(Arena *arena);
/* Elements, rank and dimensions are possible: no negative dimension, at most 2^48 elements. */
Status type_check(Module *module, const char *where, Type type);
bool attr_equal(const Attr *a, const Attr *b);
uint64_t attr_hash(uint64_t hash, const Attr *attr); /* continues `hash` */

#endif
