/* SPDX-License-Identifier: Apache-2.0
 * Values of a region computed at a point of an iteration space, in registers: what every family uses for its pointwise
 * chains, prologues and epilogues. Pointwise nodes recurse at the same point; data movement (broadcast, transpose,
 * slice, pad, reshape, concatenate, gather …) recurses at a mapped point; parameters are loads.
 *
 * Registers by element type: bool → i1 · u8 i8 and 4-bit kinds → i8 · u16 i16 → i16 · … · f16, bf16, float8 → f32,
 * rounded to their type after each op · f32 → f32 · f64 → f64.
 *
 * Lanes: point.axis[lane_axis] is the index of lane 0; lane l has that index + l * lane_step. A register with 1 lane
 * while point.lanes > 1 is uniform: the same for every lane; expression_splat widens it where needed. */
#ifndef ADZE_CODEGEN_LOWER_EXPRESSION_H
#define ADZE_CODEGEN_LOWER_EXPRESSION_H

#include "codegen/lower/lower.h"

typedef struct AxisIndex {
    Reg base;     /* i64 scalar: index of lane 0 */
    Reg lanes;    /* i64 vector of indices when they aren't base + lane * step; none otherwise */
    int64_t step; /* distance from lane to lane: 0 or 1 mostly */
} AxisIndex;

typedef struct Point {
    uint32_t rank;
    uint32_t lanes; /* 1, or the vector's */
    Reg active;     /* i64: how many lanes exist (a tail); none: all. Loads and stores touch no others */
    AxisIndex axis[MAX_RANK];
    const Dim *dim; /* NULL: axes are the value's own. Else rank dimensions of another shape of as many elements in the
                       same order, in which the value is seen: [B, S, H] as [B*S, H] or flat */
} Point;

typedef struct Expression Expression;

/* Prepares lowering of `region` into `function`: buffer arguments 0 … are the region's parameters, then its results.
 * Sizes are collected as they are needed (expression_sizes gives them at the end). In context->scratch; NULL: out of
 * memory. */
Expression *expression_create(const LowerContext *context, const Graph *region, LoopFunction *function);

/* The value at the point, in point->lanes lanes or uniform. Values computed before at an equal point in this block are
 * reused. */
Reg expression_at(Expression *expression, Value value, const Point *point);
/* From here to the end of the current block, `value` at `point` (and only there) is `reg`: how contractions feed
 * epilogues. */
void expression_bind(Expression *expression, Value value, const Point *point, Reg reg);
/* Forgets values computed so far (at block boundaries: registers of a closed block are out of scope). */
uint32_t expression_mark(const Expression *expression);
void expression_release(Expression *expression, uint32_t mark);

/* Stores reg (uniform or wide) as result number `index` of the region at the point. */
void expression_store(Expression *expression, uint32_t index, const Point *point, Reg reg);

/* A dimension expression as an i64 register (a constant, or computed from size arguments). */
Reg expression_dim(Expression *expression, Dim dim);
/* The size arguments used so far, for Kernel.size. Call when the function is complete. */
const Dim *expression_sizes(const Expression *expression, uint32_t *count);

/* Register types and conversions. */
LoopKind expression_kind(ElementType element);
uint32_t expression_lanes(const LowerContext *context,
                          const Graph *region); /* natural lanes for the widest register kind in it */
Reg expression_splat(Expression *expression, Reg reg, uint32_t lanes);
/* Loads/stores of one element type with conversion to and from its register kind. */
Reg expression_load(Expression *expression, ElementType element, Reg pointer, Reg index, uint32_t lanes, Reg active);
/* Elements at an i64 vector of indices. */
Reg expression_load_gathered(Expression *expression, ElementType element, Reg pointer, Reg indices);
void expression_store_at(Expression *expression, ElementType element, Reg pointer, Reg index, Reg value, uint32_t lanes,
                         Reg active);

/* Pointwise op on registers: op's meaning on operands of `element` (operand registers as above, equal lanes). */
Reg expression_pointwise(Expression *expression, const Node *node, ElementType element, const Reg *operand);

/* a b + c: fused where the target has it, else two roundings. */
Reg loop_multiply_add(const LowerContext *context, LoopFunction *f, Reg a, Reg b, Reg c);

#endif
