/* SPDX-License-Identifier: Apache-2.0
 * What contractions, convolutions and attention share: register tiles, views of operands, temporaries, epilogues.
 *
 * All of them are products of a left block (rows, read one element at a time and broadcast) and a right block (columns,
 * read in vectors), summed over a depth:  out[row][column] = sum over k of left[row][k] right[k][column]
 * Every output element is one chain of multiply-adds in order of k from zero, whatever the tile, block or thread. */
#ifndef ADZE_CODEGEN_LOWER_CONTRACT_H
#define ADZE_CODEGEN_LOWER_CONTRACT_H

#include "codegen/lower/expression.h"

/* Columns in a packed panel of a contraction's right operand of that element type; 0: such operands aren't packed. */
uint32_t contract_panel_width(const Target *target, ElementType element);
/* Output channels in a packed panel of convolution weights. */
uint32_t convolution_panel_width(const Target *target);

/* ---- register tiles ---- */

/* The registers sums are kept in. */
LoopKind accumulator_kind(ElementType result);

/* Takes a finished sum instead of memory: row `row` of the tile (a register plus a number), vector `vector`. */
typedef void TakeSum(void *data, Reg first_row, uint32_t row, uint32_t vector, Reg sum);

/* One product of a tile. Pointers are to the first element; strides are in elements (i64 registers). The rows of the
 * sums in memory are `out_stride` accumulators apart and start from zero, or from what is there. */
typedef struct Tile {
    LoopKind kind;    /* of accumulators */
    uint32_t lanes;   /* in a vector of them */
    uint32_t rows;    /* of this tile */
    uint32_t rest;    /* tile_multiply_rows: the only other number of rows that occurs; 0: any may */
    uint32_t vectors; /* in a panel */
    uint32_t panels;  /* side by side, 1 mostly: more where there are few rows */
    Reg left, left_row, left_depth;
    uint32_t left_rows; /* not 0: rows are in panels of that many, left_panel apart */
    Reg left_panel;
    ElementType left_element;
    Reg right, right_depth, right_panel; /* right_panel: from a panel to the next, unused when there is one */
    ElementType right_element;
    Reg depth;
    Reg out;
    uint32_t out_stride;
    int64_t left_ahead; /* bytes: how far ahead the left operand is prefetched, once a step; 0: not */
    bool accumulate;    /* start from what out holds */
    TakeSum *take;      /* when not NULL: gets the sums, and nothing is stored */
    void *take_data;
    Reg first_row; /* number of the tile's first row, passed on to take; i64 */
    Reg out_scale; /* when not none: pointer to a factor a row, that the start is multiplied by (accumulate only) */
} Tile;

/* Sums go to tile->out. */
void tile_multiply(const LowerContext *context, Expression *expression, LoopFunction *f, const Tile *tile);
/* The same for `rows` (i64 register, 1 … tile->rows) rows: the tile, or several smaller ones. */
void tile_multiply_rows(const LowerContext *context, Expression *expression, LoopFunction *f, const Tile *tile,
                        Reg rows);

/* ---- views ---- */

/* A value that is a parameter read with strides: element [i…] is parameter[offset + sum of i * stride]. */
typedef struct View {
    uint32_t parameter; /* its number, which is its buffer's */
    ElementType element;
    uint32_t rank;
    Dim dim[MAX_RANK], stride[MAX_RANK], offset;
} View;

/* False when the value isn't one: arithmetic, padding, or a reshape that no strides express. */
bool view_of(const Graph *region, Value value, View *view);
/* One stride for `count` axes taken as one (first slowest); false when there is none. */
bool view_merge(Module *module, const View *view, const uint32_t *axis, uint32_t count, Dim *stride);

/* A group of neighbouring axes on both sides of a reshape with equal numbers of elements, found leftwards: both *_first
 * come in as the end of the group and leave as its first axis. False when there is none. */
bool reshape_group(Module *module, const Dim *from, const Dim *to, uint32_t *from_first, uint32_t *to_first);

/* ---- regions with one product ---- */

/* The only node of the region with one of these ops; none (0) when there is none or several. */
NodeId region_single(const Graph *region, const OpKind *op, uint32_t count);

/* What happens to the hub's result: pointwise nodes, transposes and reshapes, up to the region's results. */
typedef struct Epilogue {
    const LowerContext *context;
    const Graph *region;
    Value hub;
    uint32_t *place; /* by value: 0, or which place elements of it are at; 1 is the hub's own */
    bool is_light;   /* so short that it may stand behind every sum of a tile */
} Epilogue;

/* Checks that it is one that can be made. */
Status epilogue_init(Epilogue *epilogue, const LowerContext *context, const Graph *region, Value hub);

/* Operands (bits) whose place the only result may take: read by the epilogue alone, each element where it is written.
 * For kernels that compute every element once. */
uint64_t epilogue_in_place(const Epilogue *epilogue);

/* A place in the hub's result, seen in any shape of as many elements (point.dim isn't NULL). Lanes run along lane_axis;
 * where that axis is split later, lanes are known to stay in one row when the index of lane 0 is a multiple of the
 * lanes
 * (`aligned`). */
typedef struct Place {
    Point point;
    uint32_t lane_axis;
    bool aligned;
} Place;

/* Stores every result of the region at the elements that the hub's value `accumulator` at `place` leads to. */
void epilogue_emit(const Epilogue *epilogue, Expression *expression, LoopFunction *f, const Place *place,
                   Reg accumulator);
/* A row of sums in memory: `vectors` vectors at columns column … of axis place->lane_axis; cut at column `columns` when
 * `edge`. */
typedef struct SumRow {
    LoopKind kind;
    uint32_t lanes, vectors;
    Reg sums; /* pointer to the first */
    Reg column, columns;
    bool edge;
} SumRow;
void epilogue_row(const Epilogue *epilogue, Expression *expression, LoopFunction *f, Place *place, const SumRow *row);

/* An accumulator rounded (or wrapped) to an element type, in its register kind. */
Reg accumulator_result(LoopFunction *f, Reg accumulator, ElementType element);

/* ---- kernels ---- */

/* Begins a kernel: buffers are the region's parameters, its results, and the temporary. NULL: memory is out. */
Expression *contract_kernel_begin(const LowerContext *context, const Graph *region, Kernel *kernel);
/* Ends it: sizes are taken from the expression, the kernel is appended. Mistakes in the function become a message. */
Status contract_kernel_end(const LowerContext *context, Expression *expression, Kernel *kernel, LoweredGroup *lowered);
/* The temporary's buffer number. */
uint32_t temporary_buffer(const Graph *region);

/* ---- packing ---- */

/* Some axes of a value, in the order they are walked (first slowest). */
typedef struct Axes {
    uint32_t axis[MAX_RANK], count;
    Dim dim[MAX_RANK], size; /* size: product */
} Axes;
Axes axes_none(void); /* size 1 */
void axes_add(Module *module, Axes *axes, Type type, uint32_t axis);

/* Appends a kernel that writes a value to the temporary, from byte `offset` on, as `element`:
 *     width 0: [batch][outer][inner], lanes along inner       else panels: [batch][panels of outer][inner][width] */
typedef struct Packing {
    Value value;
    Axes batch, outer, inner;
    uint32_t width;
    ElementType element;
    Dim offset;
} Packing;
Status pack_operand(const LowerContext *context, const Graph *region, const Packing *packing, LoweredGroup *lowered);

/* A register of `element` as an accumulator of `kind`. */
Reg to_accumulator(LoopFunction *f, Reg reg, ElementType element, LoopKind kind);

/* ---- pieces of loops ---- */

/* A dimension as an i64 register of the block that is open now (expression_dim's may belong to a closed one). */
Reg dim_register(Expression *expression, Dim dim);
/* Splits a linear index into indices along dimensions (row-major). */
void index_split(Expression *expression, LoopFunction *f, Reg linear, const Dim *dim, uint32_t count, Reg *index);
Reg index_divide(LoopFunction *f, Reg a, Reg b); /* a >= 0, b > 0 */
Reg index_remainder(LoopFunction *f, Reg a, Reg b);
Reg index_max(LoopFunction *f, Reg a, Reg b);

#endif
