/* SPDX-License-Identifier: Apache-2.0
 * The table of batching rules, from the `batch` column of ops.def, and what each word of it means:
 *
 *   none              no rule: a failure that names the op
 *   source, constant  no operands, so never mapped
 *   pointwise         the op itself, unmapped operands repeated
 *   structure         batch_OP: the op itself with its axes shifted, or several lanes as one
 *   by_hand           batch_OP: ops with regions */
#include "passes/batch/batch.h"

void batch_none(BatchRule *r)
{
    module_fail(r->lanes->batching->module, STATUS_UNSUPPORTED,
                location_text(r->lanes->batching->module, r->b.location),
                "%s: has no batching rule: it would differ from lane to lane", op_info[r->node->op].name);
}

void batch_pointwise(BatchRule *r)
{
    const Value *operand = batch_operands(r);
    if (operand != NULL)
        batch_add(r, operand, r->node->attr, r->node->attr_count, NULL);
}

#define RULE_none(name) batch_none
#define RULE_source(name) batch_none
#define RULE_constant(name) batch_none
#define RULE_pointwise(name) batch_pointwise
#define RULE_structure(name) batch_##name
#define RULE_by_hand(name) batch_##name

BatchStep *const batch_rule[OP_COUNT] = {
    [OP_NONE] = batch_none,
#define OP(name, traits, operands, results, attributes, infer, eval, derive, batch, lower, doc)                        \
    [OP_##name] = RULE_##batch(name),
#include "ir/ops.def"
};
