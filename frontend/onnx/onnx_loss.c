/* SPDX-License-Identifier: Apache-2.0
 * ONNX losses over classes: NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss. Classes are axis 1. */
#include <string.h>

#include "frontend/onnx/onnx_rules.h"

static Value sum_all(Site *s, Value x)
{
    int64_t axes[MAX_RANK];
    const uint32_t rank = site_type_of(s, x).rank;
    for (uint32_t i = 0; i < rank; i++)
        axes[i] = i;
    return rank ? build_reduce(&s->builder, OP_reduce_sum, x, axes, rank, false) : x;
}

/* -w[t] x[t] for each target t (0 for the ignored), then reduced. The mean is over the weights that counted. */
static void give_loss(Site *s, Value log_probability, Value target, Value weights)
{
    Builder *b = &s->builder;
    Module *module = s->importer->module;
    const char *reduction = site_string(s, "reduction", "mean");
    const Type type = site_type_of(s, target);
    const ElementType element = site_type_of(s, log_probability).element;
    if (site_failed(s))
        return;
    const Type real = type_make(module, element, type.dim, type.rank);
    const Value zeros = build_full(b, real, 0);
    Value index = target, weight = {0}, counts = {0};
    if (site_has_attribute(s, "ignore_index")) {
        const Value ignored = build_scalar_i64(b, type.element, site_integer(s, "ignore_index", -1));
        counts = build_unary(b, OP_not, site_binary(s, OP_equal, target, ignored));
        index = build_select(b, counts, target, build_full(b, type, 0));
    }
    if (weights.id)
        weight = build_take(b, weights, index, 0, "error");
    else if (counts.id)
        weight = build_full(b, real, 1);
    if (counts.id)
        weight = build_select(b, counts, weight, zeros);
    const Value found = build_take_along(b, log_probability, build_expand_dims(b, index, 1), 1, "error");
    Value loss = build_unary(b, OP_neg, build_squeeze(b, found, 1));
    if (counts.id)
        loss = build_select(b, counts, loss, zeros);
    if (weights.id)
        loss = build_binary(b, OP_mul, loss, weight);
    if (strcmp(reduction, "sum") == 0)
        loss = sum_all(s, loss);
    else if (strcmp(reduction, "mean") == 0 && weight.id)
        loss = build_binary(b, OP_div, sum_all(s, loss), sum_all(s, weight));
    else if (strcmp(reduction, "mean") == 0) {
        const Value count = build_cast(b, build_dimension(b, type_size(module, type)), element);
        loss = build_binary(b, OP_div, sum_all(s, loss), count);
    } else if (strcmp(reduction, "none") != 0)
        site_unsupported(s, "reduction '%s'", reduction);
    if (!site_failed(s))
        site_give(s, 0, loss);
}

static bool check_ranks(Site *s)
{
    const uint32_t rank = site_rank(s, 0), target = site_rank(s, 1);
    if (rank < 2 || target + 1 != rank)
        site_invalid(s, "scores of rank %u, targets of rank %u", rank, target);
    return !site_failed(s);
}

void import_negative_log_likelihood_loss(Site *s)
{
    if (check_ranks(s))
        give_loss(s, site_input(s, 0), site_input(s, 1), site_input(s, 2));
}

void import_softmax_cross_entropy_loss(Site *s)
{
    if (!check_ranks(s))
        return;
    const Value log_probability = build_softmax(&s->builder, OP_log_softmax, site_input(s, 0), 1);
    give_loss(s, log_probability, site_input(s, 1), site_input(s, 2));
    site_give(s, 1, log_probability);
}
