/* SPDX-License-Identifier: Apache-2.0
 * Random functions: see random_program.h. A step takes arrays of the pool, made to fit the shapes it needs, and its
 * result joins the pool; what doesn't fit (an element type, a size) is dropped. Numbers are kept near 1. */
#include "random_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/random_draw.h"

/* ---------------------------------------------------------------- drawing ---- */

uint32_t draw_below(Draw *d, uint32_t limit)
{
    d->state += 0x9E3779B97F4A7C15u;
    uint64_t z = d->state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ z >> 31) >> 33) % limit;
}

adze_array draw_constant(Draw *d, double value)
{
    return d->options.element == ADZE_F64 ? adze_from(d->c, &value, NULL, 0, ADZE_F64)
                                          : adze_scalar(d->c, (float)value);
}

/* x, repeated or cut, in the shape. */
adze_array draw_fit(Draw *d, adze_array x, const int64_t *shape, size_t rank)
{
    int32_t index[DRAW_SIZE];
    int64_t size = 1;
    const size_t due = adze_size(x);
    for (size_t i = 0; i < rank; i++)
        size *= shape[i];
    if (due == 0 || due > DRAW_SIZE || size > DRAW_SIZE)
        return draw_constant(d, 0.5);
    for (int64_t i = 0; i < size; i++)
        index[i] = (int32_t)((size_t)i % due);
    if ((size_t)size != due)
        x = adze_take(d->c, adze_flatten(d->c, x, 0, -1), adze_from(d->c, index, &size, 1, ADZE_I32), 0);
    return adze_reshape(d->c, x, shape, rank);
}

adze_array draw_any(Draw *d)
{
    return d->pool[draw_below(d, (uint32_t)d->count)];
}

/* Of a shape: three sizes, 0 for axes that aren't. */
adze_array draw_shaped(Draw *d, int64_t n, int64_t m, int64_t k)
{
    const int64_t shape[] = {n, m, k};
    return draw_fit(d, draw_any(d), shape, (n > 0) + (m > 0) + (k > 0));
}

adze_array draw_like(Draw *d, adze_array x)
{
    return draw_fit(d, draw_any(d), adze_shape(x), adze_rank(x));
}

/* x brought between two bounds. */
adze_array draw_between(Draw *d, adze_array x, double low, double high)
{
    const adze_array part = adze_multiply(d->c, adze_sigmoid(d->c, x), draw_constant(d, high - low));
    return adze_add(d->c, part, draw_constant(d, low));
}

/* 3 by 3, with eigenvalues that are apart; symmetric and positive where that is asked for. */
adze_array draw_matrix(Draw *d, bool is_symmetric)
{
    static const float diagonal[] = {6, 0, 0, 0, 11, 0, 0, 0, 3};
    const int64_t shape[] = {3, 3};
    adze_array x = adze_multiply(d->c, adze_tanh(d->c, draw_shaped(d, 3, 3, 0)), draw_constant(d, 0.4));
    if (is_symmetric)
        x = adze_add(d->c, x, adze_transpose(d->c, x, NULL, 0));
    const adze_array fixed = adze_from(d->c, diagonal, shape, 2, ADZE_F32);
    return adze_add(d->c, x, adze_astype(d->c, fixed, d->options.element));
}

/* Joins the pool where it can be of use: as a floating array of moderate size. */
static bool join(Draw *d, adze_array x, const char *name)
{
    const char *error = adze_error_of(x);
    if (d->options.is_traced)
        fprintf(stderr, "%*s%s%s%s\n", 2 * (int)d->depth, "", name, error != NULL ? ": " : "",
                error != NULL ? error : "");
    if (error != NULL || adze_size(x) > DRAW_SIZE || adze_size(x) == 0 || adze_rank(x) > 4 || d->count == DRAW_POOL)
        return false;
    const AdzeElement element = adze_element_of(x);
    if (element == ADZE_C64)
        x = adze_add(d->c, adze_real(d->c, x), adze_multiply(d->c, adze_imag(d->c, x), draw_constant(d, 0.5)));
    if (element == ADZE_U32 || element == ADZE_U8 || element == ADZE_I32 || element == ADZE_I64)
        x = adze_remainder(d->c, x, adze_astype(d->c, adze_scalar_i32(d->c, 5), element));
    if (adze_element_of(x) != d->options.element)
        x = adze_astype(d->c, x, d->options.element);
    d->pool[d->count++] = draw_below(d, 2) == 0 ? adze_tanh(d->c, x) : adze_softsign(d->c, x);
    return true;
}

/* ---------------------------------------------------------------- functions ---- */

/* What a closure knows. The pool begins with what it is given and what it captured. */
typedef struct Body {
    uint64_t seed;
    ProgramOptions options;
    uint32_t depth, steps;
    adze_array captured[2];
    size_t captured_count;
    bool is_closed; /* nothing inside captures */
} Body;

static adze_closure *body_closure(const Body *body);

static bool nested(Draw *d, const Body *outer)
{
    adze_array operand[PROGRAM_INPUTS], out[PROGRAM_INPUTS];
    WrapKind kind[3];
    const uint32_t count = 1 + draw_below(d, PROGRAM_INPUTS), wraps = 1 + draw_below(d, 3 - outer->depth);
    bool is_closed = outer->is_closed;
    for (uint32_t i = 0; i < wraps; i++) {
        kind[i] = (WrapKind)draw_below(d, WRAP_COUNT);
        is_closed |= kind[i] == WRAP_custom_vjp || kind[i] == WRAP_custom_function;
    }
    for (uint32_t i = 0; i < count; i++)
        operand[i] = draw_any(d);
    Body inner = {.seed = d->state ^ 0xABCDEF,
                  .options = outer->options,
                  .depth = outer->depth + 1,
                  .steps = 1 + draw_below(d, 3),
                  .is_closed = is_closed};
    inner.captured_count = is_closed ? 0 : draw_below(d, 3);
    for (size_t i = 0; i < inner.captured_count; i++)
        inner.captured[i] = draw_any(d);
    adze_closure *closure = body_closure(&inner);
    for (uint32_t i = 0; i < wraps; i++) {
        if (d->options.is_traced)
            fprintf(stderr, "%*s(%s\n", 2 * (int)d->depth, "", wrap_name[kind[i]]);
        closure = wrap_closure(d, kind[i], closure, draw_below(d, 1u << 20));
    }
    const adze_status status = adze_apply(d->c, closure, operand, count, out, count);
    adze_closure_free(closure);
    for (uint32_t i = 0; i < count && status == ADZE_DONE; i++)
        join(d, out[i], ")");
    return status == ADZE_DONE;
}

/* tanh(0.7 x + 0.5 y), y being what was made last, so that all of x, and most of the pool, counts. */
static adze_array result_of(Draw *d, adze_array x, size_t back)
{
    const adze_array last = d->pool[back < d->count ? d->count - 1 - back : 0];
    const adze_array y = draw_fit(d, last, adze_shape(x), adze_rank(x));
    return adze_tanh(d->c, adze_add(d->c, adze_multiply(d->c, x, draw_constant(d, 0.7)),
                                    adze_multiply(d->c, y, draw_constant(d, 0.5))));
}

static adze_status run_body(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const Body *body = payload;
    Draw d = {.c = c, .state = body->seed, .options = body->options, .depth = body->depth};
    adze_status status = ADZE_DONE;
    for (size_t i = 0; i < count; i++)
        d.pool[d.count++] = in[i];
    for (size_t i = 0; i < body->captured_count; i++)
        d.pool[d.count++] = body->captured[i];
    for (uint32_t made = 0, tries = 0; made < body->steps && tries < 60; tries++) {
        if (body->depth < 3 && draw_below(&d, 4) == 0) {
            if (!nested(&d, body))
                return ADZE_FAILED;
            made++;
        } else {
            const char *name = "";
            const adze_array x = draw_step(&d, &name);
            made += join(&d, x, name);
        }
    }
    for (size_t i = 0; i < count && status == ADZE_DONE; i++)
        status = adze_give(results, result_of(&d, in[i], i));
    return status;
}

static adze_closure *body_closure(const Body *body)
{
    Body *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return NULL;
    *copy = *body;
    return adze_closure_new(run_body, copy, free);
}

/* ---------------------------------------------------------------- programs ---- */

adze_closure *random_program(uint64_t seed, ProgramOptions options)
{
    Draw d = {.state = seed * 77 + 5};
    const Body body = {
        .seed = seed, .options = options, .steps = options.steps != 0 ? options.steps : 3 + draw_below(&d, 6)};
    return body_closure(&body);
}

size_t random_program_inputs(adze_context *c, uint64_t seed, ProgramOptions options, uint32_t call,
                             adze_array in[PROGRAM_INPUTS])
{
    Draw d = {.c = c, .state = seed ^ 0x5EED};
    const size_t count = 1 + draw_below(&d, PROGRAM_INPUTS);
    for (size_t i = 0; i < count; i++) {
        double number[64];
        int64_t shape[3];
        size_t size = 1;
        const size_t rank = draw_below(&d, 4);
        for (size_t k = 0; k < rank; k++)
            size *= (size_t)(shape[k] = 1 + draw_below(&d, 4));
        Draw values = {.state = d.state + call * 1000003u};
        for (size_t k = 0; k < size; k++)
            number[k] = (double)draw_below(&values, 1u << 24) / (1 << 22) - 2;
        in[i] = adze_astype(c, adze_from(c, number, shape, rank, ADZE_F64), options.element);
    }
    return adze_eval(c, in, count) == ADZE_DONE ? count : 0;
}
