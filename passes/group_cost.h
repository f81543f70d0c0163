/* SPDX-License-Identifier: Apache-2.0
 * What a kernel of some nodes computes: a value read at several places is computed at each of them. */
#ifndef ADZE_PASSES_GROUP_COST_H
#define ADZE_PASSES_GROUP_COST_H

#include "ir/ir.h"

enum {
    MAX_EVALUATIONS = 1200, /* of values in one kernel: lowering takes many times that, for each way it writes a loop */
    RECOMPUTED = 64,        /* operations an element that a merge may add: about what a round trip to memory costs */
    RECOMPUTED_IN_ROWS = 4 * RECOMPUTED /* the same in loops over a row that is in a cache; some values are kept */
};

typedef struct GroupCost {
    uint32_t evaluations; /* of values, each at each place where it is read; counting ends above MAX_EVALUATIONS */
    uint32_t operations;  /* the same, weighted */
} GroupCost;

/* Room for counting, used again and again; NULL: out of memory. */
typedef struct GroupCounter GroupCounter;
GroupCounter *group_counter_create(const Graph *graph, const uint32_t *uses, Arena *scratch);

/* `member`: ids of at most MAX_COUNTED nodes, ascending. */
enum { MAX_COUNTED = 192 };
GroupCost group_cost(GroupCounter *counter, const uint32_t *member, uint32_t count);

/* Operations an element, roughly. */
uint32_t node_operations(const Node *node);

/* Whether the node reads its operands elsewhere than at its own place. */
bool group_moves(const Node *node);

#endif
