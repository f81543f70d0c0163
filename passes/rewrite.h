/* SPDX-License-Identifier: Apache-2.0
 * Copying a graph through rules: what most passes are made of.
 *
 * Live nodes are visited in order. A rule sees the old node and its operands in the new graph; it either gives the new
 * values of all results and says true, or says false and the node is copied. Regions are rewritten the same way first.
 * What nobody uses isn't visited; equal pure nodes meet again when added. */
#ifndef ADZE_PASSES_REWRITE_H
#define ADZE_PASSES_REWRITE_H

#include "ir/build.h"
#include "passes/passes.h"

typedef struct Rewriter {
    PassContext *context;
    const Graph *from;
    Graph *to;
    ValueMap map;
    const uint32_t *uses; /* of values in `from`, by id, counting live users only */
    Builder build;        /* adds to `to` at the old node's location */
    void *state;          /* the pass's own */
} Rewriter;

/* `operand` are mapped. `result` has node->result_count entries to fill when the rule says true. */
typedef bool RewriteRule(Rewriter *rewriter, const Node *node, const Value *operand, Value *result);

/* `rule` may be NULL: a copy without dead nodes. */
Status rewrite_graph(PassContext *context, const Graph *from, Graph *to, RewriteRule *rule, void *state);

/* Which nodes are needed by the results, by node id; nodes with effects count. NULL when memory is out. */
bool *graph_live_nodes(const Graph *graph, Arena *arena);

/* The node that defines a value of the new graph, when it is of that op, else NULL. */
const Node *defined_by(const Graph *graph, Value value, OpKind op);
/* Whether the value is a constant whose elements are all equal to one number (through broadcasts and reshapes). */
bool value_is_splat(const Graph *graph, Value value, double *number);
/* Looks through broadcast and reshape at a constant; its id is 0 when it isn't one. */
bool value_is_constant(const Graph *graph, Value value);

#endif
