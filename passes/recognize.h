/* SPDX-License-Identifier: Apache-2.0
 * Larger patterns that simplify looks for: see recognize.c. */
#ifndef ADZE_PASSES_RECOGNIZE_H
#define ADZE_PASSES_RECOGNIZE_H

#include "passes/rewrite.h"

/* A RewriteRule: tries each pattern that ends in a node of this op. */
bool recognize_node(Rewriter *rewriter, const Node *node, const Value *operand, Value *result);

#endif
