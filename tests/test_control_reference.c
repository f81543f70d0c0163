/* SPDX-License-Identifier: Apache-2.0
 * Control flow against JAX: the same functions in both, values, both modes, second order, lanes. Due numbers are in
 * data/control_reference.txt, made by make_control_reference.py. */
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

enum { MOST = 64 };

#define FUNCTION(name)                                                                                                 \
    static adze_status name(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
#define UNUSED ((void)c, (void)in, (void)count, (void)payload)

/* ---- what is due ---- */

static size_t read_due(const char *name, double due[MOST])
{
    char word[64] = "";
    size_t count = 0;
    FILE *file = fopen(ADZE_SOURCE_DIR "/tests/data/control_reference.txt", "r");
    assert_non_null(file);
    while (strcmp(word, name) != 0) {
        if (fscanf(file, "%63s %zu", word, &count) != 2 || count > MOST)
            fail_msg("%s isn't in the file", name);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(fscanf(file, "%lf", &due[i]), 1);
    }
    fclose(file);
    return count;
}

static void done(adze_context *c, adze_status status)
{
    if (status != ADZE_DONE)
        fail_msg("%s", adze_message(c));
}

/* Within f32 rounding, grown by the chain of operations. */
static void assert_as_jax(adze_context *c, const char *name, adze_array array)
{
    float found[MOST];
    double due[MOST], largest = 1;
    const size_t count = read_due(name, due);
    if (adze_read(c, array, found, count * sizeof *found) != ADZE_DONE)
        fail_msg("%s: %s", name, adze_message(c));
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(due[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs(found[i] - due[i]) <= 4e-6 * largest))
            fail_msg("%s: element %zu is %.9g, due is %.9g", name, i, found[i], due[i]);
}

/* ---- making arrays and closures ---- */

/* start + step (i mod 7) */
static adze_array ramp(adze_context *c, const int64_t *shape, size_t rank, double start, double step)
{
    float data[MOST];
    int64_t size = 1;
    for (size_t i = 0; i < rank; i++)
        size *= shape[i];
    for (int64_t i = 0; i < size; i++)
        data[i] = (float)(start + step * (double)(i % 7));
    return adze_from(c, data, shape, rank, ADZE_F32);
}

static adze_array number(adze_context *c, double value)
{
    return adze_scalar(c, (float)value);
}

static adze_array total(adze_context *c, adze_array x)
{
    return adze_sum(c, x, NULL, 0, false);
}

static adze_closure *plain(adze_function *function)
{
    return adze_closure_new(function, NULL, NULL);
}

static adze_status give_freed(adze_status status, adze_results *results, adze_array array, adze_closure *f)
{
    adze_closure_free(f);
    return status == ADZE_DONE ? adze_give(results, array) : status;
}

/* Of a function of one argument; the closure is freed. */
static adze_array call_one(adze_context *c, adze_closure *f, adze_array x)
{
    adze_array out;
    done(c, adze_apply(c, f, &x, 1, &out, 1));
    adze_closure_free(f);
    return out;
}

static adze_array tangent_of(adze_context *c, adze_closure *f, adze_array x, adze_array along)
{
    adze_array out, tangent;
    done(c, adze_jvp(c, f, &x, &along, 1, &out, &tangent, 1));
    adze_closure_free(f);
    return tangent;
}

static adze_closure *grad_of(adze_context *c, adze_closure *f)
{
    adze_closure *g = adze_grad(c, f, NULL, 0);
    adze_closure_free(f);
    return g;
}

/* The function of its argument at `place`, the others being fixed. */
typedef struct Fixed {
    adze_function *function;
    adze_array argument[4];
    size_t count, place;
} Fixed;

FUNCTION(call_fixed)
{
    UNUSED;
    const Fixed *fixed = payload;
    adze_array all[4];
    memcpy(all, fixed->argument, sizeof all);
    all[fixed->place] = in[0];
    return fixed->function(c, all, fixed->count, results, NULL);
}

static adze_closure *fix(const Fixed *fixed)
{
    return adze_closure_new(call_fixed, (void *)(uintptr_t)fixed, NULL);
}

/* The sum over lanes of the fixed function: axis 0 of the argument. */
FUNCTION(sum_of_lanes)
{
    UNUSED;
    adze_array out;
    adze_closure *f = fix(payload), *mapped = adze_vmap(c, f, NULL, 0, NULL, 0);
    const adze_status status = adze_apply(c, mapped, in, 1, &out, 1);
    adze_closure_free(f);
    return give_freed(status, results, status == ADZE_DONE ? total(c, out) : out, mapped);
}

/* As that, as a function of argument `outer` of the inner one; lanes are the inner one's argument at its place. */
typedef struct Lanes {
    Fixed fixed;
    adze_array lanes;
    size_t outer;
} Lanes;

FUNCTION(lanes_of_other)
{
    UNUSED;
    const Lanes *lanes = payload;
    Fixed fixed = lanes->fixed;
    fixed.argument[lanes->outer] = in[0];
    return sum_of_lanes(c, &lanes->lanes, 1, results, &fixed);
}

/* ---- a recurrent network ---- */

/* payload: w, u. (h, x) -> h', h'·h' */
FUNCTION(network_step)
{
    UNUSED;
    const adze_array *weight = payload;
    const adze_array h = adze_tanh(c, adze_add(c, adze_matmul(c, weight[0], in[0]), adze_matmul(c, weight[1], in[1])));
    adze_give(results, h);
    return adze_give(results, total(c, adze_square(c, h)));
}

/* (w, u, h, x) */
FUNCTION(network)
{
    UNUSED;
    adze_array weight[] = {in[0], in[1]}, out[2];
    adze_closure *step = adze_closure_new(network_step, weight, NULL);
    const adze_status status = adze_scan(c, step, in + 2, 1, in + 3, 1, ADZE_LENGTH_OF_INPUTS, false, out, 2);
    return give_freed(status, results, adze_add(c, total(c, out[1]), total(c, adze_exp(c, out[0]))), step);
}

static Fixed network_at(adze_context *c)
{
    return (Fixed){
        .function = network,
        .argument = {ramp(c, (const int64_t[]){3, 3}, 2, -0.5, 0.2), ramp(c, (const int64_t[]){3, 2}, 2, 0.3, -0.15),
                     ramp(c, (const int64_t[]){3}, 1, 0.1, 0.2), ramp(c, (const int64_t[]){5, 2}, 2, -0.4, 0.25)},
        .count = 4};
}

static void test_network(void **state)
{
    (void)state;
    static const char *const name[] = {"network", "network_w", "network_u", "network_h", "network_x"};
    adze_context *c = adze_context_new();
    const Fixed at = network_at(c);
    const adze_array along = ramp(c, (const int64_t[]){3, 3}, 2, 0.2, -0.1);
    adze_array out[5];
    adze_closure *f = plain(network), *kept = adze_checkpoint(c, f);
    adze_closure *const way[] = {f, kept};
    for (int k = 0; k < 2; k++) {
        adze_closure *g = adze_value_and_grad(c, way[k], (const int[]){0, 1, 2, 3}, 4);
        done(c, adze_apply(c, g, at.argument, 4, out, 5));
        for (int i = 0; i < 5; i++)
            assert_as_jax(c, name[i], out[i]);
        adze_closure_free(g);
    }
    assert_as_jax(c, "network_jvp", tangent_of(c, fix(&at), at.argument[0], along));
    assert_as_jax(c, "network_hvp", tangent_of(c, grad_of(c, fix(&at)), at.argument[0], along));
    adze_closure_free(f);
    adze_closure_free(kept);
    adze_context_free(c);
}

static void test_network_lanes(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Lanes lanes = {.fixed = network_at(c), .lanes = ramp(c, (const int64_t[]){4, 3}, 2, -0.3, 0.17)};
    lanes.fixed.place = 2;
    adze_array in[] = {lanes.fixed.argument[0], lanes.fixed.argument[1], lanes.lanes, lanes.fixed.argument[3]}, out;
    adze_closure *g = grad_of(c, plain(network)), *each = adze_vmap(c, g, (const int[]){-1, -1, 0, -1}, 4, NULL, 0);
    done(c, adze_apply(c, each, in, 4, &out, 1));
    assert_as_jax(c, "network_each", out);
    adze_closure_free(g);
    adze_closure_free(each);
    assert_as_jax(c, "network_all", call_one(c, grad_of(c, adze_closure_new(lanes_of_other, &lanes, NULL)), in[0]));
    adze_context_free(c);
}

/* ---- Lotka and Volterra's equations, by Runge and Kutta's method ---- */

static adze_array element(adze_context *c, adze_array x, int64_t index)
{
    const int64_t stop = index + 1;
    return adze_squeeze(c, adze_slice(c, x, &index, &stop, NULL, 1), 0);
}

static adze_array rate(adze_context *c, adze_array p, adze_array y)
{
    const adze_array prey = element(c, y, 0), hunter = element(c, y, 1);
    const adze_array births = adze_subtract(c, element(c, p, 0), adze_multiply(c, element(c, p, 1), hunter));
    const adze_array food = adze_subtract(c, adze_multiply(c, element(c, p, 2), prey), element(c, p, 3));
    const adze_array both[] = {adze_expand_dims(c, adze_multiply(c, prey, births), 0),
                               adze_expand_dims(c, adze_multiply(c, hunter, food), 0)};
    return adze_concatenate(c, both, 2, 0);
}

/* payload: p. (i, y) */
FUNCTION(orbit_step)
{
    UNUSED;
    const adze_array p = *(adze_array *)payload, y = in[1];
    const adze_array s =
        adze_add(c, number(c, 0.05), adze_multiply(c, number(c, 0.001), adze_astype(c, in[0], ADZE_F32)));
    const adze_array half = adze_divide(c, s, number(c, 2));
    const adze_array k1 = rate(c, p, y), k2 = rate(c, p, adze_add(c, y, adze_multiply(c, half, k1)));
    const adze_array k3 = rate(c, p, adze_add(c, y, adze_multiply(c, half, k2)));
    const adze_array k4 = rate(c, p, adze_add(c, y, adze_multiply(c, s, k3)));
    const adze_array middle = adze_multiply(c, number(c, 2), adze_add(c, k2, k3));
    const adze_array sum = adze_add(c, adze_add(c, k1, middle), k4);
    return adze_give(results, adze_add(c, y, adze_multiply(c, adze_divide(c, s, number(c, 6)), sum)));
}

/* p */
FUNCTION(orbit)
{
    UNUSED;
    static const float start[] = {10, 5};
    const int64_t two = 2;
    adze_array p = in[0], out;
    const adze_array y = adze_from(c, start, &two, 1, ADZE_F32);
    adze_closure *step = adze_closure_new(orbit_step, &p, NULL);
    const adze_status status = adze_fori(c, 0, 20, step, &y, 1, &out);
    return give_freed(status, results, out, step);
}

FUNCTION(orbit_size)
{
    UNUSED;
    adze_array out;
    adze_closure *f = plain(orbit);
    const adze_status status = adze_apply(c, f, in, 1, &out, 1);
    return give_freed(status, results, status == ADZE_DONE ? total(c, adze_square(c, out)) : out, f);
}

/* The tangent of the orbit along its argument: row i of the Jacobian, transposed. payload: p */
FUNCTION(orbit_along)
{
    UNUSED;
    adze_array out, tangent;
    adze_closure *f = plain(orbit);
    const adze_status status = adze_jvp(c, f, payload, in, 1, &out, &tangent, 1);
    return give_freed(status, results, tangent, f);
}

static void test_orbit(void **state)
{
    (void)state;
    static const float parameter[] = {1.1f, 0.4f, 0.1f, 0.4f};
    static const float unit[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    const int64_t four[] = {4, 4};
    adze_array out;
    adze_context *c = adze_context_new();
    adze_array p = adze_from(c, parameter, four, 1, ADZE_F32);
    const adze_array units = adze_from(c, unit, four, 2, ADZE_F32);
    assert_as_jax(c, "orbit", call_one(c, plain(orbit), p));
    assert_as_jax(c, "orbit_grad", call_one(c, grad_of(c, plain(orbit_size)), p));
    adze_closure *along = adze_closure_new(orbit_along, &p, NULL);
    adze_closure *all = adze_vmap(c, along, NULL, 0, (const int[]){1}, 1);
    done(c, adze_apply(c, all, &units, 1, &out, 1));
    assert_as_jax(c, "orbit_jacobian", out);
    adze_closure_free(along);
    adze_closure_free(all);
    adze_context_free(c);
}

/* ---- a fixed point ---- */

FUNCTION(still_moves)
{
    UNUSED;
    return adze_give(results, adze_greater(c, adze_abs(c, adze_subtract(c, in[0], in[1])), number(c, 1e-6)));
}

/* payload: a */
FUNCTION(fixed_step)
{
    UNUSED;
    adze_give(results, adze_cos(c, adze_multiply(c, *(adze_array *)payload, in[0])));
    return adze_give(results, in[0]);
}

static adze_status fixed_point(adze_context *c, adze_array a, int64_t bound, adze_results *results)
{
    adze_array out[2];
    const adze_array start[] = {number(c, 0.5), number(c, 2)};
    adze_closure *more = plain(still_moves), *step = adze_closure_new(fixed_step, &a, NULL);
    const adze_status status = adze_while(c, more, step, start, 2, bound, out);
    adze_closure_free(more);
    return give_freed(status, results, out[0], step);
}

FUNCTION(fixed_open)
{
    UNUSED;
    return fixed_point(c, in[0], 0, results);
}

FUNCTION(fixed_bounded)
{
    UNUSED;
    return fixed_point(c, in[0], 200, results);
}

static void test_fixed_point(void **state)
{
    (void)state;
    static const float a[] = {0.3f, 0.7f, 1.1f};
    const int64_t three = 3;
    adze_context *c = adze_context_new();
    for (int i = 0; i < 3; i++) {
        char name[16];
        adze_array out, pair[2];
        const adze_array x = number(c, a[i]);
        snprintf(name, sizeof name, "fixed_%d", i);
        adze_closure *open = plain(fixed_open), *bounded = plain(fixed_bounded);
        adze_closure *both = adze_value_and_grad(c, bounded, (const int[]){0}, 1);
        pair[0] = call_one(c, open, x);
        pair[1] = tangent_of(c, plain(fixed_open), x, number(c, 1));
        for (int way = 0; way < 2; way++) { /* forward mode; then reverse, which keeps each step */
            if (way == 1)
                done(c, adze_apply(c, both, &x, 1, pair, 2));
            pair[0] = adze_expand_dims(c, pair[0], 0);
            pair[1] = adze_expand_dims(c, pair[1], 0);
            out = adze_concatenate(c, pair, 2, 0);
            assert_as_jax(c, name, out);
        }
        adze_closure_free(bounded);
        adze_closure_free(both);
    }
    adze_closure *f = plain(fixed_open), *mapped = adze_vmap(c, f, NULL, 0, NULL, 0);
    assert_as_jax(c, "fixed_lanes", call_one(c, mapped, adze_from(c, a, &three, 1, ADZE_F32)));
    adze_closure_free(f);
    adze_context_free(c);
}

/* ---- branches in a loop ---- */

/* payload: x */
FUNCTION(walk_far)
{
    UNUSED;
    return adze_give(results, adze_subtract(c, adze_multiply(c, in[0], *(adze_array *)payload), number(c, 0.5)));
}

FUNCTION(walk_near)
{
    UNUSED;
    return adze_give(results, adze_add(c, adze_square(c, in[0]), adze_exp(c, *(adze_array *)payload)));
}

FUNCTION(sine)
{
    UNUSED;
    return adze_give(results, adze_sin(c, in[0]));
}

FUNCTION(cube)
{
    UNUSED;
    return adze_give(results, adze_multiply(c, in[0], adze_square(c, in[0])));
}

FUNCTION(bell)
{
    UNUSED;
    return adze_give(results, adze_reciprocal(c, adze_add(c, number(c, 1), adze_square(c, in[0]))));
}

/* (s, x) -> s', k */
FUNCTION(walk_step)
{
    UNUSED;
    adze_array x = in[1], next, k;
    adze_closure *side[] = {adze_closure_new(walk_far, &x, NULL), adze_closure_new(walk_near, &x, NULL)};
    adze_closure *branch[] = {plain(sine), plain(cube), plain(bell)};
    adze_status status = adze_cond(c, adze_greater(c, in[0], number(c, 0.5)), side[0], side[1], in, 1, &next, 1);
    if (status == ADZE_DONE) {
        const adze_array index = adze_astype(c, adze_multiply(c, number(c, 3), next), ADZE_I32);
        status = adze_switch(c, index, branch, 3, &next, 1, &k, 1);
    }
    adze_closure *const all[] = {side[0], side[1], branch[0], branch[1], branch[2]};
    for (size_t i = 0; i < 5; i++)
        adze_closure_free(all[i]);
    if (status == ADZE_DONE)
        status = adze_give(results, next);
    return status == ADZE_DONE ? adze_give(results, k) : status;
}

/* (s, x) */
FUNCTION(walk)
{
    UNUSED;
    adze_array out[2];
    adze_closure *step = plain(walk_step);
    const adze_status status = adze_scan(c, step, in, 1, in + 1, 1, ADZE_LENGTH_OF_INPUTS, true, out, 2);
    return give_freed(status, results, adze_add(c, out[0], total(c, adze_multiply(c, out[1], in[1]))), step);
}

/* Row of the Hessian in x along the argument. payload: Fixed, at place 1 */
FUNCTION(walk_curvature)
{
    UNUSED;
    const Fixed *at = payload;
    adze_array out, tangent;
    adze_closure *g = grad_of(c, fix(at));
    const adze_status status = adze_jvp(c, g, &at->argument[1], in, 1, &out, &tangent, 1);
    return give_freed(status, results, tangent, g);
}

static void test_walk(void **state)
{
    (void)state;
    float unit[36] = {0};
    const int64_t six[] = {6, 6};
    adze_context *c = adze_context_new();
    Lanes lanes = {.fixed = {.function = walk, .count = 2, .place = 1}, .outer = 1};
    Fixed *at = &lanes.fixed;
    at->argument[0] = number(c, 0.3);
    at->argument[1] = ramp(c, six, 1, -0.6, 0.22);
    for (int i = 0; i < 6; i++)
        unit[7 * i] = 1;
    assert_as_jax(c, "walk", call_one(c, fix(at), at->argument[1]));
    assert_as_jax(c, "walk_grad", call_one(c, grad_of(c, fix(at)), at->argument[1]));
    adze_closure *row = adze_closure_new(walk_curvature, at, NULL), *rows = adze_vmap(c, row, NULL, 0, NULL, 0);
    assert_as_jax(c, "walk_hessian", call_one(c, rows, adze_from(c, unit, six, 2, ADZE_F32)));
    adze_closure_free(row);
    at->place = 0;
    lanes.lanes = ramp(c, (const int64_t[]){5}, 1, -0.4, 0.35);
    adze_closure *f = fix(at);
    assert_as_jax(c, "walk_lanes", call_one(c, adze_vmap(c, f, NULL, 0, NULL, 0), lanes.lanes));
    adze_closure_free(f);
    f = adze_closure_new(lanes_of_other, &lanes, NULL);
    assert_as_jax(c, "walk_lanes_grad", call_one(c, grad_of(c, f), at->argument[1]));
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_network), cmocka_unit_test(test_network_lanes),
                                       cmocka_unit_test(test_orbit), cmocka_unit_test(test_fixed_point),
                                       cmocka_unit_test(test_walk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
