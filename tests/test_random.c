/* SPDX-License-Identifier: Apache-2.0
 * Random numbers: what MLX draws for the same key (tests/data/random_answers, made by make_random_answers.py); the same
 * bits traced, compiled, mapped over keys and exported; derivatives; what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adze/adze.h"
#include "frontend/npy.h"
#include "ir/element.h"

#define SEED 0x123456789abcu
static const int64_t shape[] = {5, 7, 3};
enum { RANK = 3, SIZE = 105 };

/* ---- draws ---- */

static adze_array seven(adze_context *c, float first)
{
    const int64_t column[] = {7, 1};
    return adze_reshape(c, adze_arange(c, first, first + 7, 1, ADZE_F32), column, 2);
}

static adze_array three(adze_context *c)
{
    const int64_t size = 3;
    return adze_from(c, (const float[]){-1, 0.25f, 7}, &size, 1, ADZE_F32);
}

static adze_array probability(adze_context *c, AdzeElement e)
{
    const int64_t size[] = {7, 3};
    const adze_array p = adze_divide(c, adze_arange(c, 0, 21, 1, ADZE_F32), adze_scalar(c, 20));
    return adze_astype(c, adze_reshape(c, p, size, 2), e);
}

static adze_array logits(adze_context *c)
{
    const int64_t size[] = {3, 4, 5};
    const adze_array x = adze_remainder(c, adze_arange(c, 0, 420, 7, ADZE_F32), adze_scalar(c, 11));
    return adze_reshape(c, adze_divide(c, x, adze_scalar(c, 4)), size, 3);
}

static adze_array matrix(adze_context *c)
{
    const int64_t size[] = {7, 9};
    return adze_reshape(c, adze_arange(c, 0, 63, 1, ADZE_F32), size, 2);
}

static adze_array means(adze_context *c)
{
    const int64_t size[] = {2, 3};
    return adze_from(c, (const float[]){1, 2, 3, 0, -1, 5}, size, 2, ADZE_F32);
}

static adze_array covariance(adze_context *c)
{
    const int64_t size[] = {3, 3};
    return adze_from(c, (const float[]){2, 0.5f, 0.1f, 0.5f, 1, 0.2f, 0.1f, 0.2f, 3}, size, 2, ADZE_F32);
}

/* One mean, two matrices. */
static adze_array vectors(adze_context *c, adze_array key)
{
    const adze_array cov = covariance(c), square = adze_matmul(c, cov, cov);
    const adze_array both[] = {adze_expand_dims(c, cov, 0), adze_expand_dims(c, square, 0)};
    const adze_array mean = adze_take(c, means(c), adze_scalar_i32(c, 0), 0);
    return adze_random_multivariate_normal(c, mean, adze_concatenate(c, both, 2, 0), NULL, 0, ADZE_F32, key);
}

typedef adze_array Draw(adze_context *c, adze_array key, AdzeElement e, int axis);
#define DRAW(name, expression)                                                                                         \
    static adze_array draw_##name(adze_context *c, adze_array key, AdzeElement e, int axis)                            \
    {                                                                                                                  \
        (void)e;                                                                                                       \
        (void)axis;                                                                                                    \
        return expression;                                                                                             \
    }
DRAW(uniform, adze_random_uniform(c, adze_scalar(c, 0), adze_scalar(c, 1), shape, RANK, e, key))
DRAW(uniform_range, adze_random_uniform(c, adze_scalar(c, -3.3f), adze_scalar(c, 5.7f), shape, RANK, e, key))
DRAW(uniform_arrays, adze_random_uniform(c, three(c), seven(c, 8), shape, RANK, e, key))
DRAW(normal, adze_random_normal(c, shape, RANK, e, 0, 1, key))
DRAW(normal_none, adze_random_normal_broadcast(c, shape, RANK, e, (adze_array){NULL}, (adze_array){NULL}, key))
DRAW(normal_scaled, adze_random_normal(c, shape, RANK, e, 0.25f, 1.7f, key))
DRAW(normal_arrays, adze_random_normal_broadcast(c, shape, RANK, e, three(c), seven(c, 1), key))
DRAW(laplace, adze_random_laplace(c, shape, RANK, e, 0, 1, key))
DRAW(laplace_scaled, adze_random_laplace(c, shape, RANK, e, 0.25f, 1.7f, key))
DRAW(gumbel, adze_random_gumbel(c, shape, RANK, e, key))
DRAW(multivariate, adze_random_multivariate_normal(c, means(c), covariance(c), (const int64_t[]){4, 2}, 2, e, key))
DRAW(multivariate_batch, vectors(c, key))
DRAW(truncated, adze_random_truncated_normal(c, adze_scalar(c, -0.7f), adze_scalar(c, 1.9f), shape, RANK, e, key))
DRAW(randint, adze_random_randint(c, adze_scalar_i32(c, 0), adze_scalar_i32(c, 200), shape, RANK, e, key))
DRAW(randint_negative, adze_random_randint(c, adze_scalar_i32(c, -5), adze_scalar_i32(c, 10), shape, RANK, e, key))
DRAW(randint_empty, adze_random_randint(c, adze_scalar_i32(c, 10), adze_scalar_i32(c, 2), shape, RANK, e, key))
DRAW(bernoulli, adze_random_bernoulli(c, probability(c, e), shape, RANK, key))
DRAW(bernoulli_own, adze_random_bernoulli(c, probability(c, e), NULL, 0, key))
DRAW(categorical, adze_random_categorical(c, logits(c), axis, key))
DRAW(categorical_samples, adze_random_categorical_num_samples(c, logits(c), axis, 7, key))
DRAW(categorical_shape,
     adze_random_categorical_shape(c, logits(c), axis, (const int64_t[]){6, axis == 0 ? 4 : 3, axis == 2 ? 4 : 5}, 3,
                                   key))
DRAW(permutation, adze_random_permutation(c, matrix(c), axis, key))
DRAW(permutation_arange, adze_random_permutation_arange(c, 100, key))
DRAW(split_num, adze_random_split_num(c, key, 5))

/* found may be `steps` units in the last place of the larger of 1 and the value away: 0 for what must have equal bits.
 */
typedef struct Case {
    const char *name; /* of the file */
    Draw *draw;
    AdzeElement element; /* asked for */
    int axis;
    int steps;
} Case;

#define EACH(name, draw, steps)                                                                                        \
    {name "_f32", draw, ADZE_F32, 0, steps}, {name "_f16", draw, ADZE_F16, 0, steps},                                  \
    {                                                                                                                  \
        name "_bf16", draw, ADZE_BF16, 0, steps                                                                        \
    }
static const Case cases[] = {
    EACH("uniform", draw_uniform, 0),
    EACH("uniform_range", draw_uniform_range, 0),
    EACH("uniform_arrays", draw_uniform_arrays, 0),
    {"normal_f32", draw_normal, ADZE_F32, 0, 8},
    {"normal_f32", draw_normal_none, ADZE_F32, 0, 8},
    EACH("normal_scaled", draw_normal_scaled, 8),
    {"normal_arrays_f32", draw_normal_arrays, ADZE_F32, 0, 8},
    {"laplace_f32", draw_laplace, ADZE_F32, 0, 4},
    EACH("laplace_scaled", draw_laplace_scaled, 4),
    {"gumbel_f32", draw_gumbel, ADZE_F32, 0, 4},
    {"truncated_f32", draw_truncated, ADZE_F32, 0, 8},
    {"randint_i32", draw_randint, ADZE_I32, 0, 0},
    {"randint_u8", draw_randint, ADZE_U8, 0, 0},
    {"randint_i64", draw_randint, ADZE_I64, 0, 0},
    {"randint_u32", draw_randint, ADZE_U32, 0, 0},
    {"randint_negative", draw_randint_negative, ADZE_I16, 0, 0},
    {"randint_empty", draw_randint_empty, ADZE_I32, 0, 0},
    EACH("bernoulli", draw_bernoulli, 0),
    {"bernoulli_own_shape", draw_bernoulli_own, ADZE_F32, 0, 0},
    {"categorical_0", draw_categorical, ADZE_F32, 0, 0},
    {"categorical_1", draw_categorical, ADZE_F32, 1, 0},
    {"categorical_2", draw_categorical, ADZE_F32, -1, 0},
    {"categorical_samples_0", draw_categorical_samples, ADZE_F32, -3, 0},
    {"categorical_samples_1", draw_categorical_samples, ADZE_F32, 1, 0},
    {"categorical_samples_2", draw_categorical_samples, ADZE_F32, -1, 0},
    {"categorical_shape_0", draw_categorical_shape, ADZE_F32, 0, 0},
    {"categorical_shape_1", draw_categorical_shape, ADZE_F32, 1, 0},
    {"categorical_shape_2", draw_categorical_shape, ADZE_F32, 2, 0},
    {"permutation_0", draw_permutation, ADZE_F32, 0, 0},
    {"permutation_1", draw_permutation, ADZE_F32, -1, 0},
    {"permutation_arange", draw_permutation_arange, ADZE_F32, 0, 0},
    {"split_num", draw_split_num, ADZE_F32, 0, 0},
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- comparing ---- */

static HostArray load(const char *name, AdzeElement element, Arena *arena)
{
    char path[512];
    HostArray array = {0};
    Diag diag;
    diag_init(&diag);
    snprintf(path, sizeof path, ADZE_SOURCE_DIR "/tests/data/random_answers/%s.npy", name);
    if (npy_read_as(path, (ElementType)element, &array, arena, &diag) != STATUS_OK)
        fail_msg("%s: %s", path, diag.first == NULL ? "?" : diag.first->what);
    diag_release(&diag);
    return array;
}

static const void *data_of(adze_context *c, adze_array array)
{
    const void *data = adze_data(c, array);
    if (data == NULL)
        fail_msg("%s", adze_message(c));
    return data;
}

static double unit_of(AdzeElement element)
{
    return element == ADZE_F16 ? 0x1p-10 : element == ADZE_BF16 ? 0x1p-7 : 0x1p-23;
}

static void compare(adze_context *c, const Case *check, adze_array found, const void *due)
{
    const AdzeElement element = adze_element_of(found);
    const uint32_t bytes = element_info[element].bytes;
    const char *data = data_of(c, found);
    for (size_t i = 0; i < adze_size(found); i++) {
        const double x = element_to_double((ElementType)element, data + i * bytes);
        const double y = element_to_double((ElementType)element, (const char *)due + i * bytes);
        if (x != y && !(fabs(x - y) <= check->steps * unit_of(element) * fmax(1, fabs(y))))
            fail_msg("%s: element %zu is %.9g, MLX says %.9g", check->name, i, x, y);
    }
}

static void check_case(adze_context *c, const Case *what)
{
    Arena arena;
    arena_init(&arena);
    const adze_array found = what->draw(c, adze_random_key(c, SEED), what->element, what->axis);
    if (adze_error_of(found) != NULL)
        fail_msg("%s: %s", what->name, adze_error_of(found));
    const HostArray due = load(what->name, adze_element_of(found), &arena);
    assert_int_equal(adze_rank(found), due.rank);
    for (uint32_t k = 0; k < due.rank; k++)
        assert_int_equal(adze_shape(found)[k], due.dim[k]);
    compare(c, what, found, due.data);
    arena_release(&arena);
}

static void test_equals_mlx(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    for (size_t i = 0; i < CASES; i++)
        check_case(c, &cases[i]);
    adze_context_free(c);
}

/* Singular values are LAPACK's: where kernels can't call it, there is nothing to compare. */
static void test_vectors(void **state)
{
    (void)state;
    static const Case vector_cases[] = {{"multivariate", draw_multivariate, ADZE_F32, 0, 64},
                                        {"multivariate_batch", draw_multivariate_batch, ADZE_F32, 0, 64}};
    adze_context *c = adze_context_new();
    const adze_array probe = draw_multivariate(c, adze_random_key(c, SEED), ADZE_F32, 0);
    const bool has_kernel = adze_data(c, probe) != NULL || strstr(adze_message(c), "no kernel is made for svd") == NULL;
    for (int i = 0; i < 2 && has_kernel; i++)
        check_case(c, &vector_cases[i]);
    adze_context_free(c);
    if (!has_kernel)
        skip();
}

static void test_bits(void **state)
{
    (void)state;
    static const int64_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 31, 32, 33, 101};
    static const AdzeElement elements[] = {[1] = ADZE_U8, [2] = ADZE_U16, [4] = ADZE_U32};
    adze_context *c = adze_context_new();
    const adze_array key = adze_random_key(c, SEED);
    for (int width = 1; width <= 4; width *= 2) {
        Arena arena;
        char name[32];
        arena_init(&arena);
        snprintf(name, sizeof name, "bits_%d", width);
        const char *due = load(name, elements[width], &arena).data;
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            const size_t bytes = (size_t)counts[i] * (size_t)width;
            const adze_array found = adze_random_bits(c, &counts[i], 1, width, key);
            assert_int_equal(adze_element_of(found), elements[width]);
            assert_memory_equal(data_of(c, found), due, bytes);
            due += bytes;
        }
        arena_release(&arena);
    }
    const int64_t none[] = {3, 0};
    assert_int_equal(adze_eval(c, (const adze_array[]){adze_random_bits(c, none, 2, 4, key)}, 1), ADZE_DONE);
    adze_context_free(c);
}

static void test_split(void **state)
{
    (void)state;
    Arena arena;
    arena_init(&arena);
    adze_context *c = adze_context_new();
    adze_array first, second;
    adze_random_split(c, adze_random_key(c, SEED), &first, &second);
    const uint32_t *due = load("split", ADZE_U32, &arena).data;
    assert_memory_equal(data_of(c, first), due, 8);
    assert_memory_equal(data_of(c, second), due + 2, 8);
    adze_context_free(c);
    arena_release(&arena);
}

/* ---- traced, compiled, mapped, exported ---- */

static adze_status draw_case(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const Case *what = payload;
    (void)count;
    return adze_give(results, what->draw(c, in[0], what->element, what->axis));
}

static void assert_same(adze_context *c, const char *name, adze_array a, const char *due)
{
    const size_t bytes = adze_size(a) * element_info[adze_element_of(a)].bytes;
    if (memcmp(data_of(c, a), due, bytes) != 0)
        fail_msg("%s: other bits", name);
}

static void check_mapped(adze_context *c, const Case *what, adze_closure *f, adze_array keys)
{
    enum { KEYS = 3 };
    adze_array mapped, one;
    adze_closure *over = adze_vmap(c, f, NULL, 1, NULL, 1);
    if (adze_apply(c, over, &keys, 1, &mapped, 1) != ADZE_DONE)
        fail_msg("%s: %s", what->name, adze_message(c));
    const char *data = data_of(c, mapped);
    for (int i = 0; i < KEYS; i++) {
        const adze_array key = adze_take(c, keys, adze_scalar_i32(c, i), 0);
        assert_int_equal(adze_apply(c, f, &key, 1, &one, 1), ADZE_DONE);
        const size_t bytes = adze_size(one) * element_info[adze_element_of(one)].bytes;
        assert_same(c, what->name, one, data + (size_t)i * bytes);
    }
    adze_closure_free(over);
}

/* One of each rule is enough: kernels take time to compile. */
static bool is_typical(const Case *what)
{
    static Draw *const draws[] = {draw_uniform_arrays,   draw_normal_arrays, draw_truncated,
                                  draw_randint_negative, draw_bernoulli_own, draw_categorical_samples,
                                  draw_permutation,      draw_split_num};
    bool found = false;
    for (size_t i = 0; i < sizeof draws / sizeof *draws; i++)
        found = found || draws[i] == what->draw;
    return found && (what->element == ADZE_F32 || what->element == ADZE_I16) && what->axis <= 0;
}

static void test_transforms(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array key = adze_random_key(c, SEED), keys = adze_random_split_num(c, key, 3);
    for (size_t i = 0; i < CASES; i++) {
        if (!is_typical(&cases[i]))
            continue;
        adze_context *scope = adze_scope(c);
        adze_closure *f = adze_closure_new(draw_case, (void *)(uintptr_t)&cases[i], NULL);
        adze_closure *compiled = adze_compile(scope, f);
        adze_array out;
        const char *due = data_of(scope, cases[i].draw(scope, key, cases[i].element, cases[i].axis));
        if (adze_apply(scope, compiled, &key, 1, &out, 1) != ADZE_DONE)
            fail_msg("%s: %s", cases[i].name, adze_message(scope));
        assert_same(scope, cases[i].name, out, due);
        check_mapped(scope, &cases[i], f, keys);
        adze_closure_free(f);
        adze_closure_free(compiled);
        adze_context_free(scope);
    }
    adze_context_free(c);
}

static adze_status draw_several(adze_context *c, const adze_array *in, size_t count, adze_results *results,
                                void *payload)
{
    adze_array first, second;
    (void)count;
    (void)payload;
    adze_random_split(c, in[0], &first, &second);
    adze_give(results, draw_uniform_arrays(c, first, ADZE_F32, 0));
    adze_give(results, draw_normal_scaled(c, second, ADZE_F32, 0));
    return adze_give(results, draw_permutation_arange(c, second, ADZE_F32, 0));
}

static void test_exported(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/adze_random_%d.so", (int)getpid());
    adze_context *c = adze_context_new();
    adze_closure *f = adze_closure_new(draw_several, NULL, NULL);
    const adze_array key = adze_random_key(c, SEED);
    adze_array here[3];
    if (adze_export(c, f, &key, 1, "draws", path) != ADZE_DONE)
        fail_msg("%s", adze_message(c));
    assert_int_equal(adze_apply(c, f, &key, 1, here, 3), ADZE_DONE);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const AdzeModel *model = dlsym(library, "adze_model");
    assert_non_null(model);
    const int64_t bytes = adze_workspace_bytes(model, NULL);
    void *workspace = aligned_alloc(ADZE_ALIGNMENT, ((size_t)bytes / ADZE_ALIGNMENT + 1) * ADZE_ALIGNMENT);
    uint32_t there[3][SIZE];
    const void *in[] = {data_of(c, key)};
    void *out[] = {there[0], there[1], there[2]};
    assert_int_equal(adze_run(model, in, out, NULL, workspace, bytes, NULL), ADZE_OK);
    for (int i = 0; i < 3; i++)
        assert_same(c, "exported", here[i], (const char *)there[i]);
    free(workspace);
    dlclose(library);
    unlink(path);
    adze_closure_free(f);
    adze_context_free(c);
}

/* Noise of whatever shape x has. */
static adze_status add_noise(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const int64_t *size = adze_shape(in[0]);
    const size_t rank = adze_rank(in[0]);
    const adze_array noise = adze_random_normal(c, size, rank, ADZE_F32, 0, 1, in[1]);
    const adze_array choice = adze_random_categorical(c, in[0], -1, in[1]);
    (void)count;
    (void)payload;
    adze_give(results, choice);
    return adze_give(results, adze_add(c, noise, adze_random_permutation(c, in[0], 0, in[1])));
}

static void test_shapeless(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    adze_closure *f = adze_closure_new(add_noise, NULL, NULL);
    const adze_leaf leaf[] = {{.element = ADZE_F32, .rank = 2, .shape = (const int64_t[]){5, 3}},
                              {.element = ADZE_U32, .rank = 1, .shape = (const int64_t[]){2}}};
    const adze_compile_options options = {.shapes = ADZE_SHAPES_ANY, .no_disk_cache = true};
    adze_compiled *compiled = adze_compiled_new(c, f, leaf, 2, &options);
    if (compiled == NULL)
        fail_msg("%s", adze_message(c));
    for (int64_t rows = 5; rows < 8; rows++) {
        const int64_t size[] = {rows, 3};
        const adze_array x = adze_reshape(c, adze_arange(c, 0, (double)rows * 3, 1, ADZE_F32), size, 2);
        const adze_array in[] = {x, adze_random_key(c, SEED)};
        adze_array plain[2], out[2];
        assert_int_equal(adze_apply(c, f, in, 2, plain, 2), ADZE_DONE);
        if (adze_compiled_call(c, compiled, in, 2, out, 2) != ADZE_DONE)
            fail_msg("%s", adze_message(c));
        for (int i = 0; i < 2; i++)
            assert_same(c, "shapeless", out[i], data_of(c, plain[i]));
    }
    assert_int_equal(adze_compiled_counts(compiled).traces, 1);
    adze_compiled_free(compiled);
    adze_closure_free(f);
    adze_context_free(c);
}

/* ---- derivatives ---- */

/* Sum over a draw scaled by its two parameters; which draw: payload. */
static adze_status summed(adze_context *c, const adze_array *in, size_t count, adze_results *results, void *payload)
{
    const adze_array key = adze_random_key(c, SEED);
    const int which = *(const int *)payload;
    const adze_array x = which == 0   ? adze_random_uniform(c, in[0], in[1], shape, RANK, ADZE_F32, key)
                         : which == 1 ? adze_random_normal_broadcast(c, shape, RANK, ADZE_F32, in[0], in[1], key)
                                      : adze_random_truncated_normal(c, in[0], in[1], shape, RANK, ADZE_F32, key);
    (void)count;
    return adze_give(results, adze_sum(c, x, NULL, 0, false));
}

static double sum_at(adze_context *c, adze_closure *f, double low, double high)
{
    adze_array out;
    const adze_array in[] = {adze_scalar(c, (float)low), adze_scalar(c, (float)high)};
    assert_int_equal(adze_apply(c, f, in, 2, &out, 1), ADZE_DONE);
    return adze_item(c, out);
}

static void test_gradients(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    for (int which = 0; which < 3; which++) {
        adze_closure *f = adze_closure_new(summed, &which, NULL);
        adze_closure *g = adze_grad(c, f, (const int[]){0, 1}, 2);
        const double step = 0x1p-6, low = -0.5, high = 1.25;
        const adze_array in[] = {adze_scalar(c, (float)low), adze_scalar(c, (float)high)};
        adze_array out[2];
        if (adze_apply(c, g, in, 2, out, 2) != ADZE_DONE)
            fail_msg("%s", adze_message(c));
        const double by_low = (sum_at(c, f, low + step, high) - sum_at(c, f, low - step, high)) / (2 * step);
        const double by_high = (sum_at(c, f, low, high + step) - sum_at(c, f, low, high - step)) / (2 * step);
        assert_true(fabs(by_low) + fabs(by_high) > 10);
        assert_float_equal(adze_item(c, out[0]), by_low, 0.02 * (1 + fabs(by_low)));
        assert_float_equal(adze_item(c, out[1]), by_high, 0.02 * (1 + fabs(by_high)));
        adze_closure_free(f);
        adze_closure_free(g);
    }
    adze_context_free(c);
}

/* ---- what it is drawn from ---- */

static void test_moments(void **state)
{
    (void)state;
    enum { COUNT = 1 << 18 };
    const int64_t size = COUNT;
    adze_context *c = adze_context_new();
    const float *x = data_of(c, adze_random_normal(c, &size, 1, ADZE_F32, 2, 3, adze_random_key(c, 1)));
    double sum = 0, squares = 0;
    for (int i = 0; i < COUNT; i++)
        sum += x[i];
    for (int i = 0; i < COUNT; i++)
        squares += (x[i] - sum / COUNT) * (x[i] - sum / COUNT);
    assert_float_equal(sum / COUNT, 2, 5 * 3 / sqrt(COUNT));
    assert_float_equal(squares / COUNT, 9, 5 * 9 * sqrt(2.0 / COUNT));
    adze_context_free(c);
}

/* ---- what is refused ---- */

static void refused(adze_array array, const char *why)
{
    const char *error = adze_error_of(array);
    if (error == NULL || strstr(error, why) == NULL)
        fail_msg("found: %s\ndue:   %s", error == NULL ? "no error" : error, why);
}

static void test_refuses(void **state)
{
    (void)state;
    adze_context *c = adze_context_new();
    const adze_array key = adze_random_key(c, SEED), zero = adze_scalar(c, 0), one = adze_scalar(c, 1);
    const int64_t two = 2, huge[] = {1 << 20, 1 << 20}, overflow[] = {INT64_MAX / 2, 8}, negative = -3;
    const AdzeElement nonsense = (AdzeElement)99;
    refused(adze_random_bits(c, &two, 1, 3, key), "[random_bits] Bit width must be 1, 2 or 4 bytes but was 3.");
    refused(adze_random_bits(c, &two, 1, 4, one), "Expected key type u32 but received f32.");
    refused(adze_random_bits(c, &two, 1, 4, adze_random_split_num(c, key, 2)),
            "Expected key shape (2). (given u32[2,2])");
    refused(adze_random_bits(c, huge, 2, 4, key), "at most 4294967295 numbers");
    assert_non_null(adze_error_of(adze_random_bits(c, overflow, 2, 4, key)));
    assert_non_null(adze_error_of(adze_random_bits(c, &negative, 1, 4, key)));
    refused(adze_random_bits(c, overflow, 17, 4, key), "too many axes");
    refused(adze_random_uniform(c, zero, one, &two, 1, ADZE_I32, key), "[random_uniform] Can only generate");
    refused(adze_random_uniform(c, zero, one, &two, 1, nonsense, key), "no such element type");
    refused(adze_random_uniform(c, three(c), one, &two, 1, ADZE_F32, key), "broadcast");
    refused(adze_random_normal(c, &two, 1, ADZE_U8, 0, 1, key), "[random_normal] Can only generate");
    refused(adze_random_normal_broadcast(c, &two, 1, ADZE_F32, zero, three(c), key), "broadcast");
    refused(adze_random_laplace(c, &two, 1, ADZE_C64, 0, 1, key), "Can only generate");
    refused(adze_random_gumbel(c, &two, 1, ADZE_BOOL, key), "Can only generate");
    refused(adze_random_truncated_normal(c, three(c), seven(c, 0), &two, 1, ADZE_F32, key), "broadcast");
    const adze_array cov = covariance(c);
    refused(adze_random_multivariate_normal(c, three(c), cov, NULL, 0, ADZE_F16, key), "Only f32 is supported");
    refused(adze_random_multivariate_normal(c, one, cov, NULL, 0, ADZE_F32, key), "mean must have at least one");
    refused(adze_random_multivariate_normal(c, three(c), three(c), NULL, 0, ADZE_F32, key),
            "cov must have at least two");
    refused(adze_random_multivariate_normal(c, three(c), means(c), NULL, 0, ADZE_F32, key), "of cov must be equal");
    refused(adze_random_multivariate_normal(c, matrix(c), cov, NULL, 0, ADZE_F32, key), "mean and cov must have comp");
    refused(adze_random_multivariate_normal(c, means(c), cov, (const int64_t[]){5}, 1, ADZE_F32, key), "broadcast");
    refused(adze_random_randint(c, zero, one, &two, 1, ADZE_F32, key), "randint only accepts integer types and bool");
    refused(adze_random_bernoulli(c, adze_scalar_i32(c, 1), NULL, 0, key), "must be a float type");
    refused(adze_random_bernoulli(c, three(c), &two, 1, key), "broadcast");
    refused(adze_random_categorical(c, logits(c), 3, key), "axis 3 is out of range: the array has 3 axes");
    refused(adze_random_categorical(c, one, 0, key), "axis 0 was asked for, a scalar has none");
    refused(adze_random_categorical_shape(c, logits(c), 0, &two, 1, key), "logits without their axis");
    assert_non_null(adze_error_of(adze_random_categorical_num_samples(c, logits(c), 0, -1, key)));
    refused(adze_random_permutation(c, one, 0, key), "axis 0 was asked for, a scalar has none");
    assert_non_null(adze_error_of(adze_random_permutation_arange(c, -1, key)));
    assert_non_null(adze_error_of(adze_random_split_num(c, key, -1)));
    adze_context_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),      cmocka_unit_test(test_equals_mlx), cmocka_unit_test(test_split),
        cmocka_unit_test(test_vectors),   cmocka_unit_test(test_transforms), cmocka_unit_test(test_exported),
        cmocka_unit_test(test_gradients), cmocka_unit_test(test_shapeless),  cmocka_unit_test(test_moments),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
