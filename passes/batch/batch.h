/* SPDX-License-Identifier: Apache-2.0
 * Batching; not for other folders.
 *
 * A Lanes is one application of a graph `from` at the end of a graph `to` to many lanes at once: each value of `from`
 * is either unmapped, the same in all lanes, and its copy has its type; or mapped, and its copy has one axis more, of
 * length `size`, in front. A node without mapped operands is just copied; else the rule of its op, by the `batch`
 * column of ops.def, makes all lanes. Which results are mapped is known before (mapped.c): regions are asked for that.
 *
 * Lanes are never mixed, and each is computed as alone: the same sums in the same order. */
#ifndef ADZE_PASSES_BATCH_BATCH_H
#define ADZE_PASSES_BATCH_BATCH_H

#include "ir/build.h"
#include "ir/ir.h"

enum { MEMO_BUCKETS = 256 };

/* One transform at work. */
typedef struct Batching {
    Module *module;
    Dim size;       /* number of lanes */
    Arena arena;    /* scratch */
    uint32_t depth; /* of graphs; input decides it, so it is limited */
    struct MappedMemo *memo[MEMO_BUCKETS];
    struct BatchedCallee *callee; /* made so far */
} Batching;

typedef struct Lanes {
    Batching *batching;
    const Graph *from;
    Graph *to;
    ValueMap map;
    bool *mapped; /* by value of from */
} Lanes;

/* What a rule sees. At least one operand is mapped. */
typedef struct BatchRule {
    Builder b; /* adds to `to`, at the node's location */
    Lanes *lanes;
    const Node *node;
    const Value *x;     /* operands, copied */
    const bool *mapped; /* whether they are mapped */
    const bool *due;    /* whether results are to be mapped; all are, but for ops with regions */
    Value *y;           /* to be set: results */
} BatchRule;

typedef void BatchStep(BatchRule *r);

extern BatchStep *const batch_rule[OP_COUNT];

/* ---- lanes ---- */

/* NULL when it fails. */
Lanes *lanes_create(Batching *batching, const Graph *from, Graph *to, const Value *argument, const bool *mapped);
void lanes_run(Lanes *lanes);
/* Result i; mapped if asked for (and never unmapped again). */
Value lanes_result(const Lanes *lanes, uint32_t i, bool mapped);
/* A graph of its own: parameters as mapped says, results as due says. NULL when it fails. */
Graph *batch_region(Batching *batching, const Graph *from, const bool *mapped, const bool *due);
/* The same as a named graph; one for each pattern of mapped parameters. */
Graph *batch_callee(Batching *batching, const Graph *callee, const bool *mapped, const bool *due);
/* A copy without dead nodes, of a name like that of `function` that no graph of the module has. */
Graph *batch_finish(Batching *batching, const Graph *function, const Graph *made);

/* ---- what is mapped ---- */

/* Which results of a graph are mapped when those parameters are; in the arena, NULL when it fails. */
const bool *mapped_results(Batching *batching, const Graph *graph, const bool *parameter);
/* The same for a node. */
bool mapped_by_node(Batching *batching, const Node *node, const bool *operand, bool *result);
/* Makes `operand`, of a while or scan, what it is after any number of steps. For a while: *many, whether lanes may stop
 * at different steps. */
bool mapped_in_loop(Batching *batching, const Node *node, bool *operand, bool *many);
/* Whether a graph can be run in lanes that don't ask for it: it ends, and can't fail. */
bool is_harmless(Batching *batching, const Graph *graph);

/* ---- for rules ---- */

bool batching_enter(Batching *batching, Location location);
void *batching_scratch(Batching *batching, size_t count, size_t size);
#define SCRATCH(batching, type, count) ((type *)batching_scratch((batching), (count), sizeof(type)))

Type batch_operand_type(const BatchRule *r, uint32_t i); /* in one lane */
Type batch_result_type(const BatchRule *r, uint32_t i);
/* The type with the lanes' axis in front. */
Type mapped_type(Batching *batching, Type type);
/* The value of one lane, repeated for all. */
Value build_mapped(Builder *b, Batching *batching, Value x);
/* Operand i, mapped in any case. */
Value batch_operand(BatchRule *r, uint32_t i);
/* All of them. NULL when memory is out. */
Value *batch_operands(BatchRule *r);
/* A node with r's op and regions; sets r->y. */
void batch_add(BatchRule *r, const Value *operand, const Attr *attr, uint32_t attr_count, Graph *const *region);
/* r's op on mapped operands, its attributes that speak of axes shifted by one; sets r->y. */
void batch_shift(BatchRule *r, const Value *operand);
/* One lane after the other: a scan. Right for any op; sets r->y, all mapped. */
void batch_one_by_one(BatchRule *r);
/* x's axis `from` as axis `to` of the result, the others in order. */
Value build_move_axis(Builder *b, Value x, uint32_t from, uint32_t to);

BatchStep batch_none, batch_pointwise;

#define DECLARE_none(name)
#define DECLARE_source(name)
#define DECLARE_constant(name)
#define DECLARE_pointwise(name)
#define DECLARE_structure(name) BatchStep batch_##name;
#define DECLARE_by_hand(name) BatchStep batch_##name;
#define OP(name, traits, operands, results, attributes, infer, eval, derive, batch, lower, doc) DECLARE_##batch(name)
#include "ir/ops.def"

#endif
