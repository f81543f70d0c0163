/* SPDX-License-Identifier: Apache-2.0
 * Inside family rows: the plan of a kernel with reductions. */
#ifndef ADZE_CODEGEN_LOWER_ROWS_H
#define ADZE_CODEGEN_LOWER_ROWS_H

#include "codegen/lower/nest.h"

enum { MAX_REDUCTIONS = 32, MAX_UNROLL = 16, MAX_COLUMNS = 4 };

/* Neighbouring axes of the reduced shape that are all reduced or all kept. */
typedef struct Run {
    Dim dim;
    bool is_reduced;
} Run;

typedef struct Reduction {
    Value value, operand;
    OpKind step;         /* pointwise op that combines two */
    ElementType element; /* sums are kept in: f32 for smaller floats */
    ElementType result;
    uint32_t level;         /* of its value */
    bool in_blocks;         /* order matters: float sums and products */
    uint32_t unroll;        /* vectors of sums */
    Reg sum[MAX_UNROLL];    /* variables: vectors of the elements seen in this block */
    Reg block[MAX_UNROLL];  /* the same of all blocks before, when in blocks */
    Reg total[MAX_COLUMNS]; /* variables: of all stretches before; row mode has one, column mode one for each vector */
} Reduction;

typedef struct Rows {
    const LowerContext *context;
    Graph *region; /* softmax and the like expanded */
    Expression *e;
    LoopFunction *f;
    Run run[MAX_RANK];
    uint32_t run_count;
    Dim full_size, kept_size, reduced_size;
    Reduction reduction[MAX_REDUCTIONS];
    uint32_t reduction_count;
    uint32_t levels; /* loops over the reduced axes; a last one more when a result needs all reductions */
    uint32_t *level; /* by value: reductions on the longest way to it */
    uint32_t *cost;  /* by value: operations since the reductions before */
    bool *is_full;   /* by result: has the reduced shape, else one element a row */
    uint32_t *spill; /* by value: result whose buffer keeps it between loops, + 1 */
    bool *moved;     /* by value: data movement reads it elsewhere, so that no buffer can stand for it */
    uint32_t lanes;
    AxisIndex index[MAX_RANK]; /* by run, where known */
} Rows;

/* Expands composites, finds runs, levels and what to keep. A region it can't be fails with a message. */
Status rows_plan(Rows *rows, const LowerContext *context, const Graph *region);

Site rows_full_site(const Rows *rows, uint32_t lanes, Reg active);
Site rows_kept_site(const Rows *rows, uint32_t lanes, Reg active);
/* Number of kept runs' items: the runs' dims in order; `but_last` leaves out the last kept run. */
uint32_t rows_kept_dims(const Rows *rows, bool but_last, Dim *dim, uint32_t *run);

/* ---- reductions in registers: rows_reduce.c ---- */

Reg reduction_identity(const Rows *rows, const Reduction *r, uint32_t lanes);
Reg reduction_combine(const Rows *rows, const Reduction *r, Reg sum, Reg x);
/* All lanes of `count` vectors to one value, by halving: slot i with slot i + half. */
Reg reduction_tree(const Rows *rows, const Reduction *r, Reg *vector, uint32_t count);
/* Rounds the total and makes it the reduction's value at the site. */
void reduction_bind(Rows *rows, const Reduction *r, const Site *site, Reg total);

/* Evaluates what loop number `level` makes at a site: operands of its reductions go to `operand`, full results and kept
 * values to memory. */
void rows_make(Rows *rows, uint32_t level, const Site *site, Reg *operand);
void rows_store_kept(Rows *rows, const Site *site);
/* What is known before the loop's own axes are. */
void rows_hoist(Rows *rows, uint32_t level, const Site *site);
/* Begins loop `level`: what earlier loops stored is read from memory now. */
void rows_begin_level(Rows *rows, uint32_t level);

/* One loop over the reduced axes of a row while it is emitted. */
typedef struct RowLoop {
    Rows *rows;
    uint32_t level;
    uint32_t unroll; /* vectors a step */
    bool turns;      /* a step handles one vector after the other in a loop */
    bool has_blocks, has_stretches;
    uint32_t inner; /* the innermost run */
    Dim dim;        /* its length */
} RowLoop;

enum { ROW_STRETCH = 65536 };

RowLoop row_loop(Rows *rows, uint32_t level);
/* Totals start from nothing. */
void row_loop_begin(const RowLoop *loop);
/* Elements from … to - 1 of the innermost axis join the totals: a stretch, or its shorter last one. */
void row_loop_stretch(const RowLoop *loop, Reg from, Reg to);
/* What doesn't depend on reduced runs from `from_run` on is computed here. */
void row_loop_hoist(const RowLoop *loop, uint32_t from_run);

/* Few long rows: a kernel for stretches and one that adds them up, instead of one kernel of few items. */
bool rows_can_split(const Rows *rows);
Status lower_split_rows(Rows *rows, LoweredGroup *lowered);

void emit_rows(Rows *rows, Reg item);
void emit_columns(Rows *rows, Reg item, int64_t tile);
/* Columns an item of column mode covers. */
int64_t columns_tile(const Rows *rows);

#endif
