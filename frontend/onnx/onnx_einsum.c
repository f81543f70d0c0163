/* SPDX-License-Identifier: Apache-2.0
 * Einsum: operands are contracted pairwise from the left. Labels are letters, and one for each axis that "..." stands
 * for. What no later operand and not the result names is summed at once; what both operands of a pair have is a batch
 * or a contracted axis. */
#include <ctype.h>
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

enum { ELLIPSIS_LABEL = 128, NO_AXIS = -1 };

/* An operand and the label of each of its axes. */
typedef struct Term {
    Value value;
    int label[MAX_RANK];
    uint32_t rank;
} Term;

static int64_t find_label(const Term *term, int label)
{
    for (uint32_t i = 0; i < term->rank; i++)
        if (term->label[i] == label)
            return i;
    return NO_AXIS;
}

/* Reads labels up to a comma or the end. "..." gets labels that align at the right; gives the text after it, NULL:
 * wrong. */
static const char *read_labels(const char *text, uint32_t rank, uint32_t ellipsis_rank, Term *term)
{
    uint32_t letters = 0;
    for (const char *at = text; *at && *at != ',' && *at != '-'; at++)
        letters += isalpha((unsigned char)*at) ? 1 : 0;
    term->rank = 0;
    for (; *text && *text != ',' && *text != '-'; text++) {
        if (strncmp(text, "...", 3) == 0) {
            const uint32_t axes = rank == UINT32_MAX ? ellipsis_rank : rank - letters;
            if (letters > rank || term->rank + axes > MAX_RANK)
                return NULL;
            for (uint32_t i = 0; i < axes; i++)
                term->label[term->rank++] = ELLIPSIS_LABEL + (int)(axes - 1 - i);
            text += 2;
        } else if (isalpha((unsigned char)*text)) {
            if (term->rank == MAX_RANK)
                return NULL;
            term->label[term->rank++] = *text;
        } else if (*text != ' ') {
            return NULL;
        }
    }
    return rank == UINT32_MAX || term->rank == rank ? text : NULL;
}

/* Without "->": labels that come once, in alphabetical order, after the ellipsis. */
static void implicit_result(const Term *term, uint32_t count, Term *result)
{
    uint32_t uses[ELLIPSIS_LABEL + MAX_RANK] = {0};
    result->rank = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < term[i].rank; k++)
            uses[term[i].label[k]]++;
    for (int label = ELLIPSIS_LABEL + MAX_RANK - 1; label >= ELLIPSIS_LABEL; label--)
        if (uses[label] && result->rank < MAX_RANK)
            result->label[result->rank++] = label;
    for (int label = 0; label < ELLIPSIS_LABEL; label++)
        if (uses[label] == 1 && result->rank < MAX_RANK)
            result->label[result->rank++] = label;
}

static bool is_needed(int label, const Term *later, uint32_t count, const Term *result)
{
    for (uint32_t i = 0; i < count; i++)
        if (find_label(&later[i], label) != NO_AXIS)
            return true;
    return find_label(result, label) != NO_AXIS;
}

static void drop_axis(Term *term, uint32_t axis)
{
    memmove(term->label + axis, term->label + axis + 1, (term->rank - axis - 1) * sizeof *term->label);
    term->rank--;
}

/* A label that comes twice: only the diagonal stays. */
static void take_diagonals(Site *s, Term *term)
{
    Builder *b = &s->builder;
    for (uint32_t i = 0; i < term->rank && !site_failed(s); i++)
        for (uint32_t k = term->rank - 1; k > i; k--) {
            if (term->label[i] != term->label[k])
                continue;
            const Type type = site_type_of(s, term->value);
            const Type index = type_make(s->importer->module, ELEMENT_i64, type.dim, type.rank);
            const Value on = build_binary(b, OP_equal, build_iota(b, index, i), build_iota(b, index, k));
            const int64_t axis = k;
            term->value = build_select(b, on, term->value, build_full(b, type, 0));
            term->value = build_reduce(b, OP_reduce_sum, term->value, &axis, 1, false);
            drop_axis(term, k);
        }
}

static void sum_unneeded(Site *s, Term *term, const Term *later, uint32_t count, const Term *result)
{
    for (uint32_t i = term->rank; i-- > 0;) {
        if (is_needed(term->label[i], later, count, result))
            continue;
        const int64_t axis = i;
        term->value = build_reduce(&s->builder, OP_reduce_sum, term->value, &axis, 1, false);
        drop_axis(term, i);
    }
}

/* Axes of size 1 that the other term has larger (an ellipsis that broadcasts) are dropped: multiplying repeats them. */
static void drop_broadcast(Site *s, Term *term, const Term *other)
{
    for (uint32_t i = term->rank; i-- > 0;) {
        const int64_t axis = find_label(other, term->label[i]);
        if (axis == NO_AXIS || !dim_is(site_type_of(s, term->value).dim[i], 1) ||
            dim_is(site_type_of(s, other->value).dim[axis], 1))
            continue;
        term->value = build_squeeze(&s->builder, term->value, i);
        drop_axis(term, i);
    }
}

static Term contract(Site *s, Term x, Term y, const Term *later, uint32_t count, const Term *result)
{
    int64_t batch_x[MAX_RANK], batch_y[MAX_RANK], contract_x[MAX_RANK], contract_y[MAX_RANK];
    uint32_t batch_count = 0, contract_count = 0;
    Term product = {.rank = 0};
    drop_broadcast(s, &x, &y);
    drop_broadcast(s, &y, &x);
    for (uint32_t i = 0; i < x.rank; i++) {
        const int64_t other = find_label(&y, x.label[i]);
        if (other == NO_AXIS)
            continue;
        if (is_needed(x.label[i], later, count, result)) {
            batch_x[batch_count] = i;
            batch_y[batch_count++] = other;
            product.label[product.rank++] = x.label[i];
        } else {
            contract_x[contract_count] = i;
            contract_y[contract_count++] = other;
        }
    }
    for (uint32_t i = 0; i < x.rank; i++)
        if (find_label(&y, x.label[i]) == NO_AXIS)
            product.label[product.rank++] = x.label[i];
    for (uint32_t i = 0; i < y.rank; i++) {
        if (find_label(&x, y.label[i]) != NO_AXIS)
            continue;
        if (product.rank == MAX_RANK) {
            site_unsupported(s, "an intermediate result of rank above %d", MAX_RANK);
            return product;
        }
        product.label[product.rank++] = y.label[i];
    }
    product.value = build_dot(&s->builder, x.value, y.value, batch_x, batch_y, batch_count, contract_x, contract_y,
                              contract_count, site_type_of(s, x.value).element);
    return product;
}

static void give_permuted(Site *s, const Term *term, const Term *result)
{
    int64_t permutation[MAX_RANK];
    for (uint32_t i = 0; i < result->rank; i++) {
        permutation[i] = find_label(term, result->label[i]);
        if (permutation[i] == NO_AXIS || term->rank != result->rank) {
            site_unsupported(s, "the result names an axis that no operand has");
            return;
        }
    }
    site_give(s, 0, build_transpose(&s->builder, term->value, permutation));
}

void import_einsum(Site *s)
{
    const char *text = site_string(s, "equation", "");
    Term *term = SITE_NEW(s, Term, s->input_count), result;
    uint32_t ellipsis_rank = 0;
    for (uint32_t i = 0; term && i < s->input_count; i++) {
        term[i].value = site_input(s, i);
        text = read_labels(text, site_rank(s, i), 0, &term[i]);
        if (!text || (i + 1 < s->input_count && *text != ',')) {
            site_invalid(s, "the equation doesn't fit the operands");
            return;
        }
        text += *text == ',' ? 1 : 0;
        for (uint32_t k = 0; k < term[i].rank; k++)
            if (term[i].label[k] >= ELLIPSIS_LABEL && (uint32_t)(term[i].label[k] - ELLIPSIS_LABEL) >= ellipsis_rank)
                ellipsis_rank = (uint32_t)(term[i].label[k] - ELLIPSIS_LABEL) + 1;
    }
    if (site_failed(s))
        return;
    if (strncmp(text, "->", 2) != 0)
        implicit_result(term, s->input_count, &result);
    else if (!read_labels(text + 2, UINT32_MAX, ellipsis_rank, &result)) {
        site_invalid(s, "the equation's result can't be read");
        return;
    }
    for (uint32_t i = 0; i < s->input_count; i++)
        take_diagonals(s, &term[i]);
    Term total = term[0];
    sum_unneeded(s, &total, term + 1, s->input_count - 1, &result);
    for (uint32_t i = 1; i < s->input_count && !site_failed(s); i++) {
        const uint32_t rest = s->input_count - i - 1;
        Term next = term[i];
        term[i] = total; /* what it has is needed by next as well */
        sum_unneeded(s, &next, term + i, rest + 1, &result);
        total = contract(s, total, next, term + i + 1, rest, &result);
    }
    if (!site_failed(s))
        give_permuted(s, &total, &result);
}
