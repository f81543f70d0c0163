/* SPDX-License-Identifier: Apache-2.0
 * adze_random_<name>: requests for random numbers. Integers are what the rule says first (rules_random.c), then the
 * shape. */
#include <string.h>

#include "api/call.h"

enum { MAX_LEAD = 3 };

/* What a draw is asked for besides its shape. */
typedef struct Draw {
    FunctionId function;
    int64_t lead[MAX_LEAD];
    uint32_t lead_count;
    double real[2];
    uint32_t real_count;
    adze_array x[3];
    uint32_t count;
} Draw;

static adze_array draw(adze_context *context, const Draw *what, const int64_t *shape, size_t rank)
{
    int64_t integer[MAX_LEAD + MAX_RANK];
    adze_array result;
    if (rank > MAX_RANK)
        return call_refuse(context, what->function, "too many axes");
    memcpy(integer, what->lead, what->lead_count * sizeof *integer);
    if (rank > 0)
        memcpy(integer + what->lead_count, shape, rank * sizeof *integer);
    const Request request = {.function = what->function,
                             .integer = integer,
                             .integer_count = what->lead_count + (uint32_t)rank,
                             .real = what->real,
                             .real_count = what->real_count};
    call_request(context, &request, what->x, what->count, &result, 1);
    return result;
}

adze_array adze_random_key(adze_context *context, uint64_t seed)
{
    const int64_t two = 2;
    const uint32_t word[] = {(uint32_t)(seed >> 32), (uint32_t)seed};
    return adze_from(context, word, &two, 1, ADZE_U32);
}

void adze_random_split(adze_context *context, adze_array key, adze_array *first, adze_array *second)
{
    adze_array result[2];
    call_request(context, &(Request){.function = FUNCTION_random_split}, &key, 1, result, 2);
    *first = result[0];
    *second = result[1];
}

adze_array adze_random_split_num(adze_context *context, adze_array key, int num)
{
    return call_function(context, FUNCTION_random_split_num, &key, 1, (const int64_t[]){num}, 1);
}

adze_array adze_random_bits(adze_context *context, const int64_t *shape, size_t rank, int width, adze_array key)
{
    return draw(context,
                &(Draw){.function = FUNCTION_random_bits, .lead = {width}, .lead_count = 1, .x = {key}, .count = 1},
                shape, rank);
}

adze_array adze_random_uniform(adze_context *context, adze_array low, adze_array high, const int64_t *shape,
                               size_t rank, AdzeElement element, adze_array key)
{
    return draw(
        context,
        &(Draw){
            .function = FUNCTION_random_uniform, .lead = {element}, .lead_count = 1, .x = {key, low, high}, .count = 3},
        shape, rank);
}

static adze_array draw_scaled(adze_context *context, FunctionId function, AdzeElement element, float loc, float scale,
                              adze_array key, const int64_t *shape, size_t rank)
{
    return draw(context,
                &(Draw){.function = function,
                        .lead = {element, false, false},
                        .lead_count = function == FUNCTION_random_normal ? 3 : 1,
                        .real = {loc, scale},
                        .real_count = 2,
                        .x = {key},
                        .count = 1},
                shape, rank);
}

adze_array adze_random_normal(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element, float loc,
                              float scale, adze_array key)
{
    return draw_scaled(context, FUNCTION_random_normal, element, loc, scale, key, shape, rank);
}

adze_array adze_random_laplace(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element, float loc,
                               float scale, adze_array key)
{
    return draw_scaled(context, FUNCTION_random_laplace, element, loc, scale, key, shape, rank);
}

adze_array adze_random_normal_broadcast(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element,
                                        adze_array loc, adze_array scale, adze_array key)
{
    Draw what = {.function = FUNCTION_random_normal_broadcast,
                 .lead = {element, loc.node != NULL, scale.node != NULL},
                 .lead_count = 3,
                 .x = {key},
                 .count = 1};
    if (loc.node != NULL)
        what.x[what.count++] = loc;
    if (scale.node != NULL)
        what.x[what.count++] = scale;
    return draw(context, &what, shape, rank);
}

adze_array adze_random_multivariate_normal(adze_context *context, adze_array mean, adze_array cov, const int64_t *shape,
                                           size_t rank, AdzeElement element, adze_array key)
{
    return draw(context,
                &(Draw){.function = FUNCTION_random_multivariate_normal,
                        .lead = {element},
                        .lead_count = 1,
                        .x = {key, mean, cov},
                        .count = 3},
                shape, rank);
}

adze_array adze_random_gumbel(adze_context *context, const int64_t *shape, size_t rank, AdzeElement element,
                              adze_array key)
{
    return draw(context,
                &(Draw){.function = FUNCTION_random_gumbel, .lead = {element}, .lead_count = 1, .x = {key}, .count = 1},
                shape, rank);
}

adze_array adze_random_truncated_normal(adze_context *context, adze_array lower, adze_array upper, const int64_t *shape,
                                        size_t rank, AdzeElement element, adze_array key)
{
    return draw(context,
                &(Draw){.function = FUNCTION_random_truncated_normal,
                        .lead = {element, shape != NULL},
                        .lead_count = 2,
                        .x = {key, lower, upper},
                        .count = 3},
                shape, shape == NULL ? 0 : rank);
}

adze_array adze_random_randint(adze_context *context, adze_array low, adze_array high, const int64_t *shape,
                               size_t rank, AdzeElement element, adze_array key)
{
    return draw(
        context,
        &(Draw){
            .function = FUNCTION_random_randint, .lead = {element}, .lead_count = 1, .x = {key, low, high}, .count = 3},
        shape, rank);
}

adze_array adze_random_bernoulli(adze_context *context, adze_array p, const int64_t *shape, size_t rank, adze_array key)
{
    return draw(
        context,
        &(Draw){
            .function = FUNCTION_random_bernoulli, .lead = {shape != NULL}, .lead_count = 1, .x = {key, p}, .count = 2},
        shape, shape == NULL ? 0 : rank);
}

static adze_array draw_category(adze_context *context, FunctionId function, adze_array logits, int axis, adze_array key,
                                const int64_t *shape, size_t rank)
{
    return draw(context, &(Draw){.function = function, .lead = {axis}, .lead_count = 1, .x = {key, logits}, .count = 2},
                shape, rank);
}

adze_array adze_random_categorical(adze_context *context, adze_array logits, int axis, adze_array key)
{
    return draw_category(context, FUNCTION_random_categorical, logits, axis, key, NULL, 0);
}

adze_array adze_random_categorical_shape(adze_context *context, adze_array logits, int axis, const int64_t *shape,
                                         size_t rank, adze_array key)
{
    return draw_category(context, FUNCTION_random_categorical_shape, logits, axis, key, shape, rank);
}

adze_array adze_random_categorical_num_samples(adze_context *context, adze_array logits, int axis, int num_samples,
                                               adze_array key)
{
    const int64_t count = num_samples;
    return draw_category(context, FUNCTION_random_categorical_num_samples, logits, axis, key, &count, 1);
}

adze_array adze_random_permutation(adze_context *context, adze_array x, int axis, adze_array key)
{
    return call_function(context, FUNCTION_random_permutation, (const adze_array[]){key, x}, 2, (const int64_t[]){axis},
                         1);
}

adze_array adze_random_permutation_arange(adze_context *context, int n, adze_array key)
{
    return call_function(context, FUNCTION_random_permutation_arange, &key, 1, (const int64_t[]){n}, 1);
}
