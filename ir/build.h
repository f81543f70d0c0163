/* SPDX-License-Identifier: Apache-2.0
 * Short ways to add nodes: one call an op, sticky errors (see ir.h), so that rules read like mathematics.
 * A Builder adds to one graph at one location; copy it to change either. Shapes broadcast as NumPy's where said. */
#ifndef ADZE_IR_BUILD_H
#define ADZE_IR_BUILD_H

#include "ir/ir.h"

typedef struct Builder {
    Graph *graph;
    Location location; /* given to every node added */
    uint32_t clone;
} Builder;

/* Scalars and filled arrays (a scalar constant, broadcast). */
Value build_scalar(Builder *b, ElementType element, double value);
Value build_scalar_i64(Builder *b, ElementType element, int64_t value);
Value build_full(Builder *b, Type type, double value);
Value build_constant(Builder *b, ConstantId constant);
Value build_iota(Builder *b, Type type, uint32_t axis);
Value build_dimension(Builder *b, Dim dim); /* i64 scalar */

/* Pointwise. The two- and three-operand forms broadcast their operands as NumPy does; element types must agree. */
Value build_unary(Builder *b, OpKind op, Value x);
Value build_binary(Builder *b, OpKind op, Value x, Value y);
Value build_select(Builder *b, Value condition, Value x, Value y);
Value build_cast(Builder *b, Value x, ElementType element); /* x itself when it already is */
/* The same with a scalar of x's element type on the right. */
Value build_binary_scalar(Builder *b, OpKind op, Value x, double y);

/* Broadcasting. build_broadcast_shape gives the common shape of a and b (sticky error naming both when there is none).
 */
uint32_t build_broadcast_shape(Builder *b, const Dim *a, uint32_t a_rank, const Dim *c, uint32_t c_rank, Dim *out);
Value build_broadcast_to(Builder *b, Value x, const Dim *dim,
                         uint32_t rank); /* NumPy's rule: axes align at the right */
Value build_broadcast(Builder *b, Value x, const Dim *shape, uint32_t rank,
                      const int64_t *axes); /* x's axis i is axes[i] */

/* Data movement. */
Value build_reshape(Builder *b, Value x, const Dim *dim, uint32_t rank);
Value build_transpose(Builder *b, Value x, const int64_t *permutation);
Value build_slice(Builder *b, Value x, const Dim *starts, const Dim *limits,
                  const int64_t *strides);                                        /* strides NULL: ones */
Value build_slice_axis(Builder *b, Value x, uint32_t axis, Dim start, Dim limit); /* whole other axes */
Value build_pad(Builder *b, Value x, Value padding, const Dim *low, const Dim *high,
                const int64_t *interior); /* interior NULL: zeros */
Value build_concatenate(Builder *b, const Value *x, uint32_t count, uint32_t axis);
Value build_reverse(Builder *b, Value x, const int64_t *axes, uint32_t count);
Value build_expand_dims(Builder *b, Value x, uint32_t axis); /* a new axis of size 1 at axis of the result */
Value build_squeeze(Builder *b, Value x, uint32_t axis);
Value build_gather(Builder *b, Value x, Value indices, const int64_t *axes, uint32_t count, uint32_t batch_count,
                   const char *index_mode);
Value build_take(Builder *b, Value x, Value indices, uint32_t axis,
                 const char *index_mode); /* ONNX Gather, MLX take: indices' shape in place of axis */
Value build_take_along(Builder *b, Value x, Value indices, uint32_t axis, const char *index_mode);
Value build_scatter(Builder *b, Value x, Value indices, Value updates, const int64_t *axes, uint32_t count,
                    uint32_t batch_count, const char *reduction, const char *index_mode);
Value build_put_along(Builder *b, Value x, Value indices, Value updates, uint32_t axis, const char *reduction,
                      const char *index_mode);

/* Reductions (axes any order, sorted here). keep: the axes stay, with size 1. */
Value build_reduce(Builder *b, OpKind op, Value x, const int64_t *axes, uint32_t count, bool keep);
Value build_mean(Builder *b, Value x, const int64_t *axes, uint32_t count, bool keep);
Value build_arg_reduce(Builder *b, OpKind op, Value x, uint32_t axis, bool select_last);
Value build_cumulative(Builder *b, OpKind op, Value x, uint32_t axis, bool exclusive, bool reverse);
Value build_softmax(Builder *b, OpKind op, Value x, uint32_t axis);

/* Contractions. build_matmul: NumPy's matmul on ranks >= 1, batch axes broadcast. */
Value build_dot(Builder *b, Value x, Value y, const int64_t *batch_x, const int64_t *batch_y, uint32_t batch_count,
                const int64_t *contract_x, const int64_t *contract_y, uint32_t contract_count, ElementType element);
Value build_matmul(Builder *b, Value x, Value y);

/* Linear algebra: the last two axes are matrices. */
Value build_matrix_transpose(Builder *b, Value x);
/* Where row + offset >= column, x, else 0; upper: where row + offset <= column. */
Value build_lower_part(Builder *b, Value x, int64_t offset);
Value build_upper_part(Builder *b, Value x, int64_t offset);
Value build_diagonal(Builder *b, Value x);   /* [..., n, n] → [..., n] */
Value build_identity(Builder *b, Type type); /* ones where row = column */
Value build_cholesky(Builder *b, Value a);
Value build_triangular_solve(Builder *b, Value a, Value x, bool lower, bool transposed, bool unit_diagonal);
void build_lu(Builder *b, Value a, Value result[3]);
void build_qr(Builder *b, Value a, Value result[2]);
void build_eigh(Builder *b, Value a, Value result[2]);
void build_svd(Builder *b, Value a, bool full, Value result[3]);
/* Rows of x in the order that indices [..., m] name. */
Value build_take_rows(Builder *b, Value x, Value indices);

typedef struct WindowSpec { /* one entry for each spatial axis; pointers may be NULL: ones for strides and dilations,
                               zeros for padding */
    const int64_t *window, *strides, *dilation, *input_dilation;
    const Dim *low, *high;
    int64_t groups; /* convolution; 0 counts as 1 */
} WindowSpec;
Value build_convolution(Builder *b, Value x, Value weights, const WindowSpec *spec);
Value build_pool(Builder *b, OpKind op, Value x, const WindowSpec *spec);

/* Regions. `result` gets the node's results. */
void build_if(Builder *b, Value condition, const Value *operand, uint32_t count, Graph *then_region, Graph *else_region,
              Value *result);
void build_while(Builder *b, const Value *operand, uint32_t count, uint32_t carry_count, Graph *condition, Graph *body,
                 Value *result);
/* The same with a bound on its steps; NULL: none. */
void build_bounded_while(Builder *b, const Value *operand, uint32_t count, uint32_t carry_count, const Dim *bound,
                         Graph *condition, Graph *body, Value *result);
void build_scan(Builder *b, const Value *operand, uint32_t count, uint32_t carry_count, uint32_t input_count,
                Dim length, bool reverse, Graph *body, Value *result);
void build_call(Builder *b, Graph *callee, const Value *operand, uint32_t count, Value *result);

/* ---- copying graphs: what passes are made of ---- */

/* Maps the values of one graph to values of another while it is copied. */
typedef struct ValueMap {
    Value *to; /* indexed by the old id; 0: not yet */
    uint32_t count;
    uint32_t *time, now; /* NULL, or when each was set: only those set now count */
} ValueMap;

bool value_map_init(ValueMap *map, const Graph *from, Arena *arena);
/* One that can be emptied in no time, by value_map_forget: for many small parts of a large graph. */
bool value_map_init_reusable(ValueMap *map, const Graph *from, Arena *arena);
void value_map_forget(ValueMap *map);
Value value_map_get(const ValueMap *map, Value from);
void value_map_set(ValueMap *map, Value from, Value to);

/* Copies parameters (names, types) of `from` into `to` and maps them. */
void graph_copy_parameters(const Graph *from, Graph *to, ValueMap *map);
/* Copies one node with mapped operands (regions are shared, they are immutable once built) and maps its results. */
NodeId graph_copy_node(const Graph *from, NodeId node, Graph *to, ValueMap *map);
/* Copies the results of `from`, mapped. */
void graph_copy_results(const Graph *from, Graph *to, const ValueMap *map);
/* Inlines `from` at the end of `to`: parameters are `argument`, the mapped results go to `result`. */
void graph_inline(const Graph *from, Graph *to, const Value *argument, Value *result);

#endif
