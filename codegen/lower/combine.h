/* SPDX-License-Identifier: Apache-2.0
 * What the families that work along one axis share: neutral elements, the order of elements with NaN in it, and arrays
 * seen as lines. */
#ifndef ADZE_CODEGEN_LOWER_COMBINE_H
#define ADZE_CODEGEN_LOWER_COMBINE_H

#include "codegen/lower/nest.h"

/* The neutral element of add, mul, max or min in registers of the element type. */
Reg combine_identity(Expression *e, OpKind step, ElementType element, uint32_t lanes);
/* Whether x comes before y where the largest (else the smallest) is first; NaN comes before all numbers. */
Reg combine_better(Expression *e, ElementType element, bool largest, Reg x, Reg y);

/* An array as [outer, count, inner] around one of its axes. */
typedef struct Lines {
    Dim outer, count, inner;
} Lines;
Lines lines_of(Module *module, Type type, uint32_t axis);
Site lines_site(const Lines *lines, AxisIndex outer, AxisIndex place, AxisIndex inner, uint32_t lanes, Reg active);

/* Lanes of a vector over an axis, fewer where it is known to be short. */
uint32_t lanes_along(uint32_t lanes, Dim dim);
/* The smallest integer register that holds indices of the axis. */
LoopKind index_kind(const Module *module, Dim dim);
int64_t dim_most(const Module *module, Dim dim);
int64_t dim_least(const Module *module, Dim dim);

/* Kernels whose lanes run along `inner`: an item is an outer index and a block of inner ones. Emits the item: sets
 * *outer and calls the body with vectors of inner indices. */
enum { INNER_BLOCK = 256 }; /* a multiple of every number of lanes */
void emit_blocks(Expression *e, const Lines *lines, Reg item, uint32_t lanes, Reg *outer, LaneBody *body, void *data);
Dim blocks_extent(Module *module, const Lines *lines);

/* The node that gives the results of a region with one node that counts. */
const Node *region_root(const Graph *region);
/* The number of the parameter that the value is, -1 for none, and its bit in LoweredGroup.in_place. */
int32_t find_parameter(const Graph *region, Value value);
uint64_t parameter_bit(const Graph *region, Value value);
Status lower_out_of_memory(const LowerContext *context);

#endif
