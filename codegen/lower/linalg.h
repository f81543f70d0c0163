/* SPDX-License-Identifier: Apache-2.0
 * Inside the family linalg: one op on the matrices of a batch, each of them alone. An item is a task with memory of its
 * own; tasks take matrices in turn. Everything is emitted for the matrix `number`. */
#ifndef ADZE_CODEGEN_LOWER_LINALG_H
#define ADZE_CODEGEN_LOWER_LINALG_H

#include "codegen/lower/combine.h"

typedef struct Linalg {
    const LowerContext *context;
    Expression *e;
    LoopFunction *f;
    const Node *node;
    ElementType element; /* f32 or f64 */
    LoopKind kind;
    uint32_t bytes, lanes;
    Dim batch, tasks;
    Dim rows, columns; /* of operand 0 */
    Dim room;          /* bytes of the temporary given out so far, of all tasks */
    bool has_room;     /* any was */
    Reg task, number;  /* number: of the matrix */
    Reg panel;         /* local memory of linalg_update_block */
    Reg words;         /* local memory: 32-bit arguments by address */
} Linalg;

/* ---- memory (linalg.c) ---- */

/* A task's own memory of that many bytes. */
Reg linalg_room(Linalg *l, Dim bytes);
/* The matrix of operand `index`: where it lies, or a copy of what is computed for it. */
Reg linalg_operand(Linalg *l, uint32_t index);
/* Writes the matrix of an operand to memory, row-major. */
void linalg_copy_operand(Linalg *l, uint32_t index, Reg to);
/* Where the part of a result (rows × columns elements a matrix) goes: its place, or a room when nobody asks for it. */
Reg linalg_result(Linalg *l, uint32_t index, Dim size);
bool linalg_is_wanted(const Linalg *l, uint32_t index);
Reg linalg_dim(Linalg *l, Dim dim);
LoopType linalg_scalar(const Linalg *l);
Reg linalg_real(const Linalg *l, double value);

/* ---- updates (linalg_update.c) ---- */

/* Element (i, k) is at pointer[i * row + k * column]; strides are i64 registers of any sign. */
typedef struct Strided {
    Reg pointer, row, column;
} Strided;

/* c[i, j] -= sum of a[i, k] b[k, j] for k in k_from … k_to - 1, j in j_from … j_to - 1, in that order of k, each a
 * fused multiply-add where the target has it. Columns of c and b are neighbours in memory (column isn't read). */
typedef struct Update {
    Strided a, b, c;
    Reg k_from, k_to, j_from, j_to;
} Update;

/* One row. */
void linalg_update_row(Linalg *l, const Update *u, Reg i);
/* Rows i_from … i_to - 1, none of which is one of b's. */
void linalg_update_block(Linalg *l, const Update *u, Reg i_from, Reg i_to);
/* Memory that blocks are packed into: before anything else is emitted. */
Reg linalg_panel(LoopFunction *f, LoopKind kind, uint32_t lanes);
/* Elements from … to - 1 at the pointer, divided by a scalar. */
void linalg_divide(Linalg *l, Reg pointer, Reg from, Reg to, Reg divisor);
/* Sets elements 0 … count - 1 to a scalar. */
void linalg_fill(Linalg *l, Reg pointer, Reg count, Reg value);

/* The first rows and columns of a matrix whose rows are `stride` elements apart. */
typedef struct Part {
    Reg pointer, rows, columns, stride;
} Part;

/* to[j, i] = from[i, j], in squares that stay in the cache; to's rows are `stride` apart. */
void linalg_turn(const Linalg *l, const Part *from, Reg to, Reg stride);

/* ---- the ops: planned sizes, then the code for one matrix ---- */

typedef void LinalgOp(Linalg *l);
LinalgOp linalg_cholesky, linalg_triangular_solve, linalg_lu, linalg_qr, linalg_eigh, linalg_svd;

#endif
