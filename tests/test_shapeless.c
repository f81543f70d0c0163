/* SPDX-License-Identifier: Apache-2.0
 * Shapeless functions: one trace and one compiled function for all shapes of the same rank, with the elements that the
 * function gives when it isn't compiled; and what can't be told without sizes, which fails while it is traced. */
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

typedef struct Counted {
    adze_function *function;
    int calls;
} Counted;

static adze_status counted(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    Counted *inner = payload;
    inner->calls++;
    return inner->function(c, in, count, results, NULL);
}

static adze_array random_array(adze_context *c, const int64_t *shape, size_t rank, unsigned seed)
{
    size_t size = 1;
    for (size_t i = 0; i < rank; i++)
        size *= (size_t)shape[i];
    float *data = malloc((size + 1) * sizeof *data);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (float)(seed >> 8) / (float)(1 << 23) - 1;
    }
    const adze_array array = adze_from(c, data, shape, rank, ADZE_F32);
    free(data);
    return array;
}

static void assert_same(adze_context *c, adze_array found, adze_array due)
{
    const float *x = adze_data(c, found), *y = adze_data(c, due);
    if (x == NULL || y == NULL)
        fail_msg("%s", adze_message(c));
    assert_int_equal(adze_rank(found), adze_rank(due));
    assert_memory_equal(adze_shape(found), adze_shape(due), adze_rank(due) * sizeof(int64_t));
    for (size_t i = 0; i < adze_size(due); i++)
        if (!(fabsf(x[i] - y[i]) <= 1e-5f * fmaxf(1, fabsf(y[i]))))
            fail_msg("element %zu: found %.9g, due is %.9g", i, x[i], y[i]);
}

static const adze_compile_options any = {.shapes = ADZE_SHAPES_ANY, .no_disk_cache = true};

/* ---- functions ---- */

static adze_status layer(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const int last = -1;
    (void)count;
    (void)payload;
    const adze_array mean = adze_mean(c, in[0], &last, 1, true), centered = adze_subtract(c, in[0], mean);
    const adze_array variance = adze_mean(c, adze_square(c, centered), &last, 1, true);
    adze_give(results, adze_softmax(c, adze_divide(c, centered, adze_sqrt(c, variance)), -1));
    return adze_give(results,
                     adze_sum(c, adze_slice(c, in[0], (const int64_t[]){0, 1}, (const int64_t[]){-1, 1 << 30}, NULL, 2),
                              NULL, 0, false));
}

/* (B, S, H, W): scores (B, H, S, S), then (B, S, H W), sizes read from the array */
static adze_status attention(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const int64_t *shape = adze_shape(in[0]);
    const int64_t joined[] = {shape[0], shape[1], adze_size_multiply(c, shape[2], shape[3])};
    const int swap[] = {0, 2, 1, 3}, turn[] = {0, 1, 3, 2};
    (void)count;
    (void)payload;
    const adze_array heads = adze_transpose(c, in[0], swap, 4);
    const adze_array scores = adze_matmul(c, heads, adze_transpose(c, heads, turn, 4));
    const adze_array scale = adze_sqrt(c, adze_astype(c, adze_dimension(c, heads, -1), ADZE_F32));
    const adze_array mixed = adze_matmul(c, adze_softmax(c, adze_divide(c, scores, scale), -1), heads);
    const adze_array flat = adze_reshape(c, adze_transpose(c, mixed, swap, 4), joined, 3);
    return adze_give(results, adze_add(c, flat, adze_reshape(c, flat, (const int64_t[]){joined[0], joined[1], -1}, 3)));
}

static adze_status add(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_add(c, in[0], in[1]));
}

static adze_status loss(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_mean(c, adze_tanh(c, adze_square(c, adze_matmul(c, in[0], in[1]))), NULL, 0, false));
}

/* ---- one trace for all ---- */

/* The closure as it is against the compiled one, on these shapes. */
static void check_shapes(adze_function *function, size_t results, size_t inputs, const int64_t (*shape)[4], size_t rank,
                         size_t sets, int due_calls)
{
    adze_context *c = adze_context_new();
    Counted payload = {function, 0};
    adze_closure *plain = adze_closure_new(function, NULL, NULL), *inner = adze_closure_new(counted, &payload, NULL);
    adze_closure *compiled = adze_compile_with(c, inner, &any);
    for (size_t i = 0; i < sets; i++) {
        adze_array in[2], found[2], due[2];
        for (size_t k = 0; k < inputs; k++)
            in[k] = random_array(c, shape[i * inputs + k], rank, (unsigned)(i * 7 + k));
        if (adze_apply(c, compiled, in, inputs, found, results) != ADZE_DONE ||
            adze_apply(c, plain, in, inputs, due, results) != ADZE_DONE)
            fail_msg("%s", adze_message(c));
        for (size_t k = 0; k < results; k++)
            assert_same(c, found[k], due[k]);
    }
    assert_int_equal(payload.calls, due_calls);
    adze_closure_free(plain);
    adze_closure_free(inner);
    adze_closure_free(compiled);
    adze_context_free(c);
}

static void test_one_trace(void **state)
{
    (void)state;
    const int64_t layers[][4] = {{2, 3}, {4, 5}, {2, 7}, {33, 16}, {5, 5}, {100, 3}};
    check_shapes(layer, 2, 1, layers, 2, 6, 1);
    const int64_t batches[][4] = {{2, 3, 2, 3}, {4, 5, 3, 6}, {3, 1, 1, 5}, {1, 17, 8, 4}};
    check_shapes(attention, 1, 1, batches, 4, 4, 1);
}

/* (B, S, 6) -> heads (B, 2, S, 3): 6 must be a number, the others are free */
static adze_status split_heads(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                               void *payload)
{
    const int64_t *shape = adze_shape(in[0]);
    const int64_t split[] = {shape[0], shape[1], 2, adze_size_divide(c, shape[2], 2)};
    float weights[6 * 4];
    (void)count;
    (void)payload;
    for (int i = 0; i < 24; i++)
        weights[i] = (float)(i - 10) / 8;
    const adze_array w = adze_from(c, weights, (const int64_t[]){6, 4}, 2, ADZE_F32);
    adze_give(results, adze_softmax(c, adze_reshape(c, in[0], split, 4), -1));
    return adze_give(results, adze_matmul(c, in[0], w));
}

static void test_known_features(void **state)
{
    (void)state;
    const int64_t batches[][4] = {{2, 3, 6}, {4, 5, 6}, {3, 7, 6}, {9, 17, 6}};
    check_shapes(split_heads, 2, 1, batches, 3, 4, 3); /* all free, equal ones, then 6 known */
}

/* Sizes that must be equal: traced again for each way they are, and not for each shape. */
static void test_equal_sizes(void **state)
{
    (void)state;
    const int64_t same[][4] = {{2, 3}, {2, 3}, {4, 5}, {4, 5}, {7, 2}, {7, 2}};
    check_shapes(add, 1, 2, same, 2, 3, 2); /* all sizes free, which fails; then (a, b), (a, b) */
    const int64_t rows[][4] = {{2, 3}, {1, 3}, {9, 4}, {1, 4}, {5, 6}, {5, 6}};
    check_shapes(add, 1, 2, rows, 2, 3, 4);
    const int64_t products[][4] = {{2, 3}, {3, 4}, {7, 5}, {5, 9}};
    check_shapes(loss, 1, 2, products, 2, 2, 2);
}

static void test_empty(void **state)
{
    (void)state;
    const int64_t empty[][4] = {{2, 3}, {2, 3}, {0, 3}, {0, 3}};
    check_shapes(add, 1, 2, empty, 2, 2, 4);
}

/* ---- with transforms ---- */

static void test_gradient(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    Counted payload = {loss, 0};
    const int both[] = {0, 1};
    adze_closure *plain = adze_closure_new(loss, NULL, NULL), *inner = adze_closure_new(counted, &payload, NULL);
    adze_closure *plain_grad = adze_value_and_grad(c, plain, both, 2), *grad = adze_value_and_grad(c, inner, both, 2);
    adze_closure *compiled = adze_compile_with(c, grad, &any);
    for (int64_t i = 2; i < 6; i++) {
        adze_array in[] = {random_array(c, (const int64_t[]){i, i + 3}, 2, 1),
                           random_array(c, (const int64_t[]){i + 3, 2 * i + 7}, 2, 2)},
                   found[3], due[3];
        if (adze_apply(c, compiled, in, 2, found, 3) != ADZE_DONE ||
            adze_apply(c, plain_grad, in, 2, due, 3) != ADZE_DONE)
            fail_msg("%s", adze_message(c));
        for (int k = 0; k < 3; k++)
            assert_same(c, found[k], due[k]);
    }
    assert_int_equal(payload.calls, 2);
    /* and the gradient of the compiled one */
    adze_closure *inside = adze_compile_with(c, plain, &any), *outside = adze_value_and_grad(c, inside, both, 2);
    for (int64_t i = 2; i < 4; i++) {
        adze_array in[] = {random_array(c, (const int64_t[]){i, 4}, 2, 1),
                           random_array(c, (const int64_t[]){4, 9}, 2, 2)},
                   found[3], due[3];
        if (adze_apply(c, outside, in, 2, found, 3) != ADZE_DONE ||
            adze_apply(c, plain_grad, in, 2, due, 3) != ADZE_DONE)
            fail_msg("%s", adze_message(c));
        for (int k = 0; k < 3; k++)
            assert_same(c, found[k], due[k]);
    }
    adze_closure *all[] = {plain, inner, plain_grad, grad, compiled, inside, outside};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        adze_closure_free(all[i]);
    adze_context_free(c);
}

static void test_vmap_inside(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *plain = adze_closure_new(layer, NULL, NULL), *mapped = adze_vmap(c, plain, NULL, 0, NULL, 0);
    adze_closure *compiled = adze_compile_with(c, mapped, &any);
    for (int64_t i = 2; i < 5; i++) {
        adze_array in = random_array(c, (const int64_t[]){i, i + 1, 3 * i}, 3, 1), found[2], due[2];
        if (adze_apply(c, compiled, &in, 1, found, 2) != ADZE_DONE ||
            adze_apply(c, mapped, &in, 1, due, 2) != ADZE_DONE)
            fail_msg("%s", adze_message(c));
        assert_same(c, found[0], due[0]);
        assert_same(c, found[1], due[1]);
    }
    adze_closure_free(plain);
    adze_closure_free(mapped);
    adze_closure_free(compiled);
    adze_context_free(c);
}

/* A shapeless function called by another, on sizes the outer one doesn't know either. */
static adze_status calls_compiled(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                  void *payload)
{
    adze_array out[2];
    const adze_status status = adze_apply(c, payload, in, count, out, 2);
    if (status != ADZE_DONE)
        return status;
    return adze_give(results, adze_add(c, out[0], out[1]));
}

static void test_nested(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *plain = adze_closure_new(layer, NULL, NULL), *inner = adze_compile_with(c, plain, &any);
    adze_closure *outer = adze_closure_new(calls_compiled, inner, NULL), *compiled = adze_compile_with(c, outer, &any);
    adze_closure *exact = adze_closure_new(calls_compiled, plain, NULL);
    for (int64_t i = 2; i < 5; i++) {
        adze_array in = random_array(c, (const int64_t[]){i, 2 * i}, 2, 1), found, due = in;
        if (adze_apply(c, compiled, &in, 1, &found, 1) != ADZE_DONE ||
            adze_apply(c, exact, &in, 1, &due, 1) != ADZE_DONE)
            fail_msg("%s", adze_message(c));
        assert_same(c, found, due);
    }
    adze_closure *all[] = {plain, inner, outer, compiled, exact};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        adze_closure_free(all[i]);
    adze_context_free(c);
}

/* ---- control flow ---- */

static adze_status grows(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_multiply(c, in[0], adze_scalar(c, 1.5f)));
}

static adze_status shrinks(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    return adze_give(results, adze_subtract(c, adze_tanh(c, in[0]), *(adze_array *)payload));
}

/* (state, row) -> (state, state): a branch that uses an array of the function around the loop */
static adze_status step(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)count;
    adze_closure *then = adze_closure_new(grows, NULL, NULL), *otherwise = adze_closure_new(shrinks, payload, NULL);
    adze_array state = adze_add(c, in[0], in[1]);
    const adze_array small = adze_less(c, adze_sum(c, adze_abs(c, state), NULL, 0, false), adze_scalar(c, 2));
    const adze_status status = adze_cond(c, small, then, otherwise, &state, 1, &state, 1);
    adze_closure_free(then);
    adze_closure_free(otherwise);
    if (status != ADZE_DONE)
        return status;
    adze_give(results, state);
    return adze_give(results, state);
}

/* (rows, x): scans over axis 0 */
static adze_status recurrence(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    adze_array out[2], largest = adze_max(c, in[0], (const int[]){0}, 1, false);
    adze_closure *body = adze_closure_new(step, &largest, NULL);
    (void)count;
    (void)payload;
    const adze_array zeros = adze_zeros_like(c, largest);
    const adze_status status = adze_scan(c, body, &zeros, 1, in, 1, ADZE_LENGTH_OF_INPUTS, false, out, 2);
    adze_closure_free(body);
    if (status != ADZE_DONE)
        return status;
    adze_give(results, out[0]);
    return adze_give(results, out[1]);
}

static void test_control_flow(void **state)
{
    (void)state;
    const int64_t shapes[][4] = {{2, 3}, {7, 5}, {3, 3}, {40, 2}};
    check_shapes(recurrence, 2, 1, shapes, 2, 4, 1);
}

/* ---- every function of the table ---- */

enum { MANY = 1024 };

/* The results of functions, one after the other; what a function refuses is its argument instead. */
typedef struct Table {
    adze_context *context;
    adze_array x, result[MANY];
    const char *name[MANY];
    char refused[MANY], needs_sizes[MANY];
    size_t count;
} Table;

static void add_result(Table *table, const char *name, adze_array result)
{
    const bool refused = adze_error_of(result) != NULL;
    assert_true(table->count < MANY);
    table->name[table->count] = name;
    table->refused[table->count] = refused;
    table->needs_sizes[table->count] = refused && strstr(adze_error_of(result), "shapeless") != NULL;
    table->result[table->count++] = refused ? table->x : result;
}

/* Functions that can't be computed at all, here: for those the table is no test. */
static void drop_uncomputed(Table *table, adze_context *c, bool *drop)
{
    if (adze_eval(c, table->result, table->count) == ADZE_DONE)
        return;
    for (size_t i = 0; i < table->count; i++)
        if (adze_eval(c, &table->result[i], 1) != ADZE_DONE) {
            drop[i] = true;
            table->result[i] = table->x;
        }
}

static void apply_table(Table *table, adze_context *c, adze_array x)
{
    const adze_array y = adze_cos(c, adze_multiply(c, x, adze_scalar(c, 3)));
    const int last = -1;
    table->x = x;
    table->count = 0;
#define UNARY(function, rule, op, doc) add_result(table, #function, adze_##function(c, x));
#define BINARY(function, rule, op, doc) add_result(table, #function, adze_##function(c, x, y));
#define REDUCTION(function, rule, op, doc)                                                                             \
    add_result(table, #function, adze_##function(c, x, &last, 1, true));                                               \
    add_result(table, #function, adze_##function(c, x, NULL, 0, false));
#define CUMULATIVE(function, rule, op, doc) add_result(table, #function, adze_##function(c, x, 0, true, false));
#define OTHER(function, rule, op, doc)
#include "adze/functions.def"
}

static bool dropped[MANY];

static adze_status whole_table(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                               void *payload)
{
    Table *table = payload;
    (void)count;
    apply_table(table, c, in[0]);
    for (size_t i = 0; i < table->count; i++)
        adze_give(results, dropped[i] ? in[0] : table->result[i]);
    return ADZE_DONE;
}

static void assert_near(const char *name, float found, float due)
{
    if (!(fabsf(found - due) <= 1e-5f * fmaxf(1, fabsf(due))) && !(isnan(found) && isnan(due)) && found != due)
        fail_msg("%s: found %.9g, due is %.9g", name, found, due);
}

static void assert_table(adze_context *c, const Table *due, const Table *compiled, const adze_array *found)
{
    assert_int_equal(due->count, compiled->count);
    for (size_t i = 0; i < due->count; i++) {
        if (compiled->needs_sizes[i])
            continue; /* it says so */
        if (compiled->refused[i] != due->refused[i])
            fail_msg("%s is refused in a shapeless function, not otherwise", due->name[i]);
        assert_int_equal(adze_element_of(found[i]), adze_element_of(due->result[i]));
        assert_int_equal(adze_size(found[i]), adze_size(due->result[i]));
        const adze_array x = adze_astype(c, found[i], ADZE_F32), y = adze_astype(c, due->result[i], ADZE_F32);
        const float *found_data = adze_data(c, x), *due_data = adze_data(c, y);
        for (size_t k = 0; found_data != NULL && due_data != NULL && k < adze_size(y); k++)
            assert_near(due->name[i], found_data[k], due_data[k]);
    }
}

static void test_table(void **state)
{
    (void)state;
    static Table table[2];
    static adze_array found[MANY];
    adze_context *c = adze_context_new();
    adze_closure *inner = adze_closure_new(whole_table, &table[0], NULL), *compiled = adze_compile_with(c, inner, &any);
    for (int64_t rows = 3; rows < 8; rows += 3) {
        const int64_t shape[] = {rows, rows + 1};
        const adze_array in = random_array(c, shape, 2, 1);
        apply_table(&table[1], c, in);
        drop_uncomputed(&table[1], c, dropped);
        if (adze_apply(c, compiled, &in, 1, found, table[1].count) != ADZE_DONE)
            fail_msg("%s", adze_message(c));
        assert_table(c, &table[1], &table[0], found);
    }
    adze_closure_free(inner);
    adze_closure_free(compiled);
    adze_context_free(c);
}

/* ---- what can't be told ---- */

static adze_status computes_with_sizes(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                       void *payload)
{
    const int64_t size = adze_shape(in[0])[0] + 1;
    (void)count;
    (void)payload;
    return adze_give(results, adze_broadcast_to(c, adze_scalar(c, 1), &size, 1));
}

static adze_status wrong_reshape(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                 void *payload)
{
    (void)count;
    (void)payload;
    return adze_give(results, adze_reshape(c, in[0], (const int64_t[]){2, -1}, 2));
}

static adze_status reads(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    (void)payload;
    (void)count;
    if (isnan(adze_item(c, in[0])))
        return ADZE_FAILED;
    return adze_give(results, in[0]);
}

static void check_refused(adze_function *function, const char *due)
{
    adze_context *c = adze_context_new();
    adze_closure *plain = adze_closure_new(function, NULL, NULL), *compiled = adze_compile_with(c, plain, &any);
    adze_array in = random_array(c, (const int64_t[]){3, 5}, 2, 1), out;
    assert_int_not_equal(adze_apply(c, compiled, &in, 1, &out, 1), ADZE_DONE);
    if (strstr(adze_message(c), due) == NULL)
        fail_msg("the message is \"%s\", should hold \"%s\"", adze_message(c), due);
    adze_closure_free(plain);
    adze_closure_free(compiled);
    adze_context_free(c);
}

static void test_refuses(void **state)
{
    (void)state;
    check_refused(computes_with_sizes, "is no size");
    check_refused(wrong_reshape, "Cannot reshape array of size");
    check_refused(reads, "not allowed");
}

static void test_sizes(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    assert_int_equal(adze_size_add(c, 3, 4), 7);
    assert_int_equal(adze_size_subtract(c, 3, 1), 2);
    assert_int_equal(adze_size_multiply(c, 3, 4), 12);
    assert_int_equal(adze_size_divide(c, 13, 4), 3);
    assert_true(adze_size_is_known(12) && !adze_size_is_known(-12));
    assert_int_equal(adze_size_divide(c, 13, 0), -1);
    assert_string_equal(adze_message(c), "[size] a size is divided by 0");
    assert_int_equal(adze_size_add(c, -77, 4), -1);
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_trace), cmocka_unit_test(test_known_features), cmocka_unit_test(test_equal_sizes),
        cmocka_unit_test(test_empty),     cmocka_unit_test(test_gradient),       cmocka_unit_test(test_vmap_inside),
        cmocka_unit_test(test_nested),    cmocka_unit_test(test_control_flow),   cmocka_unit_test(test_table),
        cmocka_unit_test(test_refuses),   cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
