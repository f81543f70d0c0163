/* SPDX-License-Identifier: Apache-2.0
 * Inside of the interpreter: what an eval rule gets and may call. One rule for each name in the `eval` column of
 * ops.def; a rule that is missing is a link error.
 *
 * Before a rule runs, its operands and results are known in full: the dimensions of a result come from its type and the
 * symbols, its data is zeroed memory. Rules of control flow, `constant` and `parameter` set result data themselves.
 * Whatever symbols decide (slice bounds, padding, indices) is checked by the rule: no value of a symbol and no input
 * reads or writes beyond an array. */
#ifndef ADZE_IR_EVAL_H
#define ADZE_IR_EVAL_H

#include "ir/ir.h"

/* Symbols a dimension expression depends on; found once an evaluation. */
typedef struct DimUse {
    const uint32_t *symbol;
    uint32_t count;
    bool is_known, is_symbol; /* is_symbol: the expression is that symbol and nothing else */
} DimUse;

/* Shared by all graphs of one evaluation. */
typedef struct EvalRun {
    Module *module;
    Diag *diag;
    Arena arena; /* of uses */
    DimUse *use; /* indexed by expression id */
    uint32_t use_count, use_capacity;
} EvalRun;

typedef struct EvalContext {
    EvalRun *run;
    const Graph *graph;
    const Node *node;
    const HostArray *operand;
    HostArray *result;
    int64_t *symbol; /* of this graph; UNBOUND_SYMBOL: no value yet */
    Arena *arena;    /* where results are */
    Arena *scratch;  /* dies with the rule's call */
    uint32_t depth;  /* of graphs inside graphs */
} EvalContext;

#define UNBOUND_SYMBOL INT64_MIN
enum { EVAL_DEPTH_LIMIT = 256, EVAL_CHUNK = 256 };

typedef Status EvalRule(EvalContext *c);
#define OP(name, traits, operands, results, attributes, infer, eval, ...) EvalRule eval_##eval;
#include "ir/ops.def"

/* ---- failing, dimensions (eval.c) ---- */

Status eval_fail(const EvalContext *c, Status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
Status eval_out_of_memory(const EvalContext *c);
/* The value of a dimension now; fails when a symbol of it has none. */
Status eval_dim(const EvalContext *c, Dim dim, int64_t *value);
/* A list attribute of dimensions, which must have `count` entries. */
Status eval_dims(const EvalContext *c, AttrKey key, uint32_t count, int64_t *value);
/* A list attribute of integers with `count` entries. */
Status eval_integers(const EvalContext *c, AttrKey key, uint32_t count, const int64_t **value);
/* An axis attribute, checked against the rank. */
Status eval_axis(const EvalContext *c, uint32_t rank, uint32_t *axis);
/* Zeroed memory for an array whose element, rank and dim are set. */
Status eval_allocate(const EvalContext *c, HostArray *array, Arena *arena);
/* Scratch memory of count elements of `size` bytes, NULL (and a message) when there is none. */
void *eval_scratch(const EvalContext *c, int64_t count, size_t size);
/* Runs a region or graph on arrays; results go to `arena`. The symbols of c hold in it; what it binds stays inside. */
Status eval_graph(const EvalContext *c, const Graph *graph, const HostArray *input, uint32_t input_count,
                  HostArray *result, Arena *arena);
/* Binds one symbol, checking its range. */
Status eval_bind(const EvalContext *c, uint32_t symbol, int64_t value);

/* The pointwise rules for complex elements (eval_complex.c). */
Status eval_complex(EvalContext *c);
/* reduce_prod; strides as reduction_strides has them. */
Status eval_complex_product(EvalContext *c, const int64_t *stride);
/* Whether the node is an op on complex elements that is linear, or bilinear, in its parts; and that op, by running
 * `rule` on the parts, as f64. */
bool has_parts(const EvalContext *c);
Status eval_by_parts(EvalContext *c, EvalRule *rule);

/* ---- elements (eval_elements.c) ---- */

/* count elements from position `start` as f64, or as 64 bits of an integer (sign- or zero-extended), and back:
 * floats round once, integers wrap. */
void load_doubles(const HostArray *array, int64_t start, int64_t count, double *out);
void store_doubles(const HostArray *array, int64_t start, int64_t count, const double *value);
void load_integers(const HostArray *array, int64_t start, int64_t count, int64_t *out);
void store_integers(const HostArray *array, int64_t start, int64_t count, const int64_t *value);
/* Whole arrays, in scratch memory. */
double *load_all_doubles(const EvalContext *c, const HostArray *array);
int64_t *load_all_integers(const EvalContext *c, const HostArray *array);
uint32_t element_width(ElementType element); /* bits that count: 4 for i4 */
bool is_unsigned(ElementType element);       /* bool included */

/* acc = x op y for add, mul, max, min, by op kind (OP_add …). NaN wins in max and min. */
double combine_doubles(OpKind op, double x, double y);
int64_t combine_integers(OpKind op, bool without_sign, int64_t x, int64_t y);
/* What leaves the other operand of OP_add, mul, max, min as it is: 0, 1, the smallest, the largest value. */
double identity_double(OpKind op);
int64_t identity_integer(OpKind op, ElementType element);

/* ---- strided copies (eval_copy.c) ---- */

/* A copy of a box of elements between two layouts; strides in bytes, any sign, 0 repeats. */
typedef struct CopyPlan {
    uint32_t rank;
    size_t bytes; /* of one element, or of one contiguous run once planned */
    int64_t dim[MAX_RANK], to_stride[MAX_RANK], from_stride[MAX_RANK];
} CopyPlan;

/* Row-major strides in bytes. */
void row_major_strides(uint32_t rank, const int64_t *dim, size_t bytes, int64_t *stride);
/* Drops axes of size 1 and merges neighbours; run any number of times after. */
void copy_plan(CopyPlan *plan);
void copy_run(const CopyPlan *plan, char *to, const char *from);

/* Steps an index through a box in row-major order; false after the last. */
bool index_step(uint32_t rank, const int64_t *dim, int64_t *index);

#endif
