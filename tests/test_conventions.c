/* SPDX-License-Identifier: Apache-2.0
 * What functions and derivatives do at the edges: as MLX does, whose answers are in tests/data/conventions.txt
 * (make_conventions.py). docs/transforms.md lists them. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adze/adze.h"

/* ---- functions ---- */

typedef struct Case Case;
struct Case {
    const char *name;
    void (*function)(adze_context *c, const adze_array *in, adze_array *out);
    AdzeElement element;
    float in[2][4];
    int size[2];                            /* of each input; 0: there is none */
    enum { VALUES, SLOPES, WEIGHTED } what; /* derivatives with cotangents of ones, or 1, 2, 3 ... */
    int out_count;                          /* 0: one */
    bool last_is_row;                       /* the last input is [1, size] */
    const char *instead;                    /* what is due where MLX isn't followed; docs/transforms.md says why */
};

#define UNARY_CASE(name, function)                                                                                     \
    static void name(adze_context *c, const adze_array *in, adze_array *out)                                           \
    {                                                                                                                  \
        out[0] = function(c, in[0]);                                                                                   \
    }
#define BINARY_CASE(name, function)                                                                                    \
    static void name(adze_context *c, const adze_array *in, adze_array *out)                                           \
    {                                                                                                                  \
        out[0] = function(c, in[0], in[1]);                                                                            \
    }
#define EXPRESSION_CASE(name, ...)                                                                                     \
    static void name(adze_context *c, const adze_array *in, adze_array *out)                                           \
    {                                                                                                                  \
        out[0] = __VA_ARGS__;                                                                                          \
    }
BINARY_CASE(maximum, adze_maximum)
BINARY_CASE(minimum, adze_minimum)
BINARY_CASE(floor_divide, adze_floor_divide)
BINARY_CASE(divide, adze_divide)
BINARY_CASE(remainder_of, adze_remainder)
BINARY_CASE(power, adze_power)
UNARY_CASE(absolute, adze_abs)
UNARY_CASE(sign, adze_sign)
UNARY_CASE(floor_of, adze_floor)
UNARY_CASE(ceil_of, adze_ceil)
UNARY_CASE(round_of, adze_round)
UNARY_CASE(square_root, adze_sqrt)
UNARY_CASE(square, adze_square)
EXPRESSION_CASE(largest, adze_max(c, in[0], NULL, 0, false))
EXPRESSION_CASE(smallest, adze_min(c, in[0], NULL, 0, false))
EXPRESSION_CASE(product, adze_prod(c, in[0], NULL, 0, false))
EXPRESSION_CASE(sum, adze_sum(c, in[0], NULL, 0, false))
EXPRESSION_CASE(mean, adze_mean(c, in[0], NULL, 0, false))
EXPRESSION_CASE(rectified, adze_maximum(c, in[0], adze_scalar(c, 0)))
EXPRESSION_CASE(clipped, adze_clip(c, in[0], adze_scalar(c, 0), adze_scalar(c, 1)))
EXPRESSION_CASE(sorted, adze_sort(c, in[0], 0))
EXPRESSION_CASE(order, adze_argsort(c, in[0], 0))
EXPRESSION_CASE(norm, adze_linalg_norm_l2(c, in[0], NULL, 0, false))
EXPRESSION_CASE(place, adze_astype(c, adze_argmax(c, in[0], 0, false), ADZE_F32))
EXPRESSION_CASE(places, adze_astype(c, adze_argsort(c, in[0], 0), ADZE_F32))
EXPRESSION_CASE(below_one, adze_astype(c, adze_less(c, in[0], adze_scalar(c, 1)), ADZE_F32))
EXPRESSION_CASE(half_stopped, adze_multiply(c, adze_stop_gradient(c, in[0]), in[0]))
EXPRESSION_CASE(guarded_log,
                adze_where(c, adze_greater(c, in[0], adze_scalar(c, 0)), adze_log(c, in[0]), adze_scalar(c, 0)))
EXPRESSION_CASE(twice, adze_multiply(c, in[0], adze_scalar(c, 2)))

static void extremes(adze_context *c, const adze_array *in, adze_array *out)
{
    out[0] = adze_argmax(c, in[0], 0, false);
    out[1] = adze_argmin(c, in[0], 0, false);
}

static void divmod_of(adze_context *c, const adze_array *in, adze_array *out)
{
    adze_divmod(c, in[0], in[1], out);
}

static const Case cases[] = {
    {"maximum at a tie", maximum, ADZE_F32, {{1, 2, 0}, {1, 0, 2}}, {3, 3}, SLOPES},
    {"minimum at a tie", minimum, ADZE_F32, {{1, 2, 0}, {1, 0, 2}}, {3, 3}, SLOPES},
    {"max over ties", largest, ADZE_F32, {{3, 1, 3, 3}}, {4}, SLOPES},
    {"min over ties", smallest, ADZE_F32, {{1, 1, 3, 3}}, {4}, SLOPES},
    {"abs at 0", absolute, ADZE_F32, {{0, -2, 3}}, {3}, SLOPES},
    {"sign", sign, ADZE_F32, {{0, -2, 3}}, {3}, SLOPES},
    {"relu at 0", rectified, ADZE_F32, {{0, -2, 3}}, {3}, SLOPES},
    {"clip at its bounds", clipped, ADZE_F32, {{0, 1, 0.5f, 2}}, {4}, SLOPES},
    {"sort of ties", sorted, ADZE_F32, {{2, 1, 2, 1}}, {4}, WEIGHTED, .instead = "array([3, 1, 4, 2], dtype=float32)"},
    {"argsort of ties", order, ADZE_F32, {{2, 1, 2, 1}}, {4}, VALUES},
    {"argmax and argmin of ties", extremes, ADZE_F32, {{2, 1, 2, 1}}, {4}, VALUES, 2},
    {"prod with a zero", product, ADZE_F32, {{2, 0, 3}}, {3}, SLOPES},
    {"prod with two zeros", product, ADZE_F32, {{0, 0, 3}}, {3}, SLOPES},
    {"norm at 0", norm, ADZE_F32, {{0, 0}}, {2}, SLOPES},
    {"sqrt at 0", square_root, ADZE_F32, {{0}}, {1}, SLOPES},
    {"argmax has no slope", place, ADZE_F32, {{0, 2, 1}}, {3}, SLOPES},
    {"argsort has no slope", places, ADZE_F32, {{0, 2, 1}}, {3}, SLOPES},
    {"floor has no slope", floor_of, ADZE_F32, {{0.5f, 1}}, {2}, SLOPES},
    {"ceil has no slope", ceil_of, ADZE_F32, {{0.5f, 1}}, {2}, SLOPES},
    {"round has no slope", round_of, ADZE_F32, {{0.5f, 1}}, {2}, SLOPES},
    {"less has no slope", below_one, ADZE_F32, {{0, 2}}, {2}, SLOPES},
    {"stop_gradient", half_stopped, ADZE_F32, {{3}}, {1}, SLOPES},
    {"where, the other branch not finite", guarded_log, ADZE_F32, {{0, 1}}, {2}, SLOPES},
    {"power at 0", power, ADZE_F32, {{0, 0}, {2, 1}}, {2, 2}, SLOPES},
    {"unreached primal", twice, ADZE_F32, {{1, 2}, {1, 2}}, {2, 2}, SLOPES, .last_is_row = true},
    {"integer quotient", floor_divide, ADZE_I32, {{-7, 7, -7}, {2, -2, -2}}, {3, 3}, VALUES},
    {"float quotient", floor_divide, ADZE_F32, {{-7, 7, -7}, {2, -2, -2}}, {3, 3}, VALUES},
    {"integer remainder", remainder_of, ADZE_I32, {{-7, 7, -7}, {3, -3, -3}}, {3, 3}, VALUES},
    {"float remainder", remainder_of, ADZE_F32, {{-7, 7, -7}, {3, -3, -3}}, {3, 3}, VALUES},
    {"divmod", divmod_of, ADZE_I32, {{-7, 7}, {3, -3}}, {2, 2}, VALUES, 2},
    {"round half to even", round_of, ADZE_F32, {{0.5f, 1.5f, 2.5f}}, {3}, VALUES},
    {"maximum of NaN", maximum, ADZE_F32, {{NAN, 1}, {1, NAN}}, {2, 2}, VALUES},
    {"sort puts NaN last", sorted, ADZE_F32, {{NAN, 1, -1}}, {3}, VALUES},
    {"quotient of integers", divide, ADZE_I32, {{1, 7}, {2, 2}}, {2, 2}, VALUES},
    {"sum of bools", sum, ADZE_BOOL, {{1, 1}}, {2}, VALUES},
    {"mean of integers", mean, ADZE_I32, {{1, 2}}, {2}, VALUES},
    {"integer has a slope", square, ADZE_I32, {{1, 2}}, {2}, SLOPES, .instead = "array([0, 0], dtype=int32)"},
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- running them ---- */

static adze_status call(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const Case *row = payload;
    adze_array out[2];
    (void)count;
    row->function(c, in, out);
    for (int i = 0; i < (row->out_count == 0 ? 1 : row->out_count); i++)
        adze_give(results, out[i]);
    return ADZE_DONE;
}

static size_t make_inputs(adze_context *c, const Case *row, adze_array in[2])
{
    size_t count = 0;
    for (; count < 2 && row->size[count] > 0; count++) {
        const int64_t shape[] = {1, row->size[count]};
        const bool is_row = row->last_is_row && count == 1;
        in[count] = adze_astype(c, adze_from(c, row->in[count], is_row ? shape : shape + 1, is_row ? 2 : 1, ADZE_F32),
                                row->element);
    }
    return count;
}

static void run_case(adze_context *c, const Case *row, adze_closure *closure, adze_array *answer, size_t *count)
{
    adze_array in[2], out[2];
    const size_t in_count = make_inputs(c, row, in);
    *count = row->out_count == 0 ? 1 : (size_t)row->out_count;
    if (adze_apply(c, closure, in, in_count, row->what == VALUES ? answer : out, *count) != ADZE_DONE)
        fail_msg("%s: %s", row->name, adze_message(c));
    if (row->what == VALUES)
        return;
    adze_array weight = adze_arange(c, 1, (double)adze_size(out[0]) + 1, 1, ADZE_F32);
    if (row->what == SLOPES)
        weight = adze_scalar(c, 1);
    weight =
        adze_broadcast_to(c, adze_astype(c, weight, adze_element_of(out[0])), adze_shape(out[0]), adze_rank(out[0]));
    if (adze_vjp(c, closure, in, in_count, &weight, 1, out, answer) != ADZE_DONE)
        fail_msg("%s: %s", row->name, adze_message(c));
    *count = in_count;
}

/* The line of the file that begins with the name, without it. */
static char *find_answer(const char *name)
{
    FILE *file = fopen(ADZE_SOURCE_DIR "/tests/data/conventions.txt", "r");
    char *line = NULL, *found = NULL;
    size_t room = 0;
    assert_non_null(file);
    for (ssize_t length; found == NULL && (length = getline(&line, &room, file)) > 0;)
        if (strncmp(line, name, strlen(name)) == 0 && strncmp(line + strlen(name), ": ", 2) == 0) {
            line[length - 1] = 0;
            found = strdup(line + strlen(name) + 2);
        }
    free(line);
    fclose(file);
    return found;
}

/* "-nan" as "nan", without line ends: the sign of a NaN is nobody's promise. */
static void add_text(char *text, size_t room, const char *more)
{
    size_t length = strlen(text);
    if (length > 0)
        text[length++] = ' ';
    for (; *more != 0 && length + 1 < room; more++)
        if (*more != '\n' && strncmp(more, "-nan", 4) != 0)
            text[length++] = *more;
    text[length] = 0;
}

static void all_as_mlx(void **state)
{
    (void)state;
    int differing = 0;
    for (size_t i = 0; i < CASES; i++) {
        adze_context *c = adze_context_new();
        adze_closure *closure = adze_closure_new(call, (void *)(uintptr_t)&cases[i], NULL);
        adze_array answer[2];
        size_t count;
        char text[512] = "", *due = find_answer(cases[i].name);
        assert_non_null(due);
        run_case(c, &cases[i], closure, answer, &count);
        for (size_t k = 0; k < count; k++)
            add_text(text, sizeof text, adze_array_tostring(c, answer[k]));
        const bool is_same = strcmp(text, due) == 0;
        if (cases[i].instead != NULL ? is_same || strcmp(text, cases[i].instead) != 0 : !is_same) {
            print_error("%s: %s, MLX has %s\n", cases[i].name, text, due);
            differing++;
        }
        free(due);
        adze_closure_free(closure);
        adze_context_free(c);
    }
    assert_int_equal(differing, 0);
}

/* A cotangent of another type is converted to the output's. */
static void cotangents_are_cast(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *closure = adze_closure_new(call, (void *)(uintptr_t)&(const Case){.function = twice}, NULL);
    const int64_t two = 2;
    const adze_array x = adze_astype(c, adze_from(c, (float[]){1, 2}, &two, 1, ADZE_F32), ADZE_F16);
    const adze_array cotangent = adze_from(c, (float[]){1, 3}, &two, 1, ADZE_F32);
    adze_array out, slope;
    assert_int_equal(adze_vjp(c, closure, &x, 1, &cotangent, 1, &out, &slope), ADZE_DONE);
    assert_int_equal(adze_element_of(slope), ADZE_F16);
    assert_true(adze_item(c, adze_sum(c, slope, NULL, 0, false)) == 8);
    adze_closure_free(closure);
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_as_mlx),
        cmocka_unit_test(cotangents_are_cast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
