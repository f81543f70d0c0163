/* SPDX-License-Identifier: Apache-2.0
 * Functions of family "array" against what MLX and jax say (data/array_answers.txt, made by make_array_answers.py):
 * results and failures, the cotangents of floating arrays by adze_vjp, and every case again under adze_vmap, where
 * lane 0 is the case and lane 1 what the function says of other numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array_functions.h"

static int failures;

/* A case that fails doesn't stop the others. */
#define REPORT(k, format, ...)                                                                                         \
    do {                                                                                                               \
        failures++;                                                                                                    \
        print_error("case %d, %s: " format "\n", (k)->number, (k)->name, __VA_ARGS__);                                 \
    } while (0)

/* ---- reading ---- */

static const struct {
    const char *name;
    AdzeElement element;
    size_t bytes;
} kinds[] = {{"bool", ADZE_BOOL, 1}, {"u8", ADZE_U8, 1},   {"u16", ADZE_U16, 2}, {"u32", ADZE_U32, 4},
             {"u64", ADZE_U64, 8},   {"i8", ADZE_I8, 1},   {"i16", ADZE_I16, 2}, {"i32", ADZE_I32, 4},
             {"i64", ADZE_I64, 8},   {"f32", ADZE_F32, 4}, {"f64", ADZE_F64, 8}};

static size_t bytes_of(AdzeElement element)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].element == element)
            return kinds[i].bytes;
    fail_msg("an element type without a row");
    return 0;
}

static void read_sample(FILE *file, Sample *sample)
{
    char kind[16];
    bool known = false;
    assert_int_equal(fscanf(file, "%15s %zu", kind, &sample->rank), 2);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, kind) == 0) {
            sample->element = kinds[i].element;
            known = true;
        }
    assert_true(known && sample->rank <= 16);
    sample->size = 1;
    for (size_t i = 0; i < sample->rank; i++) {
        assert_int_equal(fscanf(file, "%ld", &sample->shape[i]), 1);
        sample->size *= (size_t)sample->shape[i];
    }
    assert_true(sample->size <= MAX_ELEMENTS);
    for (size_t i = 0; i < sample->size; i++)
        assert_int_equal(fscanf(file, "%lf", &sample->value[i]), 1);
}

static void read_list(FILE *file, Case *k)
{
    size_t *count = &k->count[k->list_count];
    assert_true(k->list_count < MAX_LISTS && fscanf(file, "%zu", count) == 1 && *count <= MAX_ENTRIES);
    for (size_t i = 0; i < *count; i++)
        assert_int_equal(fscanf(file, "%ld", &k->list[k->list_count][i]), 1);
    k->list_count++;
}

static bool read_case(FILE *file, Case *k)
{
    char word[16];
    const int number = k->number + 1;
    if (fscanf(file, " case %63s", k->name) != 1)
        return false;
    k->number = number;
    k->array_count = k->out_count = k->cotangent_count = k->gradient_count = k->list_count = 0;
    memset(k->count, 0, sizeof k->count);
    k->fails = false;
    while (fscanf(file, "%15s", word) == 1 && strcmp(word, "end") != 0) {
        if (strcmp(word, "array") == 0 && k->array_count < MAX_ARRAYS)
            read_sample(file, &k->array[k->array_count++]);
        else if (strcmp(word, "list") == 0)
            read_list(file, k);
        else if (strcmp(word, "out") == 0 && k->out_count < MAX_OUTS)
            read_sample(file, &k->out[k->out_count++]);
        else if (strcmp(word, "cotangent") == 0 && k->cotangent_count < MAX_OUTS)
            read_sample(file, &k->cotangent[k->cotangent_count++]);
        else if (strcmp(word, "grad") == 0 && k->gradient_count < MAX_ARRAYS)
            read_sample(file, &k->gradient[k->gradient_count++]);
        else if (strcmp(word, "fails") == 0)
            k->fails = true;
        else
            fail_msg("case %d: '%s' wasn't expected", number, word);
    }
    return true;
}

/* ---- arrays of samples ---- */

static void store(AdzeElement element, void *data, size_t i, double value)
{
    switch (element) {
    case ADZE_BOOL:
        ((bool *)data)[i] = value != 0;
        break;
    case ADZE_U8:
        ((uint8_t *)data)[i] = (uint8_t)value;
        break;
    case ADZE_I32:
        ((int32_t *)data)[i] = (int32_t)value;
        break;
    case ADZE_U32:
        ((uint32_t *)data)[i] = (uint32_t)value;
        break;
    case ADZE_I64:
        ((int64_t *)data)[i] = (int64_t)value;
        break;
    case ADZE_F32:
        ((float *)data)[i] = (float)value;
        break;
    default:
        fail_msg("no inputs of element type %d", (int)element);
    }
}

static double load(AdzeElement element, const void *data, size_t i)
{
    switch (element) {
    case ADZE_BOOL:
    case ADZE_U8:
        return ((const uint8_t *)data)[i];
    case ADZE_U16:
        return ((const uint16_t *)data)[i];
    case ADZE_U32:
        return ((const uint32_t *)data)[i];
    case ADZE_U64:
        return (double)((const uint64_t *)data)[i];
    case ADZE_I8:
        return ((const int8_t *)data)[i];
    case ADZE_I16:
        return ((const int16_t *)data)[i];
    case ADZE_I32:
        return ((const int32_t *)data)[i];
    case ADZE_I64:
        return (double)((const int64_t *)data)[i];
    case ADZE_F32:
        return ((const float *)data)[i];
    case ADZE_F64:
        return ((const double *)data)[i];
    default:
        fail_msg("no results of element type %d", (int)element);
        return 0;
    }
}

/* lanes 0: the array as it is; else with one more axis in front: the array, then the negative of floating ones. */
static adze_array array_of(adze_context *c, const Sample *sample, size_t lanes)
{
    const size_t bytes = bytes_of(sample->element), repeat = lanes == 0 ? 1 : lanes;
    int64_t shape[17] = {(int64_t)repeat};
    void *data = calloc(sample->size * repeat + 1, bytes);
    for (size_t i = 0; i < sample->size * repeat; i++) {
        const double value = sample->value[i % sample->size];
        store(sample->element, data, i, i >= sample->size && sample->element == ADZE_F32 ? -value : value);
    }
    memcpy(shape + 1, sample->shape, sample->rank * sizeof *shape);
    const adze_array array = lanes == 0 ? adze_from(c, data, sample->shape, sample->rank, sample->element)
                                        : adze_from(c, data, shape, sample->rank + 1, sample->element);
    free(data);
    return array;
}

static Run *find_run(const Case *k)
{
    for (size_t i = 0; i < array_function_count; i++)
        if (strcmp(array_functions[i].name, k->name) == 0)
            return array_functions[i].run;
    fail_msg("no function '%s'", k->name);
    return NULL;
}

/* ---- checking ---- */

static void check(adze_context *c, const Case *k, const char *what, adze_array array, const Sample *due, size_t lane)
{
    const void *data = adze_data(c, array);
    if (data == NULL) {
        REPORT(k, "%s: %s", what, adze_message(c));
        return;
    }
    const bool same_shape =
        adze_rank(array) == due->rank && memcmp(adze_shape(array), due->shape, due->rank * sizeof *due->shape) == 0;
    if (adze_element_of(array) != due->element || (lane == 0 && !same_shape) || adze_size(array) != due->size) {
        REPORT(k, "%s: another type", what);
        return;
    }
    for (size_t i = 0; i < due->size; i++) {
        const double found = load(due->element, data, i), value = due->value[i];
        if (!(fabs(found - value) <= 2e-6 * fmax(1, fabs(value)) || found == value || (isnan(found) && isnan(value)))) {
            REPORT(k, "%s: [%zu] is %.9g, due is %.9g", what, i, found, value);
            return;
        }
    }
}

static adze_status call_case(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const Case *k = payload;
    adze_array out[MAX_OUTS];
    (void)count;
    const size_t made = find_run(k)(c, k, in, out);
    for (size_t i = 0; i < made; i++)
        if (adze_give(results, out[i]) != ADZE_DONE)
            return ADZE_NO_MEMORY;
    return ADZE_DONE;
}

/* All that is computed for a case, at once: it is compiled once. */
typedef struct Answers {
    adze_array x[MAX_ARRAYS], out[MAX_OUTS], taken[MAX_ARRAYS], again[MAX_OUTS];
    adze_array lanes[MAX_OUTS], second[MAX_OUTS]; /* of two cases at once, and of the other one alone */
    bool has_gradients, has_lanes;
} Answers;

static void ask_gradients(adze_context *c, const Case *k, adze_closure *closure, Answers *a)
{
    adze_array cotangent[MAX_OUTS];
    for (size_t i = 0; i < k->cotangent_count; i++)
        cotangent[i] = array_of(c, &k->cotangent[i], 0);
    a->has_gradients =
        adze_vjp(c, closure, a->x, k->array_count, cotangent, k->cotangent_count, a->again, a->taken) == ADZE_DONE;
    if (!a->has_gradients)
        REPORT(k, "vjp: %s", adze_message(c));
}

static Sample work;

static void ask_lanes(adze_context *c, const Case *k, adze_closure *closure, Answers *a)
{
    adze_array both[MAX_ARRAYS], other[MAX_ARRAYS];
    adze_closure *mapped = adze_vmap(c, closure, NULL, 0, NULL, 0);
    for (size_t i = 0; i < k->array_count; i++) {
        work = k->array[i];
        for (size_t e = 0; e < work.size && work.element == ADZE_F32; e++)
            work.value[e] = -work.value[e];
        both[i] = array_of(c, &k->array[i], 2);
        other[i] = array_of(c, &work, 0);
    }
    a->has_lanes = adze_apply(c, mapped, both, k->array_count, a->lanes, k->out_count) == ADZE_DONE;
    if (!a->has_lanes)
        REPORT(k, "vmap: %s", adze_message(c));
    assert_int_equal(find_run(k)(c, k, other, a->second), k->out_count);
    adze_closure_free(mapped);
}

static void compute(adze_context *c, const Case *k, const Answers *a)
{
    adze_array all[3 * MAX_OUTS + MAX_ARRAYS];
    size_t count = 0;
    for (size_t i = 0; i < k->out_count; i++) {
        all[count++] = a->out[i];
        if (a->has_lanes) {
            all[count++] = a->lanes[i];
            all[count++] = a->second[i];
        }
    }
    for (size_t i = 0; a->has_gradients && i < k->array_count; i++)
        all[count++] = a->taken[i];
    if (adze_eval(c, all, count) != ADZE_DONE)
        REPORT(k, "%s", adze_message(c));
}

static void check_lane(adze_context *c, const Case *k, const Answers *a, size_t i)
{
    const Sample *due = &k->out[i];
    const void *second = adze_data(c, a->second[i]);
    work = *due;
    work.size = 2 * due->size;
    assert_true(work.size <= MAX_ELEMENTS && second != NULL);
    for (size_t e = 0; e < due->size; e++)
        work.value[due->size + e] = load(due->element, second, e);
    check(c, k, "vmap", a->lanes[i], &work, 1);
}

static void check_answers(adze_context *c, const Case *k, const Answers *a)
{
    size_t next = 0;
    for (size_t i = 0; i < k->out_count; i++) {
        check(c, k, "result", a->out[i], &k->out[i], 0);
        if (a->has_lanes)
            check_lane(c, k, a, i);
    }
    for (size_t i = 0; a->has_gradients && i < k->array_count; i++)
        if (k->array[i].element == ADZE_F32)
            check(c, k, "gradient", a->taken[i], &k->gradient[next++], 0);
}

static void check_failure(adze_context *c, const Case *k, const Answers *a)
{
    const char *message = adze_error_of(a->out[0]);
    if (message == NULL ? adze_eval(c, a->out, 1) == ADZE_DONE : message[0] != '[')
        REPORT(k, "%s", "should fail, and say which function");
}

static void check_case(Case *k)
{
    adze_context *c = adze_context_new();
    adze_closure *closure = adze_closure_new(call_case, k, NULL);
    Answers a = {.has_lanes = false};
    for (size_t i = 0; i < k->array_count; i++)
        a.x[i] = array_of(c, &k->array[i], 0);
    const size_t made = find_run(k)(c, k, a.x, a.out);
    if (k->fails)
        check_failure(c, k, &a);
    else {
        assert_int_equal(made, k->out_count);
        if (k->cotangent_count > 0)
            ask_gradients(c, k, closure, &a);
        if (k->array_count > 0)
            ask_lanes(c, k, closure, &a);
        compute(c, k, &a);
        check_answers(c, k, &a);
    }
    adze_closure_free(closure);
    adze_context_free(c);
}

static void test_answers(void **state)
{
    (void)state;
    FILE *file = fopen(ADZE_SOURCE_DIR "/tests/data/array_answers.txt", "r");
    Case *k = calloc(1, sizeof *k);
    assert_non_null(file);
    assert_non_null(k);
    while (read_case(file, k))
        check_case(k);
    assert_true(feof(file) && k->number > 300);
    assert_int_equal(failures, 0);
    free(k);
    fclose(file);
}

/* ---- sizes that aren't known ---- */

enum { OPEN_COUNT = 18 };

/* What needs no size of x [n, m] as a number. */
static adze_status call_open(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const adze_array x = in[0], index = adze_argsort(c, x, -1);
    const int64_t start[] = {1, -1}, stop[] = {3, -2000}, strides[] = {1, -1}, two[] = {1, 2};
    adze_array part[2];
    (void)count;
    (void)payload;
    adze_broadcast_arrays(c, (const adze_array[]){x, adze_scalar(c, 2)}, 2, part);
    const adze_array out[OPEN_COUNT] = {
        adze_sort(c, x, ADZE_FLATTENED),
        adze_take_along_axis(c, x, index, -1),
        adze_put_along_axis(c, x, index, adze_scalar(c, 5), -1),
        adze_slice(c, x, start, stop, strides, 2),
        adze_slice_update_add(c, x, adze_scalar(c, 3), start, stop, strides, 2),
        adze_tril(c, x, 0),
        adze_flatten(c, x, 0, -1),
        adze_stack(c, (const adze_array[]){x, part[1]}, 2, 1),
        adze_repeat(c, x, 2, 0),
        adze_tile(c, x, two, 2),
        adze_pad_symmetric(c, x, 1, adze_scalar(c, 4), "edge"),
        adze_scatter_add_single(c, x, adze_scalar_i32(c, 1),
                                adze_slice(c, x, (const int64_t[]){0, 0}, (const int64_t[]){1, 2000}, NULL, 2), 0),
        adze_take(c, x, adze_scalar_i32(c, -1), ADZE_FLATTENED),
        adze_slice_dynamic(c, x, adze_scalar_i32(c, 1), (const int[]){1}, 1, two, 2),
        adze_masked_scatter(c, x, adze_greater(c, x, adze_scalar(c, 0)), adze_negative(c, x)),
        adze_expand_dims_axes(c, x, (const int[]){0, -1}, 2),
        adze_moveaxis(c, x, 0, 1),
        adze_number_of_elements(c, x, (const int[]){0, 1}, 2, false, ADZE_I32),
    };
    for (size_t i = 0; i < OPEN_COUNT; i++)
        if (adze_give(results, out[i]) != ADZE_DONE)
            return ADZE_NO_MEMORY;
    return ADZE_DONE;
}

static void test_open_sizes(void **state)
{
    (void)state;
    const adze_compile_options any = {.shapes = ADZE_SHAPES_ANY, .no_disk_cache = true};
    adze_context *c = adze_context_new();
    adze_closure *inner = adze_closure_new(call_open, NULL, NULL), *open = adze_compile_with(c, inner, &any);
    for (int64_t rows = 3; rows < 7; rows += 2) {
        const int64_t shape[] = {rows, rows + 1};
        float data[64];
        adze_array found[OPEN_COUNT], due[OPEN_COUNT];
        for (int i = 0; i < 64; i++)
            data[i] = sinf(3.7f * (float)i);
        const adze_array x = adze_from(c, data, shape, 2, ADZE_F32);
        if (adze_apply(c, inner, &x, 1, due, OPEN_COUNT) != ADZE_DONE ||
            adze_apply(c, open, &x, 1, found, OPEN_COUNT) != ADZE_DONE)
            fail_msg("%s", adze_message(c));
        for (size_t i = 0; i < OPEN_COUNT; i++) {
            const void *a = adze_data(c, found[i]), *b = adze_data(c, due[i]);
            if (a == NULL || b == NULL || adze_size(found[i]) != adze_size(due[i]) ||
                memcmp(a, b, 4 * adze_size(due[i])) != 0)
                fail_msg("result %zu: %s", i, adze_message(c));
        }
    }
    adze_closure_free(inner);
    adze_closure_free(open);
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_open_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
