/* SPDX-License-Identifier: Apache-2.0
 * The memory plan: where every value of a graph lies while it runs, regions included. The last thing before code.
 *
 * Nodes run in order, regions in line, so every node and every copy has a step number. A value lies
 *     in an input or output of the call     results are written straight into outputs where possible
 *     in the weights                        constants
 *     in a buffer of the arena              alive from its first to its last step
 *     in a slice of another place           what a scan reads and writes in one iteration
 * Reshapes, views, bound dimensions and region parameters lie where their operand lies. A group's first result takes
 * over the buffer of an operand that dies there when the kernel allows it. What a loop carries lies in one place for
 * all iterations; body results are written there when nobody needs the old value any more, else copied at the end of
 * the iteration.
 *
 * Buffers get offsets elsewhere (runtime/plan_offsets.c): once for static sizes, per call for symbolic ones. */
#ifndef ADZE_PASSES_PLAN_H
#define ADZE_PASSES_PLAN_H

#include "ir/ir.h"

typedef enum { PLACE_NONE, PLACE_INPUT, PLACE_OUTPUT, PLACE_CONSTANT, PLACE_BUFFER, PLACE_SLICE } PlaceKind;

typedef struct Place {
    PlaceKind kind;
    uint32_t index; /* of the graph's parameter or result, of Plan.constant, .buffer, .slice */
} Place;

typedef struct PlanBuffer {
    Dim bytes;            /* not rounded; an upper bound where data decide the size */
    uint32_t first, last; /* steps, inclusive */
    int64_t offset;       /* in the arena, when Plan.solved */
} PlanBuffer;

typedef struct PlanSlice { /* slice i of a place, i being the scan's index */
    Place base;
    Dim bytes; /* of one slice */
} PlanSlice;

typedef struct PlanCopy {
    Place from, to;
    Dim bytes;
} PlanCopy;

typedef struct PlanCopies { /* done one after the other, in this order */
    PlanCopy *copy;
    uint32_t copy_count, copy_capacity;
} PlanCopies;

typedef struct PlanScope PlanScope;

typedef struct PlanNode {
    uint32_t step;
    Place temporary;             /* of a group; PLACE_NONE when it needs none */
    PlanScope *region[2];        /* of control flow, as the node has them; call: the callee */
    PlanCopies before;           /* while, scan: carried operands to where they live in the loop */
    uint32_t slice, slice_count; /* scan: first of its slices: inputs, then stacked outputs */
} PlanNode;

/* One graph in one place: a callee that is called twice has two scopes. */
struct PlanScope {
    const Graph *graph;
    Place *place;     /* by value id */
    PlanNode *node;   /* by node id */
    PlanCopies after; /* results to where they belong, after all nodes */
};

typedef struct Plan {
    PlanScope *entry;
    PlanBuffer *buffer;
    uint32_t buffer_count, buffer_capacity;
    PlanSlice *slice;
    uint32_t slice_count, slice_capacity;
    ConstantId *constant; /* distinct constants that code reads */
    uint32_t constant_count, constant_capacity;
    uint32_t step_count;
    bool solved;                      /* offsets are there: all sizes are numbers */
    int64_t arena_bytes, bound_bytes; /* when solved: the arena; the most bytes alive in one step */
} Plan;

/* What the plan must know of a group's kernels (codegen/lower/lower.h). */
typedef struct PlanGroup {
    Dim temporary_bytes; /* 0: none */
    uint64_t in_place;   /* bit i: the first result may lie where operand i lies */
} PlanGroup;
typedef Status PlanQuery(void *user, const Graph *graph, NodeId group, PlanGroup *group_info);

/* Plans a graph; the plan lives in `arena`. Messages go to the module's diag. */
Status plan_build(const Graph *graph, PlanQuery *query, void *user, Arena *arena, Plan *plan);

/* Bytes that must be ready for a value of that type: where data decide its size, an upper bound. */
Status plan_storage_bytes(Module *module, Type type, Dim *bytes);

/* Text: one line a buffer, then places of values, step by step. */
void plan_print(const Plan *plan, StrBuf *out);

#endif
