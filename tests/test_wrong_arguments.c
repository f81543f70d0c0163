/* SPDX-License-Identifier: Apache-2.0
 * Functions on arguments drawn at random: types, ranks, axes, sizes and numbers that mostly don't fit. Each gives an
 * array or one that carries a message with the function's name, which sticks; none crashes. Some of what fits is
 * computed. The regular functions are those of the whole table (adze/functions.def); the others those of family
 * "array".
 *
 *     test_wrong_arguments [SEED [ROUNDS]]     the seed is printed where something is wrong */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "array_functions.h"

static uint64_t seed = 20260509, rounds = 60;

typedef struct Draw {
    adze_context *c;
    uint64_t state;
    const char *name; /* of the function at work */
    uint64_t computed, refused, given;
} Draw;

static uint64_t draw(Draw *d, uint64_t below)
{
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (d->state >> 33) % below;
}

/* Mostly small, sometimes at the end of what there is. */
static int64_t draw_integer(Draw *d)
{
    static const int64_t far[] = {INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, (int64_t)1 << 40, -((int64_t)1 << 62)};
    const uint64_t kind = draw(d, 20);
    return kind == 0   ? far[draw(d, sizeof far / sizeof *far)]
           : kind <= 3 ? (int64_t)draw(d, 81) - 40
                       : (int64_t)draw(d, 9) - 4;
}

static int draw_int(Draw *d)
{
    const int64_t value = draw_integer(d);
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int)value;
}

static adze_array draw_array(Draw *d)
{
    static const AdzeElement element[] = {ADZE_F32,  ADZE_F32, ADZE_I32, ADZE_I64, ADZE_U32,
                                          ADZE_BOOL, ADZE_F16, ADZE_U8,  ADZE_C64};
    static const uint64_t zeros[512];
    const size_t rank = draw(d, 5);
    int64_t shape[4];
    for (size_t i = 0; i < rank; i++)
        shape[i] = (int64_t)draw(d, draw(d, 3) == 0 ? 5 : 3);
    if (draw(d, 40) == 0)
        return adze_reshape(d->c, adze_scalar(d->c, 1), (const int64_t[]){7}, 1);
    return adze_from(d->c, zeros, shape, rank, element[draw(d, sizeof element / sizeof *element)]);
}

/* A message names a function, and what is made from the array has the same. */
static void check(Draw *d, adze_array result)
{
    const char *message = adze_error_of(result);
    if (message == NULL) {
        d->given++;
        if (adze_size(result) > 4096 || draw(d, 300) != 0)
            return;
        d->computed++;
        if (adze_eval(d->c, &result, 1) != ADZE_DONE && adze_message(d->c)[0] == 0)
            fail_msg("seed %llu: %s fails without a message", (unsigned long long)seed, d->name);
        return;
    }
    const char *after = adze_error_of(adze_negative(d->c, result));
    d->refused++;
    if (message[0] != '[' || after == NULL || strcmp(message, after) != 0)
        fail_msg("seed %llu: %s: \"%s\" becomes \"%s\"", (unsigned long long)seed, d->name, message,
                 after == NULL ? "" : after);
}

static void draw_axes(Draw *d, int *axes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        axes[i] = draw_int(d);
}

static void call_regular(Draw *d)
{
    adze_context *c = d->c;
    const adze_array x = draw_array(d), y = draw_array(d);
    int axes[20];
    const size_t count = draw(d, 10) == 0 ? 20 : draw(d, 4);
    draw_axes(d, axes, count);
#define CALL(function, result)                                                                                         \
    d->name = #function;                                                                                               \
    check(d, result);
#define UNARY(function, rule, op, doc) CALL(function, adze_##function(c, x))
#define BINARY(function, rule, op, doc) CALL(function, adze_##function(c, x, y))
#define REDUCTION(function, rule, op, doc)                                                                             \
    CALL(function, adze_##function(c, x, draw(d, 4) == 0 ? NULL : axes, count, draw(d, 2)))
#define CUMULATIVE(function, rule, op, doc) CALL(function, adze_##function(c, x, axes[0], draw(d, 2), draw(d, 2)))
#define OTHER(function, rule, op, doc)
    axes[0] = count == 0 ? draw_int(d) : axes[0];
#include "adze/functions.def"
}

/* Some of the other functions of each header. */
static void call_others(Draw *d)
{
    adze_context *c = d->c;
    const adze_array x = draw_array(d), y = draw_array(d), z = draw_array(d);
    const size_t count = draw(d, 4);
    const bool flag = draw(d, 2) != 0;
    const AdzeElement element = (AdzeElement)draw_int(d);
    const double real = (double)draw_integer(d);
    int64_t shape[4];
    int axes[4], more[4];
    draw_axes(d, axes, 4);
    draw_axes(d, more, 4);
    for (int i = 0; i < 4; i++)
        shape[i] = draw_integer(d);
    CALL(full, adze_full(c, shape, count, x, element))
    CALL(arange, adze_arange(c, real, (double)draw_integer(d), (double)draw_integer(d), element))
    CALL(astype, adze_astype(c, x, element))
    CALL(reshape, adze_reshape(c, x, shape, count))
    CALL(transpose, adze_transpose(c, x, axes, count))
    CALL(broadcast_to, adze_broadcast_to(c, x, shape, count))
    CALL(expand_dims, adze_expand_dims(c, x, axes[0]))
    CALL(squeeze, adze_squeeze(c, x, axes[0]))
    CALL(concatenate, adze_concatenate(c, (const adze_array[]){x, y, z}, count, axes[0]))
    CALL(where, adze_where(c, x, y, z))
    CALL(softmax, adze_softmax(c, x, axes[0]))
    CALL(flip, adze_flip(c, x, axes, count))
    CALL(var, adze_var(c, x, axes, count, flag, axes[3]))
    CALL(softmax_axes, adze_softmax_axes(c, x, axes, count, flag))
    CALL(log_softmax, adze_log_softmax(c, x, axes[0]))
    CALL(clip, adze_clip(c, x, y, z))
    CALL(tensordot, adze_tensordot(c, x, y, axes, more, count))
    CALL(glu, adze_glu(c, x, axes[0]))
    CALL(cholesky, adze_linalg_cholesky(c, x, flag))
    CALL(solve_triangular, adze_linalg_solve_triangular(c, x, y, flag))
    CALL(cross, adze_linalg_cross(c, x, y, axes[0]))
    CALL(eigvalsh, adze_linalg_eigvalsh(c, x, flag))
    CALL(norm, adze_linalg_norm(c, x, real, axes, count, flag))
    CALL(fft, adze_fft(c, x, shape[0] % 64, axes[0], ADZE_FFT_BACKWARD))
    CALL(irfft, adze_irfft(c, x, shape[0] % 64, axes[0], ADZE_FFT_BACKWARD))
    CALL(fftshift, adze_fftshift(c, x, axes, count))
    CALL(view, adze_view(c, x, element))
}

static void draw_case(Draw *d, Case *k)
{
    k->array_count = 3 + draw(d, MAX_ARRAYS - 2);
    k->list_count = MAX_LISTS;
    for (size_t i = 0; i < MAX_LISTS; i++) {
        k->count[i] = draw(d, 4);
        for (size_t e = 0; e < MAX_ENTRIES; e++)
            k->list[i][e] = draw_integer(d);
    }
}

static void call_of_family(Draw *d, const ArrayFunction *function, Case *k)
{
    adze_array x[MAX_ARRAYS], out[MAX_OUTS];
    draw_case(d, k);
    d->name = function->name;
    for (size_t i = 0; i < MAX_ARRAYS; i++)
        x[i] = draw_array(d);
    if (strcmp(function->name, "split") == 0)
        k->list[0][0] = 1 + (int64_t)draw(d, MAX_OUTS);
    const size_t made = function->run(d->c, k, x, out);
    for (size_t i = 0; i < made; i++)
        check(d, out[i]);
}

static void test_draws(void **state)
{
    (void)state;
    Draw d = {.state = seed};
    Case *k = calloc(1, sizeof *k);
    assert_non_null(k);
    for (uint64_t round = 0; round < rounds; round++) {
        d.c = adze_context_new();
        call_regular(&d);
        call_others(&d);
        for (size_t i = 0; i < array_function_count; i++)
            for (int times = 0; times < 4; times++)
                call_of_family(&d, &array_functions[i], k);
        adze_context_free(d.c);
    }
    free(k);
    assert_true(d.refused > d.given / 4 && d.given > d.refused / 8 && d.computed > 0);
}

int main(int count, char **argument)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_draws)};
    if (count > 1)
        seed = strtoull(argument[1], NULL, 10);
    if (count > 2)
        rounds = strtoull(argument[2], NULL, 10);
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
