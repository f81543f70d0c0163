/* SPDX-License-Identifier: Apache-2.0
 * Functions with rules of their own: which rule is used where, what rules see and capture, rules that are
 * differentiated again, inside control flow and in compiled code, and when rules are let go. The rules are deliberately
 * not the function's derivatives, so that it shows whether they were used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "adze/adze.h"

#define FUNCTION(name)                                                                                                 \
    static adze_status name(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
#define UNUSED ((void)c, (void)in, (void)count, (void)payload)

static adze_array vector(adze_context *c, const float *data, int64_t size)
{
    return adze_from(c, data, &size, 1, ADZE_F32);
}

static void done(adze_context *c, adze_status status)
{
    if (status != ADZE_DONE)
        fail_msg("%s", adze_message(c));
}

static void assert_elements(adze_context *c, adze_array array, const double *due, size_t count)
{
    float found[16];
    done(c, adze_read(c, array, found, count * sizeof *found));
    for (size_t i = 0; i < count; i++)
        if (!(fabs(found[i] - due[i]) <= 1e-5 * fmax(1, fabs(due[i]))))
            fail_msg("element %zu is %.9g, due is %.9g", i, found[i], due[i]);
}

static double apply(adze_context *c, adze_closure *f, double at)
{
    adze_array out, in = adze_scalar(c, (float)at);
    done(c, adze_apply(c, f, &in, 1, &out, 1));
    return adze_item(c, out);
}

static double tangent_at(adze_context *c, adze_closure *f, double at)
{
    adze_array out, tangent;
    const adze_array x = adze_scalar(c, (float)at), one = adze_scalar(c, 1);
    done(c, adze_jvp(c, f, &x, &one, 1, &out, &tangent, 1));
    return adze_item(c, tangent);
}

static void count_freed(void *payload)
{
    ++*(int *)payload;
}

static adze_closure *plain(adze_function *function)
{
    return adze_closure_new(function, NULL, NULL);
}

/* Frees the closures; gives the first. */
static adze_closure *keep_first(adze_closure *first, adze_closure *const *other, size_t count)
{
    for (size_t i = 0; i < count; i++)
        adze_closure_free(other[i]);
    return first;
}

/* ---- x^2, with rules by which 3 x^2 and 5 x^2 would be its derivatives, 100 being added to mapped values ---- */

FUNCTION(square)
{
    UNUSED;
    return adze_give(results, adze_square(c, in[0]));
}

FUNCTION(vjp_of_square)
{
    UNUSED;
    const adze_array three = adze_multiply(c, adze_scalar(c, 3), adze_square(c, in[0]));
    return adze_give(results, adze_multiply(c, three, in[1]));
}

FUNCTION(jvp_of_square)
{
    UNUSED;
    const adze_array five = adze_multiply(c, adze_scalar(c, 5), adze_square(c, in[0]));
    return adze_give(results, adze_multiply(c, five, in[1]));
}

FUNCTION(vmap_of_square)
{
    UNUSED;
    return adze_give(results, adze_add(c, adze_square(c, in[0]), adze_scalar(c, 100)));
}

/* rules: bits 1 vjp, 2 jvp, 4 vmap */
static adze_closure *custom_square(adze_context *c, int rules)
{
    adze_closure *f = plain(square), *rule[] = {plain(vjp_of_square), plain(jvp_of_square), plain(vmap_of_square)};
    adze_closure *custom =
        adze_custom_function(c, f, rules & 1 ? rule[0] : NULL, rules & 2 ? rule[1] : NULL, rules & 4 ? rule[2] : NULL);
    return keep_first(custom, (adze_closure *const[]){f, rule[0], rule[1], rule[2]}, 4);
}

static adze_closure *grad_of(adze_context *c, adze_closure *f)
{
    adze_closure *g = adze_grad(c, f, NULL, 0);
    return keep_first(g, &f, 1);
}

static adze_closure *vmap_of(adze_context *c, adze_closure *f)
{
    adze_closure *g = adze_vmap(c, f, NULL, 0, NULL, 0);
    return keep_first(g, &f, 1);
}

static void test_each_rule(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    for (int rules = 0; rules < 8; rules++) {
        adze_array out;
        const adze_array lanes = vector(c, (const float[]){1, 2, 3}, 3);
        const double more = rules & 4 ? 100 : 0;
        adze_closure *f = custom_square(c, rules), *compiled = adze_compile(c, f);
        adze_closure *g = grad_of(c, adze_closure_retain(f)), *again = grad_of(c, adze_closure_retain(g));
        adze_closure *mapped = vmap_of(c, adze_closure_retain(compiled)), *each = vmap_of(c, adze_closure_retain(g));
        assert_float_equal(apply(c, f, 2), 4, 0);
        assert_float_equal(apply(c, compiled, 2), 4, 0);
        assert_float_equal(apply(c, g, 2), ((rules & 1) ? 12 : 4), 0);
        assert_float_equal(apply(c, again, 2), ((rules & 1) ? 12 : 2), 0); /* the rule, differentiated: 6 x */
        assert_float_equal(tangent_at(c, f, 2), ((rules & 2) ? 20 : 4), 0);
        assert_float_equal(tangent_at(c, compiled, 2), ((rules & 2) ? 20 : 4), 0);
        assert_float_equal(tangent_at(c, g, 2), ((rules & 1) ? 12 : 2), 0);
        done(c, adze_apply(c, mapped, &lanes, 1, &out, 1));
        assert_elements(c, out, (const double[]){1 + more, 4 + more, 9 + more}, 3);
        done(c, adze_apply(c, each, &lanes, 1, &out, 1));
        assert_elements(c, out, rules & 1 ? (const double[]){3, 12, 27} : (const double[]){2, 4, 6}, 3);
        keep_first(NULL, (adze_closure *const[]){f, compiled, g, again, mapped, each}, 6);
    }
    adze_context_free(c);
}

/* 1 + Σ of the mapped function; the rule's ops are what is differentiated: 2 x, not the vjp rule's. */
FUNCTION(sum_of_lanes)
{
    UNUSED;
    adze_array out;
    adze_closure *mapped = vmap_of(c, custom_square(c, 7));
    const adze_status status = adze_apply(c, mapped, in, 1, &out, 1);
    adze_closure_free(mapped);
    return status == ADZE_DONE ? adze_give(results, adze_sum(c, out, NULL, 0, false)) : status;
}

static void test_mapped_then_derived(void **state)
{
    (void)state;
    adze_array out;
    adze_context *c = adze_context_new();
    const adze_array lanes = vector(c, (const float[]){1, 2, 3}, 3);
    adze_closure *g = grad_of(c, plain(sum_of_lanes));
    done(c, adze_apply(c, g, &lanes, 1, &out, 1));
    assert_elements(c, out, (const double[]){2, 4, 6}, 3);
    adze_closure_free(g);
    adze_context_free(c);
}

/* ---- what the vmap rule sees: MLX's answers for the same rule ---- */

FUNCTION(product)
{
    UNUSED;
    return adze_give(results, adze_multiply(c, in[0], in[1]));
}

/* payload: int[2], the axes that came. Adds 100. */
FUNCTION(vmap_of_product)
{
    UNUSED;
    int32_t *axes = payload;
    if (count != 3 || adze_read(c, in[2], axes, 8) != ADZE_DONE)
        return adze_failure(c, ADZE_FAILED, "no axes");
    return adze_give(results, adze_add(c, adze_multiply(c, in[0], in[1]), adze_scalar(c, 100)));
}

static void test_vmap_axes(void **state)
{
    (void)state;
    int32_t seen[2] = {7, 7};
    adze_array out;
    adze_context *c = adze_context_new();
    const adze_array in[] = {vector(c, (const float[]){1, 2}, 2), adze_scalar(c, 3)};
    adze_closure *f = plain(product), *rule = adze_closure_new(vmap_of_product, seen, NULL);
    adze_closure *custom = adze_custom_function(c, f, NULL, NULL, rule);
    adze_closure *mapped = adze_vmap(c, custom, (const int[]){0, -1}, 2, NULL, 0);
    done(c, adze_apply(c, mapped, in, 2, &out, 1));
    assert_elements(c, out, (const double[]){103, 106}, 2);
    assert_int_equal(seen[0], 0);
    assert_int_equal(seen[1], -1);
    /* Another axis of the input, another of the output; two maps: the inner one takes the rule. */
    const int64_t shape[] = {1, 2};
    const adze_array wide[] = {adze_reshape(c, in[0], shape, 2), vector(c, (const float[]){3, 4}, 2)};
    adze_closure *inner = adze_vmap(c, custom, NULL, 0, NULL, 0);
    adze_closure *outer = adze_vmap(c, inner, (const int[]){1, -1}, 2, (const int[]){1}, 1);
    const adze_array narrow[] = {wide[0], vector(c, (const float[]){3}, 1)};
    done(c, adze_apply(c, outer, narrow, 2, &out, 1));
    assert_int_equal(adze_shape(out)[0], 1);
    assert_int_equal(adze_shape(out)[1], 2);
    assert_elements(c, out, (const double[]){103, 106}, 2);
    keep_first(NULL, (adze_closure *const[]){f, rule, custom, mapped, inner, outer}, 6);
    adze_context_free(c);
}

/* ---- several arguments and results; order of a rule's arguments ---- */

/* x, n (integer) -> x^2, x + n */
FUNCTION(two_results)
{
    UNUSED;
    adze_give(results, adze_square(c, in[0]));
    return adze_give(results, adze_add(c, in[0], in[1]));
}

/* 10^3 x + 10^2 n + 10 ct0 + ct1 + out0 / 10 + out1 / 100, and for n whatever */
FUNCTION(tell_all)
{
    UNUSED;
    static const float factor[] = {1000, 100, 10, 1, 0.1f, 0.01f};
    adze_array sum = adze_scalar(c, 0);
    if (count != 6)
        return adze_failure(c, ADZE_FAILED, "%zu arguments", count);
    for (int i = 0; i < 6; i++)
        sum = adze_add(c, sum, adze_multiply(c, in[i], adze_scalar(c, factor[i])));
    adze_give(results, sum);
    return adze_give(results, in[0]);
}

static void test_order(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array at[] = {adze_scalar(c, 3), adze_scalar_i32(c, 4)},
                     along[] = {adze_scalar(c, 5), adze_scalar(c, 6)};
    adze_array out[2], cotangent[2];
    adze_closure *f = plain(two_results), *rule = plain(tell_all), *custom = adze_custom_vjp(c, f, rule);
    done(c, adze_vjp(c, custom, at, 2, along, 2, out, cotangent));
    assert_float_equal(adze_item(c, out[0]), 9, 0);
    assert_float_equal(adze_item(c, out[1]), 7, 0);
    assert_float_equal(adze_item(c, cotangent[0]), 3000 + 400 + 50 + 6 + 0.9 + 0.07, 1e-3);
    assert_float_equal(adze_item(c, cotangent[1]), 0, 0);
    keep_first(NULL, (adze_closure *const[]){f, rule, custom}, 3);
    adze_context_free(c);
}

/* ---- captured arrays ---- */

FUNCTION(times_payload)
{
    UNUSED;
    return adze_give(results, adze_multiply(c, in[0], *(adze_array *)payload));
}

/* payload times the last argument: the cotangent of a vjp rule's (primal, cotangent, output), a jvp rule's tangent */
FUNCTION(rule_times_payload)
{
    UNUSED;
    return adze_give(results, adze_multiply(c, in[1], *(adze_array *)payload));
}

/* x -> custom(y -> y x)(x), whose rule says 7 x ct: the derivative to the captured x is none. */
FUNCTION(captures_argument)
{
    UNUSED;
    adze_array outer = in[0], scaled = adze_multiply(c, in[0], *(adze_array *)payload), out;
    adze_closure *f = adze_closure_new(times_payload, &outer, NULL);
    adze_closure *rule = adze_closure_new(rule_times_payload, &scaled, NULL);
    adze_closure *custom = adze_custom_function(c, f, rule, rule, NULL);
    const adze_status status = adze_apply(c, custom, in, 1, &out, 1);
    keep_first(NULL, (adze_closure *const[]){f, rule, custom}, 3);
    return status == ADZE_DONE ? adze_give(results, out) : status;
}

static void test_captures(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array seven = adze_scalar(c, 7);
    adze_closure *f = adze_closure_new(captures_argument, &seven, NULL), *g = grad_of(c, adze_closure_retain(f));
    adze_closure *again = grad_of(c, adze_closure_retain(g)), *compiled = adze_compile(c, again);
    assert_float_equal(apply(c, f, 3), 9, 0);
    assert_float_equal(apply(c, g, 3), 21, 0);
    assert_float_equal(tangent_at(c, f, 3), 21, 0);
    assert_float_equal(apply(c, again, 3), 7, 0);
    assert_float_equal(apply(c, compiled, 3), 7, 0);
    keep_first(NULL, (adze_closure *const[]){f, g, again, compiled}, 4);
    adze_context_free(c);
}

/* A vmap rule may capture what is real, lazy or not; not what is traced around it. */
FUNCTION(maps_with_captured)
{
    UNUSED;
    adze_array captured = *(adze_array *)payload, out;
    if (adze_rank(captured) != 0)
        captured = adze_sum(c, in[0], NULL, 0, false);
    adze_closure *f = plain(square), *rule = adze_closure_new(times_payload, &captured, NULL);
    adze_closure *custom = adze_custom_function(c, f, NULL, NULL, rule), *mapped = vmap_of(c, custom);
    const adze_status status = adze_apply(c, mapped, in, 1, &out, 1);
    keep_first(NULL, (adze_closure *const[]){f, rule, mapped}, 3);
    return status == ADZE_DONE ? adze_give(results, adze_sum(c, out, NULL, 0, false)) : status;
}

static void test_vmap_rule_captures(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_array lazy = adze_exp(c, adze_scalar(c, 0)), none = vector(c, (const float[]){0}, 1), out;
    const adze_array lanes = vector(c, (const float[]){1, 2, 3}, 3);
    adze_closure *f = adze_closure_new(maps_with_captured, &lazy, NULL), *g = grad_of(c, f);
    adze_closure *bad = adze_closure_new(maps_with_captured, &none, NULL), *h = grad_of(c, bad);
    done(c, adze_apply(c, g, &lanes, 1, &out, 1));
    assert_elements(c, out, (const double[]){1, 1, 1}, 3);
    assert_int_not_equal(adze_apply(c, h, &lanes, 1, &out, 1), ADZE_DONE);
    assert_non_null(strstr(adze_message(c), "give it to the function as an argument"));
    adze_closure_free(g);
    adze_closure_free(h);
    adze_context_free(c);
}

/* ---- letting go ---- */

static void test_freed_once(void **state)
{
    (void)state;
    int freed[4] = {0};
    adze_array out;
    adze_context *c = adze_context_new();
    const adze_array lanes = vector(c, (const float[]){1, 2, 3}, 3);
    adze_closure *f = adze_closure_new(square, &freed[0], count_freed);
    adze_closure *rule[] = {adze_closure_new(vjp_of_square, &freed[1], count_freed),
                            adze_closure_new(jvp_of_square, &freed[2], count_freed),
                            adze_closure_new(vmap_of_square, &freed[3], count_freed)};
    adze_closure *custom = adze_custom_function(c, f, rule[0], rule[1], rule[2]), *mapped, *g;
    keep_first(NULL, (adze_closure *const[]){f, rule[0], rule[1], rule[2]}, 4);
    mapped = vmap_of(c, adze_closure_retain(custom));
    g = grad_of(c, custom);
    adze_context *scope = adze_scope(c);
    done(scope, adze_apply(scope, mapped, &lanes, 1, &out, 1));
    assert_elements(scope, out, (const double[]){101, 104, 109}, 3);
    assert_float_equal(apply(scope, g, 2), 12, 0);
    assert_float_equal(tangent_at(scope, g, 2), 12, 0);
    adze_context_free(scope);
    for (int i = 0; i < 4; i++)
        assert_int_equal(freed[i], 0);
    adze_closure_free(mapped);
    adze_closure_free(g);
    for (int i = 0; i < 4; i++) /* no cache of the context holds them */
        assert_int_equal(freed[i], 1);
    adze_context_free(c);
}

/* ---- as data ---- */

/* A graph keeps the rules that are graphs, and forgets the one for vmap. */
static void test_captured_graph(void **state)
{
    (void)state;
    adze_array out;
    adze_context *c = adze_context_new();
    const adze_array lanes = vector(c, (const float[]){1, 2, 3}, 3);
    const adze_leaf leaf = {.name = "x", .element = ADZE_F32};
    adze_closure *custom = custom_square(c, 7);
    adze_graph *graph = adze_capture(c, custom, &leaf, 1);
    if (graph == NULL)
        fail_msg("%s", adze_message(c));
    const char *text = adze_graph_text(graph);
    assert_non_null(strstr(text, "rules = \"vjp,jvp\""));
    assert_null(strstr(text, "source"));
    adze_graph *again = adze_graph_parse(c, text, strlen(text));
    if (again == NULL)
        fail_msg("%s", adze_message(c));
    adze_closure *f = adze_graph_closure(c, again), *g = grad_of(c, adze_closure_retain(f));
    adze_closure *mapped = vmap_of(c, adze_closure_retain(f));
    assert_float_equal(apply(c, g, 2), 12, 0);
    assert_float_equal(tangent_at(c, f, 2), 20, 0);
    done(c, adze_apply(c, mapped, &lanes, 1, &out, 1));
    assert_elements(c, out, (const double[]){1, 4, 9}, 3);
    adze_graph_free(graph);
    adze_graph_free(again);
    keep_first(NULL, (adze_closure *const[]){custom, f, g, mapped}, 4);
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule),  cmocka_unit_test(test_mapped_then_derived),
        cmocka_unit_test(test_vmap_axes),  cmocka_unit_test(test_order),
        cmocka_unit_test(test_captures),   cmocka_unit_test(test_vmap_rule_captures),
        cmocka_unit_test(test_freed_once), cmocka_unit_test(test_captured_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
