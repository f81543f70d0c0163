/* SPDX-License-Identifier: Apache-2.0
 * The front of a sort: what topk is made of. */
#ifndef ADZE_PASSES_GROUP_FRONT_H
#define ADZE_PASSES_GROUP_FRONT_H

#include "ir/ir.h"

/* Whether the slice takes the first elements of a sort along its axis, and everyone else who reads the sort takes as
 * many. `uses`: of values. */
bool is_front_of_sort(const Graph *graph, const Node *slice, const uint32_t *uses);

#endif
