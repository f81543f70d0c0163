/* SPDX-License-Identifier: Apache-2.0
 * The table of derivative rules, from the `derive` column of ops.def, and what each word of it means:
 *
 *   none       no derivative: a failure that names the op
 *   zero       derivative zero wherever there is one
 *   partials   pointwise: partial_OP gives ∂y/∂xᵢ · t, which serves both modes
 *   transpose  linear in all operands: forward is the op on tangents, reverse_OP its transpose
 *   bilinear   linear in each operand: forward is the op on (tangent, other) both ways, reverse_OP per operand
 *   gather     linear in operand 0, the others being indices
 *   scatter, select, by_hand   forward_OP and reverse_OP
 *   region     the same, forward_OP making the copy too (ops with regions)
 *   recorded   the same, and record_OP makes the copy in reverse mode and keeps something */
#include "passes/autodiff/autodiff.h"

/* ---- families ---- */

static void forward_none(Rule *r)
{
    rule_fail(r, "has no derivative: transforms come before the passes that make it");
}

static void add_tangent(Rule *r, Value t)
{
    r->taken[0] = r->taken[0].id == 0 ? t : build_binary(&r->b, OP_add, r->taken[0], t);
}

static void forward_partials(Rule *r)
{
    RulePartial *const partial = derive_rule[r->node->op].partial;
    for (uint32_t i = 0; i < r->node->operand_count; i++)
        if (r->given[i].id != 0)
            add_tangent(r, partial(r, i, r->given[i]));
}

static void reverse_partials(Rule *r)
{
    RulePartial *const partial = derive_rule[r->node->op].partial;
    for (uint32_t i = 0; i < r->node->operand_count; i++)
        if (r->wanted[i])
            r->taken[i] = partial(r, i, r->given[0]);
}

static void forward_transpose(Rule *r)
{
    Value *operand = SCRATCH(r->frame->d, Value, r->node->operand_count);
    for (uint32_t i = 0; i < r->node->operand_count && operand != NULL; i++)
        operand[i] = build_or_zeros(&r->b, r->given[i], type_of_operand(r, i));
    if (operand != NULL)
        r->taken[0] = rule_repeat(r, operand);
}

static void forward_bilinear(Rule *r)
{
    for (uint32_t i = 0; i < 2; i++)
        if (r->given[i].id != 0) {
            const Value operand[2] = {i == 0 ? r->given[0] : r->x[0], i == 1 ? r->given[1] : r->x[1]};
            add_tangent(r, rule_repeat(r, operand));
        }
}

static void forward_gather(Rule *r)
{
    const Value operand[2] = {r->given[0], r->x[1]};
    if (r->given[0].id != 0)
        r->taken[0] = rule_repeat(r, operand);
}

/* ---- the table ---- */

#define RULE_none(name) {.forward = forward_none, .reverse = forward_none}
#define RULE_zero(name) {.zero = true}
#define RULE_partials(name) {.forward = forward_partials, .reverse = reverse_partials, .partial = partial_##name}
#define RULE_transpose(name) {.forward = forward_transpose, .reverse = reverse_##name}
#define RULE_bilinear(name) {.forward = forward_bilinear, .reverse = reverse_##name}
#define RULE_gather(name) {.forward = forward_gather, .reverse = reverse_##name}
#define RULE_scatter(name) {.forward = forward_##name, .reverse = reverse_##name}
#define RULE_select(name) RULE_scatter(name)
#define RULE_by_hand(name) RULE_scatter(name)
#define RULE_region(name) {.forward = forward_##name, .reverse = reverse_##name, .copies = true}
#define RULE_recorded(name)                                                                                            \
    {.forward = forward_##name, .record = record_##name, .reverse = reverse_##name, .copies = true}

const DeriveRule derive_rule[OP_COUNT] = {
#define OP(name, traits, operands, results, attributes, infer, eval, derive, batch, lower, doc)                        \
    [OP_##name] = RULE_##derive(name),
#include "ir/ops.def"
};
